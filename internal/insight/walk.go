package insight

import (
	"cmp"
	"errors"
	"math"
	"slices"
)

// walk visits, in ascending order, the people who have a first step (any step for AnyOrder) and gathers their events.
type walk struct {
	q       *Funnel
	people  rowSet
	window  int64
	cursors []*cursor // one a step; for Strict one more, of Other
	person  uint32
	err     error

	ev    []events // the person's events by step
	chain [MaxSteps]int64

	times  [2][]int64 // scratch of ordered
	starts [2][]int32
	poss   [2][]uint64
	seq    []entry // scratch of the other modes
}

// events are one person's events of one step in the order (time, position).
type events struct {
	time  []int64
	pos   []uint64
	group []uint32
}

var errPositions = errors.New("insight: a strict funnel with Other needs the position of every event; give Chunk.Pos in the steps and in Other")

func newWalk(q *Funnel) *walk {
	w := &walk{q: q, people: newRowSet(q.People), window: q.Window}
	if w.window == 0 {
		w.window = math.MaxInt64
	}
	streams := make([]Stream, 0, len(q.Steps)+1)
	for _, s := range q.Steps {
		streams = append(streams, s.Events)
	}
	if q.Other != nil {
		streams = append(streams, q.Other)
	}
	for _, s := range streams {
		w.cursors = append(w.cursors, newCursor(byPerson(s, w.people)))
	}
	w.ev = make([]events, len(streams))
	return w
}

func (w *walk) stop() {
	for _, c := range w.cursors {
		c.stop()
	}
}

// next moves to the next person with something to count.
func (w *walk) next() bool {
	for w.err == nil {
		if !w.nextPerson() {
			return false
		}
		if w.people.has(w.person) && w.gather() {
			return true
		}
	}
	return false
}

// nextPerson moves the cursors that lead to the next person: that of the first step, or all of them in AnyOrder.
func (w *walk) nextPerson() bool {
	leading := w.cursors[:1]
	if w.q.Order == AnyOrder {
		leading = w.cursors
	}
	found := false
	for _, c := range leading {
		if c.more() && (!found || c.person < w.person) {
			w.person, found = c.person, true
		}
	}
	if found && !w.people.has(w.person) {
		for _, c := range leading {
			if c.person == w.person {
				w.skip(c)
			}
		}
	}
	return found
}

func (w *walk) skip(c *cursor) {
	for c.more() && c.person == w.person {
		c.i++
	}
}

// gather reads the person's events. It reports whether any could start a chain, and stops at the first step without
// events where later ones cannot count.
func (w *walk) gather() bool {
	some := false
	for k, c := range w.cursors {
		e := &w.ev[k]
		e.time, e.pos, e.group = e.time[:0], e.pos[:0], e.group[:0]
		if k == 0 || c.seek(w.person) {
			first := w.q.Range
			if k > 0 || w.q.Order == AnyOrder {
				first = Range{}
			}
			w.read(c, e, first)
		}
		some = some || len(e.time) > 0
		if len(e.time) == 0 && k < len(w.q.Steps) && w.q.Order != AnyOrder {
			if k == 0 {
				return false
			}
			if w.q.Order != Strict {
				for rest := k + 1; rest < len(w.ev); rest++ {
					w.ev[rest].time = w.ev[rest].time[:0]
				}
				return true
			}
		}
	}
	return some
}

func (w *walk) read(c *cursor, e *events, r Range) {
	all := r.all()
	grouped := w.q.GroupName != nil && e == &w.ev[0]
	for c.more() && c.person == w.person {
		ch := &c.chunk
		if ch.Pos == nil && w.q.Other != nil {
			w.err = errPositions
			return
		}
		i := c.i
		for ; i < len(ch.Person) && ch.Person[i] == w.person; i++ {
			t := ch.Time[i]
			if ch.Keep != nil && !ch.kept(i) || !all && (t < r.From || t >= r.To) {
				continue
			}
			e.time = append(e.time, t)
			if ch.Pos != nil {
				e.pos = append(e.pos, ch.Pos[i])
			}
			if grouped {
				e.group = append(e.group, ch.group(i))
			}
		}
		c.i = i
	}
}

func (e *events) position(i int) (uint64, bool) {
	if len(e.pos) == 0 {
		return 0, false
	}
	return e.pos[i], true
}

// follows reports whether the event (t, pos) may come next after the event (t0, pos0) of the step before.
func (w *walk) follows(t0 int64, pos0 uint64, t int64, pos uint64, positions bool) bool {
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
	prevTime, prevPos := first.time, first.pos
	var prevStart []int32 // index into first; nil is the identity
	level = 1
	startOf := func(j int) int32 {
		if prevStart == nil {
			return int32(j)
		}
		return prevStart[j]
	}
	for k := 1; k < len(w.q.Steps); k++ {
		e := &w.ev[k]
		positions := len(e.pos) > 0 && len(prevPos) > 0
		outTime, outStart, outPos := w.times[k&1][:0], w.starts[k&1][:0], w.poss[k&1][:0]
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
			start := startOf(j)
			if t-first.time[start] > w.window {
				continue
			}
			outTime, outStart = append(outTime, t), append(outStart, start)
			if len(e.pos) > 0 {
				outPos = append(outPos, e.pos[i])
			}
		}
		w.times[k&1], w.starts[k&1], w.poss[k&1] = outTime, outStart, outPos
		if len(outTime) == 0 {
			break
		}
		level++
		prevTime, prevStart, prevPos = outTime, outStart, outPos
	}
	start := int(startOf(0))
	if len(first.group) > 0 {
		code = first.group[start]
	}
	if wantTimes {
		times = w.chainFrom(start, level)
	}
	return level, times, code
}

// lastAt moves j over the predecessors at the instant t that event i of e may follow.
func (w *walk) lastAt(t int64, j int, prevTime []int64, prevPos []uint64, e *events, i int, positions bool) int {
	var pos uint64
	if positions {
		pos = e.pos[i]
	}
	for j+1 < len(prevTime) && prevTime[j+1] == t {
		var pos0 uint64
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
	pos   uint64
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
	if level > 0 && len(w.ev[0].group) > 0 {
		code = w.ev[0].group[best.start]
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
