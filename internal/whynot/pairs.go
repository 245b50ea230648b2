package whynot

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"cel.dev/cel-go/common/types/ref"

	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/value"
)

// different are the changes of the person that differ when it comes to pairs: of each attribute, event type and list the first
// of each outcome. Events differ also where they have, by themselves, other values in the atoms: of two hats one may be as good
// as the other, but not beside a third.
func (s *search) different(all []tried, stop func() bool) (out []tried) {
	type key struct {
		kind                  Kind
		name, outcomes, alone string
	}
	seen, alone := map[key]bool{}, map[string]string{}
	for _, c := range all {
		k := key{kind: c.Kind, name: c.Name, outcomes: c.outcomes}
		if c.Kind != Attribute {
			if !s.goOn(stop) {
				break
			}
			one := fmt.Sprint(c.IDs)
			if c.Kind == MoreEvents {
				one = s.reads.sees(c.times(1))
			}
			if _, known := alone[one]; !known {
				alone[one] = s.alone(c.times(1))
			}
			k.alone = alone[one]
		}
		if !seen[k] {
			seen[k] = true
			out = append(out, c)
		}
	}
	return out
}

// alone is what all parts of the atoms are of a person who has, of a type, only an event that a change adds, or those that it
// takes.
func (s *search) alone(c Change) string {
	in, e := s.in, s.changed([]Change{c})
	e.only = true
	in.Person = e
	var out []byte
	var values func(n *roweval.Node)
	values = func(n *roweval.Node) {
		out = append(append(out, n.Value...), 0)
		for _, c := range n.Children {
			values(c)
		}
	}
	for _, a := range s.atoms {
		if a.reads(c) {
			values(a.prog.Explain(in))
			s.steps += s.each
		}
	}
	return string(out)
}

// pairsOfPerson tries two changes of the person together, those of the fewest events first.
func (s *search) pairsOfPerson(all []tried, stop func() bool) (out []Option) {
	s.left = s.left || len(all) > maxPerPair
	all = all[:min(len(all), maxPerPair)]
	var pairs [][]Change
	first := make([]bool, len(all)) // of its kind
	for i, c := range all {
		first[i] = !slices.ContainsFunc(all[:i], func(o tried) bool { return alike(o.Change, c.Change) })
	}
	for i, a := range all {
		for j, b := range all[i+1:] {
			switch {
			case a.Kind == Attribute && b.Kind == Attribute && a.Name == b.Name:
			case a.Kind != Attribute && b.Kind != Attribute && a.Name == b.Name:
				if first[i] && first[i+1+j] {
					pairs = append(pairs, numbersOf(a.Change, b.Change)...)
				} else if max(a.Count, b.Count) > maxCount && !alike(a.Change, b.Change) {
					pairs = append(pairs, []Change{a.Change, b.Change})
				}
			default:
				pairs = append(pairs, []Change{a.Change, b.Change})
			}
		}
	}
	slices.SortStableFunc(pairs, func(a, b []Change) int { return cmp.Compare(a[0].size()+a[1].size(), b[0].size()+b[1].size()) })
	for _, p := range pairs {
		if len(out) == maxOptions || !s.goOn(stop) {
			break
		}
		if slices.ContainsFunc(out, func(o Option) bool { return alike(o.Changes[0], p[0]) && alike(o.Changes[1], p[1]) }) {
			continue // the same with more events
		}
		if _, turns := s.turns(p...); turns {
			out = append(out, Option{Changes: p})
		}
	}
	return out
}

// numbersOf are two changes of events of one type with other numbers of those that they add. How many it takes together does
// not follow from how many it takes of each: both count where the condition does not tell them apart.
func numbersOf(a, b Change) (out [][]Change) {
	for _, x := range a.numbers() {
		for _, y := range b.numbers() {
			out = append(out, []Change{x, y})
		}
	}
	return out
}

func (c Change) numbers() (out []Change) {
	if c.Kind != MoreEvents || c.Count > maxCount {
		out = append(out, c)
	}
	for n := range maxCount {
		if c.Kind == MoreEvents {
			out = append(out, c.times(n+1))
		}
	}
	return out
}

// alike tells whether two changes are of the same kind of event, or the same.
func alike(a, b Change) bool {
	return a.Kind == b.Kind && a.Name == b.Name && a.Time == b.Time && maps.EqualFunc(a.Attrs, b.Attrs, value.Value.Equal) &&
		slices.Equal(a.IDs, b.IDs) && a.Value.Equal(b.Value)
}

// times is an addition of so many events.
func (c Change) times(n int) Change {
	if c.Kind == MoreEvents {
		c.Count = n
	}
	return c
}

// size is how many events a change adds or takes, or 1.
func (c Change) size() int { return max(c.Count, len(c.IDs), 1) }

// pairsOfEdits tries two changes of the condition together.
func (s *search) pairsOfEdits(all []Change, stop func() bool) (out []Option) {
	s.left = s.left || len(all) > maxPerPair
	all = all[:min(len(all), maxPerPair)]
	pairs := s.pairsInAtoms(stop)
	for i, a := range all {
		for _, b := range all[i+1:] {
			if a.at != b.at {
				pairs = append(pairs, []Change{a, b})
			}
		}
	}
	for _, p := range pairs {
		if len(out) == maxOptions || !s.goOn(stop) {
			break
		}
		if where, ok := s.turnsWith(p...); ok {
			out = append(out, Option{Changes: p, Where: where})
		}
	}
	return out
}

// pairsInAtoms are changes of two literals of one atom after which it says something that no change of one makes it say.
func (s *search) pairsInAtoms(stop func() bool) (out [][]Change) {
	for _, a := range s.atoms {
		literals := literalsIn(a.expr)
		for n, l := range literals {
			for _, k := range literals[n+1:] {
				for _, to := range nearestPairs(s.alternatives(l), s.alternatives(k)) {
					if a.said['t'] && a.said['f'] {
						break
					}
					if !s.goOn(stop) {
						return out
					}
					if o, ok := s.outcomeWith(a, []literal{l, k}, to[0], to[1]); ok && !a.said[o] {
						a.said[o] = true
						out = append(out, []Change{s.edit(l, to[0]), s.edit(k, to[1])})
					}
				}
			}
		}
	}
	return out
}

// nearestPairs are pairs of values from the fronts of two lists, the foremost first.
func nearestPairs(a, b []ref.Val) (out [][2]ref.Val) {
	a, b = a[:min(len(a), maxPairValues)], b[:min(len(b), maxPairValues)]
	for sum := range len(a) + len(b) {
		for i := max(0, sum-len(b)+1); i <= min(sum, len(a)-1); i++ {
			out = append(out, [2]ref.Val{a[i], b[sum-i]})
		}
	}
	return out
}
