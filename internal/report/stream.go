// Package report turns the folded state into the streams that package insight computes over.
package report

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/exec"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/identity"
	"github.com/embedcdp/cdp/internal/insight"
	"github.com/embedcdp/cdp/internal/parallel"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/schema"
)

// AnyEvent stands for every event type that the platform does not write itself.
const AnyEvent = "*"

// Query is which events of one type a report looks at, and what of them.
type Query struct {
	Event string // or AnyEvent, for which nothing else may be asked
	Where string // CEL over `e`; "" is all
	Group string // a string or boolean attribute, one of an object referred to ("product.brand"), or "source"; "" is none
	Value string // an attribute of type number; "" is none
}

// Needs returns what the state must be frozen with so that Stream can answer the queries. Mistakes are for Stream to find.
func Needs(c *schema.Catalogue, queries ...Query) (d celenv.Deps) {
	for _, q := range queries {
		if q.Event == AnyEvent {
			d.Events = append(d.Events, publicEvents(c)...)
		}
		def := c.Events[q.Event]
		if def == nil {
			continue
		}
		d.Events = append(d.Events, q.Event)
		if attr, _, ok := strings.Cut(q.Group, "."); ok && def.Attributes[attr].Ref != "" {
			d.Objects = append(d.Objects, def.Attributes[attr].Ref)
		}
		if q.Where != "" {
			if expr, err := celenv.Compile(c, celenv.Scope{Arriving: q.Event, Want: celenv.Bool}, q.Where); err == nil {
				d.Objects = append(d.Objects, expr.Deps().Objects...)
			}
		}
	}
	return d
}

