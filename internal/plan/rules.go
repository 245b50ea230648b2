package plan

import "slices"

// rule rewrites one node, whose parts have been rewritten before, into one with the same outcome, errors included.
type rule interface {
	name() string
	apply(Node) Node
}

// Rules are tried at every node, from the leaves up, in this order, until none changes anything.
var rules = []rule{pushNot{}, flatten{}, foldConstants{}, dropRepeated{}, orderByCost{}}

// Simplify brings a plan into the shape that Build expects: `not` only on leaves, no `and` directly in an `and`, no
// constants inside, the cheap parts first.
func Simplify(n Node) Node {
	for range 100 { // each pass makes the plan smaller or moves a not down, so this is far more than enough
		before := n
		n = rewrite(n)
		if same(n, before) {
			break
		}
	}
	return n
}

// same tells whether rules have left a plan as it was. They move leaves, whose text says which they are, and change only
// operators. To print both plans and compare took a third of the time of a short question.
func same(a, b Node) bool {
	switch a := a.(type) {
	case And:
		b, ok := b.(And)
		return ok && slices.EqualFunc(a.Of, b.Of, same)
	case Or:
		b, ok := b.(Or)
		return ok && slices.EqualFunc(a.Of, b.Of, same)
	case Not:
		b, ok := b.(Not)
		return ok && same(a.Of, b.Of)
	case Predicate:
		b, ok := b.(Predicate)
		return ok && a.Op == b.Op && a.Text == b.Text
	case Compare:
		b, ok := b.(Compare)
		return ok && a.Text == b.Text
	case Quantifier:
		b, ok := b.(Quantifier)
		return ok && a.Text == b.Text
	case Units:
		b, ok := b.(Units)
		return ok && a.Text == b.Text
	case Sequence:
		b, ok := b.(Sequence)
		return ok && a.Text == b.Text
	case Elements:
		b, ok := b.(Elements)
		return ok && a.Text == b.Text
	}
	return a == b // constants, segments, and what is text alone
}

func rewrite(n Node) Node {
	if not, ok := n.(Not); ok {
		n = Not{rewrite(not.Of)}
	} else {
		n = withParts(n, rewriteAll)
	}
	for _, r := range rules {
		n = r.apply(n)
	}
	return n
}

func rewriteAll(of []Node) []Node {
	out := make([]Node, len(of))
	for i, n := range of {
		out[i] = rewrite(n)
	}
	return out
}

// pushNot moves `not` to the leaves by De Morgan's laws, which hold with errors too. A comparison of an attribute takes
// it in by its opposite operator: both are errors for the same rows.
type pushNot struct{}

func (pushNot) name() string { return "push not" }

func (pushNot) apply(n Node) Node {
	not, ok := n.(Not)
	if !ok {
		return n
	}
	switch m := not.Of.(type) {
	case Not:
		return m.Of
	case And:
		return Or{negated(m.Of)}
	case Or:
		return And{negated(m.Of)}
	case Predicate:
		if op, ok := opposite[m.Op]; ok && !isArith(m.Of) {
			m.Op = op
			return m
		}
	}
	return n
}

func negated(of []Node) []Node {
	out := make([]Node, len(of))
	for i, n := range of {
		out[i] = Not{n}
	}
	return out
}

// flatten lifts the parts of an `and` inside an `and`, and of an `or` inside an `or`: both operators are associative, also
// with errors.
type flatten struct{}

func (flatten) name() string { return "flatten" }

func (flatten) apply(n Node) Node {
	switch m := n.(type) {
	case And:
		return And{lifted(m.Of, func(n Node) ([]Node, bool) { inner, ok := n.(And); return inner.Of, ok })}
	case Or:
		return Or{lifted(m.Of, func(n Node) ([]Node, bool) { inner, ok := n.(Or); return inner.Of, ok })}
	}
	return n
}

func lifted(of []Node, parts func(Node) ([]Node, bool)) (out []Node) {
	for _, n := range of {
		if inner, ok := parts(n); ok {
			out = append(out, inner...)
		} else {
			out = append(out, n)
		}
	}
	return out
}

// foldConstants drops what cannot matter. `false && x` is false and `true || x` is true whatever x is, an error too;
// `true && x` and `false || x` are x.
type foldConstants struct{}

func (foldConstants) name() string { return "fold constants" }

func (foldConstants) apply(n Node) Node {
	switch m := n.(type) {
	case And:
		return folded(m.Of, false, func(of []Node) Node { return And{of} })
	case Or:
		return folded(m.Of, true, func(of []Node) Node { return Or{of} })
	case Not:
		if c, ok := m.Of.(Const); ok {
			return !c
		}
	}
	return n
}

func folded(of []Node, decides Const, whole func([]Node) Node) Node {
	rest := slices.DeleteFunc(slices.Clone(of), func(n Node) bool { return n == Node(!decides) })
	switch {
	case slices.ContainsFunc(rest, func(n Node) bool { return n == Node(decides) }):
		return decides
	case len(rest) == 0:
		return !decides
	case len(rest) == 1:
		return rest[0]
	}
	return whole(rest)
}

// dropRepeated keeps one of several equal parts: `x && x` is x, also where x is an error.
type dropRepeated struct{}

func (dropRepeated) name() string { return "drop repeated" }

func (dropRepeated) apply(n Node) Node { return withParts(n, distinct) }

// withParts is an And or Or of what change makes of its parts, and anything else as it is.
func withParts(n Node, change func([]Node) []Node) Node {
	switch m := n.(type) {
	case And:
		return And{change(m.Of)}
	case Or:
		return Or{change(m.Of)}
	}
	return n
}

func distinct(of []Node) []Node {
	kept := make([]Node, 0, len(of))
	for _, n := range of {
		if !slices.ContainsFunc(kept, func(k Node) bool { return alike(k, n) && k.String() == n.String() }) {
			kept = append(kept, n)
		}
	}
	return kept
}

// alike tells whether two parts may be equal; to print them is dear.
func alike(a, b Node) bool {
	x, ok := a.(Predicate)
	y, also := b.(Predicate)
	if ok && also {
		return x.Op == y.Op && len(x.Lits) == len(y.Lits) && costOf(x) == costOf(y)
	}
	return ok == also
}

// orderByCost puts the parts that need only bitmaps before those that need columns, and these before the rest. The order
// does not change the outcome; it lets an empty intersection end the work before the dear parts are looked at.
type orderByCost struct{}

func (orderByCost) name() string { return "order by cost" }

func (orderByCost) apply(n Node) Node {
	return withParts(n, func(of []Node) []Node {
		of = slices.Clone(of)
		slices.SortStableFunc(of, func(a, b Node) int { return costOf(a) - costOf(b) })
		return of
	})
}
