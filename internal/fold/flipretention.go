package fold

// This file is how flips go when they are older than they are kept: by blocks, as events do (retention.go). Both kinds share a
// table, so it has one retention, the longer of the two that are set for segment_entered and segment_left.
//
// Who is a member, and since when, must stay known. So each member whose entering goes is left in a list of the segment
// (standing), which a checkpoint has in its manifest. Who leaves is taken out of it again.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/journey"
	"github.com/embedcdp/cdp/internal/schema"
)

// flipRetention is what there is to know of how long flips are kept, and of what went.
type flipRetention struct {
	set    map[string]string // by event type, as it was defined
	keep   int64             // microseconds; 0 for ever
	dropAt int64             // when the next block is due; 0 no time is known
	gone   Dropped
	of     map[uint32]Dropped // the same by segment id; Rows is the place behind the last that went
}

// flipTypes are the event types that flips are shown as.
var flipTypes = []string{SegmentEntered, SegmentLeft}

// prepareFlips checks a definition of one of the types that flips are shown as, of which only the retention can be set.
func (s *State) prepareFlips(d *schema.EventType) (func(), error) {
	if d.Policy != "" || len(d.Attributes) > 0 {
		return nil, fmt.Errorf("event %q is written by the platform itself: only its retention can be set; choose another name for events of your own", d.Name)
	}
	return func() {
		f := &s.flipsKept
		f.set[d.Name] = d.Retention
		f.keep, _ = f.longest()
		if !s.loading {
			f.dropAt = 0
			delete(s.later, dueItem(dueFlips, 0, 0))
			s.scheduleFlips()
		}
	}, nil
}

// longest is the longer of the two retentions; 0 when one is not set, and all are kept.
func (f *flipRetention) longest() (keep int64, text string) {
	for _, name := range flipTypes {
		if f.set[name] == "" {
			return 0, ""
		}
		if d, _ := journey.ParseDuration(f.set[name]); d > keep { // it was checked
			keep, text = d, f.set[name]
		}
	}
	return keep, text
}

// scheduleFlips sets the deadline of the oldest block of flips that is full, unless one is pending.
func (s *State) scheduleFlips() {
	if s.flipsKept.keep == 0 || s.flipsKept.dropAt != 0 {
		return
	}
	if at, ok := s.flipsFree(int(s.flipsKept.gone.Rows) / column.ChunkRows); ok {
		s.dropFlipsAt(at)
	}
}

func (s *State) dropFlipsAt(at int64) {
	s.flipsKept.dropAt = at
	s.insertLater(at, dueItem(dueFlips, 0, 0))
}

// flipsFree is when all flips of a block will be old enough; false when it is not full.
func (s *State) flipsFree(block int) (at int64, ok bool) {
	if (block+1)*column.ChunkRows >= s.flips.Len() {
		return 0, false
	}
	return latestIn(s.flipCells.t, block) + s.flipsKept.keep, true
}

// retainFlips drops the oldest blocks of flips that are old enough.
func (s *State) retainFlips(at int64) {
	f := &s.flipsKept
	if f.dropAt != at {
		return // replaced by another deadline since
	}
	f.dropAt = 0
	delete(s.later, dueItem(dueFlips, 0, 0))
	first := int(f.gone.Rows) / column.ChunkRows
	free := first
	for free < first+dropBlocks {
		if at, ok := s.flipsFree(free); !ok || at > s.Now {
			break
		}
		free++
	}
	if free > first {
		s.dropFlips(first, free)
	}
	if next, ok := s.flipsFree(free); ok {
		s.dropFlipsAt(max(next, s.Now+1e6))
	}
}

// dropFlips drops blocks of flips, and keeps of those who entered by them and are members still that they did.
func (s *State) dropFlips(from, to int) {
	gone := &s.flipsKept.gone
	gone.Rows, gone.At = uint32(to*column.ChunkRows), s.Now
	entered := map[uint32]map[uint32]int64{} // by segment and row, when
	rowOf, segmentOf, timeOf, inOf := s.flipCells.row.Cursor(), s.flipCells.segment.Cursor(), s.flipCells.t.Cursor(), s.flipCells.in.Cursor()
	for i := uint32(from * column.ChunkRows); i < gone.Rows; i++ {
		row, id, at := rowOf.Uint(i), segmentOf.Uint(i), timeOf.Int(i)
		gone.Until = max(gone.Until, at+1)
		s.flipsKept.of[id] = Dropped{Rows: i + 1, At: s.Now, Until: max(s.flipsKept.of[id].Until, at+1)}
		if s.lastFlip.Uint(row) <= gone.Rows {
			s.lastFlip.SetUint(row, 0)
		}
		if in, _ := inOf.Bool(i); in && s.segments[id] != nil && s.segments[id].members.Contains(row) {
			if entered[id] == nil {
				entered[id] = map[uint32]int64{}
			}
			entered[id][row] = at // of several the last one
		}
	}
	for id, rows := range entered {
		maps.DeleteFunc(rows, func(row uint32, _ int64) bool { return s.flipLeft(id, row) })
		s.segments[id].standing.add(rows)
	}
	s.flips.Drop(to)
	s.mix(1<<63 | uint64(gone.Rows))
}

