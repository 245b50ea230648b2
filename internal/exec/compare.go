package exec

import (
	"math"
	"slices"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// This file compares values in bulk, 64 to a word and without branches. Every comparison with literals becomes one of
// three: an interval of numbers or of times, a sorted list of them, or a table over the codes of texts or booleans.

// block holds the values of the items of one frame: that slice is set which the vector's kind names. Items beyond the end
// of the slice are absent; a nil slice means that all are.
type block struct {
	nums  []float64    // NaN is absent
	times []int64      // column.AbsentInt is absent
	flags []uint8      // 0 absent, 1 false, 2 true
	codes column.Codes // 0 is absent, or "" in a vector where nothing is

	own struct { // memory for values that are computed; the slices above may be a column's own
		nums  []float64
		times []int64
		flags []uint8
		codes []uint32

		scratch *scratch // to compute nums
	}
}

// test is a comparison with literals, ready for blocks of one kind.
type test struct {
	kind     value.Kind
	lo, hi   float64
	from, to int64
	nums     []float64 // sorted; in place of lo..hi
	times    []int64   // sorted; in place of from..to
	table    []uint8   // by code or flag: 1 where it holds
	bytes    byteTest  // the same for codes of one byte
	list     bool      // nums or times
	negate   bool      // holds where there is a value and the rest does not hold
}

// newTest prepares a comparison of values of a kind. texts are those behind the codes when they are strings. It is false
// for literals of another kind.
func newTest(kind value.Kind, texts texts, op plan.Op, lits []value.Value) (*test, bool) {
	for _, l := range lits {
		if l.Kind != kind {
			return nil, false
		}
	}
	t := &test{kind: kind}
	switch kind {
	case value.Boolean:
		t.table = make([]uint8, 3)
		for i := range 2 {
			t.table[1+i] = uint8(b2u(compares(op, float64(i), numbersOf(lits))))
		}
	case value.String:
		t.table = make([]uint8, texts.count()+1)
		words := textsOf(lits)
		for code := range t.table {
			if code > 0 || texts.emptyToo() {
				t.table[code] = uint8(b2u(compareTexts(op, texts.text(uint32(code)), words)))
			}
		}
	case value.Number:
		t.numbers(op, numbersOf(lits))
	case value.Datetime:
		t.instants(op, timesOf(lits))
	default:
		return nil, false
	}
	t.bytes = newByteTest(t.table)
	return t, true
}

// meet makes t hold where o holds too, when both are intervals.
func (t *test) meet(o *test) bool {
	if t.kind != o.kind || t.kind == value.String || t.kind == value.Boolean || t.list || t.negate || o.list || o.negate {
		return false
	}
	t.lo, t.hi, t.from, t.to = max(t.lo, o.lo), min(t.hi, o.hi), max(t.from, o.from), min(t.to, o.to)
	return true
}

func (t *test) numbers(op plan.Op, lits []float64) {
	t.lo, t.hi = math.Inf(-1), math.Inf(1)
	switch op {
	case plan.Has:
	case plan.In, plan.NotIn:
		t.list, t.nums, t.negate = true, slices.Sorted(slices.Values(lits)), op == plan.NotIn
	case plan.Equal, plan.NotEqual:
		t.lo, t.hi, t.negate = lits[0], lits[0], op == plan.NotEqual
	case plan.Less:
		if t.hi = math.Nextafter(lits[0], math.Inf(-1)); math.IsInf(lits[0], -1) {
			t.lo = math.Inf(1) // nothing is below it
		}
	case plan.LessEqual:
		t.hi = lits[0]
	case plan.Greater:
		if t.lo = math.Nextafter(lits[0], math.Inf(1)); math.IsInf(lits[0], 1) {
			t.hi = math.Inf(-1)
		}
	case plan.GreaterEqual:
		t.lo = lits[0]
	}
}

func (t *test) instants(op plan.Op, lits []int64) {
	t.from, t.to = column.AbsentInt+1, math.MaxInt64
	switch op {
	case plan.Has:
	case plan.In, plan.NotIn:
		t.list, t.times, t.negate = true, slices.Sorted(slices.Values(lits)), op == plan.NotIn
	case plan.Equal, plan.NotEqual:
		t.from, t.to, t.negate = lits[0], lits[0], op == plan.NotEqual
	case plan.Less:
		if t.to = lits[0] - 1; lits[0] == math.MinInt64 {
			t.from, t.to = 0, -1
		}
	case plan.LessEqual:
		t.to = lits[0]
	case plan.Greater:
		if t.from = lits[0] + 1; lits[0] == math.MaxInt64 {
			t.from, t.to = 0, -1
		}
	case plan.GreaterEqual:
		t.from = lits[0]
	}
}

// mark writes one bit an item: whether the comparison holds for it. An absent value never does.
func (t *test) mark(b *block, out []uint64) {
	switch t.kind {
	case value.Number:
		mark(out, len(b.nums), func(i int) uint64 { return t.word(b.nums[i:min(i+64, len(b.nums))]) })
	case value.Datetime:
		mark(out, len(b.times), func(i int) uint64 { return t.timeWord(b.times[i:min(i+64, len(b.times))]) })
	case value.Boolean:
		t.bytes.mark(out, b.flags)
	case value.String:
		switch {
		case b.codes.B != nil:
			t.bytes.mark(out, b.codes.B)
		case b.codes.H != nil:
			markCodes(out, b.codes.H, t.table)
		default:
			markCodes(out, b.codes.W, t.table)
		}
		if n := b.codes.Len(); t.table[0] != 0 && n < len(out)*64 { // a chunk without memory: "" everywhere
			for i := n; i < len(out)*64; i++ {
				out[i>>6] |= 1 << (i & 63)
			}
		}
	}
}

// mark makes the words of n items; what lies beyond is 0.
func mark(out []uint64, n int, word func(from int) uint64) {
	full := min((n+63)/64, len(out))
	for w := range full {
		out[w] = word(w * 64)
	}
	clear(out[full:])
}

func (t *test) word(v []float64) uint64 {
	var w uint64
	if t.list {
		for i, x := range v {
			_, in := slices.BinarySearch(t.nums, x)
			w |= b2u(in && x == x) << i
		}
	} else if len(v) == 64 {
		w = inside((*[64]float64)(v), t.lo, t.hi)
	} else {
		for i, x := range v {
			w |= b2u(x >= t.lo) & b2u(x <= t.hi) << i
		}
	}
	if t.negate {
		for i, x := range v {
			w ^= b2u(x == x) << i
		}
	}
	return w
}

// inside builds four parts of a word side by side, since one bit after the other would wait for the one before (2.2 ms a
// million values, so 1.3).
func inside(v *[64]float64, lo, hi float64) uint64 {
	var a, b, c, d uint64
	for i := 15; i >= 0; i-- {
		a = a + a + b2u(v[i] >= lo)&b2u(v[i] <= hi)
		b = b + b + b2u(v[i+16] >= lo)&b2u(v[i+16] <= hi)
		c = c + c + b2u(v[i+32] >= lo)&b2u(v[i+32] <= hi)
		d = d + d + b2u(v[i+48] >= lo)&b2u(v[i+48] <= hi)
	}
	return a | b<<16 | c<<32 | d<<48
}

func (t *test) timeWord(v []int64) uint64 {
	var w uint64
	switch {
	case t.list:
		for i, x := range v {
			_, in := slices.BinarySearch(t.times, x)
			w |= b2u(in && x != column.AbsentInt) << i
		}
	case t.from <= t.to:
		from, span := t.from, uint64(t.to)-uint64(t.from)
		for i := len(v) - 1; i >= 0; i-- {
			w = w + w + b2u(uint64(v[i])-uint64(from) <= span)
		}
	}
	if t.negate {
		for i, x := range v {
			w ^= b2u(x != column.AbsentInt) << i
		}
	}
	return w
}

func markCodes[T uint8 | uint16 | uint32](out []uint64, v []T, table []uint8) {
	mark(out, len(v), func(i int) uint64 { return codeWord(table, v[i:min(i+64, len(v))]) })
}

func codeWord[T uint8 | uint16 | uint32](table []uint8, v []T) uint64 {
	var w uint64
	if len(v) == 64 {
		for i := 0; i < 64; i += 4 {
			four := v[i : i+4 : i+4]
			w = w>>4 | (uint64(table[four[0]])|uint64(table[four[1]])<<1|uint64(table[four[2]])<<2|uint64(table[four[3]])<<3)<<60
		}
		return w
	}
	for i, code := range v {
		w |= uint64(table[code]) << i
	}
	return w
}
