// Package fold is the state machine of the platform: state = fold(log).
//
// [State.Apply] takes one batch of the log and changes the state. It is deterministic and total: it reads no clock, no
// random source and no map order, calls no code of the user's, and has an answer (a [Verdict]) for every record. Two
// states that applied the same batches are equal, whether they started from nothing or from a checkpoint.
//
// The state is a set of append-only tables (package column) and indexes derived from them:
//
//	events/NAME   one row an accepted event of that type          links      which profile joined which, and why
//	sets          every change of a profile attribute             flips      who entered and left which segment, when
//	identifiers   which identifier belongs to which profile       objects    every version of every business object
//	definitions   every version of every definition               rejected   events that did not fit, with the reason
//
// plus what is small and changes in place: enrolments in journeys, the outbox, pending deadlines (checkpoint.go).
// State has no lock; package engine holds one around it.
package fold

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/deadline"
	"github.com/embedcdp/cdp/internal/identity"
	"github.com/embedcdp/cdp/internal/live"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/schema"
)

// Version of the fold. A checkpoint made by another version is not used; the log behind it is folded again.
const Version = 1

// State is everything known at one log position.
type State struct {
	Position uint64 // of the last batch applied
	Now      int64  // log time in microseconds
	Digest   uint64 // of every verdict, flip and derived event so far
	Sequence int64  // of the last event, set or link: the order of arrival across tables

	Settings  Settings
	Catalogue *schema.Catalogue // replaced, never changed in place

	tables      map[string]*column.Table
	identifiers *column.Table
	links       *column.Table
	sets        *column.Table
	flips       *column.Table
	flipCells   flipCells
	objectLog   *column.Table
	definitions *column.Table
	rejected    *column.Table
	replayed    *column.Table
	deadLetters *column.Table

	ids       *identity.Graph
	kinds     []string         // identifier kinds by code
	kindCode  map[string]uint8 // and back
	attrs     map[string]*attribute
	attrNames []string // by the code used in sets

	types           []*eventType // by id, in order of definition
	typeNamed       map[string]*eventType
	objects         map[string]*objectType
	defs            map[DefKey]*Definition
	profilePolicy   schema.Policy
	segments        []*segment // by id; nil when removed
	segNamed        map[string]*segment
	byRank          []*segment // in order of dependency
	lastFlip        *column.Column
	flipsKept       flipRetention
	removedSegments map[uint32]string // names of segments that are gone, for their flips
	journeys        journeys
	flows           map[string]*FlowRun

	seen     *seenIDs
	due      *deadline.Index
	later    map[deadline.Item]int64 // those of due that no segment and no enrolment has: things dated in the future
	replayOK map[uint32]bool

	busy     *live.Busy  // what segments keep for people with many events, beside the tables
	earliest int64       // the earliest time that an attribute or object has a value of
	past     *horizon    // what a past state sees; nil for the present (past.go)
	now      *State      // of a past state: the present one
	freezing *sync.Mutex // held by Freeze, which several readers may call at once; past states share it, as they share tables
	failed   error       // why no event can be folded any more
	loading  bool        // definitions take effect without anybody being asked
	batch    batchScratch
}

// What segments keep for people with many events: of whom they walk past more than so many, which takes about as long as
// following what is kept (a variable for tests); and how much in all. A sum over 100,000 events in a window of time takes 400 KB.
var busyWalk = 64

const busyBytes = 64 << 20

