package cdp_test

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

var segmentSeeds = flag.Int("segment-seeds", 6, "how many random histories TestSegmentsAgainstOracle runs; 1 with -short")

type oracleSegment struct {
	name, where string
	visitors    bool
}

// oracleSegments cover the dialect; those with visitors are of visitors. Later ones may ask for earlier ones.
var oracleSegments = []oracleSegment{
	{"regulars", `events.buy.within("7d").size() >= 2`, false},
	{"recent", `events.buy.within("1d").size() >= 1`, false},
	{"spent", `events.buy.filter(e, e.category == "shoes").sum(e, e.amount) > 50`, false},
	{"adult_or_hue", `customer.age >= 18 || customer.city == "Hue"`, false},
	{"not_adult", `!(customer.age >= 18 && customer.city == "Hue")`, false},
	{"lapsed", `events.view.size() > 0 && events.view.within("3d").size() == 0`, false},
	{"today", `events.view.during("today").size() >= 1 && events.view.during("last_7_days").size() == 0`, false},
	{"this_week", `events.view.during("this_week").size() > events.view.during("last_week").size()`, false},
	{"months", `events.buy.perMonth(2).exists(n, n >= 2) || events.view.perDay(2).all(n, n >= 1)`, false},
	{"sequence", `sequence(events.view, events.buy, "1d")`, false},
	{"nike", `events.buy.exists(e, e.product.brand == "nike")`, false},
	{"store", `customer.store.city == "Hue"`, false},
	{"signup", `customer.signup > ago("2d") || customer.signup.anniversary() == now.startOf("day")`, false},
	{"usual", `events.buy.last().category == events.buy.mostFrequent(e, e.category)`, false},
	{"cheap", `events.buy.since(ago("7d")).avg(e, e.amount) < 20`, false},
	{"never", `events.buy.size() == 0`, false},
	{"night", `customer.age > 30 && now.getHours("America/New_York") < 6`, false},
	{"chain", `inSegment("regulars") && !inSegment("lapsed")`, false},
	{"diamond", `inSegment("regulars") != inSegment("recent") || inSegment("never")`, false},
	{"hot", `events.view.within("1d").size() >= 2`, true},
	{"unknown", `!has(visitor.city)`, true},
}

// TestSegmentsAgainstOracle lets random things happen and compares, after each, the members of every segment and every
// flip with what the oracle says about people the test keeps by itself: plain maps, merged by plain rules.
func TestSegmentsAgainstOracle(t *testing.T) {
	seeds, steps := *segmentSeeds, 150
	if testing.Short() {
		seeds = 1
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			w := newWorld(t, seed)
			for range steps {
				w.step()
			}
			t.Logf("%d people, %d events, %d flips compared", len(w.people), w.position, w.compared)
			require.Greater(t, w.compared, 100)
		})
	}
}

// world is everything, kept twice: in the client, and here.
type world struct {
	t        *testing.T
	c        *cdptest.Client
	r        *rand.Rand
	log      []string // what was done, for a failure
	now      int64
	position uint64
	people   []*oraclePerson // customers and visitors; those merged into others are gone
	byID     map[string]*oraclePerson
	objects  map[string][]oracleVersion // by type/id, in order of time
	cat      *schema.Catalogue
	programs map[string]*roweval.Program
	members  map[string]map[*oraclePerson]bool // as of the step before
	seen     map[string]uint64                 // position of the last flip read, by segment
	compared int
}

type oraclePerson struct {
	user, anonymous string // anonymous: the first one
	attrs           map[string]oracleAttr
	events          map[string][]roweval.Event
	into            *oraclePerson // the customer this visitor became
	w               *world
	at              int64 // the instant InSegment answers for
}

type oracleAttr struct {
	v  value.Value
	at int64
}

type oracleEvent struct {
	at    int64
	pos   uint64
	attrs map[string]value.Value
}

type oracleVersion struct {
	from  int64
	attrs map[string]value.Value
}

