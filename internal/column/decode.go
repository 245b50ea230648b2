package column

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
)

// ErrDamaged is wrapped by errors about bytes that are no chunk as EncodeChunk wrote it.
var ErrDamaged = errors.New("the chunk is damaged")

// LoadChunk adds a chunk made by EncodeChunk to the end of the table, and the columns that the table lacks. Chunks are
// loaded in order from 0, and none follows a partial one. b is not kept. After an error the table is as it was.
//
// Of a full chunk of a table with a source, only the directory and the strings that are new to dictionaries are read: the
// cells are checked and decoded when a getter needs them. A chunk whose rows were dropped before it was written is DroppedChunk.
func (t *Table) LoadChunk(b []byte) error {
	if t.frozen {
		return fmt.Errorf("column: table %s is a frozen copy: load into the original", t.name)
	}
	r := &reader{table: t.name, chunk: -1}
	version := r.open(b)
	k, rows, columns := r.head()
	switch {
	case r.err != nil:
		return r.err
	case k*ChunkRows != int(t.ext.rows):
		return fmt.Errorf("column: table %s chunk %d cannot follow %d rows: load full chunks in order from 0", t.name, k, t.ext.rows)
	}
	ext := t.ext
	ext.makeRoom(ext.rows + uint32(rows))
	r.room = ext.roomIn(k)
	full := rows == ChunkRows
	if version == formatDropped && !full {
		r.failf("it has %d rows and says that they were dropped: only full chunks are", rows)
		return r.err
	}

	staged := make([]stagedColumn, 0, min(columns, len(r.b)))
	seen := map[string]bool{}
	for range columns {
		var s stagedColumn
		if version == 1 {
			s = r.column1(t)
		} else {
			s = r.stage(t, full && t.src.read != nil)
		}
		if r.err == nil && seen[s.name] {
			r.failf("is listed twice")
		}
		if r.err != nil {
			return r.err
		}
		seen[s.name] = true
		staged = append(staged, s)
	}
	r.column = nil
	if n := len(r.b) + len(r.blocks); n != 0 {
		r.failf("%d bytes follow the last column", n)
		return r.err
	}
	if len(t.columns)+countNew(t, staged) > MaxColumns {
		r.failf("more than %d columns", MaxColumns)
		return r.err
	}

	t.grow(ext.rows + uint32(rows))
	for i := range staged {
		s := &staged[i]
		c := t.Add(s.name, s.kind)
		for _, word := range s.words {
			c.dict.add(word)
		}
		if s.slot != nil {
			s.slot.entries = uint32(s.codes)
			c.chunks = append(c.chunks, s.slot)
		} else {
			c.open = s.page
		}
	}
	t.ext.rows += uint32(rows)
	t.ext.writable = 0
	if full {
		if t.src.read != nil {
			t.stored = k + 1
		}
		t.seal(version == 1)
	}
	if version == formatDropped {
		for _, c := range t.columns {
			c.chunks[k].dropped = true
		}
	}
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
	name  string
	kind  Kind
	words []string // that the dictionary gains
	codes int      // entries of the dictionary with them
	page  page
	slot  *slot // instead of the page, when the cells were left in the source
}

// open reads a chunk's version and leaves r at its head.
func (r *reader) open(b []byte) (version byte) {
	r.b = b
	r.version = r.byte()
	switch version = r.version; version {
	case 1:
		r.open1(b)
	case 2, formatVersion, formatDropped:
		n := r.uvarint()
		if n > uint64(len(r.b)) {
			r.failf("%d bytes are left where %d are needed", len(r.b), n)
			return version
		}
		dir := r.take(int(n))
		before := b[:len(b)-len(r.b)]
		sum := r.take(4)
		if r.err == nil && crc32.Checksum(before, castagnoli) != binary.LittleEndian.Uint32(sum) {
			r.failf("the directory does not have its checksum")
		}
		if r.err == nil {
			r.b, r.blocks = dir, r.b
		}
	default:
		r.failf("format %d, and formats 1 to %d are known (a newer program may have written it)", version, formatDropped)
	}
	return version
}

