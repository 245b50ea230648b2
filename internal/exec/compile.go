package exec

import (
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// compiler turns conditions of a plan into conds over frames. It is for profile rows, or with events for those.
type compiler struct {
	*run
	events *Events
	early  *bool // set when a condition about events looks at their people
	rows   Set   // without events: whom aggregates are computed for, less those for whom they are an error
}

// cond returns false when a condition has no kernel after all, because a column does not keep what is declared.
func (c compiler) cond(n plan.Node) (cond, bool) {
	switch n := n.(type) {
	case plan.Const:
		return fixed(n), true
	case plan.Not:
		part, ok := c.cond(n.Of)
		return notOf{part}, ok
	case plan.And:
		parts, ok := c.conds(n.Of)
		return allOf{parts}, ok
	case plan.Or:
		parts, ok := c.conds(n.Of)
		return anyOf{parts}, ok
	case plan.Predicate:
		if out, ok := c.cell(n); out != nil || !ok {
			return out, ok
		}
		return c.predicate(n)
	case plan.Elements:
		return c.elements(n)
	case plan.Compare:
		return c.compare(n)
	}
	return nil, false
}

func (c compiler) conds(of []plan.Node) ([]cond, bool) {
	parts := make([]cond, len(of))
	for i, n := range of {
		var ok bool
		if parts[i], ok = c.cond(n); !ok {
			return nil, false
		}
	}
	return parts, len(parts) > 0
}

func (c compiler) predicate(n plan.Predicate) (cond, bool) {
	if m, ok := n.Of.(plan.Moment); ok {
		if len(n.Lits) == 0 || n.Lits[0].Kind != value.Datetime {
			return nil, false
		}
		return fixed(compares(n.Op, c.instant(m), timesOf(n.Lits))), true
	}
	if isArith(n.Of) {
		return c.formula(n.Of, n.Op, nil, n.Lits)
	}
	v, ok := c.vector(n.Of)
	if !ok {
		return nil, false
	}
	return literalsOf(v, n.Op, n.Lits)
}

func literalsOf(v vector, op plan.Op, lits []value.Value) (cond, bool) {
	t, _ := v.(texts)
	is, ok := newTest(v.kind(), t, op, lits)
	if !ok {
		return nil, false
	}
	l := &literals{of: v, is: is, has: op == plan.Has}
	if !l.has {
		l.not, ok = newTest(v.kind(), t, plan.Opposite(op), lits)
	}
	return l, ok
}

func (c compiler) compare(n plan.Compare) (cond, bool) {
	if p, ok := c.still(n); ok {
		return c.cond(p)
	}
	if isArith(n.Left) || isArith(n.Right) {
		return c.formula(n.Left, n.Op, n.Right, nil)
	}
	a, okA := c.vector(n.Left)
	b, okB := c.vector(n.Right)
	if !okA || !okB || a.kind() != b.kind() {
		return nil, false
	}
	return &pair{a, n.Op, b}, true
}

// vector is where the values of a frame's items come from.
func (c compiler) vector(v plan.Value) (vector, bool) {
	switch v := v.(type) {
	case plan.Attr:
		return c.attr(v)
	case plan.Field:
		if c.events != nil {
			return c.field(v)
		}
	case plan.Length:
		col, ofPerson, ok := c.bytesOf(v.Of)
		return length{col, ofPerson, plan.TypeOf(v.Of).Elem()}, ok
	case plan.Arith:
		if c.events != nil { // for an aggregate
			of, ok := c.term(v)
			return computedNumbers{of, &c.odd}, ok
		}
	case plan.Aggregate:
		if c.events == nil {
			return c.computed(v, c.rows)
		}
	}
	return nil, false
}

func (c compiler) attr(v plan.Attr) (vector, bool) {
	k, ok := kinds[v.Type]
	col := c.src.Attr(v.Name)
	if !ok || col != nil && col.Kind() != k.column {
		return nil, false
	}
	d := direct{col: col, of: k.value}
	if c.events == nil || col == nil {
		return d, true
	}
	*c.early = true
	return ofPerson{d}, true
}

func (c compiler) field(v plan.Field) (vector, bool) {
	k, ok := kinds[v.Type]
	if !ok {
		return nil, false
	}
	if v.Through != "" {
		id := c.events.Attr(v.Through)
		if id == nil {
			return direct{of: k.value}, true
		}
		if id.Kind() != kinds["string"].column {
			return nil, false
		}
		return newReference(c.src, c.events, id, v.Object, v.Name, k.value), true
	}
	switch v.Name {
	case "time":
		return direct{col: c.events.Time, of: value.Datetime}, true
	case "source":
		return direct{col: c.events.Source, of: value.String, empty: true}, true
	case "id":
		return nil, false
	}
	col := c.events.Attr(v.Name)
	if col != nil && col.Kind() != k.column {
		return nil, false
	}
	return direct{col: col, of: k.value}, true
}

// instant is a moment at the instant of the question.
func (c *run) instant(m plan.Moment) int64 {
	at := c.now
	if m.Unit != "" {
		at = c.src.Calendar().Start(at, m.Unit, 0)
	}
	return at - m.Ago
}