func (e oracleEvent) Time() int64                  { return e.at }
func (e oracleEvent) ID() string                   { return fmt.Sprint(e.pos) }
func (e oracleEvent) Source() string               { return "" }
func (e oracleEvent) Attr(name string) value.Value { return e.attrs[name] }
func (e oracleEvent) Position() uint64             { return e.pos }

func (p *oraclePerson) Attr(name string) value.Value      { return p.attrs[name].v }
func (p *oraclePerson) Events(typ string) []roweval.Event { return p.events[typ] }
func (p *oraclePerson) InSegment(name string) bool        { return p.w.member(name, p, p.at) }

// member is the oracle's answer at an instant.
func (w *world) member(segment string, p *oraclePerson, at int64) bool {
	i := slices.IndexFunc(oracleSegments, func(s oracleSegment) bool { return s.name == segment })
	if p.into != nil || (p.user == "") != oracleSegments[i].visitors {
		return false
	}
	q := *p
	q.at = at
	return w.programs[segment].Eval(roweval.Input{Person: &q, Objects: w, Now: at}).True()
}

// At implements roweval.Objects.
func (w *world) At(typ, id string, t int64) (func(string) value.Value, bool) {
	versions := w.objects[typ+"/"+id]
	if len(versions) == 0 {
		return nil, false
	}
	best := versions[0]
	for _, v := range versions {
		if v.from <= t {
			best = v
		}
	}
	return func(name string) value.Value { return best.attrs[name] }, true
}

func newWorld(t *testing.T, seed uint64) *world {
	start := time.Date(2026, 2, 20, 0, 0, 0, 0, time.UTC)
	w := &world{t: t, r: rand.New(rand.NewPCG(seed, 7)), now: start.UnixMicro(), c: cdptest.New(t, cdptest.Options{Start: start}),
		byID: map[string]*oraclePerson{}, objects: map[string][]oracleVersion{}, members: map[string]map[*oraclePerson]bool{}, seen: map[string]uint64{}}
	ctx := t.Context()
	require.NoError(t, w.c.Objects().Define(ctx, cdp.ObjectType{Name: "product", Attributes: cdp.Schema{"brand": cdp.String}}))
	require.NoError(t, w.c.Objects().Define(ctx, cdp.ObjectType{Name: "shop", Attributes: cdp.Schema{"city": cdp.String}}))
	w.c.DefineProfile(cdp.Schema{"age": cdp.Number, "city": cdp.String, "signup": cdp.Datetime, "store": cdp.Ref("shop")})
	w.c.Define(cdp.EventType{Name: "view"}, cdp.EventType{Name: "buy", Attributes: cdp.Schema{"category": cdp.String, "amount": cdp.Number, "product": cdp.Ref("product")}})
	str, num := schema.Attr{Type: schema.String}, schema.Attr{Type: schema.Number}
	w.cat = &schema.Catalogue{
		Profile: schema.Attrs{"age": num, "city": str, "signup": {Type: schema.Datetime}, "store": {Type: schema.String, Ref: "shop"}},
		Events: map[string]*schema.EventType{"view": {Name: "view"},
			"buy": {Name: "buy", Attributes: schema.Attrs{"category": str, "amount": num, "product": {Type: schema.String, Ref: "product"}}}},
		Objects: map[string]*schema.ObjectType{"product": {Name: "product", Attributes: schema.Attrs{"brand": str}}, "shop": {Name: "shop", Attributes: schema.Attrs{"city": str}}},
	}
	w.cat.Segments = map[string]bool{}
	for _, s := range oracleSegments {
		of := cdp.Customers
		if s.visitors {
			of = cdp.Visitors
		}
		require.NoError(t, w.c.Segments().Save(ctx, cdp.Segment{Name: s.name, Where: s.where, Of: of}))
		w.cat.Segments[s.name] = true
		w.members[s.name] = map[*oraclePerson]bool{}
	}
	w.setCalendar("UTC", time.Monday)
	return w
}

