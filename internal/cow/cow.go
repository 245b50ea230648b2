// Package cow keeps lists of blocks that frozen copies share: a block is copied before it changes once a copy has it too. So
// to freeze costs a list of pointers, and a change afterwards one block.
package cow

import "slices"

// Blocks are numbered from 0; the zero value has none. A frozen copy is read by any number of goroutines while the original
// goes on.
type Blocks[B any] struct {
	list   []*B   // nil where there is none
	shared []bool // a frozen copy may have the block too
}

// All returns the blocks in order for reading, nil where there is none.
func (x *Blocks[B]) All() []*B { return x.list }

// At returns block k for reading, nil when there is none.
func (x *Blocks[B]) At(k int) *B {
	if k >= len(x.list) {
		return nil
	}
	return x.list[k]
}

// Edit returns block k for writing, a new one when there is none. When it was copied for that, what it points to is still shared.
func (x *Blocks[B]) Edit(k int) (b *B, copied bool) {
	if n := k + 1 - len(x.list); n > 0 {
		x.list, x.shared = append(x.list, make([]*B, n)...), append(x.shared, make([]bool, n)...)
	}
	switch b = x.list[k]; {
	case b == nil:
		b = new(B)
	case x.shared[k]:
		other := *b
		b, copied = &other, true
	default:
		return b, false
	}
	x.list[k], x.shared[k] = b, false
	return b, copied
}

// Drop takes block k out.
func (x *Blocks[B]) Drop(k int) { x.list[k] = nil }

// Freeze returns a copy as of now, which is only read.
func (x *Blocks[B]) Freeze() Blocks[B] {
	for k := range x.shared {
		x.shared[k] = true
	}
	return Blocks[B]{list: slices.Clone(x.list)}
}
