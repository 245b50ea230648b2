// Package whynot finds the fewest changes that would make a person a member of a segment, or make a member none. It is a
// search, not a proof: changes of a few kinds are tried one by one, then in pairs, and roweval says what each would do.
//
//	whynot.go    what callers use, and the order of the search
//	atoms.go     the comparisons that a condition joins by and, or and not
//	reading.go   what a condition reads of a person
//	literals.go  changes of the condition
//	person.go    a person with changed attributes and events
//	people.go    changes of the person
//	pairs.go     two changes together
//
// The search is small because the answer depends on a change only through the atoms it touches: a change after which every
// atom says what it said before is none, and of those with the same outcome of all atoms one is as good as the other.
package whynot

import (
	"fmt"
	"maps"
	"slices"

	"cel.dev/cel-go/common/types/ref"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/value"
)

// Kind is what a change is a change of.
type Kind uint8

const (
	Literal     Kind = iota // a value in the condition
	Attribute               // of the profile
	MoreEvents              // of one type
	FewerEvents             // those named
)

// Change is one change.
type Change struct {
	Kind Kind

	Part, From, To string // Literal: what it is compared in, and how it is written before and after
	at             int64  // its node in the condition
	to             ref.Val

	Name       string      // Attribute, or the type of the events
	Was, Value value.Value // Attribute; absent: it has none

	Count int                    // MoreEvents
	Attrs map[string]value.Value // MoreEvents: of each
	Time  int64                  // MoreEvents: of each, in microseconds
	IDs   []string               // FewerEvents
}

// Option is changes that together turn the answer: one, or two where no single one does.
type Option struct {
	Changes []Change
	Where   string // the condition after changes of it, else ""
}

// Answer is what the search found.
type Answer struct {
	Member   bool
	Options  []Option // all of the same number of changes; none where none was found
	Complete bool     // everything there was to try was tried
}

// Limits of the search. A step is one evaluation of an atom, one more for every 2,000 events of the person, and one more for
// every 200 turns of its loops, so that the search ends soon for busy people and deep conditions too.
const (
	maxSteps      = 20_000
	eventsAStep   = 2000
	turnsAStep    = 200
	maxOptions    = 12
	maxNumbers    = 40   // values tried for one number in the condition, the nearest first
	maxKinds      = 32   // kinds of events tried for one type
	maxKindValues = 8    // values of one attribute in them
	maxCount      = 3    // more events of one kind, beside what a comparison asks for
	maxAskedFor   = 1000 // more events where a comparison asks for so many
	maxCounts     = 10   // numbers of events tried
	maxPairValues = 12   // values tried for each of two literals of one comparison
	maxPerPair    = 80   // changes that are tried in pairs
	sampledValue  = 200  // events whose values are looked at, the newest
)

// Segments returns the condition of another segment, and whether the person is one of those it is about.
type Segments func(name string) (prog *roweval.Program, ofThese bool)

// search is one search.
type search struct {
	prog     *roweval.Program
	in       roweval.Input
	segments Segments
	others   map[string]*segment
	deps     celenv.Deps // of the condition and of the segments it asks for
	reads    reading
	atoms    []*atom
	base     string // the outcomes of all atoms
	truth    map[string]bool
	pools
	member bool
	steps  int
	each   int  // steps of one evaluation
	cut    bool // it ends early
	left   bool // pairs were left out
}

