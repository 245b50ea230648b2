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

// This file reads values off an expression: attributes, fields of an event, moments, lists of events and what is
// aggregated of them.

// value recognises everything that a condition compares but literals.
func (r reader) value(e ast.Expr) (Value, bool) {
	if v, ok := r.attribute(e); ok {
		return v, true
	}
	if v, ok := r.field(e); ok {
		return v, true
	}
	if v, ok := r.moment(e); ok {
		return v, true
	}
	if v, ok := r.arith(e); ok {
		return v, true
	}
	if v, ok := r.length(e); ok {
		return v, true
	}
	if r.element != "" && e.Kind() == ast.IdentKind && e.AsIdent() == r.element {
		return r.elementOf, true
	}
	return r.aggregate(e)
}

// attribute recognises customer.x.
func (r reader) attribute(e ast.Expr) (Attr, bool) {
	if e.Kind() != ast.SelectKind || e.AsSelect().IsTestOnly() || !r.isProfile(e.AsSelect().Operand()) {
		return Attr{}, false
	}
	name := e.AsSelect().FieldName()
	decl, ok := r.expr.Catalogue().Profile[name]
	return Attr{name, decl.Type}, ok
}

// field recognises e.x and e.reference.x of the event that a macro looks at.
func (r reader) field(e ast.Expr) (Field, bool) {
	if r.typ == nil || e.Kind() != ast.SelectKind || e.AsSelect().IsTestOnly() {
		return Field{}, false
	}
	return r.fieldOf(e.AsSelect(), r.isEvent)
}

// fieldOf reads a selection from an event, directly or through one reference.
func (r reader) fieldOf(sel ast.SelectExpr, isEvent func(ast.Expr) bool) (Field, bool) {
	name, from := sel.FieldName(), sel.Operand()
	if isEvent(from) {
		switch name {
		case "time":
			return Field{Name: name, Type: schema.Datetime}, true
		case "id", "source":
			return Field{Name: name, Type: schema.String}, true
		}
		decl, ok := r.typ.Attributes[name]
		return Field{Name: name, Type: decl.Type}, ok
	}
	if from.Kind() != ast.SelectKind || from.AsSelect().IsTestOnly() || !isEvent(from.AsSelect().Operand()) {
		return Field{}, false
	}
	through := from.AsSelect().FieldName()
	decl, ok := r.typ.Attributes[through]
	if !ok || decl.Ref == "" {
		return Field{}, false
	}
	object := r.expr.Catalogue().Objects[decl.Ref]
	if object == nil {
		return Field{}, false
	}
	attr, ok := object.Attributes[name]
	return Field{Name: name, Type: attr.Type, Through: through, Object: decl.Ref}, ok
}

// moment recognises now, ago("3d"), now.startOf("day"), and such a time with a literal duration added or taken away.
func (r reader) moment(e ast.Expr) (Moment, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		return Moment{}, e.AsIdent() == "now" && !r.shadowed("now")
	case ast.CallKind:
	default:
		return Moment{}, false
	}
	c := e.AsCall()
	switch name := c.FunctionName(); {
	case name == "ago" && !c.IsMemberFunction():
		ago, err := celenv.ParseSpan(text(c.Args()[0]))
		return Moment{Ago: ago}, err == nil
	case name == "startOf" && c.IsMemberFunction():
		m, ok := r.moment(c.Target())
		return Moment{Unit: text(c.Args()[0])}, ok && m == Moment{}
	case name == operators.Subtract || name == operators.Add:
		m, ok := r.moment(c.Args()[0])
		d, isSpan := duration(c.Args()[1])
		if name == operators.Add {
			d = -d
		}
		m.Ago += d
		return m, ok && isSpan && max(m.Ago, -m.Ago) < farthest
	}
	return Moment{}, false
}

// farthest is how far from now a moment may lie. A time before the year 1 or after 9999 is an error, also on the way to one
// that is not.
const farthest = 1000 * 366 * 86400e6

// duration recognises duration("36h") to the microsecond.
func duration(e ast.Expr) (micros int64, ok bool) {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != "duration" {
		return 0, false
	}
	s := text(e.AsCall().Args()[0])
	if span, err := celenv.ParseSpan(s); err == nil {
		return span, true
	}
	d, err := time.ParseDuration(s)
	return d.Microseconds(), err == nil && d%time.Microsecond == 0 && d.Abs() < 36600*24*time.Hour
}

