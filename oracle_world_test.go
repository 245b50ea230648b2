package cdp_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/embedcdp/cdp"
)

// The naive world of TestOracle: what happened, kept in plain Go values by plain rules. Nothing here is the library's.

// naiveAttr is a declared attribute.
type naiveAttr struct {
	name string
	decl cdp.Attribute
}

// naiveSchema is a random declaration of everything.
type naiveSchema struct {
	zone    string
	loc     *time.Location
	week    time.Weekday
	profile []naiveAttr
	events  []naiveType
	thing   []naiveAttr // the one type of business object
}

type naiveType struct {
	name  string
	attrs []naiveAttr
}

// naiveKeys are the keys of attributes that have some.
var naiveKeys = []naiveAttr{{"k", cdp.String}, {"m", cdp.Number}}

func newNaiveSchema(r *rand.Rand) *naiveSchema {
	s := &naiveSchema{zone: pick(r, "UTC", "Asia/Ho_Chi_Minh", "America/New_York", "Asia/Kolkata"), week: pick(r, time.Monday, time.Sunday)}
	s.loc, _ = time.LoadLocation(s.zone)
	s.thing = randomAttrs(r, "t", false)
	s.profile = randomAttrs(r, "p", true)
	for i := range 2 + r.IntN(2) {
		s.events = append(s.events, naiveType{fmt.Sprintf("ev%d", i), randomAttrs(r, string(rune('a'+i)), true)})
	}
	return s
}

// randomAttrs has an attribute or two of each type.
func randomAttrs(r *rand.Rand, prefix string, refers bool) (out []naiveAttr) {
	types := []cdp.Attribute{cdp.Number, cdp.String, cdp.Text, cdp.Datetime, cdp.Boolean, cdp.NumberList, cdp.StringList, cdp.DatetimeList,
		cdp.Object(publicKeys(naiveKeys)), cdp.ListOf(publicKeys(naiveKeys))}
	if refers {
		types = append(types, cdp.Ref("thing"))
	}
	for _, t := range types {
		for range 1 + r.IntN(2) {
			out = append(out, naiveAttr{fmt.Sprintf("%s%d_%s", prefix, len(out), pick(r, "x", "y", "z")), t})
		}
	}
	return out
}

func publicKeys(attrs []naiveAttr) cdp.Schema {
	out := cdp.Schema{}
	for _, a := range attrs {
		out[a.name] = a.decl
	}
	return out
}

// Values are float64, string, bool, naiveTime, []any and map[string]any; absent ones are not in their map.
type naiveTime int64 // microseconds

type naivePerson struct {
	user, anonymous string
	attrs           map[string]any
	set             map[string]int64 // when each attribute was set
	events          map[string][]*naiveEvent
	into            *naivePerson
}

type naiveEvent struct {
	id, source string
	at         int64
	position   int
	attrs      map[string]any
}

type naiveVersion struct {
	from  int64
	attrs map[string]any
}

type naiveWorld struct {
	schema   *naiveSchema
	now      int64
	position int
	people   []*naivePerson // those merged into others are gone
	known    map[string]*naivePerson
	things   map[string][]naiveVersion // in order of from
}

type naiveSegment struct {
	name     string
	visitors bool
	term     naiveTerm
	uses     []string // segments it asks for
	spans    []int64  // microseconds named in it
	hourly   bool     // parts of days matter
	elsewise bool     // it can change by what NextFlip does not look at: other segments, later versions of objects
}

func newNaiveWorld(s *naiveSchema) *naiveWorld {
	return &naiveWorld{schema: s, known: map[string]*naivePerson{}, things: map[string][]naiveVersion{}}
}

// member is the answer: the person is of the kind the segment is about, and the condition is true, not absent.
func (w *naiveWorld) member(seg *naiveSegment, p *naivePerson, at int64) bool {
	if p.into != nil || (p.user == "") != seg.visitors {
		return false
	}
	v, ok := seg.term.eval(&naiveFrame{w: w, p: p, now: at})
	return ok && v.(bool)
}

