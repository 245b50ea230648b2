package fold

import (
	"math"
	"slices"
	"sort"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/exec"
	"github.com/embedcdp/cdp/internal/identity"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/roweval"
)

// A past state answers what the present one does, as of an instant. It shares the tables of the present state, of which it
// sees the rows that its horizon lets through: for "known at" those that had arrived, which are the first ones of every
// table; for "true at" those that hold by then. Events, flips and objects are looked through while they are read, so
// they cost nothing. What the present state keeps by row, identity and attributes, is derived by a replay of the tables: for
// everybody (Past), or for the rows of one person (PastOf). A past state is read under the lock of the present one, and only by
// the methods in reads.go and those of this file and pastreads.go.

// Instant is a place in the past, and what is asked about it.
type Instant struct {
	At    int64 // microseconds
	Known bool  // what had arrived by then; else what was true then by all that is known now
}

// horizon is what a past state sees: how many rows of each table, and up to which time.
type horizon struct {
	Instant
	events                                         []int    // by type
	dropped                                        []uint32 // by type: the rows that retention had taken when it was asked
	identifiers, links, sets, flips, objs, defined int
	flipsDropped                                   uint32 // as dropped
}

func (h *horizon) equal(o *horizon) bool {
	return h.samePeople(o) && slices.Equal(h.events, o.events) && slices.Equal(h.dropped, o.dropped) && h.flips == o.flips && h.flipsDropped == o.flipsDropped && h.objs == o.objs
}

// samePeople says whether identity and attributes are the same.
func (h *horizon) samePeople(o *horizon) bool {
	return h.Instant == o.Instant && h.identifiers == o.identifiers && h.links == o.links && h.sets == o.sets && h.defined == o.defined
}

// until is the time after which what has a time does not count.
func (h *horizon) until() int64 {
	if h.Known {
		return math.MaxInt64
	}
	return h.At
}

func (s *State) horizon(t Instant) *horizon {
	h := &horizon{Instant: t, defined: s.definitions.Len()}
	length := func(tab *column.Table, arrived string) int {
		if !t.Known {
			return tab.Len()
		}
		return arrivedBy(tab, tab.Column(arrived), t.At)
	}
	for _, typ := range s.types {
		n := typ.tab.Len()
		if t.Known {
			first := int(typ.gone.Rows)
			n = first + sort.Search(n-first, func(i int) bool { return typ.arrived.Int(uint32(first+i)) > t.At })
		}
		h.events, h.dropped = append(h.events, n), append(h.dropped, typ.gone.Rows)
	}
	h.identifiers, h.links, h.sets = length(s.identifiers, "t"), length(s.links, "t"), length(s.sets, "a")
	h.flips = arrivedBy(s.flips, s.flips.Column("t"), t.At) // what the platform did, it did at the time it noted
	h.flipsDropped = s.flipsKept.gone.Rows
	h.objs = length(s.objectLog, "a")
	if t.Known {
		h.objs = max(h.objs, s.undatedObjects(h))
	}
	return h
}

// arrivedBy is how many rows of a table had come by an instant. The column never goes back; absent is before everything.
func arrivedBy(tab *column.Table, arrived *column.Column, at int64) int {
	return sort.Search(tab.Len(), func(i int) bool { return arrived.Int(uint32(i)) > at })
}

// undatedObjects is how many versions of objects that a file of the first format kept without their arrival had come: those
// before the first event, identifier or attribute that came later, in the order of everything.
func (s *State) undatedObjects(h *horizon) int {
	q, arrived := s.objectLog.Column("q"), s.objectLog.Column("a")
	undated := sort.Search(s.objectLog.Len(), func(i int) bool { return arrived.Int(uint32(i)) != column.AbsentInt })
	next := int64(math.MaxInt64)
	later := func(tab *column.Table, name string, from int) {
		if from < tab.Len() {
			next = min(next, tab.Column(name).Int(uint32(from)))
		}
	}
	for _, t := range s.types {
		later(t.tab, "$q", h.events[t.id])
	}
	later(s.identifiers, "q", h.identifiers)
	later(s.sets, "q", h.sets)
	return sort.Search(undated, func(i int) bool { return q.Int(uint32(i)) > next })
}

