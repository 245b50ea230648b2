package fold

import (
	"iter"
	mathbits "math/bits"
	"slices"

	"github.com/embedcdp/cdp/internal/cow"
)

// pendings are the deadlines that hold for the rows of one segment, at most one a row: about 7 bytes each, and nothing for a
// row without. The index of deadlines (State.due) has an entry for each; entries that no longer hold stay there until
// they fire.
type pendings struct{ blocks cow.Blocks[pendingBlock] }

// pendingBlock holds the deadlines of 256 rows in order of row.
type pendingBlock struct {
	has   [4]uint64
	times []instant48
}

// instant48 is the low 48 bits of an instant in microseconds. Pending deadlines lie at most four years ahead, so the rest
// follows from the time at which it is read.
type instant48 [3]uint16

const (
	pendingBits = 8
	maxAhead    = 4 * 365 * 86400e6 // what is further off fires early, and is asked again
)

func pack48(at int64) instant48 { return instant48{uint16(at), uint16(at >> 16), uint16(at >> 32)} }

// unpack returns the instant nearest to now.
func (p instant48) unpack(now int64) int64 {
	low := int64(p[0]) | int64(p[1])<<16 | int64(p[2])<<32
	return now + (low-now)<<16>>16
}

// get returns the deadline of a row.
func (p *pendings) get(row uint32, now int64) (at int64, ok bool) {
	b, place, there := p.find(row)
	if !there {
		return 0, false
	}
	return b.times[place].unpack(now), true
}

// set gives a row a deadline in place of the one it may have.
func (p *pendings) set(row uint32, at int64) {
	_, place, there := p.find(row)
	b := p.own(row)
	if there {
		b.times[place] = pack48(at)
		return
	}
	b.has[row>>6&3] |= 1 << (row & 63)
	if n := len(b.times); n == cap(b.times) { // by an eighth: doubling would cost more than the entries
		b.times = append(make([]instant48, 0, min(n+n/8+2, 1<<pendingBits)), b.times...)
	}
	b.times = slices.Insert(b.times, place, pack48(at))
}

// remove takes a row's deadline away.
func (p *pendings) remove(row uint32) {
	_, place, there := p.find(row)
	if !there {
		return
	}
	b := p.own(row)
	b.has[row>>6&3] &^= 1 << (row & 63)
	b.times = slices.Delete(b.times, place, place+1)
	if len(b.times) == 0 {
		p.blocks.Drop(int(row >> pendingBits))
	}
}

// until calls fn with every row whose deadline is now or earlier.
func (p *pendings) until(now int64, fn func(row uint32)) {
	for k, b := range p.blocks.All() {
		if b == nil {
			continue
		}
		place := 0
		for w, word := range b.has {
			for ; word != 0; word &= word - 1 {
				if b.times[place].unpack(now) <= now {
					fn(uint32(k)<<pendingBits | uint32(w)<<6 | uint32(mathbits.TrailingZeros64(word)))
				}
				place++
			}
		}
	}
}

func (p *pendings) clear() { *p = pendings{} }

// own returns the block of a row for writing.
func (p *pendings) own(row uint32) *pendingBlock {
	b, copied := p.blocks.Edit(int(row >> pendingBits))
	if copied {
		b.times = append(make([]instant48, 0, cap(b.times)), b.times...)
	}
	return b
}

// freeze returns a copy as of now, which is only read.
func (p *pendings) freeze() pendings { return pendings{p.blocks.Freeze()} }

func (p *pendings) count() (n int) {
	for _, b := range p.blocks.All() {
		if b != nil {
			n += len(b.times)
		}
	}
	return n
}

// all yields the rows with their deadlines, in order of row.
func (p *pendings) all(now int64) iter.Seq2[uint32, int64] {
	return func(yield func(uint32, int64) bool) {
		for k, b := range p.blocks.All() {
			if b == nil {
				continue
			}
			place := 0
			for w, word := range b.has {
				for ; word != 0; word &= word - 1 {
					row := uint32(k<<pendingBits + w<<6 + mathbits.TrailingZeros64(word))
					if !yield(row, b.times[place].unpack(now)) {
						return
					}
					place++
				}
			}
		}
	}
}

// find returns the block of a row and the place of its deadline there, or where it would be.
func (p *pendings) find(row uint32) (b *pendingBlock, place int, there bool) {
	if b = p.blocks.At(int(row >> pendingBits)); b == nil {
		return nil, 0, false
	}
	word := int(row >> 6 & 3)
	for _, w := range b.has[:word] {
		place += mathbits.OnesCount64(w)
	}
	bit := uint64(1) << (row & 63)
	place += mathbits.OnesCount64(b.has[word] & (bit - 1))
	return b, place, b.has[word]&bit != 0
}
