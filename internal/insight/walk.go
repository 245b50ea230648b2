package insight

import (
	"cmp"
	"errors"
	"math"
	"slices"
)

// walk visits, in ascending order, the people who have a first step (any step for AnyOrder) and gathers their events.
type walk struct {
	q      *Funnel
	people rowSet
	window int64
	lanes  []*lane // one a step; for Strict one more, of Other
	person uint32
	end    uint64 // people from here on are another worker's
	err    error

	ev    []events // the person's events by lane
	chain [MaxSteps]int64

	self   []int32 // 0, 1, 2, ...
	times  [2][]int64
	starts [2][]int32
	poss   [2][]int64
	seq    []entry
}

// events are one person's events of one step in the order (time, position). They point into a chunk where they lie
// together in one, and are copied where not.
type events struct {
	time  []int64
	pos   []int64
	group []uint32

	copied bool
	copy   struct {
		time  []int64
		pos   []int64
		group []uint32
	}
}

var errPositions = errors.New("a strict funnel with Other needs the position of every event; give Chunk.Pos in the steps and in Other")

func newWalk(q *Funnel, from, end uint64) *walk {
	w := &walk{q: q, people: newRowSet(q.People), window: q.Window, end: end}
	if w.window == 0 {
		w.window = math.MaxInt64
	}
	for _, s := range q.Steps {
		w.lanes = append(w.lanes, newLane(s.Events))
	}
	if q.Other != nil {
		w.lanes = append(w.lanes, newLane(q.Other))
	}
	w.ev = make([]events, len(w.lanes))
	for _, l := range w.lanes {
		for r := range l.heads {
			l.seek(r, from)
		}
	}
	return w
}

func (w *walk) stop() {
	for _, l := range w.lanes {
		l.stop()
	}
}

// next moves to the next person with something to count.
func (w *walk) next() bool {
	leading := w.lanes[:1]
	if w.q.Order == AnyOrder {
		leading = w.lanes
	}
	for w.err == nil {
		p := uint64(nobody)
		for _, l := range leading {
			p = min(p, l.person())
		}
		if p == nobody || p >= w.end {
			return false
		}
		w.person = uint32(p)
		if !w.people.has(w.person) {
			for _, l := range leading {
				for r, head := range l.heads {
					if head == p {
						l.seek(r, p+1)
					}
				}
			}
		} else if w.gather() {
			return true
		}
	}
	return false
}

// gather reads the person's events and reports whether any may start a chain. It stops at the first step without
// events where later steps cannot count.
func (w *walk) gather() bool {
	some := false
	for k, l := range w.lanes {
		e := &w.ev[k]
		e.clear()
		w.read(l, e, k)
		some = some || len(e.time) > 0
		if len(e.time) > 0 || w.q.Order == AnyOrder {
			continue
		}
		if k == 0 {
			return false
		}
		if w.q.Order != Strict {
			for rest := k + 1; rest < len(w.ev); rest++ {
				w.ev[rest].clear()
			}
			break
		}
	}
	return some
}

func (w *walk) read(l *lane, e *events, k int) {
	p := uint64(w.person)
	first := Range{} // of the first step only; AnyOrder has its own rule
	if k == 0 && w.q.Order != AnyOrder {
		first = w.q.Range
	}
	grouped := k == 0 && w.q.GroupName != nil
	sources := 0
	for r, head := range l.heads {
		if head < p {
			l.seek(r, p)
			head = l.heads[r]
		}
		if head != p {
			continue
		}
		c := l.runs[r]
		if c.chunk.Pos == nil && w.q.Other != nil {
			w.err = errPositions
			return
		}
		sources++
		lo, hi := c.span()
		if len(e.time) == 0 && hi < c.chunk.len() && c.chunk.Keep == nil && first.all() {
			e.pointTo(&c.chunk, lo, hi, grouped)
			c.i = hi
			l.heads[r] = uint64(c.chunk.Person[hi])
			continue
		}
		for ; l.heads[r] == p; l.heads[r] = c.person() {
			lo, hi := c.span()
			e.add(&c.chunk, lo, hi, first, grouped)
			c.i = hi
		}
	}
	if sources > 1 {
		e.sort()
	}
}

func (e *events) clear() {
	e.time, e.pos, e.group, e.copied = nil, nil, nil, false
}

func (e *events) pointTo(c *Chunk, lo, hi int, grouped bool) {
	e.time = c.Time[lo:hi]
	if c.Pos != nil {
		e.pos = c.Pos[lo:hi]
	}
	if grouped && c.Group != nil {
		e.group = c.Group[lo:hi]
	}
}

