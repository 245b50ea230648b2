package fold

import (
	"cmp"
	"iter"
	"maps"
	"math"
	mathbits "math/bits"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/identity"
	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// This file is what readers ask of the state. Nothing here changes it.

// Find returns the canonical row of the person an identifier belongs to.
func (s *State) Find(kind, id string) (row uint32, ok bool) {
	code, known := s.kindCode[kind]
	if !known {
		return 0, false
	}
	if row, ok = s.ids.Find(code, []byte(id)); !ok {
		return 0, false
	}
	return s.ids.Canonical(row), true
}

// Identifiers returns all identifiers of a person by kind, in order of attachment.
func (s *State) Identifiers(row uint32) map[string][]string {
	out := map[string][]string{}
	for _, id := range s.ids.Identifiers(row) {
		out[s.kinds[id.Kind]] = append(out[s.kinds[id.Kind]], string(id.ID))
	}
	return out
}

// UserIDOf returns the user id of a customer, or "" for a visitor.
func (s *State) UserIDOf(row uint32) string { return s.firstID(row, identity.UserID) }

// AnonymousIDOf returns a person's first anonymous id, or "".
func (s *State) AnonymousIDOf(row uint32) string { return s.firstID(row, identity.AnonymousID) }

func (s *State) firstID(row uint32, kind uint8) string {
	for _, id := range s.ids.Identifiers(row) {
		if id.Kind == kind {
			return string(id.ID)
		}
	}
	return ""
}

// Customers and Visitors count profiles; a visitor that is linked to a customer counts no more.
func (s *State) Customers() int { return s.ids.Customers() }
func (s *State) Visitors() int  { return s.ids.Profiles() - s.ids.Customers() }

// Profiles yields every canonical row: customers, or visitors that belong to none.
func (s *State) Profiles(visitors bool) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for w, word := range s.ids.People(visitors) {
			for ; word != 0; word &= word - 1 {
				if !yield(uint32(w<<6 | mathbits.TrailingZeros64(word))) {
					return
				}
			}
		}
	}
}

// Rows is the number of profile rows, linked ones included; Canonical says whom a row belongs to.
func (s *State) Rows() int { return s.ids.Rows() }

// PeopleEnd is the row behind the last that belongs to itself; at least 1.
func (s *State) PeopleEnd() uint32           { return max(1, s.ids.End()) }
func (s *State) Canonical(row uint32) uint32 { return s.ids.Canonical(row) }

// Canonicals returns whom each row belongs to now, nil when every row is its own.
func (s *State) Canonicals() identity.Canonicals { return s.ids.Canonicals() }

// Attributes returns a person's attributes by name.
func (s *State) Attributes(row uint32) map[string]value.Value {
	out := map[string]value.Value{}
	for name, a := range s.attrs {
		if v := getCell2(a.now, row); !v.IsAbsent() {
			out[name] = v
		}
	}
	return out
}

// Attribute returns one attribute of a person.
func (s *State) Attribute(row uint32, name string) value.Value { return person{s, row}.Attr(name) }

// Link is one row of the merge ledger.
type Link struct {
	At        int64
	Row, Into uint32
	Reason    string
	Refused   bool
}

// Links returns what the ledger says about a person.
func (s *State) Links(row uint32) (out []Link) {
	t := s.links
	mine := map[uint32]bool{}
	for m := range s.ids.Members(row) {
		mine[m] = true
	}
	for i := range uint32(t.Len()) {
		l := Link{t.Column("t").Int(i), t.Column("row").Uint(i), t.Column("into").Uint(i), t.Column("reason").Str(i), false}
		if ok, _ := t.Column("ok").Bool(i); !ok {
			l.Refused = true
		}
		if mine[l.Row] || mine[l.Into] {
			out = append(out, l)
		}
	}
	return out
}

