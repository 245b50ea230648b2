package column

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// This file finds single cells of a chunk in its bytes, where decoding the column would make 8,192 cells for the sake of one.
// It reads the directory, and of the column's block the pieces that the way to the cell leads through: the presence, the
// head of the values, and the value. Each piece is checked whenever it is read, so a cell is never taken from damaged bytes,
// however long the file has been open.

// Cell is one cell of a column, as Column.Cell and Table.Cells read it.
type Cell struct {
	kind  Kind   // 0 is absent
	num   uint64 // the bits of a number, or 1 or 2 for Bool
	bytes []byte
}

// unread marks a cell that is yet to be read from the source.
const unread Kind = math.MaxUint8

// Present says whether there is a value.
func (c Cell) Present() bool { return c.kind != 0 }

// Float is Column.Float.
func (c Cell) Float() float64 {
	if c.kind != Float64 {
		return math.NaN()
	}
	return math.Float64frombits(c.num)
}

// Int is Column.Int.
func (c Cell) Int() int64 {
	if c.kind != Int64 {
		return AbsentInt
	}
	return int64(c.num)
}

// Uint is Column.Uint.
func (c Cell) Uint() uint32 {
	if c.kind != Uint32 {
		return 0
	}
	return uint32(c.num)
}

// Bool is Column.Bool.
func (c Cell) Bool() (v, ok bool) { return c.kind == Bool && c.num == boolTrue, c.kind == Bool }

// Code is Column.Code.
func (c Cell) Code() uint32 {
	if c.kind != Dict {
		return 0
	}
	return uint32(c.num)
}

// Bytes is Column.Bytes.
func (c Cell) Bytes() []byte { return c.bytes }

// Cell returns row i of the column.
func (c *Column) Cell(i uint32) Cell {
	if p := c.atHand(int(i >> chunkBits)); p != nil {
		return p.cell(c.kind, int(i&chunkMask))
	}
	return c.lookUp(i)
}

// lookUp is Cell for a row whose chunk is in the source only.
func (c *Column) lookUp(i uint32) Cell {
	cells := []Cell{{kind: unread}}
	c.src.lookUp(i, []*Column{c}, cells)
	return cells[0]
}

// Cells appends row i of some columns of the table. Where several of them are in the source only, that is one look at it.
func (t *Table) Cells(i uint32, columns []*Column, cells []Cell) []Cell {
	start, missing := len(cells), false
	for _, c := range columns {
		if p := c.atHand(int(i >> chunkBits)); p != nil {
			cells = append(cells, p.cell(c.kind, int(i&chunkMask)))
		} else {
			cells, missing = append(cells, Cell{kind: unread}), true
		}
	}
	if missing {
		t.src.lookUp(i, columns, cells[start:])
	}
	return cells
}

// cell returns the cell of row j of a chunk.
func (p *page) cell(kind Kind, j int) (c Cell) {
	switch {
	case j < len(p.floats):
		if v := p.floats[j]; v == v {
			c.kind, c.num = kind, math.Float64bits(v)
		}
		return c
	case j < len(p.ints):
		if p.ints[j] == AbsentInt {
			return c
		}
		c.num = uint64(p.ints[j])
	case j < len(p.uints):
		c.num = uint64(p.uints[j])
	case j < len(p.bools):
		c.num = uint64(p.bools[j])
	case j < p.codes.Len():
		c.num = uint64(p.codes.At(j))
	default:
		if c.bytes = p.bytes(j); c.bytes != nil {
			c.kind = kind
		}
		return c
	}
	if c.num != 0 || kind == Int64 {
		c.kind = kind
	}
	return c
}

// lookUp reads the cells of row i that are marked as unread.
func (s *chunkSource) lookUp(i uint32, columns []*Column, cells []Cell) {
	k, column := int(i>>chunkBits), ""
	err := s.read(k, func(chunk []byte) error {
		r := readers.Get().(*reader)
		defer readers.Put(r)
		r.again(s.table)
		r.lookUp(chunk, k, int(i&chunkMask), columns, cells)
		column = string(r.column)
		return r.err
	})
	if err == nil {
		return
	}
	if column == "" { // the store broke off
		column = columns[max(0, slices.IndexFunc(cells, func(c Cell) bool { return c.kind == unread }))].name
	}
	panic(&LoadError{s.table, k, column, err})
}

