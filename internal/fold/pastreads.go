package fold

import (
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
			break
		}
	}
	return 0
}

// pastEnrolments are the journeys a person was inside, by what is on the timeline: where in the journey is not.
func (s *State) pastEnrolments(row uint32) []EnrolmentView {
	over := map[string]bool{}
	for _, name := range []string{journey.EventFinished, journey.EventExited} {
		for _, e := range s.eventsOf(s.typeNamed[name], row) {
			over[e.Attr("enrolment").Str] = true
		}
	}
	entered := s.eventsOf(s.typeNamed[journey.EventEntered], row)
	slices.SortFunc(entered, func(a, b eventRef) int { return int(a.seq() - b.seq()) })
	var out []EnrolmentView
	for _, e := range entered {
		if !over[e.Attr("enrolment").Str] {
			out = append(out, EnrolmentView{Row: row, Journey: e.Attr("journey").Str, Version: uint32(e.Attr("version").Num), Key: e.Attr("key").Str, Entered: e.Time()})
		}
	}
	return out
}
