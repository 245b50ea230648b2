package whynot

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/value"
)

// remembered is a person whose events are looked up once.
type remembered struct {
	roweval.Person
	events map[string][]roweval.Event
}

func (r *remembered) Events(typ string) []roweval.Event {
	list, ok := r.events[typ]
	if !ok {
		list = r.Person.Events(typ)
		r.events[typ] = list
	}
	return list
}

// edited is a person after changes, which other segments see too.
type edited struct {
	roweval.Person
	s      *search
	attrs  map[string]value.Value
	events map[string][]roweval.Event
}

func (e *edited) InSegment(name string) bool {
	prog, ofThese := e.s.segments(name)
	if !ofThese {
		return false
	}
	in := e.s.in
	in.Person = e
	return prog.Eval(in).True()
}

func (e *edited) Attr(name string) value.Value {
	if v, ok := e.attrs[name]; ok {
		return v
	}
	return e.Person.Attr(name)
}

func (e *edited) Events(typ string) []roweval.Event {
	if list, ok := e.events[typ]; ok {
		return list
	}
	return e.Person.Events(typ)
}

func (s *search) changed(changes []Change) *edited {
	out := &edited{s.in.Person, s, map[string]value.Value{}, map[string][]roweval.Event{}}
	for _, c := range changes {
		switch c.Kind {
		case Attribute:
			out.attrs[c.Name] = c.Value
		case MoreEvents:
			list := slices.Clone(out.Events(c.Name))
			for i := range c.Count {
				list = append(list, more{c, i})
			}
			slices.SortStableFunc(list, func(a, b roweval.Event) int { return cmp.Compare(a.Time(), b.Time()) })
			out.events[c.Name] = list
		case FewerEvents:
			out.events[c.Name] = slices.DeleteFunc(slices.Clone(out.Events(c.Name)), func(e roweval.Event) bool { return slices.Contains(c.IDs, e.ID()) })
		}
	}
	return out
}

// more is an event that did not happen. It comes after all that did and have its time.
type more struct {
	c Change
	i int
}

func (m more) Time() int64                  { return m.c.Time }
func (m more) ID() string                   { return fmt.Sprintf("more-%s-%d", m.c.Name, m.i) }
func (m more) Source() string               { return "" }
func (m more) Attr(name string) value.Value { return m.c.Attrs[name] }
func (m more) Position() uint64             { return math.MaxInt64 + uint64(m.i) }
