package celenv

import (
	"fmt"
	"slices"
	"sort"
	"strconv"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"github.com/embedcdp/cdp/internal/schema"
)

// shape is what is known about a sub-expression before types are checked: enough to resolve attributes, to follow
// references, and to tell lists of events, whose macros absorb errors, from other lists, whose macros do not.
type shape struct {
	kind    shapeKind
	label   string       // how messages call it: `event "purchase"`
	attrs   schema.Attrs // record: what can be selected
	event   bool         // record: an event, which has time, id and source too
	elem    *shape       // list
	ref     string       // reference: object type
	inEvent bool         // came out of an event: macros over it absorb errors
	count   bool         // an int of ours, which may meet a Number: an element of perDay, perWeek, perMonth
}

type shapeKind uint8

const (
	other     shapeKind = iota // numbers, strings, results of functions
	eventRoot                  // `events`
	record                     // profile, event, object, or an attribute that has keys
	list
	reference // a string attribute that refers to an object
	mapping   // {…}: can be looked up in, not looped over
)

func (s shape) isEvents() bool { return s.kind == list && s.elem.event }

// resolver walks the parsed tree once, from the outside in, and rewrites it in place.
type resolver struct {
	cat   *schema.Catalogue
	scope Scope
	text  []rune
	info  *ast.SourceInfo
	fac   ast.ExprFactory
	next  int64 // last id in use
	// silent: whether there is a problem is asked, not what it is or where. Positions and messages are left out.
	silent bool

	vars     []variable         // of enclosing macros, innermost last
	literals map[int64]ast.Expr // integer literals of the user
	counts   map[int64]ast.Expr // calls and variables that are an int
	errs     []*Error
	events   map[string]bool
	attrs    map[string]bool
	segments map[string]bool
	objects  map[string]bool
	moving   bool // `now` or ago() occurs
	timed    bool // the answer can change with time alone
}

type variable struct {
	name  string
	shape shape
}

func newResolver(cat *schema.Catalogue, sc Scope, src string, parsed *ast.AST) *resolver {
	return &resolver{
		cat: cat, scope: sc, text: []rune(src), info: parsed.SourceInfo(), next: ast.MaxID(parsed),
		fac:      ast.NewExprFactoryWithAccumulator(accumulator),
		literals: map[int64]ast.Expr{}, counts: map[int64]ast.Expr{}, events: map[string]bool{}, attrs: map[string]bool{},
		segments: map[string]bool{}, objects: map[string]bool{},
	}
}

// fail reports a problem at e, shift characters after where e starts.
func (x *resolver) fail(e ast.Expr, shift int, format string, args ...any) shape {
	if x.silent {
		x.errs = append(x.errs, &Error{})
		return shape{}
	}
	offset := x.start(e) + shift
	line, column := 1, 1
	for _, r := range x.text[:min(max(offset, 0), len(x.text))] {
		if column++; r == '\n' {
			line, column = line+1, 1
		}
	}
	x.errs = append(x.errs, &Error{Line: line, Column: column, Msg: fmt.Sprintf(format, args...)})
	return shape{}
}

// start is the offset in characters of a node: for a call, of its name; else where the parser puts it.
func (x *resolver) start(e ast.Expr) int {
	r, _ := x.info.GetOffsetRange(e.ID())
	offset := min(int(r.Start), len(x.text))
	if e.Kind() == ast.CallKind {
		name := []rune(e.AsCall().FunctionName())
		if from := offset - len(name); from >= 0 && slices.Equal(x.text[from:offset], name) {
			return from
		}
	}
	return offset
}

// fieldShift is the distance from a selection to the name it selects: past the dot, or inside has(…).
func (x *resolver) fieldShift(e ast.Expr) int {
	if x.silent {
		return 0
	}
	sel := e.AsSelect()
	if !sel.IsTestOnly() {
		return 1
	}
	from := x.start(sel.Operand())
	for i, name := from, []rune(sel.FieldName()); i+len(name) <= len(x.text); i++ {
		if x.text[i] == '.' && i > from && slices.Equal(x.text[i+1:min(i+1+len(name), len(x.text))], name) {
			return i + 1 - x.start(e)
		}
	}
	return 0
}

// id makes the id of a new node, which stands where e does.
func (x *resolver) id(e ast.Expr) int64 {
	x.next++
	if x.silent {
		return x.next
	}
	if r, ok := x.info.GetOffsetRange(e.ID()); ok {
		x.info.SetOffsetRange(x.next, r)
	}
	return x.next
}

func (x *resolver) walk(e ast.Expr) shape {
	switch e.Kind() {
	case ast.LiteralKind:
		return x.literal(e)
	case ast.IdentKind:
		return x.ident(e)
	case ast.SelectKind:
		return x.selection(e)
	case ast.CallKind:
		return x.call(e)
	case ast.ListKind:
		return x.listLiteral(e)
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			x.walk(entry.AsMapEntry().Key())
			x.walk(entry.AsMapEntry().Value())
		}
		return shape{kind: mapping}
	case ast.StructKind:
		return x.fail(e, 0, "%s{…} makes a message, which expressions here do not have", e.AsStruct().TypeName())
	}
	return x.fail(e, 0, "this form is not supported")
}

