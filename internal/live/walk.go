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

// each visits the events of the list, newest first within each of the person's rows. It returns until when the list stays
// as it was visited, apart from visited events that leave; ok is false when a bound's instant is absent.
func (l *list) each(who *Person, visit func(i uint32, t int64) verb) (next int64, ok bool) {
	next = Never
	from, to := int64(math.MinInt64), who.Now+1
	for k := range l.bounds {
		lo, hi, until, there := l.bounds[k].limits(who)
		next = min(next, until)
		if !there {
			return next, false
		}
		from, to = max(from, lo), min(to, hi)
	}
	ahead := int64(Never) // the earliest event after what is let through
	typ := l.typ
	for _, row := range who.Rows {
		if int(row) >= typ.Heads.Len() {
			continue
		}
		ordered := typ.Unordered.IsEmpty() || !typ.Unordered.Contains(row)
	events:
		for i := typ.Heads.Uint(row); i != 0; i = typ.Prev.Uint(i - 1) {
			t := typ.Time.Int(i - 1)
			switch {
			case t < from && ordered:
				break events
			case t < from:
				continue
			case t >= to:
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
				return next, true
			case nextRow:
				if ordered {
					break events
				}
			}
		}
	}
	if ahead != Never {
		next = min(next, l.enters(ahead, who.Now))
	}
	return next, true
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

// since is the start of the limits of a list whose bounds have no end.
func (l *list) since(who *Person) (from, next int64, ok bool) {
	from, next = math.MinInt64, Never
	for k := range l.bounds {
		lo, _, until, there := l.bounds[k].limits(who)
		if next = min(next, until); !there {
			return from, next, false
		}
		from = max(from, lo)
	}
	return from, next, true
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

// enters is when an event that lies after what is let through will be in. It may leave one bound before it passes another,
// or lie beyond one that does not move: then it is early.
func (l *list) enters(t, now int64) int64 {
	at := t
	for k := range l.bounds {
		at = max(at, l.bounds[k].enters(t))
	}
	return max(at, now+1)
}

// leaves is when the first of several events that are in will not be, given the oldest of them.
func (l *list) leaves(oldest int64) int64 {
	at := int64(Never)
	for k := range l.bounds {
		at = min(at, l.bounds[k].leaves(oldest))
	}
	return at
}
