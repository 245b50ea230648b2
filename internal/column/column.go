// Package column keeps folded state as append-only tables of typed columns, in memory and in checkpoints.
//
// A Table grows by rows at its end. A row that lies before the last one never changes, so a chunk of ChunkRows rows
// that is full never changes either: a checkpoint writes each full chunk once and the partial last chunk every time.
// A column made by NewVector stands alone, is indexed by any row number and is overwritten in place.
//
// Every cell is there or absent, and absent is neither zero nor empty. Columns are arrays of chunks, so growth does
// not copy old rows, and a chunk in which a column has no cell takes no memory. Nothing is allocated per operation, except
// for a string that is new to its dictionary and for SetBytes in a vector. When the row after a full chunk is appended, the
// chunk is sealed: from then on its lowest and highest cells are known (IntRange, FloatRange, Sorted).
//
// Nothing here locks: any number of goroutines may read while none writes, and the caller holds a RWMutex. Who wants to
// read while the writer goes on takes a frozen copy (Freeze).
//
// Memory is bounded where the table has a source (SetSource): sealed chunks that are in the store are dropped, column by
// column, when a Cache is full, and read again by the getter that needs them; a getter of one cell mostly reads only that
// one (cells.go). A getter panics with a *LoadError when the store does not give what it needs; Recover makes that an error.
package column

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// ChunkRows is the number of rows in a full chunk.
const ChunkRows = 1 << chunkBits

const (
	chunkBits = 13
	chunkMask = ChunkRows - 1
)

// Limits of one table. Add and SetBytes panic beyond them: who declares columns and takes values in checks first.
const (
	MaxColumns = 2000
	MaxName    = 1000      // bytes of a table's or column's name
	MaxBytes   = 1<<24 - 2 // bytes of one cell of Bytes
)

// AbsentInt is an absent cell of Int64.
const AbsentInt = math.MinInt64

// Kind is the type of a column's cells. The numbers are part of the chunk's format: never reuse one.
type Kind uint8

const (
	Float64 Kind = 1 // absent is NaN
	Int64   Kind = 2 // absent is AbsentInt
	Uint32  Kind = 3 // absent is 0; a caller who must tell 0 from absent stores n+1
	Bool    Kind = 4 // stored as 0 absent, 1 false, 2 true
	Dict    Kind = 5 // strings with few distinct values, as codes into the column's Dictionary; code 0 is absent
	Bytes   Kind = 6 // any bytes; nil is absent, empty is not
)

var kindNames = [...]string{"kind 0", "float64", "int64", "uint32", "bool", "dict", "bytes"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Table is a set of columns of the same length. It is read by many or written by one: see the package comment.
type Table struct {
	name    string
	columns []*Column
	byName  map[string]int // place in columns
	ext     extent
	sealed  int // chunks that are; the one after them is open
	stored  int // chunks that are in the source; only the writer looks, so a frozen copy has none
	src     *chunkSource

	frozen      bool
	sharedNames bool   // a frozen copy has byName too
	copy        *Table // the last one made by Freeze
}

// New returns an empty table. The name is written into its chunks.
func New(name string) *Table {
	if len(name) > MaxName {
		panic(fmt.Sprintf("column: table name of %d bytes: at most %d", len(name), MaxName))
	}
	return &Table{name: name, byName: map[string]int{}, src: &chunkSource{table: name}}
}

// Name returns the name given to New.
func (t *Table) Name() string { return t.name }

// Len returns the number of rows.
func (t *Table) Len() int { return int(t.ext.rows) }

// Chunks returns the number of chunks, the partial last one included.
func (t *Table) Chunks() int { return (t.Len() + ChunkRows - 1) / ChunkRows }

// Full says whether chunk k has all its rows. The cells of its last row must have been set before it is encoded.
func (t *Table) Full(k int) bool { return (k+1)*ChunkRows <= t.Len() }

// Column returns the column of that name, nil when there is none.
func (t *Table) Column(name string) *Column {
	if i, ok := t.byName[name]; ok && i < len(t.columns) {
		return t.columns[i]
	}
	return nil
}

// Columns returns all columns in order of creation. The caller does not change the slice.
func (t *Table) Columns() []*Column { return slices.Clip(t.columns) }

// Add returns the column of that name and makes it when there is none; rows before it are absent. It panics when the
// column is there with another kind. A column made after the last row is first written with the next row's chunk,
// so who loads a table calls Add again for all columns it needs.
func (t *Table) Add(name string, kind Kind) *Column {
	if c := t.Column(name); c != nil {
		if c.kind != kind {
			panic(fmt.Sprintf("column: table %s: column %s is %s and cannot be added as %s", t.name, name, c.kind, kind))
		}
		return c
	}
	t.mustGrow()
	if len(t.columns) == MaxColumns || len(name) > MaxName {
		panic(fmt.Sprintf("column: table %s: column %.100s: at most %d columns with names of at most %d bytes", t.name, name, MaxColumns, MaxName))
	}
	c := newColumn(name, kind, &t.ext)
	c.since, c.src = t.ext.rows, t.src
	c.chunks = slices.Repeat([]*slot{absentSlot}, t.sealed)
	t.columns = append(t.columns, c)
	if t.sharedNames {
		t.byName, t.sharedNames = maps.Clone(t.byName), false
	}
	t.byName[name] = len(t.columns) - 1
	return c
}

// Append adds a row with every cell absent and returns its number. Its cells can be set until the next Append.
func (t *Table) Append() uint32 {
	t.mustGrow()
	row := t.ext.rows
	if int(row>>chunkBits) > t.sealed {
		t.seal(false)
	}
	if row == t.ext.room {
		t.grow(row + 1)
	}
	t.ext.rows++
	t.ext.first, t.ext.writable = row, 1
	return row
}

// AppendMany adds up to n rows, as many as the last chunk takes, and returns the first of them and how many they are. The cells of
// all of them can be set until the next Append, those of numbers also by NewInts and NewUints.
func (t *Table) AppendMany(n int) (from uint32, count int) {
	from = t.Append()
	count = max(1, min(n, ChunkRows-int(from&chunkMask)))
	if rows := from + uint32(count); rows > t.ext.room {
		t.grow(rows)
	}
	t.ext.rows, t.ext.writable = from+uint32(count), uint32(count)
	return from, count
}

func (t *Table) mustGrow() {
	if t.frozen {
		panic(fmt.Sprintf("column: table %s is a frozen copy and cannot change", t.name))
	}
}

func (t *Table) grow(rows uint32) {
	if t.ext.makeRoom(rows) {
		for _, c := range t.columns {
			c.open = *c.open.widened(t.ext.roomIn(0))
		}
	}
}

// seal ends the open chunk of every column, which is full. A frozen copy may have its cells, so the next chunk gets new ones.
// fixed says that the source does not have it by columns.
func (t *Table) seal(fixed bool) {
	for _, c := range t.columns {
		if len(c.chunks) > t.sealed {
			continue // loaded, and left in the source
		}
		p := c.open
		if p.spans == nil {
			p.arena = nil // room that was made and not needed
		}
		s := newSlot(&p)
		s.fixed = fixed
		s.stats = measure(&p)
		if c.dict != nil {
			s.entries = uint32(c.dict.Len())
		}
		c.chunks = append(c.chunks, s)
		c.open = page{arena: make([]byte, 0, len(p.arena))} // as much as the last one came to
	}
	if t.sealed++; t.sealed <= t.stored {
		t.release(t.sealed - 1)
	}
}
