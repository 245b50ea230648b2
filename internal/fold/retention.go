package fold

// This file is how events go when they are older than they are kept. The unit is a block of column.ChunkRows events of a type,
// in order of arrival, because that is what the tables and the store have: when every event of the oldest block is old
// enough, by its own time and by its arrival, the block goes. When that is follows from the block alone, so it is a deadline
// like any other, and a state that is folded again drops the same events at the same instants.
//
// A row keeps its number. What refers to events by number:
//
//	lists of people, in memory   what was dropped is taken out of them
//	what package live keeps      given up, and made anew from the lists
//	the ids seen                 all ids of the block have expired before
//	enrolments and the outbox    the block stays while the event that started a journey may still be asked for
//	what the platform goes by    see systemretention.go
//	future events' deadlines     are of events that are not old
//	past states                  refuse questions that would read what was dropped since (pastdropped.go)
//	frozen states                hold their chunks; the store keeps them for two more checkpoints

import (
	"fmt"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/journey"
	"github.com/embedcdp/cdp/internal/plan"
)

// Dropped is what retention has taken from an event type.
type Dropped struct {
	Rows  uint32 `json:"rows"`  // the first so many events in order of arrival; whole blocks
	At    int64  `json:"at"`    // when the last of them went
	Until int64  `json:"until"` // they happened before
}

const (
	minRetention = 7 * day      // ids are known for so long
	idSlack      = 7 * day / 32 // and for up to so much longer
	day          = 86400e6

	pinnedAgain = 3600e6 // a block that a journey needs is looked at again after so long
	dropBlocks  = 128    // blocks that go at once; more of them a second later
)

// checkRetention says what is wrong with a retention.
func checkRetention(s string) error {
	if s == "" {
		return nil
	}
	keep, err := journey.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("retention: %w", err)
	}
	if keep < minRetention {
		return fmt.Errorf("retention: %q is shorter than 7d, for which the ids of events are known; keep events for 7d at least", s)
	}
	return nil
}

// kept is how many events of the type there are.
func (t *eventType) kept() int { return t.tab.Len() - int(t.gone.Rows) }

// setRetention follows a new definition of a type.
func (s *State) setRetention(t *eventType) {
	t.keep = 0
	if t.def.Retention != "" {
		t.keep, _ = journey.ParseDuration(t.def.Retention) // it was checked
	}
	if !s.loading {
		s.dropNever(t)
		s.scheduleRetention(t)
	}
}

// scheduleRetention sets the deadline of the oldest block, unless one is pending.
func (s *State) scheduleRetention(t *eventType) {
	if at, ok := t.freeAt(int(t.gone.Rows) / column.ChunkRows); ok && t.keep > 0 && t.dropAt == 0 {
		s.dropAgain(t, at)
	}
}

func (s *State) dropAgain(t *eventType, at int64) {
	t.dropAt = at
	s.insertLater(at, dueItem(dueRetention, 0, t.id))
}

func (s *State) dropNever(t *eventType) {
	t.dropAt = 0
	delete(s.later, dueItem(dueRetention, 0, t.id))
}

// freeAt is when all events of a block will be old enough; false when the block is not full.
func (t *eventType) freeAt(block int) (at int64, ok bool) {
	if (block+1)*column.ChunkRows >= t.tab.Len() {
		return 0, false
	}
	return max(latestIn(t.time, block)+t.keep, latestIn(t.arrived, block)+t.keep+idSlack), true
}

// latestIn is the latest time in a block.
func latestIn(c *column.Column, block int) int64 {
	if _, hi, ok := c.IntRange(block); ok {
		return hi
	}
	return slices.Max(c.Ints(block))
}

func earliestIn(c *column.Column, block int) int64 {
	if lo, _, ok := c.IntRange(block); ok {
		return lo
	}
	return slices.Min(c.Ints(block))
}

// retain drops the oldest blocks of a type that are old enough, at the instant at which the first of them is.
func (s *State) retain(t *eventType, at int64) {
	if t.dropAt != at {
		return // replaced by another deadline since
	}
	s.dropNever(t)
	first := int(t.gone.Rows) / column.ChunkRows
	free, pinned := first, t.pinned()
	if t.def.Name == InboxRead {
		pinned = min(pinned, s.readsLeft(t, first))
	}
	for free < pinned && free < first+dropBlocks {
		if at, ok := t.freeAt(free); !ok || at > s.Now {
			break
		}
		free++
	}
	if free > first {
		s.dropEvents(t, first, free)
	}
	switch next, ok := t.freeAt(free); {
	case !ok:
	case next > s.Now:
		s.dropAgain(t, next)
	case free == pinned:
		s.dropAgain(t, s.Now+pinnedAgain)
	default:
		s.dropAgain(t, s.Now+1e6)
	}
}

// pinned is the number of the block with the oldest event that started a journey which somebody is still inside, or of which a message is not
// sent yet: `event` must stay readable there.
func (t *eventType) pinned() int {
	oldest := t.tab.Len() / column.ChunkRows
	for block := range t.pins {
		oldest = min(oldest, block)
	}
	return oldest
}

