package exec

import (
	"encoding/binary"
	"math"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// This file answers conditions about list attributes, element by element where the list is encoded.

var elementKinds = map[schema.Type]value.Kind{
	schema.Number: value.Number, schema.String: value.String, schema.Text: value.String, schema.Datetime: value.Datetime,
	schema.Boolean: value.Boolean, schema.Object: value.Object,
}

// listIn reads a list of elements of a type up to its first element. It is not there when an element is of another kind, as
// after the attribute was declared anew.
func listIn(cell []byte, elem schema.Type) (elements []byte, n int, there bool) {
	kind, known := elementKinds[elem]
	if !known || len(cell) < 2 || value.Kind(cell[0]) != value.List {
		return nil, 0, false
	}
	count, w := binary.Uvarint(cell[1:])
	if w <= 0 {
		return nil, 0, false
	}
	elements = cell[1+w:]
	rest := elements
	for range count {
		var err error
		if len(rest) == 0 || value.Kind(rest[0]) != kind {
			return nil, 0, false
		}
		if rest, err = value.Skip(rest); err != nil {
			return nil, 0, false
		}
	}
	return elements, int(count), true
}

// elements is a condition about the elements of a list.
func (c compiler) elements(n plan.Elements) (cond, bool) {
	col, ofPerson, ok := c.bytesOf(n.Of)
	if !ok {
		return nil, false
	}
	elem := plan.TypeOf(n.Of).Elem()
	holds, ok := c.element(n.If, elementKinds[elem])
	return &cells{col, ofPerson, func(cell []byte) plan.Outcome {
		rest, all, there := listIn(cell, elem)
		if !there {
			return plan.IsError
		}
		held := 0
		for range all {
			next, _ := value.Skip(rest)
			held += int(b2u(holds(rest[:len(rest)-len(next)])))
			rest = next
		}
		return outcomeOf(n.Kind.Of(held, all))
	}}, ok
}

// element is a condition about one encoded element. It has no errors.
func (c compiler) element(n plan.Node, kind value.Kind) (func(cell []byte) bool, bool) {
	switch n := n.(type) {
	case plan.Const:
		return func([]byte) bool { return bool(n) }, true
	case plan.Not:
		of, ok := c.element(n.Of, kind)
		return func(cell []byte) bool { return !of(cell) }, ok
	case plan.And:
		return c.elementAll(n.Of, kind, true)
	case plan.Or:
		return c.elementAll(n.Of, kind, false)
	case plan.Compare:
		if p, ok := c.still(n); ok {
			return c.element(p, kind)
		}
	case plan.Predicate:
		for _, l := range n.Lits {
			if l.Kind != kind {
				return nil, false
			}
		}
		switch kind {
		case value.String:
			is, ok := textTest(n.Op, n.Lits)
			return func(cell []byte) bool { return is(textIn(cell)) }, ok
		case value.Number:
			lits := numbersOf(n.Lits)
			return func(cell []byte) bool { return compares(n.Op, numberIn(cell), lits) }, true
		case value.Datetime:
			lits := timesOf(n.Lits)
			return func(cell []byte) bool { return compares(n.Op, timeIn(cell), lits) }, true
		case value.Boolean:
			lits := numbersOf(n.Lits)
			return func(cell []byte) bool { return compares(n.Op, float64(cell[1]), lits) }, true
		}
	}
	return nil, false
}

// elementAll is && or ||: whether no part decides.
func (c compiler) elementAll(of []plan.Node, kind value.Kind, all bool) (func(cell []byte) bool, bool) {
	parts := make([]func([]byte) bool, len(of))
	for i, n := range of {
		var ok bool
		if parts[i], ok = c.element(n, kind); !ok {
			return nil, false
		}
	}
	return func(cell []byte) bool {
		for _, p := range parts {
			if p(cell) != all {
				return !all
			}
		}
		return all
	}, true
}

// length is the number of elements of each item's list.
type length struct {
	col      *column.Column
	ofPerson bool
	elem     schema.Type
}

func (length) kind() value.Kind { return value.Number }

func (v length) load(f *frame, b *block) {
	b.own.nums = room(b.own.nums, f.n)
	b.nums = b.own.nums
	eachCell(v.col, v.ofPerson, f, func(i int, cell []byte) {
		b.nums[i] = math.NaN()
		if _, n, there := listIn(cell, v.elem); there {
			b.nums[i] = float64(n)
		}
	})
}