func publicEvents(c *schema.Catalogue) (names []string) {
	for name, def := range c.Events {
		if !def.System {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Stream prepares a query on a state that does not change, frozen with what the query needs. name gives the text of a
// group code.
func Stream(s *fold.State, q Query) (stream insight.Stream, name func(code uint32) string, err error) {
	if q.Event == AnyEvent {
		stream, err = anyEvent(s, q)
		return stream, nil, err
	}
	def := s.Catalogue.Events[q.Event]
	if def == nil {
		return nil, nil, fmt.Errorf("unknown event %q%s", q.Event, schema.DidYouMean(q.Event, slices.Collect(maps.Keys(s.Catalogue.Events))))
	}
	src, err := open(s, q, def)
	if err != nil {
		return nil, nil, err
	}
	if q.Where != "" {
		if err := src.filter(q.Where); err != nil {
			return nil, nil, fmt.Errorf("where: %w", err)
		}
	}
	return insight.Stream{src.run()}, src.name, nil
}

func anyEvent(s *fold.State, q Query) (stream insight.Stream, err error) {
	if q.Where != "" || q.Group != "" || q.Value != "" {
		return nil, fmt.Errorf("event %q is every type of event, and what one type has another lacks: leave out Where, By and Value, or name one event", AnyEvent)
	}
	for _, name := range publicEvents(s.Catalogue) {
		src, err := open(s, Query{Event: name}, s.Catalogue.Events[name])
		if err != nil {
			return nil, err
		}
		stream = append(stream, src.run())
	}
	return stream, nil
}

// source is one event type's columns.
type source struct {
	s     *fold.State
	event string
	table fold.EventTable

	canonical identity.Canonicals // whom each row belongs to; nil when every row is its own

	group *column.Column
	far   *far // a group that is an attribute of an object
	value *column.Column
	keep  [][]uint64 // by chunk, the events that count; nil when all do

	oneByOne bool // tests: no condition in bulk
}

func (src *source) run() insight.Run {
	run := insight.Run{Chunks: src.chunks(src.firstChunk(), src.chunkCount(), true)}
	if src.far == nil { // it learns names as it goes
		run.Split = src.split
	}
	return run
}

// filter finds the events that count.
func (src *source) filter(where string) error {
	expr, err := celenv.Compile(src.s.Catalogue, celenv.Scope{Arriving: src.event, Want: celenv.Bool}, where)
	if err != nil {
		return err
	}
	src.keep = make([][]uint64, src.chunkCount())
	mark := src.inBulk(expr)
	program, err := roweval.New(expr)
	if err != nil {
		return err
	}
	workers := min(runtime.GOMAXPROCS(0), max(len(src.keep), 1))
	parallel.Do(workers, func(w int) {
		for k := src.firstChunk() + w; k < len(src.keep); k += workers {
			if mark != nil {
				src.keep[k] = mark(k)
			} else {
				src.keep[k] = src.kept(program, k)
			}
		}
	})
	return nil
}

// inBulk returns what evaluates the condition a chunk at a time over the columns; nil when the condition is not of that
// kind or looks beyond the event.
func (src *source) inBulk(expr *celenv.Expr) func(k int) []uint64 {
	if d := expr.Deps(); len(d.Objects) > 0 || len(d.Attrs) > 0 || len(d.Segments) > 0 || src.oneByOne {
		return nil
	}
	t := src.table
	ev := &exec.Events{First: t.First, Rows: t.Table.Len(), Time: t.Time, Seq: t.Seq, ID: t.Table.Column("$id"), Person: t.Row, Source: t.Source, Attr: t.Table.Column}
	if w, ok := exec.NewWhere(plan.Logical(expr), ev, celenv.CalendarOf(expr.Catalogue()), src.s.Now); ok {
		return w.Mark
	}
	return nil
}

func (src *source) kept(program *roweval.Program, k int) []uint64 {
	n := src.rows(k)
	keep := make([]uint64, (n+63)/64)
	for i := range n {
		in := roweval.Input{Arriving: src.s.EventAt(src.event, uint32(k*column.ChunkRows+i)), Objects: src.s, Now: src.s.Now}
		if program.Eval(in).True() {
			keep[i/64] |= 1 << (i % 64)
		}
	}
	return keep
}

func open(s *fold.State, q Query, def *schema.EventType) (*source, error) {
	src := &source{s: s, event: q.Event, canonical: s.Canonicals()}
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

// firstChunk is the first chunk that retention has left, and chunkCount the one behind the last with rows that count.
func (src *source) firstChunk() int { return src.table.First / column.ChunkRows }

func (src *source) chunkCount() int { return (src.table.Len + column.ChunkRows - 1) / column.ChunkRows }

// rows returns how many rows of chunk k count, but for those that are too late.
func (src *source) rows(k int) int { return min(column.ChunkRows, src.table.Len-k*column.ChunkRows) }

// people returns whose the events of a chunk are, mostly without a look at the room it is given for as many.
func (src *source) people(k int, room []uint32) []uint32 {
	if own := src.table.Owners(k, true); own != nil {
		return own[:len(room)]
	}
	rows := src.table.Row.Uints(k)
	switch {
	case rows == nil: // all of them are row 0
		clear(room)
		rows = room
	case src.canonical == nil:
		return rows[:len(room)]
	}
	if src.canonical != nil {
		for i := range room {
			room[i] = src.canonical.Of(rows[i])
		}
	}
	return room
}

// split cuts the table's chunks into n sequences.
func (src *source) split(n int) []iter.Seq[insight.Chunk] {
	out := make([]iter.Seq[insight.Chunk], n)
	first := src.firstChunk()
	all := src.chunkCount() - first
	for i := range out {
		out[i] = src.chunks(first+all*i/n, first+all*(i+1)/n, false)
	}
	return out
}

// chunks yields the table's chunks [from, to), with positions where they are wanted: who splits a run does not look at them,
// and they are as much to read as the times. The memory of what is computed for chunks is reused.
func (src *source) chunks(from, to int, positions bool) iter.Seq[insight.Chunk] {
	return func(yield func(insight.Chunk) bool) {
		t := src.table
		var persons, groups []uint32
		for k := from; k < to; k++ {
			n := src.rows(k)
			persons = resize(persons, n)
			c := insight.Chunk{Person: src.people(k, persons), Time: t.Time.Ints(k)[:n]}
			if positions {
				c.Pos = t.Seq.Ints(k)[:n]
			}
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
			if src.keep != nil {
				c.Keep = src.keep[k]
			}
			if t.Until != math.MaxInt64 {
				c.Keep = until(t.Until, c.Time, c.Keep)
			}
			if lo, hi, ok := t.Time.IntRange(k); ok {
				c.Within = insight.Range{From: lo, To: hi + 1}
			}
			c.InOrder = t.Time.Sorted(k)
			if !yield(c) {
				return
			}
			runtime.Gosched() // a report may take every core, and intake must not wait until the scheduler takes one away from it
		}
	}
}

// until leaves out of keep, which is nil for all, the events after an instant.
func until(last int64, times []int64, keep []uint64) []uint64 {
	out := make([]uint64, (len(times)+63)/64)
	for i, at := range times {
		if at <= last && (keep == nil || keep[i/64]>>(i%64)&1 != 0) {
			out[i/64] |= 1 << (i % 64)
		}
	}
	return out
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
	if src.group.Kind() == column.Bool {
		spread(out, src.group.Bools(k))
		return
	}
	switch c := src.group.Codes(k); {
	case c.B != nil:
		spread(out, c.B)
	case c.H != nil:
		spread(out, c.H)
	default:
		spread(out, c.W)
	}
}

// spread writes the codes of a column as group codes: there 0 is absent, as is what the column does not reach.
func spread[T uint8 | uint16 | uint32](out []uint32, codes []T) {
	codes = codes[:min(len(codes), len(out))]
	for i, code := range codes {
		out[i] = uint32(code)
		if code == 0 {
			out[i] = insight.NoGroup
		}
	}
	for i := len(codes); i < len(out); i++ {
		out[i] = insight.NoGroup
	}
}

func resize[T any](b []T, n int) []T { return slices.Grow(b[:0], n)[:n] }
