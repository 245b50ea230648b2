// Package roweval evaluates a compiled expression for one person: plain cel-go over plain Go values. It is the oracle
// that every faster path is measured against, and what answers where no faster path does.
//
// Beside the answer an evaluation returns the earliest later instant at which the answer could change with no new
// data. The rule behind it: every sub-expression that was evaluated and depends on time notes when it could change; as
// long as none of them changes, the evaluation would run the same way to the same answer. Files:
//
//	roweval.go     what callers use
//	state.go       one evaluation: variables, budget, the notes about time
//	values.go      profiles, events, objects as CEL values
//	functions.go   which Go function answers which call
//	lists.go       windows, ranges, counts per unit, sequences
//	aggregates.go  sum, avg, min, max, countDistinct, mostFrequent
//	moving.go      times that move with now
//	explain.go     the value of each part
package roweval

import (
	"errors"
	"fmt"

	"cel.dev/cel-go/cel"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/value"
)

// Person is the subject of an evaluation. The implementation must not change during it.
type Person interface {
	Attr(name string) value.Value // the zero Value when absent
	Events(typ string) []Event    // oldest first by (time, position); those in the future included
	InSegment(name string) bool
}

// Event is one event. An event may also implement Positioned.
type Event interface {
	Time() int64 // microseconds since 1970
	ID() string
	Source() string
	Attr(name string) value.Value
}

// Positioned gives an event's position in the log. It orders events of different types that have the same time; without
// it neither of two such events comes after the other.
type Positioned interface {
	Position() uint64
}

// Objects finds the version of an object that is valid at t, else its first later one.
type Objects interface {
	At(typ, id string, t int64) (get func(name string) value.Value, ok bool)
}

// Input is what an expression is asked about. Only what its scope names is read; the rest may be nil.
type Input struct {
	Person   Person
	Event    Event                         // the variable `event`
	Arriving Event                         // the variable `e`
	Vars     func(name string) value.Value // free variables
	Objects  Objects
	Now      int64 // microseconds since 1970
}

// Result is the answer at Input.Now.
type Result struct {
	Value value.Value
	Err   error // absent values (ErrAbsent), division by zero, ErrBudget: an expression that ends in one is not true
	Steps int64 // turns of loops and elements visited: what the evaluation took, beside looking the events up
	Next  int64 // > Now: before it the answer cannot change without new data; math.MaxInt64 when it never will
}

// True tells whether the person is a member: an error is not.
func (r Result) True() bool { return r.Err == nil && r.Value.True() }

// ErrAbsent is in the chain of errors that say a value is not there.
var ErrAbsent = errors.New("absent")

// ErrBudget is in the chain of the error of an evaluation that was stopped because it took too many steps. No macro and
// no operator absorbs it.
var ErrBudget = errors.New("the expression takes too many steps")

// ErrPanic is in the chain of the error of an evaluation that panicked, which is a mistake of the program and not of
// the expression or the data.
var ErrPanic = errors.New("evaluation panicked")

// Program evaluates one expression. It is safe for concurrent use.
type Program struct {
	expr *celenv.Expr
	cel  cel.Program
	cal  celenv.Calendar
}

// New plans an expression for evaluation.
func New(e *celenv.Expr) (*Program, error) {
	p, err := e.Program()
	if err != nil {
		return nil, fmt.Errorf("plan %q: %w", e.Source(), err)
	}
	return &Program{expr: e, cel: p, cal: celenv.CalendarOf(e.Catalogue())}, nil
}

// Expr returns the expression the program evaluates.
func (p *Program) Expr() *celenv.Expr { return p.expr }

// Eval evaluates the expression.
func (p *Program) Eval(in Input) Result {
	out, r := p.run(p.cel, in)
	if r.Err == nil {
		r.Value, r.Err = fromCEL(out)
	}
	return r
}