// head reads what a chunk says of itself before it lists its columns.
func (r *reader) head() (k, rows, columns int) {
	name := r.bytes()
	number, n, listed := r.uvarint(), r.uvarint(), r.uvarint()
	switch {
	case r.err != nil:
		return 0, 0, 0
	case string(name) != r.table:
		r.err = fmt.Errorf("column: table %s: this is a chunk of table %.100q", r.table, name)
		return 0, 0, 0
	case n < 1 || n > ChunkRows || listed > MaxColumns || number > math.MaxUint32/ChunkRows:
		r.failf("chunk %d with %d rows and %d columns: at most %d and %d", number, n, listed, ChunkRows, MaxColumns)
		return 0, 0, 0
	}
	r.chunk, r.rows = int(number), int(n)
	return int(number), int(n), int(listed)
}

// listing is what the directory says about one column.
type listing struct {
	name          []byte
	kind          Kind
	present       int
	before, added uint64 // Dict
	words, cells  block
	stats
}

// block is a run of bytes with the checksums that its pieces should have.
type block struct {
	b     []byte
	piece int // bytes of each but the last
	sums  []byte
}

// sound says whether piece p has its checksum.
func (b *block) sound(p int) bool {
	piece := b.b[p*b.piece : min((p+1)*b.piece, len(b.b))]
	return crc32.Checksum(piece, castagnoli) == binary.LittleEndian.Uint32(b.sums[4*p:])
}

// pieces is how many the block has.
func (b *block) pieces() int { return len(b.sums) / 4 }

func (r *reader) block() (b block) {
	n := r.uvarint()
	if r.err == nil && n > uint64(len(r.blocks)) {
		r.failf("%d bytes are left where %d are needed", len(r.blocks), n)
	}
	if r.err != nil {
		return b
	}
	b.piece = pieceSize
	if r.version == 2 {
		b.piece = max(1, int(n))
	}
	b.sums = r.take(4 * max(1, (int(n)+b.piece-1)/b.piece))
	b.b, r.blocks = r.blocks[:n], r.blocks[n:]
	return b
}

// listing reads the directory's next column.
func (r *reader) listing() (l listing) {
	r.nameColumn(&l.name, &l.kind)
	n := r.uvarint()
	if r.err == nil && n > uint64(r.rows) {
		r.failf("%d values in %d rows", n, r.rows)
	}
	if l.kind == Dict {
		if l.before, l.added = r.uvarint(), r.uvarint(); l.added > 0 {
			l.words = r.block()
		}
	}
	if l.present = int(n); r.err != nil || n == 0 {
		return l
	}
	switch l.kind {
	case Int64:
		l.lo, l.hi, l.sorted, l.ranged = uint64(r.varint()), uint64(r.varint()), r.byte() == 1, true
	case Float64:
		if b := r.take(16); r.err == nil {
			l.lo, l.hi, l.ranged = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), true
		}
	}
	l.cells = r.block()
	return l
}

func (r *reader) nameColumn(name *[]byte, kind *Kind) {
	r.behind = r.column != nil
	*name, *kind = r.bytes(), Kind(r.byte())
	if r.err != nil {
		return
	}
	r.column, r.behind = *name, false
	if len(*name) > MaxName || *kind < Float64 || *kind > Bytes {
		r.failf("a name of %d bytes and %s", len(*name), *kind)
	}
}

// stage reads a column of the chunk; its cells only when they are not left in the source.
func (r *reader) stage(t *Table, leave bool) (s stagedColumn) {
	l := r.listing()
	have := r.have(t, string(l.name), l.kind)
	if r.err != nil {
		return s
	}
	s.name, s.kind = string(l.name), l.kind
	dir := r.b
	if l.kind == Dict {
		var d *Dictionary
		if have != nil {
			d = have.dict
		}
		r.enter(l.words)
		s.words, s.codes = r.newWords(d, l.before, l.added)
		r.leave()
	}
	switch {
	case r.err != nil || l.present == 0:
	case leave:
		s.slot = newSlot(nil)
		s.slot.stats = l.stats
	default:
		s.page = r.listedCells(l, s.codes)
	}
	if r.err == nil {
		r.b = dir
	}
	return s
}

// have returns the table's column of that name, nil when there is none.
func (r *reader) have(t *Table, name string, kind Kind) *Column {
	c := t.Column(name)
	if r.err == nil && c != nil && c.kind != kind {
		r.err = fmt.Errorf("column: table %s chunk %d column %s: it is %s there and %s in the table", r.table, r.chunk, name, kind, c.kind)
	}
	return c
}