func (w *world) setCalendar(zone string, week time.Weekday) {
	loc, err := time.LoadLocation(zone)
	require.NoError(w.t, err)
	cat := *w.cat
	cat.Location, cat.Week = loc, week
	w.cat, w.programs = &cat, map[string]*roweval.Program{}
	for _, s := range oracleSegments {
		expr, err := celenv.Compile(w.cat, celenv.Scope{Person: true, Want: celenv.Bool}, s.where)
		require.NoError(w.t, err)
		w.programs[s.name], err = roweval.New(expr)
		require.NoError(w.t, err)
	}
}

// step lets one thing happen and compares.
func (w *world) step() {
	before := w.now
	var err error
	switch n := w.r.IntN(100); {
	case n < 30:
		_, err = w.c.Track(w.t.Context(), w.event())
	case n < 38:
		batch := make([]cdp.Event, 1+w.r.IntN(6))
		for i := range batch {
			batch[i] = w.event()
		}
		_, err = w.c.Import(w.t.Context(), batch...)
	case n < 55:
		_, err = w.c.Identify(w.t.Context(), w.identity())
	case n < 67:
		_, err = w.c.Objects().Put(w.t.Context(), w.object())
	case n < 68:
		zone, week := pick(w.r, "UTC", "Asia/Ho_Chi_Minh", "America/New_York"), pick(w.r, "monday", "sunday")
		w.log = append(w.log, "portal "+zone+" "+week)
		err = w.c.Portal().Save(w.t.Context(), cdp.Settings{TimeZone: zone, WeekStart: week})
		w.setCalendar(zone, map[string]time.Weekday{"monday": time.Monday, "sunday": time.Sunday}[week])
	default:
		w.moveClock()
	}
	require.NoError(w.t, err, w.story())
	w.compare(before)
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// moveClock goes on by a while, to the next instant at which something is due, or to just before it.
func (w *world) moveClock() {
	to := w.now + w.r.Int64N(3*86400)*1e6
	due, ok := w.c.NextDue()
	switch w.r.IntN(4) {
	case 0:
		to = w.now + w.r.Int64N(3600)*1e6
	case 1:
		if ok {
			to = due.UnixMicro()
		}
	case 2:
		if ok {
			to = due.UnixMicro() - 1
		}
	}
	w.now = max(w.now, to)
	w.log = append(w.log, "at "+moment(w.now))
	w.c.Clock.Set(time.UnixMicro(w.now))
	if w.r.IntN(2) == 0 { // otherwise the reads that follow let it happen
		require.NoError(w.t, w.c.Tick(w.t.Context()))
	}
}

func moment(us int64) string { return time.UnixMicro(us).UTC().Format(time.RFC3339Nano) }

// when is now, long ago, soon, or a whole number of days ago, so that windows end at the same instants.
func (w *world) when() int64 {
	switch w.r.IntN(8) {
	case 0:
		return w.now - w.r.Int64N(40*86400)*1e6
	case 1:
		return w.now + 1 + w.r.Int64N(3*86400)*1e6
	case 2:
		return w.now - w.r.Int64N(8)*86400e6
	}
	return w.now
}

// person finds whom a user id, an anonymous id or both name, by the rules of identity: an unknown user id is a new customer; a
// visitor joins the customer that it comes together with; nobody leaves a customer for another.
func (w *world) person() (user, anonymous string, p *oraclePerson) {
	if w.r.IntN(3) > 0 {
		user = fmt.Sprintf("u%d", w.r.IntN(6))
	}
	if user == "" || w.r.IntN(4) == 0 {
		anonymous = fmt.Sprintf("a%d", w.r.IntN(14))
	}
	known := func(id string) *oraclePerson {
		p := w.byID[id]
		for p != nil && p.into != nil {
			p = p.into
		}
		return p
	}
	create := func() *oraclePerson {
		p := &oraclePerson{w: w, user: user, anonymous: anonymous, attrs: map[string]oracleAttr{}, events: map[string][]roweval.Event{}}
		w.people = append(w.people, p)
		return p
	}
	if user == "" {
		if p = known(anonymous); p == nil {
			p = create()
			w.byID[anonymous] = p
		}
		return user, anonymous, p
	}
	if p = known(user); p == nil {
		p = create()
		w.byID[user] = p
	}
	if anonymous != "" {
		switch visitor := known(anonymous); {
		case visitor == nil:
			w.byID[anonymous] = p
		case visitor.user == "":
			w.merge(visitor, p)
		}
	}
	return user, anonymous, p
}

func (w *world) merge(visitor, p *oraclePerson) {
	visitor.into = p
	for name, theirs := range visitor.attrs {
		if mine, has := p.attrs[name]; !theirs.v.IsAbsent() && (!has || mine.at <= theirs.at) {
			p.attrs[name] = theirs
		}
	}
	for typ, events := range visitor.events {
		p.add(typ, events...)
	}
	w.people = slices.DeleteFunc(w.people, func(q *oraclePerson) bool { return q == visitor })
}

func (p *oraclePerson) add(typ string, events ...roweval.Event) {
	p.events[typ] = append(p.events[typ], events...)
	slices.SortFunc(p.events[typ], func(a, b roweval.Event) int {
		x, y := a.(oracleEvent), b.(oracleEvent)
		return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.pos, y.pos))
	})
}

