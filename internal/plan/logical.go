package plan

import (
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// Logical reads the logical plan off an expression whose result is true or false. What it does not recognise becomes a
// Residual: that is always right, and only slower.
func Logical(e *celenv.Expr) Node {
	r := reader{e}
	return r.node(e.Surface())
}

type reader struct{ expr *celenv.Expr }

func (r reader) node(e ast.Expr) Node {
	switch e.Kind() {
	case ast.LiteralKind:
		if b, ok := e.AsLiteral().(types.Bool); ok {
			return Const(b)
		}
	case ast.SelectKind:
		if n, ok := r.selected(e); ok {
			return n
		}
	case ast.CallKind:
		if n, ok := r.call(e); ok {
			return n
		}
	}
	return Residual{r.expr.Text(e)}
}

// selected recognises has(customer.x), and customer.x where x is a boolean.
func (r reader) selected(e ast.Expr) (Node, bool) {
	sel := e.AsSelect()
	if sel.IsTestOnly() {
		if r.isProfile(sel.Operand()) {
			return AttrPredicate{Attr: sel.FieldName(), Op: Has}, true
		}
		return nil, false
	}
	name, decl, ok := r.attribute(e)
	if !ok || decl.Type != schema.Boolean {
		return nil, false
	}
	return AttrPredicate{Attr: name, Op: Equal, Lits: []value.Value{value.Bool(true)}}, true
}

func (r reader) call(e ast.Expr) (Node, bool) {
	c := e.AsCall()
	args := c.Args()
	if !c.IsMemberFunction() {
		switch name := c.FunctionName(); name {
		case operators.LogicalAnd:
			return And{r.nodes(args)}, true
		case operators.LogicalOr:
			return Or{r.nodes(args)}, true
		case operators.LogicalNot:
			return Not{r.node(args[0])}, true
		case operators.In:
			return r.in(args[0], args[1])
		case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
			symbol, _ := operators.FindReverse(name)
			return r.comparison(e, Op(symbol), args[0], args[1])
		case "inSegment":
			if s, ok := args[0].AsLiteral().(types.String); ok {
				return InSegment(s), true
			}
		}
		return nil, false
	}
	switch c.FunctionName() {
	case "exists", "exists_one", "all":
		return r.quantifier(e, c)
	}
	return nil, false
}

func (r reader) nodes(es []ast.Expr) []Node {
	out := make([]Node, len(es))
	for i, e := range es {
		out[i] = r.node(e)
	}
	return out
}

func (r reader) comparison(e ast.Expr, op Op, a, b ast.Expr) (Node, bool) {
	lit, ok := r.literal(b)
	if !ok {
		if lit, ok = r.literal(a); !ok {
			return nil, false
		}
		a, op = b, mirrored[op]
	}
	if name, _, ok := r.attribute(a); ok {
		return AttrPredicate{Attr: name, Op: op, Lits: []value.Value{lit}}, true
	}
	return r.aggregate(e, a, op, lit)
}

func (r reader) in(a, list ast.Expr) (Node, bool) {
	name, _, ok := r.attribute(a)
	if !ok || list.Kind() != ast.ListKind {
		return nil, false
	}
	lits := []value.Value{}
	for _, el := range list.AsList().Elements() {
		lit, ok := r.literal(el)
		if !ok {
			return nil, false
		}
		lits = append(lits, lit)
	}
	return AttrPredicate{Attr: name, Op: In, Lits: lits}, true
}

// isProfile tells whether e is `customer` or `visitor`, and no column of that name.
func (r reader) isProfile(e ast.Expr) bool {
	if e.Kind() != ast.IdentKind || e.AsIdent() != "customer" && e.AsIdent() != "visitor" {
		return false
	}
	_, column := r.expr.Scope().Vars[e.AsIdent()]
	return !column
}

// attribute recognises customer.x.
func (r reader) attribute(e ast.Expr) (string, schema.Attr, bool) {
	if e.Kind() != ast.SelectKind || e.AsSelect().IsTestOnly() || !r.isProfile(e.AsSelect().Operand()) {
		return "", schema.Attr{}, false
	}
	name := e.AsSelect().FieldName()
	decl, ok := r.expr.Catalogue().Profile[name]
	return name, decl, ok
}

// literal recognises a number, text, boolean, and timestamp("…") to the microsecond.
func (r reader) literal(e ast.Expr) (value.Value, bool) {
	if e.Kind() == ast.LiteralKind {
		switch v := e.AsLiteral().(type) {
		case types.Int:
			return value.Num(float64(v)), int64(float64(v)) == int64(v)
		case types.Double:
			return value.Num(float64(v)), true
		case types.String:
			return value.Str(string(v)), true
		case types.Bool:
			return value.Bool(bool(v)), true
		}
		return value.Value{}, false
	}
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != "timestamp" || e.AsCall().IsMemberFunction() {
		return value.Value{}, false
	}
	arg := e.AsCall().Args()[0]
	if arg.Kind() != ast.LiteralKind {
		return value.Value{}, false
	}
	s, ok := arg.AsLiteral().(types.String)
	if !ok {
		return value.Value{}, false
	}
	if day, err := time.Parse(time.DateOnly, string(s)); err == nil {
		cal := celenv.CalendarOf(r.expr.Catalogue())
		return value.Micros(celenv.DayStart(day.Year(), day.Month(), day.Day(), cal.Location)), true
	}
	t, ok := s.ConvertToType(types.TimestampType).(types.Timestamp)
	return value.Micros(t.UnixMicro()), ok && t.Nanosecond()%1000 == 0
}
