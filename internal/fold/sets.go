package fold

import (
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/exec"
)

// question gives package exec the data of the state, for one condition about customers or visitors at one instant. It
// implements exec.Source.
type question struct {
	*State
	visitors bool
	at       int64
	is       func(row uint32) bool // the oracle
}

func (q question) People() exec.Set          { return q.people.of(q.State, q.visitors) }
func (q question) Canonical() []uint32       { return q.ids.Canonicals() }
func (q question) Calendar() celenv.Calendar { return celenv.CalendarOf(q.Catalogue) }
func (q question) Now() int64                { return q.at }
func (q question) True(row uint32) bool      { return q.is(row) }
func (q question) Versions(typ, id string) []int64 {
	o := q.objects[typ]
	if o == nil {
		return nil
	}
	versions := q.past.versions(o.versions.get(id))
	from := make([]int64, len(versions))
	for i := range versions {
		from[i] = versions[i].from
	}
	return from
}

func (q question) Segment(name string) *roaring.Bitmap {
	if seg := q.segNamed[name]; seg != nil {
		return seg.members
	}
	return nil
}

func (q question) Attr(name string) *column.Column {
	if a := q.attrs[name]; a != nil {
		return a.now
	}
	return nil
}

func (q question) Events(typ string) *exec.Events {
	t := q.typeNamed[typ]
	if t == nil {
		return nil
	}
	n := t.tab.Len()
	if q.past != nil {
		n = q.past.length(t)
	}
	if n <= int(t.gone.Rows) {
		return nil
	}
	return &exec.Events{First: int(t.gone.Rows), Rows: n, Time: t.time.First(n), Seq: t.seq.First(n), ID: t.eid.First(n), Person: t.row.First(n), Source: t.source.First(n),
		Attr: func(name string) *column.Column {
			if c := t.cols[name]; c != nil {
				return c.col.First(n)
			}
			return nil
		}}
}

// people keeps who is a customer and who a visitor, as sets, from one question to the next. It has a lock of its own, since
// readers ask while they share the state.
type people struct {
	mu        sync.Mutex
	rows      int // when they were made; a new row, user id or link makes them anew
	groups    int
	customers int
	sets      [2]exec.Set // customers, visitors
}

func (p *people) of(s *State, visitors bool) exec.Set {
	p.mu.Lock()
	defer p.mu.Unlock()
	rows, groups, customers := s.ids.Rows(), s.ids.Profiles(), s.ids.Customers()
	if p.sets[0] == nil || rows != p.rows || groups != p.groups || customers != p.customers {
		p.rows, p.groups, p.customers = rows, groups, customers
		p.sets = [2]exec.Set{exec.NewSet(rows), exec.NewSet(rows)}
		for row := range uint32(rows) {
			if s.ids.Canonical(row) == row {
				p.sets[b2i(!s.ids.IsCustomer(row))].Add(row)
			}
		}
	}
	return p.sets[b2i(visitors)]
}

// copy takes over what is kept of the state that p's is a copy of, and makes it first where needed.
func (p *people) copy(s *State) {
	s.people.of(s, false)
	s.people.mu.Lock()
	defer s.people.mu.Unlock()
	p.rows, p.groups, p.customers, p.sets = s.people.rows, s.people.groups, s.people.customers, s.people.sets
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