// lookUp is chunkSource.lookUp for row j of a chunk.
func (r *reader) lookUp(chunk []byte, k, j int, columns []*Column, cells []Cell) {
	left := 0
	for _, c := range cells {
		if c.kind == unread {
			left++
		}
	}
	listed := r.openSealed(chunk, k)
	next := 0 // the directory is in order of creation, and mostly so are the columns asked for
	for range listed {
		l := r.listing()
		if r.err != nil {
			return
		}
		for n := range columns {
			x := (next + n) % len(columns)
			c := columns[x]
			if cells[x].kind != unread || c.kind != l.kind || c.name != string(l.name) {
				continue
			}
			cell := Cell{}
			if l.present > 0 {
				cell = r.cell(&l, j, int64(c.chunks[k].entries))
			}
			cells[x], next = cell, x+1
			if left--; left == 0 || r.err != nil {
				return
			}
			break
		}
	}
	if r.column = nil; r.err == nil {
		x := slices.IndexFunc(cells, func(c Cell) bool { return c.kind == unread })
		r.failf("column %s is not listed", columns[x].name)
	}
}

// cell finds row j in a column's block; codes is the highest code there is.
func (r *reader) cell(l *listing, j int, codes int64) (c Cell) {
	f := finder{r: r, block: l.cells, checked: -1}
	x, at, there := f.rank(j, l.present)
	if r.err != nil || !there {
		return c
	}
	low, high := int64(AbsentInt+1), int64(math.MaxInt64)
	switch l.kind {
	case Float64:
		c.num = f.float(at, x, l.present)
	case Bytes:
		c.bytes = f.bytes(at, x, l.present)
	case Uint32:
		low, high = 1, math.MaxUint32
	case Dict:
		low, high = 1, codes
	case Bool:
		low, high = boolFalse, boolTrue
	}
	if l.kind != Float64 && l.kind != Bytes {
		run := f.run(at, l.present)
		c.num = uint64(f.value(&run, x, low, high))
	}
	if r.err != nil {
		return Cell{}
	}
	c.kind = l.kind
	return c
}

// finder reads places in a block. Errors are the reader's.
type finder struct {
	r *reader
	block
	checked int  // the last piece that was found right
	head    bool // the first one was
}

// at returns n bytes from a place on, nil after an error.
func (f *finder) at(place, n int) []byte {
	if f.r.err == nil && (place < 0 || n < 0 || place > len(f.b) || n > len(f.b)-place) {
		f.r.failf("%d bytes at byte %d of %d", n, place, len(f.b))
	}
	if f.r.err != nil {
		return nil
	}
	for p := place / f.piece; p*f.piece < place+n; p++ {
		if p == f.checked || p == 0 && f.head {
			continue
		}
		if !f.sound(p) {
			f.r.failf("its bytes do not have their checksum")
			return nil
		}
		f.checked, f.head = p, f.head || p == 0
	}
	return f.b[place : place+n]
}

// byte, uvarint and varint read at a place and return where they end.
func (f *finder) byte(place int) (byte, int) {
	if b := f.at(place, 1); b != nil {
		return b[0], place + 1
	}
	return 0, place
}

func (f *finder) uvarint(place int) (uint64, int) {
	v, n := binary.Uvarint(f.at(place, min(binary.MaxVarintLen64, len(f.b)-place)))
	if n <= 0 {
		f.r.failf("a number is cut off")
		return 0, place
	}
	return v, place + n
}

func (f *finder) varint(place int) (int64, int) {
	v, n := binary.Varint(f.at(place, min(binary.MaxVarintLen64, len(f.b)-place)))
	if n <= 0 {
		f.r.failf("a number is cut off")
		return 0, place
	}
	return v, place + n
}

