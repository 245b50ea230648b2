package fold

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/dedup"
	"github.com/embedcdp/cdp/internal/journey"
	"github.com/embedcdp/cdp/internal/value"
)

// A checkpoint is the chunks of every table and one manifest: the small state that changes in place. Everything else
// (current attributes, memberships, who belongs to whom, lists of events, the ids seen) is derived from the tables when
// a checkpoint is loaded, by the code that derived it the first time.

// Manifest is the small part of a checkpoint.
type Manifest struct {
	Version  int            `json:"version"` // of the fold
	Position uint64         `json:"position"`
	Now      int64          `json:"now"`
	Digest   uint64         `json:"digest"`
	Sequence int64          `json:"sequence"`
	Rows     int            `json:"rows"`   // profiles
	Tables   map[string]int `json:"tables"` // rows of each
	Handles  uint32         `json:"handles"`
	Seen     dedup.Bounds   `json:"seen"`

	Dropped map[string]Dropped `json:"dropped,omitempty"` // by event type: what retention has taken
	Flips   *FlipsDropped      `json:"flips_dropped,omitempty"`
	Were    map[string][]byte  `json:"were,omitempty"` // by journey: who was inside by events that it has taken

	Flows      []FlowRun   `json:"flows,omitempty"`
	Outbox     []savedSend `json:"outbox,omitempty"`
	Missed     [][2]string `json:"missed,omitempty"` // objects that were looked for and not there
	Enrolments []byte      `json:"enrolments,omitempty"`
	Standing   []byte      `json:"standing,omitempty"`  // members whose entering is gone from the flips
	Pending    []byte      `json:"pending,omitempty"`   // deadlines of segments
	Deadlines  []byte      `json:"deadlines,omitempty"` // others, but for those of enrolments, which say themselves when they are due
}

type savedSend struct {
	Send
	Trigger uint64 `json:"trigger"` // the event that started the journey: type and index, plus one; 0 none
}

// ErrVersion means that a checkpoint was made by another version of the fold.
var ErrVersion = errors.New("the checkpoint was made by another version of this program")

// Tables returns every table, by name.
func (s *State) Tables() []*column.Table {
	out := make([]*column.Table, 0, len(s.tables))
	for _, name := range slices.Sorted(maps.Keys(s.tables)) {
		out = append(out, s.tables[name])
	}
	return out
}

// savedRef is a reference to an event as a checkpoint keeps it; 0 is none.
func savedRef(e eventRef) uint64 {
	if e.t == nil {
		return 0
	}
	return ref(e.t.id, e.i) + 1
}

func (s *State) loadRef(r uint64) (eventRef, error) {
	if r == 0 {
		return eventRef{}, nil
	}
	r--
	typ, i := r>>40, int(r&(1<<40-1))
	if typ >= uint64(len(s.types)) || i >= s.types[typ].tab.Len() || i < int(s.types[typ].gone.Rows) {
		return eventRef{}, fmt.Errorf("a reference to an event that is not there")
	}
	return eventRef{s.types[typ], uint32(i)}, nil
}

// Load makes the state that a manifest and the chunks of its tables stand for. chunk calls read with chunk k of a table and
// returns its error; several goroutines call it. prepare sees every table before its first chunk is loaded, to give it a
// source (column.SetSource); nil is nothing, and all chunks stay in memory. The ids seen are not gathered yet when Load
// returns: see Ready and Stop.
func Load(m *Manifest, chunk func(table string, k int, read func([]byte) error) error, prepare func(*column.Table)) (_ *State, err error) {
	defer column.Recover(&err)
	if m.Version != Version {
		return nil, fmt.Errorf("%w (version %d, this is %d)", ErrVersion, m.Version, Version)
	}
	s := New()
	s.loading = true
	l := loader{s: s, m: m, chunk: chunk, prepare: prepare}
	for _, step := range []func() error{l.definitions, l.tables, l.seen, l.objects, l.rejected, l.journeys, l.deadlines} {
		if err := step(); err != nil {
			s.Stop()
			return nil, err
		}
	}
	s.Position, s.Now, s.Digest, s.Sequence = m.Position, m.Now, m.Digest, m.Sequence
	for i := range m.Flows {
		f := m.Flows[i]
		s.flows[f.Flow+"/"+f.Run] = &f
	}
	s.indexSegments()
	s.journeys.index(s)
	s.loading = false
	return s, nil
}

