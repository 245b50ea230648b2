package plan

import (
	"fmt"

	"cel.dev/cel-go/common/ast"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/schema"
)

// This file reads conditions about list attributes: of the profile, or of the event that a macro looks at.

type (
	// Elements asks whether a condition holds for all elements of a list, for some, or for exactly one. It is an error where
	// the list is absent.
	Elements struct {
		Of   Value // an Attr or Field whose type is a list
		Kind Quantity
		If   Node // about one element
		Text celenv.Part
	}
	// Element is what Elements looks at.
	Element struct{ Type schema.Type }
	// Length is the number of elements of a list.
	Length struct{ Of Value }
)

func (n Elements) line() string   { return fmt.Sprintf("%s: %s (%s)", n.Of.line(), n.Kind, inline(n.If)) }
func (n Elements) String() string { return tree(n) }
func (n Elements) cost() int      { return costOfValue(n.Of) }
func (Elements) children() []Node { return nil }

func (Element) line() string  { return "element" }
func (v Length) line() string { return v.Of.line() + ": length" }

// list recognises a list attribute.
func (r reader) list(e ast.Expr) (Value, bool) {
	if v, ok := r.attribute(e); ok {
		return v, v.Type.Elem() != ""
	}
	if v, ok := r.field(e); ok {
		return v, v.Type.Elem() != "" && v.Through == ""
	}
	return nil, false
}

// length recognises size(customer.tags) and customer.tags.size().
func (r reader) length(e ast.Expr) (Value, bool) {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != "size" {
		return nil, false
	}
	of := e.AsCall().Target()
	if !e.AsCall().IsMemberFunction() {
		of = e.AsCall().Args()[0]
	}
	v, ok := r.list(of)
	return Length{v}, ok
}

// elements recognises customer.tags.exists(t, t == "x"), and all and exists_one.
func (r reader) elements(whole, list ast.Expr, kind Quantity, variable, condition ast.Expr) (Node, bool) {
	v, ok := r.list(list)
	if !ok || variable.Kind() != ast.IdentKind {
		return nil, false
	}
	r.element, r.elementOf = variable.AsIdent(), Element{TypeOf(v).Elem()}
	return Elements{Of: v, Kind: kind, If: r.node(condition), Text: r.expr.Written(whole)}, true
}

// coveredElement is covered for a condition about one element of a list.
func coveredElement(n Node) bool {
	isElement := func(v Value) bool { _, ok := v.(Element); return ok }
	switch n := n.(type) {
	case Const:
		return true
	case And, Or, Not:
		for _, c := range n.children() {
			if !coveredElement(c) {
				return false
			}
		}
		return true
	case Predicate:
		return isElement(n.Of) && n.Op != Has
	case Compare:
		_, left := n.Left.(Moment)
		_, right := n.Right.(Moment)
		return isElement(n.Left) && right || left && isElement(n.Right)
	}
	return false
}

// coveredCell is covered for a value whose cells are looked at one by one: a text without a limit, an event's id, a list.
func coveredCell(v Value, op Op) bool {
	typ := TypeOf(v)
	switch v := v.(type) {
	case Attr:
	case Field:
		if v.Through != "" {
			return false
		}
		if v.Name == "id" {
			return true
		}
	default:
		return false
	}
	return typ == schema.Text || op == Has && typ.Elem() != ""
}