// text is the content of a string literal, "" for anything else.
func text(e ast.Expr) string {
	if e.Kind() == ast.LiteralKind {
		if s, ok := e.AsLiteral().(types.String); ok {
			return string(s)
		}
	}
	return ""
}

// events reads a list of events down to its root: events.purchase.filter(e, …).within("30d"). What it does not
// recognise in a filter or a bound it keeps as opaque: that there is a list of this type is known all the same.
func (r reader) events(e ast.Expr) (Events, bool) {
	if e.Kind() == ast.SelectKind {
		root := e.AsSelect().Operand()
		if e.AsSelect().IsTestOnly() || root.Kind() != ast.IdentKind || root.AsIdent() != "events" || r.shadowed("events") {
			return Events{}, false
		}
		return Events{Type: e.AsSelect().FieldName()}, true
	}
	if e.Kind() != ast.CallKind || !e.AsCall().IsMemberFunction() {
		return Events{}, false
	}
	c := e.AsCall()
	list, ok := r.events(c.Target())
	if !ok {
		return list, false
	}
	args := c.Args()
	switch c.FunctionName() {
	case "filter":
		list.Filter = append(list.Filter, r.inside(list.Type, args[0]).node(args[1]))
	case "within":
		span, err := celenv.ParseSpan(text(args[0]))
		list.Bounds = append(list.Bounds, Bound{Kind: Within, Span: span})
		ok = err == nil
	case "during":
		list.Bounds = append(list.Bounds, Bound{Kind: During, Range: text(args[0])})
	case "since":
		list.Bounds = append(list.Bounds, Bound{Kind: Since, At: r.instant(args[0])})
	case "until":
		list.Bounds = append(list.Bounds, Bound{Kind: Until, At: r.instant(args[0])})
	default:
		ok = false
	}
	return list, ok
}

// instant reads the argument of since and until.
func (r reader) instant(e ast.Expr) Value {
	if lit, ok := r.literal(e); ok && lit.Kind == value.Datetime {
		return Constant{lit.Time}
	}
	if v, ok := r.value(e); ok {
		return v
	}
	return Formula{r.expr.Written(e)}
}

// inside returns the reader of a macro's condition about one event of a type.
func (r reader) inside(typ string, variable ast.Expr) reader {
	if variable.Kind() == ast.IdentKind {
		r.variable, r.typ = variable.AsIdent(), r.expr.Catalogue().Events[typ]
	}
	return r
}

func (r reader) isEvent(e ast.Expr) bool {
	return r.typ != nil && e.Kind() == ast.IdentKind && e.AsIdent() == r.variable
}

// shadowed tells whether a name means something else here: a free variable, or the variable of a macro.
func (r reader) shadowed(name string) bool {
	_, free := r.expr.Scope().Vars[name]
	return free || r.variable == name
}

var functions = map[string]Function{
	"size": Size, "sum": Sum, "avg": Avg, "min": Min, "max": Max, "countDistinct": CountDistinct, "mostFrequent": MostFrequent,
}

// aggregate recognises list.size(), list.sum(e, e.amount) and the like, and list.last().time.
func (r reader) aggregate(e ast.Expr) (Aggregate, bool) {
	if r.typ != nil { // another list inside a condition about one event
		return Aggregate{}, false
	}
	if e.Kind() == ast.SelectKind && !e.AsSelect().IsTestOnly() {
		return r.end(e.AsSelect())
	}
	if e.Kind() != ast.CallKind {
		return Aggregate{}, false
	}
	c := e.AsCall()
	list, args := c.Target(), c.Args()
	if !c.IsMemberFunction() { // size(events.purchase)
		if c.FunctionName() != "size" {
			return Aggregate{}, false
		}
		list, args = args[0], nil
	}
	function, known := functions[c.FunctionName()]
	if !known {
		return Aggregate{}, false
	}
	events, ok := r.events(list)
	if !ok && function == Size {
		events, _, ok = r.mapped(list)
	}
	if !ok {
		return Aggregate{}, false
	}
	agg := Aggregate{Events: events, Function: function}
	if function == Size {
		return agg, true
	}
	in := r.inside(events.Type, args[0])
	if f, isField := in.field(args[1]); isField {
		agg.Of = f
		return agg, true
	}
	agg.Of, ok = in.arith(args[1])
	return agg, ok
}

