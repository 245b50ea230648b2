// Package record is the format of the log: what a batch, a submission and a record look like as bytes.
//
// A batch is what one commit appends. It holds submissions, each the records of one caller, encoded by that caller
// alone with a table of the names it used; so encoding runs in parallel, and a batch that lost a race for its position
// is appended again with the very same submissions.
//
//	batch       version, position, now, digest of the fold so far, count, (length, submission)…, CRC32C
//	submission  count, names…, count, records…
//	record      kind, body length, body
//
// Every integer is a uvarint unless it says otherwise; times are 8 bytes, microseconds, little endian.
package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"unicode/utf8"

	"github.com/embedcdp/cdp/internal/value"
)

// Version of the batch format. A reader refuses a newer one.
const Version = 1

// Kind of a record. The numbers are part of the format.
type Kind uint8

const (
	KindEvent    Kind = 1
	KindIdentify Kind = 2
	KindObject   Kind = 3
	KindDefine   Kind = 4
	KindTick     Kind = 5
	KindOutcome  Kind = 6
	KindProgress Kind = 7  // a dataflow's cursor and counts
	KindDead     Kind = 8  // a row a dataflow could not use
	KindReplay   Kind = 9  // try rejected events again
	KindErase    Kind = 10 // reserved
	KindActivate Kind = 11 // a definition that was built beside intake takes effect
)

// Flags of an event, identify, object or definition record.
const (
	FlagImport = 1 << 0 // history: starts no journey
	FlagDelete = 1 << 1 // of a definition or object
	FlagBuild  = 1 << 2 // of a segment's definition: it is built beside intake, and a KindActivate record lets it take effect

	// FlagRefused marks an event that the caller's process refuses by what only it knows: it is kept as rejected, and the body
	// says why.
	FlagRefused = 1 << 3
)

// Ident is one identifier: a kind ("user_id", "anonymous_id", "email", …) by its name's index, and the identifier.
type Ident struct {
	Kind uint32
	ID   []byte
}

// Attr is one attribute: its name's index and its encoded value.
type Attr struct {
	Name  uint32
	Value []byte
}

// Record is one decoded record. Its slices alias the batch and are reused by the next call of Next.
type Record struct {
	Kind   Kind
	Flags  byte
	Name   uint32 // event type; object type; kind of definition; name of a dataflow
	Source uint32 // where an event comes from; index of "" when unknown
	Time   int64  // event time, 0 = the batch's now; number of the build that is activated
	ID     []byte // event id; object id; definition's name; key of a send; id of a dataflow run
	Idents []Ident
	Attrs  []Attr
	Body   []byte // a definition's JSON; the raw row of a dead letter
}

// ErrFormat is returned for bytes that are no batch or record.
var ErrFormat = errors.New("record: damaged or unknown format")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encoder collects the records of one caller into a submission. The zero Encoder is ready; Reset makes it so again.
type Encoder struct {
	names map[string]uint32
	table []byte
	body  []byte
	count int
	kind  Kind
	rec   []byte
}

// Reset empties the encoder and keeps its memory.
func (e *Encoder) Reset() {
	clear(e.names)
	e.table, e.body, e.rec, e.count = e.table[:0], e.body[:0], e.rec[:0], 0
}

// Count is the number of records so far, Size their bytes.
func (e *Encoder) Count() int { return e.count }
func (e *Encoder) Size() int  { return len(e.body) + len(e.table) }

// Submission appends the finished submission to b.
func (e *Encoder) Submission(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(e.names)))
	b = append(b, e.table...)
	b = binary.AppendUvarint(b, uint64(e.count))
	return append(b, e.body...)
}

func (e *Encoder) name(s string) uint64 {
	i, ok := e.names[s]
	if !ok {
		if e.names == nil {
			e.names = make(map[string]uint32, 16)
		}
		i = uint32(len(e.names))
		e.names[s] = i
		e.table = binary.AppendUvarint(e.table, uint64(len(s)))
		e.table = append(e.table, s...)
	}
	return uint64(i)
}