// Search looks for changes that turn the answer of a condition. The person is one of those it is about; deps is all
// it depends on, by way of the segments it asks for too. It ends early, with what it has, when stop says so.
func Search(prog *roweval.Program, deps celenv.Deps, in roweval.Input, segments Segments, stop func() bool) (Answer, error) {
	s := &search{prog: prog, deps: deps, in: in, segments: segments, truth: map[string]bool{}, others: map[string]*segment{}}
	in.Person = &remembered{Person: in.Person, events: map[string][]roweval.Event{}}
	s.in = in
	var err error
	if s.atoms, err = split(prog.Expr()); err != nil {
		return Answer{}, fmt.Errorf("why not: %w", err)
	}
	s.reads = s.readingOf(prog)
	for _, a := range s.atoms {
		a.reading, a.more = s.readingOf(a.prog), map[string]byte{}
	}
	s.member = prog.Eval(in).True()
	s.gather(prog.Explain(in))
	s.each = 1 + s.events/eventsAStep
	s.base = s.outcomes(in)
	s.truth[s.base] = s.member

	edits := s.edits(stop)
	people := s.changesOfPerson(stop)
	var found []Option
	for _, c := range people {
		if c.turns {
			found = append(found, Option{Changes: []Change{c.Change}})
		}
	}
	for _, c := range edits {
		if where, ok := s.turnsWith(c); ok {
			found = append(found, Option{Changes: []Change{c}, Where: where})
		}
	}
	if len(found) == 0 {
		found = append(s.pairsOfPerson(s.different(people, stop), stop), s.pairsOfEdits(edits, stop)...)
	}
	return Answer{Member: s.member, Options: found[:min(len(found), maxOptions)], Complete: !s.cut && !s.left}, nil
}

// goOn says whether there are steps left.
func (s *search) goOn(stop func() bool) bool {
	s.cut = s.cut || s.steps > maxSteps || stop()
	return !s.cut
}

// pools are the values that conditions of this kind are decided by: what the person has, and what the condition names.
type pools struct {
	numbers  []float64 // of the person: values of parts, attributes and events
	texts    []string
	times    []int64
	literals map[value.Kind][]value.Value // of the condition
	spans    []int64                      // durations of the condition, in microseconds
	lists    []eventList
	events   int // of the types that the condition reads
}

// eventList is a part of the condition that is a list of the person's events.
type eventList struct {
	typ string
	ids []string
}

func (s *search) gather(n *roweval.Node) {
	s.pools = pools{literals: map[value.Kind][]value.Value{}}
	typeOf := map[string]string{}
	for _, typ := range s.deps.Events {
		events := s.in.Person.Events(typ)
		s.events += len(events)
		for i := len(events) - 1; i >= 0; i-- {
			e := events[i]
			typeOf[e.ID()] = typ
			if i < len(events)-sampledValue {
				continue
			}
			s.times = append(s.times, e.Time())
			for _, name := range s.prog.Expr().Catalogue().Events[typ].Attributes.Names() {
				s.take(e.Attr(name))
			}
		}
	}
	for _, name := range s.deps.Attrs {
		s.take(s.in.Person.Attr(name))
	}
	var visit func(n *roweval.Node)
	visit = func(n *roweval.Node) {
		s.take(n.Plain)
		if len(n.Events) > 0 {
			s.lists = append(s.lists, eventList{typeOf[n.Events[0]], n.Events})
		}
		for _, c := range n.Children {
			visit(c)
		}
	}
	visit(n)
	s.literalsOf(s.prog.Expr())
	for _, name := range s.deps.Segments {
		if prog, ofThese := s.segments(name); ofThese {
			s.literalsOf(prog.Expr())
		}
	}
	s.numbers, s.texts, s.times = unique(s.numbers), unique(s.texts), unique(s.times)
	for k, vs := range s.literals {
		s.literals[k] = distinct(vs)
	}
}

// take puts what is in a value into the pools.
func (p *pools) take(v value.Value) {
	switch v.Kind {
	case value.Number:
		p.numbers = append(p.numbers, v.Num)
	case value.String:
		p.texts = append(p.texts, v.Str)
	case value.Datetime:
		p.times = append(p.times, v.Time)
	case value.List:
		for _, e := range v.List {
			p.take(e)
		}
	case value.Object:
		for _, f := range v.Fields {
			p.take(f.Value)
		}
	}
}

// distinct leaves out what was before.
func distinct(in []value.Value) (out []value.Value) {
	for _, v := range in {
		if !slices.ContainsFunc(out, v.Equal) {
			out = append(out, v)
		}
	}
	return out
}

func unique[T interface{ ~string | ~int64 | ~float64 }](in []T) []T {
	set := map[T]bool{}
	for _, v := range in {
		set[v] = true
	}
	return slices.Sorted(maps.Keys(set))
}
