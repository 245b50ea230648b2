package column

import (
	"encoding/binary"
	"fmt"
	"math"
)

// reader reads the front of b. After the first error it returns zeros, and err names the place.
type reader struct {
	version byte // of the chunk's format
	b       []byte
	err     error
	table   string
	chunk   int
	blocks  []byte // those the directory has not come to
	// The column being read, nil before the first and after the last; rows of the chunk; cells to make room for.
	column []byte
	behind bool // it is behind that one, and does not know the next one's name yet
	rows   int
	room   int
	// Scratch for one column: the rows that are there, and their values.
	present []int64
	vals    []int64
}

// again makes r the reader of another chunk, with the scratch memory that it has.
func (r *reader) again(table string) {
	*r = reader{table: table, chunk: -1, room: ChunkRows, present: r.present, vals: r.vals}
}

// failf keeps the first error.
func (r *reader) failf(format string, args ...any) {
	if r.err != nil {
		return
	}
	place := "table " + r.table
	if r.chunk >= 0 {
		place += fmt.Sprintf(" chunk %d", r.chunk)
	}
	if r.column != nil {
		after := ""
		if r.behind {
			after = "after "
		}
		place += fmt.Sprintf(" column %s%.100s", after, r.column)
	}
	r.err = fmt.Errorf("column: %s: %s: %w", place, fmt.Sprintf(format, args...), ErrDamaged)
	r.b = nil
}

// take returns the next n bytes, nil after an error.
func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.failf("%d bytes are left where %d are needed", len(r.b), n)
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.failf("a number is cut off")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.failf("a number is cut off")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.failf("%d bytes are left where %d are needed", len(r.b), n)
		return nil
	}
	return r.take(int(n))
}

// within says whether all of r.vals were read and lie in low..high.
func (r *reader) within(low, high int64) bool {
	if r.err != nil {
		return false
	}
	lowest, highest := int64(math.MaxInt64), int64(math.MinInt64)
	for _, v := range r.vals {
		lowest, highest = min(lowest, v), max(highest, v)
	}
	if lowest >= low && highest <= high {
		return true
	}
	for i, v := range r.vals {
		if v < low || v > high {
			r.failf("row %d: %d is outside %d..%d", r.present[i], v, low, high)
			return false
		}
	}
	return true
}

// scratch returns a slice of n integers in place of s.
func scratch(s []int64, n int) []int64 {
	if cap(s) < n {
		return make([]int64, n, ChunkRows)
	}
	return s[:n]
}
