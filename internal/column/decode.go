package column

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
)

// ErrDamaged is wrapped by errors of LoadChunk about bytes that are no chunk as EncodeChunk wrote it.
var ErrDamaged = errors.New("the chunk is damaged: open the older checkpoint")

// LoadChunk adds a chunk made by EncodeChunk to the end of the table, and the columns that the table lacks. Chunks are
// loaded in order from 0, and none follows a partial one. b is not kept. After an error the table is as it was.
func (t *Table) LoadChunk(b []byte) error {
	if t.frozen {
		return fmt.Errorf("column: table %s is a frozen copy: load into the original", t.name)
	}
	r := reader{b: b, table: t.name, chunk: -1}
	if len(b) < 5 || crc32.Checksum(b[:len(b)-4], castagnoli) != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		r.failf("%d bytes do not have the checksum they end with", len(b))
		return r.err
	}
	r.b = b[:len(b)-4]
	if v := r.byte(); v != formatVersion {
		return fmt.Errorf("column: table %s: a chunk of format %d, this program reads format %d: use the version that wrote it", t.name, v, formatVersion)
	}
	name := r.bytes()
	k, rows, columns := r.uvarint(), r.uvarint(), r.uvarint()
	switch {
	case r.err != nil:
		return r.err
	case string(name) != t.name:
		return fmt.Errorf("column: table %s: this is a chunk of table %.100q", t.name, name)
	case rows < 1 || rows > ChunkRows || columns > MaxColumns || k > math.MaxUint32/ChunkRows:
		r.failf("chunk %d with %d rows and %d columns: at most %d and %d", k, rows, columns, ChunkRows, MaxColumns)
		return r.err
	case k*ChunkRows != uint64(t.ext.rows):
		return fmt.Errorf("column: table %s chunk %d cannot follow %d rows: load full chunks in order from 0", t.name, k, t.ext.rows)
	}
	r.chunk, r.rows = int(k), int(rows)
	ext := t.ext
	ext.makeRoom(ext.rows + uint32(rows))
	r.room = int(min(ext.room-ext.rows, ChunkRows))

	staged := make([]stagedColumn, 0, min(columns, uint64(len(r.b))))
	seen := map[string]bool{}
	for range columns {
		s := r.stage(t)
		if r.err == nil && seen[s.name] {
			r.failf("is listed twice")
		}
		if r.err != nil {
			return r.err
		}
		seen[s.name] = true
		staged = append(staged, s)
	}
	r.column = ""
	if len(r.b) != 0 {
		r.failf("%d bytes follow the last column", len(r.b))
		return r.err
	}
	if len(t.columns)+countNew(t, staged) > MaxColumns {
		r.failf("more than %d columns", MaxColumns)
		return r.err
	}

	if t.ext.rows > 0 {
		t.seal()
	}
	t.grow(ext.rows + uint32(rows))
	for i := range staged {
		s := &staged[i]
		c := t.Add(s.name, s.kind)
		for _, entry := range s.entries {
			c.dict.add(entry)
		}
		c.open = s.page
	}
	t.ext.rows += uint32(rows)
	t.ext.writable = 0
	return nil
}

func countNew(t *Table, staged []stagedColumn) (n int) {
	for i := range staged {
		if t.Column(staged[i].name) == nil {
			n++
		}
	}
	return n
}

// stagedColumn is one column's part of a chunk that is read but not yet in the table.
type stagedColumn struct {
	name    string
	kind    Kind
	entries []string
	page    page
}

func (r *reader) stage(t *Table) (s stagedColumn) {
	if r.column != "" {
		r.column = "after " + r.column
	}
	s.name = string(r.bytes())
	s.kind = Kind(r.byte())
	if r.err != nil {
		return s
	}
	r.column = s.name
	have := t.Column(s.name)
	switch {
	case len(s.name) > MaxName || s.kind < Float64 || s.kind > Bytes:
		r.failf("a name of %d bytes and %s", len(s.name), s.kind)
	case have != nil && have.kind != s.kind:
		r.err = fmt.Errorf("column: table %s chunk %d column %s: it is %s there and %s in the table", r.table, r.chunk, s.name, s.kind, have.kind)
	}
	codes := 0
	if s.kind == Dict && r.err == nil {
		var d *Dictionary
		if have != nil {
			d = have.dict
		}
		s.entries, codes = r.entries(d)
	}
	r.presence()
	if r.err != nil || len(r.present) == 0 {
		return s
	}
	switch s.kind {
	case Float64:
		s.page.floats = r.floats()
	case Int64:
		if r.read(AbsentInt+1, math.MaxInt64) {
			s.page.ints = place(r, filled(nil, r.room, int64(AbsentInt)))
		}
	case Uint32:
		if r.read(1, math.MaxUint32) {
			s.page.uints = place(r, make([]uint32, r.room))
		}
	case Dict:
		if r.read(1, int64(codes)) {
			s.page.codes = r.codes()
		}
	case Bool:
		if r.read(boolFalse, boolTrue) {
			s.page.bools = place(r, make([]uint8, r.room))
		}
	case Bytes:
		s.page.spans, s.page.arena = r.spans()
	}
	return s
}