// end recognises list.first().x and list.last().x, also through a reference.
func (r reader) end(sel ast.SelectExpr) (Aggregate, bool) {
	var agg Aggregate
	isEnd := func(e ast.Expr) bool {
		if e.Kind() != ast.CallKind || !e.AsCall().IsMemberFunction() {
			return false
		}
		function := map[string]Function{"first": First, "last": Last}[e.AsCall().FunctionName()]
		events, ok := r.events(e.AsCall().Target())
		if function == "" || !ok || r.expr.Catalogue().Events[events.Type] == nil {
			return false
		}
		agg.Events, agg.Function = events, function
		return true
	}
	root := sel.Operand()
	if !isEnd(root) && (root.Kind() != ast.SelectKind || !isEnd(root.AsSelect().Operand())) {
		return agg, false
	}
	inner := r
	inner.typ = r.expr.Catalogue().Events[agg.Events.Type]
	var ok bool
	agg.Of, ok = inner.fieldOf(sel, isEnd)
	return agg, ok
}

// quantifier recognises exists, exists_one and all, over a list of events and over perMonth(n).
func (r reader) quantifier(e ast.Expr, c ast.CallExpr) (Node, bool) {
	kind, args := Quantity(c.FunctionName()), c.Args()
	if n, ok := r.elements(e, c.Target(), kind, args[0], args[1]); ok || r.typ != nil {
		return n, ok
	}
	if events, ok := r.events(c.Target()); ok {
		return Quantifier{Events: events, Kind: kind, If: r.inside(events.Type, args[0]).node(args[1]), Text: r.expr.Written(e)}, true
	}
	if events, v, ok := r.mapped(c.Target()); ok && args[0].Kind() == ast.IdentKind {
		in := r
		in.typ, in.element, in.elementOf = r.expr.Catalogue().Events[events.Type], args[0].AsIdent(), v
		return Quantifier{Events: events, Kind: kind, If: in.node(args[1]), Text: r.expr.Written(e)}, true
	}
	return r.units(e, c.Target(), kind, args[0], args[1])
}

// units recognises list.perMonth(6).all(n, n >= 3), the literal on either side.
func (r reader) units(whole, e ast.Expr, kind Quantity, variable, condition ast.Expr) (Node, bool) {
	if e.Kind() != ast.CallKind || !e.AsCall().IsMemberFunction() || variable.Kind() != ast.IdentKind {
		return nil, false
	}
	c := e.AsCall()
	unit := map[string]string{"perDay": "day", "perWeek": "week", "perMonth": "month"}[c.FunctionName()]
	if unit == "" {
		return nil, false
	}
	events, ok := r.events(c.Target())
	n, isNumber := r.literal(c.Args()[0])
	if !ok || !isNumber || condition.Kind() != ast.CallKind || condition.AsCall().IsMemberFunction() {
		return nil, false
	}
	op, compares := comparison(condition.AsCall().FunctionName())
	if !compares {
		return nil, false
	}
	isCount := func(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == variable.AsIdent() }
	a, b := condition.AsCall().Args()[0], condition.AsCall().Args()[1]
	if !isCount(a) {
		a, b, op = b, a, mirrored[op]
	}
	lit, ok := r.literal(b)
	if !isCount(a) || !ok || lit.Kind != value.Number {
		return nil, false
	}
	return Units{Events: events, Unit: unit, N: int(n.Num), Kind: kind, Op: op, Lit: lit.Num, Text: r.expr.Written(whole)}, true
}

// sequence recognises sequence(events.view, events.add_to_cart, "7d").
func (r reader) sequence(e ast.Expr, args []ast.Expr) (Node, bool) {
	last := len(args) - 1
	span, err := celenv.ParseSpan(text(args[last]))
	seq := Sequence{Within: span, Text: r.expr.Written(e)}
	for _, arg := range args[:last] {
		events, ok := r.events(arg)
		if !ok {
			return nil, false
		}
		seq.Steps = append(seq.Steps, events)
	}
	return seq, err == nil && r.typ == nil
}

// holds compares two numbers.
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
