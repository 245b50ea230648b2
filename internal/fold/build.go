package fold

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/deadline"
	"github.com/embedcdp/cdp/internal/exec"
	"github.com/embedcdp/cdp/internal/live"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/roweval"
)

// This file is how a segment over many people is saved without holding up intake.
//
//  1. The definition makes a version that is on its way (Build): checked, compiled, watching what it reads, and without
//     members. What was there before goes on: the older version, or for a new segment nobody. The state of this moment
//     is frozen, and from now on whoever the version would have been asked about is only noted (touched).
//  2. Whoever runs the fold finds the members and their deadlines in the frozen state, in a goroutine of its own (Find), and
//     then appends a KindActivate record with the number of the build.
//  3. That record takes over what was found, asks again about those touched since, and lets everybody enter and leave at its
//     own instant: nobody can tell from the flips that the members were found before. When there are many to ask
//     again, the state is frozen once more and these are asked beside intake too, in a next round.
//
// What Find finds follows from the frozen state and nothing else. So a state that folds a KindActivate record and has not run
// Find, because it replays the log or because another process built, runs it then and comes out the same. A frozen
// state is in no checkpoint: none is made while a version is on its way (Building), so that a replay always begins before it.
// After a crash the version is still on its way, and is built again.
//
// A version that asks for a segment which is itself on its way waits for that one. It is begun anew when that one took
// effect, because what it saw is not so any more.

// Build is a version of a segment on its way. Find may be called by one goroutine while the fold goes on; what else there is
// belongs to the fold.
type Build struct {
	Segment string
	Number  int64 // names this round of this build in the log

	version *segment        // what it becomes; it is in byRank, so that everything that concerns it touches it
	touched *roaring.Bitmap // who was touched since the last step's state
	rounds  int

	mu      sync.Mutex // guards what follows
	steps   []buildStep
	members *roaring.Bitmap
	pending pendings
	due     *deadline.Index // of everything in pending, and maybe more
}

// buildStep is what is still to be found.
type buildStep struct {
	state *State // frozen
	plan  plan.Physical
	again *roaring.Bitmap // whom to ask; nil is everybody, by the plan
}

// Limits of what an activation asks about under the lock. They are part of the fold: another value is another fold.
var askedAtOnce uint64 = 1000 // people who are asked about in the activation itself; a variable for tests

const maxRounds = 8 // after which it asks about all who are left

// Large says whether there is so much to look through that a segment is better built beside intake.
func (s *State) Large() bool {
	events := 0
	for _, t := range s.types {
		events += t.tab.Len()
	}
	return s.ids.Rows() >= largeRows || events >= largeEvents
}

const (
	largeRows   = 20_000
	largeEvents = 400_000
)

// build begins a version of a segment, in place of one that may be on its way.
func (s *State) build(seg *segment, d *SegmentDef, expr *celenv.Expr, prog *roweval.Program) {
	b := &Build{Segment: seg.name, Number: s.next(), touched: roaring.New(), due: deadline.New()}
	b.version = &segment{id: seg.id, name: seg.name, def: *d, visitors: d.Of == "visitors", deps: expr.Deps(), members: roaring.New(), build: b}
	s.setProgram(b.version, expr, prog)
	b.steps = []buildStep{{state: s.Freeze(b.version.deps, true), plan: s.planToFill(b.version)}}
	seg.next = b
	s.indexSegments()
	s.rebuildCatalogue()
}

// nobodyYet gives a new segment, of which the first version is on its way, a condition that nobody meets.
func (s *State) nobodyYet(seg *segment, d *SegmentDef) {
	none := SegmentDef{Name: d.Name, Of: d.Of, Where: "false"}
	expr, prog, err := s.compileSegment(&none)
	if err != nil {
		panic(fmt.Sprintf("segment %q: %v", d.Name, err))
	}
	seg.def, seg.visitors, seg.deps = none, none.Of == "visitors", expr.Deps()
	s.setProgram(seg, expr, prog)
}

// Building says whether a version of any segment is on its way.
func (s *State) Building() bool {
	return slices.ContainsFunc(s.byRank, func(seg *segment) bool { return seg.build != nil })
}

// NextBuild returns a version on its way for which skip is false and that waits for no other, or nil.
func (s *State) NextBuild(skip func(*Build) bool) *Build {
	for _, seg := range s.byRank {
		if seg.build != nil && !s.waits(seg.build) && !skip(seg.build) {
			return seg.build
		}
	}
	return nil
}

