package exec

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// This file looks at cells that are bytes one by one, where they lie: texts without a limit, ids of events, lists.

// cells asks for the outcome of each item's cell.
type cells struct {
	col      *column.Column // nil: all are absent
	ofPerson bool
	outcome  func(cell []byte) plan.Outcome // nil is an absent cell
}

func (c *cells) mark(f *frame, _ *scratch, want bool, out []uint64) {
	clear(out)
	side := plan.IsFalse
	if want {
		side = plan.IsTrue
	}
	eachCell(c.col, c.ofPerson, f, func(i int, cell []byte) {
		out[i>>6] |= b2u(c.outcome(cell) == side) << (i & 63)
	})
}

func eachCell(col *column.Column, ofPerson bool, f *frame, do func(i int, cell []byte)) {
	if col == nil {
		for i := range f.n {
			do(i, nil)
		}
		return
	}
	at, n := col.Cursor(), uint32(col.Len())
	for i := range f.n {
		row := uint32(f.k*column.ChunkRows + i)
		if ofPerson {
			row = f.who[i]
		}
		if row < n {
			do(i, at.Bytes(row))
		} else {
			do(i, nil)
		}
	}
}

// bytesOf finds the column of an attribute, a field or an id that is kept as bytes.
func (c compiler) bytesOf(v plan.Value) (col *column.Column, ofPerson, ok bool) {
	switch v := v.(type) {
	case plan.Attr:
		col = c.src.Attr(v.Name)
		if ofPerson = c.events != nil; ofPerson {
			*c.early = true
		}
	case plan.Field:
		if c.events == nil {
			return nil, false, false
		}
		if v.Name == "id" {
			return c.events.ID, false, c.events.ID != nil
		}
		col = c.events.Attr(v.Name)
	}
	return col, ofPerson, col == nil || col.Kind() == column.Bytes
}

// cell is a condition about a text, an id, or whether a list is there; nil when it is about something else.
func (c compiler) cell(n plan.Predicate) (out cond, ok bool) {
	typ := plan.TypeOf(n.Of)
	f, isField := n.Of.(plan.Field)
	isID := isField && f.Name == "id" && f.Through == ""
	if !isID && (typ != schema.Text && typ.Elem() == "" || isField && f.Through != "") {
		return nil, true
	}
	col, ofPerson, ok := c.bytesOf(n.Of)
	if !ok {
		return nil, false
	}
	if n.Op == plan.Has {
		return &cells{col, ofPerson, func(cell []byte) plan.Outcome {
			if isID || typ == schema.Text {
				return outcomeOf(isID || textIn(cell) != nil)
			}
			_, _, there := listIn(cell, typ.Elem())
			return outcomeOf(there)
		}}, true
	}
	is, ok := textTest(n.Op, n.Lits)
	return &cells{col, ofPerson, func(cell []byte) plan.Outcome {
		if !isID {
			if cell = textIn(cell); cell == nil {
				return plan.IsError
			}
		}
		return outcomeOf(is(cell))
	}}, ok
}

func outcomeOf(b bool) plan.Outcome {
	if b {
		return plan.IsTrue
	}
	return plan.IsFalse
}

// textIn is the text that a cell encodes, nil when it is none.
func textIn(cell []byte) []byte {
	if len(cell) < 2 || value.Kind(cell[0]) != value.String {
		return nil
	}
	if n, w := binary.Uvarint(cell[1:]); w > 0 && n == uint64(len(cell)-1-w) {
		return cell[1+w:]
	}
	return nil
}

// textTest compares the bytes of a text that is there.
func textTest(op plan.Op, lits []value.Value) (func([]byte) bool, bool) {
	words := make([][]byte, len(lits))
	for i, l := range lits {
		if l.Kind != value.String {
			return nil, false
		}
		words[i] = []byte(l.Str)
	}
	among := func(s []byte) bool {
		for _, w := range words {
			if bytes.Equal(s, w) {
				return true
			}
		}
		return false
	}
	switch op {
	case plan.In:
		return among, true
	case plan.NotIn:
		return func(s []byte) bool { return !among(s) }, true
	}
	if len(words) != 1 {
		return nil, false
	}
	word := words[0]
	switch op {
	case plan.StartsWith, plan.NoStartsWith:
		return func(s []byte) bool { return bytes.HasPrefix(s, word) == (op == plan.StartsWith) }, true
	case plan.EndsWith, plan.NoEndsWith:
		return func(s []byte) bool { return bytes.HasSuffix(s, word) == (op == plan.EndsWith) }, true
	case plan.Contains, plan.NoContains:
		return func(s []byte) bool { return bytes.Contains(s, word) == (op == plan.Contains) }, true
	}
	zero := []int64{0}
	return func(s []byte) bool { return compares(op, int64(bytes.Compare(s, word)), zero) }, true
}

// numberIn and timeIn read an encoded element of that kind.
func numberIn(cell []byte) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(cell[1:]))
}
func timeIn(cell []byte) int64 { return int64(binary.LittleEndian.Uint64(cell[1:])) }
