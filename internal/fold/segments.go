package fold

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/exec"
	"github.com/embedcdp/cdp/internal/live"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// SegmentDef is the stored form of a segment.
type SegmentDef struct {
	Name        string   `json:"name"`
	Of          string   `json:"of,omitempty"` // "customers" (also "") or "visitors"
	Where       string   `json:"where"`        // CEL
	Description string   `json:"description,omitempty"`
	Labels      []string `json:"labels,omitempty"`
	Owner       string   `json:"owner,omitempty"`
}

// segment is a live segment: its members are right at every instant, because whatever can change an answer says so:
// an event or attribute it reads, a segment it asks for, an object it follows, or a deadline.
type segment struct {
	id       uint32
	name     string
	def      SegmentDef
	visitors bool
	prog     *roweval.Program
	live     *live.Program // the same, as events come
	expr     *celenv.Expr
	deps     celenv.Deps
	reach    map[string]int64 // how far back it looks, by event type: see plan.Reach
	logical  plan.Node
	plan     plan.Physical // who is a member at an instant
	rank     int           // above every segment it asks for
	order    int           // place in byRank
	members  *roaring.Bitmap
	standing standing // those of them whose entering is gone from the flips
	pending  pendings

	emptyMatters bool          // an empty profile may be a member, now or later
	follows      bool          // it follows a reference of the profile, which binds to what an object is now
	dependents   []*segment    // that ask for this one
	why          Cause         // while it is touched: what made it be asked
	next         *Build        // its next version, while that is on its way
	build        *Build        // of a version on its way: itself
	missing      bool          // of a past state: it looks for events that were dropped since
	starts       []*journeyDef // that start on entering or leaving it
}

func (s *State) compileSegment(def *SegmentDef) (*celenv.Expr, *roweval.Program, error) {
	expr, err := s.compileWhere(def)
	if err != nil {
		return nil, nil, err
	}
	prog, err := roweval.New(expr)
	return expr, prog, err
}

func (s *State) compileWhere(def *SegmentDef) (*celenv.Expr, error) {
	return celenv.Compile(s.Catalogue, celenv.Scope{Person: true, Want: celenv.Bool}, def.Where)
}

func (s *State) prepareSegment(name string, body []byte) (func(), error) {
	d, expr, prog, err := s.checkSegment(name, body)
	if err != nil {
		return nil, err
	}
	if slices.Contains(expr.Deps().Segments, name) {
		return nil, fmt.Errorf("it asks whether a profile is in %q, which is itself", name)
	}
	if path := s.cycle(name, expr.Deps().Segments, nil); path != nil {
		return nil, fmt.Errorf("segments ask for each other in a circle: %s", strings.Join(append([]string{name}, path...), " -> "))
	}
	return func() { s.setSegment(d, expr, prog) }, nil
}

// checkSegment reads and compiles a definition by itself, without looking at who uses it.
func (s *State) checkSegment(name string, body []byte) (*SegmentDef, *celenv.Expr, *roweval.Program, error) {
	d := &SegmentDef{}
	if err := strict(body, d); err != nil {
		return nil, nil, nil, err
	}
	if err := d.check(name); err != nil {
		return nil, nil, nil, err
	}
	expr, prog, err := s.compileSegment(d)
	return d, expr, prog, err
}

// check looks at what stands beside the condition.
func (d *SegmentDef) check(name string) error {
	if err := schema.CheckName("a segment", name); err != nil {
		return err
	}
	if d.Name != name {
		return fmt.Errorf("the definition is named %q, not %q", d.Name, name)
	}
	if d.Of != "" && d.Of != "customers" && d.Of != "visitors" {
		return fmt.Errorf("of %q: use \"customers\" or \"visitors\"", d.Of)
	}
	return nil
}

// cycle returns a path from one of the segments back to name, if there is one.
func (s *State) cycle(name string, from []string, path []string) []string {
	for _, f := range from {
		if f == name {
			return append(path, f)
		}
		if seg := s.segNamed[f]; seg != nil {
			if p := s.cycle(name, seg.asksFor(), append(path, f)); p != nil {
				return p
			}
		}
	}
	return nil
}

