package live

import (
	"slices"

	"github.com/embedcdp/cdp/internal/plan"
)

// sequence asks for an event of each step after one of the step before, the last at most span after the first.
type sequence struct {
	steps []list
	span  int64
	kept  *table
}

// holds: from a given first event the earliest possible follower is always the best choice, and the earliest followers of a
// later first event are not earlier; so each list is gone through once, oldest first. Events that leave never make it true,
// and while those that made it true stay, it is.
func (s *sequence) holds(who *Person, side plan.Outcome) (bool, int64) {
	w := s.steps[0].limits(who)
	if !w.ok {
		return false, w.next
	}
	if k, _ := s.kept.of(who, w).(*keptSequence); k != nil { // all steps have the same limits
		yes, next := k.find(who, w)
		return yes == (side == plan.IsTrue), next
	}
	next, ok := s.collect(who)
	if !ok {
		return false, next
	}
	s.kept.begin(who, w)
	yes, leaves := s.find(who)
	return yes == (side == plan.IsTrue), min(next, leaves)
}

// collect gathers the events of each step, oldest first.
func (s *sequence) collect(who *Person) (next int64, ok bool) {
	next = Never
	walked := 0
	for len(who.steps) < len(s.steps) {
		who.steps = append(who.steps, nil)
	}
	for k := range s.steps {
		events, typ := who.steps[k][:0], s.steps[k].typ
		w := s.steps[k].limits(who)
		if !w.ok {
			return min(next, w.next), false
		}
		next = min(next, s.steps[k].each(who, w, func(i uint32, t int64) verb {
			events = append(events, moment{t, typ.Seq.Int(i)})
			return goOn
		}))
		walked += who.walked
		slices.Reverse(events)
		if !slices.IsSortedFunc(events, moment.compare) {
			slices.SortFunc(events, moment.compare)
		}
		who.steps[k] = events
	}
	who.walked = walked
	return next, true
}

func (s *sequence) find(who *Person) (yes bool, leaves int64) {
	var placed [16]int
	place := placed[:]
	if len(s.steps) > len(place) {
		place = make([]int, len(s.steps))
	}
	for _, first := range who.steps[0] {
		previous, leaves := first, s.steps[0].leaves(first.time)
		for k := 1; k < len(s.steps); k++ {
			events := who.steps[k]
			for place[k] < len(events) && events[place[k]].compare(previous) <= 0 {
				place[k]++
			}
			if place[k] == len(events) {
				return false, Never // nothing is left for later first events either
			}
			previous = events[place[k]]
			leaves = min(leaves, s.steps[k].leaves(previous.time))
		}
		if previous.time-first.time <= s.span {
			return true, leaves
		}
	}
	return false, Never
}

func (*sequence) cost() int { return costEvents }

func (s *sequence) moved() (rises, falls bool) {
	for k := range s.steps {
		falls = falls || s.steps[k].boundByEvents()
	}
	return true, falls
}