// Head is what every record but a tick begins with.
type Head struct {
	Kind   Kind
	Flags  byte
	Name   string
	Source string
	Time   int64
	ID     string
}

// Begin starts a record. Ident, Attr and Body follow in this order, then End.
func (e *Encoder) Begin(h Head) {
	b := append(e.rec[:0], h.Flags)
	b = binary.AppendUvarint(b, e.name(h.Name))
	b = binary.AppendUvarint(b, e.name(h.Source))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.Time))
	b = binary.AppendUvarint(b, uint64(len(h.ID)))
	b = append(b, h.ID...)
	e.rec = b
	e.kind = h.Kind
}

// Abandon drops the record that was begun.
func (e *Encoder) Abandon() { e.rec = e.rec[:0] }

// RecordSize is the size of the record that was begun, in bytes.
func (e *Encoder) RecordSize() int { return len(e.rec) }

// Idents writes the number of identifiers that follow.
func (e *Encoder) Idents(n int) { e.rec = binary.AppendUvarint(e.rec, uint64(n)) }

// Ident writes one identifier.
func (e *Encoder) Ident(kind, id string) {
	b := binary.AppendUvarint(e.rec, e.name(kind))
	b = binary.AppendUvarint(b, uint64(len(id)))
	e.rec = append(b, id...)
}

// Attrs writes the number of attributes that follow.
func (e *Encoder) Attrs(n int) { e.rec = binary.AppendUvarint(e.rec, uint64(n)) }

// Attr writes one attribute.
func (e *Encoder) Attr(name string, v value.Value) {
	e.rec = value.Append(binary.AppendUvarint(e.rec, e.name(name)), v)
}

// End writes the body, which may be empty, and finishes the record.
func (e *Encoder) End(body []byte) {
	e.body = append(e.body, byte(e.kind))
	e.body = binary.AppendUvarint(e.body, uint64(len(e.rec)+len(body)))
	e.body = append(append(e.body, e.rec...), body...)
	e.count++
}

// Names of a submission and its records, in order.
type Reader struct {
	Names []string
	left  []byte
	count int
	rec   Record
}

// Open reads a submission's name table; the Reader may have been used before.
func (r *Reader) Open(submission []byte, intern func([]byte) string) error {
	n, b, err := count(submission, 1)
	if err != nil {
		return err
	}
	r.Names = r.Names[:0]
	for range n {
		var s []byte
		if s, b, err = sized(b); err != nil {
			return err
		}
		if !utf8.Valid(s) {
			return ErrFormat
		}
		r.Names = append(r.Names, intern(s))
	}
	if r.count, b, err = count(b, 2); err != nil {
		return err
	}
	r.left = b
	return nil
}

// Count is the number of records not yet read.
func (r *Reader) Count() int { return r.count }

// Next returns the next record, or nil after the last. The record is valid until the next call.
func (r *Reader) Next() (*Record, error) {
	if r.count == 0 {
		if len(r.left) != 0 {
			return nil, ErrFormat
		}
		return nil, nil
	}
	r.count--
	if len(r.left) < 1 {
		return nil, ErrFormat
	}
	kind := Kind(r.left[0])
	body, rest, err := sized(r.left[1:])
	if err != nil {
		return nil, err
	}
	r.left = rest
	r.rec.Kind = kind
	return &r.rec, r.rec.decode(body, uint64(len(r.Names)))
}