// person finds whom identifiers name: an unknown user id is a new customer; a visitor becomes the customer it comes
// together with; nobody leaves a customer for another.
func (w *naiveWorld) person(user, anonymous string) *naivePerson {
	find := func(id string) *naivePerson {
		p := w.known[id]
		for p != nil && p.into != nil {
			p = p.into
		}
		return p
	}
	first := user
	if first == "" {
		first = anonymous
	}
	p := find(first)
	if p == nil {
		p = &naivePerson{user: user, anonymous: anonymous, attrs: map[string]any{}, set: map[string]int64{}, events: map[string][]*naiveEvent{}}
		w.people = append(w.people, p)
		w.known[first] = p
	}
	if user == "" || anonymous == "" {
		return p
	}
	switch visitor := find(anonymous); {
	case visitor == nil:
		w.known[anonymous] = p
	case visitor.user == "":
		w.merge(visitor, p)
	}
	return p
}

// merge gives a customer the visitor's events, and what was known later of the visitor.
func (w *naiveWorld) merge(visitor, p *naivePerson) {
	visitor.into = p
	for name, v := range visitor.attrs {
		if _, has := p.attrs[name]; !has || p.set[name] <= visitor.set[name] {
			p.attrs[name], p.set[name] = v, visitor.set[name]
		}
	}
	for typ, events := range visitor.events {
		p.add(typ, events...)
	}
	w.people = slices.DeleteFunc(w.people, func(q *naivePerson) bool { return q == visitor })
}

func (p *naivePerson) add(typ string, events ...*naiveEvent) {
	p.events[typ] = append(p.events[typ], events...)
	slices.SortFunc(p.events[typ], func(a, b *naiveEvent) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.position, b.position))
	})
}

func (w *naiveWorld) track(events ...cdp.Event) {
	for _, ev := range events {
		at := w.now
		if !ev.Time.IsZero() {
			at = ev.Time.UnixMicro()
		}
		w.position++
		w.person(ev.UserID, ev.AnonymousID).add(ev.Name, &naiveEvent{ev.ID, ev.Source, at, w.position, naiveValues(ev.Attributes)})
	}
}

// identify: of several values the one set last counts; one that says what is known already does not move its time.
func (w *naiveWorld) identify(id cdp.Identity) {
	p := w.person(id.UserID, id.AnonymousID)
	at := id.Time.UnixMicro()
	for name, v := range naiveValues(id.Attributes) {
		old, has := p.attrs[name]
		if has && (p.set[name] > at || fmt.Sprintf("%#v", old) == fmt.Sprintf("%#v", v)) {
			continue
		}
		p.attrs[name], p.set[name] = v, at
	}
}

// put adds a version of an object, which keeps what it does not name from the version before it.
func (w *naiveWorld) put(o cdp.ObjectRecord) {
	versions := append(w.things[o.ID], naiveVersion{o.Time.UnixMicro(), naiveValues(o.Attributes)})
	slices.SortStableFunc(versions, func(a, b naiveVersion) int { return cmp.Compare(a.from, b.from) })
	w.things[o.ID] = versions
}

// thing is the object's version at an instant, else its first.
func (w *naiveWorld) thing(id string, at int64) map[string]any {
	versions := w.things[id]
	var best map[string]any
	for i, v := range versions {
		if i == 0 || v.from <= at {
			best = v.attrs
		}
	}
	return best
}

func naiveValues(attrs cdp.Attrs) map[string]any {
	out := map[string]any{}
	for name, v := range attrs {
		out[name] = naiveValue(v)
	}
	return out
}

func naiveValue(v any) any {
	switch v := v.(type) {
	case time.Time:
		return naiveTime(v.UnixMicro())
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = naiveValue(v[i])
		}
		return list
	case map[string]any:
		return naiveValues(v)
	}
	return v
}
