package column

import "math"

// Codes are the codes of one chunk of a Dict column, in the narrowest of three widths that holds them: one slice is not
// nil, or none when every cell is absent. Code 0 is absent.
type Codes struct {
	B []uint8
	H []uint16
	W []uint32
}

// Len returns the number of rows, 0 when every cell is absent.
func (c Codes) Len() int { return len(c.B) + len(c.H) + len(c.W) }

// At returns the code of row j of the chunk. It panics when there are no codes.
func (c Codes) At(j int) uint32 {
	switch {
	case c.B != nil:
		return uint32(c.B[j])
	case c.H != nil:
		return uint32(c.H[j])
	}
	return c.W[j]
}

// get is At that knows absent chunks and rows beyond the end.
func (c *Codes) get(j int) uint32 {
	switch {
	case j < len(c.B):
		return uint32(c.B[j])
	case j < len(c.H):
		return uint32(c.H[j])
	case j < len(c.W):
		return c.W[j]
	}
	return 0
}

// set stores a code, in wider cells when it does not fit; room is the number of cells to make when there are none. Wider
// cells are new memory: who reads the old ones goes on with them.
func (c *Codes) set(j int, code uint32, room int) {
	switch {
	case c.W != nil:
		c.W[j] = code
	case c.H != nil && code <= math.MaxUint16:
		c.H[j] = uint16(code)
	case c.B != nil && code <= math.MaxUint8:
		c.B[j] = uint8(code)
	default:
		wider := newCodes(max(code, c.highest()), max(room, c.Len()))
		for j := range c.Len() {
			wider.set(j, c.At(j), 0)
		}
		*c = wider
		c.set(j, code, room)
	}
}

// highest returns the highest code that the cells have room for.
func (c *Codes) highest() uint32 {
	switch {
	case c.H != nil:
		return math.MaxUint16
	case c.W != nil:
		return math.MaxUint32
	}
	return 0
}

// newCodes returns n absent cells that hold codes up to the highest.
func newCodes(highest uint32, n int) Codes {
	switch {
	case highest <= math.MaxUint8:
		return Codes{B: make([]uint8, n)}
	case highest <= math.MaxUint16:
		return Codes{H: make([]uint16, n)}
	}
	return Codes{W: make([]uint32, n)}
}

// first returns the codes of the first n rows.
func (c Codes) first(n int) Codes {
	return Codes{B: first(c.B, n), H: first(c.H, n), W: first(c.W, n)}
}
