package fold

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/live"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// eventType is one declared event type with its table.
//
// The events of one profile are a list: heads[row] is the newest (plus one), prev[i] the one before i (plus one). It is in
// order of (time, arrival) unless the row is in unordered.
type eventType struct {
	id   uint32
	def  *schema.EventType
	tab  *column.Table
	cols map[string]*attrColumn
	must []*attrColumn // required, or with a default

	time, seq, arrived, row, source, eid *column.Column
	heads, prev                          *column.Column
	owners                               owners // whose its events are, where that was looked up before
	earliest, latest                     int64  // times of its events
	unlisted                             func() // of a frozen type: makes the lists, once; else nil

	unordered *roaring.Bitmap   // rows whose list is not in order of time
	lates     map[uint32]uint32 // by row: how many events came late and were put in their place
	watches   []watch           // the segments that read this type

	keep   int64       // how long its events are kept in microseconds; 0 for ever (retention.go)
	gone   Dropped     // what retention has taken
	pins   map[int]int // by block: enrolments and messages that need its events
	dropAt int64       // when the next is due; 0 no time is known
	starts []*journeyDef
}

// attrColumn is one attribute of an event type.
type attrColumn struct {
	name string
	decl schema.Attr
	def  []byte         // encoded default, nil when none
	col  *column.Column // nil until it is learned
	here bool           // the event being checked has brought it
}

// cell is one checked attribute on its way into a column.
type cell struct {
	col   *attrColumn
	bytes []byte // encoded value
}

// eventColumns are what every event has.
var eventColumns = cols{{"$t", column.Int64}, {"$q", column.Int64}, {"$a", column.Int64}, {"$row", column.Uint32}, {"$source", column.Dict}, {"$id", column.Bytes}}

func (s *State) newEventType(def *schema.EventType) *eventType {
	t := &eventType{id: uint32(len(s.types)), def: def, cols: map[string]*attrColumn{}, earliest: math.MaxInt64, unordered: roaring.New(), lates: map[uint32]uint32{}}
	t.setTable(s.table("events/"+def.Name, eventColumns))
	t.owners.kept = column.NewDerived(t.tab)
	t.heads, t.prev = column.NewVector(column.Uint32), column.NewVector(column.Uint32)
	s.types = append(s.types, t)
	s.typeNamed[def.Name] = t
	return t
}

// setDef gives the type a new definition: columns for new attributes, and what is required.
func (t *eventType) setDef(def *schema.EventType) {
	t.def = def
	t.must = t.must[:0]
	maps.DeleteFunc(t.cols, func(name string, _ *attrColumn) bool { _, kept := def.Attributes[name]; return !kept })
	for _, name := range def.Attributes.Names() {
		if c := t.setAttribute(name, def.Attributes[name]); c.decl.Required || c.def != nil {
			t.must = append(t.must, c)
		}
	}
}

func (t *eventType) setAttribute(name string, decl schema.Attr) *attrColumn {
	c := t.cols[name]
	if c == nil {
		c = &attrColumn{name: name}
		t.cols[name] = c
	}
	if c.col == nil {
		if c.col = t.tab.Column(name); c.col == nil {
			c.col = t.tab.Add(name, columnKind(decl.Type))
		}
	}
	c.decl, c.def = decl, nil
	if v, err := decl.DefaultValue(); err == nil && !v.IsAbsent() {
		c.def = value.Append(nil, v)
	}
	return c
}

func columnKind(t schema.Type) column.Kind {
	switch t {
	case schema.Number:
		return column.Float64
	case schema.Datetime:
		return column.Int64
	case schema.Boolean:
		return column.Bool
	case schema.String:
		return column.Dict
	}
	return column.Bytes
}

// openNames prepares for a submission's name table: which type and column a name means is looked up once, not per event.
func (s *State) openNames(n int) {
	b := &s.batch
	b.resolved = slices.Grow(b.resolved[:0], n)[:n]
	clear(b.resolved)
	b.wide = n > 64
	if !b.wide {
		b.columns = slices.Grow(b.columns[:0], n*n)[:n*n]
		clear(b.columns)
	}
}

func (s *State) typeOf(name uint32, names []string) *eventType {
	t := s.batch.resolved[name]
	if t == nil {
		if t = s.typeNamed[names[name]]; t != nil {
			s.batch.resolved[name] = t
		}
	}
	return t
}