// pin counts an enrolment or a message that needs the event which started it (by 1), or no longer does (by -1).
func (e eventRef) pin(by int) {
	if e.t == nil {
		return
	}
	if e.t.pins == nil {
		e.t.pins = map[int]int{}
	}
	block := int(e.i) / column.ChunkRows
	if e.t.pins[block] += by; e.t.pins[block] == 0 {
		delete(e.t.pins, block)
	}
}

// dropEvents drops blocks of events, and asks those segments about their people that look so far back.
func (s *State) dropEvents(t *eventType, from, to int) {
	seen, err := s.seen.wait()
	if err != nil {
		s.failed = err
		return
	}
	seen.Advance(s.Now) // lets go of the ids of these events
	stayed := s.journeys.staysGone(s, t, from, to)
	rows := roaring.New()
	for k := from; k < to; k++ {
		people := t.row.Uints(k)
		if people == nil { // all of them are row 0
			people = []uint32{0}
		}
		rows.AddMany(people)
		t.gone.Until = max(t.gone.Until, latestIn(t.time, k)+1)
	}
	t.gone.Rows, t.gone.At = uint32(to*column.ChunkRows), s.Now
	for it := rows.Iterator(); it.HasNext(); {
		t.unlink(it.Next())
	}
	t.tab.Drop(to)
	t.owners.kept.Forget(to)
	t.prev.DropVector(to)
	t.earliest = math.MaxInt64
	for k := to; k < t.tab.Chunks(); k++ {
		t.earliest = min(t.earliest, earliestIn(t.time, k))
	}
	for it := stayed.Iterator(); it.HasNext(); {
		s.journeys.recall(s, it.Next())
	}
	s.mix(uint64(t.id)<<32 | uint64(t.gone.Rows))
	s.askAfterDrop(t, rows)
}

// unlink takes what was dropped out of the list of a row.
func (t *eventType) unlink(row uint32) {
	kept, cut := uint32(0), false // the last event of the list that stays, plus one; whether events behind it do not
	join := func(next uint32) {
		if kept == 0 {
			t.heads.SetUint(row, next)
		} else {
			t.prev.SetUint(kept-1, next)
		}
	}
	for i := t.heads.Uint(row); i != 0; i = t.prev.Uint(i - 1) {
		if i-1 < t.gone.Rows {
			cut = true
			continue
		}
		if cut {
			join(i)
		}
		kept, cut = i, false
	}
	if cut {
		join(0)
	}
	if kept == 0 {
		t.unordered.Remove(row)
		delete(t.lates, row)
	}
}

// askAfterDrop asks the segments that look further back than events are kept about the people whose events went.
func (s *State) askAfterDrop(t *eventType, rows *roaring.Bitmap) {
	s.busy.Drop(t.def.Name)
	var reach []*segment
	for _, seg := range s.byRank {
		span, reads := seg.reach[t.def.Name]
		if !reads {
			continue
		}
		if span > t.keep {
			reach = append(reach, seg)
		}
	}
	if len(reach) == 0 {
		return
	}
	people := roaring.New()
	for it := rows.Iterator(); it.HasNext(); {
		people.Add(s.ids.Canonical(it.Next()))
	}
	for it := people.Iterator(); it.HasNext(); {
		row := it.Next()
		for _, seg := range reach {
			s.touch(seg, CauseRetention)
		}
		s.settleRow(row, s.Now)
	}
}

// reachOf is how far back a condition looks, by event type.
func reachOf(expr *celenv.Expr) map[string]int64 {
	return plan.Reach(plan.Logical(expr), func(cel string) []string {
		if part, err := celenv.Compile(expr.Catalogue(), expr.Scope(), cel); err == nil {
			return part.Deps().Events
		}
		return expr.Deps().Events
	})
}

// Limit says that a condition looks further back than the events of a type are kept.
type Limit struct {
	Event     string
	Retention string // of the type; "" when it is no more, and events are gone all the same
	Reach     int64  // microseconds before now; plan.Ever is all time
}

// LimitsOf returns the limits at an instant of a segment and of those it asks for, by event type; false when there is no such
// segment.
func (s *State) LimitsOf(name string, now int64) ([]Limit, bool) {
	seg := s.segNamed[name]
	if seg == nil {
		return nil, false
	}
	var out []Limit
	reach := map[string]int64{}
	s.addReach(seg, reach, map[string]bool{})
	for _, t := range s.types {
		span, reads := reach[t.def.Name]
		if reads && (t.keep > 0 && span > t.keep || t.gone.Rows > 0 && (span == plan.Ever || now-span < t.gone.Until)) {
			out = append(out, Limit{t.def.Name, t.def.Retention, span})
		}
	}
	return out, true
}

// addReach adds the reach of a segment and of those it asks for.
func (s *State) addReach(seg *segment, reach map[string]int64, done map[string]bool) {
	if seg == nil || done[seg.name] {
		return
	}
	done[seg.name] = true
	for typ, span := range seg.reach {
		reach[typ] = max(reach[typ], span)
	}
	for _, dep := range seg.deps.Segments {
		s.addReach(s.segNamed[dep], reach, done)
	}
}
