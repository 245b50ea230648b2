package cdp_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
)

var pastSeeds = flag.Int("past-seeds", 6, "how many random histories TestPastAgainstClients runs; 1 with -short")

// TestPastAgainstClients lets random things happen to one client and asks it about random instants. The oracles are other
// clients, asked about their present, whose clocks stand at the instant:
//
//	KnownAt  one that was told the same up to then, at the same times: every answer must be the same
//	TrueAt   one that was told, at that instant, exactly what has a time not after it; of the rest it was told who is who
func TestPastAgainstClients(t *testing.T) {
	seeds := *pastSeeds
	if testing.Short() {
		seeds = 1
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			h := newHistory(t, seed)
			for range 6 {
				for range 30 {
					h.step()
				}
				for range 3 {
					at := h.instant()
					h.compare(h.c.KnownAt(at), h.stopped(at), true)
					h.compare(h.c.TrueAt(at), h.told(at), false)
				}
			}
			t.Logf("%d memberships, %d lines of timelines compared", h.members, h.lines)
			require.Greater(t, h.members, 500)
			require.Greater(t, h.lines, 500)
		})
	}
}

// history is what happened, in order.
type history struct {
	t              *testing.T
	c              *cdptest.Client
	r              *rand.Rand
	steps          []happening
	members, lines int // compared
}

// happening is one call at one time of the clock; one of the fields after it is set, or none: the client looked at the clock.
type happening struct {
	at       time.Time
	events   []cdp.Event
	history  bool // the events are imported
	identity *cdp.Identity
	object   *cdp.ObjectRecord
}

var historyBegins = time.Date(2026, 2, 20, 0, 0, 0, 0, time.UTC)

func newHistory(t *testing.T, seed uint64) *history {
	return &history{t: t, r: rand.New(rand.NewPCG(seed, 11)), c: historian(t, historyBegins)}
}

// historian opens a client with the definitions that all have: of every segment of the oracle, in a time zone with DST, and
// a journey.
func historian(t *testing.T, at time.Time) *cdptest.Client {
	c := cdptest.New(t, cdptest.Options{Start: at})
	ctx := t.Context()
	require.NoError(t, c.Portal().Save(ctx, cdp.Settings{TimeZone: "America/New_York"}))
	require.NoError(t, c.Objects().Define(ctx, cdp.ObjectType{Name: "product", Attributes: cdp.Schema{"brand": cdp.String}}))
	require.NoError(t, c.Objects().Define(ctx, cdp.ObjectType{Name: "shop", Attributes: cdp.Schema{"city": cdp.String}}))
	c.DefineProfile(cdp.Schema{"age": cdp.Number, "city": cdp.String, "signup": cdp.Datetime, "store": cdp.Ref("shop")})
	c.Define(cdp.EventType{Name: "view"}, cdp.EventType{Name: "buy", Attributes: cdp.Schema{
		"category": cdp.String, "amount": cdp.Number, "product": cdp.Ref("product"), "gift": cdp.Boolean}})
	for _, s := range oracleSegments {
		of := cdp.Customers
		if s.visitors {
			of = cdp.Visitors
		}
		require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: s.name, Where: s.where, Of: of}))
	}
	c.SaveJourney(cdp.Journey{Name: "thanks", Entry: cdp.Entry{Event: "buy"}, Nodes: []cdp.Node{cdp.Delay("wait", "2d", "end"), cdp.End("end", "")}})
	return c
}

func (h *history) step() {
	now := h.c.Clock.Now()
	x := happening{}
	switch n := h.r.IntN(10); {
	case n < 4:
		x.events = []cdp.Event{h.event(now)}
	case n < 5:
		x.history = true
		for range 1 + h.r.IntN(5) {
			x.events = append(x.events, h.event(now))
		}
	case n < 8:
		x.identity = h.identity(now)
	case n < 9:
		x.object = h.object(now)
	}
	if x.events == nil && x.identity == nil && x.object == nil || h.r.IntN(2) == 0 {
		now = now.Add(time.Duration(h.r.Int64N(3*86400e6)) * time.Microsecond)
		if due, ok := h.c.NextDue(); ok && h.r.IntN(2) == 0 && due.Before(now) {
			now = due
		}
	}
	x.at = now
	h.steps = append(h.steps, x)
	h.does(h.c, x)
}

