// Package exactsum adds float64 values exactly and rounds once. The result does not depend on the order of the values,
// so a sum kept up to date as events come in any order equals one computed from scratch.
//
// The method is Shewchuk's (Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates, 1997),
// as in Python's math.fsum: the running total is a list of floats that do not overlap.
package exactsum

import (
	"math"
	"math/big"
)

// Sum is a running total. The zero Sum is 0 and ready to use. It is not safe for concurrent use.
type Sum struct {
	partials []float64 // finite, not overlapping, by rising magnitude
	special  float64   // the sum of infinities and NaNs, which decide the result when there are any
	large    *big.Float
}

// precision holds any sum of float64 values exactly: 2,098 bits from the smallest to the largest, and room for counts.
const precision = 2200

// limit is the magnitude from which the work goes on in big numbers, so that no step on the way can overflow.
const limit = math.MaxFloat64 / 4

// Of returns the exactly rounded sum of the values.
func Of(values ...float64) float64 {
	var s Sum
	for _, v := range values {
		s.Add(v)
	}
	return s.Value()
}

// Add adds v.
func (s *Sum) Add(v float64) {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		s.special += v
		return
	}
	if s.large != nil {
		s.large.Add(s.large, new(big.Float).SetFloat64(v))
		return
	}
	if math.Abs(v) > limit || len(s.partials) > 0 && math.Abs(s.partials[len(s.partials)-1]) > limit {
		s.large = new(big.Float).SetPrec(precision).SetFloat64(v)
		for _, p := range s.partials {
			s.large.Add(s.large, new(big.Float).SetFloat64(p))
		}
		s.partials = nil
		return
	}
	n := 0
	x := v
	for _, y := range s.partials {
		if math.Abs(x) < math.Abs(y) {
			x, y = y, x
		}
		hi := x + y
		lo := y - (hi - x)
		if lo != 0 {
			s.partials[n] = lo
			n++
		}
		x = hi
	}
	s.partials = append(s.partials[:n], x)
}

// Value returns the total, rounded to the nearest float64, ties to even. The sum of nothing is 0.
func (s *Sum) Value() float64 {
	if s.special != 0 { // NaN is unequal to 0 too
		return s.special
	}
	if s.large != nil {
		f, _ := s.large.Float64()
		return f
	}
	n := len(s.partials) - 1
	if n < 0 {
		return 0
	}
	hi := s.partials[n]
	var lo float64
	for n > 0 {
		x := hi
		n--
		y := s.partials[n]
		hi = x + y
		lo = y - (hi - x)
		if lo != 0 {
			break
		}
	}
	// lo lies half-way between two floats: the next partial says to which side the exact total leans
	if n > 0 && (lo < 0 && s.partials[n-1] < 0 || lo > 0 && s.partials[n-1] > 0) {
		y := 2 * lo
		x := hi + y
		if y == x-hi {
			hi = x
		}
	}
	if hi == 0 {
		return 0 // never -0
	}
	return hi
}
