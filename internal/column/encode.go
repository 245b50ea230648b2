package column

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"
	"sync"
)

// A chunk in bytes, integers as uvarints unless said otherwise, strings as length and bytes:
//
//	version (1 byte)  length of the directory  directory  CRC32C of all before it (4 bytes, little endian)  blocks
//
// The directory is
//
//	table name  chunk number  rows  columns  then for each column in order of creation:
//	    name  kind (1 byte)  number of rows that are there
//	    Dict only: entries before this chunk, new entries, and where there are new ones the block of their strings
//	    where some rows are there: statistics, the block of their cells
//
// It lists a block as its length and the CRC32C (4 bytes) of each piece of 1,024 bytes of it, and the blocks follow in the same
// order: one column is read and checked without the others, and one cell without the rest of its column. Statistics are, for Int64, the lowest and the highest cell (varints) and 1 when the chunk is
// sorted, else 0 (1 byte); for Float64 the lowest and the highest (8 bytes each). A block of cells is
//
//	presence (1 byte), then where some rows are absent: which ones are there
//	the values of the rows that are there, as below
//
// Int64, Uint32, Bool and Dict are integers (ints.go). Bytes is the lengths as integers, one byte, for more than 256
// lengths that differ the places (4 bytes, in bytes before packing) of the values at multiples of 256 but the first, then the bytes, or half as many
// where all are lower-case hexadecimal digits, as many ids are. Float64 is one byte, then integers, or integers to be divided
// by 100, or 8 bytes each. A column made after the chunk was full is not listed.
//
// Version 2 had one checksum for a block, and none of the marks by which single cells are found: it is read by the same code,
// with longer ways. Version 1 had no directory: see format1.go.
//
// Version 4 is version 3 of a full chunk whose rows were dropped (drop.go): it has no cells. So whoever reads it again in place of
// the chunk that it was knows that they are gone, and takes none for absent.
const (
	formatVersion = 3
	formatDropped = 4
)

// pieceSize is how many bytes have a checksum of their own.
const pieceSize = 1024

const (
	presentNone = 0
	presentAll  = 1
	presentBits = 2 // one bit a row, lowest first
	presentRows = 3 // count, then the row numbers as integers
)

const (
	floatRaw   = 0
	floatWhole = 1
	floatCents = 2
)

// The form of bytes is the sum of these.
const (
	bytesHex    = 1 // two digits a byte, the first in the high half; an odd last one alone
	bytesMarked = 2 // with places
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// EncodeChunk appends chunk k in bytes to dst. The bytes of a full chunk are the same whenever they are made.
func (t *Table) EncodeChunk(dst []byte, k int) []byte {
	end := uint64(k+1) * ChunkRows
	listed := 0
	for _, c := range t.columns {
		if uint64(c.since) < end {
			listed++
		}
	}
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	e.blocks = e.blocks[:0]
	e.dir = appendString(e.dir[:0], t.name)
	e.dir = binary.AppendUvarint(e.dir, uint64(k))
	e.dir = binary.AppendUvarint(e.dir, uint64(t.ext.rowsIn(k)))
	e.dir = binary.AppendUvarint(e.dir, uint64(listed))
	for _, c := range t.columns {
		if uint64(c.since) < end {
			e.column(c, k)
		}
	}
	start := len(dst)
	dst = append(dst, t.versionOf(k))
	dst = binary.AppendUvarint(dst, uint64(len(e.dir)))
	dst = append(dst, e.dir...)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
	return append(dst, e.blocks...)
}

// versionOf is the version by which chunk k is encoded.
func (t *Table) versionOf(k int) byte {
	if t.DroppedChunk(k) {
		return formatDropped
	}
	return formatVersion
}

// encoder holds the directory and the blocks so far, and of one column the present rows and their values as integers.
type encoder struct {
	dir    []byte
	blocks []byte
	rows   []int64
	vals   []int64
}

// encoders keeps the scratch memory of encoders.
var encoders = sync.Pool{New: func() any { return new(encoder) }}

func (e *encoder) add(row int, v int64) {
	e.rows = append(e.rows, int64(row))
	e.vals = append(e.vals, v)
}

func (e *encoder) column(c *Column, k int) {
	p := c.chunk(k).first(c.ext.rowsIn(k))
	e.gather(c.kind, &p)
	e.dir = appendString(e.dir, c.name)
	e.dir = append(e.dir, byte(c.kind))
	e.dir = binary.AppendUvarint(e.dir, uint64(len(e.vals)))
	if c.kind == Dict {
		from, to := c.firstUsed(k)
		e.dir = binary.AppendUvarint(e.dir, uint64(from))
		e.dir = binary.AppendUvarint(e.dir, uint64(to-from))
		start := len(e.blocks)
		for code := from + 1; code <= to; code++ {
			e.blocks = appendString(e.blocks, c.dict.String(uint32(code)))
		}
		if to > from {
			e.list(start)
		}
	}
	if len(e.vals) == 0 {
		return
	}
	switch s := c.statsOf(k, &p); c.kind {
	case Int64:
		e.dir = binary.AppendVarint(e.dir, int64(s.lo))
		e.dir = binary.AppendVarint(e.dir, int64(s.hi))
		sorted := byte(0)
		if s.sorted {
			sorted = 1
		}
		e.dir = append(e.dir, sorted)
	case Float64:
		e.dir = binary.LittleEndian.AppendUint64(e.dir, s.lo)
		e.dir = binary.LittleEndian.AppendUint64(e.dir, s.hi)
	}
	start := len(e.blocks)
	e.blocks = e.cells(e.blocks, c.kind, &p, c.ext.rowsIn(k))
	e.list(start)
}

// statsOf returns the statistics of chunk k, whose cells are p.
func (c *Column) statsOf(k int, p *page) stats {
	if k < len(c.chunks) {
		return c.chunks[k].stats
	}
	return measure(p)
}

// list enters the block that begins at start into the directory.
func (e *encoder) list(start int) {
	e.dir = binary.AppendUvarint(e.dir, uint64(len(e.blocks)-start))
	for piece := range slices.Chunk(e.blocks[start:], pieceSize) {
		e.dir = binary.LittleEndian.AppendUint32(e.dir, crc32.Checksum(piece, castagnoli))
	}
}

func (e *encoder) cells(dst []byte, kind Kind, p *page, rows int) []byte {
	dst = e.presence(dst, rows)
	switch kind {
	case Float64:
		return e.floats(dst)
	case Bytes:
		dst = appendInts(dst, e.vals)
		form := len(dst)
		dst = appendPlaces(append(dst, 0), e.vals)
		start := len(dst)
		for _, row := range e.rows {
			dst = append(dst, p.bytes(int(row))...)
		}
		return packHex(dst, form, start)
	}
	return appendInts(dst, e.vals)
}

// appendPlaces appends where every 256th value begins, and says so in the byte before, unless all are of the same length.
func appendPlaces(dst []byte, lengths []int64) []byte {
	if marks(len(lengths)) == 0 || !slices.ContainsFunc(lengths, func(n int64) bool { return n != lengths[0] }) {
		return dst
	}
	dst[len(dst)-1] |= bytesMarked
	at := int64(0)
	for i, n := range lengths {
		if i > 0 && i&markMask == 0 {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(at))
		}
		at += n
	}
	return dst
}

