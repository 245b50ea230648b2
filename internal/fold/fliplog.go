package fold

import (
	"iter"

	"github.com/embedcdp/cdp/internal/column"
)

// FlipLog is who entered and left one segment, as of one moment. It is read while the state goes on.
type FlipLog struct {
	table *column.Table
	ids   map[uint32]bool // the segment's; several when it was removed and saved again
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
	l := FlipLog{s.flips.Freeze(), map[uint32]bool{}}
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
	return l
}

// From yields the segment's flips from an index of the log on, in order of arrival: nearly that of their instants, which a
// deadline that was noticed late breaks.
func (l FlipLog) From(index uint32) iter.Seq[Flip] {
	return func(yield func(Flip) bool) {
		segment, row, at, in, cause := l.cursor("segment"), l.cursor("row"), l.cursor("t"), l.cursor("in"), l.cursor("cause")
		for i := index; i < uint32(l.table.Len()); i++ {
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