func (s *State) columnOf(t *eventType, event, attr uint32, names []string) *attrColumn {
	if s.batch.wide {
		return t.cols[names[attr]]
	}
	i := int(event)*len(names) + int(attr)
	c := s.batch.columns[i]
	if c == nil {
		if c = t.cols[names[attr]]; c != nil {
			s.batch.columns[i] = c
		}
	}
	return c
}

// event folds one event: duplicate? known and well-formed? whose? then into its columns, and on to segments and journeys.
func (s *State) event(r *record.Record, names []string, arrived int64, cause Cause) Verdict {
	t := s.typeOf(r.Name, names)
	known := t != nil
	if !known {
		if slices.Contains(flipTypes, names[r.Name]) {
			return s.reject(r, names, writtenByPlatform(names[r.Name]).Error())
		}
		if !s.Settings.LearnEvents {
			return s.reject(r, names, fmt.Sprintf("unknown event %q%s; define it, or let the portal learn event types", names[r.Name], schema.DidYouMean(names[r.Name], s.publicTypes())))
		}
		if err := schema.CheckName("an event type", names[r.Name]); err != nil {
			return s.reject(r, names, err.Error())
		}
		t = unlearned(names[r.Name])
	}
	seen, err := s.seen.wait()
	if err != nil {
		s.failed = err
		return Verdict{Code: Rejected, Reason: err.Error()}
	}
	if known {
		s.batch.key = dedupKey(s.batch.key[:0], t.id, r.ID)
		if _, dup := seen.Seen(s.batch.key, s.Now, func(seq uint64) bool { return t.sameID(int64(seq), r.ID) }); dup {
			return Verdict{Code: Duplicate}
		}
	}
	if t.def.System && !userMay[t.def.Name] {
		return s.reject(r, names, fmt.Sprintf("event %q is written by the platform itself", t.def.Name))
	}
	if r.Flags&record.FlagRefused != 0 && !s.batch.replaying {
		return s.reject(r, names, string(r.Body))
	}
	cells, problem := s.check(t, r, names)
	if problem != "" {
		return s.reject(r, names, problem)
	}
	if problem := s.checkIdentifiers(r, names); problem != "" {
		return s.reject(r, names, problem)
	}
	if !known {
		t = s.learnType(t)
	}
	s.learnEvent(t)
	who := s.resolve(r, names)
	at := r.Time
	if at == 0 {
		at = arrived
	}
	if cause == CauseTrack && at < s.Now-grace {
		cause = CauseLate // it still moves segments and waits, but starts no journey
	}
	source := ""
	if r.Source != 0 || names[r.Source] != "" {
		source = names[r.Source]
	}
	i := s.appendEvent(t, who, at, r.ID, source, cells)
	s.batch.key = dedupKey(s.batch.key[:0], t.id, r.ID)
	seen.Add(s.batch.key, uint64(t.seq.Int(i)), s.Now)
	row := s.ids.Canonical(who)
	s.stimulate(stimulus{kind: onEvent, typ: t, index: i, row: row, at: at, cause: cause, asked: true})
	s.ask(t, i, row, cause, s.batch.change)
	s.settle()
	return Verdict{}
}

// check fits the attributes to the type's columns, and lists what the type would learn. The cells alias the record or the
// batch's scratch memory.
func (s *State) check(t *eventType, r *record.Record, names []string) (cells []cell, problem string) {
	s.batch.cells, s.batch.spill, s.batch.learning = s.batch.cells[:0], s.batch.spill[:0], s.batch.learning[:0]
	problem = s.collect(t, r, names)
	for _, c := range s.batch.cells {
		c.col.here = false
	}
	return s.batch.cells, problem
}

func (s *State) collect(t *eventType, r *record.Record, names []string) (problem string) {
	b := &s.batch
	for _, a := range r.Attrs {
		if value.Kind(a.Value[0]) == value.Absent {
			continue
		}
		c := s.columnOf(t, r.Name, a.Name, names)
		if c == nil {
			if c, problem = s.unknownAttribute(t, names[a.Name], a.Value); problem != "" {
				return problem
			}
			if c == nil {
				continue // an empty array: nothing to learn from
			}
		}
		if c.here {
			return fmt.Sprintf("attribute %q of event %q comes twice", c.name, t.def.Name)
		}
		bytes, err := s.fit(c.decl, a.Value)
		if err != nil {
			if decl, grown := s.learnKeys(t, c, a.Value); grown {
				bytes, err = s.fit(decl, a.Value)
			}
		}
		if err != nil {
			return fmt.Sprintf("attribute %q of event %q %v", c.name, t.def.Name, err)
		}
		c.here = true
		b.cells = append(b.cells, cell{c, bytes})
	}
	for _, c := range t.must {
		if c.here {
			continue
		}
		if c.def == nil {
			return fmt.Sprintf("event %q lacks the required attribute %q", t.def.Name, c.name)
		}
		c.here = true
		b.cells = append(b.cells, cell{c, c.def})
	}
	return ""
}