func (x *resolver) literal(e ast.Expr) shape {
	switch e.AsLiteral().(type) {
	case types.Int:
		x.literals[e.ID()] = e
	case types.Uint:
		x.fail(e, 0, "write the number without the u")
	case types.Null:
		x.fail(e, 0, "there is no null: has(customer.age) asks whether an attribute is there")
	case types.Bytes:
		x.fail(e, 0, "write the text without the b")
	}
	return shape{}
}

func (x *resolver) listLiteral(e ast.Expr) shape {
	var elem shape
	for i, el := range e.AsList().Elements() {
		if s := x.walk(el); i == 0 {
			elem = s
		}
	}
	if elem.event { // events written into a list by hand are a list like any other
		elem.event = false
		elem.kind = other
	}
	return shape{kind: list, elem: &elem}
}

func (x *resolver) ident(e ast.Expr) shape {
	name := e.AsIdent()
	for i := len(x.vars) - 1; i >= 0; i-- {
		if x.vars[i].name == name {
			return x.counted(e, x.vars[i].shape)
		}
	}
	if at, ok := x.scope.Vars[name]; ok {
		at.Ref = ""
		return attrShape(at, fmt.Sprintf("%q", name), false)
	}
	hidden := func(variable string) { e.SetKindCase(x.fac.NewIdent(e.ID(), variable)) }
	switch name {
	case "now":
		x.moving, x.timed = true, true
		hidden(NowVar)
		return shape{}
	case "customer", "visitor":
		if !x.scope.Person {
			break
		}
		hidden(ProfileVar)
		return shape{kind: record, label: name, attrs: x.cat.Profile}
	case "events":
		if !x.scope.Person {
			break
		}
		hidden(EventsVar)
		return shape{kind: eventRoot, label: name}
	case "event":
		et := x.cat.Events[x.scope.Event]
		if x.scope.Event == "" || et == nil {
			break
		}
		x.events[x.scope.Event] = true
		hidden(EventVar)
		return eventShape(et)
	case "e":
		et := x.cat.Events[x.scope.Arriving]
		if x.scope.Arriving == "" || et == nil {
			break
		}
		x.events[x.scope.Arriving] = true
		hidden(ArrivingVar)
		return eventShape(et)
	}
	switch name {
	case "customer", "visitor", "events":
		return x.fail(e, 0, "%s is not known here: this expression is not about a person", name)
	case "event":
		return x.fail(e, 0, "event is not known here: this expression is not started by an event")
	}
	return x.fail(e, 0, "unknown name %q%s", name, schema.DidYouMean(name, x.names()))
}

// names lists what can stand at the start of an expression.
func (x *resolver) names() []string {
	names := append(x.scope.Vars.Names(), "now")
	if x.scope.Person {
		names = append(names, "customer", "visitor", "events")
	}
	if x.scope.Event != "" {
		names = append(names, "event")
	}
	if x.scope.Arriving != "" {
		names = append(names, "e")
	}
	for _, v := range x.vars {
		names = append(names, v.name)
	}
	return names
}

// selection resolves `operand.name` and `has(operand.name)`.
func (x *resolver) selection(e ast.Expr) shape {
	sel := e.AsSelect()
	operand, name := sel.Operand(), sel.FieldName()
	s := x.walk(operand)
	if s.kind == reference { // e.product.brand: select from the object, not from its id
		s = x.follow(operand, s)
	}
	at := x.fieldShift(e)
	switch s.kind {
	case eventRoot:
		et := x.cat.Events[name]
		if et == nil {
			return x.fail(e, at, "unknown event type %q%s", name, schema.DidYouMean(name, sortedKeys(x.cat.Events)))
		}
		if sel.IsTestOnly() {
			return x.fail(e, at, "a list of events is always there: write events.%s.size() > 0", name)
		}
		x.events[name] = true
		elem := eventShape(et)
		return shape{kind: list, label: "events." + name, elem: &elem, inEvent: true}
	case record:
		if s.event && schema.Reserved[name] {
			return shape{inEvent: true}
		}
		decl, ok := s.attrs[name]
		if !ok {
			known := s.attrs.Names()
			if s.event {
				known = append(known, sortedKeys(schema.Reserved)...)
			}
			return x.fail(e, at, "unknown attribute %q of %s%s", name, s.label, schema.DidYouMean(name, known))
		}
		if s.label == "customer" || s.label == "visitor" {
			x.attrs[name] = true
		}
		label := s.label + "." + name
		if s.label != "customer" && s.label != "visitor" {
			label = strconv.Quote(name) + " of " + s.label
		}
		return attrShape(decl, label, s.inEvent)
	case list:
		return x.fail(e, at, "a list has no attribute %q: take an element first, as in .last().%s or .exists(e, e.%s == …)", name, name, name)
	}
	if s.label != "" {
		return x.fail(e, at, "%s has no attributes of its own, so .%s asks for nothing", s.label, name)
	}
	if len(x.errs) == 0 {
		x.fail(e, at, "what stands before .%s has no attributes", name)
	}
	return shape{}
}

