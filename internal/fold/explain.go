package fold

import (
	"math"

	"github.com/embedcdp/cdp/internal/live"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/roweval"
)

// PersonQuestion asks why one person is in a saved segment or not. It holds a frozen state, so the answer is found while the
// state it was asked of goes on: of somebody with very many events it takes seconds.
type PersonQuestion struct {
	segment segment
	frozen  *State
	row     uint32
	now     int64
	Since   int64 // when the person entered; 0 for who is not in
	// Population is whether the person is one of those the segment is about.
	Population bool
}

// AskPerson prepares the question for one instant. It is false when there is no such segment.
func (s *State) AskPerson(name string, row uint32, now int64) (*PersonQuestion, bool) {
	seg := s.segNamed[name]
	if seg == nil {
		return nil, false
	}
	return &PersonQuestion{
		segment: segment{name: name, expr: seg.expr, prog: seg.prog}, frozen: s.Freeze(seg.deps, true), row: row, now: now,
		Since: s.Since(row)[name], Population: s.Population(name, row),
	}, true
}

// Program is the segment's condition, and Input whom it is asked about.
func (q *PersonQuestion) Program() *roweval.Program { return q.segment.prog }

func (q *PersonQuestion) Input() roweval.Input {
	return roweval.Input{Person: person{q.frozen, q.row}, Objects: q.frozen, Now: q.now}
}

// NextFlip finds the first later instant at which the answer changes with no new data, trying at most limit instants at which
// it could; ok is false when it is none of them. It asks as the fold does when events come, which looks at no more events
// than it must. It ends early when stop says so.
func (q *PersonQuestion) NextFlip(limit int, stop func() bool) (at int64, ok bool) {
	p, err := live.Compile(plan.Logical(q.segment.expr), liveSource{q.frozen, &q.segment})
	if err != nil || !q.Population {
		return 0, false
	}
	who := &live.Person{Row: q.row, Now: q.now}
	for m := range q.frozen.ids.Members(q.row) {
		who.Rows = append(who.Rows, m)
	}
	before, next := p.Holds(who)
	for range limit {
		if next == math.MaxInt64 || stop() {
			return 0, false
		}
		who.Now = next
		var yes bool
		if yes, next = p.Holds(who); yes != before {
			return who.Now, true
		}
	}
	return 0, false
}