// Earliest is the first instant that can be asked about: of the first arrival, or the earliest time of anything; false when
// nothing has happened.
func (s *State) Earliest(known bool) (first int64, any bool) {
	first = math.MaxInt64
	for _, t := range []*column.Table{s.definitions, s.identifiers} {
		if t.Len() > 0 {
			first = min(first, t.Column("t").Int(0))
		}
	}
	if !known {
		first = min(first, s.earliest)
		for _, t := range s.types {
			first = min(first, t.earliest)
		}
	}
	return first, first != math.MaxInt64
}

// shell is a past state before its identity and attributes are derived. It has what readers need and shares all of it, but
// for segments, whose members are to be found.
func (s *State) shell(h *horizon) *State {
	p := &State{past: h, freezing: s.freezing, Position: s.Position, Now: h.At, Settings: s.Settings, Catalogue: s.Catalogue,
		types: s.types, typeNamed: s.typeNamed, kinds: s.kinds, kindCode: s.kindCode, attrNames: s.attrNames, objects: s.objects,
		sets: s.sets, links: s.links, now: s, flips: s.flips, lastFlip: s.lastFlip, segments: s.segments, removedSegments: s.removedSegments,
		attrs: make(map[string]*attribute, len(s.attrs)), segNamed: make(map[string]*segment, len(s.segNamed))}
	for name, a := range s.attrs {
		p.attrs[name] = &attribute{name: name, decl: a.decl, now: column.NewVector(a.now.Kind()), at: column.NewVector(column.Int64)}
	}
	for name, seg := range s.segNamed {
		p.segNamed[name] = &segment{id: seg.id, name: name, def: seg.def, visitors: seg.visitors, prog: seg.prog, deps: seg.deps, plan: seg.plan,
			missing: s.MissingFor(name, h.At) != nil}
	}
	return p
}

// identityAt is who had come, linked to nobody yet.
func (s *State) identityAt(h *horizon, only []uint32) *identity.Graph {
	rows, last := s.ids.Rows(), identity.Identifier{}
	kind, id, row := s.identifiers.Column("kind"), s.identifiers.Column("id"), s.identifiers.Column("row")
	if only == nil && h.identifiers < s.identifiers.Len() {
		rows = 0
		for i := range uint32(h.identifiers) {
			rows = max(rows, int(row.Uint(i))+1) // each row came with an identifier
		}
	}
	if n := uint32(h.identifiers); n > 0 {
		last = identity.Identifier{Kind: s.kindCode[kind.Str(n-1)], ID: id.Bytes(n - 1)}
	}
	return s.ids.Before(rows, last, only)
}

// PastOf returns the past state of one person, whom the identifier belonged to then, and their row in it; false when the
// identifier was not known. It replays the tables for this person only, and holds nothing of anybody else.
func (s *State) PastOf(t Instant, kind, id string) (p *State, row uint32, ok bool, err error) {
	code, known := s.kindCode[kind]
	if !known {
		return nil, 0, false, nil
	}
	if row, ok = s.ids.Find(code, []byte(id)); !ok {
		return nil, 0, false, nil
	}
	h := s.horizon(t)
	only := slices.Collect(s.ids.Members(row)) // groups only grow, so these are all that may have belonged together
	p = s.shell(h)
	p.ids = s.identityAt(h, only)
	if row, ok = p.ids.Find(code, []byte(id)); !ok {
		return nil, 0, false, nil
	}
	if _, err = newReplay(p, h.sets, h.links, h.until(), only).step(math.MaxInt); err != nil {
		return nil, 0, false, err
	}
	return p, p.ids.Canonical(row), true, nil
}

// Past is the past state of everybody while it is derived. Its methods are called under the lock of the present state; between
// two steps the lock may be let go, because rows of tables never change and the horizon holds for all steps.
type Past struct {
	state  *State
	replay *replay
	asked  []*membership // the last one first
}

// Steps are small enough that intake waits for a few milliseconds at most.
const (
	pastChanges = 20_000 // sets and links a step
	pastPeople  = 128    // people a step that are asked one by one
)