// follow turns the selection of a reference's id into the selection of the object.
func (x *resolver) follow(e ast.Expr, s shape) shape {
	ot := x.cat.Objects[s.ref]
	if ot == nil {
		return x.fail(e, 0, "%s refers to the object type %q, which is not defined", s.label, s.ref)
	}
	if e.Kind() != ast.SelectKind {
		return x.fail(e, 0, "follow a reference where the attribute is named, as in e.product.brand")
	}
	x.objects[s.ref] = true
	sel := e.AsSelect()
	e.SetKindCase(x.fac.NewSelect(e.ID(), sel.Operand(), sel.FieldName()+RefSuffix))
	return shape{kind: record, label: fmt.Sprintf("object %q", s.ref), attrs: ot.Attributes, inEvent: s.inEvent}
}

func eventShape(et *schema.EventType) shape {
	return shape{kind: record, label: "event " + strconv.Quote(et.Name), attrs: et.Attributes, event: true, inEvent: true}
}

func attrShape(at schema.Attr, label string, inEvent bool) shape {
	s := shape{label: label, inEvent: inEvent}
	switch {
	case at.Ref != "":
		s.kind, s.ref = reference, at.Ref
	case at.Type == schema.Object:
		s.kind, s.attrs = record, at.Fields
	case at.Type.Elem() != "":
		elem := attrShape(schema.Attr{Type: at.Type.Elem(), Fields: at.Fields}, "an element of "+label, inEvent)
		s.kind, s.elem = list, &elem
	}
	return s
}

// operatorNames are the functions that operators and brackets parse to.
var operatorNames = []string{
	operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Negate, operators.Add, operators.Subtract,
	operators.Multiply, operators.Divide, operators.Modulo, operators.Equals, operators.NotEquals, operators.Less,
	operators.LessEquals, operators.Greater, operators.GreaterEquals, operators.In, operators.Conditional, operators.Index,
}

func (x *resolver) call(e ast.Expr) shape {
	call := e.AsCall()
	name := call.FunctionName()
	if !call.IsMemberFunction() && slices.Contains(operatorNames, name) {
		return x.operator(e, call)
	}
	table := globals
	if call.IsMemberFunction() {
		table = members
	}
	fn, ok := table[name]
	if !ok {
		return x.unknownFunction(e, call)
	}
	if n := len(call.Args()); n < fn.min || n > fn.max {
		return x.fail(e, 0, "%s takes %s, as in %s", name, plural(fn.min, fn.max), fn.usage)
	}
	s := fn.resolve(x, e, call)
	if call.IsMemberFunction() && slices.Contains(accessors, name) || slices.Contains(counting, name) {
		x.counts[e.ID()] = e
	}
	return s
}

// counted notes that e is a count, when its shape says so.
func (x *resolver) counted(e ast.Expr, s shape) shape {
	if s.count {
		x.counts[e.ID()] = e
	}
	return s
}

// counting are the functions beside the accessors whose result is always an int.
var counting = []string{"size", "countDistinct", overloads.TypeConvertInt}

func (x *resolver) operator(e ast.Expr, call ast.CallExpr) shape {
	var room [3]shape // the compiler keeps it off the heap
	shapes := room[:0]
	for _, arg := range call.Args() {
		shapes = append(shapes, x.walk(arg))
	}
	switch call.FunctionName() {
	case operators.Conditional:
		return shapes[1]
	case operators.Index:
		if shapes[0].kind == list {
			return x.counted(e, *shapes[0].elem)
		}
	case operators.Add:
		if shapes[0].kind == list {
			if shapes[0].isEvents() {
				return x.fail(e, 0, "lists of events cannot be joined, since their order would be lost")
			}
			return shapes[0]
		}
	}
	return shape{}
}

func (x *resolver) unknownFunction(e ast.Expr, call ast.CallExpr) shape {
	name := call.FunctionName()
	if call.IsMemberFunction() {
		x.walk(call.Target())
		if _, ok := globals[name]; ok {
			return x.fail(e, 0, "%s is not called on a value: write %s", name, globals[name].usage)
		}
		return x.fail(e, 0, "unknown function .%s()%s", name, schema.DidYouMean(name, sortedKeys(members)))
	}
	if _, ok := members[name]; ok {
		return x.fail(e, 0, "%s is called on a value: write %s", name, members[name].usage)
	}
	return x.fail(e, 0, "unknown function %s()%s", name, schema.DidYouMean(name, sortedKeys(globals)))
}

func plural(low, high int) string {
	s := fmt.Sprint(low)
	switch {
	case low == 0 && high == 0:
		return "no arguments"
	case high != low:
		s = fmt.Sprintf("%d to %d", low, high)
	case low == 1:
		return "1 argument"
	}
	return s + " arguments"
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