// asksFor are the segments that a segment asks for, now or when its next version has taken effect.
func (seg *segment) asksFor() []string {
	if seg.next == nil {
		return seg.deps.Segments
	}
	return slices.Concat(seg.deps.Segments, seg.next.version.deps.Segments)
}

// setSegment makes a new segment, or gives one a new condition, and brings its members up to now, or begins to build them
// (build.go). While loading, the members come from the log of flips instead.
func (s *State) setSegment(d *SegmentDef, expr *celenv.Expr, prog *roweval.Program) {
	seg := s.segNamed[d.Name]
	if seg == nil {
		seg = &segment{id: uint32(len(s.segments)), name: d.Name, members: roaring.New()}
		s.segments = append(s.segments, seg)
		s.segNamed[d.Name] = seg
	}
	if s.batch.beside && !s.loading && len(expr.Deps().Objects) == 0 {
		if seg.prog == nil {
			s.nobodyYet(seg, d)
		}
		s.build(seg, d, expr, prog)
		return
	}
	seg.next = nil
	seg.def, seg.visitors, seg.deps = *d, d.Of == "visitors", expr.Deps()
	s.setProgram(seg, expr, prog)
	s.indexSegments()
	s.rebuildCatalogue()
	if s.loading {
		return
	}
	s.fill(seg)
}

// setProgram gives a segment its compiled condition and the plan to find its members from nothing.
func (s *State) setProgram(seg *segment, expr *celenv.Expr, prog *roweval.Program) {
	seg.expr, seg.prog, seg.reach = expr, prog, reachOf(expr)
	seg.logical = plan.Simplify(plan.Logical(expr))
	seg.plan = plan.Build(seg.logical, s.planStats())
	s.setLive(seg)
}

// planStats are the sizes by which plans order their work.
func (s *State) planStats() plan.Stats {
	return plan.Stats{Rows: uint64(s.ids.Rows()),
		Segment: func(name string) uint64 {
			if other := s.segNamed[name]; other != nil {
				return other.members.GetCardinality()
			}
			return 0
		},
		HasEvent: func(typ string) uint64 {
			if t := s.typeNamed[typ]; t != nil {
				return uint64(t.kept())
			}
			return 0
		}, Future: s.hasFuture}
}

// fill finds a segment's members from nothing. Where time alone can change an answer, the oracle says when, for everybody
// who could become a member by it: those whom a lasting plan leaves, which narrows by nothing that moves with time. What
// else can change (attributes, other segments, a first event) asks again when it does.
func (s *State) fill(seg *segment) {
	seg.pending.clear()
	rows := exec.Run(s.planToFill(seg), question{s, seg.visitors, s.Now, func(row uint32) bool {
		yes, next := seg.live.Holds(s.asked(row, s.Now))
		s.expect(seg, row, next)
		return yes
	}})
	s.setMembers(seg, rows)
}

// setMembers lets those enter and leave a segment by whom its members differ from rows, because its definition did.
func (s *State) setMembers(seg *segment, rows *roaring.Bitmap) {
	if len(seg.dependents) == 0 { // and journeys start from no definition
		s.flipAll(seg, roaring.Xor(rows, seg.members), rows)
		return
	}
	for it := roaring.Xor(rows, seg.members).Iterator(); it.HasNext(); {
		row := it.Next()
		s.flip(seg, row, rows.Contains(row), s.Now, CauseDefine)
		s.settleRow(row, s.Now)
	}
	s.settle()
}

// planToFill is the plan of a segment that is kept.
func (s *State) planToFill(seg *segment) plan.Physical {
	if !s.movesByTime(seg) {
		return seg.plan
	}
	stats := s.planStats()
	stats.Lasting = true
	return plan.Build(seg.logical, stats)
}

// movesByTime says whether the members of a segment can change by time alone: its condition reads the clock, or an event
// it reads is dated in the future and enters when its time comes.
func (s *State) movesByTime(seg *segment) bool {
	return seg.deps.Now || slices.ContainsFunc(seg.deps.Events, s.hasFuture)
}

