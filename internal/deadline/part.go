package deadline

import (
	"cmp"
	"math/bits"
	"slices"
)

// entry is one deadline in 12 bytes. The instant is kept from the start of its hour, which takes 32 bits.
type entry struct {
	offset uint32
	what   uint32 // kind, and 28 bits of subject
	row    uint32
}

func (e entry) item() Item {
	return Item{Kind: uint8(e.what >> 28), Subject: e.what & MaxSubject, Row: e.row}
}

func compare(a, b entry) int {
	if a.offset != b.offset {
		return cmp.Compare(a.offset, b.offset)
	}
	if a.what != b.what {
		return cmp.Compare(a.what, b.what)
	}
	return cmp.Compare(a.row, b.row)
}

// fields are the entry's fields in the order of comparison.
func (e *entry) fields() [3]uint32 { return [3]uint32{e.offset, e.what, e.row} }

// byteAt returns one of the 12 bytes of the entry; byte 0 is the first to be compared.
func (e *entry) byteAt(i int) byte { return byte(e.fields()[i/4] >> (24 - i%4*8)) }

// part is an unsorted list of entries.
type part struct {
	first, last *chunk
	n           int
}

type chunk struct {
	next    *chunk
	n       int
	entries [chunkSize]entry
}

const (
	chunkSize  = 169  // 2 KiB with the header
	sortAtOnce = 512  // a part of no more entries is sorted and not split
	maxFree    = 1024 // chunks kept for use again
)

func (x *Index) add(p *part, e entry) {
	c := p.last
	if c == nil || c.n == chunkSize {
		c = x.newChunk()
		if p.last == nil {
			p.first = c
		} else {
			p.last.next = c
		}
		p.last = c
	}
	c.entries[c.n] = e
	c.n++
	p.n++
}

// link puts another list behind this one.
func (p *part) link(other part) {
	switch {
	case other.n == 0:
		return
	case p.last == nil:
		p.first = other.first
	default:
		p.last.next = other.first
	}
	p.last, p.n = other.last, p.n+other.n
}

// newChunk takes a chunk from the free list, so that splitting needs little memory beyond that of the part.
func (x *Index) newChunk() *chunk {
	c := x.free
	if c == nil {
		return new(chunk)
	}
	x.free, c.next, c.n = c.next, nil, 0
	x.freeN--
	return c
}

func (x *Index) release(c *chunk) {
	if x.freeN < maxFree {
		c.next = x.free
		x.free = c
		x.freeN++
	}
}

// firstDifference returns the first byte in which not all entries are the same.
func (p *part) firstDifference() (i int, differ bool) {
	if p.n == 0 {
		return 0, false
	}
	var diff [3]uint32
	like := p.first.entries[0].fields()
	for c := p.first; c != nil; c = c.next {
		for j := range c.entries[:c.n] {
			for f, v := range c.entries[j].fields() {
				diff[f] |= v ^ like[f]
			}
		}
	}
	for f, d := range diff {
		if d != 0 {
			return f*4 + bits.LeadingZeros32(d)/8, true
		}
	}
	return 0, false
}

// splitPart replaces a part by those with the same byte i, the earliest last.
func (x *Index) splitPart(p part, i int) {
	var by [256]part
	for c := p.first; c != nil; {
		for j := range c.entries[:c.n] {
			e := &c.entries[j]
			x.add(&by[e.byteAt(i)], *e)
		}
		done := c
		c = c.next
		x.release(done)
	}
	for _, b := range slices.Backward(by[:]) { // small ones together, as many as are sorted at once
		last := len(x.parts) - 1
		switch {
		case b.n == 0:
		case last >= 0 && b.n+x.parts[last].n <= sortAtOnce:
			x.parts[last].link(b)
		default:
			x.parts = append(x.parts, b)
		}
	}
}

// sortPart makes the part the sorted entries.
func (x *Index) sortPart(p part) {
	x.sorted = x.sorted[:0]
	for c := p.first; c != nil; {
		x.sorted = append(x.sorted, c.entries[:c.n]...)
		done := c
		c = c.next
		x.release(done)
	}
	slices.SortFunc(x.sorted, compare)
}

func (p *part) appendTo(dst []timed, h int64) []timed {
	for c := p.first; c != nil; c = c.next {
		for _, e := range c.entries[:c.n] {
			dst = append(dst, timed{h, e})
		}
	}
	return dst
}

// heap is a binary heap with the least item first.
type heap[T any] struct {
	less  func(a, b T) bool
	items []T
}

func (h *heap[T]) push(v T) {
	h.items = append(h.items, v)
	for i := len(h.items) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h.less(h.items[i], h.items[parent]) {
			return
		}
		h.items[i], h.items[parent] = h.items[parent], h.items[i]
		i = parent
	}
}

func (h *heap[T]) pop() T {
	top := h.items[0]
	n := len(h.items) - 1
	h.items[0] = h.items[n]
	h.items = h.items[:n]
	for i := 0; ; {
		child := 2*i + 1
		if child >= n {
			return top
		}
		if child+1 < n && h.less(h.items[child+1], h.items[child]) {
			child++
		}
		if !h.less(h.items[child], h.items[i]) {
			return top
		}
		h.items[i], h.items[child] = h.items[child], h.items[i]
		i = child
	}
}