// fit checks an encoded value against a declaration and returns the bytes to keep: the same for what fits as it is,
// which is decided without decoding for the common types, or a coerced copy in scratch memory.
func (s *State) fit(decl schema.Attr, b []byte) ([]byte, error) {
	switch kind := value.Kind(b[0]); {
	case kind == value.Number && decl.Type == schema.Number,
		kind == value.Boolean && decl.Type == schema.Boolean,
		kind == value.Datetime && decl.Type == schema.Datetime,
		kind == value.String && decl.Type == schema.Text:
		return b, nil
	case kind == value.String && decl.Type == schema.String:
		if str := stringBytes(b); len(str) <= schema.MaxString || utf8.RuneCount(str) <= schema.MaxString {
			return b, nil
		}
	}
	v, _, err := value.Decode(b)
	if err != nil {
		return nil, err
	}
	if v, err = decl.Coerce(v); err != nil {
		return nil, err
	}
	start := len(s.batch.spill)
	s.batch.spill = value.Append(s.batch.spill, v)
	return s.batch.spill[start:], nil
}

// stringBytes returns the characters of an encoded String.
func stringBytes(b []byte) []byte {
	_, n := binary.Uvarint(b[1:])
	return b[1+n:]
}

// appendEvent writes one checked event into its columns and into its profile's list.
func (s *State) appendEvent(t *eventType, row uint32, at int64, id []byte, source string, cells []cell) uint32 {
	i := t.tab.Append()
	t.time.SetInt(i, at)
	t.seq.SetInt(i, s.next())
	t.arrived.SetInt(i, s.Now)
	t.row.SetUint(i, row)
	if source != "" {
		t.source.SetString(i, []byte(source))
	}
	t.eid.SetBytes(i, id)
	for _, c := range cells {
		setCell(c.col.col, i, c.bytes)
	}
	t.link(i, row, at)
	if t.keep > 0 && i&(column.ChunkRows-1) == 0 { // the block before is full
		s.scheduleRetention(t)
	}
	s.mix(uint64(row)<<32 | uint64(i))
	return i
}

// link enters event i, which happened at a time, into its profile's list. A late one is brought to its place, past at most
// live.MaxLate others: one that is further off stays in front, and the list is no longer held to be in order. Taking each
// event of a long history all the way would take for ever.
func (t *eventType) link(i, row uint32, at int64) {
	t.prev.Grow(int(i) + 1)
	t.earliest, t.latest = min(t.earliest, at), max(t.latest, at)
	t.heads.Grow(int(row) + 1)
	head := t.heads.Uint(row)
	if head == 0 || t.time.Int(head-1) <= at || t.unordered.Contains(row) {
		t.prev.SetUint(i, head)
		t.heads.SetUint(row, i+1)
		return
	}
	later := head
	for range live.MaxLate {
		next := t.prev.Uint(later - 1)
		if next == 0 || t.time.Int(next-1) <= at {
			t.prev.SetUint(i, next)
			t.prev.SetUint(later-1, i+1)
			t.lates[row]++
			return
		}
		later = next
	}
	t.unordered.Add(row)
	t.prev.SetUint(i, head)
	t.heads.SetUint(row, i+1)
}

// setCell writes an encoded value that fits the column.
func setCell(c *column.Column, i uint32, b []byte) {
	switch c.Kind() {
	case column.Float64:
		c.SetFloat(i, math.Float64frombits(binary.LittleEndian.Uint64(b[1:])))
	case column.Int64:
		c.SetInt(i, int64(binary.LittleEndian.Uint64(b[1:])))
	case column.Bool:
		c.SetBool(i, b[1] == 1)
	case column.Dict:
		c.SetString(i, stringBytes(b))
	default:
		c.SetBytes(i, b)
	}
}

// getCell reads what setCell wrote.
func getCell(c *column.Column, i uint32) value.Value { return cellValue(c, c.Cell(i)) }

