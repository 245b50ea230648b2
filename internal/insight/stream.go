// Package insight computes reports over event streams: trends, funnels, retention and journey performance.
//
// It has no I/O, reads no clock and calls no user code. The caller prepares streams of columns; a report is a struct
// with a Run method, and its result is plain data with a Table method. Times are int64 microseconds since 1970 UTC and
// people are canonical rows. Results do not depend on how a stream is cut into runs and chunks.
//
// A Stream may be read more than once by one report. A Run method is used by one goroutine; streams of different
// reports may be read at the same time if the caller's iterators allow it.
package insight

import (
	"iter"
	"math"

	"github.com/RoaringBitmap/roaring/v2"
)

// Chunk is a few thousand events as columns of equal length. The consumer does not write into them and does not keep
// them after it asks the same run for its next chunk, so the caller may reuse the memory.
type Chunk struct {
	Person []uint32 // canonical row; required
	Time   []int64  // microseconds since 1970 UTC; required

	Pos   []int64   // log position; nil where a report does not need it (see Funnel), in all chunks of a stream or none
	Group []uint32  // dense code of the attribute to group by, NoGroup where it is absent; nil where all are absent
	Value []float64 // the measured attribute; not finite (NaN) means absent; nil where all are absent
	Keep  []uint64  // bit i%64 of word i/64 says whether event i counts; nil means all do

	Within  Range // holds every Time; the zero Range means that it is not known
	InOrder bool  // no Time is before the one ahead of it; false also when that is not known
}

// NoGroup is the group code of an event that lacks the attribute.
const NoGroup = math.MaxUint32

// Run is one sequence of chunks. Chunks must give the same events each time it is ranged over. A caller whose read
// fails ends the sequence early, remembers the error, and throws the report away.
type Run struct {
	// Sorted says that events come in the order (person, time, position), as in a sealed tier.
	// Otherwise they come in log order, and a report that needs order sorts them in memory.
	Sorted bool
	Chunks iter.Seq[Chunk]

	// Split cuts the chunks into n sequences that follow each other and can be read at the same time, some of them
	// perhaps empty. Their chunks need no Pos. Nil means that the run can only be read as one.
	Split func(n int) []iter.Seq[Chunk]
}

// Stream is the events of one question, such as all purchases: any number of runs, in any order.
type Stream []Run

func (c *Chunk) len() int { return len(c.Person) }

func (c *Chunk) kept(i int) bool { return c.Keep == nil || c.Keep[i>>6]>>(i&63)&1 != 0 }

// append adds event i of from. A group or value column that only some chunks have, as when an attribute was first seen
// later, is filled up with absent ones.
func (c *Chunk) append(from *Chunk, i int) {
	c.Person = append(c.Person, from.Person[i])
	c.Time = append(c.Time, from.Time[i])
	if from.Pos != nil {
		c.Pos = append(c.Pos, from.Pos[i])
	}
	if from.Group != nil {
		for len(c.Group) < len(c.Person)-1 {
			c.Group = append(c.Group, NoGroup)
		}
		c.Group = append(c.Group, from.Group[i])
	} else if c.Group != nil {
		c.Group = append(c.Group, NoGroup)
	}
	if from.Value != nil {
		for len(c.Value) < len(c.Person)-1 {
			c.Value = append(c.Value, math.NaN())
		}
		c.Value = append(c.Value, from.Value[i])
	} else if c.Value != nil {
		c.Value = append(c.Value, math.NaN())
	}
}

// appendKept adds the rows [lo, hi) of from that count.
func (c *Chunk) appendKept(from *Chunk, lo, hi int) {
	if from.Keep != nil || (from.Group == nil) != (c.Group == nil) || (from.Value == nil) != (c.Value == nil) {
		for i := lo; i < hi; i++ {
			if from.kept(i) {
				c.append(from, i)
			}
		}
		return
	}
	c.Person, c.Time = append(c.Person, from.Person[lo:hi]...), append(c.Time, from.Time[lo:hi]...)
	if from.Pos != nil {
		c.Pos = append(c.Pos, from.Pos[lo:hi]...)
	}
	if from.Group != nil {
		c.Group = append(c.Group, from.Group[lo:hi]...)
	}
	if from.Value != nil {
		c.Value = append(c.Value, from.Value[lo:hi]...)
	}
}

func (c *Chunk) reset() {
	c.Person, c.Time, c.Pos, c.Group, c.Value = c.Person[:0], c.Time[:0], c.Pos[:0], c.Group[:0], c.Value[:0]
}

func (c *Chunk) swap(i, j int) {
	if c.Person != nil {
		c.Person[i], c.Person[j] = c.Person[j], c.Person[i]
	}
	c.Time[i], c.Time[j] = c.Time[j], c.Time[i]
	if c.Pos != nil {
		c.Pos[i], c.Pos[j] = c.Pos[j], c.Pos[i]
	}
	if c.Group != nil {
		c.Group[i], c.Group[j] = c.Group[j], c.Group[i]
	}
	if c.Value != nil {
		c.Value[i], c.Value[j] = c.Value[j], c.Value[i]
	}
}

// times returns bounds of the times of a chunk that has rows.
func (c *Chunk) times() (least, most int64) {
	if !c.Within.all() {
		return c.Within.From, c.Within.To - 1
	}
	least, most = c.Time[0], c.Time[0]
	for _, t := range c.Time[1:] {
		least, most = min(least, t), max(most, t)
	}
	return least, most
}

// before is the order (time, position).
func (c *Chunk) before(i, j int) bool {
	if c.Time[i] != c.Time[j] || c.Pos == nil {
		return c.Time[i] < c.Time[j]
	}
	return c.Pos[i] < c.Pos[j]
}

// rowSet is a set of people as dense words; nil holds everybody.
type rowSet []uint64

func newRowSet(b *roaring.Bitmap) rowSet {
	if b == nil {
		return nil
	}
	if b.IsEmpty() {
		return rowSet{0}
	}
	s := make(rowSet, b.Maximum()>>6+1)
	b.Iterate(func(p uint32) bool {
		s[p>>6] |= 1 << (p & 63)
		return true
	})
	return s
}

func (s rowSet) has(p uint32) bool {
	return s == nil || int(p>>6) < len(s) && s[p>>6]>>(p&63)&1 != 0
}
