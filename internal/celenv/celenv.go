// Package celenv compiles the expressions users write: it parses CEL, checks every name and type against the declared
// schema, and rewrites the dialect's own functions into calls that an evaluator answers.
//
// The work is done in stages, each in its own file:
//
//	parse     cel-go, without macros                                     compile.go
//	resolve   names, attributes, references, functions, macros           resolve.go, calls.go, macros.go
//	check     cel-go's type checker, integer literals taking any number  check.go
//	numbers   integer literals and counts that meet a Number             numbers.go
//	time      operators on times that move with `now`                    moving.go
//	check     again, now with the final types                            compile.go
//
// An expression of a usual form goes through the same stages with a quicker parser and without cel-go's checker (quick.go);
// the tests hold it to the same tree, types and overloads.
//
// Package roweval evaluates the result row by row; package plan looks for faster ways to the same answer.
package celenv

import (
	"fmt"
	"strings"

	"github.com/embedcdp/cdp/internal/schema"
)

// Limits of one expression.
const (
	MaxSource  = 10000 // bytes of text
	maxNodes   = 20000 // nodes of the syntax tree, macros expanded
	maxDepth   = 100   // calls and brackets inside each other
	maxRegex   = 500   // instructions of a compiled pattern
	maxUnits   = 366   // of perDay, perWeek, perMonth
	minSteps   = 2     // lists of a sequence
	maxSteps   = 5
	maxWindow  = 36600 // days in a duration literal: a hundred years
	maxReports = 10    // problems reported of one expression
)

// Want is the result an expression must have.
type Want uint8

const (
	Bool Want = iota // true or false: segments, filters, conditions
	Any              // a number, string, time, boolean, array or object: templates, computed values
)

// Scope says what an expression may name besides `now` and the functions.
type Scope struct {
	Person bool   // customer.*, visitor.*, events.*, inSegment(), sequence(): a profile is the subject
	Event  string // the event type of the variable `event`; "" means there is none
	// Arriving is the event type of the variable `e`: the event that just arrived, or the one a report looks at.
	Arriving string
	Vars     schema.Attrs // free variables, such as the columns of a dataflow; they win over any other name
	Want     Want
}

// Error is a problem in an expression's text. Line and Column count from 1, columns in characters.
type Error struct {
	Line, Column int
	Msg          string
	More         []*Error // further problems of the same expression, in order of position
}

// Error returns `1:24: unknown attribute …`, further problems after a semicolon.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d:%d: %s", e.Line, e.Column, e.Msg)
	for _, m := range e.More {
		fmt.Fprintf(&b, "; %d:%d: %s", m.Line, m.Column, m.Msg)
	}
	return b.String()
}

// Fields is what the values of profiles, events and objects implement for compiled expressions to select from. A
// name that ends in RefSuffix asks for the object an attribute refers to.
type Fields interface {
	Field(name string) (any, error) // the error says that it is absent
	HasField(name string) bool
}

// RefSuffix marks, in the rewritten tree, a selection that follows a reference: `e.product.brand` becomes
// `e.product@.brand`, while `e.product` alone stays the id.
const RefSuffix = "@"

// Runtime is the value behind the hidden variable Context. Calls of the hidden functions go to it; args do not include
// the context.
type Runtime interface {
	Call(function string, args []Val) Val
}

// Names of the hidden variables. None can be written by a user.
const (
	Context     = "@ctx"      // a Runtime
	ProfileVar  = "@profile"  // Fields
	EventsVar   = "@events"   // Fields: a list of events for each event type
	EventVar    = "@event"    // Fields
	ArrivingVar = "@arriving" // Fields
	NowVar      = "@now"      // a timestamp
)

// Names of the hidden functions, which take the context first.
const (
	FnStep         = "@step"     // () bool: one turn of a loop; true
	FnAbsorb       = "@absorb"   // (bool) bool: an error becomes false
	FnOrAbsent     = "@orAbsent" // (A) A: an error becomes a mark that FnCompact and the aggregates leave out
	FnCompact      = "@compact"  // (list) list
	FnWithin       = "@within"   // (list of events, microseconds)
	FnDuring       = "@during"   // (list of events, range)
	FnSince        = "@since"    // (list of events, timestamp)
	FnUntil        = "@until"    // (list of events, timestamp)
	FnPer          = "@per"      // (list of events, unit, n) list of counts
	FnSum          = "@sum"      // (list of numbers)
	FnAvg          = "@avg"      //
	FnMin          = "@min"      // (list)
	FnMax          = "@max"      //
	FnDistinct     = "@countDistinct"
	FnMostFrequent = "@mostFrequent"
	FnFirst        = "@first"
	FnLast         = "@last"
	FnSequence     = "@sequence"    // (microseconds, list of events, list of events, …)
	FnInSegment    = "@inSegment"   // (name)
	FnStartOf      = "@startOf"     // (timestamp, unit)
	FnAnniversary  = "@anniversary" // (timestamp)
	FnConcat       = "@concat"      // (A, A) A: + on strings and lists
	FnIn           = "@member"      // (A, list of A): in on a list that is not written out
	FnCompare      = "@compare"     // (operator, A, A) bool: times and durations
	FnAdd          = "@add"         // times and durations
	FnSubtract     = "@subtract"
	FnPart         = "@part" // (timestamp or duration, accessor[, time zone]) int
)
