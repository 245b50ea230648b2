package exec

import (
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// frame is what is looked at in one go: up to column.ChunkRows items, which are profile rows or events of one type.
type frame struct {
	k, n int
	who  []uint32 // of events: the canonical row of each
}

// vector gives the values of a frame's items.
type vector interface {
	kind() value.Kind
	// load fills in the slice of its kind. The slice is read until the vector's next load into the same block.
	load(f *frame, b *block)
}

// texts are the strings behind the codes of a vector of strings.
type texts interface {
	count() int // the highest code
	text(code uint32) string
	emptyToo() bool // code 0 is "" and not absent
}

// kinds are the types that have kernels, how their values look, and the columns that keep them.
var kinds = map[schema.Type]struct {
	value  value.Kind
	column column.Kind
}{
	schema.Number:   {value.Number, column.Float64},
	schema.Datetime: {value.Datetime, column.Int64},
	schema.Boolean:  {value.Boolean, column.Bool},
	schema.String:   {value.String, column.Dict},
}

// direct reads the chunk of a column that has the frame's number: of profile rows an attribute, of events a field.
type direct struct {
	col   *column.Column // nil: all are absent
	of    value.Kind
	empty bool // code 0 is ""
}

func (v direct) kind() value.Kind { return v.of }

func (v direct) load(f *frame, b *block) {
	b.nums, b.times, b.flags, b.codes = nil, nil, nil, column.Codes{}
	if v.col == nil {
		return
	}
	switch v.of {
	case value.Number:
		b.nums = v.col.Floats(f.k)
	case value.Datetime:
		b.times = v.col.Ints(f.k)
	case value.Boolean:
		b.flags = v.col.Bools(f.k)
	case value.String:
		b.codes = v.col.Codes(f.k)
	}
}

func (v direct) count() int {
	if v.col == nil {
		return 0
	}
	return v.col.Dict().Len()
}
func (v direct) text(code uint32) string {
	if v.col == nil {
		return ""
	}
	return v.col.Dict().String(code)
}
func (v direct) emptyToo() bool { return v.empty }

// ofPerson reads an attribute of the person of each event.
type ofPerson struct{ direct }

func (v ofPerson) load(f *frame, b *block) {
	switch v.of {
	case value.Number:
		b.own.nums = room(b.own.nums, f.n)
		b.nums = b.own.nums
		for i, row := range f.who {
			b.nums[i] = v.col.Float(row)
		}
	case value.Datetime:
		b.own.times = room(b.own.times, f.n)
		b.times = b.own.times
		for i, row := range f.who {
			b.times[i] = v.col.Int(row)
		}
	case value.Boolean:
		b.own.flags = room(b.own.flags, f.n)
		b.flags = b.own.flags
		for i, row := range f.who {
			b.flags[i] = 0
			if yes, ok := v.col.Bool(row); ok {
				b.flags[i] = 1 + uint8(b2u(yes))
			}
		}
	case value.String:
		b.own.codes = room(b.own.codes, f.n)
		b.codes = column.Codes{W: b.own.codes}
		for i, row := range f.who {
			b.own.codes[i] = v.col.Code(row)
		}
	}
}

// room is a slice of n cells, the old one where it is long enough.
func room[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, max(n, column.ChunkRows))
	}
	return s[:n]
}

// results are what was computed for each profile row.
type results struct {
	of    value.Kind
	nums  []float64
	times []int64
	flags []uint8
	codes []uint32
	texts
}

func (v *results) kind() value.Kind { return v.of }

func (v *results) load(f *frame, b *block) {
	from := f.k * column.ChunkRows
	b.nums, b.times, b.flags, b.codes = part(v.nums, from, f.n), part(v.times, from, f.n), part(v.flags, from, f.n), column.Codes{W: part(v.codes, from, f.n)}
}

func part[T any](s []T, from, n int) []T {
	if len(s) == 0 {
		return nil
	}
	return s[from : from+n]
}
