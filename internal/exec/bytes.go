package exec

import "encoding/binary"

// This file compares bytes, eight to a word: codes of small dictionaries, flags, and the ranks of numbers of which few
// differ (column.Ranks).

// byteTest tells for which bytes a comparison holds: by a table, and where no byte has its top bit by the spans in which
// those lie that count.
type byteTest struct {
	table []uint8 // 1 where it holds
	spans []span
	few   bool // spans and no more than beat the table
}

// span is the bytes from lo to hi, both below 128.
type span struct{ lo, hi uint8 }

// maxSpans is how many spans cost less than looking each byte up.
const maxSpans = 4

// newByteTest takes the table of a comparison; what lies beyond byte 255 is for wider codes.
func newByteTest(table []uint8) byteTest {
	t := byteTest{table: table[:min(len(table), 256)]}
	if len(t.table) > 128 {
		return t
	}
	for i := 0; i < len(t.table); i++ {
		if t.table[i] == 0 {
			continue
		}
		if len(t.spans) == maxSpans {
			return byteTest{table: t.table}
		}
		from := i
		for i+1 < len(t.table) && t.table[i+1] != 0 {
			i++
		}
		t.spans = append(t.spans, span{uint8(from), uint8(i)})
	}
	t.few = true
	return t
}

// mark writes one bit a byte; what lies beyond is 0.
func (t *byteTest) mark(out []uint64, v []uint8) {
	if !t.few {
		markCodes(out, v, t.table)
		return
	}
	full := min(len(v)/64, len(out))
	clear(out)
	for _, s := range t.spans {
		s.mark(out[:full], v)
	}
	if rest := v[full*64:]; full < len(out) && len(rest) > 0 {
		out[full] = codeWord(t.table, rest)
	}
}

const (
	each = 0x0101010101010101
	top  = 0x80 * each
)

// mark adds the bits of those bytes that lie in the span. Of bytes below 128 neither the sum nor the difference carries
// anything into the next byte, and their top bits compare the byte with the ends of the span.
func (s span) mark(out []uint64, v []uint8) {
	lo, hi := each*uint64(0x80-s.lo), each*uint64(0x80+s.hi)
	in := func(eight []uint8) uint64 {
		x := binary.LittleEndian.Uint64(eight)
		return (x + lo) & (hi - x) & top
	}
	for w := range out {
		b := (*[64]uint8)(v[w*64:])
		x := in(b[0:8])
		x = x>>1 | in(b[8:16])
		x = x>>1 | in(b[16:24])
		x = x>>1 | in(b[24:32])
		x = x>>1 | in(b[32:40])
		x = x>>1 | in(b[40:48])
		x = x>>1 | in(b[48:56])
		x = x>>1 | in(b[56:64])
		out[w] |= transposed(x)
	}
}

// transposed makes bit 8*i+j of bit 8*j+i (Warren, Hacker's Delight, 7-3).
func transposed(x uint64) uint64 {
	t := (x ^ x>>7) & 0x00aa00aa00aa00aa
	x ^= t ^ t<<7
	t = (x ^ x>>14) & 0x0000cccc0000cccc
	x ^= t ^ t<<14
	t = (x ^ x>>28) & 0x00000000f0f0f0f0
	return x ^ t ^ t<<28
}

// markRanks is mark for numbers that are given by their places among a few: each of these is compared once.
func (t *test) markRanks(out []uint64, values []float64, ranks []uint8) {
	var holds [4]uint64
	mark(holds[:], len(values), func(i int) uint64 { return t.word(values[i:min(i+64, len(values))]) })
	var table [256]uint8
	for i := range values {
		table[i+1] = uint8(holds[i>>6] >> (i & 63) & 1)
	}
	bytes := newByteTest(table[:len(values)+1])
	bytes.mark(out, ranks)
}
