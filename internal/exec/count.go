package exec

import (
	"math"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/plan"
)

// This file answers what needs only the number of events: size, exists, all and exists_one.

// sized narrows rows to those whose number of events compares so with the literals. It counts no further than the
// comparison can tell apart: for >= 1 one bit a person is enough.
func (r *run) sized(list plan.Events, unless plan.Node, op plan.Op, lits []float64, rows Set) bool {
	sc, ok := r.scan(list, unless, rows)
	if !ok {
		return false
	}
	enough := 1.0
	for _, l := range lits {
		enough = max(enough, math.Floor(l)+1)
	}
	holds := func(n int) bool { return compares(op, float64(n), lits) }
	enough = fewest(enough, holds)
	switch {
	case sc == nil:
		if !holds(0) {
			clear(rows)
		}
	case enough == 1:
		if plain := len(list.Filter) == 0 && len(list.Bounds) == 0 && unless == nil; plain && rows.within(r.known[list.Type]) {
			sc = nil
		}
		r.seen(list.Type, sc, holds(0), holds(1), rows)
	case enough <= math.MaxUint8:
		counted(r, sc, uint8(enough), holds, rows)
	case enough <= 1<<20:
		counted(r, sc, uint32(enough), holds, rows)
	default: // nobody counts so far without a number of their own
		counts := r.counts(sc)
		out := make([]float64, len(counts))
		for i, n := range counts {
			out[i] = float64(n)
		}
		return r.tested(&results{of: kinds["number"].value, nums: out}, op, numberValues(lits), rows)
	}
	return true
}

// fewest is the least number from which on, up to enough and so for ever, the outcome is the same; at least 1.
func fewest(enough float64, holds func(int) bool) float64 {
	if enough > 1 && enough <= 1<<20 && holds(int(enough)-1) == holds(int(enough)) {
		enough--
	}
	return enough
}

// seen narrows rows by whether there is any event. Without a scan there is one for each of the rows.
func (r *run) seen(typ string, sc *scan, without, with bool, rows Set) {
	if without == with || sc == nil {
		if !with {
			clear(rows)
		}
		return
	}
	if sc.everything() {
		sc.rows = nil // a bit is set sooner than another is looked at
	}
	sinks := sc.run(func() sink { return &existing{NewSet(r.rows)} })
	have := sinks[0].(*existing).who
	for _, s := range sinks[1:] {
		have.or(s.(*existing).who)
	}
	r.know(typ, have)
	if with {
		rows.and(have)
	} else {
		rows.andNot(have)
	}
}

// know notes people who have an event of a type, beside those who are known to: one look may find who bought lately and
// another who bought shoes.
func (r *run) know(typ string, who Set) {
	if r.known == nil {
		r.known = map[string]Set{}
	}
	if known := r.known[typ]; known != nil {
		known.or(who)
		return
	}
	r.known[typ] = who
}

type existing struct{ who Set }

func (e *existing) take(h *hits, _ *scratch) {
	who := e.who
	for _, row := range h.who {
		who[row>>6] |= 1 << (row & 63)
	}
}

// counted narrows rows by a table of outcomes for each number of events up to enough, which stands for all above it too.
func counted[T uint8 | uint32](r *run, sc *scan, enough T, holds func(int) bool, rows Set) {
	sinks := sc.run(func() sink { return &counting[T]{make([]T, r.rows), enough} })
	counts := sinks[0].(*counting[T]).n
	for _, s := range sinks[1:] {
		for row, n := range s.(*counting[T]).n {
			counts[row] = min(counts[row], enough-n) + n
		}
	}
	table := make([]uint8, enough+1)
	for n := range table {
		table[n] = uint8(b2u(holds(n)))
	}
	r.pass(rows, func(f *frame, _ *scratch, words []uint64) {
		n := counts[f.k*column.ChunkRows:][:f.n]
		for w := range words {
			if words[w] != 0 {
				words[w] &= codeWord(table, n[w*64:min(w*64+64, len(n))])
			}
		}
	})
}

// counting counts no further than most.
type counting[T uint8 | uint32] struct {
	n    []T
	most T
}

func (c *counting[T]) take(h *hits, _ *scratch) {
	n, most := c.n, c.most
	for _, row := range h.who {
		n[row] += T(b2u(n[row] < most))
	}
}

// counts is the number of events of each person.
func (r *run) counts(sc *scan) []uint32 {
	sinks := sc.run(func() sink { return &counting[uint32]{make([]uint32, r.rows), math.MaxUint32} })
	out := sinks[0].(*counting[uint32]).n
	for _, s := range sinks[1:] {
		for row, n := range s.(*counting[uint32]).n {
			out[row] += n
		}
	}
	return out
}

// quantified narrows rows by exists, all or exists_one, or by their contrary.
func (r *run) quantified(n plan.Quantifier, want bool, rows Set) bool {
	switch n.Kind {
	case plan.Every: // no event for which it does not hold
		return r.sized(n.Events, n.If, opIf(want, plan.Equal, plan.NotEqual), []float64{0}, rows)
	case plan.JustOne:
		n.Events.Filter = append(append([]plan.Node{}, n.Events.Filter...), n.If)
		return r.sized(n.Events, nil, opIf(want, plan.Equal, plan.NotEqual), []float64{1}, rows)
	}
	n.Events.Filter = append(append([]plan.Node{}, n.Events.Filter...), n.If)
	return r.sized(n.Events, nil, opIf(want, plan.NotEqual, plan.Equal), []float64{0}, rows)
}

func opIf(want bool, yes, no plan.Op) plan.Op {
	if want {
		return yes
	}
	return no
}
