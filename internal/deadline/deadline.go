// Package deadline is the index of what must happen later: instants kept by hour, and drained in order.
//
// The deadlines of one hour are an unsorted list, which takes an insert in constant time. When the hour comes, the list is split
// by the first byte in which its entries differ, and only the earliest part is split again and then sorted: so no single
// step costs more than one pass over an hour. What is inserted into the hour that is being drained, or into the
// past, goes to a small heap beside it.
//
// There is no cancel: who fires an item asks whether it still holds. The order is (instant, kind, subject, row) and
// nothing else, so a drain gives the same items in the same order whatever the order of inserts was, also after a
// checkpoint and reload.
//
// Nothing here locks: any number of goroutines may read while none writes. Instants are microseconds since 1970 UTC.
package deadline

import (
	"cmp"
	"fmt"
	"slices"
)

// Item is what a deadline is for: a segment's flip of a row, a journey's wait, and so on. The meaning is the caller's.
type Item struct {
	Kind    uint8  // at most MaxKind
	Subject uint32 // the segment, the event type; at most MaxSubject
	Row     uint32
}

// Limits of an Item; Insert panics beyond them.
const (
	MaxKind    = 1<<4 - 1
	MaxSubject = 1<<28 - 1
)

// Index holds pending deadlines. An item may be in it any number of times, at different instants or the same.
type Index struct {
	pending int

	// Hours that are not opened: the list of each, and a heap of their numbers.
	buckets map[int64]*bucket
	hours   heap[int64]
	last    *bucket // the one of the last insert: most inserts of a batch go to one hour

	// The opened hour: its earliest entries sorted, the others in parts of which the last one is the earliest.
	open   int64
	isOpen bool
	sorted []entry
	parts  []part
	late   heap[timed] // inserted into the opened hour or before it

	free  *chunk
	freeN int
}

// bucket is an hour that is not opened.
type bucket struct {
	hour     int64
	earliest uint32 // offset
	part
}

// timed is an entry of any hour.
type timed struct {
	hour int64
	entry
}

const hour = 3_600_000_000

// New returns an empty index.
func New() *Index {
	return &Index{
		buckets: map[int64]*bucket{},
		hours:   heap[int64]{less: func(a, b int64) bool { return a < b }},
		late:    heap[timed]{less: func(a, b timed) bool { return compareTimed(a, b) < 0 }},
	}
}

func compareTimed(a, b timed) int {
	if a.hour != b.hour {
		return cmp.Compare(a.hour, b.hour)
	}
	return compare(a.entry, b.entry)
}

// Len returns the number of pending deadlines.
func (x *Index) Len() int { return x.pending }

// Insert adds a deadline. The instant may be in the past: it is then the next to be drained.
func (x *Index) Insert(at int64, it Item) {
	if it.Kind > MaxKind || it.Subject > MaxSubject {
		panic(fmt.Sprintf("deadline: kind %d, subject %d: at most %d and %d", it.Kind, it.Subject, MaxKind, MaxSubject))
	}
	h, offset := split(at)
	e := entry{offset: offset, what: uint32(it.Kind)<<28 | it.Subject, row: it.Row}
	x.pending++
	if x.isOpen && h <= x.open {
		x.late.push(timed{h, e})
		return
	}
	b := x.last
	if b == nil || b.hour != h {
		b = x.bucket(h)
	}
	b.earliest = min(b.earliest, offset)
	x.add(&b.part, e)
}

// split returns the number of the hour, rounded down, and the microseconds since its start. Both wrap together at the ends
// of int64, and join brings every instant back.
func split(at int64) (h int64, offset uint32) {
	h = at / hour
	if at%hour < 0 {
		h--
	}
	return h, uint32(at - h*hour)
}

func join(h int64, offset uint32) int64 { return h*hour + int64(offset) }

func (x *Index) bucket(h int64) *bucket {
	b := x.buckets[h]
	if b == nil {
		b = &bucket{hour: h, earliest: hour - 1}
		x.buckets[h] = b
		x.hours.push(h)
	}
	x.last = b
	return b
}

// Merge takes over the deadlines of another index, which must not be used any more. Whole hours are linked, so it costs little
// however many there are, but for those of an hour that is being drained here already.
func (x *Index) Merge(other *Index) {
	for _, t := range other.opened() {
		x.Insert(join(t.hour, t.offset), t.item())
	}
	for h, from := range other.buckets {
		if x.isOpen && h <= x.open {
			for _, t := range from.appendTo(nil, h) {
				x.pending++
				x.late.push(t)
			}
			continue
		}
		b := x.bucket(h)
		b.earliest = min(b.earliest, from.earliest)
		b.link(from.part)
		x.pending += from.n
	}
}

// Next returns the earliest pending instant, exactly; ok is false when nothing is pending.
func (x *Index) Next() (at int64, ok bool) {
	switch {
	case x.isOpen && len(x.late.items) > 0 && (len(x.sorted) == 0 || x.lateFirst()):
		return join(x.late.items[0].hour, x.late.items[0].offset), true
	case x.isOpen:
		return join(x.open, x.sorted[0].offset), true
	case len(x.hours.items) > 0:
		h := x.hours.items[0]
		return join(h, x.buckets[h].earliest), true
	}
	return 0, false
}

func (x *Index) lateFirst() bool {
	return compareTimed(x.late.items[0], timed{x.open, x.sorted[0]}) < 0
}

// Drain removes up to max deadlines with an instant of now or earlier, calls fn for each in order, and returns how many there
// were. fn may Insert; what it inserts at now or earlier is drained in the same call. fn must not call Drain.
func (x *Index) Drain(now int64, max int, fn func(at int64, it Item)) int {
	n := 0
	for n < max {
		at, ok := x.Next()
		if !ok || at > now {
			break
		}
		e := x.pop()
		fn(at, e.item())
		n++
	}
	return n
}

// pop removes the earliest entry.
func (x *Index) pop() (e entry) {
	if !x.isOpen {
		x.openFirst()
	}
	if len(x.late.items) > 0 && (len(x.sorted) == 0 || x.lateFirst()) {
		e = x.late.pop().entry
	} else {
		e = x.sorted[0]
		x.sorted = x.sorted[1:]
	}
	x.pending--
	x.settle()
	return e
}

// openFirst opens the earliest hour.
func (x *Index) openFirst() {
	h := x.hours.pop()
	b := x.buckets[h]
	delete(x.buckets, h)
	if x.last == b {
		x.last = nil
	}
	x.open, x.isOpen = h, true
	x.parts = append(x.parts, b.part)
	x.settle()
}

// settle makes sorted hold the earliest entries of the opened hour, and closes the hour when all of it is gone.
func (x *Index) settle() {
	for len(x.sorted) == 0 && len(x.parts) > 0 {
		p := x.parts[len(x.parts)-1]
		x.parts = x.parts[:len(x.parts)-1]
		if p.n > sortAtOnce {
			if i, differ := p.firstDifference(); differ {
				x.splitPart(p, i)
				continue
			}
		}
		x.sortPart(p)
	}
	x.isOpen = len(x.sorted) > 0 || len(x.late.items) > 0
}

// opened returns what is in no bucket, in no order: the hour that is being drained, and what came late.
func (x *Index) opened() []timed {
	out := slices.Clone(x.late.items)
	for _, e := range x.sorted {
		out = append(out, timed{x.open, e})
	}
	for i := range x.parts {
		out = x.parts[i].appendTo(out, x.open)
	}
	return out
}
