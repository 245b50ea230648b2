package live

import (
	"cmp"
	"slices"
)

// keptSequence is how far a sequence has come. To find the latest beginning of a complete one, it is enough to know for each
// step the latest beginning from which that step was reached: whatever comes after can be taken by the latest as well as by
// any other, and the latest leaves last. The newest events are kept apart, so that one that comes late finds its place.
type keptSequence struct {
	steps []list
	span  int64

	seen   []int    // by step: how many events of the type there were
	lates  []uint32 // by step: how many of the person's had come late
	from   int64
	past   progress
	until  moment // of the last event in past
	recent []stepEvent
}

// stepEvent is an event that passes the filters of a step.
type stepEvent struct {
	moment
	step int
}

// progress is the latest beginning from which each step was reached, the last one in time.
type progress []int64

func (p progress) reach(e stepEvent, span int64) {
	start := e.time
	if e.step > 0 {
		start = p[e.step-1]
	}
	if start > p[e.step] && (e.step < len(p)-1 || e.time-start <= span) {
		p[e.step] = start
	}
}

// order is that of time. An event that fits several steps is taken for the later one first: it does not come after itself.
func (e stepEvent) order(o stepEvent) int { return cmp.Or(e.compare(o.moment), o.step-e.step) }

func newKeptSequence(s *sequence) *keptSequence {
	k := &keptSequence{steps: s.steps, span: s.span, seen: make([]int, len(s.steps)), lates: make([]uint32, len(s.steps)),
		past: make(progress, len(s.steps)), until: moment{-Never, 0}}
	for i := range k.past {
		k.past[i] = -Never
	}
	return k
}

func (k *keptSequence) follow(who *Person, b *Busy, w limits) (fresh int, ok bool) {
	if w.from < k.from && k.seen[0] > 0 {
		return 0, false
	}
	k.from = w.from
	for i := range k.steps {
		typ := k.steps[i].typ
		late := typ.late(who.Rows)
		for _, event := range b.since(who, &k.steps[i], k.seen[i], late != k.lates[i], k.from, k.steps[i].passes) {
			e := stepEvent{moment{typ.Time.Int(event), typ.Seq.Int(event)}, i}
			if e.compare(k.until) < 0 {
				return 0, false
			}
			k.recent = append(k.recent, e)
			fresh++
		}
		k.seen[i], k.lates[i] = typ.Time.Len(), late
	}
	if fresh > 0 && !slices.IsSortedFunc(k.recent, stepEvent.order) {
		slices.SortFunc(k.recent, stepEvent.order)
	}
	k.settle(w)
	return fresh, true
}

// settle takes events that none will come before, but for one that is very late, into what is past.
func (k *keptSequence) settle(w limits) {
	n := 0
	for n < len(k.recent)-MaxLate && k.recent[n].time < w.to {
		k.past.reach(k.recent[n], k.span)
		k.until = k.recent[n].moment
		n++
	}
	k.recent = slices.Delete(k.recent, 0, n)
	if cap(k.recent) > 1024 && len(k.recent) < 256 {
		k.recent = slices.Clone(k.recent)
	}
}

// find tells whether there is a complete sequence within the limits, and until when that is sure.
func (k *keptSequence) find(who *Person, w limits) (yes bool, next int64) {
	now, ahead := append(who.progress[:0], k.past...), int64(Never)
	who.progress = now
	for _, e := range k.recent {
		if e.time >= w.to {
			ahead = k.steps[e.step].enters(e.time, who.Now, w)
			break
		}
		now.reach(e, k.span)
	}
	if start := now[len(now)-1]; start > -Never && start >= w.from {
		return true, min(w.next, k.steps[0].leaves(start))
	}
	return false, min(w.next, ahead)
}

func (k *keptSequence) size() int { return 200 + 20*len(k.steps) + 24*cap(k.recent) }
