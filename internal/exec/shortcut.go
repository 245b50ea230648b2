package exec

import "github.com/embedcdp/cdp/internal/plan"

// shortcut answers comparisons that need less than the value itself, or narrows rows before it is computed. done tells
// that there is nothing more to do; ok is false when there is no kernel.
func (r *run) shortcut(agg plan.Aggregate, n plan.Predicate, rows Set) (done, ok bool) {
	time := isTime(agg.Of)
	switch agg.Function {
	case plan.Last, plan.Max:
		if time {
			return r.timed(agg.Events, n, rows, true)
		}
	case plan.First, plan.Min:
		if time {
			return r.timed(agg.Events, n, rows, false)
		}
	}
	return false, true
}

// implied narrows rows by what a condition asks for among other things: what occurs most often occurs. That is looked for by
// a bit a person, where the condition itself brings all of a person's values together.
func (r *run) implied(op *plan.Operator, rows Set) {
	n, ok := op.Of.(plan.Predicate)
	agg, isAgg := n.Of.(plan.Aggregate)
	if !ok || !isAgg || op.Kind != plan.Scan || agg.Function != plan.MostFrequent {
		return
	}
	if op.Negated {
		n.Op = plan.Opposite(n.Op)
	}
	if n.Op == plan.Equal || n.Op == plan.In {
		list := agg.Events
		list.Filter = append(append([]plan.Node{}, list.Filter...), plan.Predicate{Of: agg.Of, Op: n.Op, Lits: n.Lits})
		r.sized(list, nil, plan.GreaterEqual, []float64{1}, rows)
	}
}

// timed compares the time of the last or first event: the last is after an instant when any is, and before it when there
// is one and none is after. So only a bit a person is kept, and only times on one side are looked at.
func (r *run) timed(list plan.Events, n plan.Predicate, rows Set, last bool) (done, ok bool) {
	op := n.Op
	if len(n.Lits) != 1 {
		return false, true
	}
	any := last == (op == plan.Greater || op == plan.GreaterEqual)
	side := list // those that decide
	switch op {
	case plan.Less, plan.LessEqual, plan.Greater, plan.GreaterEqual:
		if !any {
			op = plan.Opposite(op)
		}
		side.Filter = append(append([]plan.Node{}, list.Filter...), plan.Predicate{Of: plan.Field{Name: "time", Type: "datetime"}, Op: op, Lits: n.Lits})
	default:
		return false, true
	}
	if any {
		return true, r.sized(side, nil, plan.GreaterEqual, []float64{1}, rows)
	}
	return true, r.sized(side, nil, plan.Equal, []float64{0}, rows) && r.sized(list, nil, plan.GreaterEqual, []float64{1}, rows)
}