type loader struct {
	s       *State
	m       *Manifest
	chunk   func(table string, k int, read func([]byte) error) error
	prepare func(*column.Table)
}

// table loads all chunks of a table and checks that it came out as long as it was.
func (l *loader) table(name string) error {
	t := l.s.tables[name]
	rows, ok := l.m.Tables[name]
	if t == nil || !ok {
		return fmt.Errorf("table %q: the manifest and the definitions do not agree on it", name)
	}
	if l.prepare != nil {
		l.prepare(t)
	}
	dropped := l.m.DroppedRows()[name]
	for k := 0; k*column.ChunkRows < rows; k++ {
		if err := l.chunk(name, k, t.LoadChunk); err != nil {
			return fmt.Errorf("table %q, chunk %d: %w", name, k, err)
		}
		if t.DroppedChunk(k) && (k+1)*column.ChunkRows > dropped { // by an engine that is far ahead of this checkpoint
			return fmt.Errorf("table %q, chunk %d: %w", name, k, column.ErrDropped)
		}
	}
	if t.Len() != rows {
		return fmt.Errorf("table %q has %d rows, the manifest says %d", name, t.Len(), rows)
	}
	return nil
}

// definitions lets every definition take effect again, in order, without asking anybody anything.
func (l *loader) definitions() error {
	if err := l.table("definitions"); err != nil {
		return err
	}
	s, t := l.s, l.s.definitions
	for i := range uint32(t.Len()) {
		key := DefKey{t.Column("kind").Str(i), string(t.Column("name").Bytes(i))}
		deleted, _ := t.Column("deleted").Bool(i)
		prepare := func() (func(), error) { return s.prepare(key, t.Column("body").Bytes(i), deleted) }
		if s.adds(i) {
			prepare = func() (func(), error) { return s.prepareLearned(key, t.Column("body").Bytes(i)) }
		}
		take, err := prepare()
		if err != nil {
			return fmt.Errorf("%s %q: %w", key.Kind, key.Name, err)
		}
		s.indexDefinition(i)
		take()
	}
	return nil
}

// tables loads all tables and derives who is who and the lists of events. The tables of profiles depend on each other; the
// rest have nothing to do with each other, so each core takes the largest that is left.
func (l *loader) tables() error {
	if l.m.Rows > l.m.Tables["identifiers"] {
		return fmt.Errorf("the manifest says %d profiles and %d identifiers: each profile has one at least", l.m.Rows, l.m.Tables["identifiers"])
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(l.m.Tables)), func(name string) bool {
		return name == "definitions" || slices.Contains(profileTables, name)
	})
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(l.m.Tables[b], l.m.Tables[a]) })
	tasks := []func() error{l.profiles}
	for _, name := range names {
		tasks = append(tasks, func() error {
			if err := l.table(name); err != nil {
				return err
			}
			if err := l.drop(name); err != nil {
				return err
			}
			return l.lists(name)
		})
	}
	return onAllCores(tasks)
}

// onAllCores runs the tasks, begun in order, and returns all their errors.
func onAllCores(tasks []func() error) error {
	errs := make([]error, len(tasks))
	var taken atomic.Int64
	var cores sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(tasks)) {
		cores.Go(func() {
			for i := taken.Add(1) - 1; i < int64(len(tasks)); i = taken.Add(1) - 1 {
				func() {
					defer column.Recover(&errs[i])
					errs[i] = tasks[i]()
				}()
			}
		})
	}
	cores.Wait()
	return errors.Join(errs...)
}

var profileTables = []string{"identifiers", "links", "sets", "flips"}

