package live

import (
	"cmp"
	"slices"
	"sort"
)

// eventRow is a row of events of one type, oldest first, from which the oldest are taken.
type eventRow struct {
	events []uint32
	first  int
}

func (r *eventRow) len() int        { return len(r.events) - r.first }
func (r *eventRow) at(k int) uint32 { return r.events[r.first+k] }
func (r *eventRow) size() int       { return 4 * cap(r.events) }

// order is that of (time, arrival).
func (t *Type) order(a, b uint32) int {
	if c := cmp.Compare(t.Time.Int(a), t.Time.Int(b)); c != 0 {
		return c
	}
	return cmp.Compare(a, b)
}

// place is how many events of the row come before an event. Most are the newest.
func (r *eventRow) place(t *Type, event uint32) int {
	n := r.len()
	for k := range min(n, 8) {
		if t.order(r.at(n-1-k), event) < 0 {
			return n - k
		}
	}
	return sort.Search(n, func(k int) bool { return t.order(r.at(k), event) > 0 })
}

func (r *eventRow) insert(t *Type, event uint32) { r.insertAt(r.place(t, event), event) }

func (r *eventRow) insertAt(k int, event uint32) {
	r.events = slices.Insert(r.events, r.first+k, event)
}

// shift takes out the oldest. The memory of those taken out is given back when they are half of it.
func (r *eventRow) shift() uint32 {
	event := r.events[r.first]
	if r.first++; r.first > len(r.events)/2 {
		r.events = append(r.events[:0], r.events[r.first:]...)
		r.first = 0
		if c := cap(r.events); c > 64 && len(r.events) < c/4 {
			r.events = slices.Clone(r.events)
		}
	}
	return event
}

// remove takes out the events from place a to before place b.
func (r *eventRow) remove(a, b int) { r.events = slices.Delete(r.events, r.first+a, r.first+b) }

// drop takes out the events before an instant, and shows each.
func (r *eventRow) drop(t *Type, from int64, each func(event uint32)) {
	for r.len() > 0 && t.Time.Int(r.at(0)) < from {
		if event := r.shift(); each != nil {
			each(event)
		}
	}
}
