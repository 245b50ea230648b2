package live

import "container/heap"

// keptValues are the different values of events, how often each occurs and where last; the most frequent is on top of a heap.
type keptValues struct {
	typ    *Type
	of     reading
	values map[scalar]*keptValue
	heap   byFrequency
	letsGo bool
	row    eventRow // all events with a value, if the oldest are let go
}

type keptValue struct {
	value scalar
	count int
	last  uint32 // the latest event with it
	place int    // in the heap
}

func (k *keptValues) enter(who *Person, event uint32) {
	who.event = event
	v, _ := k.of.get(who)
	e := k.values[v]
	if e == nil {
		e = &keptValue{value: v, count: 1, last: event}
		k.values[v] = e
		heap.Push(&k.heap, e)
	} else {
		e.count++
		if k.typ.order(e.last, event) < 0 {
			e.last = event
		}
		heap.Fix(&k.heap, e.place)
	}
	if k.letsGo {
		k.row.insert(k.typ, event)
	}
}

func (k *keptValues) leave(who *Person, from int64) {
	k.row.drop(k.typ, from, func(event uint32) {
		who.event = event
		v, _ := k.of.get(who)
		e := k.values[v]
		if e.count--; e.count > 0 {
			heap.Fix(&k.heap, e.place)
			return
		}
		heap.Remove(&k.heap, e.place)
		delete(k.values, v)
	})
}

func (k *keptValues) size() int { return 128 + valueBytes*len(k.values) + k.row.size() }

// valueBytes is what one value takes in the map and in the heap.
const valueBytes = 200

// byFrequency is a heap of which the most frequent value is the first, and of equally frequent ones that whose latest event
// is the most recent.
type byFrequency struct {
	typ *Type
	of  []*keptValue
}

func (h *byFrequency) Len() int { return len(h.of) }

func (h *byFrequency) Less(i, j int) bool {
	if a, b := h.of[i], h.of[j]; a.count != b.count {
		return a.count > b.count
	}
	return h.typ.order(h.of[i].last, h.of[j].last) > 0
}

func (h *byFrequency) Swap(i, j int) {
	h.of[i], h.of[j] = h.of[j], h.of[i]
	h.of[i].place, h.of[j].place = i, j
}

func (h *byFrequency) Push(x any) {
	e := x.(*keptValue)
	e.place = len(h.of)
	h.of = append(h.of, e)
}

func (h *byFrequency) Pop() any {
	e := h.of[len(h.of)-1]
	h.of = h.of[:len(h.of)-1]
	return e
}