// profiles derives who is who, attributes and memberships.
func (l *loader) profiles() error {
	for _, name := range profileTables {
		if _, ok := l.m.Tables[name]; ok {
			if err := l.table(name); err != nil {
				return err
			}
		}
	}
	for _, step := range []func() error{l.identities, l.attributes, l.flips} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// DroppedRows is how many rows of each table retention had taken.
func (m *Manifest) DroppedRows() map[string]int {
	out := map[string]int{}
	for name, d := range m.Dropped {
		out["events/"+name] = int(d.Rows)
	}
	if m.Flips != nil {
		out["flips"] = int(m.Flips.Rows)
	}
	return out
}

// drop lets go of what retention has taken: of chunks that are still whole in the store too.
func (l *loader) drop(table string) error {
	name, ok := strings.CutPrefix(table, "events/")
	d := l.m.Dropped[name]
	if !ok || d.Rows == 0 {
		return nil
	}
	t := l.s.typeNamed[name]
	t.gone = d
	return d.dropFrom(t.tab)
}

func (d Dropped) dropFrom(t *column.Table) error {
	if d.Rows%column.ChunkRows != 0 || int(d.Rows) >= t.Len() {
		return fmt.Errorf("table %q: retention has taken %d of %d rows, which is no number of whole chunks", t.Name(), d.Rows, t.Len())
	}
	t.Drop(int(d.Rows) / column.ChunkRows)
	return nil
}

// lists rebuilds each profile's list of the events of one type. Other tables have none.
func (l *loader) lists(table string) error {
	name, ok := strings.CutPrefix(table, "events/")
	if !ok {
		return nil
	}
	t := l.s.typeNamed[name]
	rows, times, last := t.row.Cursor(), t.time.Cursor(), -1
	for i := t.gone.Rows; int(i) < t.tab.Len(); i++ {
		if last = max(last, int(rows.Uint(i))); last >= l.m.Rows {
			return fmt.Errorf("table %q, row %d: profile %d is not there", table, i, last)
		}
	}
	t.heads.Grow(last + 1)
	t.prev.Grow(t.tab.Len())
	for i := t.gone.Rows; int(i) < t.tab.Len(); i++ {
		t.link(i, rows.Uint(i), times.Int(i))
	}
	return nil
}

// seen starts to gather the ids of the last events.
func (l *loader) seen() error {
	l.s.seen = rebuildSeen(l.s.types, l.m.Seen)
	return nil
}

func (l *loader) identities() error {
	s, t := l.s, l.s.identifiers
	rowOf, kindOf, idOf := t.Column("row").Cursor(), t.Column("kind").Cursor(), t.Column("id").Cursor()
	for i := range uint32(t.Len()) {
		row := rowOf.Uint(i)
		if row == uint32(s.ids.Rows()) {
			s.ids.NewRow()
		}
		if row >= uint32(s.ids.Rows()) {
			return fmt.Errorf("table \"identifiers\": profile %d comes before profile %d", row, s.ids.Rows())
		}
		if err := s.ids.Attach(s.kind(kindOf.Str(i)), idOf.Bytes(i), row); err != nil {
			return fmt.Errorf("table \"identifiers\", row %d: %w", i, err)
		}
	}
	if s.ids.Rows() != l.m.Rows {
		return fmt.Errorf("table \"identifiers\" names %d profiles, the manifest says %d", s.ids.Rows(), l.m.Rows)
	}
	return nil
}

// attributes replays sets and links in their common order: what a visitor had goes to the customer when they are linked.
func (l *loader) attributes() error {
	for i := range uint32(l.s.sets.Len()) {
		l.s.earliest = min(l.s.earliest, l.s.sets.Column("t").Int(i))
	}
	_, err := newReplay(l.s, l.s.sets.Len(), l.s.links.Len(), math.MaxInt64, nil).step(math.MaxInt)
	return err
}

func (l *loader) flips() error {
	s, t := l.s, l.s.flips
	if d := l.m.Flips; d != nil {
		if err := d.dropFrom(t); err != nil {
			return err
		}
		s.flipsKept.gone = d.Dropped
		maps.Copy(s.flipsKept.of, d.Of)
	}
	if err := l.standing(); err != nil {
		return err
	}
	rowOf, segmentOf, inOf := t.Column("row").Cursor(), t.Column("segment").Cursor(), t.Column("in").Cursor()
	for i := s.flipsKept.gone.Rows; int(i) < t.Len(); i++ {
		row, id := rowOf.Uint(i), segmentOf.Uint(i)
		if int(id) >= len(s.segments) || int(row) >= s.ids.Rows() {
			return fmt.Errorf("table \"flips\", row %d: segment %d or profile %d is not there", i, id, row)
		}
		s.lastFlip.Grow(int(row) + 1)
		s.lastFlip.SetUint(row, i+1)
		if seg := s.segments[id]; seg != nil {
			if in, _ := inOf.Bool(i); in {
				seg.members.Add(row)
			} else {
				seg.members.Remove(row)
			}
		}
	}
	return nil
}

func (l *loader) objects() error {
	s, t := l.s, l.s.objectLog
	types, ids, times, values := t.Column("type").Cursor(), t.Column("id").Cursor(), t.Column("t").Cursor(), t.Column("value").Cursor()
	for i := range uint32(t.Len()) {
		o := s.objects[types.Str(i)]
		if o == nil {
			return fmt.Errorf("table \"objects\", row %d: unknown type %q", i, types.Str(i))
		}
		s.earliest = min(s.earliest, times.Int(i))
		o.put(string(ids.Bytes(i)), times.Int(i), values.Bytes(i), i)
	}
	for _, x := range l.m.Missed {
		if o := s.objects[x[0]]; o != nil && o.versions.get(x[1]) == nil {
			o.missed[x[1]] = struct{}{}
		}
	}
	return nil
}

func (l *loader) rejected() error {
	s := l.s
	for i := range uint32(s.replayed.Len()) {
		s.replayOK[s.replayed.Column("rejected").Uint(i)] = true
	}
	return nil
}

// readRows reads a set of profiles.
func readRows(b []byte, profiles int) (*roaring.Bitmap, error) {
	rows := roaring.New()
	if err := rows.UnmarshalBinary(b); err != nil {
		return nil, err
	}
	if err := rows.Validate(); err != nil {
		return nil, err
	}
	if !rows.IsEmpty() && int(rows.Maximum()) >= profiles {
		return nil, fmt.Errorf("profile %d is not there", rows.Maximum())
	}
	return rows, nil
}

func (l *loader) journeys() error {
	s, js := l.s, &l.s.journeys
	js.handles = l.m.Handles
	for _, name := range stayTypes {
		t := s.typeNamed[name]
		for i := t.gone.Rows; int(i) < t.tab.Len(); i++ {
			js.noteStay(s.ids.Canonical(t.row.Uint(i)), eventRef{t, i})
		}
	}
	for name, b := range l.m.Were {
		rows, err := readRows(b, l.m.Rows)
		if err != nil {
			return fmt.Errorf("who was in journey %q: %w", name, err)
		}
		js.were[name] = rows
	}
	for b := l.m.Enrolments; len(b) > 0; {
		h, n := binary.Uvarint(b)
		if n <= 0 {
			return journey.ErrEncoding
		}
		r, w := binary.Uvarint(b[n:])
		if w <= 0 {
			return journey.ErrEncoding
		}
		e := &enrolment{handle: uint32(h)}
		var err error
		if e.Enrolment, b, err = journey.DecodeEnrolment(b[n+w:]); err != nil {
			return err
		}
		if e.trigger, err = s.loadRef(r); err != nil {
			return err
		}
		d := js.defs[e.Journey]
		if d == nil || e.Version < 1 || int(e.Version) > len(d.versions) {
			return fmt.Errorf("an enrolment is in journey %q version %d, which is not there", e.Journey, e.Version)
		}
		js.add(e)
		js.stay(e.Row, e.Journey, e.Key).past.Active = true
	}
	for _, x := range l.m.Outbox {
		send := x.Send
		var err error
		if send.trigger, err = s.loadRef(x.Trigger); err != nil {
			return err
		}
		js.outbox.add(&send)
	}
	return nil
}

// deadlines brings back what must happen later. Older checkpoints have all of it in one list.
func (l *loader) deadlines() error {
	for e := range l.s.journeys.live.all() {
		if e.Due != 0 {
			l.s.due.Insert(e.Due, dueItem(dueJourney, e.handle, 0))
		}
	}
	for b := l.m.Pending; len(b) > 0; {
		var err error
		if b, err = l.pending(b); err != nil {
			return err
		}
	}
	for b := l.m.Deadlines; len(b) > 0; {
		if len(b) < 11 {
			return errors.New("deadlines: cut short")
		}
		at, kind := int64(binary.LittleEndian.Uint64(b)), b[8]
		row, n := binary.Uvarint(b[9:])
		if n <= 0 {
			return errDeadlines
		}
		subject, w := binary.Uvarint(b[9+n:])
		if w <= 0 {
			return errDeadlines
		}
		b = b[9+n+w:]
		switch kind {
		case dueSegment:
			if err := l.expect(uint32(subject), uint32(row), at); err != nil {
				return err
			}
		case dueJourney:
		case dueObject:
			l.s.insertLater(at, dueItem(kind, uint32(subject), uint32(row)))
		case dueEvent, dueHistory:
			if subject >= uint64(len(l.s.types)) {
				return errDeadlines
			}
			l.s.insertLater(at, dueItem(kind, uint32(row), uint32(subject)))
		case dueRetention:
			if subject >= uint64(len(l.s.types)) {
				return errDeadlines
			}
			l.s.dropAgain(l.s.types[subject], at)
		case dueFlips:
			l.s.dropFlipsAt(at)
		default:
			return errDeadlines
		}
	}
	return nil
}

var errDeadlines = errors.New("deadlines: damaged")

// pending reads one segment's deadlines: its id, how many, and for each the distance to the row before and the instant.
func (l *loader) pending(b []byte) (rest []byte, err error) {
	subject, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, errDeadlines
	}
	count, w := binary.Uvarint(b[n:])
	if w <= 0 {
		return nil, errDeadlines
	}
	b = b[n+w:]
	row := uint64(0)
	for range count {
		step, n := binary.Uvarint(b)
		if n <= 0 || len(b) < n+6 {
			return nil, errDeadlines
		}
		row += step
		p := instant48{binary.LittleEndian.Uint16(b[n:]), binary.LittleEndian.Uint16(b[n+2:]), binary.LittleEndian.Uint16(b[n+4:])}
		if row > math.MaxUint32 {
			return nil, errDeadlines
		}
		if err := l.expect(uint32(subject), uint32(row), p.unpack(l.m.Now)); err != nil {
			return nil, err
		}
		b = b[n+6:]
	}
	return b, nil
}