// add copies the rows [lo, hi) that count.
func (e *events) add(c *Chunk, lo, hi int, r Range, grouped bool) {
	to := &e.copy
	if !e.copied {
		to.time, to.pos, to.group = append(to.time[:0], e.time...), append(to.pos[:0], e.pos...), append(to.group[:0], e.group...)
		if grouped && e.group == nil {
			to.group = append(to.group, slices.Repeat([]uint32{NoGroup}, len(e.time))...)
		}
		e.copied = true
	}
	all := r.all()
	if all && c.Keep == nil && !grouped {
		to.time = append(to.time, c.Time[lo:hi]...)
		if c.Pos != nil {
			to.pos = append(to.pos, c.Pos[lo:hi]...)
		}
		e.time, e.pos = to.time, to.pos
		return
	}
	for i := lo; i < hi; i++ {
		t := c.Time[i]
		if !c.kept(i) || !all && (t < r.From || t >= r.To) {
			continue
		}
		to.time = append(to.time, t)
		if c.Pos != nil {
			to.pos = append(to.pos, c.Pos[i])
		}
		if grouped {
			to.group = append(to.group, c.group(i))
		}
	}
	e.time, e.pos, e.group = to.time, to.pos, to.group
}

// sort restores the order of what came from several runs. Tiers are cut by time, so there is little to do; and events
// that lie in a chunk are of one run, so nothing is written there.
func (e *events) sort() {
	c := Chunk{Time: e.time}
	if len(e.pos) > 0 {
		c.Pos = e.pos
	}
	if len(e.group) > 0 {
		c.Group = e.group
	}
	sortByTime(&c, 0, len(e.time))
}

func (e *events) position(i int) (int64, bool) {
	if len(e.pos) == 0 {
		return 0, false
	}
	return e.pos[i], true
}

// follows reports whether the event (t, pos) may come next after the event (t0, pos0) of the step before.
func (w *walk) follows(t0 int64, pos0 int64, t int64, pos int64, positions bool) bool {
	switch {
	case t != t0:
		return t > t0
	case w.q.StrictIncrease:
		return false
	case !positions:
		return true
	}
	return pos > pos0 || pos == pos0 && w.q.Reuse
}

// ordered finds the highest step of any chain. For each step it keeps the events that end a chain so far, each with the
// latest start such a chain can have: as the window is measured from the start, no other start can do better. Both the
// events and their starts ascend, so one pass over each step is enough.
//
// times is nil where not asked for; code is the group of the chain's first event.
func (w *walk) ordered(wantTimes bool) (level int, times []int64, code uint32) {
	first := &w.ev[0]
	for len(w.self) < len(first.time) {
		w.self = append(w.self, int32(len(w.self)))
	}
	prevTime, prevPos, prevStart := first.time, first.pos, w.self[:len(first.time)]
	last := len(w.q.Steps) - 1
	for level = 1; level <= last; level++ {
		e := &w.ev[level]
		if len(e.time) == 0 {
			break
		}
		side := level & 1
		outTime, outStart, outPos := w.times[side][:0], w.starts[side][:0], w.poss[side][:0]
		positions := len(e.pos) > 0 && len(prevPos) > 0
		j := -1
		for i, t := range e.time {
			for j+1 < len(prevTime) && prevTime[j+1] < t {
				j++
			}
			if j+1 < len(prevTime) && prevTime[j+1] == t {
				j = w.lastAt(t, j, prevTime, prevPos, e, i, positions)
			}
			if j < 0 {
				continue
			}
			start := prevStart[j]
			if t-first.time[start] > w.window {
				continue
			}
			outTime, outStart = append(outTime, t), append(outStart, start)
			if positions {
				outPos = append(outPos, e.pos[i])
			}
			if level == last {
				break // the earliest end is all that matters
			}
		}
		w.times[side], w.starts[side], w.poss[side] = outTime, outStart, outPos
		if len(outTime) == 0 {
			break
		}
		prevTime, prevStart, prevPos = outTime, outStart, outPos
	}
	start := int(prevStart[0])
	if w.q.GroupName != nil {
		code = NoGroup
		if len(first.group) > 0 {
			code = first.group[start]
		}
	}
	if wantTimes {
		times = w.chainFrom(start, level)
	}
	return level, times, code
}

// lastAt moves j over the predecessors at the instant t that event i of e may follow.
func (w *walk) lastAt(t int64, j int, prevTime []int64, prevPos []int64, e *events, i int, positions bool) int {
	var pos int64
	if positions {
		pos = e.pos[i]
	}
	for j+1 < len(prevTime) && prevTime[j+1] == t {
		var pos0 int64
		if positions {
			pos0 = prevPos[j+1]
		}
		if !w.follows(t, pos0, t, pos, positions) {
			break
		}
		j++
	}
	return j
}

