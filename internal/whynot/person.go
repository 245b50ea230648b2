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
	s       *search
	changes []Change
	only    bool // the person has no other events of these types than those that a change adds or takes
	events  map[string][]roweval.Event
	in      map[string]bool // segments, once asked
}

func (e *edited) InSegment(name string) bool {
	seg := e.s.segment(name)
	if !seg.ofThese {
		return false
	}
	if !slices.ContainsFunc(e.changes, seg.reads) {
		return e.Person.InSegment(name)
	}
	if _, known := e.in[name]; !known {
		in := e.s.in
		in.Person = e
		e.in[name] = seg.prog.Eval(in).True()
	}
	return e.in[name]
}

// segment is another segment that the condition asks for, itself or by way of others.
type segment struct {
	reading
	prog    *roweval.Program
	ofThese bool
}

// segment looks another segment up. Segments never ask for each other in a circle.
func (s *search) segment(name string) *segment {
	seg := s.others[name]
	if seg == nil {
		seg = &segment{}
		if seg.prog, seg.ofThese = s.segments(name); seg.prog != nil {
			seg.reading = s.readingOf(seg.prog)
		}
		s.others[name] = seg
	}
	return seg
}

func (e *edited) Attr(name string) value.Value {
	for _, c := range e.changes {
		if c.Kind == Attribute && c.Name == name {
			return c.Value
		}
	}
	return e.Person.Attr(name)
}

// Events makes the list after the changes when it is asked for: most changes are of what no atom asks about again.
func (e *edited) Events(typ string) []roweval.Event {
	list, ok := e.events[typ]
	if ok {
		return list
	}
	list = e.Person.Events(typ)
	for n, c := range e.changes {
		switch {
		case c.Kind == Attribute || c.Name != typ:
		case e.only:
			list = slices.Concat(c.among(list), c.events(n))
		case c.Kind == MoreEvents:
			list = append(slices.Clone(list), c.events(n)...)
			slices.SortStableFunc(list, func(a, b roweval.Event) int { return cmp.Compare(a.Time(), b.Time()) })
		case c.Kind == FewerEvents:
			list = slices.DeleteFunc(slices.Clone(list), func(ev roweval.Event) bool { return slices.Contains(c.IDs, ev.ID()) })
		}
	}
	e.events[typ] = list
	return list
}

func (s *search) changed(changes []Change) *edited {
	return &edited{s.in.Person, s, changes, false, map[string][]roweval.Event{}, map[string]bool{}}
}

// among are the events of a list that a change takes.
func (c Change) among(list []roweval.Event) (out []roweval.Event) {
	if c.Kind == FewerEvents {
		for _, e := range list {
			if slices.Contains(c.IDs, e.ID()) {
				out = append(out, e)
			}
		}
	}
	return out
}

// events are those that the n-th of several changes adds.
func (c Change) events(n int) (out []roweval.Event) {
	for i := range c.Count {
		out = append(out, more{c, n*maxAskedFor*2 + i})
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
