package whynot

import (
	"fmt"
	"math"
	"slices"
)

// Two changes together, by brute force, for TestNothingSmaller.

// pairTurns tries two changes of different things together, both of the person or both of the condition, of which each makes
// some atom say something else. An atom reads one thing, so what it says after both follows from what it says after each.
func pairTurns(tree plainTree, all []single, before []byte, member bool) bool {
	thing := func(s single) string {
		if s.source == "fewer" {
			return "more"
		}
		return s.source
	}
	for i, a := range all {
		for _, b := range all[i+1:] {
			if (a.atom < 0) != (b.atom < 0) || thing(a) == thing(b) || a.atom >= 0 && a.atom == b.atom ||
				string(a.outcomes) == string(before) || string(b.outcomes) == string(before) {
				continue
			}
			both := slices.Clone(before)
			for k := range both {
				if a.outcomes[k] != before[k] {
					both[k] = a.outcomes[k]
				}
				if b.outcomes[k] != before[k] {
					both[k] = b.outcomes[k]
				}
			}
			if (tree.says(both) == 't') != member {
				return true
			}
		}
	}
	return false
}

const never = math.MaxInt

// pairOfEvents finds the fewest events that turn it by two changes of which each makes some atom say something else: new
// events of two kinds, or new ones for one that goes.
func pairOfEvents(tree plainTree, atoms []plainAtom, p plainPerson, all []single, before []byte, member bool) (size int, first, second single) {
	all = slices.DeleteFunc(slices.Clone(all), func(s single) bool {
		return s.source != "more" && s.source != "fewer" || string(s.outcomes) == string(before)
	})
	size = never
	for i, a := range all {
		for _, b := range all[i+1:] {
			n := int(a.size + b.size)
			if a.source == "more" && a.source == b.source && a.what == b.what && n > maxCount {
				continue // a single change of more than is tried
			}
			if n < size && (tree.says(outcomesOf(atoms, b.change(a.change(p)))) == 't') != member {
				size, first, second = n, a, b
			}
		}
	}
	return size, first, second
}

// leastEvents is the least number of events that two changes of events add and take.
func leastEvents(a Answer) int {
	least := never
	for _, o := range a.Options {
		n := 0
		for _, c := range o.Changes {
			if c.Kind != MoreEvents && c.Kind != FewerEvents {
				n = never / 2
			}
			n += c.Count + len(c.IDs)
		}
		least = min(least, n)
	}
	return least
}

// pairInAtom tries two literals of one atom together.
func pairInAtom(tree plainTree, atoms []plainAtom, p plainPerson, all []single, before []byte, member bool) (first, second single, any bool) {
	place := func(s single) (n int) {
		_, err := fmt.Sscanf(s.source, fmt.Sprint(s.atom, ".%d"), &n)
		if err != nil {
			panic(err)
		}
		return n
	}
	for i, a := range all {
		for _, b := range all[i+1:] {
			if a.atom < 0 || a.atom != b.atom || a.source == b.source {
				continue
			}
			lits, after := slices.Clone(atoms[a.atom].lits), slices.Clone(before)
			lits[place(a)], lits[place(b)] = a.to, b.to
			if after[a.atom] = atoms[a.atom].means(p, lits); (tree.says(after) == 't') != member {
				return a, b, true
			}
		}
	}
	return first, second, false
}