// hasFuture says whether there is an event of a type that is dated later than now.
func (s *State) hasFuture(typ string) bool {
	t := s.typeNamed[typ]
	return t != nil && t.tab.Len() > 0 && t.latest > s.Now
}

// expect keeps the one deadline of a membership: when it can next change by time alone. One that is pending and not later is
// left: when it fires, the segment is asked again.
func (s *State) expect(seg *segment, row uint32, next int64) {
	if next == math.MaxInt64 {
		return
	}
	next = min(next, s.Now+maxAhead)
	if at, ok := seg.pending.get(row, s.Now); !ok || next < at {
		seg.pending.set(row, next)
		s.due.Insert(next, dueItem(dueSegment, row, seg.id))
	}
}

// PlanOf returns how a segment's members are found, stage by stage, as text: what it says, who is in it at an instant, and
// "" or how it is filled so that it also knows when each will change.
func (s *State) PlanOf(name string) (logical, physical, kept string, ok bool) {
	seg := s.segNamed[name]
	if seg == nil {
		return "", "", "", false
	}
	logical, physical, kept = seg.logical.String(), seg.plan.String(), s.planToFill(seg).String()
	if kept == physical {
		kept = ""
	}
	return logical, physical, kept, true
}

// indexSegments rebuilds who must be looked at when what changes.
func (s *State) indexSegments() {
	for _, t := range s.types {
		t.watches = t.watches[:0]
	}
	for _, a := range s.attrs {
		a.segments = a.segments[:0]
	}
	for _, o := range s.objects {
		o.segments = o.segments[:0]
	}
	s.byRank = s.byRank[:0]
	for _, seg := range s.versions() {
		s.byRank = append(s.byRank, seg)
		seg.dependents = seg.dependents[:0]
		s.watchEvents(seg)
		seg.follows = false
		for _, name := range seg.deps.Attrs {
			if a := s.attrs[name]; a != nil {
				a.segments = append(a.segments, seg)
				seg.follows = seg.follows || a.decl.Ref != "" && len(seg.deps.Objects) > 0
			}
		}
		for _, name := range seg.deps.Objects {
			if o := s.objects[name]; o != nil {
				o.segments = append(o.segments, seg)
			}
		}
	}
	for _, seg := range s.byRank {
		seg.rank = s.rankOf(seg)
		for _, name := range seg.deps.Segments {
			if dep := s.segNamed[name]; dep != nil {
				dep.dependents = append(dep.dependents, seg)
			}
		}
		r := seg.prog.Eval(roweval.Input{Person: nobody{}, Objects: s, Now: s.Now})
		seg.emptyMatters = r.True() || r.Next != math.MaxInt64
	}
	slices.SortStableFunc(s.byRank, func(a, b *segment) int { return a.rank - b.rank })
	for i, seg := range s.byRank {
		seg.order = i
	}
	s.batch.touched.reset(len(s.byRank))
	s.busy.Retain(func(yield func(*live.Program) bool) {
		for _, seg := range s.byRank {
			if !yield(seg.live) {
				return
			}
		}
	})
}

// versions are all segments by id, each followed by its next version if that is on its way.
func (s *State) versions() (all []*segment) {
	for _, seg := range s.segments {
		if seg != nil {
			all = append(all, seg)
			if seg.next != nil {
				all = append(all, seg.next.version)
			}
		}
	}
	return all
}

func (s *State) rankOf(seg *segment) int {
	rank := 0
	for _, name := range seg.deps.Segments {
		if dep := s.segNamed[name]; dep != nil {
			rank = max(rank, s.rankOf(dep)+1)
		}
	}
	return rank
}

// nobody is the profile that has nothing.
type nobody struct{}

func (nobody) Attr(string) value.Value       { return value.Value{} }
func (nobody) Events(string) []roweval.Event { return nil }
func (nobody) InSegment(string) bool         { return false }