// Past begins to derive the past state of everybody. Of an older one for the same instant it takes what still holds, which is
// all of it when nothing has happened since that the instant sees.
func (s *State) Past(t Instant, old *Past) *Past {
	h := s.horizon(t)
	if old != nil && old.state.past.equal(h) {
		return old
	}
	p := s.shell(h)
	if old != nil && old.replay == nil && old.state.past.samePeople(h) {
		p.ids, p.attrs = old.state.ids, old.state.attrs
		return &Past{state: p}
	}
	p.ids = s.identityAt(h, nil)
	return &Past{state: p, replay: newReplay(p, h.sets, h.links, h.until(), nil)}
}

// State returns the past state. Before Step says that all is done it is not to be asked.
func (p *Past) State() *State { return p.state }

// Members returns the members of a segment that was asked for; it is not to be changed.
func (p *Past) Members(segment string) *roaring.Bitmap { return p.state.segNamed[segment].members }

// Ask lets the next steps find the members of a segment, by its condition as it is now; false when there is none of that name.
func (p *Past) Ask(segment string) bool {
	seg := p.state.segNamed[segment]
	if seg != nil && seg.members == nil {
		p.asked = append(p.asked, &membership{seg: seg})
	}
	return seg != nil
}

// AskAll lets the next steps find the members of every segment but for those that miss events.
func (p *Past) AskAll() {
	for _, name := range p.state.SegmentNames() {
		if !p.state.segNamed[name].missing {
			p.Ask(name)
		}
	}
}

// AskPreview lets the next steps find who would have been a member of a segment that is not saved. members gives them when
// all is done.
func (p *Past) AskPreview(d *SegmentDef) (members func() *roaring.Bitmap, err error) {
	if err := d.check(d.Name); err != nil {
		return nil, err
	}
	expr, prog, err := p.state.compileSegment(d)
	if err != nil {
		return nil, err
	}
	seg := &segment{name: d.Name, visitors: d.Of == "visitors", prog: prog, deps: expr.Deps()}
	seg.plan = plan.Build(plan.Simplify(plan.Logical(expr)), plan.Stats{Rows: uint64(p.state.ids.Rows())})
	p.asked = append(p.asked, &membership{seg: seg})
	return func() *roaring.Bitmap { return seg.members }, nil
}

// Step does a little of what is left, and says whether that was all. ErrDroppedMeanwhile means that the past is to be asked for
// anew.
func (p *Past) Step() (done bool, err error) {
	if p.stale() {
		return false, ErrDroppedMeanwhile
	}
	if p.replay != nil {
		if done, err = p.replay.step(pastChanges); done {
			p.replay = nil
		}
		return false, err
	}
	if len(p.asked) == 0 {
		return true, nil
	}
	m := p.asked[len(p.asked)-1]
	if m.seg.members == nil && m.waits(p) {
		return false, nil
	}
	if m.step(p.state) {
		p.asked = p.asked[:len(p.asked)-1]
	}
	return false, nil
}

// membership is a segment whose members are being found.
type membership struct {
	seg     *segment
	members *roaring.Bitmap
	left    roaring.ManyIntIterable // candidates that are asked one by one; nil before the plan has run
}

// waits puts the segments that this one asks for before it.
func (m *membership) waits(p *Past) bool {
	waits := false
	for _, name := range m.seg.deps.Segments {
		if dep := p.state.segNamed[name]; dep != nil && dep.members == nil {
			p.asked = append(p.asked, &membership{seg: dep})
			waits = true
		}
	}
	return waits
}

// step runs the segment's plan, then asks some of the people whom the plan leaves open.
func (m *membership) step(s *State) (done bool) {
	if m.seg.members != nil {
		return true
	}
	if m.left == nil {
		open := roaring.New()
		m.members = exec.Run(m.seg.plan, question{s, m.seg.visitors, s.Now, func(row uint32) bool { open.Add(row); return false }})
		m.left = open.ManyIterator()
	}
	var rows [pastPeople]uint32
	n := m.left.NextMany(rows[:])
	for _, row := range rows[:n] {
		if m.seg.prog.Eval(roweval.Input{Person: person{s, row}, Objects: s, Now: s.Now}).True() {
			m.members.Add(row)
		}
	}
	if n == 0 {
		m.seg.members = m.members
	}
	return n == 0
}
