package plan

import (
	"cel.dev/cel-go/common/ast"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/value"
)

// source reads a list of events down to its root: events.purchase.filter(e, …).within("30d").
func (r reader) source(e ast.Expr) (EventAggregate, bool) {
	if e.Kind() == ast.SelectKind {
		root := e.AsSelect().Operand()
		if root.Kind() != ast.IdentKind || root.AsIdent() != "events" {
			return EventAggregate{}, false
		}
		if _, column := r.expr.Scope().Vars["events"]; column {
			return EventAggregate{}, false
		}
		return EventAggregate{Event: e.AsSelect().FieldName()}, true
	}
	if e.Kind() != ast.CallKind || !e.AsCall().IsMemberFunction() {
		return EventAggregate{}, false
	}
	c := e.AsCall()
	agg, ok := r.source(c.Target())
	if !ok {
		return agg, false
	}
	args := c.Args()
	switch c.FunctionName() {
	case "filter":
		agg.Filter = append(agg.Filter, r.expr.Text(args[1]))
	case "within", "during", "since", "until":
		agg.Window = append(agg.Window, c.FunctionName()+" "+r.expr.Text(args[0]))
	default:
		return agg, false
	}
	return agg, true
}

// aggregate recognises `list.size() >= 3`, `list.sum(e, e.amount) > 100` and the like, the literal on the right.
func (r reader) aggregate(whole, e ast.Expr, op Op, lit value.Value) (Node, bool) {
	if e.Kind() != ast.CallKind {
		return nil, false
	}
	c := e.AsCall()
	list, args := c.Target(), c.Args()
	if !c.IsMemberFunction() { // size(events.purchase)
		if c.FunctionName() != "size" {
			return nil, false
		}
		list, args = args[0], nil
	}
	agg, ok := r.source(list)
	if !ok {
		return nil, false
	}
	agg.Op, agg.Lit, agg.Text = op, lit, r.expr.Text(whole)
	agg.Aggregate = c.FunctionName()
	if celenv.IsMacro(c.FunctionName()) {
		agg.Aggregate += "(" + r.expr.Text(args[1]) + ")"
	}
	switch c.FunctionName() {
	case "size", "sum", "countDistinct": // 0 over nothing
		agg.empty = isFalse
		if lit.Kind == value.Number && holds(0, op, lit.Num) {
			agg.empty = isTrue
		}
	case "avg", "min", "max", "mostFrequent": // absent over nothing
		agg.empty = isError
	default:
		return nil, false
	}
	return agg, true
}

// quantifier recognises exists, exists_one and all over a list of events.
func (r reader) quantifier(e ast.Expr, c ast.CallExpr) (Node, bool) {
	agg, ok := r.source(c.Target())
	if !ok {
		return nil, false
	}
	agg.Aggregate = c.FunctionName() + "(" + r.expr.Text(c.Args()[1]) + ")"
	agg.Text = r.expr.Text(e)
	agg.empty = isFalse
	if c.FunctionName() == "all" {
		agg.empty = isTrue
	}
	return agg, true
}

func holds(a float64, op Op, b float64) bool {
	switch op {
	case Equal:
		return a == b
	case NotEqual:
		return a != b
	case Less:
		return a < b
	case LessEqual:
		return a <= b
	case Greater:
		return a > b
	}
	return a >= b
}