// enter goes to a block, leave makes sure that all of it was read.
func (r *reader) enter(b block) {
	for p := 0; p < b.pieces() && r.err == nil; p++ {
		if !b.sound(p) {
			r.failf("its bytes do not have their checksum")
		}
	}
	if r.err == nil {
		r.b = b.b
	}
}

func (r *reader) leave() {
	if r.err == nil && len(r.b) != 0 {
		r.failf("%d bytes follow the last value", len(r.b))
	}
}

func (r *reader) listedCells(l listing, codes int) (p page) {
	r.enter(l.cells)
	p = r.cells(l.kind, codes)
	r.leave()
	if r.err == nil && len(r.present) != l.present {
		r.failf("%d values where the directory says %d", len(r.present), l.present)
	}
	return p
}

// openSealed reads the head of chunk k, which is full and has a directory, and returns how many columns it lists.
func (r *reader) openSealed(chunk []byte, k int) (columns int) {
	version := r.open(chunk)
	number, rows, columns := r.head()
	if r.err == nil && version == formatDropped {
		r.err = ErrDropped // written anew since the table was loaded
	}
	if r.err == nil && (version == 1 || number != k || rows != ChunkRows) {
		r.failf("it is chunk %d with %d rows in format %d, and was chunk %d with %d", number, rows, version, k, ChunkRows)
	}
	if r.err != nil {
		return 0
	}
	return columns
}

// column2 reads one column of chunk k of its table again.
func (r *reader) column2(chunk []byte, c *Column, k int) (*page, error) {
	for range r.openSealed(chunk, k) {
		l := r.listing()
		if r.err != nil || string(l.name) != c.name || l.kind != c.kind {
			continue
		}
		if l.present == 0 { // there were cells, all of them cleared
			return empty, nil
		}
		p := r.listedCells(l, int(c.chunks[k].entries))
		return &p, r.err
	}
	r.column = nil
	r.failf("column %s is not listed", c.name)
	return nil, r.err
}

// cells reads the presence and the values of a column; codes is the highest code there is.
func (r *reader) cells(kind Kind, codes int) (p page) {
	r.presence()
	if r.err != nil || len(r.present) == 0 {
		return p
	}
	switch kind {
	case Float64:
		p.floats = r.floats()
	case Int64:
		if r.read(AbsentInt+1, math.MaxInt64) {
			p.ints = place(r, filled(nil, r.room, int64(AbsentInt)))
		}
	case Uint32:
		if r.read(1, math.MaxUint32) {
			p.uints = place(r, make([]uint32, r.room))
		}
	case Dict:
		if r.read(1, int64(codes)) {
			p.codes = r.codes()
		}
	case Bool:
		if r.read(boolFalse, boolTrue) {
			p.bools = place(r, make([]uint8, r.room))
		}
	case Bytes:
		p.spans, p.arena = r.spans()
	}
	return p
}

// newWords reads the n strings that a dictionary gains, and returns them and how many codes there are with them. d is nil
// when the table has no such column yet.
func (r *reader) newWords(d *Dictionary, before, n uint64) (added []string, codes int) {
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
	if len(r.present) == r.rows { // all of them
		for i, v := range r.vals {
			cells[i] = T(v)
		}
		return cells
	}
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
	form := byte(0)
	if r.version > 1 {
		if form = r.byte(); form > bytesHex|bytesMarked {
			r.failf("unknown form %d of bytes", form)
		}
	}
	if form&bytesMarked != 0 {
		r.places()
	}
	packed, size := form&bytesHex != 0, total
	if packed {
		size = (total + 1) / 2
	}
	b := r.take(size)
	if r.err != nil {
		return nil, nil
	}
	if packed {
		b = unpackHex(b, total)
	}
	spans = make([]uint64, r.room)
	at := uint64(0)
	for i, row := range r.present {
		spans[row] = at<<spanBits | uint64(r.vals[i]+1)
		at += uint64(r.vals[i])
	}
	return spans, append(make([]byte, 0, total), b...)
}

// places reads where every 256th value begins, and holds it against the lengths that were read.
func (r *reader) places() {
	places := r.take(4 * marks(len(r.vals)))
	at := int64(0)
	for i, n := range r.vals {
		if i > 0 && i&markMask == 0 && r.err == nil {
			if uint32(at) != binary.LittleEndian.Uint32(places[4*(i>>markBits-1):]) {
				r.failf("the place of value %d is another", i)
			}
		}
		at += n
	}
}