// flipsOf yields the flips of everybody who is this person now, by index into the table.
func (s *State) flipsOf(row uint32) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		prev := s.flips.Column("prev")
		for m := range s.ids.Members(row) {
			if int(m) >= s.lastFlip.Len() {
				continue
			}
			for i := s.lastFlip.Uint(m); i > s.flipsFrom(); i = prev.Uint(i - 1) {
				if beyond := s.past != nil && int(i) > s.past.flips; !beyond && !yield(i-1) {
					return
				}
			}
		}
	}
}

// flipsFrom is the first flip that retention has left, also of a past state.
func (s *State) flipsFrom() uint32 {
	if s.now != nil {
		return s.now.flipsKept.gone.Rows
	}
	return s.flipsKept.gone.Rows
}

func (s *State) flipName(i uint32) string {
	if in, _ := s.flips.Column("in").Bool(i); in {
		return SegmentEntered
	}
	return SegmentLeft
}

// segmentName is a segment's name, also after it was removed.
func (s *State) segmentName(id uint32) string {
	if seg := s.segments[id]; seg != nil {
		return seg.name
	}
	return s.removedSegments[id]
}

// Since returns the segments a person is in, and since when; in the past 0 where that is not known.
func (s *State) Since(row uint32) map[string]int64 {
	if s.past != nil {
		return s.pastSince(row)
	}
	out := map[string]int64{}
	for name, seg := range s.segNamed {
		if at, ok := seg.standing.since(row); ok {
			out[name] = at
		}
	}
	for i := range s.flipsOf(row) {
		seg := s.segments[s.flips.Column("segment").Uint(i)]
		if seg == nil || !seg.members.Contains(row) {
			continue
		}
		if in, _ := s.flips.Column("in").Bool(i); in && s.flips.Column("row").Uint(i) == row {
			if at, there := out[seg.name]; !there || s.flips.Column("t").Int(i) > at {
				out[seg.name] = s.flips.Column("t").Int(i)
			}
		}
	}
	return out
}

// Members returns a copy of a segment's membership by canonical row.
func (s *State) Members(name string) (*roaring.Bitmap, bool) {
	seg := s.segNamed[name]
	if seg == nil {
		return nil, false
	}
	return seg.members.Clone(), true
}

// SegmentNames returns the names of all segments, in order.
func (s *State) SegmentNames() []string { return slices.Sorted(maps.Keys(s.segNamed)) }

// InputOf is a person as an expression is asked about them at this log time.
func (s *State) InputOf(row uint32) roweval.Input {
	return roweval.Input{Person: person{s, row}, Objects: s, Now: s.Now}
}

// Population says whether a person belongs to those a segment is about.
func (s *State) Population(name string, row uint32) bool {
	seg := s.segNamed[name]
	return seg != nil && s.ids.IsCustomer(row) != seg.visitors
}

// RejectedEvent is an event that was not accepted.
type RejectedEvent struct {
	ID, Name, Source, Reason string
	At                       int64
	Replayed                 bool
}

// RejectedEvents returns rejected events in order of arrival; those accepted by a replay only when all is set.
func (s *State) RejectedEvents(all bool) []RejectedEvent {
	var out []RejectedEvent
	t := s.rejected
	for i := range uint32(t.Len()) {
		if s.replayOK[i] && !all {
			continue
		}
		out = append(out, RejectedEvent{string(t.Column("id").Bytes(i)), t.Column("name").Str(i), t.Column("source").Str(i),
			string(t.Column("reason").Bytes(i)), t.Column("t").Int(i), s.replayOK[i]})
	}
	return out
}

// EnrolmentView is one person's place in a journey.
type EnrolmentView struct {
	Row     uint32
	Journey string
	Version uint32
	Node    string
	Key     string
	Entered int64
	Reached int64
	Due     int64
}

