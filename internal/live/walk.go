package live

import (
	"math"

	"github.com/embedcdp/cdp/internal/plan"
)

// list is the events of one type, up to now, that lie within all bounds and for which all filters are true.
type list struct {
	typ    *Type
	filter []node
	bounds []bound
}

// verb says how a walk goes on.
type verb uint8

const (
	goOn    verb = iota
	nextRow      // nothing older in this row matters
	stop         // nothing else matters
)

// limits are the instants between which the events of a list lie, from <= time < to. ok is false when a bound's instant is
// absent; next says until when they are what they are, apart from moving with now. end is how far to may move with now: the
// least instant of those that do not.
type limits struct {
	from, to, end, next int64
	ok                  bool
}

func (l *list) limits(who *Person) limits {
	w := limits{math.MinInt64, who.Now + 1, math.MaxInt64, Never, true}
	for k := range l.bounds {
		from, to, next, ok := l.bounds[k].limits(who)
		if w.next = min(w.next, next); !ok {
			return limits{next: w.next}
		}
		w.from, w.to = max(w.from, from), min(w.to, to)
		if l.bounds[k].at != nil {
			w.end = min(w.end, to)
		}
	}
	return w
}

// each visits the events of the list within the limits, newest first within each of the person's rows. It returns until when
// the list stays as it was visited, apart from visited events that leave, and leaves with the person how many events it
// walked through.
func (l *list) each(who *Person, w limits, visit func(i uint32, t int64) verb) (next int64) {
	next = w.next
	ahead := int64(Never) // the earliest event after the limits
	typ, walked := l.typ, 0
	defer func() { who.walked = walked }()
	for _, row := range who.Rows {
		if int(row) >= typ.Heads.Len() {
			continue
		}
		ordered := typ.Unordered.IsEmpty() || !typ.Unordered.Contains(row)
	events:
		for i := typ.Heads.Uint(row); i != 0; i = typ.Prev.Uint(i - 1) {
			walked++
			t := typ.Time.Int(i - 1)
			switch {
			case t < w.from && ordered:
				break events
			case t < w.from:
				continue
			case t >= w.to:
				ahead = min(ahead, t)
				continue
			}
			who.event = i - 1
			passes := true // passes is not called: these may have an instant to note
			for _, f := range l.filter {
				yes, until := f.holds(who, plan.IsTrue)
				next = min(next, until)
				if !yes {
					passes = false
					break
				}
			}
			if !passes {
				continue
			}
			switch visit(i-1, t) {
			case stop:
				return next
			case nextRow:
				if ordered {
					break events
				}
			}
		}
	}
	if ahead != Never {
		next = min(next, l.enters(ahead, who.Now, w))
	}
	return next
}

// boundByEvents tells whether a bound is an instant that other events give.
func (l *list) boundByEvents() bool {
	for k := range l.bounds {
		if at := l.bounds[k].at; at != nil && readsEvents(at) {
			return true
		}
	}
	return false
}

// passes tells whether an event passes filters that depend on nothing else.
func (l *list) passes(who *Person, event uint32) bool {
	who.event = event
	for _, f := range l.filter {
		if yes, _ := f.holds(who, plan.IsTrue); !yes {
			return false
		}
	}
	return true
}

// enters is when the earliest event that lies after the limits will be in; Never when that is beyond what they can reach. It
// may leave one bound before it passes another: then it is early.
func (l *list) enters(t, now int64, w limits) int64 {
	if t >= w.end {
		return Never
	}
	at := t
	for k := range l.bounds {
		at = max(at, l.bounds[k].enters(t))
	}
	return max(at, now+1)
}

// leaves is when the first of several events that are in will not be, given the time of the oldest; Never when there is none.
func (l *list) leaves(oldest int64) int64 {
	at := int64(Never)
	if oldest == Never {
		return at
	}
	for k := range l.bounds {
		at = min(at, l.bounds[k].leaves(oldest))
	}
	return at
}