// entries reads the strings that a dictionary gains, and returns them and how many codes there are with them. d is nil when
// the table has no such column yet.
func (r *reader) entries(d *Dictionary) (added []string, codes int) {
	before, n := r.uvarint(), r.uvarint()
	have := 0
	if d != nil {
		have = d.Len()
	}
	if r.err == nil && (before != uint64(have) || n > uint64(len(r.b))) {
		r.failf("%d entries after %d of the dictionary, which has %d", n, before, have)
	}
	if r.err != nil || n == 0 {
		return nil, have
	}
	added = make([]string, 0, n)
	seen := make(map[string]bool, n)
	for range n {
		v := r.bytes()
		known := seen[string(v)]
		if d != nil && !known {
			_, known = d.Lookup(v)
		}
		if r.err == nil && known {
			r.failf("the dictionary has %.100q twice", v)
		}
		if r.err != nil {
			return nil, have
		}
		added = append(added, string(v))
		seen[added[len(added)-1]] = true
	}
	return added, have + len(added)
}

// presence reads which rows have values into r.present.
func (r *reader) presence() {
	r.present = r.present[:0]
	switch form := r.byte(); form {
	case presentNone:
	case presentAll:
		for row := range r.rows {
			r.present = append(r.present, int64(row))
		}
	case presentBits:
		b := r.take((r.rows + 7) / 8)
		for row := range min(r.rows, 8*len(b)) {
			if b[row>>3]>>(row&7)&1 != 0 {
				r.present = append(r.present, int64(row))
			}
		}
	case presentRows:
		n := r.uvarint()
		if r.err == nil && (n < 1 || n > uint64(r.rows)) {
			r.failf("%d values in %d rows", n, r.rows)
		}
		if r.err != nil {
			return
		}
		r.present = scratch(r.present, int(n))
		r.ints(r.present)
		last := int64(-1)
		for _, row := range r.present {
			if r.err == nil && (row <= last || row >= int64(r.rows)) {
				r.failf("row %d after row %d of %d", row, last, r.rows)
			}
			last = row
		}
	default:
		r.failf("unknown form %d of presence", form)
	}
}

// read reads an integer for every present row into r.vals and says whether all lie in low..high.
func (r *reader) read(low, high int64) bool {
	r.vals = scratch(r.vals, len(r.present))
	r.ints(r.vals)
	return r.within(low, high)
}

// place puts the integers that were read into the cells of their rows.
func place[T int64 | uint32 | uint16 | uint8](r *reader, cells []T) []T {
	for i, row := range r.present {
		cells[row] = T(r.vals[i])
	}
	return cells
}

func (r *reader) codes() Codes {
	c := newCodes(uint32(slices.Max(r.vals)), r.room)
	switch {
	case c.B != nil:
		place(r, c.B)
	case c.H != nil:
		place(r, c.H)
	default:
		place(r, c.W)
	}
	return c
}

func (r *reader) floats() []float64 {
	r.vals = scratch(r.vals, len(r.present))
	form := r.byte()
	switch form {
	case floatWhole, floatCents:
		r.ints(r.vals)
	case floatRaw:
		if b := r.take(8 * len(r.vals)); r.err == nil {
			for i := range r.vals {
				r.vals[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
			}
		}
	default:
		r.failf("unknown form %d of numbers", form)
	}
	if r.err != nil {
		return nil
	}
	chunk := filled(nil, r.room, math.NaN())
	for i, row := range r.present {
		v := math.Float64frombits(uint64(r.vals[i]))
		if form != floatRaw {
			v = unscale(r.vals[i], form)
		}
		if v != v {
			r.failf("row %d is there and has no number", row)
			return nil
		}
		chunk[row] = v
	}
	return chunk
}

func (r *reader) spans() (spans []uint64, arena []byte) {
	if !r.read(0, MaxBytes) {
		return nil, nil
	}
	total := 0
	for _, n := range r.vals {
		total += int(n)
	}
	b := r.take(total)
	if r.err != nil {
		return nil, nil
	}
	spans = make([]uint64, r.room)
	at := uint64(0)
	for i, row := range r.present {
		spans[row] = at<<spanBits | uint64(r.vals[i]+1)
		at += uint64(r.vals[i])
	}
	return spans, append(make([]byte, 0, total), b...)
}
