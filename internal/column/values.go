package column

import (
	"bytes"
	"fmt"
	"math"
)

// Column is one column of a table, or a vector. Reading a row that does not exist gives absent, and so does a getter that
// is not of the column's kind. A setter panics on a row that may not be set, on a column of another kind and on what is
// frozen: all are mistakes in the program.
type Column struct {
	name   string
	kind   Kind
	vector bool
	frozen bool
	still  bool   // a frozen vector, or the first rows of one: its chunks never change
	since  uint32 // rows that the table had when the column was made
	ext    *extent
	dict   *Dictionary
	src    *chunkSource // of a table

	chunks []*slot // the sealed chunks of a table, all of a vector
	open   page    // the chunk after them; a vector has none
	// Of a frozen table: what the open chunk is like, found when it is first asked for.
	openStats func() stats

	// Of a vector: how often it was frozen, the epoch in which the list of chunks was made, and the last frozen copy.
	epoch     uint64
	listEpoch uint64
	copy      *Column
}

func newColumn(name string, kind Kind, ext *extent) *Column {
	if kind < Float64 || kind > Bytes {
		panic(fmt.Sprintf("column: column %s: unknown %s", name, kind))
	}
	c := &Column{name: name, kind: kind, ext: ext}
	if kind == Dict {
		c.dict = newDictionary()
	}
	return c
}

// NewVector returns a column that belongs to no table: it has no rows until Grow, and any row may be set at any time.
func NewVector(kind Kind) *Column {
	c := newColumn("vector", kind, &extent{})
	c.vector = true
	return c
}

// Grow makes a vector at least n rows long; new rows are absent.
func (c *Column) Grow(n int) {
	if !c.vector || c.frozen {
		panic("column: Grow on column " + c.name + " of a table, or on a frozen copy: use Table.Append, or the original")
	}
	if n <= int(c.ext.rows) {
		return
	}
	c.copy = nil
	if c.ext.makeRoom(uint32(n)) && len(c.chunks) > 0 {
		c.put(0, c.chunks[0].page.Load().widened(c.ext.roomIn(0)))
	}
	c.ext.rows, c.ext.writable = uint32(n), uint32(n)
}

// Name returns the column's name in its table.
func (c *Column) Name() string { return c.name }

// Kind returns the type of the column's cells.
func (c *Column) Kind() Kind { return c.kind }

// Len returns the number of rows of the table or vector.
func (c *Column) Len() int { return int(c.ext.rows) }

// Dict returns the column's dictionary, nil unless the kind is Dict.
func (c *Column) Dict() *Dictionary { return c.dict }

// page returns the cells of chunk k.
func (c *Column) page(k int) *page {
	if p := c.sealedPage(k); p != nil {
		return p
	}
	return c.otherPage(k)
}

// sealedPage is page for what is at hand, else nil. It is small enough to be inlined, and getters of single cells use it
// themselves: reading a cell is one call, not two.
func (c *Column) sealedPage(k int) *page {
	if k < len(c.chunks) {
		return c.chunks[k].page.Load()
	}
	return nil
}

// otherPage is page for the open chunk, for a chunk that is not at hand, and for none.
func (c *Column) otherPage(k int) *page {
	switch {
	case k == len(c.chunks):
		return &c.open
	case k < len(c.chunks):
		return c.fetch(k)
	}
	return empty
}

// Float returns row i of a Float64 column, NaN when absent.
func (c *Column) Float(i uint32) float64 {
	p := c.sealedPage(int(i >> chunkBits))
	if p == nil {
		if p = c.atHand(int(i >> chunkBits)); p == nil {
			return c.lookUp(i).Float()
		}
	}
	if j := i & chunkMask; int(j) < len(p.floats) {
		return p.floats[j]
	}
	return math.NaN()
}

