// Package dedup remembers the ids of the events of the last days, so that an event that is sent again is recognised.
//
// It keeps bits of each id's hash and the caller's reference to where the id is stored. Every hit is verified by the caller
// against the stored id, so answers are exact within the window. The window is log time, at least Config.Window, and at
// most Config.MaxIDs ids and 1<<30 references, whichever is less.
//
// One table holds all ids, in about 12 bytes each (see table.go). They expire by generations, slices of 1/32 of the window,
// of MaxIDs and of the references. References ascend, so expiring a generation is raising the oldest one that counts; the
// space of its ids is taken back when their part of the table fills up. So nothing is ever rebuilt as a whole, and a
// look-up is one probe whatever the number of generations. (A table a generation costs a few cache misses for each of
// them: most look-ups find nothing.)
//
// Answers depend on the calls alone: not on the hash, whose seed differs between processes, which keeps clients, who
// choose their ids, from making them collide. Nothing here locks: Seen also moves the clock, so it is a write.
package dedup

import (
	"fmt"
	"hash/maphash"
	"math"
)

// Config says how much is remembered.
type Config struct {
	// Window is the log time for which ids are remembered, in microseconds; up to 1/32 more is kept. Default 7 days.
	Window int64
	// MaxIDs is the most ids to hold; the newest 31/32 of them at least are kept. Default 50 million; no more than 268 million
	// (1<<28) are held.
	MaxIDs int
	// Resume is the zero value for a new set, and the Bounds of the saved one when a set is rebuilt: see Bounds.
	Resume Bounds
}

// Bounds says what a set covers. A set with the same answers is made by New with these Bounds in Config.Resume and all calls of
// Add again from number First on.
type Bounds struct {
	From  int64  // every id added at this instant or later is remembered
	First uint64 // the number of the oldest Add that is held, counted from 0 over all that were ever made
	IDs   int    // ids held
}

const (
	generations = 32
	refSlice    = maxRefs / generations
	day         = 86_400_000_000
)

// Set is the ids of the window.
type Set struct {
	window, timeSlice int64
	maxIDs, addSlice  uint64

	now       int64
	adds      uint64 // ever made
	nextRef   uint64 // the smallest reference that the next Add may have
	forgotten int64  // ids before this instant may have gone because of MaxIDs or of references
	live      []generation
	hash      maphash.Seed
	table     table
}

// generation is the ids of one slice of time, of Add numbers and of references. The slices have fixed borders, so a rebuilt
// set has the same ones.
type generation struct {
	timeSlice int64
	addSlice  uint64
	refSlice  uint64
	first     uint64 // number of its first Add
	firstRef  uint64 // and its reference
	last      int64  // instant of its last Add
}

// New returns an empty set.
func New(c Config) *Set {
	if c.Window <= 0 {
		c.Window = 7 * day
	}
	if c.MaxIDs <= 0 {
		c.MaxIDs = 50_000_000
	}
	c.MaxIDs = min(c.MaxIDs, maxIDs)
	if c.Resume == (Bounds{}) {
		c.Resume.From = math.MinInt64
	}
	return &Set{
		window: c.Window, timeSlice: max(1, c.Window/generations),
		maxIDs: uint64(c.MaxIDs), addSlice: max(1, uint64(c.MaxIDs)/generations),
		now: math.MinInt64, adds: c.Resume.First, forgotten: c.Resume.From,
		hash: maphash.MakeSeed(), table: newTable(min(c.Resume.IDs, c.MaxIDs)),
	}
}

// Seen returns the reference of an id added before. now is the instant of the log and never goes back; an earlier one counts as
// the last. equal says whether the id stored at ref is this id; it is called for every id with the same hash, nearly
// always once for an id that was seen and never for one that was not. Nothing is allocated.
func (s *Set) Seen(id []byte, now int64, equal func(ref uint64) bool) (ref uint64, ok bool) {
	s.advance(now)
	if len(s.live) == 0 {
		return 0, false
	}
	h := maphash.Bytes(s.hash, id)
	p := s.table.probe(h, s.oldest())
	for {
		low, ok := p.next()
		if !ok {
			return 0, false
		}
		last := s.nextRef - 1
		if ref = last - uint64(uint32(last)-low); equal(ref) {
			return ref, true
		}
	}
}

// Add remembers an id that was not seen. ref is a number by which the caller finds the stored id again, larger than that of
// the Add before.
func (s *Set) Add(id []byte, ref uint64, now int64) {
	if ref < s.nextRef {
		panic(fmt.Sprintf("dedup: reference %d is added after %d: they must ascend", ref, s.nextRef-1))
	}
	s.advance(now)
	s.nextRef = ref + 1
	s.current(ref).last = s.now
	s.adds++
	for len(s.live) > 1 && (s.live[0].addSlice*s.addSlice+s.maxIDs < s.adds || s.live[0].refSlice*refSlice+maxRefs <= ref) {
		s.forgotten = max(s.forgotten, s.live[0].last+1)
		s.live = s.live[1:]
	}
	s.table.sweep(ref, s.oldest())
	s.table.add(maphash.Bytes(s.hash, id), uint32(ref), s.oldest())
}

// Bounds says what the set covers now.
func (s *Set) Bounds() Bounds {
	b := Bounds{From: s.forgotten, First: s.adds}
	if s.now > math.MinInt64+s.window {
		b.From = max(b.From, s.now-s.window)
	}
	if len(s.live) > 0 {
		b.First = s.live[0].first
	}
	b.IDs = int(s.adds - b.First)
	return b
}

// Advance moves the clock, as Seen and Add do.
func (s *Set) Advance(now int64) { s.advance(now) }

// advance moves the clock and lets go of the generations that lie wholly before the window.
func (s *Set) advance(now int64) {
	s.now = max(s.now, now)
	for len(s.live) > 0 && (s.live[0].timeSlice+1)*s.timeSlice <= s.now-s.window {
		s.live = s.live[1:]
	}
}

// current returns the generation of the next Add, which is of ref.
func (s *Set) current(ref uint64) *generation {
	g := generation{timeSlice: floorDiv(s.now, s.timeSlice), addSlice: s.adds / s.addSlice, refSlice: ref / refSlice,
		first: s.adds, firstRef: ref}
	if n := len(s.live); n == 0 || s.live[n-1].timeSlice != g.timeSlice || s.live[n-1].addSlice != g.addSlice || s.live[n-1].refSlice != g.refSlice {
		s.live = append(s.live, g)
	}
	return &s.live[len(s.live)-1]
}

// oldest returns the low half of the oldest reference that is remembered. There is one.
func (s *Set) oldest() uint32 { return uint32(s.live[0].firstRef) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
