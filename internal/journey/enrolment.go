package journey

// This file holds what is kept of one person inside one journey, and its binary form.

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
)

// ID names an enrolment. It follows from the journey, the person, the trigger and the key, so a replay gives it again.
type ID [16]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Enrolment is one person inside one journey. It is a plain value; steps return a new one.
//
// What it waits for is not in it: [Def.Listens] of its node says so.
type Enrolment struct {
	ID      ID
	Journey string // the definition's name
	Version uint32 // the definition's version, for as long as the enrolment lives
	Row     uint32 // the canonical profile row at entry
	Node    string // where the person stands
	Entered int64  // microseconds since 1970, UTC
	Reached int64  // when the present node was reached
	Due     int64  // when OnTimer is to be called; 0: never
	Trigger string // the id of the event that started it, or the caller's word for a segment flip
	Key     string // the entry's key, "" when it has none
	Steps   uint32 // nodes reached so far; tells two visits of a node apart
}

// newID hashes what makes an enrolment the one it is. The version is not part of it.
func newID(journey string, row uint32, trigger, key string) ID {
	b := []byte("enrolment")
	b = appendString(b, journey)
	b = binary.AppendUvarint(b, uint64(row))
	b = appendString(b, trigger)
	b = appendString(b, key)
	return hash(b)
}

// sendKey is the idempotency key of the message sent on this visit of the node.
func (e *Enrolment) sendKey() string {
	b := []byte("send")
	b = appendString(b, e.Journey)
	b = binary.AppendUvarint(b, uint64(e.Version))
	b = append(b, e.ID[:]...)
	b = appendString(b, e.Node)
	b = binary.AppendUvarint(b, uint64(e.Steps))
	return hash(b).String()
}

func hash(b []byte) ID {
	sum := sha256.Sum256(b)
	return ID(sum[:16])
}

// ErrEncoding is returned for bytes that are no encoded enrolment or history.
var ErrEncoding = errors.New("journey: damaged encoding")

const enrolmentFormat = 1

// AppendEnrolment appends e's binary form to b:
//
//	format byte, ID, journey, version, row, node, entered, reached - entered, due (0 or due - reached + 1), trigger, key, steps
//
// Strings are a uvarint length and bytes, entered is 8 bytes little endian, other numbers are uvarints.
// Reached is never before Entered, nor Due before Reached.
func AppendEnrolment(b []byte, e Enrolment) []byte {
	b = append(b, enrolmentFormat)
	b = append(b, e.ID[:]...)
	b = appendString(b, e.Journey)
	b = binary.AppendUvarint(b, uint64(e.Version))
	b = binary.AppendUvarint(b, uint64(e.Row))
	b = appendString(b, e.Node)
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Entered))
	b = binary.AppendUvarint(b, uint64(e.Reached-e.Entered))
	if e.Due == 0 {
		b = binary.AppendUvarint(b, 0)
	} else {
		b = binary.AppendUvarint(b, uint64(e.Due-e.Reached)+1)
	}
	b = appendString(b, e.Trigger)
	b = appendString(b, e.Key)
	return binary.AppendUvarint(b, uint64(e.Steps))
}

// DecodeEnrolment reads one enrolment from the front of b and returns what follows it. Strings are copied.
func DecodeEnrolment(b []byte) (Enrolment, []byte, error) {
	d := decoder{b: b}
	var e Enrolment
	if format := d.bytes(1); format == nil || format[0] != enrolmentFormat {
		return Enrolment{}, nil, ErrEncoding
	}
	copy(e.ID[:], d.bytes(len(e.ID)))
	e.Journey = d.string()
	e.Version = d.uint32()
	e.Row = d.uint32()
	e.Node = d.string()
	if entered := d.bytes(8); entered != nil {
		e.Entered = int64(binary.LittleEndian.Uint64(entered))
	}
	e.Reached = d.after(e.Entered, d.uvarint())
	if due := d.uvarint(); due > 0 {
		e.Due = d.after(e.Reached, due-1)
		d.bad = d.bad || e.Due == 0 // 0 is "never"
	}
	e.Trigger = d.string()
	e.Key = d.string()
	e.Steps = d.uint32()
	if d.bad {
		return Enrolment{}, nil, ErrEncoding
	}
	return e, d.b, nil
}

// History is what is kept of a person (and key) in a journey when nobody is inside: it decides whether they may come back.
// The zero History is of somebody who never was.
type History struct {
	Active bool   // inside now
	Times  uint32 // how often entered
	Ended  int64  // when they last left; meaningless while Times is 0 or at the first stay
}

// Enter returns the history after an entry.
func (h History) Enter() History {
	h.Active = true
	h.Times++
	return h
}

// End returns the history after leaving at an instant.
func (h History) End(at int64) History {
	h.Active = false
	h.Ended = at
	return h
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decoder reads fields from b; after the first that is not there everything is zero and bad is set.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) bytes(n int) []byte {
	if d.bad || n > len(d.b) {
		d.bad = true
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) uvarint() uint64 {
	if d.bad {
		return 0
	}
	n, w := binary.Uvarint(d.b)
	if w <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[w:]
	return n
}

func (d *decoder) uint32() uint32 {
	n := d.uvarint()
	d.bad = d.bad || n > math.MaxUint32
	return uint32(n)
}

func (d *decoder) string() string {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.bad = true
		return ""
	}
	return string(d.bytes(int(n)))
}

// after returns from + delta and refuses what int64 cannot hold.
func (d *decoder) after(from int64, delta uint64) int64 {
	to := int64(uint64(from) + delta)
	if to < from || uint64(to)-uint64(from) != delta {
		d.bad = true
		return 0
	}
	return to
}
