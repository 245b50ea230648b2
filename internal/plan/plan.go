// Package plan looks for faster ways to the answer of a segment's expression than asking row by row. It works in
// stages, each a value that prints itself:
//
//	Logical     what the expression says: comparisons of attributes and of aggregates over events, memberships, boolean
//	            algebra, and whatever is none of these as CEL text                     logical.go, match.go, value.go
//	Simplify    the same answer in a shape that is easier to run                                 rules.go
//	Build       which operator finds the rows, by a ladder of cost: constant, bitmap, column kernel, scan of events, and
//	            the oracle row by row on those that survive                                                physical.go
//
// Package exec carries a physical plan out.
//
// An expression has three outcomes: true, false, and error, as when an attribute is absent. A member is a row for which
// it is true. So `!(customer.age > 18)` does not hold for a row without an age, and taking a complement would be wrong.
// Every operator is therefore asked for one side, the rows for which its part is true or those for which it is false,
// and answers with a set that holds at least these. Where it holds no other the operator is exact. `&&` is true where
// all parts are true and false where one is; `||` is the reverse; `!` swaps the sides: so sets of each side are
// intersected and united without ever losing a row, and where all operators are exact the oracle is not asked at all.
package plan

import (
	"fmt"
	"strings"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/value"
)

// Node is a part of a logical plan.
type Node interface {
	String() string // a tree, a part a line
	line() string
	cost() int
	children() []Node
}

type (
	// And is true where all are true, and false where one is false.
	And struct{ Of []Node }
	// Or is true where one is true, and false where all are false.
	Or struct{ Of []Node }
	// Not swaps true and false; an error stays one.
	Not struct{ Of Node }
	// Const is true or false for every row.
	Const bool
	// InSegment asks for membership of another segment. It has no errors.
	InSegment string
	// Predicate compares a value with literals; it is an error where the value is absent, except with Has.
	Predicate struct {
		Of   Value
		Op   Op
		Lits []value.Value // one, or any number with In and NotIn, or none with Has
		Text celenv.Part   // the whole in CEL as written, without a not that was pushed in
	}
	// Compare compares two values of which neither is a literal; it is an error where one is absent.
	Compare struct {
		Left  Value
		Op    Op // Equal to GreaterEqual
		Right Value
		Text  celenv.Part
	}
	// Quantifier asks whether a condition holds for all events, for some, or for exactly one. It has no errors.
	Quantifier struct {
		Events Events
		Kind   Quantity
		If     Node // about one event; an error counts as false
		Text   celenv.Part
	}
	// Units asks how the counts of the last N complete calendar units compare with a literal: perMonth(3).all(n, n >= 1).
	Units struct {
		Events Events
		Unit   string // day, week or month
		N      int
		Kind   Quantity
		Op     Op
		Lit    float64
		Text   celenv.Part
	}
	// Sequence asks for events one after another, the last at most Within microseconds after the first. It has no errors.
	Sequence struct {
		Steps  []Events
		Within int64
		Text   celenv.Part
	}
	// Residual is what only CEL answers.
	Residual struct{ Text celenv.Part }
)

// Quantity is how many of several must hold.
type Quantity string

const (
	Every   Quantity = "all"
	Some    Quantity = "exists"
	JustOne Quantity = "exists_one"
)

// Op is a comparison.
type Op string

const (
	Equal        Op = "=="
	NotEqual     Op = "!="
	Less         Op = "<"
	LessEqual    Op = "<="
	Greater      Op = ">"
	GreaterEqual Op = ">="
	In           Op = "in"
	NotIn        Op = "not in"
	Has          Op = "has" // never an error
	StartsWith   Op = "starts with"
	EndsWith     Op = "ends with"
	Contains     Op = "contains"
	NoStartsWith Op = "does not start with"
	NoEndsWith   Op = "does not end with"
	NoContains   Op = "does not contain"
)

// opposite holds where the value is there and the operator does not hold.
var opposite = map[Op]Op{
	StartsWith: NoStartsWith, EndsWith: NoEndsWith, Contains: NoContains,
	NoStartsWith: StartsWith, NoEndsWith: EndsWith, NoContains: Contains,
	Equal: NotEqual, NotEqual: Equal, Less: GreaterEqual, GreaterEqual: Less, Greater: LessEqual, LessEqual: Greater, In: NotIn, NotIn: In,
}

// Opposite is the operator that holds where the value is there and op does not hold; "" for Has.
func Opposite(op Op) Op { return opposite[op] }

// Mirrored is the operator with its sides exchanged, of the six comparisons.
func Mirrored(op Op) Op { return mirrored[op] }

// Of tells whether it is met when so many of all hold.
func (q Quantity) Of(held, all int) bool {
	switch q {
	case Every:
		return held == all
	case JustOne:
		return held == 1
	}
	return held > 0
}