// recompute asks the segments about everybody. All are asked about one row before the next, so that one that asks for
// others sees them together.
func (s *State) recompute(cause Cause, segs ...*segment) {
	for row := range uint32(s.ids.Rows()) {
		if s.ids.Canonical(row) == row {
			for _, seg := range segs {
				s.touch(seg, cause)
			}
			s.settleRow(row, s.Now)
		}
	}
	s.settle()
}

// recompile follows a change of the portal's calendar: every expression means something else now.
func (s *State) recompile() {
	s.recompilePrograms()
	if !s.loading {
		built := slices.DeleteFunc(slices.Clone(s.byRank), func(seg *segment) bool { return seg.build != nil })
		s.recompute(CauseDefine, built...)
	}
}

func (s *State) recompilePrograms() {
	s.busy.Reset() // the same words mean other instants
	for _, seg := range s.segments {
		if seg == nil {
			continue
		}
		if expr, prog, err := s.compileSegment(&seg.def); err == nil {
			s.setProgram(seg, expr, prog)
		}
		if seg.next != nil {
			d := seg.next.version.def
			if expr, prog, err := s.compileSegment(&d); err == nil {
				s.build(seg, &d, expr, prog)
			}
		}
	}
	s.indexSegments()
	s.journeys.recompile(s)
}

func (s *State) removeSegment(name string) {
	seg := s.segNamed[name]
	if !s.loading {
		s.flipAll(seg, seg.members, roaring.New())
	}
	seg.next = nil
	s.segments[seg.id] = nil
	s.removedSegments[seg.id] = name
	delete(s.segNamed, name)
	s.indexSegments()
	s.rebuildCatalogue()
	s.settle()
}

// touch marks a segment to be asked again for the row that is being settled, and why. Of several causes a live one counts.
func (s *State) touch(seg *segment, why Cause) {
	if s.batch.touched.add(seg.order) || why.startsJourneys() {
		seg.why = why
	}
}

// ask asks the segments that an event may concern about its person: now, or for history at the end of the batch.
func (s *State) ask(t *eventType, index, row uint32, cause Cause, change change) {
	x := touched{row, t, cause, change}
	if cause.startsJourneys() {
		s.touchWatching(t, index, row, cause)
		s.touchChange(change, cause)
		s.settleRow(row, s.Now)
		return
	}
	if key := (touchKey{row, t.id}); change != changeNone || !s.isDeferred(key) && s.concerns(t, index) {
		s.batch.isDeferred[key] = struct{}{}
		s.batch.deferred = append(s.batch.deferred, x)
	}
}

func (s *State) isDeferred(k touchKey) bool { _, yes := s.batch.isDeferred[k]; return yes }

func (s *State) touchFor(x touched) {
	for _, w := range x.typ.watches {
		for _, seg := range w.segments {
			s.touch(seg, x.cause)
		}
	}
	s.touchChange(x.change, x.cause)
}

// touchChange marks the segments that a new or merged profile may be in, whatever the record said besides.
func (s *State) touchChange(c change, why Cause) {
	if c == changeNone {
		return
	}
	for _, seg := range s.byRank {
		switch {
		case c == changeMerged:
			s.touch(seg, CauseMerge)
		case c == changeNew && seg.emptyMatters:
			s.touch(seg, why)
		}
	}
}

// settleRow asks the touched segments about one row, those asked for by others first, so that none is asked twice.
func (s *State) settleRow(row uint32, at int64) {
	for {
		i, ok := s.batch.touched.first()
		if !ok {
			return
		}
		seg := s.byRank[i]
		s.evaluate(seg, row, at, seg.why)
	}
}

// evaluate brings one membership up to date and notes when it can next change by time alone.
func (s *State) evaluate(seg *segment, row uint32, at int64, cause Cause) {
	if seg.build != nil { // asked when it takes effect
		seg.build.touched.Add(row)
		return
	}
	want, next := s.holds(seg, row, at)
	s.expect(seg, row, next)
	if want != seg.members.Contains(row) {
		s.flip(seg, row, want, at, cause)
	}
}