// New returns the state before the first batch.
func New() *State {
	s := &State{
		tables:          map[string]*column.Table{},
		ids:             identity.New(),
		kindCode:        map[string]uint8{},
		attrs:           map[string]*attribute{},
		typeNamed:       map[string]*eventType{},
		objects:         map[string]*objectType{},
		defs:            map[DefKey]*Definition{},
		segNamed:        map[string]*segment{},
		removedSegments: map[uint32]string{},
		flipsKept:       flipRetention{set: map[string]string{}, of: map[uint32]Dropped{}},
		lastFlip:        column.NewVector(column.Uint32),
		flows:           map[string]*FlowRun{},
		seen:            newSeen(),
		freezing:        new(sync.Mutex),
		due:             deadline.New(),
		later:           map[deadline.Item]int64{},
		replayOK:        map[uint32]bool{},
		busy:            live.NewBusy(busyWalk, busyBytes),
		Now:             math.MinInt64 / 4,
		earliest:        math.MaxInt64,
		Settings:        Settings{}.withDefaults(),
	}
	s.batch.intern = map[string]string{}
	s.batch.isDeferred = map[touchKey]struct{}{}
	s.batch.everybody = map[*segment]struct{}{}
	s.journeys.init()
	s.identifiers = s.table("identifiers", cols{{"q", column.Int64}, {"row", column.Uint32}, {"kind", column.Dict}, {"id", column.Bytes}, {"t", column.Int64}})
	s.links = s.table("links", cols{{"q", column.Int64}, {"row", column.Uint32}, {"into", column.Uint32}, {"reason", column.Dict}, {"t", column.Int64}, {"ok", column.Bool}})
	s.sets = s.table("sets", cols{{"q", column.Int64}, {"row", column.Uint32}, {"attr", column.Dict}, {"t", column.Int64}, {"a", column.Int64}, {"value", column.Bytes}, {"old", column.Bytes}})
	s.flips = s.table("flips", cols{{"row", column.Uint32}, {"segment", column.Uint32}, {"t", column.Int64}, {"in", column.Bool}, {"cause", column.Uint32}, {"prev", column.Uint32}, {"q", column.Int64}})
	s.flipCells = newFlipCells(s.flips)
	s.objectLog = s.table("objects", cols{{"q", column.Int64}, {"type", column.Dict}, {"id", column.Bytes}, {"t", column.Int64}, {"value", column.Bytes}, {"deleted", column.Bool}, {"a", column.Int64}})
	s.definitions = s.table("definitions", cols{{"q", column.Int64}, {"t", column.Int64}, {"kind", column.Dict}, {"name", column.Bytes}, {"body", column.Bytes}, {"actor", column.Dict}, {"deleted", column.Bool}, {"adds", column.Bool}})
	s.rejected = s.table("rejected", cols{{"q", column.Int64}, {"t", column.Int64}, {"name", column.Dict}, {"id", column.Bytes}, {"reason", column.Bytes}, {"raw", column.Bytes}, {"source", column.Dict}})
	s.replayed = s.table("replayed", cols{{"rejected", column.Uint32}, {"t", column.Int64}})
	s.deadLetters = s.table("dead", cols{{"t", column.Int64}, {"flow", column.Dict}, {"run", column.Dict}, {"line", column.Int64}, {"reason", column.Bytes}, {"raw", column.Bytes}})
	for _, k := range []string{UserID, AnonymousID, Email, Phone, DeviceID} {
		s.kind(k)
	}
	s.rebuildCatalogue()
	s.defineSystemTypes()
	return s
}

// Identifier kinds that are known from the start. Others are added when first used.
const (
	UserID      = "user_id"
	AnonymousID = "anonymous_id"
	Email       = "email"
	Phone       = "phone"
	DeviceID    = "device_id"
)

type cols []struct {
	name string
	kind column.Kind
}

// table makes a table and enters it among those a checkpoint keeps.
func (s *State) table(name string, columns cols) *column.Table {
	t := column.New(name)
	for _, c := range columns {
		t.Add(c.name, c.kind)
	}
	s.tables[name] = t
	return t
}

// kind returns the code of an identifier kind, making one when it is new.
func (s *State) kind(name string) uint8 {
	code, ok := s.kindCode[name]
	if !ok {
		code = uint8(len(s.kinds))
		s.kinds = append(s.kinds, name)
		s.kindCode[name] = code
	}
	return code
}

// Code says what became of a record.
type Code uint8

const (
	Accepted  Code = iota // folded
	Duplicate             // an event with this id was accepted before: nothing changed
	Rejected              // not folded; the reason says why
)

// Verdict is the fold's answer to one record.
type Verdict struct {
	Code   Code
	Reason string // with Rejected

	Replayed, Left int // of a replay: rejected events accepted now, and still rejected
}

// Cause says what made something happen.
type Cause uint8

const (
	CauseTrack  Cause = 1 // an event as it happened
	CauseImport Cause = 2 // history
	CauseDefine Cause = 3 // a definition was saved
	CauseMerge  Cause = 4 // two profiles became one
	CauseTime   Cause = 5 // time passed
	CauseReplay Cause = 6 // a rejected event was accepted after all
	CauseLate   Cause = 7 // an event came more than the grace after it happened

	CauseRetention Cause = 8 // events were dropped
	CauseIdentify  Cause = 9 // something is newly known of a person
)

var causeNames = [...]string{"", "track", "import", "definition", "merge", "time", "replay", "late", "retention", "identify"}

func (c Cause) String() string { return causeNames[c] }

// startsJourneys tells live causes from those that only tell of the past (a journey must not message people about it).
func (c Cause) startsJourneys() bool { return c == CauseTrack || c == CauseIdentify || c == CauseTime }

