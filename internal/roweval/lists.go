package roweval

import (
	"math"
	"sort"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/embedcdp/cdp/internal/celenv"
)

// eventsOf returns the events of a list, oldest first. The checker lets only lists of events through.
func (st *state) eventsOf(list ref.Val) []*record {
	vals := st.elements(list)
	evs := make([]*record, len(vals))
	for i, v := range vals {
		evs[i] = v.(*record)
	}
	return evs
}

func between(evs []*record, from, to int64) ref.Val {
	vals := []ref.Val{}
	for _, e := range evs {
		if t := e.ev.Time(); from <= t && t < to {
			vals = append(vals, e)
		}
	}
	return listOf(vals)
}

// within keeps now-span < e.time <= now. An event that is in leaves at e.time + span; one that is out stays out.
func (st *state) within(list ref.Val, span int64) ref.Val {
	evs := st.eventsOf(list)
	for _, e := range evs {
		st.note(e.ev.Time() + span)
	}
	return between(evs, st.in.Now-span+1, math.MaxInt64)
}

// during keeps the events of a calendar range. An empty list stays empty whatever the range becomes.
func (st *state) during(list ref.Val, name string) ref.Val {
	evs := st.eventsOf(list)
	from, to, next := st.cal.Range(name, st.in.Now)
	if len(evs) > 0 {
		st.note(next)
	}
	return between(evs, from, to)
}

// bounded keeps the events whose time stands in a relation to t, which may move.
func (st *state) bounded(list ref.Val, r relation, t ref.Val) ref.Val {
	vals := []ref.Val{}
	for _, e := range st.eventsOf(list) {
		if st.holds(timestamp(e.ev.Time()), r, t) {
			vals = append(vals, e)
		}
	}
	return listOf(vals)
}

// per counts the events of the last n complete units, oldest first.
func (st *state) per(list ref.Val, unit string, n int) ref.Val {
	evs := st.eventsOf(list)
	if len(evs) > 0 {
		st.note(st.cal.Start(st.in.Now, unit, 1))
	}
	st.charge(n)
	starts := st.cal.Starts(st.in.Now, unit, n)
	counts := make([]types.Int, n)
	for _, e := range evs {
		i := sort.Search(n+1, func(i int) bool { return starts[i] > e.ev.Time() }) - 1
		if i >= 0 && i < n {
			counts[i]++
		}
	}
	vals := make([]ref.Val, n)
	for i := range vals {
		vals[i] = counts[i]
	}
	return listOf(vals)
}

func (st *state) end(list ref.Val, function string) ref.Val {
	vals := st.elements(list)
	switch {
	case len(vals) == 0:
		return types.WrapErr(absent(function[1:] + " of an empty list"))
	case function == celenv.FnFirst:
		return vals[0]
	}
	return vals[len(vals)-1]
}

// sequence tells whether an event of the first list is followed by one of the second, that by one of the third and so
// on, the last at most span after the first. From a given first event the earliest possible follower is always the
// best choice, and the earliest followers of a later first event are not earlier; so each list is walked once.
func (st *state) sequence(span int64, lists []ref.Val) ref.Val {
	steps := make([][]*record, len(lists))
	for i, l := range lists {
		steps[i] = st.eventsOf(l)
	}
	place := make([]int, len(steps))
	for _, first := range steps[0] {
		previous := first
		for k := 1; k < len(steps); k++ {
			for place[k] < len(steps[k]) && !after(steps[k][place[k]], previous) {
				place[k]++
			}
			if place[k] == len(steps[k]) {
				return types.False // nothing is left for later first events either
			}
			previous = steps[k][place[k]]
		}
		if previous.ev.Time()-first.ev.Time() <= span {
			return types.True
		}
	}
	return types.False
}

// after orders two events by (time, position).
func after(a, b *record) bool {
	if a.ev.Time() != b.ev.Time() {
		return a.ev.Time() > b.ev.Time()
	}
	if a.typ == b.typ {
		return a.index > b.index
	}
	x, okX := a.ev.(Positioned)
	y, okY := b.ev.(Positioned)
	return okX && okY && x.Position() > y.Position()
}
