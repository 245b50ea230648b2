package fold

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/journey"
	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// This file is how people move through journeys: definitions and their versions, who enters, and each step's effects.

// journeys holds the journeys, who is inside, and what they want sent.
type journeys struct {
	defs      map[string]*journeyDef
	templates map[string]*messageTemplate
	live      enrolments
	byRow     map[uint32][]uint32 // handles, in order of entry
	handles   uint32
	history   map[uint32][]stay          // by row: who is or was in what, by the events that are left
	were      map[string]*roaring.Bitmap // by journey: who was inside without a key, by events that retention has taken
	outbox    outbox
	entries   int // started by what follows from the record under way
}

// journeyDef is a journey with every version that somebody may still be in. The last is the one people enter.
type journeyDef struct {
	name     string
	versions []*journey.Journey // version n at n-1
	deps     []map[DefKey]bool  // by version: segments and templates it names
	removed  bool
}

func (j *journeyDef) current() *journey.Journey { return j.versions[len(j.versions)-1] }

func (j *journeyDef) uses(key DefKey) bool { return !j.removed && j.deps[len(j.deps)-1][key] }

// enrolment is one person inside a journey, with the event that started it.
type enrolment struct {
	journey.Enrolment
	handle  uint32
	trigger eventRef // its type is nil when a segment started it
}

// with is the enrolment after a step. The one before is not changed: a frozen copy may see it.
func (e *enrolment) with(now journey.Enrolment, row uint32) *enrolment {
	next := &enrolment{now, e.handle, e.trigger}
	next.Row = row
	return next
}

// grace is how late an event may come and still start a journey.
const grace = 3600 * 1e6

// maxEntries bounds how many journeys may start by what follows from one record. With maxDepth alone, three journeys that
// all start when another one ends would make 3^16.
const maxEntries = 1000

// mayStart says whether what happened may start journeys.
func (js *journeys) mayStart(x stimulus) bool {
	if x.depth <= 1 {
		js.entries = 0
	}
	return x.cause.startsJourneys() && x.depth <= maxDepth
}

func (js *journeys) init() {
	js.defs, js.templates = map[string]*journeyDef{}, map[string]*messageTemplate{}
	js.byRow = map[uint32][]uint32{}
	js.history = map[uint32][]stay{}
	js.were = map[string]*roaring.Bitmap{}
	js.outbox.init()
}

// sorted returns the journeys that can be entered, by name.
func (js *journeys) sorted() []*journeyDef {
	var out []*journeyDef
	for _, name := range slices.Sorted(maps.Keys(js.defs)) {
		if j := js.defs[name]; !j.removed {
			out = append(out, j)
		}
	}
	return out
}

func (s *State) prepareJourney(name string, body []byte) (func(), error) {
	j, deps, err := s.compileJourney(name, body)
	if err != nil {
		return nil, err
	}
	if err := s.checkReentry(name, j); err != nil {
		return nil, err
	}
	return func() { s.journeys.set(s, name, j, deps) }, nil
}

// compileJourney checks a definition; errors name the node and the place. The version is the one it would get.
func (s *State) compileJourney(name string, body []byte) (*journey.Journey, map[DefKey]bool, error) {
	d, err := journey.Decode(body)
	if err != nil {
		return nil, nil, errors.New(strings.TrimPrefix(err.Error(), "journey: "))
	}
	if d.Name != name {
		return nil, nil, fmt.Errorf("the definition is named %q, not %q", d.Name, name)
	}
	d.Version = 1
	if old := s.journeys.defs[name]; old != nil {
		d.Version = uint32(len(old.versions)) + 1
	}
	deps := map[DefKey]bool{}
	j, err := journey.Compile(d, s.journeyHooks(deps))
	if err != nil {
		return nil, nil, errors.New(strings.ReplaceAll(err.Error(), fmt.Sprintf("journey %q: ", name), ""))
	}
	for _, n := range d.Nodes {
		if n.Type == journey.Send {
			deps[DefKey{DefTemplate, n.Template}] = true
			if t := s.journeys.templates[n.Template]; t != nil && t.def.Event != "" && t.def.Event != d.Entry.Event {
				return nil, nil, fmt.Errorf("node %q: template %q reads `event` as %q, but the journey starts with %q", n.ID, n.Template, t.def.Event, d.Entry.Event)
			}
		}
	}
	if k := d.Entry.Key; k != "" {
		switch typ := s.Catalogue.Events[d.Entry.Event].Attributes[k].Type; typ {
		case schema.String, schema.Number, schema.Boolean, schema.Datetime:
		default:
			return nil, nil, fmt.Errorf("entry: key: attribute %q is a %s; a key is a string, a number, a boolean or a datetime", k, typ)
		}
	}
	for _, seg := range []string{d.Entry.Entered, d.Entry.Left} {
		if seg != "" {
			deps[DefKey{DefSegment, seg}] = true
		}
	}
	return j, deps, nil
}

