package fold

import (
	"math"
	"slices"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/live"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/whynot"
)

// PersonQuestion asks why one person is in a saved segment or not. It holds a frozen state, so the answer is found while the
// state it was asked of goes on: of somebody with very many events it takes seconds.
type PersonQuestion struct {
	segment segment
	frozen  *State
	deps    celenv.Deps
	others  map[string]other // segments that the condition asks for
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
	q := &PersonQuestion{
		segment: segment{name: name, expr: seg.expr, prog: seg.prog}, row: row, now: now, deps: seg.deps, others: map[string]other{},
		Since: s.Since(row)[name], Population: s.Population(name, row),
	}
	for i := 0; i < len(q.deps.Segments); i++ { // which grows by what the segments asked for depend on
		o := s.segNamed[q.deps.Segments[i]]
		if o == nil {
			continue
		}
		q.others[o.name] = other{o.prog, s.Population(o.name, row)}
		q.deps.Events, q.deps.Attrs = union(q.deps.Events, o.deps.Events), union(q.deps.Attrs, o.deps.Attrs)
		q.deps.Segments, q.deps.Objects = union(q.deps.Segments, o.deps.Segments), union(q.deps.Objects, o.deps.Objects)
	}
	q.frozen = s.Freeze(q.deps, true)
	return q, true
}

// other is another segment's condition, and whether the person is one of those it is about.
type other struct {
	prog    *roweval.Program
	ofThese bool
}

// union appends to a copy of a what it does not have of b.
func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, x := range b {
		if !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}

// WhyNot searches for what would turn the answer.
func (q *PersonQuestion) WhyNot(stop func() bool) (whynot.Answer, error) {
	return whynot.Search(q.Program(), q.deps, q.Input(), func(name string) (*roweval.Program, bool) {
		o := q.others[name]
		return o.prog, o.ofThese
	}, stop)
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
