package exec

import (
	"math"
	"sync/atomic"

	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// This file computes with numbers. A result that is no number (0/0) is there all the same: it equals nothing and has
// no order, so that every comparison but != is false, not an error. Therefore beside the numbers goes a bit for each that is there.

// term computes a number for each item of a frame.
type term interface {
	// eval fills nums, of which those with a bit in there mean something.
	eval(f *frame, s *scratch, nums []float64, there []uint64)
}

type (
	constant  float64
	readTerm  struct{ of vector }
	operation struct {
		op          byte
		left, right term
	}
)

// isArith tells whether a value is arithmetic.
func isArith(v plan.Value) bool { _, ok := v.(plan.Arith); return ok }

func (c compiler) term(v plan.Value) (term, bool) {
	switch v := v.(type) {
	case plan.Literal:
		return constant(v), true
	case plan.Arith:
		left, okLeft := c.term(v.Left)
		right, okRight := c.term(v.Right)
		return operation{v.Op, left, right}, okLeft && okRight
	}
	of, ok := c.vector(v)
	return readTerm{of}, ok && of.kind() == value.Number
}

func (t constant) eval(f *frame, _ *scratch, nums []float64, there []uint64) {
	for i := range nums {
		nums[i] = float64(t)
	}
	fill(there, f.n)
}

func (t readTerm) eval(f *frame, s *scratch, nums []float64, there []uint64) {
	t.of.load(f, &s.left)
	n := copy(nums, s.left.nums)
	clear(there)
	for i, v := range nums[:n] {
		there[i>>6] |= b2u(v == v) << (i & 63)
	}
}

func (t operation) eval(f *frame, s *scratch, nums []float64, there []uint64) {
	t.left.eval(f, s, nums, there)
	other, also := s.numbers(f.n), s.words()
	t.right.eval(f, s, other, also[:len(there)])
	switch t.op { // each result is stored and so rounded: nothing is fused
	case '+':
		for i, v := range other {
			nums[i] += v
		}
	case '-':
		for i, v := range other {
			nums[i] -= v
		}
	case '*':
		for i, v := range other {
			nums[i] *= v
		}
	case '/':
		for i, v := range other {
			nums[i] /= v
		}
	}
	Set(there).and(also)
	s.give(also)
	s.giveNumbers(other)
}

// formula compares what is computed with literals, or with what else is computed.
type formula struct {
	left, right term // right is nil with literals
	op          plan.Op
	lits        []float64
}

func (c compiler) formula(left plan.Value, op plan.Op, right plan.Value, lits []value.Value) (cond, bool) {
	out := &formula{op: op, lits: numbersOf(lits)}
	for _, l := range lits {
		if l.Kind != value.Number {
			return nil, false
		}
	}
	var ok bool
	if out.left, ok = c.term(left); ok && right != nil {
		out.right, ok = c.term(right)
	}
	return out, ok && op != plan.Has
}

func (c *formula) mark(f *frame, s *scratch, want bool, out []uint64) {
	nums := s.numbers(f.n)
	c.left.eval(f, s, nums, out)
	if c.right == nil {
		for i, x := range nums {
			out[i>>6] &^= b2u(compares(c.op, x, c.lits) != want) << (i & 63)
		}
	} else {
		other, also := s.numbers(f.n), s.words()
		c.right.eval(f, s, other, also[:len(out)])
		Set(out).and(also)
		for i, x := range nums {
			out[i>>6] &^= b2u(compares(c.op, x, other[i:i+1]) != want) << (i & 63)
		}
		s.give(also)
		s.giveNumbers(other)
	}
	s.giveNumbers(nums)
}

// computedNumbers gives what is computed to an aggregate. It has no way to tell what is no number from what is absent:
// when one comes up, odd is set, and the oracle has to answer.
type computedNumbers struct {
	of  term
	odd *atomic.Bool
}

func (v computedNumbers) kind() value.Kind { return value.Number }

func (v computedNumbers) load(f *frame, b *block) {
	s := b.own.scratch
	if s == nil {
		s = &scratch{}
		b.own.scratch = s
	}
	b.own.nums = room(b.own.nums, f.n)
	b.nums = b.own.nums
	there := s.words()[:(f.n+63)/64]
	v.of.eval(f, s, b.nums, there)
	for i, x := range b.nums {
		if there[i>>6]>>(i&63)&1 == 0 {
			b.nums[i] = math.NaN()
		} else if x != x {
			v.odd.Store(true)
		}
	}
	s.give(there[:cap(there)])
}

// numbers lends numbers for one frame; giveNumbers takes them back.
func (s *scratch) numbers(n int) []float64 {
	var out []float64
	if k := len(s.spareNumbers); k > 0 {
		out, s.spareNumbers = s.spareNumbers[k-1], s.spareNumbers[:k-1]
	}
	return room(out, n)
}

func (s *scratch) giveNumbers(nums []float64) { s.spareNumbers = append(s.spareNumbers, nums) }
