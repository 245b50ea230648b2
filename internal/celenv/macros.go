package celenv

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// The macros are expanded here and not by cel-go's parser, because what they expand to depends on the list: over
// events, and over lists inside events, an error counts as false or as absent; over any other list it stays an error
// as in plain CEL.

const accumulator = "@result"

// global says which names a macro's variable may not hide.
var global = map[string]bool{"customer": true, "visitor": true, "events": true, "event": true, "now": true}

// IsMacro tells whether a member function binds a variable for the elements of its list.
func IsMacro(name string) bool {
	switch name {
	case "filter", "exists", "exists_one", "all", "map", "sum", "avg", "min", "max", "countDistinct", "mostFrequent":
		return true
	}
	return false
}

// IsRoot tells whether a name stands for a subject that is only selected from.
func IsRoot(name string) bool { return global[name] && name != "now" }

// bind resolves the body of a macro with its variable in scope.
func (x *resolver) bind(call ast.CallExpr, source shape) (name string, body shape, ok bool) {
	v := call.Args()[0]
	if v.Kind() != ast.IdentKind {
		x.fail(v, 0, "the first argument of %s names the element, as in %s", call.FunctionName(), members[call.FunctionName()].usage)
		return "", shape{}, false
	}
	name = v.AsIdent()
	if _, column := x.scope.Vars[name]; global[name] || column {
		x.fail(v, 0, "%q already has a meaning: choose another name for the element", name)
		return "", shape{}, false
	}
	elem := shape{}
	if source.elem != nil {
		elem = *source.elem
	}
	x.vars = append(x.vars, variable{name, elem})
	body = x.walk(call.Args()[1])
	x.vars = x.vars[:len(x.vars)-1]
	return name, body, true
}

// receiver resolves what a macro is called on. A map's keys have no order, so they cannot be looped over.
func (x *resolver) receiver(call ast.CallExpr) shape {
	s := x.walk(call.Target())
	if s.kind == mapping {
		x.fail(call.Target(), 0, "%s is for a list, not for {…}", call.FunctionName())
	}
	return s
}

func (x *resolver) filter(e ast.Expr, call ast.CallExpr) shape {
	s := x.receiver(call)
	name, _, ok := x.bind(call, s)
	if !ok {
		return shape{}
	}
	keep := x.append(e, x.ident0(e, name))
	step := x.hiddenOp(e, operators.Conditional, x.predicate(e, call.Args()[1], s), keep, x.ident0(e, accumulator))
	e.SetKindCase(x.loop(e, call.Target(), name, x.emptyList(e), nil, step, x.ident0(e, accumulator)))
	return s
}

func (x *resolver) exists(e ast.Expr, call ast.CallExpr) shape {
	s := x.receiver(call)
	if name, _, ok := x.bind(call, s); ok {
		going := x.hiddenOp(e, operators.NotStrictlyFalse, x.hiddenOp(e, operators.LogicalNot, x.ident0(e, accumulator)))
		step := x.hiddenOp(e, operators.LogicalOr, x.ident0(e, accumulator), x.predicate(e, call.Args()[1], s))
		e.SetKindCase(x.loop(e, call.Target(), name, x.bool(e, false), going, step, x.ident0(e, accumulator)))
	}
	return shape{}
}

func (x *resolver) all(e ast.Expr, call ast.CallExpr) shape {
	s := x.receiver(call)
	if name, _, ok := x.bind(call, s); ok {
		going := x.hiddenOp(e, operators.NotStrictlyFalse, x.ident0(e, accumulator))
		step := x.hiddenOp(e, operators.LogicalAnd, x.ident0(e, accumulator), x.predicate(e, call.Args()[1], s))
		e.SetKindCase(x.loop(e, call.Target(), name, x.bool(e, true), going, step, x.ident0(e, accumulator)))
	}
	return shape{}
}