// flip records that a profile entered or left, and lets what depends on it know.
func (s *State) flip(seg *segment, row uint32, in bool, at int64, cause Cause) {
	if in {
		seg.members.Add(row)
	} else {
		seg.members.Remove(row)
		seg.standing.left(row)
	}
	i := s.flips.Append()
	if i&(column.ChunkRows-1) == 0 {
		s.scheduleFlips()
	}
	f := &s.flipCells
	f.row.SetUint(i, row)
	f.segment.SetUint(i, seg.id)
	f.t.SetInt(i, at)
	f.in.SetBool(i, in)
	f.cause.SetUint(i, uint32(cause))
	f.q.SetInt(i, s.next())
	s.lastFlip.Grow(int(row) + 1)
	f.prev.SetUint(i, s.lastFlip.Uint(row))
	s.lastFlip.SetUint(row, i+1)
	entered := uint64(0)
	if in {
		entered = 1
	}
	s.mix(uint64(row)<<32 | uint64(seg.id)<<1 | entered)
	for _, dep := range seg.dependents {
		s.touch(dep, cause)
	}
	if len(seg.starts) > 0 {
		s.stimulate(stimulus{kind: onFlip, seg: seg, in: in, index: i, row: row, at: at, cause: cause})
	}
}

// flipAll is flip for many people at once, a chunk of the table at a time: nobody else is concerned.
func (s *State) flipAll(seg *segment, differ, members *roaring.Bitmap) {
	rows := differ.ToArray()
	if len(rows) == 0 {
		return
	}
	all := seg.members.IsEmpty() // they all enter
	seg.members = members
	seg.standing.stay(members)
	s.lastFlip.Grow(int(rows[len(rows)-1]) + 1)
	f, in := &s.flipCells, members.Iterator()
	chunk, last := -1, []uint32(nil) // of lastFlip
	for len(rows) > 0 {
		first, n := s.flips.AppendMany(len(rows))
		segments, causes, prevs := f.segment.NewUints(first, n), f.cause.NewUints(first, n), f.prev.NewUints(first, n)
		times, orders := f.t.NewInts(first, n), f.q.NewInts(first, n)
		copy(f.row.NewUints(first, n), rows)
		for k, row := range rows[:n] {
			i := first + uint32(k)
			segments[k], causes[k], times[k], orders[k] = seg.id, uint32(CauseDefine), s.Now, s.next()
			entered := all
			if !all {
				in.AdvanceIfNeeded(row)
				entered = in.HasNext() && in.PeekNext() == row
			}
			f.in.SetBool(i, entered)
			if c := int(row) / column.ChunkRows; c != chunk {
				chunk, last = c, s.lastFlip.OwnUints(c)
			}
			place := &last[row%column.ChunkRows]
			prevs[k], *place = *place, i+1
			s.mix(uint64(row)<<32 | uint64(seg.id)<<1 | uint64(b2i(entered)))
		}
		rows = rows[n:]
	}
	s.scheduleFlips()
}

// deferAll marks segments to be asked about everybody at the end of the batch.
func (s *State) deferAll(segs []*segment) {
	for _, seg := range segs {
		s.batch.everybody[seg] = struct{}{}
	}
}

// evaluateDeferred asks what was put off to the end of the batch: history is imported in bulk, and a person's hundred
// old events need one answer, not a hundred.
func (s *State) evaluateDeferred() {
	d := s.batch.deferred
	slices.SortStableFunc(d, func(a, b touched) int { return cmp.Compare(s.ids.Canonical(a.row), s.ids.Canonical(b.row)) })
	for i := range d {
		row := s.ids.Canonical(d[i].row)
		s.touchFor(d[i])
		if i+1 == len(d) || s.ids.Canonical(d[i+1].row) != row {
			s.settleRow(row, s.Now)
		}
	}
	s.batch.deferred = s.batch.deferred[:0]
	clear(s.batch.isDeferred)
	if len(s.batch.everybody) > 0 {
		var segs []*segment
		for _, seg := range s.byRank {
			if _, all := s.batch.everybody[seg]; all {
				segs = append(segs, seg)
			}
		}
		clear(s.batch.everybody)
		s.recompute(CauseDefine, segs...)
	}
	s.settle()
}
