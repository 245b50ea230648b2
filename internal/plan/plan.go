// Package plan looks for faster ways to the answer of a segment's expression than asking row by row. It works in
// stages, each a value that prints itself:
//
//	Logical     what the expression says: attribute predicates, event aggregates, memberships, boolean algebra, and
//	            whatever is none of these as CEL text                                            logical.go, match.go
//	Simplify    the same answer in a shape that is easier to run                                 rules.go
//	Build       which operator finds the rows, by a ladder of cost: constant, bitmap, column kernel, and the oracle
//	            row by row on those that survive                                                 physical.go
//	Run         the rows                                                                         run.go
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
	// AttrPredicate compares an attribute of the profile with literals; it is an error where the attribute is absent.
	AttrPredicate struct {
		Attr string
		Op   Op
		Lits []value.Value // one, or any number with In and NotIn, or none with Has
	}
	// EventAggregate compares an aggregate over the person's events of a type with a literal.
	EventAggregate struct {
		Event     string
		Filter    []string // conditions, in CEL
		Window    []string // bounds of time, in CEL
		Aggregate string   // size, sum(e.amount), exists(…), …
		Op        Op       // "" with exists, exists_one and all, which are true or false themselves
		Lit       value.Value
		Text      string // the whole in CEL
		empty     outcome
	}
	// Residual is what only CEL answers.
	Residual struct{ Text string }
)

// Op is a comparison of an attribute with literals.
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
)

// opposite holds for the rows that have the attribute and for which the operator does not hold.
var opposite = map[Op]Op{
	Equal: NotEqual, NotEqual: Equal, Less: GreaterEqual, GreaterEqual: Less, Greater: LessEqual, LessEqual: Greater, In: NotIn, NotIn: In,
}

// mirrored is the operator with its sides exchanged.
var mirrored = map[Op]Op{
	Equal: Equal, NotEqual: NotEqual, Less: Greater, Greater: Less, LessEqual: GreaterEqual, GreaterEqual: LessEqual,
}

// outcome is what an aggregate's comparison is for somebody without such events.
type outcome uint8

const (
	isError outcome = iota // as of avg, min, max
	isFalse
	isTrue
)

// The ladder of cost.
const (
	costConst = iota
	costBitmap
	costKernel
	costEvents
	costRow
)

func (And) cost() int            { return costConst } // of a set of nodes: see costOf
func (Or) cost() int             { return costConst }
func (Not) cost() int            { return costConst }
func (Const) cost() int          { return costConst }
func (InSegment) cost() int      { return costBitmap }
func (AttrPredicate) cost() int  { return costKernel }
func (EventAggregate) cost() int { return costEvents }
func (Residual) cost() int       { return costRow }

// costOf is the highest step of the ladder that a part needs.
func costOf(n Node) int {
	c := n.cost()
	for _, child := range n.children() {
		c = max(c, costOf(child))
	}
	return c
}

func (n And) children() []Node          { return n.Of }
func (n Or) children() []Node           { return n.Of }
func (n Not) children() []Node          { return []Node{n.Of} }
func (Const) children() []Node          { return nil }
func (InSegment) children() []Node      { return nil }
func (AttrPredicate) children() []Node  { return nil }
func (EventAggregate) children() []Node { return nil }
func (Residual) children() []Node       { return nil }

func (And) line() string { return "and" }
func (Or) line() string  { return "or" }
func (Not) line() string { return "not" }

func (n Const) line() string     { return fmt.Sprint(bool(n)) }
func (n InSegment) line() string { return fmt.Sprintf("in segment %q", string(n)) }
func (n Residual) line() string  { return "cel " + n.Text }

func (n AttrPredicate) line() string {
	switch n.Op {
	case Has:
		return "attr has " + n.Attr
	case In, NotIn:
		lits := make([]string, len(n.Lits))
		for i, v := range n.Lits {
			lits[i] = literal(v)
		}
		return fmt.Sprintf("attr %s %s [%s]", n.Attr, n.Op, strings.Join(lits, ", "))
	}
	return fmt.Sprintf("attr %s %s %s", n.Attr, n.Op, literal(n.Lits[0]))
}

func (n EventAggregate) line() string {
	s := "events " + n.Event
	if len(n.Filter) > 0 {
		s += " where " + strings.Join(n.Filter, " and ")
	}
	for _, w := range n.Window {
		s += " " + w
	}
	s += ": " + n.Aggregate
	if n.Op != "" {
		s += fmt.Sprintf(" %s %s", n.Op, literal(n.Lit))
	}
	return s
}

func literal(v value.Value) string {
	if v.Kind == value.String {
		return fmt.Sprintf("%q", v.Str)
	}
	return v.String()
}

func (n And) String() string            { return tree(n) }
func (n Or) String() string             { return tree(n) }
func (n Not) String() string            { return tree(n) }
func (n Const) String() string          { return tree(n) }
func (n InSegment) String() string      { return tree(n) }
func (n AttrPredicate) String() string  { return tree(n) }
func (n EventAggregate) String() string { return tree(n) }
func (n Residual) String() string       { return tree(n) }

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
