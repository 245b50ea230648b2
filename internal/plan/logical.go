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

// Logical reads the logical plan off an expression whose result is true or false; of one about a single event (celenv's scope
// Arriving) the conditions are about Fields. What it does not recognise becomes a
// Residual: that is always right, and only slower.
func Logical(e *celenv.Expr) Node {
	r := reader{expr: e}
	if s := e.Scope(); s.Arriving != "" && !s.Person { // as inside a macro
		r.variable, r.typ = "e", e.Catalogue().Events[s.Arriving]
	}
	return r.node(e.Surface())
}

// reader reads an expression about a person, or a condition about one event.
type reader struct {
	expr     *celenv.Expr
	variable string            // about an event: what stands for it
	typ      *schema.EventType // and what it is

	element   string // inside a macro over what was mapped from events: its variable
	elementOf Value  // and what was mapped
}

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
	return Residual{r.expr.Written(e)}
}

// selected recognises has(customer.x) and has(e.x), and a boolean attribute that stands alone.
func (r reader) selected(e ast.Expr) (Node, bool) {
	sel := e.AsSelect()
	if sel.IsTestOnly() {
		name := sel.FieldName()
		if r.isProfile(sel.Operand()) {
			return Predicate{Of: Attr{name, r.expr.Catalogue().Profile[name].Type}, Op: Has, Text: r.expr.Written(e)}, true
		}
		if r.typ != nil {
			if f, ok := r.fieldOf(sel, r.isEvent); ok {
				return Predicate{Of: f, Op: Has, Text: r.expr.Written(e)}, true
			}
		}
		return nil, false
	}
	v, ok := r.value(e)
	if !ok || TypeOf(v) != schema.Boolean {
		return nil, false
	}
	return Predicate{Of: v, Op: Equal, Lits: []value.Value{value.Bool(true)}, Text: r.expr.Written(e)}, true
}

var symbols = map[string]Op{
	operators.Equals: Equal, operators.NotEquals: NotEqual, operators.Less: Less, operators.LessEquals: LessEqual,
	operators.Greater: Greater, operators.GreaterEquals: GreaterEqual,
}

func comparison(function string) (Op, bool) { op, ok := symbols[function]; return op, ok }

var matchers = map[string]Op{"startsWith": StartsWith, "endsWith": EndsWith, "contains": Contains}

func (r reader) call(e ast.Expr) (Node, bool) {
	c := e.AsCall()
	args := c.Args()
	if c.IsMemberFunction() {
		switch name := c.FunctionName(); name {
		case "exists", "exists_one", "all":
			return r.quantifier(e, c)
		case "startsWith", "endsWith", "contains":
			v, ok := r.value(c.Target())
			lit, isText := r.literal(args[0])
			return Predicate{Of: v, Op: matchers[name], Lits: []value.Value{lit}, Text: r.expr.Written(e)}, ok && isText
		}
		return nil, false
	}
	name := c.FunctionName()
	if op, ok := comparison(name); ok {
		return r.comparison(e, op, args[0], args[1])
	}
	switch name {
	case operators.LogicalAnd:
		return And{r.nodes(args)}, true
	case operators.LogicalOr:
		return Or{r.nodes(args)}, true
	case operators.LogicalNot:
		return Not{r.node(args[0])}, true
	case operators.In:
		return r.in(e, args[0], args[1])
	case "inSegment":
		return InSegment(text(args[0])), r.typ == nil && text(args[0]) != ""
	case "sequence":
		return r.sequence(e, args)
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

func (r reader) comparison(whole ast.Expr, op Op, a, b ast.Expr) (Node, bool) {
	left, okLeft := r.value(a)
	right, okRight := r.value(b)
	if okLeft && okRight {
		return Compare{left, op, right, r.expr.Written(whole)}, true
	}
	if !okLeft {
		left, a, b, op, okLeft = right, b, a, mirrored[op], okRight
	}
	lit, ok := r.literal(b)
	return Predicate{Of: left, Op: op, Lits: []value.Value{lit}, Text: r.expr.Written(whole)}, okLeft && ok
}

func (r reader) in(whole, a, list ast.Expr) (Node, bool) {
	if lit, isLiteral := r.literal(a); isLiteral {
		if v, ok := r.list(list); ok {
			is := Predicate{Of: Element{TypeOf(v).Elem()}, Op: Equal, Lits: []value.Value{lit}}
			return Elements{Of: v, Kind: Some, If: is, Text: r.expr.Written(whole)}, true
		}
		events, v, ok := r.mapped(list)
		is := Predicate{Of: v, Op: Equal, Lits: []value.Value{lit}}
		return Quantifier{Events: events, Kind: Some, If: is, Text: r.expr.Written(whole)}, ok
	}
	v, ok := r.value(a)
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
	return Predicate{Of: v, Op: In, Lits: lits, Text: r.expr.Written(whole)}, true
}

// isProfile tells whether e is `customer` or `visitor`, and no column or macro variable of that name.
func (r reader) isProfile(e ast.Expr) bool {
	return e.Kind() == ast.IdentKind && (e.AsIdent() == "customer" || e.AsIdent() == "visitor") && !r.shadowed(e.AsIdent())
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
