package fold

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/dedup"
)

// seenIDs is the ids of the events of the last days, by which an event that is sent again is known.
//
// After a checkpoint was loaded they are added from the tables by a goroutine, because that takes longer than all else and only
// the next event asks for them. It reads frozen copies, and the set is its own until it has ended: who needs the set
// waits, so answers are as if it had been there at once. State.Stop ends it.
type seenIDs struct {
	set   *dedup.Set
	ready atomic.Bool
	built chan struct{} // closed after ready was set
	stop  atomic.Bool
	err   error // of building
}

// errStopped means that a state was used after Stop.
var errStopped = errors.New("the state was stopped before the ids of its events were gathered: open the store again")

func newSeen() *seenIDs {
	s := &seenIDs{set: dedup.New(dedup.Config{}), built: make(chan struct{})}
	s.done()
	return s
}

func (s *seenIDs) done() {
	s.ready.Store(true)
	close(s.built)
}

// wait returns the set when it is whole.
func (s *seenIDs) wait() (*dedup.Set, error) {
	if !s.ready.Load() {
		<-s.built
	}
	return s.set, s.err
}

// rebuildSeen starts to make the set that covered these bounds. The tables of all event types are there.
func rebuildSeen(types []*eventType, bounds dedup.Bounds) *seenIDs {
	s := &seenIDs{built: make(chan struct{})}
	var queues []*idQueue
	events, dropped := 0, uint64(0)
	for _, t := range types {
		if t.def.System && !userMay[t.def.Name] || t.tab.Len() == 0 {
			continue // the platform's own events have no ids of callers
		}
		f := t.tab.Freeze()
		q := &idQueue{typ: t.id, i: t.gone.Rows, rows: uint32(f.Len()), table: f, seq: f.Column("$q").Cursor(), arrived: f.Column("$a").Cursor(), id: f.Column("$id").Cursor()}
		q.head = q.seq.Int(q.i)
		events += t.kept()
		dropped += uint64(t.gone.Rows)
		queues = append(queues, q)
	}
	bounds.IDs = min(bounds.IDs, events)
	go func() {
		defer s.done()
		s.set = dedup.New(dedup.Config{Resume: bounds})
		defer column.Recover(&s.err)
		s.err = s.build(queues, dropped, bounds.First)
	}()
	return s
}

// idQueue is the events of one type whose ids are not in the set yet.
type idQueue struct {
	typ              uint32
	i, rows          uint32
	head             int64 // the sequence of event i, beyond all others when there is none
	table            *column.Table
	seq, arrived, id column.Cursor
}

// build adds the ids in the order in which their events came, but for those before number first. Retention has dropped some
// events, all of them before that number.
func (s *seenIDs) build(queues []*idQueue, dropped, first uint64) error {
	var key []byte
	last := int64(0)
	for added := dropped; ; added++ {
		q := &idQueue{head: math.MaxInt64}
		for _, other := range queues {
			if other.head < q.head {
				q = other
			}
		}
		switch {
		case q.table == nil:
			return nil
		case q.head <= last:
			return fmt.Errorf("table %q, row %d: event %d of all comes after event %d: %w", q.table.Name(), q.i, q.head, last, column.ErrDamaged)
		case added&1023 == 0 && s.stop.Load():
			return errStopped
		}
		if last = q.head; added >= first {
			key = dedupKey(key[:0], q.typ, q.id.Bytes(q.i))
			s.set.Add(key, uint64(q.head), q.arrived.Int(q.i))
		}
		if q.i++; q.i < q.rows {
			q.head = q.seq.Int(q.i)
		} else {
			q.head = math.MaxInt64
		}
	}
}

// dedupKey appends an event's id within its type.
func dedupKey(dst []byte, typ uint32, id []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(typ)), id...)
}

// sameID says whether the event that came as number seq of all is of this type and has this id. The set keeps only
// that number. It is searched for when a hash was met again, which hardly ever happens for a new id.
func (t *eventType) sameID(seq int64, id []byte) bool {
	i, n := int(t.gone.Rows), t.tab.Len()
	for i < n {
		if m := (i + n) / 2; t.seq.Int(uint32(m)) < seq {
			i = m + 1
		} else {
			n = m
		}
	}
	return t.seq.Int(uint32(i)) == seq && string(t.eid.Bytes(uint32(i))) == string(id)
}

// Ready waits for what Load left to be done in the background. An error wraps column.ErrDamaged, or says that the state was
// stopped; it takes no events then, and is not saved. Apply of an event and Manifest wait by themselves.
func (s *State) Ready() error {
	_, err := s.seen.wait()
	return err
}

// Stop ends what Load left to be done in the background. It may be called once the state is used for reading only.
func (s *State) Stop() {
	s.seen.stop.Store(true)
	<-s.seen.built
}
