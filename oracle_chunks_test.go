package cdp_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
	"github.com/embedcdp/cdp/store/memstore"
)

var (
	chunkCases = flag.Int("chunk-cases", 240, "how many questions TestOracleOfChunks asks; 50 with -short")
	chunkSeed  = flag.Uint64("chunk-seed", 0, "the seed of TestOracleOfChunks' first world; a failure prints its own")
)

// TestOracleOfChunks is TestOracle where there is much: a type of event fills chunks of 8,192, many by visitors, and between
// the questions visitors become customers. Every question, of customers or of visitors, is asked twice, because what the
// first looks up about a full chunk is kept for the second, until a link moves one of its events. Reports and the past
// are asked likewise. The answers are those of the naive world.
func TestOracleOfChunks(t *testing.T) {
	cases := *chunkCases
	if testing.Short() {
		cases = min(cases, 50)
	}
	var n chunkCounts
	for seed := *chunkSeed; n.cases < cases; seed++ {
		if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { // a test of its own lets go of its clients when it ends
			w := newChunkWorld(t, seed)
			w.n, w.before = &n, n.cases
			for until := min(cases, n.cases+50); n.cases < until; {
				w.round()
			}
			n.worlds++
		}) {
			return
		}
	}
	t.Logf("%d worlds: %+v", n.worlds, n)
	require.Greater(t, n.yes, n.people/50, "nearly nobody is a member: the conditions test nothing")
	require.Greater(t, n.links, n.cases/4)
	if n.cases >= 240 {
		require.Positive(t, n.reached, "no funnel is gone through")
		require.Positive(t, n.past)
	}
}

// chunkCounts say what was asked.
type chunkCounts struct {
	worlds, cases int
	people, yes   int // answers, and those that are true
	links         int
	reports, past int
	reached       int // people at the last steps of funnels
}

// chunkWorld is a client with much in it beside its naive world.
type chunkWorld struct {
	t    *testing.T
	seed uint64
	r    *rand.Rand
	c    *cdptest.Client
	w    *naiveWorld
	d    *dataMaker
	m    *termMaker
	n    *chunkCounts

	before              int                    // cases of other worlds
	open                func() *cdptest.Client // what is in the store
	visitors, customers int
	customersFirst      bool
	segments            []*naiveSegment // saved
	asked               []*naiveSegment // previewed
	then                []chunkMoment
}

// chunkMoment is an answer that KnownAt has to give ever after.
type chunkMoment struct {
	at      int64
	seg     *naiveSegment
	members []*naivePerson
}

func newChunkWorld(t *testing.T, seed uint64) *chunkWorld {
	r := rand.New(rand.NewPCG(seed, 12))
	s := newNaiveSchema(r)
	w := &chunkWorld{t: t, seed: seed, r: r, w: newNaiveWorld(s), d: newDataMaker(r, s), m: &termMaker{r: r, s: s, deep: 1},
		customers: 100 + r.IntN(200), visitors: 250 + r.IntN(300), customersFirst: r.IntN(2) == 0}
	w.d.now -= 60 * naiveDay
	opt := cdptest.Options{}
	if r.IntN(4) == 0 { // full chunks are read from the store now and then
		opt.Config = cdp.Config{CacheBytes: 4_000_000, CheckpointBytes: 1_000_000}
	}
	opt.Store = memstore.New()
	w.open = func() *cdptest.Client {
		opt.Start = time.UnixMicro(w.d.now)
		return cdptest.New(t, opt)
	}
	w.c = w.open()
	require.NoError(t, w.c.Portal().Save(t.Context(), cdp.Settings{TimeZone: s.zone, WeekStart: strings.ToLower(s.week.String())}))
	require.NoError(t, w.c.Objects().Define(t.Context(), cdp.ObjectType{Name: "thing", Attributes: publicKeys(s.thing)}))
	w.c.DefineProfile(publicKeys(s.profile))
	for _, e := range s.events {
		w.c.Define(cdp.EventType{Name: e.name, Attributes: publicKeys(e.attrs)})
	}
	w.fill()
	return w
}