// Enrolments returns who is inside a journey ("" is any), or only one person, in order of entry. A past state knows one
// person's only, and not where in the journey that person was.
func (s *State) Enrolments(name string, row uint32, onlyRow bool) []EnrolmentView {
	if s.past != nil {
		return s.pastEnrolments(row)
	}
	var out []EnrolmentView
	for e := range s.journeys.live.all() {
		if name != "" && e.Journey != name || onlyRow && e.Row != row {
			continue
		}
		out = append(out, EnrolmentView{e.Row, e.Journey, e.Version, e.Node, e.Key, e.Entered, e.Reached, e.Due})
	}
	return out
}

// EventTable is the columns of one event type, for reports: cells by event index in order of arrival.
type EventTable struct {
	Table  *column.Table
	Time   *column.Column
	Row    *column.Column                  // that each event came for
	Owners func(k int, keep bool) []uint32 // whose the events of a full chunk are, nil when that is not at hand: see exec.Events
	Seq    *column.Column
	Source *column.Column
	First  int   // retention has dropped the rows before it
	Len    int   // the first rows, which count but for those
	Until  int64 // later ones do not count
}

// EventTable returns an event type's columns.
func (s *State) EventTable(name string) (EventTable, bool) {
	t := s.typeNamed[name]
	if t == nil {
		return EventTable{}, false
	}
	out := EventTable{t.tab, t.time, t.row, func(k int, keep bool) []uint32 { return s.owners(t, k, keep) }, t.seq, t.source, int(t.gone.Rows), t.tab.Len(), math.MaxInt64}
	if s.past != nil {
		out.Len, out.Until = max(s.past.length(t), out.First), s.past.until()
	}
	return out, true
}

// EventAt is one event as expressions see it.
func (s *State) EventAt(name string, i uint32) roweval.Event { return eventRef{s.typeNamed[name], i} }

// EventCount is the number of events of a type.
func (s *State) EventCount(name string) int {
	if t := s.typeNamed[name]; t != nil {
		return t.kept()
	}
	return 0
}

// BodyOf returns the JSON of a definition, and whether there is one.
func (s *State) BodyOf(kind, name string) ([]byte, bool) {
	d := s.defs[DefKey{kind, name}]
	if d == nil {
		return nil, false
	}
	return d.Body(), true
}

// SystemTypes returns the event types that the platform writes itself.
func (s *State) SystemTypes() []*schema.EventType {
	var out []*schema.EventType
	for _, t := range s.types {
		if t.def.System {
			out = append(out, t.def)
		}
	}
	return out
}

// MayReceive says whether consent lets a person be sent messages on a channel now.
func (s *State) MayReceive(row uint32, channel string) bool {
	granted, given := s.Consent(row, channel)
	return granted || !given && !slices.Contains(s.Settings.OptIn, channel)
}

// messageTypes are the event types that tell what became of messages.
var messageTypes = []string{MessageQueued, MessageSent, MessageRetried, MessageBounced, MessageFailed, MessageSuppressed}

// MessageEvents yields what became of messages with the person's canonical row, in order of arrival.
func (s *State) MessageEvents(only []string) iter.Seq2[uint32, Entry] {
	if len(only) == 0 {
		only = messageTypes
	}
	return func(yield func(uint32, Entry) bool) {
		var refs []eventRef
		for _, name := range only {
			t := s.typeNamed[name]
			if t == nil || !slices.Contains(messageTypes, name) {
				continue
			}
			for i := t.gone.Rows; int(i) < t.tab.Len(); i++ {
				refs = append(refs, eventRef{t, i})
			}
		}
		slices.SortFunc(refs, func(a, b eventRef) int { return cmp.Compare(a.seq(), b.seq()) })
		readers := map[*eventType]*entryReader{}
		for _, e := range refs {
			if readers[e.t] == nil {
				readers[e.t] = newEntryReader(e.t)
			}
			if !yield(s.ids.Canonical(e.t.row.Uint(e.i)), readers[e.t].read(e.i)) {
				return
			}
		}
	}
}
