package column

import (
	"encoding/binary"
	"math/bits"
)

// A run of integers is one byte for its form and then:
//
//	intsSame    the value (varint)
//	intsPacked  the lowest value (varint), width (1 byte, 1..32), the values above the lowest in width bits each, lowest first
//	intsDeltas  the first value, then each value less the one before it (varints; arithmetic wraps)
//	intsWide    8 bytes each, little endian
//	intsMarked  the length of what intsDeltas would have here (uvarint), then a mark for each value at a multiple of 256 but
//	            the first: the value before it (8 bytes, little endian) and where its difference begins (4 bytes); then that
//
// How many there are is known from before. The shortest form is taken, the first of equals, and where there would be more
// than 256 differences they have marks, so that one value is found without those before it (cells.go). Format 2 had no marks.
const (
	intsSame   = 0
	intsPacked = 1
	intsDeltas = 2
	intsWide   = 3
	intsMarked = 4
)

const (
	markBits  = 8
	markEvery = 1 << markBits
	markMask  = markEvery - 1
	markSize  = 12 // bytes of a mark among differences; one among bytes is 4
)

// marks returns how many there are for n values.
func marks(n int) int { return max(0, n-1) >> markBits }

func appendInts(dst []byte, vals []int64) []byte {
	low, high, prev, deltas := vals[0], vals[0], int64(0), 0
	for _, v := range vals {
		low, high = min(low, v), max(high, v)
		deltas += varintLen(v - prev)
		prev = v
	}
	if low == high {
		return binary.AppendVarint(append(dst, intsSame), low)
	}
	size := deltas
	if n := marks(len(vals)); n > 0 {
		size += markSize*n + uvarintLen(uint64(deltas))
	}
	width := bits.Len64(uint64(high) - uint64(low))
	if width <= 32 && packedLen(len(vals), width)+varintLen(low)+1 <= size {
		dst = binary.AppendVarint(append(dst, intsPacked), low)
		return appendPacked(append(dst, byte(width)), vals, low, width)
	}
	if size <= 8*len(vals) {
		return appendDeltas(dst, vals, deltas)
	}
	dst = append(dst, intsWide)
	for _, v := range vals {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	}
	return dst
}

// appendDeltas appends the differences, which take size bytes, with marks where they are many.
func appendDeltas(dst []byte, vals []int64, size int) []byte {
	at := 0 // of the next mark
	if n := marks(len(vals)); n > 0 {
		dst = binary.AppendUvarint(append(dst, intsMarked), uint64(size))
		at = len(dst)
		dst = append(dst, make([]byte, markSize*n)...)
	} else {
		dst = append(dst, intsDeltas)
	}
	start, prev := len(dst), int64(0)
	for i, v := range vals {
		if i > 0 && i&markMask == 0 {
			binary.LittleEndian.PutUint64(dst[at:], uint64(prev))
			binary.LittleEndian.PutUint32(dst[at+8:], uint32(len(dst)-start))
			at += markSize
		}
		dst = binary.AppendVarint(dst, v-prev)
		prev = v
	}
	return dst
}

func packedLen(n, width int) int { return (n*width + 7) / 8 }

func varintLen(v int64) int { return uvarintLen(uint64(v)<<1 ^ uint64(v>>63)) }

func uvarintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

func appendPacked(dst []byte, vals []int64, low int64, width int) []byte {
	var acc uint64
	var n int
	for _, v := range vals {
		acc |= (uint64(v) - uint64(low)) << n
		n += width
		if n >= 32 {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(acc))
			acc >>= 32
			n -= 32
		}
	}
	for ; n > 0; n -= 8 {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// ints reads len(vals) integers.
func (r *reader) ints(vals []int64) {
	switch form := r.byte(); form {
	case intsSame:
		v := r.varint()
		for i := range vals {
			vals[i] = v
		}
	case intsPacked:
		r.packed(vals)
	case intsDeltas:
		r.deltas(vals, nil)
	case intsMarked:
		size := r.uvarint()
		marks := r.take(markSize * marks(len(vals)))
		before := len(r.b)
		if r.deltas(vals, marks); r.err == nil && uint64(before-len(r.b)) != size {
			r.failf("differences of %d bytes take %d", size, before-len(r.b))
		}
	case intsWide:
		if b := r.take(8 * len(vals)); r.err == nil {
			for i := range vals {
				vals[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
			}
		}
	default:
		r.failf("unknown form %d of integers", form)
	}
}

// deltas reads differences up to each of vals, and holds the marks against them where there are any.
func (r *reader) deltas(vals []int64, marks []byte) {
	var v int64
	b := r.b
	for i := range vals {
		if i&markMask == 0 && i > 0 && len(marks) > 0 {
			if int64(binary.LittleEndian.Uint64(marks)) != v || int(binary.LittleEndian.Uint32(marks[8:])) != len(r.b)-len(b) {
				r.failf("the mark of value %d is another", i)
				return
			}
			marks = marks[markSize:]
		}
		d, n := binary.Varint(b)
		if n <= 0 {
			r.failf("a number is cut off")
			return
		}
		b = b[n:]
		v += d
		vals[i] = v
	}
	r.b = b
}

func (r *reader) packed(vals []int64) {
	low, width := r.varint(), int(r.byte())
	if r.err == nil && (width < 1 || width > 32) {
		r.failf("integers of %d bits, from 1 to 32 are known", width)
	}
	b := r.take(packedLen(len(vals), width))
	if r.err != nil {
		return
	}
	mask := uint64(1)<<width - 1
	var acc uint64
	var n int
	for i := range vals {
		for n < width {
			acc |= uint64(b[0]) << n
			b = b[1:]
			n += 8
		}
		vals[i] = int64(uint64(low) + acc&mask)
		acc >>= width
		n -= width
	}
}