// Int returns row i of an Int64 column, AbsentInt when absent.
func (c *Column) Int(i uint32) int64 {
	p := c.sealedPage(int(i >> chunkBits))
	if p == nil {
		if p = c.atHand(int(i >> chunkBits)); p == nil {
			return c.lookUp(i).Int()
		}
	}
	if j := i & chunkMask; int(j) < len(p.ints) {
		return p.ints[j]
	}
	return AbsentInt
}

// Uint returns row i of a Uint32 column, 0 when absent.
func (c *Column) Uint(i uint32) uint32 {
	p := c.sealedPage(int(i >> chunkBits))
	if p == nil {
		if p = c.atHand(int(i >> chunkBits)); p == nil {
			return c.lookUp(i).Uint()
		}
	}
	if j := i & chunkMask; int(j) < len(p.uints) {
		return p.uints[j]
	}
	return 0
}

// Bool returns row i of a Bool column; ok is false when it is absent.
func (c *Column) Bool(i uint32) (v, ok bool) {
	p := c.sealedPage(int(i >> chunkBits))
	if p == nil {
		if p = c.atHand(int(i >> chunkBits)); p == nil {
			return c.lookUp(i).Bool()
		}
	}
	if j := i & chunkMask; int(j) < len(p.bools) {
		return p.bools[j] == boolTrue, p.bools[j] != 0
	}
	return false, false
}

// Code returns row i of a Dict column as its code, 0 when absent.
func (c *Column) Code(i uint32) uint32 {
	p := c.atHand(int(i >> chunkBits))
	if p == nil {
		return c.lookUp(i).Code()
	}
	return p.codes.get(int(i & chunkMask))
}

// Str returns row i of a Dict column as the dictionary's string, "" when absent: Code tells the two apart.
func (c *Column) Str(i uint32) string {
	if c.dict == nil {
		return ""
	}
	return c.dict.String(c.Code(i))
}

// Bytes returns row i of a Bytes column, nil when absent. The bytes stay as they are for as long as the caller keeps them,
// also when the row is set again; the caller does not change them.
func (c *Column) Bytes(i uint32) []byte {
	p := c.atHand(int(i >> chunkBits))
	if p == nil {
		return c.lookUp(i).Bytes()
	}
	return p.bytes(int(i & chunkMask))
}

// Present says whether row i has a value.
func (c *Column) Present(i uint32) bool {
	switch c.kind {
	case Float64:
		v := c.Float(i)
		return v == v
	case Int64:
		return c.Int(i) != AbsentInt
	case Uint32:
		return c.Uint(i) != 0
	case Bool:
		_, ok := c.Bool(i)
		return ok
	case Dict:
		return c.Code(i) != 0
	}
	return c.Bytes(i) != nil
}

// The chunk getters give the cells of one chunk for scans, one for each row there is. nil means that all are absent. The
// caller does not change them, and reads them only for as long as it may read the table.

// Floats returns chunk k of a Float64 column; absent is NaN.
func (c *Column) Floats(k int) []float64 { return first(c.chunk(k).floats, c.ext.rowsIn(k)) }

// Ints returns chunk k of an Int64 column; absent is AbsentInt.
func (c *Column) Ints(k int) []int64 { return first(c.chunk(k).ints, c.ext.rowsIn(k)) }

// Uints returns chunk k of a Uint32 column; absent is 0.
func (c *Column) Uints(k int) []uint32 { return first(c.chunk(k).uints, c.ext.rowsIn(k)) }

// UintsOnce is Uints for who will not read the chunk again soon: what has to be read from the store is not put into the cache.
func (c *Column) UintsOnce(k int) []uint32 {
	if k < len(c.chunks) && c.chunks[k].page.Load() == nil && c.src.cache.warm(c.chunks[k]) == nil {
		return first(c.decode(k).uints, c.ext.rowsIn(k))
	}
	return c.Uints(k)
}

// Bools returns chunk k of a Bool column: 0 absent, 1 false, 2 true.
func (c *Column) Bools(k int) []uint8 { return first(c.chunk(k).bools, c.ext.rowsIn(k)) }

