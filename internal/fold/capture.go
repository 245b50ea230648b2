package fold

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/deadline"
	"github.com/embedcdp/cdp/internal/journey"
)

// Capture is what a checkpoint is made of, as of one batch: every table and the small part of the state, frozen. Taking it costs
// little and sharing makes it small; encoding what may be a million people inside journeys and as many deadlines is done from
// it while the state goes on.
type Capture struct {
	Tables []*column.Table // by name; only read

	m        *Manifest
	inside   enrolments
	pendings []pendingsOf
	later    map[deadline.Item]int64
	were     map[string]*roaring.Bitmap
	standing []standingOf
}

type standingOf struct {
	segment uint32
	standing
}

type pendingsOf struct {
	segment uint32
	pendings
}

// Capture freezes the state as it is now. Who saves it calls Ready before.
func (s *State) Capture() *Capture {
	s.freezing.Lock()
	defer s.freezing.Unlock()
	seen, _ := s.seen.wait() // an error was seen by Ready
	m := &Manifest{Version: Version, Position: s.Position, Now: s.Now, Digest: s.Digest, Sequence: s.Sequence,
		Rows: s.ids.Rows(), Tables: map[string]int{}, Handles: s.journeys.handles, Seen: seen.Bounds()}
	c := &Capture{m: m, inside: s.journeys.live.freeze(), later: maps.Clone(s.later), were: make(map[string]*roaring.Bitmap, len(s.journeys.were))}
	for name, rows := range s.journeys.were {
		c.were[name] = rows.Clone()
	}
	for _, t := range s.Tables() {
		m.Tables[t.Name()] = t.Len()
		c.Tables = append(c.Tables, t.Freeze())
	}
	for _, t := range s.types {
		if t.gone.Rows > 0 {
			if m.Dropped == nil {
				m.Dropped = map[string]Dropped{}
			}
			m.Dropped[t.def.Name] = t.gone
		}
	}
	if f := s.flipsKept; f.gone.Rows > 0 {
		m.Flips = &FlipsDropped{f.gone, maps.Clone(f.of)}
	}
	for _, key := range slices.Sorted(maps.Keys(s.flows)) {
		m.Flows = append(m.Flows, *s.flows[key])
	}
	for _, x := range s.journeys.outbox.order {
		if !x.gone {
			m.Outbox = append(m.Outbox, savedSend{*x, savedRef(x.trigger)})
		}
	}
	for name, o := range s.objects {
		for id := range o.missed {
			m.Missed = append(m.Missed, [2]string{name, id})
		}
	}
	for id, seg := range s.segments {
		if seg != nil && len(seg.pending.blocks.All()) > 0 {
			c.pendings = append(c.pendings, pendingsOf{uint32(id), seg.pending.freeze()})
		}
		if seg != nil && seg.standing.count() > 0 {
			c.standing = append(c.standing, standingOf{uint32(id), seg.standing.freeze()})
		}
	}
	return c
}

// Entries is how many people inside journeys, deadlines and messages there are to encode.
func (c *Capture) Entries() int {
	n := c.inside.n + len(c.later) + len(c.m.Outbox)
	for _, p := range c.pendings {
		n += p.count()
	}
	for _, x := range c.standing {
		n += x.count()
	}
	return n
}

// Manifest encodes the small part. It may run while the state goes on.
func (c *Capture) Manifest() *Manifest {
	m := c.m
	slices.SortFunc(m.Missed, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	for name, rows := range c.were {
		if m.Were == nil {
			m.Were = map[string][]byte{}
		}
		m.Were[name], _ = rows.MarshalBinary() // it writes to memory
	}
	for e := range c.inside.all() {
		m.Enrolments = binary.AppendUvarint(m.Enrolments, uint64(e.handle))
		m.Enrolments = binary.AppendUvarint(m.Enrolments, savedRef(e.trigger))
		m.Enrolments = journey.AppendEnrolment(m.Enrolments, e.Enrolment)
	}
	for _, x := range c.standing {
		m.Standing = x.append(m.Standing, x.segment)
	}
	for _, p := range c.pendings {
		m.Pending = p.append(m.Pending, m.Now)
	}
	for _, it := range slices.SortedFunc(maps.Keys(c.later), func(a, b deadline.Item) int {
		return cmp.Or(cmp.Compare(c.later[a], c.later[b]), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Row, b.Row))
	}) {
		m.Deadlines = binary.LittleEndian.AppendUint64(m.Deadlines, uint64(c.later[it]))
		m.Deadlines = append(m.Deadlines, it.Kind)
		if it.Kind == dueObject { // the other way round
			it.Row, it.Subject = it.Subject, it.Row
		}
		m.Deadlines = binary.AppendUvarint(m.Deadlines, uint64(it.Row))
		m.Deadlines = binary.AppendUvarint(m.Deadlines, uint64(it.Subject))
	}
	return m
}

// append encodes a segment's deadlines as loader.pending reads them.
func (p pendingsOf) append(b []byte, now int64) []byte {
	count := p.count()
	if count == 0 {
		return b
	}
	b = binary.AppendUvarint(b, uint64(p.segment))
	b = binary.AppendUvarint(b, uint64(count))
	last := uint32(0)
	for row, at := range p.all(now) {
		b = binary.AppendUvarint(b, uint64(row-last))
		t := pack48(at)
		b = binary.LittleEndian.AppendUint16(b, t[0])
		b = binary.LittleEndian.AppendUint16(b, t[1])
		b = binary.LittleEndian.AppendUint16(b, t[2])
		last = row
	}
	return b
}

// Manifest is the small part of the state as it is now.
func (s *State) Manifest() *Manifest { return s.Capture().Manifest() }