// gather collects the present rows of a chunk: floats as their bits, bytes as their lengths.
func (e *encoder) gather(kind Kind, p *page) {
	e.rows, e.vals = e.rows[:0], e.vals[:0]
	switch kind {
	case Float64:
		for i, v := range p.floats {
			if v == v {
				e.add(i, int64(math.Float64bits(v)))
			}
		}
	case Int64:
		for i, v := range p.ints {
			if v != AbsentInt {
				e.add(i, v)
			}
		}
	case Uint32:
		for i, v := range p.uints {
			if v != 0 {
				e.add(i, int64(v))
			}
		}
	case Dict:
		for i := range p.codes.Len() {
			if v := p.codes.At(i); v != 0 {
				e.add(i, int64(v))
			}
		}
	case Bool:
		for i, v := range p.bools {
			if v != 0 {
				e.add(i, int64(v))
			}
		}
	case Bytes:
		for i, v := range p.spans {
			if v != 0 {
				e.add(i, int64(v&spanMask)-1)
			}
		}
	}
}

// firstUsed returns the codes from+1..to, those whose first use is in chunk k.
func (c *Column) firstUsed(k int) (from, to int) {
	if k > 0 {
		from = int(c.chunks[k-1].entries)
	}
	if k < len(c.chunks) {
		return from, int(c.chunks[k].entries)
	}
	return from, c.dict.Len()
}

func (e *encoder) presence(dst []byte, rows int) []byte {
	switch n := len(e.rows); {
	case n == 0:
		return append(dst, presentNone)
	case n == rows:
		return append(dst, presentAll)
	case n*16 < rows: // a row number takes 1 or 2 bytes, so this is shorter than a bit for each row
		dst = append(dst, presentRows)
		dst = binary.AppendUvarint(dst, uint64(n))
		return appendInts(dst, e.rows)
	}
	dst = append(dst, presentBits)
	at := len(dst)
	dst = append(dst, make([]byte, (rows+7)/8)...)
	for _, row := range e.rows {
		dst[at+int(row>>3)] |= 1 << (row & 7)
	}
	return dst
}

func (e *encoder) floats(dst []byte) []byte {
	for _, form := range [...]byte{floatWhole, floatCents} {
		if e.scaled(form) {
			return appendInts(append(dst, form), e.rows)
		}
	}
	dst = append(dst, floatRaw)
	for _, bits := range e.vals {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(bits))
	}
	return dst
}

// scaled turns the floats into integers and says whether all of them come back with the same bits. The presence is written
// by then, so rows holds the result.
func (e *encoder) scaled(form byte) bool {
	for i, bits := range e.vals {
		v := math.Float64frombits(uint64(bits))
		if form == floatCents {
			v *= 100
		}
		v = math.Round(v)
		if !(math.Abs(v) < 1<<53) || int64(math.Float64bits(unscale(int64(v), form))) != bits {
			return false
		}
		e.rows[i] = int64(v)
	}
	return true
}

func unscale(v int64, form byte) float64 {
	if form == floatCents {
		return float64(v) / 100
	}
	return float64(v)
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}
