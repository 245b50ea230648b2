package column

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// A chunk in bytes, integers as uvarints unless said otherwise, strings as length and bytes:
//
//	version (1 byte)  table name  chunk number  rows  columns  then for each column in order of creation:
//	    name  kind (1 byte)
//	    Dict only: entries before this chunk, new entries, their strings
//	    presence (1 byte), then where some rows are absent: which ones are there
//	    the values of the rows that are there, as below
//	CRC32C of all before it (4 bytes, little endian)
//
// Int64, Uint32, Bool and Dict are integers (ints.go). Bytes is the lengths as integers, then the bytes. Float64 is one
// byte, then integers, or integers to be divided by 100, or 8 bytes each. A column made after the chunk was full is not listed.
const formatVersion = 1

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

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// EncodeChunk appends chunk k in bytes to dst. The bytes of a full chunk are the same whenever they are made.
func (t *Table) EncodeChunk(dst []byte, k int) []byte {
	start := len(dst)
	end := uint64(k+1) * ChunkRows
	listed := 0
	for _, c := range t.columns {
		if uint64(c.since) < end {
			listed++
		}
	}
	dst = append(dst, formatVersion)
	dst = appendString(dst, t.name)
	dst = binary.AppendUvarint(dst, uint64(k))
	dst = binary.AppendUvarint(dst, uint64(t.ext.rowsIn(k)))
	dst = binary.AppendUvarint(dst, uint64(listed))
	var e encoder
	for _, c := range t.columns {
		if uint64(c.since) < end {
			dst = e.column(dst, c, k)
		}
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// encoder holds the present rows of one column and their values as integers. It is used again for the next column.
type encoder struct {
	rows []int64
	vals []int64
}

func (e *encoder) add(row int, v int64) {
	e.rows = append(e.rows, int64(row))
	e.vals = append(e.vals, v)
}

func (e *encoder) column(dst []byte, c *Column, k int) []byte {
	dst = appendString(dst, c.name)
	dst = append(dst, byte(c.kind))
	if c.kind == Dict {
		from, to := c.firstUsed(k)
		dst = binary.AppendUvarint(dst, uint64(from))
		dst = binary.AppendUvarint(dst, uint64(to-from))
		for code := from + 1; code <= to; code++ {
			dst = appendString(dst, c.dict.String(uint32(code)))
		}
	}
	e.gather(c, k)
	dst = e.presence(dst, c.ext.rowsIn(k))
	if len(e.vals) == 0 {
		return dst
	}
	switch c.kind {
	case Float64:
		return e.floats(dst)
	case Bytes:
		dst = appendInts(dst, e.vals)
		for _, row := range e.rows {
			dst = append(dst, c.Bytes(uint32(k*ChunkRows+int(row)))...)
		}
		return dst
	}
	return appendInts(dst, e.vals)
}

// gather collects the present rows of a chunk: floats as their bits, bytes as their lengths.
func (e *encoder) gather(c *Column, k int) {
	e.rows, e.vals = e.rows[:0], e.vals[:0]
	switch c.kind {
	case Float64:
		for i, v := range c.Floats(k) {
			if v == v {
				e.add(i, int64(math.Float64bits(v)))
			}
		}
	case Int64:
		for i, v := range c.Ints(k) {
			if v != AbsentInt {
				e.add(i, v)
			}
		}
	case Uint32:
		for i, v := range c.Uints(k) {
			if v != 0 {
				e.add(i, int64(v))
			}
		}
	case Dict:
		codes := c.Codes(k)
		for i := range codes.Len() {
			if v := codes.At(i); v != 0 {
				e.add(i, int64(v))
			}
		}
	case Bool:
		for i, v := range c.Bools(k) {
			if v != 0 {
				e.add(i, int64(v))
			}
		}
	case Bytes:
		for i, v := range first(c.chunk(k).spans, c.ext.rowsIn(k)) {
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
