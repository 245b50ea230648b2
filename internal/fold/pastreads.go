package fold

import (
	"cmp"
	"slices"

	"github.com/embedcdp/cdp/internal/journey"
	"github.com/embedcdp/cdp/internal/roweval"
)

// This file is how a past state reads what it shares with the present one. A nil horizon is the present, which sees all.

// sees says whether an event is within the horizon.
func (h *horizon) sees(e eventRef) bool {
	return int(e.i) < h.length(e.t) && (h.Known || e.Time() <= h.At)
}

// length is how many events of a type the horizon lets through, as far as their order of arrival decides.
func (h *horizon) length(t *eventType) int {
	if int(t.id) < len(h.events) {
		return h.events[t.id]
	}
	return 0 // the type was not there when the past state was made
}

// visible takes the events out of a list that are beyond the horizon.
func (h *horizon) visible(events []eventRef) []eventRef {
	if h == nil {
		return events
	}
	return slices.DeleteFunc(events, func(e eventRef) bool { return !h.sees(e) })
}

// versions are those of an object within the horizon.
func (h *horizon) versions(all versionList) versionList {
	sees := func(v objectVersion) bool { return int(v.row) < h.objs && (h.Known || v.from <= h.At) }
	if h == nil || !slices.ContainsFunc(all, func(v objectVersion) bool { return !sees(v) }) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(v objectVersion) bool { return !sees(v) })
}

// pastMember says whether a person was in a segment.
func (s *State) pastMember(seg *segment, row uint32) bool {
	if seg.members != nil {
		return seg.members.Contains(row)
	}
	return s.ids.IsCustomer(row) != seg.visitors &&
		seg.prog.Eval(roweval.Input{Person: person{s, row}, Objects: s, Now: s.Now}).True()
}

// WasMember says whether a person was in a segment of a past state, by its condition as it is now.
func (s *State) WasMember(segment string, row uint32) bool { return person{s, row}.InSegment(segment) }

// pastSince are the segments a person was in, and since when as far as that was noted: 0 where it was not, as when the
// segment's condition was another then, or when what is known now was not known then. Segments that miss events are left out.
func (s *State) pastSince(row uint32) map[string]int64 {
	out := map[string]int64{}
	for name, seg := range s.segNamed {
		if !seg.missing && s.pastMember(seg, row) {
			out[name] = s.notedSince(seg, row)
		}
	}
	return out
}

// notedSince is when the person entered the segment by its last flip; 0 when that says the person is not in it.
func (s *State) notedSince(seg *segment, row uint32) int64 {
	if !s.past.Known {
		return 0
	}
	for i := range s.flipsOf(row) { // of each of the person's rows from the newest on
		if s.flips.Column("row").Uint(i) == row && s.flips.Column("segment").Uint(i) == seg.id {
			if in, _ := s.flips.Column("in").Bool(i); in {
				return s.flips.Column("t").Int(i)
			}
			return 0
		}
	}
	if at, ok := s.now.segments[seg.id].standing.since(row); ok {
		return at
	}
	return 0 // or retention has taken it
}

// pastStay is one enrolment as the events of it that are left, and the present state, tell.
type pastStay struct {
	EnrolmentView
	began   eventRef // the event that says so, if there is one still
	started uint32   // the row that it came for, else one that the end came for
	after   bool     // inside still, or left later
}

// order is the place of the event in the order of everything.
func (x *pastStay) order() int64 {
	if x.began.t == nil {
		return 0
	}
	return x.began.seq()
}

// pastEnrolments are the journeys a person was inside, by what is on the timeline: where in the journey is not. Retention may have
// taken events from before the instant: who is inside still, or left later, was inside then, since 0 where that is gone.
func (s *State) pastEnrolments(row uint32) []EnrolmentView {
	stays := map[string]*pastStay{}
	of := func(id string, row uint32, v EnrolmentView) *pastStay {
		if stays[id] == nil {
			stays[id] = &pastStay{EnrolmentView: v, started: row}
		}
		return stays[id]
	}
	now := s.now.ids.Canonical(row)
	for _, h := range s.now.journeys.byRow[now] {
		e := s.now.journeys.live.get(h)
		of(e.ID.String(), now, EnrolmentView{Journey: e.Journey, Version: e.Version, Key: e.Key, Entered: e.Entered}).after = true
	}
	for m := range s.now.ids.Members(now) { // who was linked since may have left as another
		for _, name := range stayTypes {
			t := s.typeNamed[name]
			if int(m) >= t.heads.Len() {
				continue
			}
			for _, i := range t.rowsOf(m) {
				e := eventRef{t, i}
				x := of(e.Attr("enrolment").Str, m, EnrolmentView{Journey: e.Attr("journey").Str, Version: uint32(e.Attr("version").Num), Key: e.Attr("key").Str})
				if name == journey.EventEntered {
					x.began, x.started, x.Entered = e, m, e.Time()
				} else {
					x.after = !s.past.sees(e)
				}
			}
		}
	}
	var inside []*pastStay
	for _, x := range stays {
		mine := int(x.started) < s.ids.Rows() && s.ids.Canonical(x.started) == row
		if x.Row = row; x.after && mine && (x.began.t == nil || s.past.sees(x.began)) {
			inside = append(inside, x)
		}
	}
	slices.SortFunc(inside, func(a, b *pastStay) int {
		return cmp.Or(cmp.Compare(a.order(), b.order()), cmp.Compare(a.Entered, b.Entered), cmp.Compare(a.Journey, b.Journey), cmp.Compare(a.Key, b.Key))
	})
	out := make([]EnrolmentView, len(inside))
	for i, x := range inside {
		out[i] = x.EnrolmentView
	}
	return out
}
