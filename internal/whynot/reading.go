package whynot

import (
	"maps"
	"slices"
	"strconv"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/roweval"
)

// reading is what a condition reads of a person, by way of the segments that it asks for too.
type reading struct {
	attrs, events []string
	fields        map[field]bool
	timeless      bool // it looks at no event's time, and in no order
}

// field is a name that a condition selects, and the event type of which; "" is of anything else.
type field struct{ typ, name string }

// timeless are the calls that do not look at when events were, or in which order.
var timeless = map[string]bool{
	operators.LogicalAnd: true, operators.LogicalOr: true, operators.LogicalNot: true, operators.Conditional: true, operators.In: true,
	operators.Equals: true, operators.NotEquals: true, operators.Less: true, operators.LessEquals: true, operators.Greater: true, operators.GreaterEquals: true,
	operators.Add: true, operators.Subtract: true, operators.Multiply: true, operators.Divide: true, operators.Modulo: true, operators.Negate: true,
	"filter": true, "exists": true, "all": true, "exists_one": true, "has": true, "size": true, "sum": true, "avg": true, "min": true, "max": true,
	"countDistinct": true, "contains": true, "startsWith": true, "endsWith": true, "ago": true, "duration": true, "timestamp": true,
}

func (s *search) readingOf(prog *roweval.Program) reading {
	e, d := prog.Expr(), prog.Expr().Deps()
	r := reading{slices.Clone(d.Attrs), slices.Clone(d.Events), map[field]bool{}, len(d.Objects) == 0} // references bind at an event's time
	ast.PreOrderVisit(e.Surface(), ast.NewExprVisitor(func(n ast.Expr) {
		switch n.Kind() {
		case ast.SelectKind:
			typ, _ := celenv.EventType(e.Type(n.AsSelect().Operand().ID()))
			r.fields[field{typ, n.AsSelect().FieldName()}] = true
			r.timeless = r.timeless && n.AsSelect().FieldName() != "time"
		case ast.CallKind:
			r.timeless = r.timeless && timeless[n.AsCall().FunctionName()]
		}
	}))
	for _, name := range d.Segments {
		other := s.segment(name)
		r.attrs, r.events = append(r.attrs, other.attrs...), append(r.events, other.events...)
		maps.Copy(r.fields, other.fields)
		r.timeless = r.timeless && other.timeless
	}
	return r
}

// reads tells whether a change of the person can change what the condition says.
func (r reading) reads(c Change) bool {
	if c.Kind == Attribute {
		return slices.Contains(r.attrs, c.Name)
	}
	return slices.Contains(r.events, c.Name)
}

// selects tells whether the condition may look at an attribute of the events of a type.
func (r reading) selects(typ, name string) bool {
	return r.fields[field{typ, name}] || r.fields[field{"", name}]
}

// sees is what the condition can tell apart of events that are added: with the same it says the same.
func (r reading) sees(c Change) string {
	key := append([]byte(c.Name), ' ')
	key = strconv.AppendInt(key, int64(c.Count), 10)
	if !r.timeless {
		key = strconv.AppendInt(append(key, ' '), c.Time, 10)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Attrs)) {
		if r.selects(c.Name, name) {
			key = append(key, ' ')
			key = strconv.AppendQuote(append(key, name...), c.Attrs[name].String())
		}
	}
	return string(key)
}