// BuildOf returns a segment's version on its way, or nil.
func (s *State) BuildOf(name string) *Build {
	if seg := s.segNamed[name]; seg != nil {
		return seg.next
	}
	return nil
}

// waits says whether a version asks for a segment that is on its way.
func (s *State) waits(b *Build) bool {
	return slices.ContainsFunc(b.version.deps.Segments, func(name string) bool { return s.BuildOf(name) != nil })
}

// Find finds the members and when each can next change by time alone. It ends early, with nothing found, once stop
// returns true; nil is never. It may be called again.
func (b *Build) Find(stop func() bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.steps) > 0 {
		if !b.find(b.steps[0], stop) {
			return
		}
		b.steps = slices.Delete(b.steps, 0, 1)
	}
}

// askedBetween is how many people are asked about between two looks at stop.
const askedBetween = 256

func (b *Build) find(step buildStep, stop func() bool) (done bool) {
	f, seg := step.state, &segment{name: b.version.name, visitors: b.version.visitors, expr: b.version.expr, prog: b.version.prog}
	f.setLive(seg)
	asked, stopped := 0, false
	ask := func(row uint32) (yes bool) {
		if asked++; asked%askedBetween == 0 && stop != nil && stop() {
			stopped = true
		}
		if stopped {
			return false
		}
		yes, next := f.holds(seg, row, f.Now)
		b.pending.remove(row)
		if next != live.Never {
			next = min(next, f.Now+maxAhead)
			b.pending.set(row, next)
			b.due.Insert(next, dueItem(dueSegment, row, b.version.id))
		}
		return yes
	}
	if step.again == nil {
		members := exec.Run(step.plan, question{f, seg.visitors, f.Now, ask})
		if stopped || stop != nil && stop() {
			b.pending.clear()
			b.due = deadline.New()
			return false
		}
		b.members = members
		return true
	}
	for it := step.again.Iterator(); it.HasNext() && !stopped; {
		row := it.Next()
		setMember(b.members, row, ask(row))
	}
	return !stopped
}

func setMember(members *roaring.Bitmap, row uint32, in bool) {
	if in {
		members.Add(row)
	} else {
		members.Remove(row)
	}
}

// activate lets a segment's version take effect. A record that names a build which is not there any more changes nothing.
func (s *State) activate(r *record.Record, names []string) Verdict {
	b := s.BuildOf(string(r.ID))
	if names[r.Name] != DefSegment || b == nil || b.Number != r.Time || s.waits(b) {
		return Verdict{Code: Duplicate}
	}
	b.Find(nil)
	b.mu.Lock()
	defer b.mu.Unlock()
	again := b.touched
	for _, x := range s.batch.deferred { // history that came in this batch would touch at its end
		again.Add(s.ids.Canonical(x.row))
	}
	b.pending.until(s.Now, func(row uint32) { again.Add(row) })
	if b.rounds < maxRounds && again.GetCardinality() > askedAtOnce {
		b.Number, b.touched = s.next(), roaring.New()
		b.rounds++
		b.steps = append(b.steps, buildStep{state: s.Freeze(b.version.deps, true), again: again})
		return Verdict{}
	}

	seg := s.segNamed[b.Segment]
	seg.next = nil
	seg.def, seg.visitors, seg.deps, seg.pending = b.version.def, b.version.visitors, b.version.deps, b.pending
	s.due.Merge(b.due)
	s.setProgram(seg, b.version.expr, b.version.prog)
	s.indexSegments()
	s.rebuildCatalogue()
	for it := again.Iterator(); it.HasNext(); {
		row := it.Next()
		yes, next := s.holds(seg, row, s.Now)
		seg.pending.remove(row)
		s.expect(seg, row, next)
		setMember(b.members, row, yes)
	}
	s.setMembers(seg, b.members)
	for _, other := range s.segments { // what they saw of this one is not so any more
		if other != nil && other.next != nil && slices.Contains(other.next.version.deps.Segments, seg.name) {
			v := other.next.version
			s.build(other, &v.def, v.expr, v.prog)
		}
	}
	return Verdict{}
}

// holds tells whether a person is in a segment, and the earliest later instant at which that can change by time alone.
func (s *State) holds(seg *segment, row uint32, at int64) (yes bool, next int64) {
	if s.ids.IsCustomer(row) == seg.visitors || s.ids.Canonical(row) != row {
		return false, math.MaxInt64
	}
	return seg.live.Holds(s.asked(row, at))
}
