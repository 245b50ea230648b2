package live

import (
	"slices"

	"github.com/embedcdp/cdp/internal/plan"
)

// stretch follows one list of a busy person: it finds the events that are new, and tells its content which of them are within the
// limits of time, and from when on older ones no longer are.
type stretch struct {
	list    *list
	takes   func(who *Person, event uint32) bool // besides the limits
	content content

	seen     int      // how many events of the type there were
	lates    uint32   // how many of the person's had come late
	newest   int64    // the time of the newest event that entered
	from, to int64    // the limits
	ahead    eventRow // events after them
}

// content is what is kept of the events within the limits.
type content interface {
	// enter takes in an event; now and then one that is older than others.
	enter(who *Person, event uint32)
	// leave lets go of the events before an instant.
	leave(who *Person, from int64)
	size() int // bytes, about
}

// stretch returns what is kept of a person's list as of now; nil when nothing is.
func (t *table) stretch(who *Person, w limits) *stretch {
	s, _ := t.of(who, w).(*stretch)
	return s
}

// enters is when the next event will be in.
func (s *stretch) enters(who *Person, w limits) int64 {
	if s.ahead.len() == 0 {
		return Never
	}
	return s.list.enters(s.list.typ.Time.Int(s.ahead.at(0)), who.Now, w)
}

func (s *stretch) size() int { return stretchBytes + s.ahead.size() + s.content.size() }

const stretchBytes = 160

func (s *stretch) follow(who *Person, b *Busy, w limits) (fresh int, ok bool) {
	first, typ := s.seen == 0, s.list.typ
	if !first && (w.from < s.from || w.to < s.to) {
		return 0, false
	}
	s.from, s.to = w.from, w.to
	late := typ.late(who.Rows)
	events := b.since(who, s.list, s.seen, late != s.lates, s.from, s.takes)
	s.seen, s.lates = typ.Time.Len(), late
	if !first && len(events) > MaxLate && typ.Time.Int(events[0]) < s.newest {
		return 0, false // putting each in its place may take longer than beginning anew
	}
	s.content.leave(who, s.from)
	for s.ahead.len() > 0 && typ.Time.Int(s.ahead.at(0)) < s.to {
		s.enter(who, s.ahead.shift())
	}
	for _, i := range events {
		if typ.Time.Int(i) < s.to {
			s.enter(who, i)
		} else {
			s.ahead.insert(typ, i)
		}
	}
	return len(events), true
}

func (s *stretch) enter(who *Person, event uint32) {
	if t := s.list.typ.Time.Int(event); t >= s.from {
		s.newest = max(s.newest, t)
		s.content.enter(who, event)
	}
}

// since gathers the events of a list that are new and not before an instant, oldest first. New is what has come after so many
// events of the type. Such events stand in front of the others of their row, unless some came late: those stand behind at
// most MaxLate that were seen.
func (b *Busy) since(who *Person, l *list, seen int, late bool, from int64, takes func(*Person, uint32) bool) []uint32 {
	typ, events := l.typ, b.fresh[:0]
	if seen == typ.Time.Len() {
		return nil
	}
	for _, row := range who.Rows {
		if int(row) >= typ.Heads.Len() {
			continue
		}
		ordered, most := !typ.Unordered.Contains(row), 0
		if late {
			most = MaxLate
		}
		start := len(events)
		for i := typ.Heads.Uint(row); i != 0; i = typ.Prev.Uint(i - 1) {
			if int(i) <= seen {
				if most--; most < 0 {
					break
				}
				continue
			}
			if typ.Time.Int(i-1) < from {
				if ordered {
					break
				}
				continue
			}
			if takes(who, i-1) {
				events = append(events, i-1)
			}
		}
		slices.Reverse(events[start:])
	}
	if !slices.IsSortedFunc(events, typ.order) {
		slices.SortFunc(events, typ.order)
	}
	b.fresh = events
	if cap(events) > 1<<20 {
		b.fresh = nil
	}
	return events
}

// late is how many events of a person came late.
func (t *Type) late(rows []uint32) (n uint32) {
	for _, row := range rows {
		n += t.Lates[row]
	}
	return n
}

// keepsUp tells whether a list can be followed: whether an event passes depends on nothing but the event.
func keepsUp(e plan.Events, besides ...plan.Node) bool {
	moves := func(n plan.Node) bool { return !lasting(n) || refers(n) }
	return !slices.ContainsFunc(e.Filter, moves) && !slices.ContainsFunc(besides, moves)
}

// letsGo tells whether an event of a list can leave it as time goes by.
func letsGo(e plan.Events) bool {
	return slices.ContainsFunc(e.Bounds, func(w plan.Bound) bool {
		_, fixed := w.At.(plan.Constant)
		return w.Kind != plan.Until && !fixed
	})
}

// refers tells whether a condition about an event reads objects, whose versions may be corrected later.
func refers(n plan.Node) bool {
	through := func(v plan.Value) bool {
		f, ok := v.(plan.Field)
		return ok && f.Through != ""
	}
	switch n := n.(type) {
	case plan.And:
		return slices.ContainsFunc(n.Of, refers)
	case plan.Or:
		return slices.ContainsFunc(n.Of, refers)
	case plan.Not:
		return refers(n.Of)
	case plan.Predicate:
		return through(n.Of)
	case plan.Compare:
		return through(n.Left) || through(n.Right)
	}
	return false
}

// keyOf names a list with what is read off it.
func keyOf(e plan.Events, function plan.Function, of plan.Field) string {
	return plan.Predicate{Of: plan.Aggregate{Events: e, Function: function, Of: of}, Op: plan.Has}.String()
}
