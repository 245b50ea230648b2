package exec

import (
	"math"
	"slices"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// This file compares sums and averages with literals. The answer is that of the exactly rounded sum, which is dear; so a
// plain sum is made first, whose error is at most (n-1)u times the sum of the magnitudes (Higham 2002, section 4.2; u is
// 2^-53), in whatever order and however split it was added. Only people whose plain sum lies that near to a literal are
// added up exactly.

// summed narrows rows by a sum or an average.
func (r *run) summed(agg plan.Aggregate, op plan.Op, lits []float64, rows Set) bool {
	sc, of, ok := r.scanOf(agg, rows)
	if !ok || of != nil && of.kind() != value.Number {
		return false
	}
	avg := agg.Function == plan.Avg
	if sc == nil {
		if avg || !compares(op, 0, lits) {
			clear(rows)
		}
		return true
	}
	sums := r.plainSums(sc, of, avg)
	near := make(Set, len(rows))
	r.pass(rows, func(f *frame, _ *scratch, words []uint64) {
		at := f.k * column.ChunkRows
		for w := range words {
			for i := range min(64, f.n-w*64) {
				if words[w]>>i&1 == 0 {
					continue
				}
				holds, sure := sums.compare(at+w*64+i, op, lits)
				near[at>>6+w] |= b2u(!sure) << i
				words[w] &^= b2u(!holds && sure) << i
			}
		}
	})
	if near.empty() {
		return true
	}
	exact := r.exactOf(sc, of, avg, near)
	rows.andNot(near)
	r.tested(exact, op, numberValues(lits), near)
	rows.or(near)
	return true
}

// scanOf prepares a pass over the events of an aggregate and the field it reads.
func (r *run) scanOf(agg plan.Aggregate, rows Set) (*scan, vector, bool) {
	sc, ok := r.scan(agg.Events, nil, rows)
	if !ok || sc == nil {
		return sc, nil, ok
	}
	of, ok := compiler{run: r, events: sc.ev, early: &sc.early}.vector(agg.Of)
	return sc, of, ok
}

// plainSums are sums with what is needed to know how good they are.
type plainSums struct {
	of   vector
	sum  []float64
	size []float64 // sums of magnitudes; nil while no value is negative, which makes it the sum itself
	n    []uint32  // values; nil when nobody asks
	all  int       // values of everybody
	unit float64   // bound of the error of a sum in units of its magnitude
}

func (r *run) plainSums(sc *scan, of vector, counted bool) *plainSums {
	sinks := sc.run(func() sink {
		p := &plainSums{of: of, sum: make([]float64, r.src.Rows())}
		if counted {
			p.n = make([]uint32, r.src.Rows())
		}
		return p
	})
	total := sinks[0].(*plainSums)
	for _, s := range sinks[1:] {
		total.merge(s.(*plainSums))
	}
	total.unit = 2 * float64(total.all+2) * 0x1p-53
	return total
}

func (p *plainSums) take(h *hits, s *scratch) {
	p.of.load(h.f, &s.left)
	vals := s.left.nums
	if len(vals) == 0 {
		return
	}
	p.all += len(h.who)
	for i, row := range h.who {
		v := vals[h.at(i)]
		if v != v {
			continue
		}
		if v < 0 && p.size == nil {
			p.size = slices.Clone(p.sum)
		}
		p.sum[row] += v
		if p.size != nil {
			p.size[row] += math.Abs(v)
		}
		if p.n != nil {
			p.n[row]++
		}
	}
}

func (p *plainSums) merge(o *plainSums) {
	if p.size != nil || o.size != nil {
		if p.size == nil {
			p.size = slices.Clone(p.sum)
		}
		from := o.size
		if from == nil {
			from = o.sum
		}
		for i, v := range from {
			p.size[i] += v
		}
	}
	for i, v := range o.sum {
		p.sum[i] += v
	}
	for i, n := range o.n {
		p.n[i] += n
	}
	p.all += o.all
}

// compare tells whether a person's sum, or average when values are counted, compares so, and whether that is sure.
func (p *plainSums) compare(row int, op plan.Op, lits []float64) (holds, sure bool) {
	v, size := p.sum[row], p.sum[row]
	if p.size != nil {
		size = p.size[row]
	}
	bound := size * p.unit
	if p.n != nil {
		n := float64(p.n[row])
		if n == 0 {
			return false, true
		}
		v /= n
		bound = bound/n + math.Abs(v)*0x1p-50
	}
	if math.IsInf(bound, 0) || math.IsNaN(v) {
		return false, false
	}
	if size != 0 {
		for _, l := range lits {
			if math.Abs(v-l) <= bound+math.Abs(l)*0x1p-50*b2f(p.n != nil) {
				return false, false
			}
		}
	}
	return compares(op, v, lits), true
}

func b2f(b bool) float64 { return float64(b2u(b)) }