func (s *State) journeyHooks(deps map[DefKey]bool) journey.Hooks {
	return journey.Hooks{
		Compile: func(sc journey.Scope, src string) (journey.Condition, error) {
			expr, err := celenv.Compile(s.Catalogue, celenv.Scope{Person: true, Event: sc.Trigger, Arriving: sc.Event, Want: celenv.Bool}, src)
			if err != nil {
				return nil, err
			}
			for _, seg := range expr.Deps().Segments {
				deps[DefKey{DefSegment, seg}] = true
			}
			prog, err := roweval.New(expr)
			if err != nil {
				return nil, err
			}
			return func(m journey.Moment) bool { return prog.Eval(inputOf(m)).True() }, nil
		},
		Events: func() []string { return slices.Sorted(maps.Keys(s.Catalogue.Events)) },
		Attributes: func(event string) []string {
			if t := s.Catalogue.Events[event]; t != nil {
				return t.Attributes.Names()
			}
			return nil
		},
		Segments:  func() []string { return slices.Sorted(maps.Keys(s.segNamed)) },
		Templates: func(string) []string { return slices.Sorted(maps.Keys(s.journeys.templates)) },
	}
}

// inputOf hands a stepper's moment to an expression.
func inputOf(m journey.Moment) roweval.Input {
	p := m.Person.(person)
	in := roweval.Input{Person: p, Objects: p.s, Now: m.At}
	if e, ok := m.Trigger.(eventRef); ok && e.t != nil {
		in.Event = e
	}
	if e, ok := m.Event.(eventRef); ok && e.t != nil {
		in.Arriving = e
	}
	return in
}

func (js *journeys) set(s *State, name string, j *journey.Journey, deps map[DefKey]bool) {
	d := js.defs[name]
	if d == nil {
		d = &journeyDef{name: name}
		js.defs[name] = d
	}
	d.versions, d.deps, d.removed = append(d.versions, j), append(d.deps, deps), false
	js.index(s)
}

// remove lets nobody enter any more and takes out who is inside.
func (js *journeys) remove(s *State, name string) {
	js.defs[name].removed = true
	js.index(s)
	frozen := js.live.freeze()
	for e := range frozen.all() { // nobody while loading: enrolments are loaded after definitions
		if e.Journey == name {
			js.takeOut(s, e, "removed", CauseDefine)
		}
	}
	s.settle()
}

// takeOut ends an enrolment from outside, with a reason.
func (js *journeys) takeOut(s *State, e *enrolment, reason string, cause Cause) {
	fields := []value.Field{
		{Name: "journey", Value: value.Str(e.Journey)}, {Name: "version", Value: value.Num(float64(e.Version))},
		{Name: "enrolment", Value: value.Str(e.ID.String())}, {Name: "trigger", Value: value.Str(e.Trigger)},
		{Name: "node", Value: value.Str(e.Node)}, {Name: "reason", Value: value.Str(reason)}}
	if e.Key != "" {
		fields = append(fields, value.Field{Name: "key", Value: value.Str(e.Key)})
	}
	s.emit(journey.EventExited, e.Row, s.Now, cause, fields)
	js.end(e, s.Now)
}

// recompile follows a change of the calendar.
func (js *journeys) recompile(s *State) {
	s.recompileTemplates()
	for _, d := range js.defs {
		for i, j := range d.versions {
			if again, err := journey.Compile(j.Def(), s.journeyHooks(map[DefKey]bool{})); err == nil {
				d.versions[i] = again
			}
		}
	}
}

// index rebuilds which journeys start with which event type or segment.
func (js *journeys) index(s *State) {
	for _, t := range s.types {
		t.starts = t.starts[:0]
	}
	for _, seg := range s.byRank {
		seg.starts = seg.starts[:0]
	}
	for _, d := range js.sorted() {
		entry := d.current().Def().Entry
		if t := s.typeNamed[entry.Event]; t != nil {
			t.starts = append(t.starts, d)
		}
		for _, name := range []string{entry.Entered, entry.Left} {
			if seg := s.segNamed[name]; seg != nil {
				seg.starts = append(seg.starts, d)
			}
		}
	}
}

