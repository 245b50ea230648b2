package fold

import (
	"cmp"
	"slices"
	"time"

	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/value"
)

// person is one canonical profile as expressions see it. It implements roweval.Person.
type person struct {
	s   *State
	row uint32
}

func (p person) Attr(name string) value.Value {
	a := p.s.attrs[name]
	if a == nil {
		return value.Value{}
	}
	return getCell2(a.now, p.row)
}

func (p person) Events(typ string) []roweval.Event {
	t := p.s.typeNamed[typ]
	if t == nil {
		return nil
	}
	refs := p.s.eventsOf(t, p.row)
	out := make([]roweval.Event, len(refs))
	for i := range refs {
		out[i] = refs[i]
	}
	return out
}

func (p person) InSegment(name string) bool {
	seg := p.s.segNamed[name]
	if p.s.past != nil {
		return seg != nil && p.s.pastMember(seg, p.row)
	}
	return seg != nil && seg.members.Contains(p.row)
}

// eventRef is one event in its table. It implements roweval.Event.
type eventRef struct {
	t *eventType
	i uint32
}

func (e eventRef) Time() int64    { return e.t.time.Int(e.i) }
func (e eventRef) ID() string     { return string(e.t.eid.Bytes(e.i)) }
func (e eventRef) Source() string { return e.t.source.Str(e.i) }
func (e eventRef) seq() int64     { return e.t.seq.Int(e.i) }

func (e eventRef) Attr(name string) value.Value {
	c := e.t.cols[name]
	if c == nil {
		return value.Value{}
	}
	return getCell(c.col, e.i)
}

// eventsOf returns the events of one type of everybody who is this person now, oldest first by (time, arrival).
func (s *State) eventsOf(t *eventType, row uint32) (mine []eventRef) {
	if t.unlisted != nil {
		t.unlisted()
	}
	lists, ordered := 0, true
	for m := range s.ids.Members(row) {
		if int(m) >= t.heads.Len() || t.heads.Uint(m) == 0 {
			continue
		}
		lists, ordered = lists+1, ordered && t.inOrder(m)
		for i := t.heads.Uint(m); i != 0; i = t.prev.Uint(i - 1) {
			mine = append(mine, eventRef{t, i - 1})
		}
	}
	mine = s.past.visible(mine)
	slices.Reverse(mine) // the lists run from the newest: one profile's events in time order need no sorting
	if !(lists == 1 && ordered) && !slices.IsSortedFunc(mine, byTime) {
		slices.SortFunc(mine, byTime)
	}
	return mine
}

func byTime(a, b eventRef) int {
	if c := cmp.Compare(a.Time(), b.Time()); c != 0 {
		return c
	}
	return cmp.Compare(a.seq(), b.seq())
}

func utcTime(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// Position orders events of different types that have the same time.
func (e eventRef) Position() uint64 { return uint64(e.seq()) }
