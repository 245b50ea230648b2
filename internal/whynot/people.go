package whynot

import (
	"cmp"
	"math"
	"slices"

	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// tried is a change of the person after which some atom says something else.
type tried struct {
	Change
	outcomes string // of all atoms
	turns    bool
}

// changesOfPerson are the changes worth a look: of each attribute, event type and list those up to the first that turns the
// answer.
func (s *search) changesOfPerson(stop func() bool) (out []tried) {
	try := func(c Change) (turns bool) {
		if !s.goOn(stop) {
			return false
		}
		outcomes, turns := s.turns(c)
		if outcomes != s.base {
			out = append(out, tried{c, outcomes, turns})
		}
		return turns
	}
	for _, typ := range s.deps.Events {
		s.more(typ, try)
	}
	for _, name := range s.deps.Attrs {
		s.attribute(name, try)
	}
	for _, typ := range s.deps.Events {
		s.fewer(typ, try)
	}
	return out
}

// attribute tries other values, the nearest first, and having none.
func (s *search) attribute(name string, try func(Change) bool) {
	decl, was := s.prog.Expr().Catalogue().Profile[name], s.in.Person.Attr(name)
	for _, v := range s.values(decl, was) {
		if !v.Equal(was) && try(Change{Kind: Attribute, Name: name, Was: was, Value: v}) {
			return
		}
	}
}

// values are what an attribute may be changed to: what would meet the condition's literals, or the other side of a comparison;
// something else; nothing.
func (s *search) values(decl schema.Attr, was value.Value) (out []value.Value) {
	switch decl.Type {
	case schema.Number:
		var all []float64
		for _, l := range s.literals[value.Number] {
			all = append(all, l.Num-1, l.Num, l.Num+1)
		}
		for _, n := range s.numbers {
			all = append(all, math.Floor(n)-1, n, math.Ceil(n)+1)
		}
		for _, n := range near(was.Num, all) {
			out = append(out, value.Num(n))
		}
		if out = out[:min(len(out), maxNumbers)]; was.IsAbsent() {
			out = append([]value.Value{value.Num(0)}, out...)
		}
	case schema.String, schema.Text:
		out = append(out, s.literals[value.String]...)
		for _, t := range s.texts[:min(len(s.texts), maxNumbers)] {
			out = append(out, value.Str(t))
		}
		out = append(out, value.Str("other"), value.Str("another"))
	case schema.Boolean:
		out = []value.Value{value.Bool(true), value.Bool(false)}
	case schema.Datetime:
		all := []int64{s.in.Now}
		for _, d := range s.spans {
			all = append(all, s.in.Now-d-1, s.in.Now-d, s.in.Now-d+1)
		}
		for _, l := range s.literals[value.Datetime] {
			all = append(all, l.Time-1, l.Time, l.Time+1)
		}
		for _, t := range near(was.Time, append(all, s.timesAround()...)) {
			out = append(out, value.Micros(t))
		}
		out = out[:min(len(out), maxNumbers)]
	case schema.StringList:
		for _, l := range s.literals[value.String] {
			out = append(out, value.ListOf(append(slices.Clone(was.List), l)))
		}
		out = append(out, value.ListOf(nil))
	case schema.NumberList:
		for _, l := range s.literals[value.Number] {
			out = append(out, value.ListOf(append(slices.Clone(was.List), l)))
		}
		out = append(out, value.ListOf(nil))
	}
	if !was.IsAbsent() {
		out = append(out, value.Value{})
	}
	return out
}

const day = int64(86400e6)

// more tries one more event of a type, of every kind that the condition can tell apart, then two, and so on: the first that
// turns the answer is of the fewest.
func (s *search) more(typ string, try func(Change) bool) {
	kinds := s.kinds(typ)
	for _, n := range s.counts() {
		for _, ago := range []int64{0, 1, 8, 35} {
			for _, attrs := range kinds {
				if s.cut || try(Change{Kind: MoreEvents, Name: typ, Count: n, Attrs: attrs, Time: s.in.Now - ago*day}) {
					return
				}
			}
		}
	}
}

// counts are how many events to try: few, and what brings some number of the person up to what it is compared with.
func (s *search) counts() (out []int) {
	for n := range maxCount {
		out = append(out, n+1)
	}
	for _, l := range s.literals[value.Number] {
		for _, n := range s.numbers {
			if short := math.Ceil(l.Num - n); short > maxCount && short < maxAskedFor {
				out = append(out, int(short), int(short)+1)
			}
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), maxCounts)]
}

// kinds are the attributes of events to try: each that the condition selects with each of the condition's values of its type,
// one beside it, or none.
func (s *search) kinds(typ string) []map[string]value.Value {
	out := []map[string]value.Value{{}}
	attributes := s.prog.Expr().Catalogue().Events[typ].Attributes
	for _, name := range attributes.Names() {
		decl := attributes[name]
		var values []value.Value
		if s.reads.selects(typ, name) {
			values = s.kindValues(decl)
		}
		if d, err := decl.DefaultValue(); err == nil && !d.IsAbsent() {
			values = append(values, d)
		} else if !decl.Required {
			values = append(values, value.Value{})
		} else if len(values) == 0 {
			values = []value.Value{anyOf(decl)}
		}
		var next []map[string]value.Value
		for _, v := range values {
			for _, kind := range out {
				if len(next) == maxKinds {
					break
				}
				with := make(map[string]value.Value, len(kind)+1)
				for k, x := range kind {
					with[k] = x
				}
				if !v.IsAbsent() {
					with[name] = v
				}
				next = append(next, with)
			}
		}
		out = next
	}
	return out
}

func (s *search) kindValues(decl schema.Attr) (out []value.Value) {
	switch decl.Type {
	case schema.Number:
		for _, l := range s.literals[value.Number] {
			out = append(out, l, value.Num(l.Num+1), value.Num(l.Num-1))
		}
		out = distinct(out)
	case schema.String, schema.Text:
		named := s.literals[value.String]
		out = append(slices.Clone(named[:min(len(named), maxKindValues-1)]), value.Str("other"))
	case schema.Boolean:
		out = []value.Value{value.Bool(true), value.Bool(false)}
	case schema.Datetime:
		out = []value.Value{value.Micros(s.in.Now)}
	}
	return out[:min(len(out), maxKindValues)]
}

// anyOf is some value of a type, for attributes that the condition does not look at and that an event must have.
func anyOf(decl schema.Attr) value.Value {
	switch decl.Type {
	case schema.Number:
		return value.Num(1)
	case schema.String, schema.Text:
		return value.Str("other")
	case schema.Boolean:
		return value.Bool(false)
	case schema.Datetime:
		return value.Micros(0)
	case schema.Object:
		return value.ObjectOf(nil)
	}
	return value.ListOf(nil)
}

// fewer tries to take away events that parts of the condition list: one by one, then the newest and the oldest of each list.
func (s *search) fewer(typ string, try func(Change) bool) {
	var sets [][]string
	for _, l := range s.lists {
		if l.typ != typ {
			continue
		}
		for i := range l.ids {
			sets = append(sets, l.ids[i:i+1], l.ids[i:], l.ids[:i+1])
		}
	}
	slices.SortStableFunc(sets, func(a, b []string) int { return cmp.Compare(len(a), len(b)) })
	sets = slices.CompactFunc(sets, func(a, b []string) bool { return slices.Equal(a, b) })
	for _, ids := range sets {
		if s.cut || try(Change{Kind: FewerEvents, Name: typ, IDs: ids}) {
			return
		}
	}
}