func values(attrs map[string]any) map[string]value.Value {
	out := map[string]value.Value{}
	for name, x := range attrs {
		v, err := value.FromGo(x)
		if err != nil {
			panic(err)
		}
		out[name] = v
	}
	return out
}

func (w *world) event() cdp.Event {
	user, anonymous, p := w.person()
	ev := cdp.Event{Name: pick(w.r, "view", "buy"), UserID: user, AnonymousID: anonymous, Attributes: cdp.Attrs{}}
	if ev.Name == "buy" {
		for name, v := range map[string]any{"category": pick(w.r, "shoes", "hats"), "amount": float64(w.r.IntN(40)), "product": pick(w.r, "p1", "p2", "p3")} {
			ev.Attributes[name] = v
		}
		for _, name := range []string{"amount", "category", "product"} {
			if w.r.IntN(4) == 0 {
				delete(ev.Attributes, name)
			}
		}
	}
	at := w.when()
	if at != w.now || w.r.IntN(2) == 0 {
		ev.Time = time.UnixMicro(at)
	}
	w.position++
	p.add(ev.Name, oracleEvent{at, w.position, values(ev.Attributes)})
	w.log = append(w.log, fmt.Sprintf("event %s of %s %s at %s %v", ev.Name, user, anonymous, moment(at), ev.Attributes))
	return ev
}

func (w *world) identity() cdp.Identity {
	user, anonymous, p := w.person()
	id := cdp.Identity{UserID: user, AnonymousID: anonymous, Attributes: cdp.Attrs{}}
	at := min(w.now, w.when())
	id.Time = time.UnixMicro(at)
	for _, name := range []string{"age", "city", "signup", "store"} {
		var v any
		switch name {
		case "age":
			v = pick[any](w.r, nil, 10.0, 20.0, 40.0)
		case "city":
			v = pick[any](w.r, nil, "Hue", "Hanoi")
		case "signup":
			v = time.UnixMicro(w.when())
		case "store":
			v = pick(w.r, "s1", "s2")
		}
		if w.r.IntN(3) == 0 {
			id.Attributes[name] = v
		}
	}
	for name, v := range values(id.Attributes) {
		// The latest value counts; one that says what is known already is dropped, and does not move its time.
		if old, has := p.attrs[name]; !(has && old.at > at) && !old.v.Equal(v) {
			p.attrs[name] = oracleAttr{v, at}
		}
	}
	w.log = append(w.log, fmt.Sprintf("identify %s %s at %s %v", user, anonymous, moment(at), id.Attributes))
	return id
}

