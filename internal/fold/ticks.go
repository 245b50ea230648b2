package fold

import "github.com/embedcdp/cdp/internal/deadline"

// What a deadline is for.
const (
	dueSegment = 1 // a membership may change: row, segment id
	dueJourney = 2 // an enrolment goes on: handle
	dueEvent   = 3 // an event dated in the future happens: index, type id
	dueHistory = 4 // the same for one that was imported or replayed, which starts no journey
	dueObject  = 5 // a version of an object dated in the future holds: row of the table

	dueRetention = 6 // the oldest events of a type are older than they are kept: type id
	dueFlips     = 7 // the oldest flips are
)

func dueItem(kind uint8, row, subject uint32) deadline.Item {
	return deadline.Item{Kind: kind, Row: row, Subject: subject}
}

// insertLater adds a deadline that nothing else in the state tells of, so that a checkpoint finds it.
func (s *State) insertLater(at int64, it deadline.Item) {
	s.later[it] = at
	s.due.Insert(at, it)
}

// drain fires every deadline up to now, each at its own instant, in order of time. What fires may set new ones.
func (s *State) drain(now int64) {
	for ready := 0; ; ready-- {
		at, ok := s.due.Next()
		if !ok || at > now {
			return
		}
		if ready <= 0 {
			ready = s.lookAhead()
		}
		s.Now = max(s.Now, at)
		s.due.Drain(at, 1, s.fire)
	}
}

func (s *State) fire(at int64, it deadline.Item) {
	switch it.Kind {
	case dueSegment:
		seg := s.segments[it.Subject]
		if seg == nil || !s.touchDue(seg, it.Row, at) {
			return // replaced by another deadline since
		}
		s.settleRow(it.Row, at)
	case dueRetention:
		s.retain(s.types[it.Subject], at)
	case dueFlips:
		s.retainFlips(at)
	case dueObject:
		delete(s.later, it)
		s.objectHolds(it.Row)
	case dueJourney:
		s.journeys.timer(s, it.Row, at)
	case dueEvent, dueHistory:
		delete(s.later, it)
		t := s.types[it.Subject]
		row := s.ids.Canonical(t.row.Uint(it.Row))
		cause := CauseTime
		if it.Kind == dueHistory {
			cause = CauseImport
		}
		s.stimulate(stimulus{kind: onEvent, typ: t, index: it.Row, row: row, at: at, cause: cause})
	}
	s.settle()
}

// touchDue marks the segment of a deadline, if it still holds; where segments ask for each other, also the others that are due
// for the row at this instant, so that they are asked in their order and none flips twice.
func (s *State) touchDue(seg *segment, row uint32, at int64) (holds bool) {
	if !seg.pending.take(row, at) {
		return false
	}
	s.touch(seg, CauseTime)
	if len(seg.dependents) == 0 && len(seg.deps.Segments) == 0 {
		return true
	}
	for _, other := range s.byRank {
		if other.pending.take(row, at) {
			s.touch(other, CauseTime)
		}
	}
	return true
}

// NextDue is the earliest instant at which something happens by itself.
func (s *State) NextDue() (at int64, ok bool) { return s.due.Next() }
