package exec

import (
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// scanned narrows rows by a condition about events. It is false when there is no kernel for the columns or the values as they
// are.
func (r *run) scanned(op *plan.Operator, rows Set) bool {
	r.odd.Store(false)
	before := rows.clone()
	if !r.scannedOnce(op, rows) {
		return false
	}
	if r.odd.Load() {
		copy(rows, before)
		return false
	}
	return true
}

func (r *run) scannedOnce(op *plan.Operator, rows Set) bool {
	switch n := op.Of.(type) {
	case plan.Predicate:
		if isArith(n.Of) {
			c, ok := compiler{run: r, rows: rows}.predicate(n)
			if ok {
				r.keep(c, !op.Negated, rows)
			}
			return ok
		}
		if op.Negated {
			n.Op = plan.Opposite(n.Op)
		}
		return r.aggregated(n, rows)
	case plan.Compare:
		if p, ok := r.still(n); ok {
			return r.aggregated(p.(plan.Predicate), rows)
		}
		c, ok := compiler{run: r, rows: rows}.compare(n)
		if ok {
			r.keep(c, !op.Negated, rows)
		}
		return ok
	case plan.Quantifier:
		return r.quantified(n, !op.Negated, rows)
	case plan.Units:
		return r.perUnit(n, !op.Negated, rows)
	case plan.Sequence:
		return r.sequenced(n, !op.Negated, rows)
	}
	return false
}

func (r *run) aggregated(n plan.Predicate, rows Set) bool {
	agg, ok := n.Of.(plan.Aggregate)
	if !ok {
		return false
	}
	switch agg.Function {
	case plan.Size:
		return r.sized(agg.Events, nil, n.Op, numbersOf(n.Lits), rows)
	case plan.Sum, plan.Avg:
		return r.summed(agg, n.Op, numbersOf(n.Lits), rows)
	}
	if done, ok := r.shortcut(agg, n, rows); done || !ok {
		return ok
	}
	v, ok := r.computed(agg, rows)
	return ok && r.tested(v, n.Op, n.Lits, rows)
}

// tested narrows rows by comparing what was computed for each.
func (r *run) tested(v vector, op plan.Op, lits []value.Value, rows Set) bool {
	c, ok := literalsOf(v, op, lits)
	if ok {
		r.keep(c, true, rows)
	}
	return ok
}

// keep narrows rows by a condition about profiles.
func (r *run) keep(c cond, want bool, rows Set) {
	r.pass(rows, func(f *frame, s *scratch, words []uint64) {
		out := s.words()[:len(words)]
		c.mark(f, s, want, out)
		Set(words).and(out)
		s.give(out[:cap(out)])
	})
}

// computed is an aggregate for each of the rows as a vector; absent where there is none. People for whom it is an error
// are taken from rows.
func (r *run) computed(agg plan.Aggregate, rows Set) (vector, bool) {
	switch agg.Function {
	case plan.Size:
		return r.sizes(agg.Events, rows)
	case plan.Sum, plan.Avg:
		return r.exactSums(agg, rows)
	case plan.Min, plan.Max, plan.First, plan.Last:
		return r.extreme(agg, rows)
	}
	return r.grouped(agg, rows)
}

// sizes is the number of events of each person.
func (r *run) sizes(list plan.Events, rows Set) (vector, bool) {
	sc, ok := r.scan(list, nil, rows)
	if !ok {
		return nil, false
	}
	out := make([]float64, r.rows)
	if sc != nil {
		for row, n := range r.counts(sc) {
			out[row] = float64(n)
		}
	}
	return &results{of: value.Number, nums: out}, true
}

func numberValues(nums []float64) []value.Value {
	out := make([]value.Value, len(nums))
	for i, n := range nums {
		out[i] = value.Num(n)
	}
	return out
}