// does lets one thing happen to a client.
func (h *history) does(c *cdptest.Client, x happening) {
	var err error
	ctx := h.t.Context()
	c.Clock.Set(x.at)
	switch {
	case x.identity != nil:
		_, err = c.Identify(ctx, *x.identity)
	case x.object != nil:
		_, err = c.Objects().Put(ctx, *x.object)
	case x.history:
		_, err = c.Import(ctx, x.events...)
	case len(x.events) > 0:
		_, err = c.Track(ctx, x.events...)
	default:
		err = c.Tick(ctx)
	}
	require.NoError(h.t, err)
}

// when is mostly now; else long ago, soon, or a whole number of days ago.
func (h *history) when(now time.Time) time.Time {
	switch h.r.IntN(8) {
	case 0:
		return now.Add(-time.Duration(h.r.Int64N(30*86400)) * time.Second)
	case 1:
		return now.Add(time.Duration(h.r.Int64N(3*86400)) * time.Second)
	case 2:
		return now.AddDate(0, 0, -h.r.IntN(8))
	}
	return now
}

// person is a customer, a visitor, or a customer with the visitor they are; sometimes with an email, which may link too.
func (h *history) person() (user, anonymous string, others map[string]string) {
	if h.r.IntN(3) > 0 {
		user = fmt.Sprint("u", h.r.IntN(6))
	}
	if user == "" || h.r.IntN(5) == 0 {
		anonymous = fmt.Sprint("a", h.r.IntN(14))
	}
	if h.r.IntN(6) == 0 {
		others = map[string]string{"email": fmt.Sprintf("e%d@example.com", h.r.IntN(8))}
	}
	return user, anonymous, others
}

func (h *history) event(now time.Time) cdp.Event {
	user, anonymous, others := h.person()
	ev := cdp.Event{ID: fmt.Sprint("id", h.r.Uint64()), Name: pick(h.r, "view", "buy"), UserID: user, AnonymousID: anonymous, Identifiers: others, Time: h.when(now), Attributes: cdp.Attrs{}}
	if ev.Name == "buy" {
		for name, v := range map[string]any{"category": pick(h.r, "shoes", "hats"), "amount": float64(h.r.IntN(40)), "product": pick(h.r, "p1", "p2", "p3"), "gift": h.r.IntN(2) == 0} {
			ev.Attributes[name] = v
		}
		for _, name := range []string{"amount", "category", "gift", "product"} {
			if h.r.IntN(4) == 0 {
				delete(ev.Attributes, name)
			}
		}
	}
	return ev
}

func (h *history) identity(now time.Time) *cdp.Identity {
	user, anonymous, others := h.person()
	id := &cdp.Identity{UserID: user, AnonymousID: anonymous, Identifiers: others, Attributes: cdp.Attrs{}, Time: h.when(now)}
	if h.r.IntN(3) == 0 {
		id.Attributes["age"] = pick(h.r, 10.0, 20.0, 40.0)
	}
	if h.r.IntN(3) == 0 {
		id.Attributes["city"] = pick(h.r, "Hue", "Hanoi")
	}
	if h.r.IntN(3) == 0 {
		id.Attributes["signup"] = h.when(now)
	}
	if h.r.IntN(3) == 0 {
		id.Attributes["store"] = pick(h.r, "s1", "s2")
	}
	if h.r.IntN(3) == 0 {
		id.Attributes[pick(h.r, "age", "city", "signup")] = nil
	}
	return id
}

func (h *history) object(now time.Time) *cdp.ObjectRecord {
	o := &cdp.ObjectRecord{Type: "product", ID: pick(h.r, "p1", "p2", "p3"), Time: h.when(now), Attributes: cdp.Attrs{"brand": pick(h.r, "nike", "puma")}}
	if h.r.IntN(2) == 0 {
		o.Type, o.ID, o.Attributes = "shop", pick(h.r, "s1", "s2"), cdp.Attrs{"city": pick(h.r, "Hue", "Hanoi")}
	}
	return o
}