func (l *loader) expect(id, row uint32, at int64) error {
	if int(id) >= len(l.s.segments) || l.s.segments[id] == nil || int(row) >= l.m.Rows {
		return fmt.Errorf("deadlines: segment %d or profile %d is not there", id, row)
	}
	at = min(at, l.m.Now+maxAhead)
	l.s.segments[id].pending.set(row, at)
	l.s.due.Insert(at, dueItem(dueSegment, row, id))
	return nil
}

// Fingerprint is a hash of everything, for tests: equal states have equal ones.
func (s *State) Fingerprint() uint64 {
	b, err := json.Marshal(s.Manifest())
	if err != nil {
		panic(err)
	}
	h := fnv64(14695981039346656037, b)
	for _, t := range s.Tables() {
		for k := range t.Chunks() {
			h = fnv64(h, t.EncodeChunk(nil, k))
		}
	}
	for _, name := range s.attrNames {
		a := s.attrs[name]
		for row := range uint32(s.ids.Rows()) {
			h = fnv64(h, value.Append(nil, getCell2(a.now, row)))
		}
	}
	for _, seg := range s.byRank {
		for it := seg.members.Iterator(); it.HasNext(); {
			h = fnv64(h, binary.LittleEndian.AppendUint32(nil, it.Next()))
		}
		h = fnv64(h, []byte(seg.name))
	}
	for row := range uint32(s.ids.Rows()) {
		h = fnv64(h, binary.LittleEndian.AppendUint32(nil, s.ids.Canonical(row)))
		stays := slices.Clone(s.journeys.history[row])
		slices.SortFunc(stays, func(a, b stay) int { return cmp.Or(cmp.Compare(a.journey, b.journey), cmp.Compare(a.key, b.key)) })
		for _, x := range stays {
			h = fnv64(h, fmt.Appendf(nil, "%s %s %v", x.journey, x.key, x.past))
		}
	}
	return h
}

func fnv64(h uint64, b []byte) uint64 {
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}