// mirrored is the operator with its sides exchanged.
var mirrored = map[Op]Op{
	Equal: Equal, NotEqual: NotEqual, Less: Greater, Greater: Less, LessEqual: GreaterEqual, GreaterEqual: LessEqual,
}

// The ladder of cost.
const (
	costConst = iota
	costBitmap
	costKernel
	costEvents
	costRow
)

func (And) cost() int        { return costConst } // of a set of nodes: see costOf
func (Or) cost() int         { return costConst }
func (Not) cost() int        { return costConst }
func (Const) cost() int      { return costConst }
func (InSegment) cost() int  { return costBitmap }
func (Quantifier) cost() int { return costEvents }
func (Units) cost() int      { return costEvents }
func (Sequence) cost() int   { return costEvents }
func (Residual) cost() int   { return costRow }

func (n Predicate) cost() int { return costOfValue(n.Of) }
func (n Compare) cost() int   { return max(costOfValue(n.Left), costOfValue(n.Right)) }

// costOf is the highest step of the ladder that a part needs.
func costOf(n Node) int {
	c := n.cost()
	for _, child := range n.children() {
		c = max(c, costOf(child))
	}
	return c
}

func (n And) children() []Node      { return n.Of }
func (n Or) children() []Node       { return n.Of }
func (n Not) children() []Node      { return []Node{n.Of} }
func (Const) children() []Node      { return nil }
func (InSegment) children() []Node  { return nil }
func (Predicate) children() []Node  { return nil }
func (Compare) children() []Node    { return nil }
func (Quantifier) children() []Node { return nil }
func (Units) children() []Node      { return nil }
func (Sequence) children() []Node   { return nil }
func (Residual) children() []Node   { return nil }

func (And) line() string { return "and" }
func (Or) line() string  { return "or" }
func (Not) line() string { return "not" }

func (n Const) line() string     { return fmt.Sprint(bool(n)) }
func (n InSegment) line() string { return fmt.Sprintf("in segment %q", string(n)) }
func (n Residual) line() string  { return "cel " + n.Text.String() }

func (n Predicate) line() string {
	switch n.Op {
	case Has:
		return "has " + n.Of.line()
	case In, NotIn:
		lits := make([]string, len(n.Lits))
		for i, v := range n.Lits {
			lits[i] = literal(v)
		}
		return fmt.Sprintf("%s %s [%s]", n.Of.line(), n.Op, strings.Join(lits, ", "))
	}
	return fmt.Sprintf("%s %s %s", n.Of.line(), n.Op, literal(n.Lits[0]))
}

func (n Compare) line() string {
	return fmt.Sprintf("%s %s %s", n.Left.line(), n.Op, n.Right.line())
}

func (n Quantifier) line() string {
	return fmt.Sprintf("%s: %s (%s)", n.Events.line(), n.Kind, inline(n.If))
}

func (n Units) line() string {
	return fmt.Sprintf("%s: of %d %ss %s %s %v", n.Events.line(), n.N, n.Unit, n.Kind, n.Op, n.Lit)
}

func (n Sequence) line() string {
	steps := make([]string, len(n.Steps))
	for i, s := range n.Steps {
		steps[i] = s.line()
	}
	return fmt.Sprintf("sequence in %s: %s", span(n.Within), strings.Join(steps, ", then "))
}

// inline prints a condition on one line.
func inline(n Node) string {
	switch n := n.(type) {
	case And:
		return joined(n.Of, " and ")
	case Or:
		return joined(n.Of, " or ")
	case Not:
		return "not " + inline(n.Of)
	}
	return n.line()
}

func joined(of []Node, by string) string {
	parts := make([]string, len(of))
	for i, n := range of {
		parts[i] = inline(n)
	}
	return "(" + strings.Join(parts, by) + ")"
}

func literal(v value.Value) string {
	if v.Kind == value.String {
		return fmt.Sprintf("%q", v.Str)
	}
	return v.String()
}

func (n And) String() string        { return tree(n) }
func (n Or) String() string         { return tree(n) }
func (n Not) String() string        { return tree(n) }
func (n Const) String() string      { return tree(n) }
func (n InSegment) String() string  { return tree(n) }
func (n Predicate) String() string  { return tree(n) }
func (n Compare) String() string    { return tree(n) }
func (n Quantifier) String() string { return tree(n) }
func (n Units) String() string      { return tree(n) }
func (n Sequence) String() string   { return tree(n) }
func (n Residual) String() string   { return tree(n) }

func tree(n Node) string {
	var b strings.Builder
	printNode(&b, n, 0)
	return b.String()
}

func printNode(b *strings.Builder, n Node, depth int) {
	fmt.Fprintf(b, "%s%s\n", strings.Repeat("  ", depth), n.line())
	for _, c := range n.children() {
		printNode(b, c, depth+1)
	}
}
