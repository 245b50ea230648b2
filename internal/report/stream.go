// Package report turns the folded state into the streams that package insight computes over.
package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/insight"
	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/schema"
)

// Query is which events of one type a report looks at, and what of them.
type Query struct {
	Event string
	Where string // CEL over `e`; "" is all
	Group string // a string or boolean attribute, one of an object referred to ("product.brand"), or "source"; "" is none
	Value string // an attribute of type number; "" is none
}

// Stream prepares a query. name gives the text of a group code. The stream is valid while the state is not changed.
func Stream(s *fold.State, q Query) (stream insight.Stream, name func(code uint32) string, err error) {
	def := s.Catalogue.Events[q.Event]
	if def == nil {
		return nil, nil, fmt.Errorf("unknown event %q%s", q.Event, schema.DidYouMean(q.Event, slices.Collect(maps.Keys(s.Catalogue.Events))))
	}
	var keep *roweval.Program
	if q.Where != "" {
		expr, err := celenv.Compile(s.Catalogue, celenv.Scope{Arriving: q.Event, Want: celenv.Bool}, q.Where)
		if err != nil {
			return nil, nil, fmt.Errorf("where: %w", err)
		}
		if keep, err = roweval.New(expr); err != nil {
			return nil, nil, err
		}
	}
	src, err := open(s, q, def)
	if err != nil {
		return nil, nil, err
	}
	src.keep = keep
	return insight.Stream{{Chunks: src.chunks}}, src.name, nil
}

// source is one event type's columns.
type source struct {
	s     *fold.State
	event string
	table fold.EventTable
	group *column.Column
	far   *far // a group that is an attribute of an object
	value *column.Column
	keep  *roweval.Program
}

func open(s *fold.State, q Query, def *schema.EventType) (*source, error) {
	src := &source{s: s, event: q.Event}
	src.table, _ = s.EventTable(q.Event)
	if q.Group == "source" {
		src.group = src.table.Source
	} else if attr, of, ok := strings.Cut(q.Group, "."); ok {
		var err error
		if src.far, err = follow(s, def, attr, of); err != nil {
			return nil, err
		}
		src.group = src.table.Table.Column(attr)
	} else if q.Group != "" {
		a, ok := def.Attributes[q.Group]
		if !ok || a.Type != schema.String && a.Type != schema.Boolean {
			return nil, fmt.Errorf("event %q cannot be grouped by %q: it takes an attribute of type string or boolean%s", q.Event, q.Group, schema.DidYouMean(q.Group, def.Attributes.Names()))
		}
		src.group = src.table.Table.Column(q.Group)
	}
	if q.Value != "" {
		if a, ok := def.Attributes[q.Value]; !ok || a.Type != schema.Number {
			return nil, fmt.Errorf("event %q has no number %q to compute with%s", q.Event, q.Value, schema.DidYouMean(q.Value, def.Attributes.Names()))
		}
		src.value = src.table.Table.Column(q.Value)
	}
	return src, nil
}

// far breaks down by an attribute of the object that an event refers to, as it was at the event's time.
type far struct {
	s       *fold.State
	typ, of string
	codes   map[string]uint32
	names   []string
}

func follow(s *fold.State, def *schema.EventType, attr, of string) (*far, error) {
	a, ok := def.Attributes[attr]
	if !ok || a.Ref == "" {
		return nil, fmt.Errorf("event %q has no reference %q to an object%s", def.Name, attr, schema.DidYouMean(attr, def.Attributes.Names()))
	}
	o := s.Catalogue.Objects[a.Ref]
	if o == nil || o.Attributes[of].Type != schema.String {
		return nil, fmt.Errorf("object %q has no string %q to break down by", a.Ref, of)
	}
	return &far{s: s, typ: a.Ref, of: of, codes: map[string]uint32{}}, nil
}

// code returns the group of an event that refers to an object at a time; 0 when there is none.
func (f *far) code(id string, t int64) uint32 {
	get, ok := f.s.At(f.typ, id, t)
	if !ok {
		return 0
	}
	v := get(f.of)
	if v.IsAbsent() {
		return 0
	}
	c, known := f.codes[v.Str]
	if !known {
		f.names = append(f.names, v.Str)
		c = uint32(len(f.names))
		f.codes[v.Str] = c
	}
	return c
}

func (src *source) name(code uint32) string {
	if src.far != nil {
		return src.far.names[code-1]
	}
	if src.group.Kind() == column.Bool {
		return map[uint32]string{1: "false", 2: "true"}[code]
	}
	return src.group.Dict().String(code)
}

// chunks yields the table's chunks; the memory of what is computed for them is reused.
func (src *source) chunks(yield func(insight.Chunk) bool) {
	t := src.table
	var persons, groups []uint32
	var pos, keep []uint64
	for k := 0; k*column.ChunkRows < t.Len; k++ {
		n := min(column.ChunkRows, t.Len-k*column.ChunkRows)
		c := insight.Chunk{Time: t.Time.Ints(k)[:n]}
		rows := t.Row.Uints(k)
		persons, pos = resize(persons, n), resize(pos, n)
		for i, q := range t.Seq.Ints(k)[:n] {
			pos[i] = uint64(q)
			row := uint32(0)
			if rows != nil {
				row = rows[i]
			}
			persons[i] = src.s.Canonical(row)
		}
		c.Person, c.Pos = persons, pos
		if src.group != nil {
			groups = resize(groups, n)
			src.groups(k, groups)
			c.Group = groups
		}
		if src.value != nil {
			if c.Value = src.value.Floats(k); c.Value != nil {
				c.Value = c.Value[:n]
			}
		}
		if src.keep != nil || t.Until != math.MaxInt64 {
			keep = resize(keep, (n+63)/64)
			clear(keep)
			for i, at := range c.Time {
				if at > t.Until {
					continue
				}
				if src.keep == nil {
					keep[i/64] |= 1 << (i % 64)
					continue
				}
				in := roweval.Input{Arriving: src.s.EventAt(src.event, uint32(k*column.ChunkRows+i)), Objects: src.s, Now: src.s.Now}
				if src.keep.Eval(in).True() {
					keep[i/64] |= 1 << (i % 64)
				}
			}
			c.Keep = keep
		}
		if !yield(c) {
			return
		}
	}
}

func (src *source) groups(k int, out []uint32) {
	if src.far != nil {
		times := src.table.Time.Ints(k)
		for i := range out {
			out[i] = insight.NoGroup
			if id := src.group.Str(uint32(k*column.ChunkRows + i)); id != "" {
				if c := src.far.code(id, times[i]); c != 0 {
					out[i] = c
				}
			}
		}
		return
	}
	clear(out)
	if src.group.Kind() == column.Bool {
		bools := src.group.Bools(k)
		for i, b := range bools[:min(len(bools), len(out))] {
			out[i] = uint32(b)
		}
	} else {
		switch c := src.group.Codes(k); {
		case c.B != nil:
			spread(out, c.B)
		case c.H != nil:
			spread(out, c.H)
		default:
			copy(out, c.W)
		}
	}
	for i, code := range out {
		if code == 0 {
			out[i] = insight.NoGroup
		}
	}
}

func spread[T uint8 | uint16](out []uint32, codes []T) {
	for i, code := range codes[:min(len(codes), len(out))] {
		out[i] = uint32(code)
	}
}

func resize[T any](b []T, n int) []T { return slices.Grow(b[:0], n)[:n] }
