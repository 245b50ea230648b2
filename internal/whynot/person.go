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
	attrs   map[string]value.Value
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

// reading is what a condition reads of a person, by way of the segments that it asks for too.
type reading struct{ attrs, events []string }

func (s *search) readingOf(prog *roweval.Program) reading {
	d := prog.Expr().Deps()
	r := reading{slices.Clone(d.Attrs), slices.Clone(d.Events)}
	for _, name := range d.Segments {
		other := s.segment(name)
		r.attrs, r.events = append(r.attrs, other.attrs...), append(r.events, other.events...)
	}
	return r
}

// reads tells whether a change of the person can change what the condition says.
func (r reading) reads(c Change) bool {
	if c.Kind == Attribute {
		return slices.Contains(r.attrs, c.Name)
	}
	return slices.Contains(r.events, c.Name)
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
	out := &edited{s.in.Person, s, changes, map[string]value.Value{}, map[string][]roweval.Event{}, map[string]bool{}}
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
