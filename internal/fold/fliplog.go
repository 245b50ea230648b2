package fold

import (
	"iter"

	"github.com/embedcdp/cdp/internal/column"
)

// FlipLog is who entered and left one segment, as of one moment. It is read while the state goes on.
type FlipLog struct {
	table *column.Table
	ids   map[uint32]bool // the segment's; several when it was removed and saved again

	first     uint32  // retention has taken all flips before
	gone      Dropped // of this segment's
	retention string
	members   int // now
}

// Flip is one entering or leaving of a segment.
type Flip struct {
	Index uint32 // in the log of all segments' flips, in order of arrival
	Row   uint32
	At    int64
	In    bool
	Cause string
}

// FlipLog freezes the flips of a segment, of one that was removed too.
func (s *State) FlipLog(name string) FlipLog {
	s.freezing.Lock()
	defer s.freezing.Unlock()
	l := FlipLog{table: s.flips.Freeze(), ids: map[uint32]bool{}, first: s.flipsKept.gone.Rows}
	_, l.retention = s.flipsKept.longest()
	for id, seg := range s.segments {
		if seg != nil && seg.name == name {
			l.ids[uint32(id)] = true
		}
	}
	for id, removed := range s.removedSegments {
		if removed == name {
			l.ids[id] = true
		}
	}
	for id := range l.ids {
		d := s.flipsKept.of[id]
		l.gone = Dropped{max(l.gone.Rows, d.Rows), max(l.gone.At, d.At), max(l.gone.Until, d.Until)}
	}
	if seg := s.segNamed[name]; seg != nil {
		l.members = int(seg.members.GetCardinality())
	}
	return l
}

// Missing says what retention has taken of the segment's flips from an index of the log and from a time on; nil is nothing.
func (l FlipLog) Missing(index uint32, from int64) *Missing {
	if index >= l.gone.Rows || from >= l.gone.Until {
		return nil
	}
	return &Missing{SegmentEntered, from, l.gone.Until, l.retention}
}

// Before is how many members there were before the first flip that is left, and the instant before which others may be gone;
// false when none are.
func (l FlipLog) Before() (members int, at int64, any bool) {
	members = l.members
	for f := range l.From(0) {
		if f.In {
			members--
		} else {
			members++
		}
	}
	return members, l.gone.Until, l.gone.Rows > 0
}

// From yields the segment's flips from an index of the log on, in order of arrival: nearly that of their instants, which a
// deadline that was noticed late breaks.
func (l FlipLog) From(index uint32) iter.Seq[Flip] {
	return func(yield func(Flip) bool) {
		segment, row, at, in, cause := l.cursor("segment"), l.cursor("row"), l.cursor("t"), l.cursor("in"), l.cursor("cause")
		for i := max(index, l.first); i < uint32(l.table.Len()); i++ {
			if !l.ids[segment.Uint(i)] {
				continue
			}
			entered, _ := in.Bool(i)
			if !yield(Flip{i, row.Uint(i), at.Int(i), entered, Cause(cause.Uint(i)).String()}) {
				return
			}
		}
	}
}

func (l FlipLog) cursor(name string) column.Cursor { return l.table.Column(name).Cursor() }