// rank returns which of the values is that of row j, and where the values begin.
func (f *finder) rank(j, present int) (x, at int, there bool) {
	form, at := f.byte(0)
	switch form {
	case presentNone:
		return 0, at, false
	case presentAll:
		return j, at, j < f.r.rows
	case presentBits:
		b := f.at(at, (f.r.rows+7)/8)
		if j>>3 >= len(b) || b[j>>3]>>(j&7)&1 == 0 {
			return 0, 0, false
		}
		return ones(b, j), at + len(b), true
	case presentRows:
		n, at := f.uvarint(at)
		if f.r.err == nil && n != uint64(present) {
			f.r.failf("%d values where the directory says %d", n, present)
		}
		if f.r.err != nil {
			return 0, 0, false
		}
		run := f.run(at, present)
		f.r.vals = scratch(f.r.vals, present)
		f.read(&run, 0, f.r.vals)
		x, there = slices.BinarySearch(f.r.vals, int64(j))
		return x, f.end(&run), there
	}
	f.r.failf("unknown form %d of presence", form)
	return 0, 0, false
}

// ones counts the bits before bit j.
func ones(b []byte, j int) (n int) {
	for ; j >= 64 && len(b) >= 8; b, j = b[8:], j-64 {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(b))
	}
	for ; j >= 8; b, j = b[1:], j-8 {
		n += bits.OnesCount8(b[0])
	}
	return n + bits.OnesCount8(b[0]&(1<<j-1))
}

func (f *finder) float(at, x, n int) uint64 {
	form, at := f.byte(at)
	var v float64
	switch form {
	case floatRaw:
		if b := f.at(at+8*x, 8); b != nil {
			v = math.Float64frombits(binary.LittleEndian.Uint64(b))
		}
	case floatWhole, floatCents:
		run := f.run(at, n)
		v = unscale(f.value(&run, x, math.MinInt64, math.MaxInt64), form)
	default:
		f.r.failf("unknown form %d of numbers", form)
	}
	if v != v {
		f.r.failf("value %d is there and has no number", x)
	}
	return math.Float64bits(v)
}

func (f *finder) bytes(at, x, n int) []byte {
	lengths := f.run(at, n)
	form, at := f.byte(f.end(&lengths))
	if f.r.err == nil && form > bytesHex|bytesMarked {
		f.r.failf("unknown form %d of bytes", form)
	}
	first, start := 0, 0 // a value before ours, and where it begins
	if form&bytesMarked != 0 {
		if first = x &^ markMask; first > 0 {
			if b := f.at(at+4*(x>>markBits-1), 4); b != nil {
				start = int(binary.LittleEndian.Uint32(b))
			}
		}
		at += 4 * marks(n)
	}
	if lengths.form == intsSame {
		first, start = x, x*int(min(max(lengths.low, 0), MaxBytes))
	}
	f.r.vals = scratch(f.r.vals, x-first+1)
	f.read(&lengths, first, f.r.vals)
	for i, length := range f.r.vals {
		switch {
		case f.r.err != nil:
			return nil
		case length < 0 || length > MaxBytes:
			f.r.failf("value %d: %d is outside 0..%d", first+i, length, MaxBytes)
			return nil
		case i < x-first:
			start += int(length)
		}
	}
	length := int(f.r.vals[x-first])
	if form&bytesHex == 0 {
		return append(make([]byte, 0, length), f.at(at+start, length)...)
	}
	packed := f.at(at+start/2, (start+length+1)/2-start/2)
	if f.r.err != nil {
		return nil
	}
	return unpackHex(packed, start&1+length)[start&1:]
}

// run is the head of a run of n integers.
type run struct {
	form  byte
	n     int
	low   int64 // or the only one
	width int
	marks int // where they are, and the values
	at    int
	size  int // bytes of the values, -1 when it is not known
}

