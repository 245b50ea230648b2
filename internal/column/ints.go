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
//
// How many there are is known from before. The shortest form is taken, the first of equals.
const (
	intsSame   = 0
	intsPacked = 1
	intsDeltas = 2
	intsWide   = 3
)

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
	width := bits.Len64(uint64(high) - uint64(low))
	if width <= 32 && packedLen(len(vals), width)+varintLen(low)+1 <= deltas {
		dst = binary.AppendVarint(append(dst, intsPacked), low)
		return appendPacked(append(dst, byte(width)), vals, low, width)
	}
	if deltas <= 8*len(vals) {
		dst, prev = append(dst, intsDeltas), 0
		for _, v := range vals {
			dst = binary.AppendVarint(dst, v-prev)
			prev = v
		}
		return dst
	}
	dst = append(dst, intsWide)
	for _, v := range vals {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	}
	return dst
}

func packedLen(n, width int) int { return (n*width + 7) / 8 }

func varintLen(v int64) int {
	zigzag := uint64(v)<<1 ^ uint64(v>>63)
	return (bits.Len64(zigzag|1) + 6) / 7
}

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
		r.deltas(vals)
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

func (r *reader) deltas(vals []int64) {
	var v int64
	b := r.b
	for i := range vals {
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
