package live

import (
	"slices"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// Compile prepares a plan as [plan.Logical] reads it off an expression, before any simplification: the text of each part
// must be what the part says.
func Compile(n plan.Node, src Source) (*Program, error) {
	c := compiler{src: src, cal: src.Calendar()}
	root, err := c.node(n)
	if err != nil {
		return nil, err
	}
	p := &Program{root: root, watches: c.watches, lists: c.lists, tables: c.tables}
	p.rises, p.falls = root.moved()
	return p, nil
}

type compiler struct {
	src     Source
	cal     celenv.Calendar
	watches []Watch
	lists   []*Type
	tables  []*table
}

// node compiles what it can; a part that it cannot is asked in CEL.
func (c *compiler) node(n plan.Node) (node, error) {
	switch n := n.(type) {
	case plan.And:
		return c.several(n.Of, plan.IsTrue)
	case plan.Or:
		return c.several(n.Of, plan.IsFalse)
	case plan.Not:
		of, err := c.node(n.Of)
		return not{of}, err
	}
	before := len(c.watches)
	out, text := c.leaf(n, nil)
	if out != nil {
		return out, nil
	}
	c.watches = c.watches[:before]
	p, err := c.src.Part(text)
	if err != nil {
		return nil, err
	}
	for _, typ := range p.Events() {
		c.watches = append(c.watches, Watch{Type: typ})
	}
	return part{p}, nil
}

func (c *compiler) several(of []plan.Node, both plan.Outcome) (node, error) {
	out := several{both: both}
	for _, n := range of {
		m, err := c.node(n)
		if err != nil {
			return nil, err
		}
		out.of = append(out.of, m)
	}
	byCost(out.of)
	return out, nil
}

func byCost(of []node) {
	slices.SortStableFunc(of, func(a, b node) int { return a.cost() - b.cost() })
}

// leaf compiles a condition that is no boolean algebra; nil and its text when it cannot.
func (c *compiler) leaf(n plan.Node, typ *Type) (node, string) {
	switch n := n.(type) {
	case plan.Const:
		return constant(n), ""
	case plan.InSegment:
		return member{c.src.InSegment(string(n))}, ""
	case plan.Predicate:
		return c.predicate(n, typ), n.Text.String()
	case plan.Compare:
		return c.compare(n, typ), n.Text.String()
	case plan.Quantifier:
		return c.quantifier(n), n.Text.String()
	case plan.Units:
		return c.units(n), n.Text.String()
	case plan.Sequence:
		return c.sequence(n), n.Text.String()
	case plan.Elements:
		return nil, n.Text.String()
	case plan.Residual:
		return nil, n.Text.String()
	}
	return nil, ""
}

// about compiles a condition about one event.
func (c *compiler) about(n plan.Node, typ *Type) node {
	var of []plan.Node
	both := plan.IsTrue
	switch n := n.(type) {
	case plan.And:
		of = n.Of
	case plan.Or:
		of, both = n.Of, plan.IsFalse
	case plan.Not:
		if inner := c.about(n.Of, typ); inner != nil {
			return not{inner}
		}
		return nil
	case plan.Const, plan.Predicate, plan.Compare:
		out, _ := c.leaf(n, typ)
		return out
	default:
		return nil
	}
	out := several{both: both}
	for _, m := range of {
		inner := c.about(m, typ)
		if inner == nil {
			return nil
		}
		out.of = append(out.of, inner)
	}
	byCost(out.of)
	return out
}

func (c *compiler) predicate(n plan.Predicate, typ *Type) node {
	if a, ok := n.Of.(plan.Aggregate); ok && a.Function == plan.Size && typ == nil {
		return c.count(n, a)
	}
	of := c.value(n.Of, typ)
	if of == nil || !ordered(of.kind(), n.Op) {
		return nil
	}
	out := &comparison{of: of, op: n.Op}
	for _, v := range n.Lits {
		if v.Kind != of.kind() {
			return nil
		}
		out.with = append(out.with, scalarOf(v))
	}
	if n.Op != plan.Has && n.Op != plan.In && n.Op != plan.NotIn && len(out.with) != 1 {
		return nil
	}
	return out
}

// count compiles a comparison of size() with literals.
func (c *compiler) count(n plan.Predicate, a plan.Aggregate) node {
	l, ok := c.list(a.Events)
	if !ok {
		return nil
	}
	var with []float64
	for _, v := range n.Lits {
		if v.Kind != value.Number {
			return nil
		}
		with = append(with, v.Num)
	}
	switch n.Op {
	case plan.In, plan.NotIn:
	case plan.Equal, plan.NotEqual, plan.Less, plan.LessEqual, plan.Greater, plan.GreaterEqual:
		if len(with) != 1 {
			return nil
		}
	default:
		return nil
	}
	c.watch(a.Events, nil)
	out := &count{list: l, test: newCounting(n.Op, with...)}
	c.keepCount(out, a.Events, nil)
	return out
}

func (c *compiler) compare(n plan.Compare, typ *Type) node {
	left, right := c.value(n.Left, typ), c.value(n.Right, typ)
	if left == nil || right == nil || left.kind() != right.kind() {
		return nil
	}
	return &comparison{of: left, op: n.Op, or: right}
}

func (c *compiler) quantifier(n plan.Quantifier) node {
	l, ok := c.list(n.Events)
	if !ok {
		return nil
	}
	with := c.about(n.If, l.typ)
	if with == nil {
		return nil
	}
	out := &count{list: l, with: with}
	switch n.Kind {
	case plan.Every:
		out.fail, out.test = true, newCounting(plan.Equal, 0)
		c.watch(n.Events, nil)
	case plan.Some:
		out.test = newCounting(plan.GreaterEqual, 1)
		c.watch(n.Events, n.If)
	default:
		out.test = newCounting(plan.Equal, 1)
		c.watch(n.Events, n.If)
	}
	c.keepCount(out, n.Events, n.If)
	return out
}

func (c *compiler) units(n plan.Units) node {
	l, ok := c.list(n.Events)
	if !ok || n.N < 1 {
		return nil
	}
	c.watch(n.Events, nil)
	out := &units{list: l, units: &calendarUnits{cal: c.cal, unit: n.Unit, n: n.N}, kind: n.Kind, op: n.Op, with: n.Lit}
	c.keepUnits(out, n.Events)
	return out
}

func (c *compiler) sequence(n plan.Sequence) node {
	out := &sequence{span: n.Within}
	for _, s := range n.Steps {
		l, ok := c.list(s)
		if !ok {
			return nil
		}
		c.watch(s, nil)
		out.steps = append(out.steps, l)
	}
	if len(out.steps) == 0 {
		return nil
	}
	c.keepSequence(out, n)
	return out
}

// value compiles what is compared; nil when only CEL can read it.
func (c *compiler) value(v plan.Value, typ *Type) reading {
	switch v := v.(type) {
	case plan.Attr:
		if col := c.src.Attr(v.Name); col != nil && kindOf(v.Type) != value.Absent {
			return attribute{col, kindOf(v.Type)}
		}
	case plan.Field:
		if typ != nil {
			return c.field(v, typ)
		}
	case plan.Moment:
		if v.Unit == "" {
			return moving{v.Ago}
		}
		return &unitStart{unit: v.Unit, ago: v.Ago, cal: c.cal}
	case plan.Aggregate:
		if typ == nil {
			return c.aggregate(v)
		}
	}
	return nil
}

func (c *compiler) field(f plan.Field, typ *Type) reading {
	is := kindOf(f.Type)
	if is == value.Absent {
		return nil
	}
	if f.Through != "" {
		if id := typ.Attr(f.Through); id != nil {
			return through{typ: typ, id: id, object: f.Object, attr: f.Name, src: c.src, is: is}
		}
		return nil
	}
	switch f.Name {
	case "time":
		return eventTime{typ}
	case "id":
		return eventID{typ}
	case "source":
		return eventSource{typ}
	}
	if col := typ.Attr(f.Name); col != nil {
		return field{col, is}
	}
	return nil
}

func (c *compiler) aggregate(a plan.Aggregate) reading {
	l, ok := c.list(a.Events)
	if !ok {
		return nil
	}
	out := &aggregate{list: l, function: a.Function}
	if a.Function != plan.Size {
		f, ok := a.Of.(plan.Field)
		if !ok {
			return nil
		}
		if out.of = c.field(f, l.typ); out.of == nil {
			return nil
		}
		if (a.Function == plan.Sum || a.Function == plan.Avg) && out.of.kind() != value.Number {
			return nil
		}
	}
	c.watch(a.Events, nil)
	c.keepAggregate(out, a)
	return out
}

// list compiles a list of events; false when some of it is only known as CEL.
func (c *compiler) list(e plan.Events) (list, bool) {
	l := list{typ: c.src.Type(e.Type)}
	if l.typ == nil {
		return l, false
	}
	c.lists = append(c.lists, l.typ)
	for _, f := range e.Filter {
		n := c.about(f, l.typ)
		if n == nil {
			return l, false
		}
		l.filter = append(l.filter, n)
	}
	byCost(l.filter)
	for _, w := range e.Bounds {
		b := bound{kind: w.Kind, span: w.Span, name: w.Range, cal: c.cal}
		if w.Kind == plan.Since || w.Kind == plan.Until {
			switch at := w.At.(type) {
			case nil:
				return l, false
			case plan.Constant:
				b.at = fixed(at.Micros)
			case plan.Moment:
				b.unit, b.span = at.Unit, at.Ago
			default:
				if b.at = c.value(at, nil); b.at == nil || b.at.kind() != value.Datetime {
					return l, false
				}
				if a, ok := at.(plan.Aggregate); ok && a.Function == plan.MostFrequent {
					return l, false // it would need the memory that the list's own aggregate uses
				}
			}
		}
		l.bounds = append(l.bounds, b)
	}
	return l, true
}

// fixed is a literal time.
type fixed int64

func (f fixed) get(*Person) (scalar, int64) {
	return scalar{kind: value.Datetime, time: int64(f)}, Never
}
func (fixed) kind() value.Kind { return value.Datetime }
func (fixed) cost() int        { return costFree }
