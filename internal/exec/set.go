package exec

import (
	"math/bits"

	"github.com/RoaringBitmap/roaring/v2"
)

// Set is a set of profile rows as plain words: bit r%64 of word r/64. Inside a question sets are dense, because conditions
// come out 64 rows to a word and are combined faster than any compressed form.
type Set []uint64

// NewSet returns an empty set for so many rows.
func NewSet(rows int) Set { return make(Set, (rows+63)/64) }

// Has tells whether a row is in the set.
func (s Set) Has(row uint32) bool { return s[row>>6]>>(row&63)&1 != 0 }

// Add puts a row in.
func (s Set) Add(row uint32) { s[row>>6] |= 1 << (row & 63) }

// Len counts the rows.
func (s Set) Len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

func (s Set) empty() bool {
	for _, w := range s {
		if w != 0 {
			return false
		}
	}
	return true
}

func (s Set) clone() Set { return append(make(Set, 0, len(s)), s...) }

func (s Set) and(o Set) {
	for i := range s {
		s[i] &= o[i]
	}
}

func (s Set) andNot(o Set) {
	for i := range s {
		s[i] &^= o[i]
	}
}

func (s Set) or(o Set) {
	for i := range s {
		s[i] |= o[i]
	}
}

// within tells whether all rows are in another set, which may be nil.
func (s Set) within(o Set) bool {
	if len(o) < len(s) {
		return s.empty()
	}
	for i := range s {
		if s[i]&^o[i] != 0 {
			return false
		}
	}
	return true
}

func (s Set) equal(o Set) bool {
	for i := range s {
		if s[i] != o[i] {
			return false
		}
	}
	return true
}

// each calls f for every row in order.
func (s Set) each(f func(row uint32)) {
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			f(uint32(i<<6 | bits.TrailingZeros64(w)))
		}
	}
}

// Bitmap returns the set as a bitmap of its own.
func (s Set) Bitmap() *roaring.Bitmap { return roaring.FromDense(s, true) }

// fromBitmap is a bitmap as words; rows beyond the last one are left out.
func fromBitmap(b *roaring.Bitmap, rows int) Set {
	s := NewSet(rows)
	if b == nil {
		return s
	}
	it := b.ManyIterator()
	var buf [1024]uint32
	for n := it.NextMany(buf[:]); n > 0; n = it.NextMany(buf[:]) {
		for _, r := range buf[:n] {
			if int(r) < rows {
				s.Add(r)
			}
		}
	}
	return s
}

// first leaves of a word or of several those bits that stand for n items.
func cut(words []uint64, n int) {
	if n < 0 {
		n = 0
	}
	if w := n >> 6; w < len(words) {
		words[w] &= 1<<(n&63) - 1
		clear(words[w+1:])
	}
}

func fill(words []uint64, n int) {
	for i := range words {
		words[i] = ^uint64(0)
	}
	cut(words, n)
}

// b2u is a condition as a bit; the compiler makes no branch of it.
func b2u(b bool) uint64 {
	var x uint64
	if b {
		x = 1
	}
	return x
}
