package plan

import "github.com/embedcdp/cdp/internal/schema"

// TypeOf is the type of what is compared.
func TypeOf(v Value) schema.Type {
	switch v := v.(type) {
	case Attr:
		return v.Type
	case Field:
		return v.Type
	case Aggregate:
		switch v.Function {
		case Size, Sum, Avg, CountDistinct:
			return schema.Number
		}
		return TypeOf(v.Of)
	case Arith, Literal, Length:
		return schema.Number
	case Element:
		return v.Type
	}
	return schema.Datetime
}

// covered tells whether package exec has kernels for a condition. They read columns of numbers, times, booleans and short
// texts, and compare a text without a limit, the id of an event and the elements of a list with literals; an object, and what is
// known only as CEL, are left to the oracle.
func covered(n Node) bool {
	switch n := n.(type) {
	case Predicate:
		return coveredValue(n.Of) || coveredCell(n.Of, n.Op)
	case Elements:
		return coveredElement(n.If)
	case Compare:
		return coveredValue(n.Left) && coveredValue(n.Right) && TypeOf(n.Left) == TypeOf(n.Right)
	case Quantifier:
		return coveredEvents(n.Events) && coveredOne(n.If)
	case Units:
		return coveredEvents(n.Events)
	case Sequence:
		for _, s := range n.Steps {
			if !coveredEvents(s) {
				return false
			}
		}
		return len(n.Steps) > 0
	}
	return false
}

func coveredValue(v Value) bool {
	switch v := v.(type) {
	case Attr, Moment:
		return coveredType(TypeOf(v))
	case Field:
		return coveredType(v.Type) && (v.Name != "id" || v.Through != "")
	case Aggregate:
		if !coveredEvents(v.Events) {
			return false
		}
		switch v.Function {
		case Size:
			return true
		case Sum, Avg:
			return TypeOf(v.Of) == schema.Number && coveredValue(v.Of)
		case Min, Max:
			return (TypeOf(v.Of) == schema.Number || TypeOf(v.Of) == schema.Datetime) && coveredValue(v.Of)
		}
		return coveredValue(v.Of)
	case Arith:
		return coveredValue(v.Left) && coveredValue(v.Right)
	case Literal, Length:
		return true
	}
	return false
}

func coveredType(t schema.Type) bool {
	return t == schema.Number || t == schema.Datetime || t == schema.Boolean || t == schema.String
}

func coveredEvents(e Events) bool {
	for _, f := range e.Filter {
		if !coveredOne(f) {
			return false
		}
	}
	for _, b := range e.Bounds {
		switch at := b.At.(type) {
		case nil, Constant:
		default:
			if TypeOf(at) != schema.Datetime || !coveredValue(at) {
				return false
			}
		}
	}
	return true
}

// coveredOne is covered for a condition about one event.
func coveredOne(n Node) bool {
	switch n := n.(type) {
	case Const:
		return true
	case And, Or, Not:
		for _, c := range n.children() {
			if !coveredOne(c) {
				return false
			}
		}
		return true
	case Predicate, Compare, Elements:
		return covered(n)
	}
	return false
}

// aboutEvents tells whether a condition needs a pass over events.
func aboutEvents(n Node) bool { return n.cost() == costEvents }

// moves tells whether time alone can change a condition's outcome for somebody. future tells whether there are events of
// a type that are dated later than now: they will enter when their time comes.
func moves(n Node, future func(typ string) bool) bool {
	m := mover{future}
	return m.node(n)
}

type mover struct{ future func(string) bool }

func (m mover) node(n Node) bool {
	switch n := n.(type) {
	case Predicate:
		return m.value(n.Of)
	case Compare:
		return m.value(n.Left) || m.value(n.Right)
	case Elements:
		return m.node(n.If)
	case Quantifier:
		return m.events(n.Events) || m.node(n.If)
	case Units:
		return true
	case Sequence:
		for _, s := range n.Steps {
			if m.events(s) {
				return true
			}
		}
		return false
	case Const, InSegment:
		return false
	case And, Or, Not:
		for _, c := range n.children() {
			if m.node(c) {
				return true
			}
		}
		return false
	}
	return true
}

func (m mover) value(v Value) bool {
	switch v := v.(type) {
	case Moment, Formula:
		return true
	case Aggregate:
		return m.events(v.Events) || v.Of != nil && m.value(v.Of)
	case Arith:
		return m.value(v.Left) || m.value(v.Right)
	}
	return false
}

func (m mover) events(e Events) bool {
	if m.future == nil || m.future(e.Type) {
		return true
	}
	for _, f := range e.Filter {
		if m.node(f) {
			return true
		}
	}
	for _, b := range e.Bounds {
		if b.Kind == Within || b.Kind == During || m.value(b.At) {
			return true
		}
	}
	return false
}