// instant is now, that of something that happened, the one just before, or any.
func (h *history) instant() time.Time {
	at := h.steps[h.r.IntN(len(h.steps))].at
	switch h.r.IntN(6) {
	case 0:
		return h.c.Clock.Now()
	case 1:
		if at.After(historyBegins) {
			return at.Add(-time.Microsecond)
		}
	case 2:
		return historyBegins.Add(time.Duration(h.r.Int64N(int64(h.c.Clock.Now().Sub(historyBegins)) + 1))).Truncate(time.Microsecond)
	}
	return at
}

// stopped is a client that was told the same up to an instant, where its clock stopped.
func (h *history) stopped(at time.Time) *cdptest.Client {
	c := historian(h.t, historyBegins)
	for _, x := range h.steps {
		if !x.at.After(at) {
			h.does(c, x)
		}
	}
	c.Clock.Set(at)
	return c
}

// told is a client that was told everything with a time not after an instant, at that instant.
func (h *history) told(at time.Time) *cdptest.Client {
	c := historian(h.t, at)
	who := func(user, anonymous string, others map[string]string) {
		h.does(c, happening{at: at, identity: &cdp.Identity{UserID: user, AnonymousID: anonymous, Identifiers: others}})
	}
	for _, x := range h.steps {
		switch {
		case x.identity != nil && x.identity.Time.After(at):
			who(x.identity.UserID, x.identity.AnonymousID, x.identity.Identifiers)
		case x.identity != nil:
			h.does(c, happening{at: at, identity: x.identity})
		case x.object != nil && !x.object.Time.After(at):
			h.does(c, happening{at: at, object: x.object})
		}
		for _, ev := range x.events {
			if ev.Time.After(at) {
				who(ev.UserID, ev.AnonymousID, ev.Identifiers)
			} else {
				h.does(c, happening{at: at, events: []cdp.Event{ev}, history: x.history})
			}
		}
	}
	return c
}

// compare holds all answers about the past against those of a client in its present. same says that also what the platform did,
// and when, must be the same.
func (h *history) compare(past cdp.Past, now *cdptest.Client, same bool) {
	t, ctx := h.t, h.t.Context()
	about := fmt.Sprintf("known=%v at %s, %d things happened", same, past.At(), len(h.steps))
	for _, i := range h.r.Perm(len(oracleSegments)) { // those that ask for others come before them, or after
		s := oracleSegments[i]
		want, got := []cdp.Profile{}, []cdp.Profile{}
		for p, err := range now.Segments().Members(ctx, s.name) {
			require.NoError(t, err)
			want = append(want, comparable(p, same))
		}
		n, err := past.Count(ctx, s.name)
		require.NoError(t, err)
		require.Equal(t, len(want), n, "members of %s: %s, %s", s.name, s.where, about)
		if h.r.IntN(4) == 0 { // all segments are derived for it: not each time, so that one alone is derived too
			for p, err := range past.Members(ctx, s.name) {
				require.NoError(t, err)
				got = append(got, comparable(p, same))
			}
			require.Equal(t, want, got, "members of %s: %s, %s", s.name, s.where, about)
		}
		h.members += len(want)
		of := cdp.Customers
		if s.visitors {
			of = cdp.Visitors
		}
		set, err := past.Preview(ctx, cdp.Segment{Name: "preview", Where: s.where, Of: of})
		require.NoError(t, err)
		require.Equal(t, len(want), set.Len(), "preview of %s: %s, %s", s.name, s.where, about)
		for u := range 6 {
			user := fmt.Sprint("u", u)
			want, wantErr := now.Segments().Contains(ctx, s.name, user)
			got, gotErr := past.Contains(ctx, s.name, user)
			require.Equal(t, wantErr == nil, gotErr == nil, "%s in %s, %s: %v, %v", user, s.name, about, wantErr, gotErr)
			require.Equal(t, want, got, "%s in %s, %s", user, s.name, about)
		}
	}
	for _, kind := range []string{"user_id", "anonymous_id", "email"} {
		for n := range 14 {
			id := fmt.Sprint(kind[:1], n)
			if kind == "email" {
				id += "@example.com"
			}
			h.comparePerson(past, now, kind, id, same, about)
		}
	}
	h.compareReports(past, now, about)
}

