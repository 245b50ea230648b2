package column

import (
	"bytes"
	"fmt"
	"math"
)

// Column is one column of a table, or a vector. Reading a row that does not exist gives absent, and so does a getter that
// is not of the column's kind. A setter panics on a row that may not be set and on a column of another kind: both are
// mistakes in the program.
type Column struct {
	name   string
	kind   Kind
	ext    *extent
	since  uint32 // rows that the table had when the column was made
	vector bool

	floats cells[float64]
	ints   cells[int64]
	uints  cells[uint32]
	bools  cells[uint8]
	codes  cells[uint32]
	dict   *Dictionary

	spans  cells[uint64] // Bytes in a table: offset in the chunk's arena << 24 | length+1
	arenas [][]byte      // one a chunk
	values cells[[]byte] // Bytes in a vector
}

func newColumn(name string, kind Kind, ext *extent) *Column {
	if kind < Float64 || kind > Bytes {
		panic(fmt.Sprintf("column: column %s: unknown %s", name, kind))
	}
	c := &Column{name: name, kind: kind, ext: ext}
	c.floats.absent = math.NaN()
	c.ints.absent = AbsentInt
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
	if !c.vector {
		panic("column: Grow on column " + c.name + " of a table; use Table.Append")
	}
	if n <= int(c.ext.rows) {
		return
	}
	if c.ext.makeRoom(uint32(n)) {
		c.widen()
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

// Float returns row i of a Float64 column, NaN when absent.
func (c *Column) Float(i uint32) float64 { return c.floats.get(i) }

// Int returns row i of an Int64 column, AbsentInt when absent.
func (c *Column) Int(i uint32) int64 { return c.ints.get(i) }

// Uint returns row i of a Uint32 column, 0 when absent.
func (c *Column) Uint(i uint32) uint32 { return c.uints.get(i) }

// Bool returns row i of a Bool column; ok is false when it is absent.
func (c *Column) Bool(i uint32) (v, ok bool) {
	b := c.bools.get(i)
	return b == boolTrue, b != 0
}

// Code returns row i of a Dict column as its code, 0 when absent.
func (c *Column) Code(i uint32) uint32 { return c.codes.get(i) }

// Str returns row i of a Dict column as the dictionary's string, "" when absent: Code tells the two apart.
func (c *Column) Str(i uint32) string {
	if c.dict == nil {
		return ""
	}
	return c.dict.String(c.codes.get(i))
}

// Bytes returns row i of a Bytes column, nil when absent. The bytes stay as they are for as long as the caller keeps them,
// also when the row is set again; the caller does not change them.
func (c *Column) Bytes(i uint32) []byte {
	if c.vector {
		return c.values.get(i)
	}
	span := c.spans.get(i)
	if span == 0 {
		return nil
	}
	from := span >> spanBits
	to := from + span&spanMask - 1
	return c.arenas[i>>chunkBits][from:to:to]
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
		return c.bools.get(i) != 0
	case Dict:
		return c.Code(i) != 0
	}
	return c.Bytes(i) != nil
}

// The chunk getters give the cells of one chunk for scans, one for each row there is. nil means that all are absent. The
// caller does not change them, and reads them only for as long as it may read the table.

// Floats returns chunk k of a Float64 column; absent is NaN.
func (c *Column) Floats(k int) []float64 { return c.floats.chunk(k, c.ext) }

// Ints returns chunk k of an Int64 column; absent is AbsentInt.
func (c *Column) Ints(k int) []int64 { return c.ints.chunk(k, c.ext) }

// Uints returns chunk k of a Uint32 column; absent is 0.
func (c *Column) Uints(k int) []uint32 { return c.uints.chunk(k, c.ext) }

// Bools returns chunk k of a Bool column: 0 absent, 1 false, 2 true.
func (c *Column) Bools(k int) []uint8 { return c.bools.chunk(k, c.ext) }

// Codes returns chunk k of a Dict column; absent is 0.
func (c *Column) Codes(k int) []uint32 { return c.codes.chunk(k, c.ext) }

const (
	boolFalse = 1
	boolTrue  = 2

	spanBits = 24
	spanMask = 1<<spanBits - 1
)

// SetFloat sets row i of a Float64 column. NaN makes it absent.
func (c *Column) SetFloat(i uint32, v float64) { set(c, &c.floats, Float64, i, v) }

// SetInt sets row i of an Int64 column. AbsentInt makes it absent.
func (c *Column) SetInt(i uint32, v int64) { set(c, &c.ints, Int64, i, v) }

// SetUint sets row i of a Uint32 column. 0 makes it absent.
func (c *Column) SetUint(i uint32, v uint32) { set(c, &c.uints, Uint32, i, v) }

// SetBool sets row i of a Bool column.
func (c *Column) SetBool(i uint32, v bool) {
	b := uint8(boolFalse)
	if v {
		b = boolTrue
	}
	set(c, &c.bools, Bool, i, b)
}

// SetString sets row i of a Dict column, adds v to the dictionary when it is new, and returns its code. v is copied.
// Entries are never removed, so values that differ from row to row belong in a Bytes column.
func (c *Column) SetString(i uint32, v []byte) uint32 {
	c.writable(i, Dict)
	code, ok := c.dict.Lookup(v)
	if !ok {
		code = c.dict.add(string(v), int(i>>chunkBits))
	}
	set(c, &c.codes, Dict, i, code)
	return code
}

// SetCode sets row i of a Dict column to a code of its dictionary. 0 makes it absent.
func (c *Column) SetCode(i uint32, code uint32) {
	c.writable(i, Dict)
	if int(code) > c.dict.Len() {
		panic(fmt.Sprintf("column: column %s has no code %d: its dictionary has %d entries", c.name, code, c.dict.Len()))
	}
	set(c, &c.codes, Dict, i, code)
}

// SetBytes sets row i of a Bytes column to a copy of v, which is at most MaxBytes long. nil makes it absent.
func (c *Column) SetBytes(i uint32, v []byte) {
	if v == nil {
		c.Clear(i)
		return
	}
	c.writable(i, Bytes)
	if len(v) > MaxBytes {
		panic(fmt.Sprintf("column: column %s row %d: %d bytes, at most %d fit a cell", c.name, i, len(v), MaxBytes))
	}
	if c.vector {
		if old := c.values.get(i); old == nil || !bytes.Equal(old, v) {
			set(c, &c.values, Bytes, i, append(make([]byte, 0, len(v)), v...))
		}
		return
	}
	k := int(i >> chunkBits)
	arena := c.arena(k)
	set(c, &c.spans, Bytes, i, uint64(len(arena))<<spanBits|uint64(len(v)+1))
	c.arenas[k] = append(arena, v...)
}

// Clear makes row i absent.
func (c *Column) Clear(i uint32) {
	c.writable(i, c.kind)
	clearCell(&c.floats, i)
	clearCell(&c.ints, i)
	clearCell(&c.uints, i)
	clearCell(&c.bools, i)
	clearCell(&c.codes, i)
	clearCell(&c.spans, i)
	clearCell(&c.values, i)
}

func clearCell[T any](s *cells[T], i uint32) {
	if p := s.slot(i); p != nil {
		*p = s.absent
	}
}

// set stores one cell. A column of another kind has no chunk in s, so the check for it costs nothing once a chunk is there.
func set[T any](c *Column, s *cells[T], kind Kind, i uint32, v T) {
	if i-c.ext.first >= c.ext.writable {
		c.writable(i, kind)
	}
	p := s.slot(i)
	if p == nil {
		c.writable(i, kind)
		p = &s.make(int(i>>chunkBits), c.ext)[i&chunkMask]
	}
	*p = v
}

// writable panics unless row i may be set and the column is of that kind.
func (c *Column) writable(i uint32, kind Kind) {
	if c.kind != kind {
		panic(fmt.Sprintf("column: column %s is %s, not %s", c.name, c.kind, kind))
	}
	if i-c.ext.first >= c.ext.writable {
		panic(fmt.Sprintf("column: column %s row %d: of %d rows only the last of a table, or any of a vector, may be set", c.name, i, c.ext.rows))
	}
}

// arena returns the bytes of chunk k so far. A new one starts with the size that the last one came to.
func (c *Column) arena(k int) []byte {
	for len(c.arenas) <= k {
		var hint int
		if n := len(c.arenas); n > 0 {
			hint = len(c.arenas[n-1])
		}
		c.arenas = append(c.arenas, make([]byte, 0, hint))
	}
	return c.arenas[k]
}

func (c *Column) widen() {
	n := int(min(c.ext.room, ChunkRows))
	c.floats.widen(n)
	c.ints.widen(n)
	c.uints.widen(n)
	c.bools.widen(n)
	c.codes.widen(n)
	c.spans.widen(n)
	c.values.widen(n)
}