// fill puts one or two full chunks of one type into the world, and some of the others, in batches over 60 days. Visitors are
// about for some days only, so that a link moves events of a few chunks, and nobody is so busy that CEL gives up. Where customers were there first, and no others come, all
// rows behind them are visitors'.
func (w *chunkWorld) fill() {
	orderly := w.r.IntN(2) == 0
	first := func(i int) {
		w.do(naiveAction{at: w.d.now, identify: &cdp.Identity{UserID: fmt.Sprint("u", i), Time: time.UnixMicro(w.d.now), Attributes: w.d.attributes(w.d.s.profile)}})
	}
	for i := range w.customers {
		if w.customersFirst {
			first(i)
		}
	}
	for range 6 {
		w.do(w.put())
	}
	events := 9_500 + w.r.IntN(10_000)
	var batch []cdp.Event
	for i := range events {
		about := i * w.visitors / events
		w.d.who = func() (string, string) {
			if w.r.IntN(3) == 0 {
				return fmt.Sprint("u", w.r.IntN(w.customers)), ""
			}
			return "", fmt.Sprint("a", (about+w.r.IntN(40))%w.visitors)
		}
		ev := w.d.event()
		if orderly || w.r.IntN(50) > 0 {
			ev.Time = time.UnixMicro(w.d.now - w.r.Int64N(600e6))
		}
		if w.r.IntN(8) > 0 && ev.Name != w.d.s.events[0].name { // mostly the first type
			ev.Name, ev.Attributes = w.d.s.events[0].name, w.d.attributes(w.d.s.events[0].attrs)
		}
		batch = append(batch, ev)
		w.d.now += 60 * naiveDay / int64(events)
		if len(batch) == 1000 || i == events-1 {
			w.do(naiveAction{at: w.d.now, track: batch})
			batch = nil
		}
	}
	for i := range w.customers {
		if !w.customersFirst {
			first(i)
		}
	}
	w.d.who = func() (user, anonymous string) {
		if w.r.IntN(2) == 0 {
			return fmt.Sprint("u", w.r.IntN(w.customers)), ""
		}
		return "", w.visitor()
	}
	for i := range 4 {
		seg := w.condition(fmt.Sprint("saved", i))
		w.segments = append(w.segments, seg)
		require.NoError(w.t, w.c.Segments().Save(w.t.Context(), seg.public()), seg.term.text)
	}
}

func (w *chunkWorld) visitor() string { return fmt.Sprint("a", w.r.IntN(w.visitors)) }

// condition is any, or one that is a scan of events.
func (w *chunkWorld) condition(name string) *naiveSegment {
	seg := w.m.segment(name, slices.Clone(w.segments), w.d.now)
	seg.visitors = w.r.IntN(3) == 0
	switch w.r.IntN(4) {
	case 0:
		seg.term = comparison(w.m.count(1), w.m.op(), literalNumber(pick(w.r, 0, 1, 5, 20.0)))
	case 1:
		seg.term = comparison(w.m.aggregate(1, pick(w.r, "sum", "avg", "min", "max"), "number"), w.m.op(), literalNumber(pick(w.r, naiveNumbers[1:]...)))
	}
	return seg
}

// put is a version of an object, never of the future: what was true and what was known differ there.
func (w *chunkWorld) put() naiveAction {
	o := &cdp.ObjectRecord{Type: "thing", ID: w.d.thing(), Time: time.UnixMicro(min(w.d.now, w.d.when())), Attributes: cdp.Attrs{}}
	for _, attr := range w.d.s.thing {
		o.Attributes[attr.name] = w.d.value(attr.decl)
	}
	return naiveAction{at: w.d.now, put: o}
}

func (w *chunkWorld) do(a naiveAction) { require.NoError(w.t, a.do(w.c, w.w)) }

// round lets something happen and asks.
func (w *chunkWorld) round() {
	if w.r.IntN(30) == 0 {
		require.NoError(w.t, w.c.Close())
		w.c = w.open()
	}
	w.happens()
	seg := w.condition("new")
	w.ask(seg)
	if len(w.asked) > 0 {
		w.ask(pick(w.r, w.asked...))
	}
	w.asked = append(w.asked, seg)
	w.live(pick(w.r, w.segments...))
	w.report()
	w.n.cases += 3
	if w.r.IntN(5) == 0 {
		w.past()
	}
}

