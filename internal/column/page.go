package column

import (
	"math"
	"sync/atomic"
	"unsafe"
)

// smallRows is the room that a first chunk starts with. Portals have many small tables, so a first chunk doubles until it
// is full-sized; all later chunks are made full-sized and are never copied.
const smallRows = 64

// extent is the length that the columns of a table share.
type extent struct {
	rows     uint32 // rows there are
	room     uint32 // rows that fit without growing; ChunkRows or less in the first chunk, else a multiple of ChunkRows
	first    uint32 // rows first..first+writable-1 may be set: the last one of a table, all of a vector
	writable uint32 // 0 in what is frozen
}

// makeRoom raises room to at least rows and says whether the first chunk became wider.
func (e *extent) makeRoom(rows uint32) (wider bool) {
	old := e.room
	if e.room < ChunkRows {
		e.room = max(e.room, smallRows)
		for e.room < rows && e.room < ChunkRows {
			e.room *= 2
		}
		wider = e.room > old && old > 0
	}
	if e.room < rows {
		e.room = (rows + chunkMask) &^ chunkMask
	}
	return wider
}

// rowsIn returns the number of rows in chunk k.
func (e *extent) rowsIn(k int) int {
	return max(0, min(int(e.rows)-k*ChunkRows, ChunkRows))
}

// roomIn returns how many cells to make for chunk k.
func (e *extent) roomIn(k int) int { return int(min(e.room-uint32(k)*ChunkRows, ChunkRows)) }

// page is one column's cells of one chunk: the slice of the column's kind, nil as long as no cell was set.
type page struct {
	floats []float64
	ints   []int64
	uints  []uint32
	bools  []uint8
	codes  Codes
	spans  []uint64 // Bytes in a table: offset in the arena << 24 | length+1
	arena  []byte
	values [][]byte // Bytes in a vector

	version int // of what it was computed from (Derived)
}

// empty is the page of a chunk in which every cell is absent.
var empty = new(page)

// widened returns a copy with room for n cells, the new ones absent. The arena is shared: it is only appended to.
func (p *page) widened(n int) *page {
	return &page{
		floats: widen(p.floats, n, math.NaN()),
		ints:   widen(p.ints, n, AbsentInt),
		uints:  widen(p.uints, n, 0),
		bools:  widen(p.bools, n, 0),
		codes:  Codes{B: widen(p.codes.B, n, 0), H: widen(p.codes.H, n, 0), W: widen(p.codes.W, n, 0)},
		spans:  widen(p.spans, n, 0),
		arena:  p.arena,
		values: widen(p.values, n, nil),
	}
}

func widen[T any](old []T, n int, absent T) []T {
	if old == nil {
		return nil
	}
	return filled(old, n, absent)
}

// filled returns n cells: those of old, then absent ones.
func filled[T any](old []T, n int, absent T) []T {
	cells := make([]T, n)
	for i := copy(cells, old); i < n; i++ {
		cells[i] = absent
	}
	return cells
}

// first returns the first n rows. Cells behind them may be written while they are read.
func (p *page) first(n int) page {
	return page{floats: first(p.floats, n), ints: first(p.ints, n), uints: first(p.uints, n), bools: first(p.bools, n),
		codes: p.codes.first(n), spans: first(p.spans, n), arena: p.arena, values: first(p.values, n)}
}

func first[T any](cells []T, n int) []T {
	if cells == nil {
		return nil
	}
	return cells[:n:n]
}

// bytes returns the cell of row j of a chunk.
func (p *page) bytes(j int) []byte {
	if j < len(p.spans) {
		span := p.spans[j]
		if span == 0 {
			return nil
		}
		from := span >> spanBits
		to := from + span&spanMask - 1
		return p.arena[from:to:to]
	}
	if j < len(p.values) {
		return p.values[j]
	}
	return nil
}

const (
	spanBits = 24
	spanMask = 1<<spanBits - 1
)

// size returns the bytes of memory that a page takes.
func (p *page) size() int64 {
	n := 8*cap(p.floats) + 8*cap(p.ints) + 4*cap(p.uints) + cap(p.bools) +
		cap(p.codes.B) + 2*cap(p.codes.H) + 4*cap(p.codes.W) + 8*cap(p.spans) + cap(p.arena)
	if n == 0 {
		return 0
	}
	return int64(n) + int64(unsafe.Sizeof(*p))
}

// slot is the place of one chunk of one column, and what is known about its cells without looking at them. Of a table's
// sealed chunk only the page comes and goes; a vector's slot belongs to the writer while its epoch is the vector's.
type slot struct {
	page atomic.Pointer[page] // nil: to be had from the cache, or read from the table's source
	stats
	fixed   bool   // never dropped: it was read from a format without a directory
	dropped bool   // its rows were let go (Table.Drop), now or before it was loaded
	entries uint32 // Dict: entries there were at the end of this chunk
	epoch   uint64
	ranked  atomic.Pointer[ranked] // of a vector's chunk that a frozen copy sees; nil before anybody asked
	// Under the cache's lock: the page that nobody has read since it was picked, and the bytes counted for it.
	cold      *page
	counted   int64
	forgotten bool // its rows were dropped: it is not counted again
	// Under it, too: how often single cells were asked for since there was no page, and the count of all of them when that began.
	asked, from uint32
}

// stats are what a full chunk's cells are like.
type stats struct {
	lo, hi uint64 // the lowest and highest present cell of Int64 (as it is) and Float64 (its bits)
	ranged bool   // lo and hi are known: some cell is present
	sorted bool   // every cell of an Int64 chunk is present and none is lower than the one before it
}

// absentSlot stands for the chunks that were full before a column was made.
var absentSlot = func() *slot {
	s := newSlot(empty)
	s.epoch = math.MaxUint64 // no vector may write to it
	return s
}()

func newSlot(p *page) *slot {
	s := new(slot)
	s.page.Store(p)
	return s
}

// measure computes the statistics of a page.
func measure(p *page) (s stats) {
	switch {
	case p.ints != nil:
		lo, hi, last := int64(math.MaxInt64), int64(AbsentInt), int64(AbsentInt+1)
		s.sorted = true
		for _, v := range p.ints {
			if v < last { // out of order, or absent
				s.sorted = false
			}
			last = v
			if v != AbsentInt {
				lo = min(lo, v)
			}
			hi = max(hi, v)
		}
		if s.ranged = hi != AbsentInt; s.ranged {
			s.lo, s.hi = uint64(lo), uint64(hi)
		}
	case p.floats != nil:
		lo, hi := math.Inf(1), math.Inf(-1)
		for _, v := range p.floats {
			if v == v {
				s.ranged = true
				lo, hi = min(lo, v), max(hi, v)
			}
		}
		if s.ranged {
			s.lo, s.hi = math.Float64bits(lo), math.Float64bits(hi)
		}
	}
	return s
}