// Codes returns chunk k of a Dict column; absent is 0.
func (c *Column) Codes(k int) Codes { return c.chunk(k).codes.first(c.ext.rowsIn(k)) }

func (c *Column) chunk(k int) *page {
	if k < 0 {
		return empty
	}
	return c.page(k)
}

// IntRange returns the lowest and the highest present cell of chunk k of an Int64 column. ok is false when the chunk is
// neither sealed nor of a frozen table, or has none: nothing is known then.
func (c *Column) IntRange(k int) (lo, hi int64, ok bool) {
	if c.kind != Int64 || k < 0 {
		return 0, 0, false
	}
	if k < len(c.chunks) {
		s := &c.chunks[k].stats
		return int64(s.lo), int64(s.hi), s.ranged
	}
	if c.openStats == nil || k > len(c.chunks) {
		return 0, 0, false
	}
	s := c.openStats()
	return int64(s.lo), int64(s.hi), s.ranged
}

// FloatRange is IntRange for a Float64 column.
func (c *Column) FloatRange(k int) (lo, hi float64, ok bool) {
	if c.kind != Float64 || k < 0 || k >= len(c.chunks) || !c.chunks[k].ranged {
		return 0, 0, false
	}
	return math.Float64frombits(c.chunks[k].lo), math.Float64frombits(c.chunks[k].hi), true
}

// Sorted says that chunk k of an Int64 column is sealed or of a frozen table, every cell of it is there, and none is lower
// than the one before it.
func (c *Column) Sorted(k int) bool {
	if k >= 0 && k < len(c.chunks) {
		return c.chunks[k].sorted
	}
	return c.openStats != nil && k == len(c.chunks) && c.openStats().sorted
}

const (
	boolFalse = 1
	boolTrue  = 2
)

// SetFloat sets row i of a Float64 column. NaN makes it absent.
func (c *Column) SetFloat(i uint32, v float64) {
	p := c.forSet(i, Float64)
	if p.floats == nil {
		p.floats = filled(nil, c.roomFor(i), math.NaN())
	}
	p.floats[i&chunkMask] = v
}

// SetInt sets row i of an Int64 column. AbsentInt makes it absent.
func (c *Column) SetInt(i uint32, v int64) {
	p := c.forSet(i, Int64)
	if p.ints == nil {
		p.ints = filled(nil, c.roomFor(i), int64(AbsentInt))
	}
	p.ints[i&chunkMask] = v
}

// SetUint sets row i of a Uint32 column. 0 makes it absent.
func (c *Column) SetUint(i uint32, v uint32) {
	p := c.forSet(i, Uint32)
	if p.uints == nil {
		p.uints = make([]uint32, c.roomFor(i))
	}
	p.uints[i&chunkMask] = v
}

// NewInts returns the cells of n rows of an Int64 column that AppendMany added, to be filled.
func (c *Column) NewInts(from uint32, n int) []int64 {
	c.SetInt(from+uint32(n)-1, AbsentInt)
	c.SetInt(from, AbsentInt)
	return c.open.ints[from&chunkMask:][:n]
}

// OwnUints returns the cells of chunk k of a vector of Uint32, to be changed until the next Freeze or Grow. There is such a chunk.
func (c *Column) OwnUints(k int) []uint32 {
	i := uint32(k) << chunkBits
	c.SetUint(i, c.Uint(i)) // makes them
	return c.own(k).uints
}

// NewUints returns the cells of n rows of a Uint32 column that AppendMany added, to be filled.
func (c *Column) NewUints(from uint32, n int) []uint32 {
	c.SetUint(from+uint32(n)-1, 0)
	c.SetUint(from, 0)
	return c.open.uints[from&chunkMask:][:n]
}

// SetBool sets row i of a Bool column.
func (c *Column) SetBool(i uint32, v bool) {
	b := uint8(boolFalse)
	if v {
		b = boolTrue
	}
	p := c.forSet(i, Bool)
	if p.bools == nil {
		p.bools = make([]uint8, c.roomFor(i))
	}
	p.bools[i&chunkMask] = b
}

