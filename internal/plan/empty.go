package plan

import "github.com/embedcdp/cdp/internal/value"

// Outcome is what a condition is for somebody.
type Outcome uint8

const (
	IsError Outcome = iota
	IsFalse
	IsTrue
	isUnknown // it depends on more
)

func outcomeOf(b bool) Outcome {
	if b {
		return IsTrue
	}
	return IsFalse
}

// typesOf are the event types of which a condition's own lists are.
func typesOf(n Node) []string {
	var out []string
	add := func(v Value) {
		if a, ok := v.(Aggregate); ok {
			out = append(out, a.Events.Type)
		}
	}
	switch n := n.(type) {
	case Predicate:
		add(n.Of)
	case Compare:
		add(n.Left)
		add(n.Right)
	case Quantifier:
		out = append(out, n.Events.Type)
	case Units:
		out = append(out, n.Events.Type)
	case Sequence:
		for _, s := range n.Steps {
			out = append(out, s.Type)
		}
	}
	return out
}

// without is the outcome of a condition for somebody who has no event of the type, unless it is an error because the
// instant of a bound is absent. So whoever wants another definite outcome need only look at people with such events.
func without(n Node, typ string) Outcome {
	switch n := n.(type) {
	case Predicate:
		a, ok := n.Of.(Aggregate)
		if !ok || a.Events.Type != typ {
			return isUnknown
		}
		switch a.Function {
		case Size, Sum, CountDistinct:
			return without0(n)
		}
		return IsError
	case Compare:
		for _, v := range []Value{n.Left, n.Right} {
			if a, ok := v.(Aggregate); ok && a.Events.Type == typ {
				switch a.Function {
				case Size, Sum, CountDistinct:
				default:
					return IsError
				}
			}
		}
	case Quantifier:
		if n.Events.Type == typ {
			return outcomeOf(n.Kind == Every)
		}
	case Units:
		if n.Events.Type == typ {
			holds := holds(0, n.Op, n.Lit)
			return outcomeOf(holds && (n.Kind != JustOne || n.N == 1))
		}
	case Sequence:
		return IsFalse
	}
	return isUnknown
}

// without0 compares 0 with the literals.
func without0(n Predicate) Outcome {
	if n.Op == In || n.Op == NotIn {
		in := false
		for _, l := range n.Lits {
			in = in || l.Kind == value.Number && l.Num == 0
		}
		return outcomeOf(in == (n.Op == In))
	}
	if len(n.Lits) != 1 || n.Lits[0].Kind != value.Number {
		return isUnknown
	}
	return outcomeOf(holds(0, n.Op, n.Lits[0].Num))
}
