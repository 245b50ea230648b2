package fold

import (
	"github.com/embedcdp/cdp/internal/deadline"
	"github.com/embedcdp/cdp/internal/live"
)

// This file lets the processor fetch what the next deadlines need from memory. Each deadline is about somebody else, so
// asking about them one by one waits for memory half a dozen times, each time for one thing after the other. Read for many
// of them at once, and in rounds of which none needs what the same round reads, these things come at the same time. Nothing is done
// with them, and nothing is read from the store: what deadlines do is the same with and without it.

// lookAheadBy is for how many deadlines. What they need fits the processor's first cache.
const lookAheadBy = 32

// ahead is memory of lookAhead.
type ahead struct {
	items    [lookAheadBy]deadline.Item
	newest   []newest
	anything int64 // a result, or the compiler would leave the reading out
}

// newest is an event of a list that will be walked.
type newest struct {
	typ   *live.Type
	event uint32 // plus one
}

// lookAhead reads what the next deadlines of segments will need, and returns for how many deadlines that was.
func (s *State) lookAhead() int {
	a := &s.batch.ahead
	coming := s.due.Coming(a.items[:0])
	sum, events := int64(0), a.newest[:0]
	for _, it := range coming {
		if seg := s.waiting(it); seg != nil {
			if seg.pending.block(it.Row) != nil {
				sum++
			}
			sum += int64(s.lastFlip.Uint(it.Row))
			for _, t := range seg.live.Lists() {
				events = append(events, newest{t, t.Heads.Uint(it.Row)})
			}
		}
	}
	for _, it := range coming {
		if seg := s.waiting(it); seg != nil {
			if b := seg.pending.block(it.Row); b != nil {
				sum += int64(len(b.times))
			}
		}
	}
	for _, it := range coming {
		if seg := s.waiting(it); seg != nil {
			at, _ := seg.pending.get(it.Row, 0)
			sum += at
		}
	}
	for range 2 { // most walks end at the second event
		for i, x := range events {
			if x.event != 0 {
				sum += x.typ.Time.IntInMemory(x.event - 1)
				events[i].event = x.typ.Prev.Uint(x.event - 1)
			}
		}
	}
	a.newest, a.anything = events, sum
	return len(coming)
}

// waiting returns the segment of a deadline, nil when it has none.
func (s *State) waiting(it deadline.Item) *segment {
	if it.Kind != dueSegment {
		return nil
	}
	return s.segments[it.Subject]
}
