package fold

import (
	"cmp"
	"slices"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/value"
)

// This file puts a person's timeline together. What happened to a person is in several lists: of each event type one for each
// of the person's rows, and the flips. They are merged from the newest on, so that little more is read than is asked for.
// All cells of an event are read at once, because they may be in the store, each event's in another chunk.

// Entry is one line of a timeline.
type Entry struct {
	ID     string
	Name   string
	At     int64
	Seq    int64
	Source string
	System bool
	Attrs  map[string]value.Value
}

// instant is a place on a timeline: what has the later time, or arrived later, is newer.
type instant struct{ at, seq int64 }

func (a instant) compare(b instant) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq))
}

// Timeline returns a person's events, newest first: at most max, of the types in only (all when empty), with order
// (time, seq) before the given one (0, 0 begins at the newest).
func (s *State) Timeline(row uint32, only []string, max int, beforeAt, beforeSeq int64) []Entry {
	before := instant{beforeAt, beforeSeq}
	strands := s.strands(row, only)
	for _, st := range strands {
		st.skip = before != instant{}
		st.advance(before)
	}
	var out []Entry
	for len(out) < max {
		var newest *strand
		for _, st := range strands {
			if st.more && (newest == nil || newest.place().compare(st.place()) < 0) {
				newest = st
			}
		}
		if newest == nil {
			break
		}
		out = append(out, newest.head)
		newest.advance(before)
	}
	return out
}

// TimelineNames are the names that entries of timelines may have.
func (s *State) TimelineNames() []string {
	names := []string{SegmentEntered, SegmentLeft}
	for _, t := range s.types {
		names = append(names, t.def.Name)
	}
	return names
}

// strand is one list of what happened to a person, newest first.
type strand struct {
	head Entry // the newest of those that are left
	more bool  // there is one

	past *horizon
	typ  *eventType                  // nil: flips
	read func(i uint32) Entry        // row i of the table
	next uint32                      // the row of the list's next event, plus one
	rows []uint32                    // in place of the list, where that is not in order
	when func(i uint32) (at instant) // reads less than read
	skip bool                        // there may be what is too new still
}

func (st *strand) place() instant { return instant{st.head.At, st.head.Seq} }

// strands returns the lists of what happened to a person, of the types in only.
func (s *State) strands(row uint32, only []string) (out []*strand) {
	for _, t := range s.types {
		if len(only) > 0 && !slices.Contains(only, t.def.Name) {
			continue
		}
		if t.unlisted != nil {
			t.unlisted()
		}
		var entries *entryReader
		for m := range s.ids.Members(row) {
			if int(m) >= t.heads.Len() || t.heads.Uint(m) == 0 {
				continue
			}
			if entries == nil {
				entries = newEntryReader(t)
			}
			st := &strand{past: s.past, typ: t, read: entries.read, when: entries.when, next: t.heads.Uint(m)}
			if !t.inOrder(m) {
				st.sort(t.rowsOf(m))
			}
			out = append(out, st)
		}
	}
	flips := &strand{read: s.flipEntry, when: s.flipAt}
	var rows []uint32
	for i := range s.flipsOf(row) {
		if len(only) == 0 || slices.Contains(only, s.flipName(i)) {
			rows = append(rows, i)
		}
	}
	if len(rows) > 0 {
		flips.sort(rows)
		out = append(out, flips)
	}
	return out
}

// sort lets the strand be these rows, in order.
func (st *strand) sort(rows []uint32) {
	at := make(map[uint32]instant, len(rows))
	for _, i := range rows {
		at[i] = st.when(i)
	}
	slices.SortFunc(rows, func(a, b uint32) int { return at[b].compare(at[a]) })
	st.rows, st.next = rows, 0
}

// step returns the next row of the strand.
func (st *strand) step() (i uint32, ok bool) {
	switch {
	case st.next != 0:
		i = st.next - 1
		st.next = st.typ.prev.Uint(i)
		return i, true
	case len(st.rows) > 0:
		i = st.rows[0]
		st.rows = st.rows[1:]
		return i, true
	}
	return 0, false
}

// advance reads the next one that is before an instant and within the horizon.
func (st *strand) advance(before instant) {
	for {
		i, ok := st.step()
		if st.more = ok; !ok {
			return
		}
		if st.typ != nil && st.past != nil && int(i) >= st.past.length(st.typ) {
			continue
		}
		if st.skip && st.when(i).compare(before) >= 0 {
			continue
		}
		st.skip = false
		st.head = st.read(i)
		if st.typ == nil || st.past == nil || st.past.Known || st.head.At <= st.past.At {
			return
		}
	}
}

// inOrder says whether the list of a profile's events is known to be in order of (time, arrival).
func (t *eventType) inOrder(row uint32) bool { return t.unordered != nil && !t.unordered.Contains(row) }

// rowsOf are the events in a profile's list.
func (t *eventType) rowsOf(row uint32) (rows []uint32) {
	for i := t.heads.Uint(row); i != 0; i = t.prev.Uint(i - 1) {
		rows = append(rows, i-1)
	}
	return rows
}

// entryReader reads events of one type with all their attributes.
type entryReader struct {
	t       *eventType
	columns []*column.Column // in order of the table
	order   []*column.Column
	cells   []column.Cell
}

func newEntryReader(t *eventType) *entryReader {
	r := &entryReader{t: t, order: []*column.Column{t.time, t.seq}}
	for _, c := range t.tab.Columns() {
		if c != t.arrived && c != t.row {
			r.columns = append(r.columns, c)
		}
	}
	return r
}

func (r *entryReader) when(i uint32) instant {
	r.cells = r.t.tab.Cells(i, r.order, r.cells[:0])
	return instant{r.cells[0].Int(), r.cells[1].Int()}
}

func (r *entryReader) read(i uint32) Entry {
	t := r.t
	out := Entry{Name: t.def.Name, System: t.def.System, Attrs: make(map[string]value.Value, len(t.cols))}
	r.cells = t.tab.Cells(i, r.columns, r.cells[:0])
	for x, cell := range r.cells {
		switch c := r.columns[x]; c {
		case t.time:
			out.At = cell.Int()
		case t.seq:
			out.Seq = cell.Int()
		case t.source:
			out.Source = c.Dict().String(cell.Code())
		case t.eid:
			out.ID = string(cell.Bytes())
		default:
			if v := cellValue(c, cell); !v.IsAbsent() && t.cols[c.Name()] != nil {
				out.Attrs[c.Name()] = v
			}
		}
	}
	return out
}

func (s *State) flipAt(i uint32) instant {
	return instant{s.flips.Column("t").Int(i), s.flips.Column("q").Int(i)}
}

func (s *State) flipEntry(i uint32) Entry {
	t := s.flips
	return Entry{Name: s.flipName(i), At: t.Column("t").Int(i), Seq: t.Column("q").Int(i), Source: "system", System: true,
		Attrs: map[string]value.Value{
			"segment": value.Str(s.segmentName(t.Column("segment").Uint(i))),
			"cause":   value.Str(Cause(t.Column("cause").Uint(i)).String()),
		}}
}
