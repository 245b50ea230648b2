package fold

import (
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// This file gives plans the sets they work on: populations, who has events of a type, and who has an attribute that
// compares so and so. Each is one pass over a column.

// planSource implements plan.Source for a segment's population.
type planSource struct {
	s        *State
	visitors bool
	all      *roaring.Bitmap
}

func (s *State) planSource(visitors bool) *planSource { return &planSource{s: s, visitors: visitors} }

// All are the canonical rows of the population.
func (p *planSource) All() *roaring.Bitmap {
	if p.all == nil {
		b := newDense(p.s.ids.Rows())
		for row := range p.s.Profiles(p.visitors) {
			b.set(row)
		}
		p.all = b.bitmap()
	}
	return p.all
}

func (p *planSource) Segment(name string) *roaring.Bitmap {
	if seg := p.s.segNamed[name]; seg != nil {
		return seg.members
	}
	return roaring.New()
}

// HasEvent are the people with an event of the type, whenever: one dated in the future counts, it will happen by itself.
func (p *planSource) HasEvent(typ string) *roaring.Bitmap {
	b := newDense(p.s.ids.Rows())
	if t := p.s.typeNamed[typ]; t != nil {
		for k := 0; k*column.ChunkRows < t.heads.Len(); k++ {
			for i, head := range t.heads.Uints(k) {
				if row := k*column.ChunkRows + i; head != 0 && row < p.s.ids.Rows() { // in the past some are not there yet
					b.set(p.s.ids.Canonical(uint32(row)))
				}
			}
		}
	}
	return b.bitmap()
}

// Attr compares an attribute with literals; false when there is no kernel for its type.
func (p *planSource) Attr(name string, op plan.Op, lits []value.Value) (*roaring.Bitmap, bool) {
	a := p.s.attrs[name]
	if a == nil {
		return nil, false
	}
	b := newDense(max(p.s.ids.Rows(), a.now.Len()))
	keep := func(k, i int) { b.set(uint32(k*column.ChunkRows + i)) }
	chunks := (a.now.Len() + column.ChunkRows - 1) / column.ChunkRows
	switch a.now.Kind() {
	case column.Float64:
		if op != plan.Has && !allOf(lits, value.Number) {
			return nil, false
		}
		nums := make([]float64, len(lits))
		for i := range lits {
			nums[i] = lits[i].Num
		}
		for k := range chunks {
			for i, v := range a.now.Floats(k) {
				if !math.IsNaN(v) && compares(op, v, nums) {
					keep(k, i)
				}
			}
		}
	case column.Int64:
		if op != plan.Has && !allOf(lits, value.Datetime) {
			return nil, false
		}
		times := make([]int64, len(lits))
		for i := range lits {
			times[i] = lits[i].Time
		}
		for k := range chunks {
			for i, v := range a.now.Ints(k) {
				if v != column.AbsentInt && compares(op, v, times) {
					keep(k, i)
				}
			}
		}
	case column.Dict:
		if op != plan.Has && !allOf(lits, value.String) {
			return nil, false
		}
		fits := p.codes(a.now.Dict(), op, lits)
		for k := range chunks {
			switch c := a.now.Codes(k); {
			case c.B != nil:
				keepCodes(b, k, c.B, fits)
			case c.H != nil:
				keepCodes(b, k, c.H, fits)
			default:
				keepCodes(b, k, c.W, fits)
			}
		}
	case column.Bool:
		if op != plan.Has && !allOf(lits, value.Boolean) {
			return nil, false
		}
		bools := make([]uint8, len(lits))
		for i := range lits {
			bools[i] = 1 + uint8(lits[i].Num)
		}
		for k := range chunks {
			for i, v := range a.now.Bools(k) {
				if v != 0 && compares(op, v, bools) {
					keep(k, i)
				}
			}
		}
	default:
		return nil, false
	}
	return b.bitmap(), true
}

// codes compares each string of a dictionary once.
func (p *planSource) codes(d *column.Dictionary, op plan.Op, lits []value.Value) []bool {
	texts := make([]string, len(lits))
	for i := range lits {
		texts[i] = lits[i].Str
	}
	fits := make([]bool, d.Len()+1)
	for code := range fits[1:] {
		fits[code+1] = compares(op, d.String(uint32(code+1)), texts)
	}
	return fits
}

// keepCodes adds the rows of chunk k whose code fits. Code 0 is absent and fits nothing.
func keepCodes[T uint8 | uint16 | uint32](b dense, k int, codes []T, fits []bool) {
	for i, code := range codes {
		if fits[code] {
			b.set(uint32(k*column.ChunkRows + i))
		}
	}
}

func allOf(lits []value.Value, kind value.Kind) bool {
	return !slices.ContainsFunc(lits, func(v value.Value) bool { return v.Kind != kind })
}

func compares[T float64 | int64 | uint8 | string](op plan.Op, v T, lits []T) bool {
	switch op {
	case plan.Has:
		return true
	case plan.Equal:
		return v == lits[0]
	case plan.NotEqual:
		return v != lits[0]
	case plan.Less:
		return v < lits[0]
	case plan.LessEqual:
		return v <= lits[0]
	case plan.Greater:
		return v > lits[0]
	case plan.GreaterEqual:
		return v >= lits[0]
	case plan.In:
		return slices.Contains(lits, v)
	case plan.NotIn:
		return !slices.Contains(lits, v)
	}
	return false
}

// dense is a set of rows as plain words, which is the quickest way to fill a bitmap in any order.
type dense []uint64

func newDense(rows int) dense { return make(dense, (rows+63)/64) }

func (d dense) set(row uint32) { d[row/64] |= 1 << (row % 64) }

func (d dense) bitmap() *roaring.Bitmap { return roaring.FromDense(d, true) }
