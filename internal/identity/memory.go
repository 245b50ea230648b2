package identity

import (
	"encoding/binary"
	"hash/maphash"
	"slices"

	"github.com/embedcdp/cdp/internal/cow"
)

const (
	pageBits = 12
	pageSize = 1 << pageBits
)

// paged is an array that grows by pages, so it is never copied as a whole. A frozen copy shares its pages.
type paged[T any] struct {
	pages cow.Blocks[[pageSize]T]
	n     int
}

func (p *paged[T]) append(v T) {
	if p.n&(pageSize-1) == 0 {
		p.edit(uint32(p.n))
	}
	*p.at(uint32(p.n)) = v // beyond what a frozen copy reads
	p.n++
}

func (p *paged[T]) at(i uint32) *T { return &p.pages.At(int(i >> pageBits))[i&(pageSize-1)] }

// edit is at for who will write. A page that is not there yet is made.
func (p *paged[T]) edit(i uint32) *T {
	page, _ := p.pages.Edit(int(i >> pageBits))
	return &page[i&(pageSize-1)]
}

func (p *paged[T]) freeze() paged[T] { return paged[T]{p.pages.Freeze(), p.n} }

// bitset is a set of rows. A frozen copy shares the words: they are copied when they are written to afterwards.
type bitset struct {
	words  []uint64
	shared bool // a frozen copy may have them too
}

func (b *bitset) has(row uint32) bool { return b.words[row>>6]>>(row&63)&1 != 0 }

// grow makes room for the row after the last.
func (b *bitset) grow(row uint32) {
	if row>>6 == uint32(len(b.words)) {
		b.words = append(b.words, 0) // beyond what a frozen copy reads
	}
}

func (b *bitset) set(row uint32, in bool) {
	if b.has(row) == in {
		return
	}
	if b.shared {
		b.words, b.shared = append(make([]uint64, 0, len(b.words)+len(b.words)/8), b.words...), false
	}
	b.words[row>>6] ^= 1 << (row & 63)
}

func (b *bitset) freeze() bitset {
	b.shared = true
	return bitset{words: slices.Clip(b.words)}
}

// attached is one identifier and its row.
type attached struct {
	Identifier
	row    uint32
	before uint32 // the identifier that was attached to the same row before, 0 when there is none
}

// arena keeps identifiers in blocks that none of them crosses: row and before (4 bytes each), kind, uvarint length and the
// bytes, all in one place because a look-up pays for each place it goes to. They are found by their address, which counts units of 4
// bytes from 1 and grows in order of attachment. So there is room for 16 GiB.
type arena struct{ blocks [][]byte }

const (
	blockBits = 16
	blockSize = 1 << blockBits
	unitBits  = 2
	maxBlocks = 1<<(32+unitBits-blockBits) - 1
)

func (a *arena) put(v attached) (at uint32) {
	last := len(a.blocks) - 1
	if last < 0 || len(a.blocks[last])+16+len(v.ID) > blockSize {
		if len(a.blocks) == maxBlocks {
			panic("identity: 16 GiB of identifiers are the most there can be")
		}
		a.blocks = append(a.blocks, make([]byte, 0, blockSize))
		last++
	}
	b := a.blocks[last]
	at = uint32(last)<<(blockBits-unitBits) | uint32(len(b)>>unitBits)
	b = binary.LittleEndian.AppendUint32(b, v.row)
	b = binary.LittleEndian.AppendUint32(b, v.before)
	b = append(b, v.Kind)
	b = binary.AppendUvarint(b, uint64(len(v.ID)))
	b = append(b, v.ID...)
	for len(b)&(1<<unitBits-1) != 0 {
		b = append(b, 0)
	}
	a.blocks[last] = b
	return at + 1
}

func (a *arena) get(at uint32) (v attached) {
	at--
	b := a.blocks[at>>(blockBits-unitBits)][at<<unitBits&(blockSize-1):]
	v.row = binary.LittleEndian.Uint32(b)
	v.before = binary.LittleEndian.Uint32(b[4:])
	v.Kind = b[8]
	n, w := binary.Uvarint(b[9:])
	v.ID = b[9+w : 9+w+int(n) : 9+w+int(n)]
	return v
}

// index finds the addresses of identifiers by hash. It is extendible hashing: a directory, by the first bits of the hash, of
// segments that split in two when they fill up, so an insert moves at most one segment. The hash has a seed of its own
// in each process, against ids chosen to collide; no order here is ever seen outside, so the fold stays deterministic.
type index struct {
	seed      maphash.Seed
	depth     uint       // bits of the directory
	directory []*segment // 1<<depth; a segment of less depth is there several times
}

// segment is a hash table with linear probing. A slot is the first 32 bits of the hash, and the address; 0 is empty.
type segment struct {
	depth uint
	n     int
	slots [segmentSize]uint64
}

const (
	segmentSize = 1 << 10
	segmentFull = segmentSize * 3 / 4
	slotMask    = segmentSize - 1
)

func newIndex() index {
	return index{seed: maphash.MakeSeed(), directory: []*segment{{}}}
}

func (x *index) hash(kind uint8, id []byte) uint32 {
	h := (maphash.Bytes(x.seed, id) ^ uint64(kind)) * 0x9e3779b97f4a7c15
	return uint32(h >> 32)
}

func (x *index) segment(h uint32) *segment {
	return x.directory[h>>(32-x.depth)]
}

// probe goes through the addresses of identifiers that have the hash h.
func (x *index) probe(h uint32) probe {
	return probe{s: x.segment(h), h: h, i: h}
}

type probe struct {
	s    *segment
	h, i uint32
}

func (p *probe) next() (at uint32, ok bool) {
	for {
		slot := p.s.slots[p.i&slotMask]
		if slot == 0 {
			return 0, false
		}
		p.i++
		if uint32(slot>>32) == p.h {
			return uint32(slot), true
		}
	}
}

func (x *index) add(h, at uint32) {
	s := x.segment(h)
	for s.n == segmentFull {
		x.split(h)
		s = x.segment(h)
	}
	s.put(h, uint64(h)<<32|uint64(at))
}

func (s *segment) put(h uint32, slot uint64) {
	for s.slots[h&slotMask] != 0 {
		h++
	}
	s.slots[h&slotMask] = slot
	s.n++
}

// split replaces the segment of h by two, which divide its identifiers by the next bit of their hashes.
func (x *index) split(h uint32) {
	old := x.segment(h)
	if old.depth == x.depth {
		wider := make([]*segment, 0, 2*len(x.directory))
		for _, s := range x.directory {
			wider = append(wider, s, s)
		}
		x.directory, x.depth = wider, x.depth+1
	}
	halves := [2]*segment{{depth: old.depth + 1}, {depth: old.depth + 1}}
	bit := 31 - old.depth
	for _, slot := range old.slots {
		if slot != 0 {
			hash := uint32(slot >> 32)
			halves[hash>>bit&1].put(hash, slot)
		}
	}
	span := uint(1) << (x.depth - old.depth) // the places of old lie together
	first := h >> (32 - old.depth) << (x.depth - old.depth)
	for i, half := range halves {
		for j := range span / 2 {
			x.directory[uint(first)+uint(i)*span/2+j] = half
		}
	}
}