func (x *resolver) existsOne(e ast.Expr, call ast.CallExpr) shape {
	s := x.receiver(call)
	if name, _, ok := x.bind(call, s); ok {
		more := x.hiddenOp(e, operators.Add, x.ident0(e, accumulator), x.int(e, 1))
		step := x.hiddenOp(e, operators.Conditional, x.predicate(e, call.Args()[1], s), more, x.ident0(e, accumulator))
		one := x.hiddenOp(e, operators.Equals, x.ident0(e, accumulator), x.int(e, 1))
		e.SetKindCase(x.loop(e, call.Target(), name, x.int(e, 0), nil, step, one))
	}
	return shape{}
}

func (x *resolver) mapped(e ast.Expr, call ast.CallExpr) shape {
	s := x.receiver(call)
	name, body, ok := x.bind(call, s)
	if !ok {
		return shape{}
	}
	loop := x.mapLoop(e, call, name, s)
	if s.inEvent {
		loop = x.hidden(e, FnCompact, loop)
	}
	e.SetKindCase(loop)
	if body.event {
		return shape{kind: list, elem: &shape{}, inEvent: s.inEvent}
	}
	return shape{kind: list, elem: &body, inEvent: s.inEvent}
}

// aggregate resolves sum, avg, min, max, countDistinct and mostFrequent: a function of the mapped list.
func aggregate(function string) func(*resolver, ast.Expr, ast.CallExpr) shape {
	return func(x *resolver, e ast.Expr, call ast.CallExpr) shape {
		s := x.receiver(call)
		name, body, ok := x.bind(call, s)
		if !ok {
			return shape{}
		}
		e.SetKindCase(x.hidden(e, function, x.mapLoop(e, call, name, s)))
		if function == FnMostFrequent {
			body.kind = other // an id that came out of a reference is no longer one event's: it has no version
			return body
		}
		return shape{}
	}
}

func (x *resolver) mapLoop(e ast.Expr, call ast.CallExpr, name string, source shape) ast.Expr {
	elem := call.Args()[1]
	if source.inEvent {
		elem = x.hidden(e, FnOrAbsent, elem)
	}
	return x.loop(e, call.Target(), name, x.emptyList(e), nil, x.append(e, elem), x.ident0(e, accumulator))
}

// predicate guards a macro's condition where errors are absorbed.
func (x *resolver) predicate(e, p ast.Expr, source shape) ast.Expr {
	if source.inEvent {
		return x.hidden(e, FnAbsorb, p)
	}
	return p
}

// loop makes a comprehension that counts its turns against the budget of the evaluation.
func (x *resolver) loop(e, over ast.Expr, name string, init, going, step, result ast.Expr) ast.Expr {
	cond := x.hidden(e, FnStep)
	if going != nil {
		cond = x.hiddenOp(e, operators.LogicalAnd, cond, going)
	}
	return x.fac.NewComprehension(x.id(e), over, name, accumulator, init, cond, step, result)
}

func (x *resolver) append(e, elem ast.Expr) ast.Expr {
	return x.hiddenOp(e, operators.Add, x.ident0(e, accumulator), x.fac.NewList(x.id(e), []ast.Expr{elem}, nil))
}

func (x *resolver) emptyList(e ast.Expr) ast.Expr { return x.fac.NewList(x.id(e), nil, nil) }

func (x *resolver) ident0(e ast.Expr, name string) ast.Expr { return x.fac.NewIdent(x.id(e), name) }

func (x *resolver) hidden(e ast.Expr, function string, args ...ast.Expr) ast.Expr {
	return x.hiddenOp(e, function, append([]ast.Expr{x.ident0(e, Context)}, args...)...)
}

func (x *resolver) hiddenOp(e ast.Expr, function string, args ...ast.Expr) ast.Expr {
	return x.fac.NewCall(x.id(e), function, args...)
}

func (x *resolver) int(e ast.Expr, n int64) ast.Expr {
	return x.fac.NewLiteral(x.id(e), types.Int(n))
}

func (x *resolver) bool(e ast.Expr, b bool) ast.Expr {
	return x.fac.NewLiteral(x.id(e), types.Bool(b))
}

func (x *resolver) string(e ast.Expr, s string) ast.Expr {
	return x.fac.NewLiteral(x.id(e), types.String(s))
}