// happens makes some visitors customers, by an event or by who they say they are, and lets some time pass.
func (w *chunkWorld) happens() {
	w.d.now += 1 + pick(w.r, 0, 0, w.r.Int64N(3600e6), w.r.Int64N(3*naiveDay))
	for range w.r.IntN(4) {
		user, visitor := fmt.Sprint("u", w.r.IntN(w.customers)), w.visitor()
		if !w.customersFirst && w.r.IntN(8) == 0 {
			user = fmt.Sprint("new", w.r.IntN(1000))
		}
		before := len(w.w.people)
		if w.r.IntN(2) == 0 {
			ev := w.d.event()
			ev.UserID, ev.AnonymousID = user, visitor
			w.do(naiveAction{at: w.d.now, track: []cdp.Event{ev}})
		} else {
			w.do(naiveAction{at: w.d.now, identify: &cdp.Identity{UserID: user, AnonymousID: visitor, Time: time.UnixMicro(min(w.d.now, w.d.when())), Attributes: w.d.attributes(w.d.s.profile)}})
		}
		if len(w.w.people) < before {
			w.n.links++
		}
	}
	if w.r.IntN(6) == 0 {
		w.do(w.put())
	}
	a := naiveAction{at: w.d.now, track: []cdp.Event{w.d.event()}}
	if w.r.IntN(6) == 0 {
		for range 300 {
			a.track = append(a.track, w.d.event())
		}
	}
	w.do(a)
	w.do(naiveAction{at: w.d.now, tick: true})
}

func (w *chunkWorld) about(seg *naiveSegment) string {
	return fmt.Sprintf("go test -run 'TestOracleOfChunks$' -chunk-seed %d, after %d cases: %s (visitors %v)", w.seed, w.n.cases-w.before, seg.term.text, seg.visitors)
}

func (w *chunkWorld) members(seg *naiveSegment) []string {
	want := w.w.members(seg)
	w.n.people, w.n.yes = w.n.people+len(w.w.people), w.n.yes+len(want)
	return want
}

func (w *chunkWorld) ask(seg *naiveSegment) {
	want := w.members(seg)
	for _, first := range []bool{true, false} {
		set, err := w.c.Segments().Preview(w.t.Context(), seg.public())
		require.NoError(w.t, err, w.about(seg))
		require.Equal(w.t, want, namesOf(w.t, set), "first %v, %s", first, w.about(seg))
	}
}

// live asks for the members of a saved segment, and what Explain foretells of one.
func (w *chunkWorld) live(seg *naiveSegment) {
	set, err := w.c.Segments().Set(w.t.Context(), seg.name)
	require.NoError(w.t, err)
	require.Equal(w.t, w.members(seg), namesOf(w.t, set), w.about(seg))
	script := &oracleScript{schema: w.w.schema}
	_, problem := script.flip(w.t, w.c, w.w, seg)
	require.Empty(w.t, problem, w.about(seg))
}

// past asks what was known when something was asked before, whoever has become a customer since. What is true now, by
// all that is known now, is what is.
func (w *chunkWorld) past() {
	w.n.past++
	seg := pick(w.r, w.asked...)
	set, err := w.c.TrueAt(time.UnixMicro(w.w.now)).Preview(w.t.Context(), seg.public())
	require.NoError(w.t, err, w.about(seg))
	require.Equal(w.t, w.members(seg), namesOf(w.t, set), w.about(seg))
	now := chunkMoment{at: w.w.now, seg: seg}
	for _, p := range w.w.people {
		if w.w.member(seg, p, w.w.now) {
			now.members = append(now.members, p)
		}
	}
	w.then = append(w.then, now)
	then := pick(w.r, w.then...)
	set, err = w.c.KnownAt(time.UnixMicro(then.at)).Preview(w.t.Context(), then.seg.public())
	require.NoError(w.t, err, w.about(then.seg))
	var want []string
	for _, p := range then.members {
		for p.into != nil {
			p = p.into
		}
		want = append(want, name(p.user, p.anonymous))
	}
	slices.Sort(want)
	require.Equal(w.t, want, namesOf(w.t, set), "known at %s, %s", moment(then.at), w.about(then.seg))
}