// flipLeft says whether a flip of a person and a segment is left: then it says since when they are a member.
func (s *State) flipLeft(id, row uint32) bool {
	for i := s.lastFlip.Uint(row); i > s.flipsKept.gone.Rows; i = s.flipCells.prev.Uint(i - 1) {
		if s.flipCells.segment.Uint(i-1) == id {
			return true
		}
	}
	return false
}

// standing are the members of a segment who entered by flips that are gone, and when.
type standing struct {
	rows  []uint32 // in order; these two are never changed in place
	times []int64
	still *roaring.Bitmap // those of them who have not left since; nil is nobody
}

// since is when a member entered, if that flip is gone.
func (x *standing) since(row uint32) (at int64, ok bool) {
	if x.still == nil || !x.still.Contains(row) {
		return 0, false
	}
	i, ok := slices.BinarySearch(x.rows, row)
	if !ok {
		return 0, false
	}
	return x.times[i], true
}

// left takes out who has left.
func (x *standing) left(row uint32) {
	if x.still != nil {
		x.still.Remove(row)
	}
}

// stay takes out who is no member any more.
func (x *standing) stay(members *roaring.Bitmap) {
	if x.still != nil {
		x.still.And(members)
	}
}

// add puts more of them in, and lets go of who has left.
func (x *standing) add(more map[uint32]int64) {
	for i, row := range x.rows {
		if x.still.Contains(row) {
			more[row] = x.times[i]
		}
	}
	x.rows = slices.Sorted(maps.Keys(more))
	x.times = make([]int64, len(x.rows))
	x.still = roaring.BitmapOf(x.rows...)
	for i, row := range x.rows {
		x.times[i] = more[row]
	}
}

func (x *standing) freeze() standing {
	if x.still == nil {
		return standing{}
	}
	return standing{x.rows, x.times, x.still.Clone()}
}

func (x *standing) count() int {
	if x.still == nil {
		return 0
	}
	return int(x.still.GetCardinality())
}

// append encodes them for a checkpoint: the segment, how many, and for each the distance to the row before and the instant.
func (x *standing) append(b []byte, segment uint32) []byte {
	b = binary.AppendUvarint(b, uint64(segment))
	b = binary.AppendUvarint(b, uint64(x.count()))
	last := uint32(0)
	for i, row := range x.rows {
		if x.still.Contains(row) {
			b = binary.AppendUvarint(b, uint64(row-last))
			b = binary.LittleEndian.AppendUint64(b, uint64(x.times[i]))
			last = row
		}
	}
	return b
}

var errStanding = errors.New("members whose flips are gone: damaged")

// standing reads what append wrote, of all segments.
func (l *loader) standing() error {
	b := l.m.Standing
	number := func() uint64 {
		n, w := binary.Uvarint(b)
		if w <= 0 {
			b = nil
			return math.MaxUint64
		}
		b = b[w:]
		return n
	}
	for len(b) > 0 {
		id, count := number(), number()
		if id >= uint64(len(l.s.segments)) || l.s.segments[id] == nil || count > uint64(len(b))/9 {
			return errStanding
		}
		seg, row, at := l.s.segments[id], uint64(0), make(map[uint32]int64, count)
		for range count {
			if row += number(); row >= uint64(l.m.Rows) || len(b) < 8 {
				return errStanding
			}
			at[uint32(row)] = int64(binary.LittleEndian.Uint64(b))
			b = b[8:]
		}
		seg.standing.add(at)
		seg.members.Or(seg.standing.still)
	}
	return nil
}

// FlipsDropped is what retention has taken from the table of flips.
type FlipsDropped struct {
	Dropped
	Of map[uint32]Dropped `json:"of"` // by segment id
}