// chainFrom gives the times of the earliest chain that starts with the first step's event i.
func (w *walk) chainFrom(i, level int) []int64 {
	w.chain[0] = w.ev[0].time[i]
	t0 := w.chain[0]
	pos0, ok0 := w.ev[0].position(i)
	for k := 1; k < level; k++ {
		e := &w.ev[k]
		for i := range e.time {
			pos, ok := e.position(i)
			if w.follows(t0, pos0, e.time[i], pos, ok && ok0) {
				t0, pos0, ok0 = e.time[i], pos, ok
				break
			}
		}
		w.chain[k] = t0
	}
	return w.chain[:level]
}

// entry is one event with the steps it takes: bit k for step k, 0 for an event of Other.
type entry struct {
	time  int64
	pos   int64
	index int32 // in the first step's events
	steps uint16
}

// sequence merges the person's events into one. Events with the same position are one event; without positions,
// events at the same instant stand in the order of their steps.
func (w *walk) sequence() []entry {
	seq := w.seq[:0]
	positions := true
	for k := range w.ev {
		e := &w.ev[k]
		steps := uint16(0)
		if k < len(w.q.Steps) {
			steps = 1 << k
		}
		for i, t := range e.time {
			pos, ok := e.position(i)
			positions = positions && ok
			seq = append(seq, entry{time: t, pos: pos, index: int32(i), steps: steps})
		}
	}
	slices.SortStableFunc(seq, func(a, b entry) int {
		if a.time != b.time || !positions {
			return cmp.Compare(a.time, b.time)
		}
		return cmp.Compare(a.pos, b.pos)
	})
	w.seq = seq
	if !positions {
		return seq
	}
	out := seq[:0]
	for _, e := range seq {
		if n := len(out); n > 0 && out[n-1].time == e.time && out[n-1].pos == e.pos {
			out[n-1].steps |= e.steps
			continue
		}
		out = append(out, e)
	}
	return out
}

// open is a chain that has come to some step.
type open struct {
	live  bool
	start int32 // index of its first event
	times [MaxSteps]int64
}

// strict finds the highest step of any chain without interruption. Of the chains at a step it keeps the one that
// started last, which the window cannot close before another.
func (w *walk) strict() (level int, times []int64, code uint32) {
	steps := len(w.q.Steps)
	var at, next [MaxSteps]open
	var best open
	for _, e := range w.sequence() {
		for k := range steps {
			next[k].live = false
			if e.steps>>k&1 == 0 {
				continue // the event takes another step or none: chains that were here end
			}
			if k == 0 {
				next[0] = open{live: true, start: e.index}
				next[0].times[0] = e.time
			} else {
				next[k] = w.later(at[k], w.extend(&at, &next, k, e))
			}
			if next[k].live && k+1 > level {
				level, best = k+1, next[k]
			}
		}
		at = next
	}
	if w.q.GroupName != nil {
		code = NoGroup
		if level > 0 && len(w.ev[0].group) > 0 {
			code = w.ev[0].group[best.start]
		}
	}
	copy(w.chain[:], best.times[:level])
	return level, w.chain[:level], code
}

// extend takes step k with e. With Reuse, e may have taken the step before as well.
func (w *walk) extend(at, next *[MaxSteps]open, k int, e entry) open {
	c := at[k-1]
	if w.q.Reuse && !w.q.StrictIncrease && next[k-1].live {
		c = next[k-1]
	}
	if !c.live || e.time-c.times[0] > w.window || w.q.StrictIncrease && e.time <= c.times[k-1] {
		return open{}
	}
	c.times[k] = e.time
	return c
}

// later is the chain with the later start; a at the same start.
func (w *walk) later(a, b open) open {
	if a.live && (!b.live || a.times[0] >= b.times[0]) {
		return a
	}
	return b
}

// anyOrder finds the most steps that lie within one window whose first event is in the range.
func (w *walk) anyOrder() int {
	seq := w.sequence()
	var have [MaxSteps]int
	best, distinct, to := 0, 0, 0
	for from, first := range seq {
		for to < len(seq) && seq[to].time-first.time <= w.window {
			for k := range w.q.Steps {
				if seq[to].steps>>k&1 != 0 {
					if have[k]++; have[k] == 1 {
						distinct++
					}
				}
			}
			to++
		}
		if w.q.Range.has(first.time) {
			best = max(best, distinct)
		}
		for k := range w.q.Steps {
			if seq[from].steps>>k&1 != 0 {
				if have[k]--; have[k] == 0 {
					distinct--
				}
			}
		}
	}
	return best
}
