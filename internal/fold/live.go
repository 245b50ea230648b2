package fold

import (
	"errors"
	"fmt"
	mathbits "math/bits"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/live"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/value"
)

// This file joins live evaluation (package live) to the state: what programs read, and which events concern which segments.

// setLive compiles a segment's condition for evaluation as events come.
func (s *State) setLive(seg *segment) {
	p, err := live.Compile(plan.Logical(seg.expr), liveSource{s, seg})
	if err != nil { // a part of an expression that compiles does too
		panic(fmt.Sprintf("segment %q: %v", seg.name, err))
	}
	seg.live = p
}

// asked prepares to ask about a row.
func (s *State) asked(row uint32, at int64) *live.Person {
	who := &s.batch.asked
	who.Row, who.Now, who.Rows = row, at, who.Rows[:0]
	for m := range s.ids.Members(row) {
		who.Rows = append(who.Rows, m)
	}
	return who
}

// liveSource implements live.Source.
type liveSource struct {
	s   *State
	seg *segment
}

func (l liveSource) Type(name string) *live.Type {
	t := l.s.typeNamed[name]
	if t == nil {
		return nil
	}
	return &live.Type{Time: t.time, Seq: t.seq, Source: t.source, ID: t.eid, Heads: t.heads, Prev: t.prev, Unordered: t.unordered, Lates: t.lates,
		Attr: func(name string) *column.Column {
			if c := t.cols[name]; c != nil {
				return c.col
			}
			return nil
		}}
}

func (l liveSource) Attr(name string) *column.Column {
	if a := l.s.attrs[name]; a != nil {
		return a.now
	}
	return nil
}

func (l liveSource) InSegment(name string) func(row uint32) bool {
	return func(row uint32) bool { return person{l.s, row}.InSegment(name) }
}

func (l liveSource) Object(typ, id string, at int64, attr string) value.Value {
	get, ok := l.s.At(typ, id, at)
	if !ok {
		return value.Value{}
	}
	return get(attr)
}

func (l liveSource) Calendar() celenv.Calendar { return celenv.CalendarOf(l.seg.expr.Catalogue()) }

func (l liveSource) Busy() *live.Busy { return l.s.busy }

func (l liveSource) Part(cel string) (live.Part, error) {
	expr, prog := l.seg.expr, l.seg.prog
	if cel != expr.Source() {
		var err error
		if expr, err = celenv.Compile(expr.Catalogue(), expr.Scope(), cel); err != nil {
			return nil, fmt.Errorf("the part %s: %w", cel, err)
		}
		if prog, err = roweval.New(expr); err != nil {
			return nil, err
		}
	}
	return celPart{l.s, l.seg.name, prog}, nil
}

// celPart is a condition that CEL answers. It implements live.Part.
type celPart struct {
	s       *State
	segment string
	prog    *roweval.Program
}

func (p celPart) Events() []string { return p.prog.Expr().Deps().Events }

// Outcome evaluates the part. A panic inside is a defect, and closes the client like any other panic in the fold: silently
// leaving people out would be worse.
func (p celPart) Outcome(row uint32, now int64) (plan.Outcome, int64) {
	r := p.prog.Eval(roweval.Input{Person: person{p.s, row}, Objects: p.s, Now: now})
	switch {
	case errors.Is(r.Err, roweval.ErrPanic):
		panic(fmt.Sprintf("segment %q, profile %d: %v", p.segment, row, r.Err))
	case r.Err != nil:
		return plan.IsError, r.Next
	case r.Value.True():
		return plan.IsTrue, r.Next
	}
	return plan.IsFalse, r.Next
}

// watch is a filter on the events of a type, and the segments that an event concerns which passes it.
type watch struct {
	filter   *live.Filter // nil: every event passes
	segments []*segment
}

func (w *watch) key() string {
	if w.filter == nil {
		return ""
	}
	return w.filter.Key
}

// watchEvents enters a segment with the types that it reads.
func (s *State) watchEvents(seg *segment) {
	for _, x := range seg.live.Watches() {
		t := s.typeNamed[x.Type]
		if t == nil {
			continue
		}
		t.watch(watch{filter: x.Filter}, seg)
	}
}

func (t *eventType) watch(w watch, seg *segment) {
	for i := range t.watches {
		if t.watches[i].key() == w.key() {
			if last := len(t.watches[i].segments) - 1; t.watches[i].segments[last] != seg {
				t.watches[i].segments = append(t.watches[i].segments, seg)
			}
			return
		}
	}
	w.segments = []*segment{seg}
	t.watches = append(t.watches, w)
}

// touchWatching marks the segments whose answer an event can change: each filter is tried once, however many segments have it.
func (s *State) touchWatching(t *eventType, index, row uint32, why Cause) {
	for i := range t.watches {
		if w := &t.watches[i]; w.filter == nil || w.filter.Passes(&s.batch.asked, index) {
			for _, seg := range w.segments {
				if seg.build != nil || !seg.live.Settled(seg.members.Contains(row)) {
					s.touch(seg, why)
				}
			}
		}
	}
}

// concerns tells whether an event can change any answer.
func (s *State) concerns(t *eventType, index uint32) bool {
	for i := range t.watches {
		if w := &t.watches[i]; w.filter == nil || w.filter.Passes(&s.batch.asked, index) {
			return true
		}
	}
	return false
}

// bits is a set of small numbers that gives the smallest first.
type bits struct{ words []uint64 }

// reset empties the set and makes room for the numbers below n.
func (b *bits) reset(n int) { b.words = make([]uint64, (n+63)/64) }

// add enters a number, and reports whether it is new.
func (b *bits) add(i int) bool {
	w, bit := &b.words[i/64], uint64(1)<<(i%64)
	isNew := *w&bit == 0
	*w |= bit
	return isNew
}

// first takes out the smallest number.
func (b *bits) first() (i int, ok bool) {
	for k, w := range b.words {
		if w != 0 {
			b.words[k] = w & (w - 1)
			return k*64 + mathbits.TrailingZeros64(w), true
		}
	}
	return 0, false
}

// flipCells are the columns of the table of flips.
type flipCells struct{ row, segment, t, in, cause, prev, q *column.Column }

func newFlipCells(t *column.Table) flipCells {
	return flipCells{t.Column("row"), t.Column("segment"), t.Column("t"), t.Column("in"), t.Column("cause"), t.Column("prev"), t.Column("q")}
}