func (f *finder) run(at, n int) (r run) {
	r.n = n
	r.form, r.at = f.byte(at)
	switch r.form {
	case intsSame:
		r.low, r.at = f.varint(r.at)
	case intsPacked:
		var width byte
		r.low, r.at = f.varint(r.at)
		width, r.at = f.byte(r.at)
		if r.width = int(width); f.r.err == nil && (width < 1 || width > 32) {
			f.r.failf("integers of %d bits, from 1 to 32 are known", width)
		}
		r.size = packedLen(n, r.width)
	case intsDeltas:
		r.size = -1
	case intsWide:
		r.size = 8 * n
	case intsMarked:
		var size uint64
		size, r.marks = f.uvarint(r.at)
		if r.at = r.marks + markSize*marks(n); f.r.err == nil && size > uint64(len(f.b)) {
			f.r.failf("differences of %d bytes in a block of %d", size, len(f.b))
		}
		r.size = int(size)
	default:
		f.r.failf("unknown form %d of integers", r.form)
	}
	return r
}

// end returns where a run ends.
func (f *finder) end(r *run) int {
	if r.size < 0 {
		left := f.walk(0, 0, f.at(r.at, len(f.b)-r.at), nil, r.n)
		r.size = len(f.b) - r.at - left
	}
	return r.at + r.size
}

// value returns value x of a run, which must be in low..high.
func (f *finder) value(r *run, x int, low, high int64) int64 {
	var one [1]int64
	if f.read(r, x, one[:]); f.r.err == nil && (one[0] < low || one[0] > high) {
		f.r.failf("value %d: %d is outside %d..%d", x, one[0], low, high)
	}
	return one[0]
}

// read reads values of a run, the first of them value x.
func (f *finder) read(r *run, x int, vals []int64) {
	if f.r.err == nil && x+len(vals) > r.n {
		f.r.failf("value %d of %d", x+len(vals), r.n)
	}
	if f.r.err != nil {
		return
	}
	switch r.form {
	case intsSame:
		for i := range vals {
			vals[i] = r.low
		}
	case intsPacked:
		f.packed(r, x, vals)
	case intsWide:
		for i := range vals {
			if b := f.at(r.at+8*(x+i), 8); b != nil {
				vals[i] = int64(binary.LittleEndian.Uint64(b))
			}
		}
	default:
		f.differences(r, x, vals)
	}
}

func (f *finder) packed(r *run, x int, vals []int64) {
	from, to := x*r.width, (x+len(vals))*r.width
	b := f.at(r.at+from/8, (to+7)/8-from/8)
	if b == nil {
		return
	}
	mask, bit := uint64(1)<<r.width-1, from&7
	for i := range vals {
		var v uint64
		for n := range b[bit/8 : (bit+r.width+7)/8] {
			v |= uint64(b[bit/8+n]) << (8 * n)
		}
		vals[i] = int64(uint64(r.low) + v>>(bit&7)&mask)
		bit += r.width
	}
}

// differences goes on from the last mark before value x.
func (f *finder) differences(r *run, x int, vals []int64) {
	mark := func(n int) (before int64, at int) {
		if b := f.at(r.marks+markSize*(n-1), markSize); b != nil {
			before, at = int64(binary.LittleEndian.Uint64(b)), int(binary.LittleEndian.Uint32(b[8:]))
		}
		return before, at
	}
	first, v, from, to := 0, int64(0), 0, r.size
	if r.size < 0 {
		to = len(f.b) - r.at
	}
	if r.form == intsMarked {
		if n := x >> markBits; n > 0 {
			first = n << markBits
			v, from = mark(n)
		}
		if n := (x+len(vals)-1)>>markBits + 1; n <= marks(r.n) {
			_, to = mark(n)
		}
	}
	f.walk(x-first, v, f.at(r.at+from, to-from), vals, x-first+len(vals))
}

// walk adds up n differences, the first to v, and keeps the sums after skip of them. It returns how many bytes are left.
func (f *finder) walk(skip int, v int64, b []byte, vals []int64, n int) (left int) {
	for i := range n {
		d, size := binary.Varint(b)
		if size <= 0 {
			f.r.failf("a number is cut off")
			return 0
		}
		b = b[size:]
		if v += d; i >= skip && vals != nil {
			vals[i-skip] = v
		}
	}
	return len(b)
}