// SetString sets row i of a Dict column, adds v to the dictionary when it is new, and returns its code. v is copied.
// Entries are never removed, so values that differ from row to row belong in a Bytes column.
func (c *Column) SetString(i uint32, v []byte) uint32 {
	p := c.forSet(i, Dict)
	code, ok := c.dict.Lookup(v)
	if !ok {
		code = c.dict.add(string(v))
	}
	p.codes.set(int(i&chunkMask), code, c.roomFor(i))
	return code
}

// SetBytes sets row i of a Bytes column to a copy of v, which is at most MaxBytes long. nil makes it absent.
func (c *Column) SetBytes(i uint32, v []byte) {
	if v == nil {
		c.Clear(i)
		return
	}
	p := c.forSet(i, Bytes)
	if len(v) > MaxBytes {
		panic(fmt.Sprintf("column: column %s row %d: %d bytes, at most %d fit a cell", c.name, i, len(v), MaxBytes))
	}
	j := i & chunkMask
	if c.vector {
		if p.values == nil {
			p.values = make([][]byte, c.roomFor(i))
		}
		if old := p.values[j]; old == nil || !bytes.Equal(old, v) {
			p.values[j] = append(make([]byte, 0, len(v)), v...)
		}
		return
	}
	if p.spans == nil {
		p.spans = make([]uint64, c.roomFor(i))
		if p.arena == nil {
			p.arena = []byte{}
		}
	}
	p.spans[j] = uint64(len(p.arena))<<spanBits | uint64(len(v)+1)
	p.arena = append(p.arena, v...)
}

// Clear makes row i absent.
func (c *Column) Clear(i uint32) {
	p, j := c.forSet(i, c.kind), i&chunkMask
	switch {
	case p.floats != nil:
		p.floats[j] = math.NaN()
	case p.ints != nil:
		p.ints[j] = AbsentInt
	case p.uints != nil:
		p.uints[j] = 0
	case p.bools != nil:
		p.bools[j] = 0
	case p.codes.Len() > 0:
		p.codes.set(int(j), 0, 0)
	case p.spans != nil:
		p.spans[j] = 0
	case p.values != nil:
		p.values[j] = nil
	}
}

// forSet returns the page that row i is in, for writing.
func (c *Column) forSet(i uint32, kind Kind) *page {
	if c.kind != kind || i-c.ext.first >= c.ext.writable {
		c.mistake(i, kind)
	}
	if c.vector {
		return c.own(int(i >> chunkBits))
	}
	return &c.open
}

// mistake says why row i cannot be set.
func (c *Column) mistake(i uint32, kind Kind) {
	switch {
	case c.kind != kind:
		panic(fmt.Sprintf("column: column %s is %s, not %s", c.name, c.kind, kind))
	case c.frozen:
		panic(fmt.Sprintf("column: column %s row %d: this is a frozen copy and cannot change", c.name, i))
	}
	panic(fmt.Sprintf("column: column %s row %d: of %d rows only the last of a table, or any of a vector, may be set", c.name, i, c.ext.rows))
}

// roomFor returns how many cells to make for the chunk of row i.
func (c *Column) roomFor(i uint32) int { return c.ext.roomIn(int(i >> chunkBits)) }

// First returns the first n rows of a column, for as long as the caller may read the column. What is known of a sealed chunk
// (IntRange and the like) is then of all its rows, also where some are cut off.
func (c *Column) First(n int) *Column {
	if n >= int(c.ext.rows) {
		return c
	}
	return &Column{name: c.name, kind: c.kind, ext: &extent{rows: uint32(n), room: uint32(n)}, since: c.since, vector: c.vector, frozen: true, src: c.src,
		still: c.still, dict: c.dict, chunks: c.chunks, open: c.open}
}
