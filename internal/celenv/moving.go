package celenv

import (
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// operations sends operators that need the evaluator to it.
//
// Times: `now` and what is computed from it are moving values, and a comparison of one with a fixed time has to note
// when it will turn. Where `now` occurs, the operators on times and durations therefore become hidden functions.
//
// Work: joining strings or lists and searching a list that is not written out count against the evaluation's budget.
//
// It also refuses what has no sound meaning here: equality of profiles, events or objects, and of lists that hold
// times.
type operations struct {
	*resolver
	types *nodeTypes
}

func (o *operations) rewrite(e ast.Expr) {
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.CallKind {
			o.call(e, e.AsCall())
		}
	}))
}

func (o *operations) call(e ast.Expr, c ast.CallExpr) {
	args := c.Args()
	switch name := c.FunctionName(); name {
	case operators.Equals, operators.NotEquals:
		for _, arg := range args {
			o.refuseStructs(e, o.types.of(arg.ID()), false)
		}
		o.compare(e, name, args)
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		o.compare(e, name, args)
	case operators.Add:
		switch kind := o.kind(args[0]); {
		case args[0].Kind() == ast.IdentKind && args[0].AsIdent() == accumulator:
		case kind == types.StringKind || kind == types.ListKind:
			e.SetKindCase(o.hidden(e, FnConcat, args...))
		case o.moving && (o.isTime(args[0]) || o.isTime(args[1])):
			e.SetKindCase(o.hidden(e, FnAdd, args...))
		}
	case operators.Subtract:
		if o.moving && o.isTime(args[0]) {
			e.SetKindCase(o.hidden(e, FnSubtract, args...))
		}
	case operators.In:
		o.refuseStructs(e, o.types.of(args[0].ID()), false)
		if o.kind(args[1]) == types.ListKind && (args[1].Kind() != ast.ListKind || o.moving && o.isTime(args[0])) {
			e.SetKindCase(o.hidden(e, FnIn, args...))
		}
	default:
		if c.IsMemberFunction() && slices.Contains(accessors, name) && (o.moving || len(args) == 1) {
			e.SetKindCase(o.hidden(e, FnPart, append([]ast.Expr{c.Target(), o.string(e, name)}, args...)...))
		}
	}
}

func (o *operations) compare(e ast.Expr, operator string, args []ast.Expr) {
	if o.moving && (o.isTime(args[0]) || o.isTime(args[1])) {
		e.SetKindCase(o.hidden(e, FnCompare, append([]ast.Expr{o.string(e, operator)}, args...)...))
	}
}

func (o *operations) kind(e ast.Expr) types.Kind {
	if t := o.types.of(e.ID()); t != nil {
		return t.Kind()
	}
	return types.DynKind
}

func (o *operations) isTime(e ast.Expr) bool {
	k := o.kind(e)
	return k == types.TimestampKind || k == types.DurationKind
}

// refuseStructs reports equality on values that are no plain values.
func (o *operations) refuseStructs(e ast.Expr, t *types.Type, inside bool) {
	if t == nil {
		return
	}
	switch t.Kind() {
	case types.StructKind:
		o.fail(e, 0, "compare attributes, not whole profiles, events or objects")
	case types.TimestampKind, types.DurationKind:
		if inside {
			o.fail(e, 0, "compare the times of a list one by one, as in customer.dates.exists(d, d == …)")
		}
	case types.ListKind, types.MapKind:
		for _, p := range t.Parameters() {
			o.refuseStructs(e, p, true)
		}
	}
}
