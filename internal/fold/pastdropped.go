package fold

import (
	"errors"
	"math"

	"github.com/embedcdp/cdp/internal/plan"
)

// This file is what a past state does not answer: an event that was there at its instant, and was dropped since.

// Missing says that a question about the past looks for events that were dropped since.
type Missing struct {
	Event     string // the type
	From      int64  // the question looks for events from here on; math.MinInt64 is all
	Until     int64  // events before were dropped
	Retention string // of the type; "" when it is no more
}

// ErrDroppedMeanwhile means that events were dropped while a past state was derived: it is to be asked for anew.
var ErrDroppedMeanwhile = errors.New("events were dropped while the past was derived")

// stale says whether events were dropped since the past state was made.
func (p *Past) stale() bool {
	for i, n := range p.state.past.dropped {
		if p.state.types[i].gone.Rows != n {
			return true
		}
	}
	return p.state.past.flipsDropped != p.state.now.flipsKept.gone.Rows
}

// MissingFor returns what a segment misses at a past instant: events in reach of its condition, or of one that it asks for. nil
// is nothing; also when there is no such segment.
func (s *State) MissingFor(segment string, at int64) *Missing {
	reach := map[string]int64{}
	s.addReach(s.segNamed[segment], reach, map[string]bool{})
	return s.missing(at, reach)
}

// MissingForCondition is MissingFor of a segment that is not saved.
func (s *State) MissingForCondition(d *SegmentDef, at int64) *Missing {
	expr, err := s.compileWhere(d)
	if err != nil {
		return nil // whoever compiles it next says why
	}
	reach := reachOf(expr)
	for _, dep := range expr.Deps().Segments {
		s.addReach(s.segNamed[dep], reach, map[string]bool{})
	}
	return s.missing(at, reach)
}

// MissingForEvents returns what a question at a past instant misses that reads all events of some types from a time on.
func (s *State) MissingForEvents(types []string, from, at int64) *Missing {
	reach := map[string]int64{}
	for _, name := range types {
		reach[name] = plan.Ever
		if from != math.MinInt64 {
			reach[name] = at - from
		}
	}
	return s.missing(at, reach)
}

func (s *State) missing(at int64, reach map[string]int64) *Missing {
	for _, t := range s.types {
		if span, reads := reach[t.def.Name]; reads {
			if m := t.gone.missing(t.def.Name, t.def.Retention, span, at); m != nil {
				return m
			}
		}
	}
	for _, name := range flipTypes {
		if span, reads := reach[name]; reads {
			_, retention := s.flipsKept.longest()
			if m := s.flipsKept.gone.missing(name, retention, span, at); m != nil {
				return m
			}
		}
	}
	return nil
}

// missing is what a question misses that looks back so far from an instant.
func (d Dropped) missing(name, retention string, span, at int64) *Missing {
	if d.Rows == 0 || d.At <= at { // what had gone by then was not there then
		return nil
	}
	from := int64(math.MinInt64)
	if span != plan.Ever {
		from = at - span
	}
	if from >= d.Until {
		return nil
	}
	return &Missing{name, from, d.Until, retention}
}

// MissingForStays returns what is missing to say who was inside which journey at a past instant.
func (s *State) MissingForStays(at int64) *Missing {
	return s.MissingForEvents(stayTypes, math.MinInt64, at)
}

// TimelineTypes returns the names of all event types that timelines show.
func (s *State) TimelineTypes() (names []string) {
	for _, t := range s.types {
		names = append(names, t.def.Name)
	}
	return append(names, flipTypes...)
}
