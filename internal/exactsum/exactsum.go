// Package exactsum adds float64 values exactly and rounds once. The result does not depend on the order of the values, so a
// sum kept up to date as events come in any order equals one computed from scratch.
package exactsum

import (
	"math"
	"math/bits"
)

// Sum adds finite doubles without any rounding and rounds once, at the end, to the nearest double (ties to even). The
// result therefore does not depend on the order of the additions, nor on how they were split and merged. It is a fixed
// point number wide enough for every double: Neal's small superaccumulator (Radford Neal 2015, arXiv:1505.05571) with
// 32-bit digits in 64-bit limbs, so that carries wait for many additions. The zero Sum is 0.
type Sum struct {
	limb    [sumLimbs]int64 // limb i weighs 2^(32i - 1074)
	pending int             // additions since the last carry
}

const (
	sumLimbs    = 68 // 2098 bits of doubles, and room for 2^60 additions
	maxPending  = 1 << 30
	digit       = 1<<32 - 1
	lowestPower = -1074
)

// Add adds v. A value that is not finite is not added.
func (s *Sum) Add(v float64) {
	b := math.Float64bits(v)
	exp := int(b >> 52 & 0x7ff)
	mant := b & (1<<52 - 1)
	switch exp {
	case 0x7ff:
		return
	case 0:
		exp = 1
	default:
		mant |= 1 << 52
	}
	at, shift := uint(exp-1)>>5, uint(exp-1)&31
	lo, hi := mant<<shift, mant>>(64-shift)
	d := s.limb[at : at+3 : at+3]
	if b>>63 == 0 {
		d[0] += int64(lo & digit)
		d[1] += int64(lo >> 32)
		d[2] += int64(hi)
	} else {
		d[0] -= int64(lo & digit)
		d[1] -= int64(lo >> 32)
		d[2] -= int64(hi)
	}
	if s.pending++; s.pending == maxPending {
		s.carry()
	}
}

// Merge adds what o holds.
func (s *Sum) Merge(o *Sum) {
	s.carry()
	t := *o
	t.carry()
	for i := range s.limb {
		s.limb[i] += t.limb[i]
	}
	s.pending = 1
}

// carry brings every limb but the highest into [0, 2^32); the highest carries the sign.
func (s *Sum) carry() {
	var c int64
	for i := range sumLimbs - 1 {
		v := s.limb[i] + c
		s.limb[i] = v & digit
		c = v >> 32
	}
	s.limb[sumLimbs-1] += c
	s.pending = 0
}

// Value is the exact sum rounded to the nearest double; it is infinite where the exact sum is beyond the largest.
func (s *Sum) Value() float64 {
	t := *s
	t.carry()
	sign := 1.0
	if t.limb[sumLimbs-1] < 0 {
		sign = -1
		for i := range t.limb {
			t.limb[i] = -t.limb[i]
		}
		t.carry()
	}
	top := sumLimbs - 1
	for top >= 0 && t.limb[top] == 0 {
		top--
	}
	if top < 0 {
		return 0
	}
	bitLen := 32*top + bits.Len64(uint64(t.limb[top]))
	if bitLen <= 53 {
		return sign * math.Ldexp(float64(t.limb[0]|t.limb[1]<<32), lowestPower)
	}
	// The 54 highest bits are the mantissa and the bit that decides; everything below only breaks the tie.
	low := bitLen - 54
	var mant uint64
	for i := top; i >= low>>5; i-- {
		if shift := 32*i - low; shift >= 0 {
			mant |= uint64(t.limb[i]) << shift
		} else {
			mant |= uint64(t.limb[i]) >> -shift
		}
	}
	sticky := t.limb[low>>5]&(1<<(low&31)-1) != 0
	for i := 0; i < low>>5 && !sticky; i++ {
		sticky = t.limb[i] != 0
	}
	half := mant&1 != 0
	mant >>= 1
	if half && (sticky || mant&1 != 0) {
		mant++
	}
	return sign * math.Ldexp(float64(mant), low+1+lowestPower)
}
