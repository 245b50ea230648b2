package exec

import (
	"cmp"
	"slices"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// extreme is min, max, or a field of the first or last event, of each of the rows.
func (r *run) extreme(agg plan.Aggregate, rows Set) (vector, bool) {
	sc, of, ok := r.scanOf(agg, rows)
	if !ok {
		return nil, false
	}
	if sc == nil {
		return direct{of: kinds[plan.TypeOf(agg)].value}, true
	}
	max := agg.Function == plan.Max || agg.Function == plan.Last
	switch {
	case !isTime(agg.Of) && (agg.Function == plan.First || agg.Function == plan.Last):
		return r.end(sc, of, max), true
	case of.kind() == value.Number:
		return r.extremeNumber(sc, of, max), true
	case of.kind() == value.Datetime:
		return r.extremeTime(sc, of, max), true
	}
	return nil, false
}

// extremeNumber and extremeTime are smallest or greatest values.
func (r *run) extremeNumber(sc *scan, of vector, max bool) *results {
	sinks := sc.run(func() sink { return &numbers{newResults(of, r.rows), of, max} })
	best := sinks[0].(*numbers)
	for _, s := range sinks[1:] {
		for row, v := range s.(*numbers).nums {
			if v == v {
				best.see(uint32(row), v)
			}
		}
	}
	return best.results
}

type numbers struct {
	*results
	of  vector
	max bool
}

func (n *numbers) take(h *hits, s *scratch) {
	n.of.load(h.f, &s.left)
	if len(s.left.nums) == 0 {
		return
	}
	for i, row := range h.who {
		if v := s.left.nums[h.at(i)]; v == v {
			n.see(row, v)
		}
	}
}

// see replaces what is not better, and NaN, which is neither less nor more.
func (n *numbers) see(row uint32, v float64) {
	if old := n.nums[row]; n.max && !(old >= v) || !n.max && !(old <= v) {
		n.nums[row] = v
	}
}

func (r *run) extremeTime(sc *scan, of vector, max bool) *personTimes {
	var few *slots
	if sc.rows != nil {
		few = newSlots(sc.rows)
	}
	newSink := func() sink { return &instants{newPersonTimes(few, r.rows), of, max} }
	pieces := sc.pieces()
	var best *instants
	if d, ok := of.(direct); ok && d.col == sc.ev.Time && few != nil {
		best = newSink().(*instants)
		pieces = sc.fromEnd(pieces, best)
	}
	if best != nil && len(pieces) == 0 {
		return best.personTimes
	}
	for _, s := range sc.over(pieces, newSink) {
		if best == nil {
			best = s.(*instants)
			continue
		}
		for i, t := range s.(*instants).at {
			if t != column.AbsentInt {
				best.see(&best.at[i], t)
			}
		}
	}
	return best.personTimes
}

// fromEnd looks for the first or last events of a few people, beginning with the chunks at that end, and stops when everybody has
// one that no other chunk can better. It returns the chunks that are still to be looked at: it gives up after a part of
// them, because somebody without any event would make it go through all alone.
func (sc *scan) fromEnd(pieces []piece, best *instants) (rest []piece) {
	slices.SortFunc(pieces, func(a, b piece) int {
		if best.max {
			return cmp.Compare(b.last, a.last)
		}
		return cmp.Compare(a.first, b.first)
	})
	g := sc.gatherer()
	open := best.at // from the first person on for whom the next chunk may have a better one
	for _, p := range pieces[:len(pieces)/4] {
		for len(open) > 0 && best.settled(p, open[0]) {
			open = open[1:]
		}
		if len(open) == 0 {
			return nil
		}
		g.give(p, best)
	}
	return pieces[len(pieces)/4:]
}

// settled tells whether no event of a chunk, or of those further from the end, is better than a time.
func (n *instants) settled(p piece, t int64) bool {
	return t != column.AbsentInt && (n.max && p.last <= t || !n.max && p.first >= t)
}

type instants struct {
	*personTimes
	of  vector
	max bool
}

func (n *instants) take(h *hits, s *scratch) {
	n.of.load(h.f, &s.left)
	if len(s.left.times) == 0 {
		return
	}
	if n.max && n.slots != nil && h.pos != nil {
		n.takeLast(h, s.left.times)
		return
	}
	for i, row := range h.who {
		if t := s.left.times[h.at(i)]; t != column.AbsentInt {
			n.see(n.personTimes.of(row), t)
		}
	}
}

// takeLast is take for what is asked most often, without what differs from case to case.
func (n *instants) takeLast(h *hits, times []int64) {
	slots, at, who := n.slots, n.at, h.who[:len(h.pos)]
	for i, j := range h.pos {
		best := &at[slots.of(who[i])]
		*best = max(*best, times[j]) // absent is the least of all times
	}
}

func (n *instants) see(best *int64, t int64) {
	switch {
	case n.max: // absent is the least of all times
		*best = max(*best, t)
	case *best == column.AbsentInt || t < *best:
		*best = t
	}
}

// end is a field of the first or last event by (time, arrival). It is absent where that event lacks it.
func (r *run) end(sc *scan, of vector, last bool) *results {
	t, _ := of.(texts)
	sinks := sc.run(func() sink {
		return &ends{results: newResults(of, r.rows), when: newResults(direct{of: value.Datetime}, r.rows).times,
			key: make([]uint64, r.rows), there: NewSet(r.rows), ev: sc.ev, of: of, empty: t != nil && t.emptyToo(), last: last}
	})
	best := sinks[0].(*ends)
	for _, s := range sinks[1:] {
		o := s.(*ends)
		for row, t := range o.when {
			if t != column.AbsentInt {
				best.see(uint32(row), t, o.key[row], o.there.Has(uint32(row)))
			}
		}
	}
	best.there.each(func(row uint32) { best.set(row, best.key[row]) })
	return best.results
}

type ends struct {
	*results
	when  []int64 // time of the best event so far
	key   []uint64
	there Set
	ev    *Events
	of    vector
	empty bool
	last  bool
}

func (e *ends) take(h *hits, s *scratch) {
	e.of.load(h.f, &s.left)
	times, kind := e.ev.Time.Ints(h.f.k), e.of.kind()
	for i, row := range h.who {
		j := h.at(i)
		k, there := key(&s.left, kind, j, e.empty)
		e.see(row, times[j], k, there)
	}
}

// see takes an event that arrived after all that were seen before.
func (e *ends) see(row uint32, t int64, k uint64, there bool) {
	old := e.when[row]
	if e.last && t >= old || !e.last && (old == column.AbsentInt || t < old) {
		e.when[row], e.key[row] = t, k
		e.there[row>>6] = e.there[row>>6]&^(1<<(row&63)) | b2u(there)<<(row&63)
	}
}