func (w *world) object() cdp.ObjectRecord {
	o := cdp.ObjectRecord{Type: "product", ID: pick(w.r, "p1", "p2", "p3"), Attributes: cdp.Attrs{"brand": pick(w.r, "nike", "puma")}}
	if w.r.IntN(2) == 0 {
		o = cdp.ObjectRecord{Type: "shop", ID: pick(w.r, "s1", "s2"), Attributes: cdp.Attrs{"city": pick(w.r, "Hue", "Hanoi")}}
	}
	at := w.now + pick(w.r, 0, w.r.Int64N(3*86400)*1e6, -w.r.Int64N(10*86400)*1e6)
	o.Time = time.UnixMicro(at)
	key := o.Type + "/" + o.ID
	w.objects[key] = append(w.objects[key], oracleVersion{at, values(o.Attributes)})
	slices.SortStableFunc(w.objects[key], func(a, b oracleVersion) int { return cmp.Compare(a.from, b.from) })
	w.log = append(w.log, fmt.Sprintf("object %s %v from %s", key, o.Attributes, moment(at)))
	return o
}

type oracleFlip struct {
	at  int64
	who string
	in  bool
}

// compare holds every membership, and every flip since the step before, against the oracle. When time passed, that means
// to ask it at every instant at which anything may change.
func (w *world) compare(before int64) {
	instants := []int64{w.now}
	if w.now > before {
		instants = w.instants(before)
	}
	for _, s := range oracleSegments {
		want := []oracleFlip{}
		old := w.members[s.name]
		for _, at := range instants {
			now := map[*oraclePerson]bool{}
			for _, p := range w.people {
				if w.member(s.name, p, at) {
					now[p] = true
				}
			}
			for p := range old {
				if !now[p] {
					want = append(want, oracleFlip{at, p.name(), false})
				}
			}
			for p := range now {
				if !old[p] {
					want = append(want, oracleFlip{at, p.name(), true})
				}
			}
			old = now
		}
		w.members[s.name] = old

		got := []oracleFlip{}
		for _, f := range flipsOf(w.t, w.c.Client, s.name, &cdp.FlipOptions{After: w.seen[s.name]}) {
			got = append(got, oracleFlip{f.Time.UnixMicro(), name(f.UserID, f.AnonymousID), f.Entered})
			w.seen[s.name] = f.Position
		}
		w.compared += len(got)
		order := func(a, b oracleFlip) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.who, b.who)) }
		slices.SortStableFunc(want, order)
		slices.SortStableFunc(got, order)
		require.Equal(w.t, want, got, "flips of %s: %s%s", s.name, s.where, w.story())

		var members, people []string
		for p, err := range w.c.Segments().Members(w.t.Context(), s.name) {
			require.NoError(w.t, err)
			anonymous := ""
			if ids := p.Identifiers["anonymous_id"]; len(ids) > 0 {
				anonymous = ids[0]
			}
			members = append(members, name(p.UserID, anonymous))
		}
		for p := range old {
			people = append(people, p.name())
		}
		require.ElementsMatch(w.t, people, members, "members of %s%s", s.name, w.story())
	}
}

func (p *oraclePerson) name() string {
	for p.into != nil {
		p = p.into
	}
	return name(p.user, p.anonymous)
}

// instants are all at which an answer may change by time alone, after one and up to now: events and versions that were in
// the future, ends of windows, hours and so every midnight.
func (w *world) instants(after int64) []int64 {
	set := map[int64]bool{w.now: true}
	add := func(t int64) {
		for _, t := range []int64{t, t + 1} { // bounds are inclusive or not
			if after < t && t <= w.now {
				set[t] = true
			}
		}
	}
	around := func(t int64) {
		for _, days := range []int64{0, 1, 2, 3, 7} {
			add(t + days*86400e6)
		}
	}
	for _, p := range w.people {
		for _, events := range p.events {
			for _, e := range events {
				around(e.Time())
			}
		}
		if s := p.attrs["signup"].v; !s.IsAbsent() {
			around(s.Time)
		}
	}
	for _, versions := range w.objects {
		for _, v := range versions {
			add(v.from)
		}
	}
	for t := after - after%3600e6; t <= w.now; t += 3600e6 {
		add(t)
	}
	return slices.Sorted(maps.Keys(set))
}

// story is what led here.
func (w *world) story() string {
	out := "\nwhat happened last:"
	for _, line := range w.log[max(0, len(w.log)-25):] {
		out += "\n  " + line
	}
	return out + "\nnow " + moment(w.now)
}