// batchScratch is memory reused from batch to batch, and what is under way inside one.
type batchScratch struct {
	reader record.Reader
	intern map[string]string

	// Of the open submission: what its names mean, looked up once.
	resolved []*eventType  // by name
	columns  []*attrColumn // by name of the event and of the attribute
	wide     bool          // more names than that matrix is good for

	// Of the record under way.
	cells      []cell
	spill      []byte
	key        []byte
	idents     []identity.Identifier
	newKinds   []string    // kinds of identifiers that it brings
	learning   []learning  // what it teaches
	holders    [][2]uint32 // rows of known identifiers, and whom they belonged to before
	change     change      // what it does to who the person is
	resolution identity.Resolution
	replaying  bool // a rejected event is tried again: it is not rejected anew

	// What follows from it.
	queue    []stimulus
	settling bool
	depth    int
	touched  bits        // segments to be asked, by their place in byRank
	asked    live.Person // whom they are asked about
	ahead    ahead

	// Put off to the end of the batch.
	deferred   []touched
	isDeferred map[touchKey]struct{}
	everybody  map[*segment]struct{}

	beside bool // the definition under way may be built beside intake
	noting bool // the fold is at work: objects that are looked for and not there are noted
}

// Apply folds one batch. verdicts[i][j] answers record j of submission i. An error means that the batch cannot be this
// log's next one, or that its bytes are damaged: the state is then unchanged and must not be used further.
func (s *State) Apply(b record.Batch) (verdicts [][]Verdict, err error) {
	if b.Position != s.Position+1 {
		return nil, fmt.Errorf("batch %d does not follow batch %d", b.Position, s.Position)
	}
	if b.Digest != s.Digest {
		return nil, fmt.Errorf("batch %d was written by a state that differs from this one (digest %x, here %x): the log was folded by a program that behaves differently", b.Position, b.Digest, s.Digest)
	}
	if b.Now < s.Now {
		return nil, fmt.Errorf("batch %d: its time %v is before %v", b.Position, time.UnixMicro(b.Now).UTC(), time.UnixMicro(s.Now).UTC())
	}
	s.batch.noting = true
	defer func() { s.batch.noting = false }()
	s.drain(b.Now)
	s.Now = b.Now
	s.Position = b.Position
	verdicts = make([][]Verdict, len(b.Submissions))
	for i, sub := range b.Submissions {
		if verdicts[i], err = s.submission(sub); err == nil {
			err = s.failed
		}
		if err != nil {
			return nil, fmt.Errorf("batch %d, submission %d: %w", b.Position, i, err)
		}
	}
	s.evaluateDeferred()
	return verdicts, nil
}

func (s *State) submission(sub []byte) ([]Verdict, error) {
	r := &s.batch.reader
	if err := r.Open(sub, s.intern); err != nil {
		return nil, err
	}
	s.openNames(len(r.Names))
	verdicts := make([]Verdict, 0, r.Count())
	for {
		rec, err := r.Next()
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", len(verdicts), err)
		}
		if rec == nil {
			return verdicts, nil
		}
		v := s.record(rec, r.Names)
		s.mix(uint64(v.Code) + 1)
		verdicts = append(verdicts, v)
	}
}

func (s *State) record(r *record.Record, names []string) Verdict {
	switch r.Kind {
	case record.KindEvent:
		return s.event(r, names, s.Now, causeOf(r.Flags, CauseTrack))
	case record.KindIdentify:
		return s.identify(r, names, causeOf(r.Flags, CauseIdentify))
	case record.KindObject:
		return s.object(r, names)
	case record.KindDefine:
		return s.define(r, names)
	case record.KindTick:
		return Verdict{}
	case record.KindOutcome:
		return s.outcome(r, names)
	case record.KindProgress:
		return s.progress(r, names)
	case record.KindDead:
		return s.dead(r, names)
	case record.KindReplay:
		return s.replay(r, names)
	case record.KindActivate:
		return s.activate(r, names)
	}
	return Verdict{Code: Rejected, Reason: fmt.Sprintf("unknown kind of record %d: written by a newer program", r.Kind)}
}

// causeOf is what a record causes: live, unless it is history.
func causeOf(flags byte, live Cause) Cause {
	if flags&record.FlagImport != 0 {
		return CauseImport
	}
	return live
}

// mix stirs a number into the digest (splitmix64's finalizer, Steele, Lea, Flood 2014).
func (s *State) mix(x uint64) {
	z := s.Digest + x*0x9e3779b97f4a7c15 + 0x632be59bd9b4e019
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	s.Digest = z ^ (z >> 31)
}

func (s *State) next() int64 {
	s.Sequence++
	return s.Sequence
}

// intern keeps one string for each name that ever came, up to a bound that hostile names cannot pass.
func (s *State) intern(b []byte) string {
	if str, ok := s.batch.intern[string(b)]; ok {
		return str
	}
	str := string(b)
	if len(s.batch.intern) < 1<<16 {
		s.batch.intern[str] = str
	}
	return str
}