func (r *Record) decode(b []byte, names uint64) error {
	r.Idents, r.Attrs, r.Body = r.Idents[:0], r.Attrs[:0], nil
	if len(b) < 1 {
		return ErrFormat
	}
	r.Flags = b[0]
	name, b, err := index(b[1:], names)
	if err != nil {
		return err
	}
	source, b, err := index(b, names)
	if err != nil || len(b) < 8 {
		return ErrFormat
	}
	r.Name, r.Source, r.Time = name, source, int64(binary.LittleEndian.Uint64(b))
	if r.ID, b, err = sized(b[8:]); err != nil {
		return err
	}
	n, b, err := count(b, 2)
	if err != nil {
		return err
	}
	for range n {
		var id Ident
		if id.Kind, b, err = index(b, names); err != nil {
			return err
		}
		if id.ID, b, err = sized(b); err != nil {
			return err
		}
		r.Idents = append(r.Idents, id)
	}
	if n, b, err = count(b, 2); err != nil {
		return err
	}
	for range n {
		var a Attr
		if a.Name, b, err = index(b, names); err != nil {
			return err
		}
		rest, err := value.Skip(b)
		if err != nil {
			return err
		}
		a.Value, b = b[:len(b)-len(rest)], rest
		r.Attrs = append(r.Attrs, a)
	}
	r.Body = b
	return nil
}

// index reads a name's index and checks that there is such a name.
func index(b []byte, names uint64) (uint32, []byte, error) {
	i, n := binary.Uvarint(b)
	if n <= 0 || i >= names {
		return 0, nil, ErrFormat
	}
	return uint32(i), b[n:], nil
}

// sized reads a length and that many bytes.
func sized(b []byte) (s, rest []byte, err error) {
	l, n := binary.Uvarint(b)
	if n <= 0 || l > uint64(len(b)-n) {
		return nil, nil, ErrFormat
	}
	return b[n : n+int(l)], b[n+int(l):], nil
}

// count reads a number of elements and refuses one that the bytes left, at least size for each, cannot hold.
func count(b []byte, size uint64) (int, []byte, error) {
	c, n := binary.Uvarint(b)
	if n <= 0 || c > uint64(len(b)-n)/size {
		return 0, nil, ErrFormat
	}
	return int(c), b[n:], nil
}

// Batch is what one commit appends to the log.
type Batch struct {
	Position    uint64
	Now         int64  // log time, microseconds: never less than the batch before
	Digest      uint64 // of all that the fold put out before this batch
	Submissions [][]byte
}

// AppendBatch appends the batch's bytes, checksum last, to b.
func AppendBatch(b []byte, t Batch) []byte {
	start := len(b)
	b = append(b, Version)
	b = binary.LittleEndian.AppendUint64(b, t.Position)
	b = binary.LittleEndian.AppendUint64(b, uint64(t.Now))
	b = binary.LittleEndian.AppendUint64(b, t.Digest)
	b = binary.AppendUvarint(b, uint64(len(t.Submissions)))
	for _, s := range t.Submissions {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return Seal(b, start)
}

// DecodeBatch reads a batch; its submissions alias b.
func DecodeBatch(b []byte) (Batch, error) {
	b, err := Unseal(b)
	if err != nil {
		return Batch{}, err
	}
	if len(b) < 26 {
		return Batch{}, ErrFormat
	}
	if b[0] != Version {
		return Batch{}, fmt.Errorf("%w: version %d; this program reads version %d: use a newer one", ErrFormat, b[0], Version)
	}
	t := Batch{
		Position: binary.LittleEndian.Uint64(b[1:]),
		Now:      int64(binary.LittleEndian.Uint64(b[9:])),
		Digest:   binary.LittleEndian.Uint64(b[17:]),
	}
	n, b, err := count(b[25:], 1)
	if err != nil {
		return Batch{}, err
	}
	t.Submissions = make([][]byte, n)
	for i := range t.Submissions {
		if t.Submissions[i], b, err = sized(b); err != nil {
			return Batch{}, err
		}
	}
	if len(b) != 0 {
		return Batch{}, ErrFormat
	}
	return t, nil
}

// Seal appends the CRC32C of b[start:] to b. Every value in the store ends with one, because stores do not check.
func Seal(b []byte, start int) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// Unseal checks and removes the checksum.
func Unseal(b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, fmt.Errorf("%w: %d bytes", ErrFormat, len(b))
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, fmt.Errorf("%w: checksum does not match", ErrFormat)
	}
	return body, nil
}
