package plan

import (
	"fmt"
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// This file reads arithmetic on Numbers. CEL's Numbers are doubles, which neither overflow nor fail to divide: by zero comes
// an infinity, or a value that is no number, equal to nothing and neither below nor above anything. So the contrary of a
// comparison of what is computed is not the opposite comparison. Counts are whole numbers, which CEL adds and divides in its
// own way; arithmetic between those is left to it.

type (
	// Arith is one operation on two Numbers; it is absent where one is.
	Arith struct {
		Op          byte // + - * /
		Left, Right Value
	}
	// Literal is a number written out; it stands only within Arith.
	Literal float64
)

func (v Arith) line() string   { return fmt.Sprintf("(%s %c %s)", v.Left.line(), v.Op, v.Right.line()) }
func (v Literal) line() string { return fmt.Sprint(float64(v)) }

func isArith(v Value) bool { _, ok := v.(Arith); return ok }

var arithmetic = map[string]byte{operators.Add: '+', operators.Subtract: '-', operators.Multiply: '*', operators.Divide: '/'}

// arith recognises an operation of doubles, and a minus before one.
func (r reader) arith(e ast.Expr) (Value, bool) {
	if e.Kind() != ast.CallKind || e.AsCall().IsMemberFunction() {
		return nil, false
	}
	c := e.AsCall()
	op, known := arithmetic[c.FunctionName()]
	if c.FunctionName() == operators.Negate {
		v, ok := r.double(c.Args()[0])
		return Arith{'*', v, Literal(-1)}, ok
	}
	if !known {
		return nil, false
	}
	left, okLeft := r.double(c.Args()[0])
	right, okRight := r.double(c.Args()[1])
	return Arith{op, left, right}, okLeft && okRight
}

// double recognises what is a double when it is computed with, also a count that is made one for that.
func (r reader) double(e ast.Expr) (Value, bool) {
	if t := r.expr.Type(e.ID()); t == nil || t.Kind() != types.DoubleKind {
		return nil, false
	}
	if lit, ok := r.literal(e); ok {
		return Literal(lit.Num), lit.Kind == value.Number
	}
	v, ok := r.value(e)
	return v, ok && TypeOf(v) == schema.Number
}

// Inputs are what a value is computed from; itself where it is not computed.
func Inputs(v Value) []Value {
	switch v := v.(type) {
	case Arith:
		return append(Inputs(v.Left), Inputs(v.Right)...)
	case Literal:
		return nil
	}
	return []Value{v}
}

// mapped recognises events.purchase.map(e, e.amount): the events that have the value, which is all that the list holds.
func (r reader) mapped(e ast.Expr) (Events, Value, bool) {
	if e.Kind() != ast.CallKind || !e.AsCall().IsMemberFunction() || e.AsCall().FunctionName() != "map" {
		return Events{}, nil, false
	}
	c := e.AsCall()
	list, ok := r.events(c.Target())
	if !ok || r.typ != nil {
		return list, nil, false
	}
	v, ok := r.inside(list.Type, c.Args()[0]).value(c.Args()[1])
	if !ok {
		return list, nil, false
	}
	list.Filter = slices.Clip(list.Filter)
	for _, in := range Inputs(v) {
		switch in.(type) {
		case Field, Attr:
			list.Filter = append(list.Filter, Predicate{Of: in, Op: Has})
		default:
			return list, nil, false
		}
	}
	return list, v, true
}