// onEvent moves who waits for the event, then starts who enters with it.
func (js *journeys) onEvent(s *State, x stimulus) {
	ev, may := eventRef{x.typ, x.index}, js.mayStart(x)
	if x.at > s.Now { // dated in the future: it happens then
		kind := uint8(dueEvent)
		if !x.cause.startsJourneys() {
			kind = dueHistory
		}
		s.insertLater(x.at, dueItem(kind, x.index, x.typ.id))
		return
	}
	for _, h := range slices.Clone(js.byRow[x.row]) {
		e := js.live.get(h)
		for e != nil && e.Due != 0 && e.Due <= x.at { // a late event before this one made it due
			js.timer(s, h, e.Due)
			e = js.live.get(h)
		}
		if e == nil {
			continue
		}
		j := js.defs[e.Journey].versions[e.Version-1]
		if !j.Def().WatchesProfile() && !slices.Contains(j.Def().Ends(), x.typ.def.Name) && !slices.Contains(j.Def().Listens(e.Node), x.typ.def.Name) {
			continue
		}
		r, err := j.OnEvent(e.Enrolment, journey.Event{Type: x.typ.def.Name, ID: ev.ID(), Time: x.at, Data: ev}, js.personOf(s, e))
		js.apply(s, e, r, err)
	}
	if !may || x.at < s.Now-grace {
		return
	}
	for _, d := range x.typ.starts {
		j := d.current()
		key := ""
		if k := j.Def().Entry.Key; k != "" {
			key = journey.KeyOf(ev.Attr(k))
		}
		js.enter(s, d, j, x, ev, ev.ID(), key)
	}
}

// onFlip starts journeys that begin with entering or leaving the segment.
func (js *journeys) onFlip(s *State, x stimulus) {
	if !js.mayStart(x) {
		return
	}
	for _, d := range x.seg.starts {
		j := d.current()
		if entry := j.Def().Entry; x.in && entry.Entered == x.seg.name || !x.in && entry.Left == x.seg.name {
			js.enter(s, d, j, x, eventRef{}, fmt.Sprintf("flip.%d", x.index), "")
		}
	}
}

func (js *journeys) enter(s *State, d *journeyDef, j *journey.Journey, x stimulus, trigger eventRef, triggerID, key string) {
	if js.entries >= maxEntries {
		return
	}
	who := journey.Person{Profile: person{s, x.row}, Trigger: trigger}
	r, refused := j.Enter(journey.Entrance{Row: x.row, At: x.at, Trigger: triggerID, Key: key, History: js.past(x.row, d.name, key)}, who)
	if refused != "" {
		return
	}
	js.entries++
	js.handles++
	e := &enrolment{handle: js.handles, trigger: trigger}
	past := js.stay(x.row, d.name, key)
	past.past = past.past.Enter()
	e.Enrolment, e.Row = r.Enrolment, x.row
	js.add(e)
	js.apply(s, e, r, nil)
}

func (js *journeys) add(e *enrolment) {
	js.live.put(e)
	e.trigger.pin(1)
	js.byRow[e.Row] = append(js.byRow[e.Row], e.handle)
}

// timer moves on an enrolment whose instant has come.
func (js *journeys) timer(s *State, handle uint32, at int64) {
	e := js.live.get(handle)
	if e == nil || e.Due > at {
		return
	}
	j := js.defs[e.Journey].versions[e.Version-1]
	r, err := j.OnTimer(e.Enrolment, at, js.personOf(s, e))
	js.apply(s, e, r, err)
}

// changed looks at exits that are conditions over the profile.
func (js *journeys) changed(s *State, row uint32) {
	for _, h := range slices.Clone(js.byRow[row]) {
		e := js.live.get(h)
		if e == nil {
			continue
		}
		if j := js.defs[e.Journey].versions[e.Version-1]; j.Def().WatchesProfile() {
			r, err := j.OnChange(e.Enrolment, s.Now, js.personOf(s, e))
			js.apply(s, e, r, err)
		}
	}
}

func (js *journeys) personOf(s *State, e *enrolment) journey.Person {
	return journey.Person{Profile: person{s, s.ids.Canonical(e.Row)}, Trigger: e.trigger}
}

// apply keeps a step's result and does what it asks for.
func (js *journeys) apply(s *State, e *enrolment, r journey.Result, err error) {
	if err != nil {
		// Versions and nodes never go away, so this is a defect; the person is taken out rather than lost.
		js.takeOut(s, e, err.Error(), CauseTime)
		return
	}
	if !r.Changed {
		return
	}
	row := s.ids.Canonical(e.Row)
	e = e.with(r.Enrolment, row)
	js.live.put(e)
	for _, effect := range r.Effects {
		switch x := effect.(type) {
		case journey.Emit:
			s.emit(x.Name, row, x.At, CauseTime, x.Attributes)
		case journey.SendMessage:
			s.queueSend(e, row, x)
		case journey.Timer:
			s.due.Insert(x.At, dueItem(dueJourney, e.handle, 0))
		}
	}
	if r.Ended {
		js.end(e, r.EndedAt)
	}
}
