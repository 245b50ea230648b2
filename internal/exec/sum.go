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
	t := &test{kind: value.Number}
	t.numbers(op, lits)
	r.pass(rows, func(f *frame, _ *scratch, words []uint64) {
		at := f.k * column.ChunkRows
		sums.join(at, at+f.n)
		for w := range words {
			if words[w] == 0 {
				continue
			}
			holds, unsure := sums.word(at+w*64, min(64, f.n-w*64), t, lits)
			near[at>>6+w] = words[w] & unsure
			words[w] &= holds | unsure
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

	others []*plainSums // of the goroutines after the first; join adds them in
}

func (r *run) plainSums(sc *scan, of vector, counted bool) *plainSums {
	sinks := sc.run(func() sink {
		p := &plainSums{of: of, sum: make([]float64, r.rows)}
		if counted {
			p.n = make([]uint32, r.rows)
		}
		return p
	})
	total := sinks[0].(*plainSums)
	signed := total.size != nil
	for _, s := range sinks[1:] {
		o := s.(*plainSums)
		total.others, total.all = append(total.others, o), total.all+o.all
		signed = signed || o.size != nil
	}
	if signed && total.size == nil {
		total.size = slices.Clone(total.sum)
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
	if lo, _, known := p.lowest(h.f.k); known && lo >= 0 && p.size == nil && p.n == nil {
		addAll(p.sum, vals, h)
		return
	}
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

// lowest is what is known of a chunk's values.
func (p *plainSums) lowest(k int) (lo, hi float64, known bool) {
	if d, ok := p.of.(direct); ok {
		return d.col.FloatRange(k)
	}
	return 0, 0, false
}

// addAll adds values of which none is negative.
func addAll(sum, vals []float64, h *hits) {
	if h.pos == nil {
		for i, row := range h.who {
			if v := vals[i]; v == v {
				sum[row] += v
			}
		}
		return
	}
	who := h.who[:len(h.pos)]
	for i, j := range h.pos {
		if v := vals[j]; v == v {
			sum[who[i]] += v
		}
	}
}

// join adds in what the other goroutines found for the rows [from, to). It is for who looks at these rows next, once: then
// they are near, and every goroutine joins its share.
func (p *plainSums) join(from, to int) {
	for _, o := range p.others {
		if p.size != nil {
			magnitudes := o.size
			if magnitudes == nil {
				magnitudes = o.sum
			}
			addTo(p.size[from:to], magnitudes[from:to])
		}
		addTo(p.sum[from:to], o.sum[from:to])
		if p.n != nil {
			addTo(p.n[from:to], o.n[from:to])
		}
	}
}

func addTo[T float64 | uint32](sums, more []T) {
	sums = sums[:len(more)]
	for i, v := range more {
		sums[i] += v
	}
}

// word compares the sums, or averages when values are counted, of up to 64 people, and tells which are unsure: the bits
// of holds mean nothing there.
func (p *plainSums) word(from, n int, t *test, lits []float64) (holds, unsure uint64) {
	sums := p.sum[from : from+n]
	sizes := sums
	if p.size != nil {
		sizes = p.size[from : from+n]
	}
	if p.n != nil {
		return p.averages(sums, sizes, p.n[from:from+n], t, lits)
	}
	if _, stored := p.of.(direct); stored && p.size == nil && n == 64 { // what is computed may be infinite
		for _, l := range lits {
			unsure |= p.nearTo((*[64]float64)(sums), l)
		}
		return t.word(sums), unsure
	}
	for _, l := range lits {
		var w uint64
		for i := n - 1; i >= 0; i-- { // not greater, so that what is no number is unsure; a sum of nothing is sure
			w = w + w + b2u(!(math.Abs(sums[i]-l) > sizes[i]*p.unit))&b2u(sizes[i] != 0)
		}
		unsure |= w
	}
	return t.word(sums), unsure
}

// nearTo is which sums of values that are not negative are unsure beside a literal l. For a unit u up to 1/4, |s-l| <= s*u
// implies l/(1+u) <= s <= l/(1-u), which lies in l*(1-2u) to l*(1+2u) with room for all rounding, because u is at least
// 6*2^-53. A sum of nothing is 0 and not near (but to the least of all numbers, in vain), nor is any sum to a literal of 0
// or less. Where the plain sum overflows, the exact one is far above every literal that is not huge; huge ones are near to
// all.
func (p *plainSums) nearTo(sums *[64]float64, l float64) uint64 {
	switch {
	case l <= 0:
		return 0
	case p.unit <= 0.25 && l < 1e299:
		return inside(sums, l*(1-2*p.unit), l*(1+2*p.unit))
	}
	return ^uint64(0)
}

// averages are off by the error of the sum, and by the rounding of sum and division.
func (p *plainSums) averages(sums, sizes []float64, n []uint32, t *test, lits []float64) (holds, unsure uint64) {
	var avg [64]float64
	for i, sum := range sums {
		avg[i] = sum / float64(n[i]) // NaN, which is absent, where there is none
		bound := sizes[i]/float64(n[i])*p.unit + math.Abs(avg[i])*0x1p-50
		for _, l := range lits {
			unsure |= b2u(n[i] != 0 && sizes[i] != 0 && !(math.Abs(avg[i]-l) > bound+math.Abs(l)*0x1p-50)) << i
		}
	}
	return t.word(avg[:len(sums)]), unsure
}