func (h *history) comparePerson(past cdp.Past, now *cdptest.Client, kind, id string, same bool, about string) {
	t, ctx := h.t, h.t.Context()
	want, wantErr := now.Profiles().Find(ctx, kind, id)
	got, gotErr := past.Find(ctx, kind, id)
	require.Equal(t, wantErr, gotErr, "%s %s, %s", kind, id, about)
	require.Equal(t, comparable(want, same), comparable(got, same), "%s %s, %s", kind, id, about)
	if wantErr != nil {
		return
	}
	opt := &cdp.TimelineOptions{Kind: kind, Limit: 1000}
	if !same {
		opt.Only = []string{"view", "buy"}
	}
	wantLines, err := now.Profiles().Timeline(ctx, id, opt)
	require.NoError(t, err)
	gotLines, err := past.Timeline(ctx, id, opt)
	require.NoError(t, err)
	h.lines += len(wantLines)
	if same {
		require.Equal(t, wantLines, gotLines, "%s %s, %s", kind, id, about)
		return
	}
	require.Equal(t, lines(wantLines), lines(gotLines), "%s %s, %s", kind, id, about)
}

func lines(list []cdp.TimelineEvent) (out []string) {
	for _, e := range list {
		out = append(out, fmt.Sprint(e.Time, e.Name, e.ID, e.Attributes))
	}
	return out
}

// comparable leaves out what the past does not keep: where in a journey somebody was, and, unless the same things happened at
// the same times, since when they were in a segment and what journeys they were in.
func comparable(p cdp.Profile, same bool) cdp.Profile {
	for i := range p.Journeys {
		p.Journeys[i].Node, p.Journeys[i].Since, p.Journeys[i].Due = "", time.Time{}, time.Time{}
	}
	if !same {
		p.Journeys = nil
		for name := range p.Segments {
			p.Segments[name] = time.Time{}
		}
	}
	return p
}

// reports are the answers that both the past and the present give.
type reports interface {
	Trend(ctx context.Context, q cdp.Trend) (cdp.TrendReport, error)
	Funnel(ctx context.Context, q cdp.Funnel) (cdp.FunnelReport, error)
	Retention(ctx context.Context, q cdp.Retention) (cdp.RetentionReport, error)
}

func (h *history) compareReports(past cdp.Past, now *cdptest.Client, about string) {
	rng := cdp.Between(historyBegins.AddDate(0, -1, 0), h.c.Clock.Now().AddDate(0, 0, 4))
	segment := pick(h.r, "", "spent", "nike", "hot", "chain")
	ask := func(r reports) (out []any) {
		ctx := h.t.Context()
		trend, err := r.Trend(ctx, cdp.Trend{Range: rng, Interval: cdp.Weekly, Segment: segment, Series: []cdp.Series{
			{Event: "view", Measure: cdp.People}, {Event: "buy", Measure: cdp.Sum, Value: "amount", By: "category"},
			{Event: "buy", By: "product.brand"}, {Event: "buy", By: "gift", Where: `e.amount > 10`}}})
		require.NoError(h.t, err)
		out = append(out, trend.Starts, trend.Lines)
		funnel, err := r.Funnel(ctx, cdp.Funnel{Steps: []cdp.Step{{Event: "view"}, {Event: "buy", Where: `e.product.brand == "nike"`}}, Window: "7d", Segment: segment})
		require.NoError(h.t, err)
		for _, s := range funnel.Steps {
			out = append(out, []any{s.Name, s.People, s.OfFirst, s.OfPrevious, s.MedianTime, s.Reached.Len(), s.Dropped.Len()})
		}
		retention, err := r.Retention(ctx, cdp.Retention{Start: cdp.Step{Event: "view"}, Return: cdp.Step{Event: "buy"}, Range: rng, Segment: segment})
		require.NoError(h.t, err)
		return append(out, retention.Cohorts)
	}
	want := ask(now.Insights())
	require.False(h.t, slices.Contains(want, nil))
	require.Equal(h.t, want, ask(past), "reports of %q, %s", segment, about)
}
