package exec

import (
	"math"
	"sort"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/plan"
)

// maxCells is how many counters a question about calendar units may take.
const maxCells = 1 << 28

// perUnit narrows rows by the counts of the last N complete calendar units. Where only nothing and something are told
// apart, a bit a unit is enough.
func (r *run) perUnit(n plan.Units, want bool, rows Set) bool {
	sc, ok := r.scan(n.Events, nil, rows)
	if !ok {
		return false
	}
	holds := func(count int) bool { return compares(n.Op, float64(count), []float64{n.Lit}) }
	if sc == nil {
		if n.Kind.Of(n.N*int(b2u(holds(0))), n.N) != want {
			clear(rows)
		}
		return true
	}
	starts := r.src.Calendar().Starts(r.now, n.Unit, n.N)
	sc.window.from, sc.window.to = max(sc.window.from, starts[0]), min(sc.window.to, starts[n.N])
	enough := fewest(max(1, math.Floor(n.Lit)+1), holds)
	switch {
	case enough == 1 && n.N <= 64:
		r.unitBits(sc, starts, n, holds, want, rows)
	case enough <= math.MaxUint8 && n.N*r.rows <= maxCells:
		unitCounts(r, sc, starts, n, uint8(enough), holds, want, rows)
	case enough < math.MaxUint32 && n.N*r.rows <= maxCells/4:
		unitCounts(r, sc, starts, n, uint32(enough), holds, want, rows)
	default:
		return false
	}
	return true
}

// unitOf finds the unit of each hit.
type unitOf struct {
	ev     *Events
	starts []int64
	unit   int
}

func (u *unitOf) of(t int64) int {
	if t < u.starts[u.unit] || t >= u.starts[u.unit+1] { // events come mostly in order, so it is mostly the same
		u.unit = sort.Search(len(u.starts), func(i int) bool { return u.starts[i] > t }) - 1
	}
	return u.unit
}

// unitBits keeps a set of people for each unit. It is written in no order, and a bit a person fits into a cache.
type unitBits struct {
	unitOf
	seen []Set // by unit
}

func newUnitBits(ev *Events, starts []int64, rows int) *unitBits {
	u := &unitBits{unitOf: unitOf{ev, starts, 0}, seen: make([]Set, len(starts)-1)}
	for i := range u.seen {
		u.seen[i] = NewSet(rows)
	}
	return u
}

// take reads no time of a chunk that lies wholly in one unit.
func (u *unitBits) take(h *hits, _ *scratch) {
	first, last := timesIn(u.ev.Time, h.f.k)
	if first >= u.starts[0] && last < u.starts[len(u.starts)-1] && u.of(first) == u.of(last) {
		seen := u.seen[u.unit]
		for _, row := range h.who {
			seen[row>>6] |= 1 << (row & 63)
		}
		return
	}
	times := u.ev.Time.Ints(h.f.k)
	var from, to int64 // of the unit met last
	var seen Set
	for i, row := range h.who {
		if t := times[h.at(i)]; t < from || t >= to {
			unit := u.of(t)
			from, to, seen = u.starts[unit], u.starts[unit+1], u.seen[unit]
		}
		seen[row>>6] |= 1 << (row & 63)
	}
}

// unitBits narrows rows by in how many units there is any event. The numbers of units that matter are none, one and all.
func (r *run) unitBits(sc *scan, starts []int64, n plan.Units, holds func(int) bool, want bool, rows Set) {
	sinks := sc.run(func() sink { return newUnitBits(sc.ev, starts, r.rows) })
	seen := sinks[0].(*unitBits).seen
	for _, s := range sinks[1:] {
		for i, o := range s.(*unitBits).seen {
			seen[i].or(o)
		}
	}
	without, with := -b2u(holds(0)), -b2u(holds(1)) // all ones where it holds
	none, one, every := -b2u(n.Kind.Of(0, n.N) == want), -b2u(n.Kind.Of(1, n.N) == want), -b2u(n.Kind.Of(n.N, n.N) == want)
	some := none // of more than one, but not all
	if n.N > 2 {
		some = -b2u(n.Kind.Of(2, n.N) == want)
	}
	for w, word := range rows {
		if word == 0 {
			continue
		}
		all, any, two := ^uint64(0), uint64(0), uint64(0)
		for _, s := range seen {
			held := s[w]&with | ^s[w]&without
			all &= held
			two |= any & held
			any |= held
		}
		met := ^any&none | any&^two&^all&one | two&^all&some | all&every
		rows[w] = word & met
	}
}

type unitCounting[T uint8 | uint32] struct {
	unitOf
	n    []T
	most T
}

func (u *unitCounting[T]) take(h *hits, _ *scratch) {
	times, units := u.ev.Time.Ints(h.f.k), len(u.starts)-1
	for i, row := range h.who {
		cell := int(row)*units + u.of(times[h.at(i)])
		u.n[cell] += T(b2u(u.n[cell] < u.most))
	}
}

func unitCounts[T uint8 | uint32](r *run, sc *scan, starts []int64, n plan.Units, enough T, holds func(int) bool, want bool, rows Set) {
	sinks := sc.run(func() sink {
		return &unitCounting[T]{unitOf{sc.ev, starts, 0}, make([]T, r.rows*n.N), enough}
	})
	counts := sinks[0].(*unitCounting[T]).n
	for _, s := range sinks[1:] {
		for i, c := range s.(*unitCounting[T]).n {
			counts[i] = min(counts[i], enough-c) + c
		}
	}
	r.pass(rows, func(f *frame, _ *scratch, words []uint64) {
		Set(words).each(func(i uint32) {
			row, held := f.k*column.ChunkRows+int(i), 0
			for _, c := range counts[row*n.N : (row+1)*n.N] {
				held += int(b2u(holds(int(c))))
			}
			if n.Kind.Of(held, n.N) != want {
				words[i>>6] &^= 1 << (i & 63)
			}
		})
	})
}