// cellValue is what setCell wrote into a cell of a column.
func cellValue(c *column.Column, cell column.Cell) value.Value {
	if !cell.Present() {
		return value.Value{}
	}
	switch c.Kind() {
	case column.Float64:
		return value.Num(cell.Float())
	case column.Int64:
		return value.Micros(cell.Int())
	case column.Bool:
		v, _ := cell.Bool()
		return value.Bool(v)
	case column.Dict:
		return value.Str(c.Dict().String(cell.Code()))
	default:
		if v, _, err := value.Decode(cell.Bytes()); err == nil {
			return v
		}
	}
	return value.Value{}
}

// ref packs an event's type and index.
func ref(typ, index uint32) uint64 { return uint64(typ)<<40 | uint64(index) }

// reject keeps an event that does not fit, with its bytes, so that it can be tried again.
func (s *State) reject(r *record.Record, names []string, reason string) Verdict {
	if s.batch.replaying {
		return Verdict{Code: Rejected, Reason: reason}
	}
	i := s.rejected.Append()
	t := s.rejected
	t.Column("q").SetInt(i, s.next())
	t.Column("t").SetInt(i, s.Now)
	t.Column("name").SetString(i, []byte(names[r.Name]))
	t.Column("id").SetBytes(i, r.ID)
	t.Column("reason").SetBytes(i, []byte(reason))
	t.Column("raw").SetBytes(i, alone(r, names))
	if src := names[r.Source]; src != "" {
		t.Column("source").SetString(i, []byte(src))
	}
	return Verdict{Code: Rejected, Reason: reason}
}

// alone re-encodes one record as a submission of its own.
func alone(r *record.Record, names []string) []byte {
	var e record.Encoder
	e.Begin(record.Head{Kind: r.Kind, Flags: r.Flags, Name: names[r.Name], Source: names[r.Source], Time: r.Time, ID: string(r.ID)})
	e.Idents(len(r.Idents))
	for _, id := range r.Idents {
		e.Ident(names[id.Kind], string(id.ID))
	}
	e.Attrs(len(r.Attrs))
	for _, a := range r.Attrs {
		v, _, err := value.Decode(a.Value)
		if err != nil {
			v = value.Value{}
		}
		e.Attr(names[a.Name], v)
	}
	e.End(r.Body)
	return e.Submission(nil)
}

// replay tries rejected events again: those of one event type, or all. What is accepted now counts as history.
func (s *State) replay(r *record.Record, names []string) Verdict {
	only := names[r.Name]
	accepted, left := 0, 0
	for i := range uint32(s.rejected.Len()) {
		if s.replayOK[i] || only != "" && s.rejected.Column("name").Str(i) != only {
			continue
		}
		var rd record.Reader
		if rd.Open(s.rejected.Column("raw").Bytes(i), s.intern) != nil {
			continue
		}
		rec, err := rd.Next()
		if err != nil || rec == nil {
			continue
		}
		if stillRefused(rec, rd.Names, r.Idents) {
			left++
			continue
		}
		resolved, columns, wide := s.batch.resolved, s.batch.columns, s.batch.wide
		s.batch.resolved, s.batch.columns = nil, nil
		s.openNames(len(rd.Names))
		s.batch.replaying = true
		var v Verdict
		if rec.Kind == record.KindIdentify {
			v = s.identify(rec, rd.Names, CauseReplay)
		} else {
			v = s.event(rec, rd.Names, s.rejected.Column("t").Int(i), CauseReplay)
		}
		s.batch.replaying = false
		s.batch.resolved, s.batch.columns, s.batch.wide = resolved, columns, wide
		if v.Code == Rejected {
			left++
			continue
		}
		accepted++
		s.markReplayed(i)
	}
	return Verdict{Replayed: accepted, Left: left}
}

// stillRefused says whether an event that was refused for its channel names none of those that a replay brings along. One
// without any comes from a process that takes all.
func stillRefused(r *record.Record, names []string, channels []record.Ident) bool {
	if r.Flags&record.FlagRefused == 0 || len(channels) == 0 {
		return false
	}
	for _, a := range r.Attrs {
		if names[a.Name] == "channel" && value.Kind(a.Value[0]) == value.String {
			return !slices.ContainsFunc(channels, func(ch record.Ident) bool { return bytes.Equal(ch.ID, stringBytes(a.Value)) })
		}
	}
	return false
}

func (s *State) markReplayed(i uint32) {
	j := s.replayed.Append()
	s.replayed.Column("rejected").SetUint(j, i)
	s.replayed.Column("t").SetInt(j, s.Now)
	s.replayOK[i] = true
}
