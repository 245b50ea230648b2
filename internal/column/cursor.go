package column

import "math"

// Cursor reads single cells of a column, mostly in order of rows. It holds on to the chunk it read last, so that a walk
// over a table reads each chunk from its source once, however little memory the cache has. It sees rows as they were when it
// came to their chunk: it is for tables and vectors that are not written meanwhile. One goroutine uses it.
type Cursor struct {
	c *Column
	k int
	p *page
}

// Cursor returns a cursor over the column.
func (c *Column) Cursor() Cursor { return Cursor{c: c, p: empty, k: math.MaxInt} }

func (r *Cursor) at(i uint32) (p *page, j int) {
	if k := int(i >> chunkBits); k != r.k {
		r.k, r.p = k, r.c.page(k)
	}
	return r.p, int(i & chunkMask)
}

// Int is Column.Int.
func (r *Cursor) Int(i uint32) int64 {
	if p, j := r.at(i); j < len(p.ints) {
		return p.ints[j]
	}
	return AbsentInt
}

// Uint is Column.Uint.
func (r *Cursor) Uint(i uint32) uint32 {
	if p, j := r.at(i); j < len(p.uints) {
		return p.uints[j]
	}
	return 0
}

// Bool is Column.Bool.
func (r *Cursor) Bool(i uint32) (v, ok bool) {
	if p, j := r.at(i); j < len(p.bools) {
		return p.bools[j] == boolTrue, p.bools[j] != 0
	}
	return false, false
}

// Str is Column.Str.
func (r *Cursor) Str(i uint32) string {
	p, j := r.at(i)
	if r.c.dict == nil {
		return ""
	}
	return r.c.dict.String(p.codes.get(j))
}

// Bytes is Column.Bytes.
func (r *Cursor) Bytes(i uint32) []byte {
	p, j := r.at(i)
	return p.bytes(j)
}
