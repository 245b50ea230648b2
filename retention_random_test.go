package cdp_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/internal/keyspace"
	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/memstore"
)

var retentionSeeds = flag.Int("retention-seeds", 1, "how many random histories TestRetentionAgainstList runs")

// TestRetentionAgainstList lets random things happen to a client whose events are dropped, and to a plain list of events of
// which the oldest blocks are cut off by the rule in the documentation. Counts, members, flips, timelines, trends, funnels and
// questions about the past must be those of the list: while it runs, opened again, and opened from either checkpoint after
// the process was gone.
func TestRetentionAgainstList(t *testing.T) {
	for seed := range uint64(*retentionSeeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			l := newEventList(t, seed)
			for n := range 66 {
				l.step()
				l.checkCounts(l.c)
				if n%13 == 12 {
					l.checkAll(l.c)
					l.checkPast()
				}
				if n%22 == 21 {
					l.checkCopies()
					require.NoError(t, l.c.Close())
					l.open()
					l.checkAll(l.c)
				}
			}
			require.NoError(t, l.c.Close())
			t.Logf("%d and %d of %d and %d events dropped, %d flips by that; of questions about the past %d answered, %d refused",
				l.dropped("view"), l.dropped("buy"), len(l.events["view"]), len(l.events["buy"]), l.flips, l.answered, l.refused)
			require.Greater(t, l.dropped("view"), 2*8192)
			require.GreaterOrEqual(t, l.dropped("buy"), 8192)
			require.Greater(t, l.flips, 50)
			require.Greater(t, l.answered, 30)
			require.Greater(t, l.refused, 30)
		})
	}
}

// eventList is a client and the list that its answers are compared with.
type eventList struct {
	t      *testing.T
	r      *rand.Rand
	st     store.Store
	c      *cdp.Client
	now    time.Time
	events map[string][]listedEvent // by type, in order of arrival
	keep   map[string]time.Duration
	owner  map[string]string    // of visitors that became customers
	since  map[string]time.Time // when they did
	cache  int64
	blocks map[string][]listedBlock // that are full, by type

	flips, answered, refused int
}

type listedEvent struct {
	id, who       string
	time, arrived time.Time
	kind          string
	amount        float64
}

// listedSegment is a condition and the same by hand, about a person's views and buys that have happened, oldest first.
type listedSegment struct {
	name, where string
	view, buy   time.Duration // how far back it looks; 0 not at all
	holds       func(views, buys []listedEvent, now time.Time) bool
}

const ever = time.Duration(1<<63 - 1)

func lately(events []listedEvent, now time.Time, d time.Duration) (n int) {
	for _, e := range events {
		if e.time.After(now.Add(-d)) {
			n++
		}
	}
	return n
}

func sumOf(events []listedEvent, kind string) (sum float64, n int) {
	for _, e := range events {
		if kind == "" || e.kind == kind {
			sum += e.amount
			n++
		}
	}
	return sum, n
}

var listedSegments = []listedSegment{
	{"ever", `events.view.size() >= 40`, ever, 0, func(v, _ []listedEvent, _ time.Time) bool { return len(v) >= 40 }},
	{"few", `events.view.size() > 0 && events.view.size() < 30`, ever, 0, func(v, _ []listedEvent, _ time.Time) bool { return len(v) > 0 && len(v) < 30 }},
	{"week", `events.view.within("7d").size() >= 20`, 7 * 24 * time.Hour, 0, func(v, _ []listedEvent, now time.Time) bool { return lately(v, now, 7*24*time.Hour) >= 20 }},
	{"day", `events.view.within("1d").size() >= 4`, 24 * time.Hour, 0, func(v, _ []listedEvent, now time.Time) bool { return lately(v, now, 24*time.Hour) >= 4 }},
	{"month", `events.view.within("30d").size() >= 45`, 30 * 24 * time.Hour, 0, func(v, _ []listedEvent, now time.Time) bool { return lately(v, now, 30*24*time.Hour) >= 45 }},
	{"spent", `events.buy.sum(e, e.amount) > 1500.0`, 0, ever, func(_, b []listedEvent, _ time.Time) bool { s, _ := sumOf(b, ""); return s > 1500 }},
	{"average", `events.buy.filter(e, e.kind == "a").avg(e, e.amount) > 50`, 0, ever, func(_, b []listedEvent, _ time.Time) bool { s, n := sumOf(b, "a"); return n > 0 && s > 50*float64(n) }},
	{"recent_sum", `events.view.within("10d").sum(e, e.amount) > 1000`, 240 * time.Hour, 0, func(v, _ []listedEvent, now time.Time) bool {
		s, _ := sumOf(slices.DeleteFunc(slices.Clone(v), func(e listedEvent) bool { return !e.time.After(now.Add(-240 * time.Hour)) }), "")
		return s > 1000
	}},
	{"began", `events.view.first().kind == "a"`, ever, 0, func(v, _ []listedEvent, _ time.Time) bool { return len(v) > 0 && v[0].kind == "a" }},
	{"lapsed", `events.view.size() > 0 && events.view.within("2d").size() == 0`, ever, 0, func(v, _ []listedEvent, now time.Time) bool { return len(v) > 0 && lately(v, now, 48*time.Hour) == 0 }},
	{"kinds", `events.buy.countDistinct(e, e.kind) >= 3`, 0, ever, func(_, b []listedEvent, _ time.Time) bool {
		kinds := map[string]bool{}
		for _, e := range b {
			kinds[e.kind] = true
		}
		return len(kinds) >= 3
	}},
	{"cel", `events.view.exists(e, e.amount * 2.0 > 197.0)`, ever, 0, func(v, _ []listedEvent, _ time.Time) bool {
		return slices.ContainsFunc(v, func(e listedEvent) bool { return e.amount*2 > 197 })
	}},
	{"chain", `inSegment("ever") && !inSegment("week")`, ever, 0, func(v, _ []listedEvent, now time.Time) bool {
		return len(v) >= 40 && lately(v, now, 7*24*time.Hour) < 20
	}},
}

var listBegins = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func newEventList(t *testing.T, seed uint64) *eventList {
	l := &eventList{t: t, r: rand.New(rand.NewPCG(seed, 77)), st: memstore.New(), now: listBegins,
		events: map[string][]listedEvent{}, blocks: map[string][]listedBlock{}, keep: map[string]time.Duration{"view": 7 * 24 * time.Hour, "buy": 10 * 24 * time.Hour},
		owner: map[string]string{}, since: map[string]time.Time{}, cache: []int64{3_000_000, -1}[seed%2]}
	l.open()
	attributes := cdp.Schema{"kind": cdp.String, "amount": cdp.Number}
	require.NoError(t, l.c.Events().Define(t.Context(), cdp.EventType{Name: "view", Attributes: attributes, Retention: "7d"}))
	require.NoError(t, l.c.Events().Define(t.Context(), cdp.EventType{Name: "buy", Attributes: attributes, Retention: "10d"}))
	for _, s := range listedSegments {
		require.NoError(t, l.c.Segments().Save(t.Context(), cdp.Segment{Name: s.name, Where: s.where}))
	}
	return l
}

func (l *eventList) open() { l.c = l.opened(l.st) }

func (l *eventList) opened(st store.Store) *cdp.Client {
	c, err := cdp.New(st, cdp.Config{Now: func() time.Time { return l.now }, CheckpointBytes: 250_000, CacheBytes: l.cache})
	require.NoError(l.t, err)
	return c
}

// step lets some time pass, then some events come, or a visitor becomes a customer.
func (l *eventList) step() {
	l.now = l.now.Add(time.Duration(l.r.Int64N(20*3600e6)) * time.Microsecond)
	if l.r.IntN(12) == 0 {
		l.now = l.now.Add(time.Duration(l.r.Int64N(72*3600e6)) * time.Microsecond)
	}
	for range l.r.IntN(3) {
		visitor, user := fmt.Sprint("a", l.r.IntN(30)), fmt.Sprint("u", l.r.IntN(300))
		if l.owner[visitor] != "" {
			continue
		}
		_, err := l.c.Identify(l.t.Context(), cdp.Identity{UserID: user, AnonymousID: visitor})
		require.NoError(l.t, err)
		l.owner[visitor], l.since[visitor] = user, l.now
	}
	var events []cdp.Event
	for range 600 + l.r.IntN(1100) {
		e := listedEvent{id: fmt.Sprint("e", l.r.Uint64()), arrived: l.now, time: l.now.Add(-time.Duration(l.r.Int64N(3600e6)) * time.Microsecond),
			kind: pick(l.r, "a", "b", "c", "d"), amount: float64(l.r.IntN(100))}
		switch l.r.IntN(40) {
		case 0:
			e.time = l.now.Add(-time.Duration(l.r.Int64N(20*86400e6)) * time.Microsecond)
		case 1:
			e.time = l.now.Add(time.Duration(l.r.Int64N(86400e6)) * time.Microsecond)
		}
		switch l.r.IntN(10) {
		case 0:
			e.who = fmt.Sprint("a", l.r.IntN(30))
		case 1, 2:
			e.who = "u0"
		default:
			e.who = fmt.Sprint("u", l.r.IntN(300))
		}
		name := pick(l.r, "view", "view", "buy")
		l.events[name] = append(l.events[name], e)
		ev := cdp.Event{ID: e.id, Name: name, Time: e.time, Attributes: cdp.Attrs{"kind": e.kind, "amount": e.amount}}
		if e.who[0] == 'a' {
			ev.AnonymousID = e.who
		} else {
			ev.UserID = e.who
		}
		events = append(events, ev)
	}
	var err error
	if l.r.IntN(3) == 0 {
		_, err = l.c.Import(l.t.Context(), events...)
	} else {
		_, err = l.c.Track(l.t.Context(), events...)
	}
	require.NoError(l.t, err)
}

// listedBlock is 8,192 events with one more behind them: the time of the newest, and when all are older than the retention.
type listedBlock struct{ newest, free time.Time }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// dropped is how many events of a type are gone.
func (l *eventList) dropped(name string) (n int) {
	for len(l.events[name]) > (len(l.blocks[name])+1)*8192 {
		var b listedBlock
		from := len(l.blocks[name]) * 8192
		for _, e := range l.events[name][from : from+8192] {
			b.newest = later(b.newest, e.time)
			b.free = later(b.free, later(e.time.Add(l.keep[name]), e.arrived.Add(l.keep[name]+7*24*time.Hour/32)))
		}
		l.blocks[name] = append(l.blocks[name], b)
	}
	for _, b := range l.blocks[name] {
		if b.free.After(l.now) {
			break
		}
		n += 8192
	}
	return n
}

func (l *eventList) kept(name string) []listedEvent { return l.events[name][l.dropped(name):] }

// byPerson are the events, in order of time, by customer or visitor, of those that a question sees.
func (l *eventList) byPerson(name string, owner map[string]string, sees func(listedEvent) bool) map[string][]listedEvent {
	out := map[string][]listedEvent{}
	for _, e := range l.kept(name) {
		if sees(e) {
			who := cmp.Or(owner[e.who], e.who)
			out[who] = append(out[who], e)
		}
	}
	for _, events := range out {
		slices.SortStableFunc(events, func(a, b listedEvent) int { return a.time.Compare(b.time) })
	}
	return out
}

// members are the customers for whom each segment holds.
func (l *eventList) members(at time.Time, owner map[string]string, sees func(listedEvent) bool) map[string][]string {
	out := map[string][]string{}
	views, buys := l.byPerson("view", owner, sees), l.byPerson("buy", owner, sees)
	for n := range 300 {
		for _, s := range listedSegments {
			if who := fmt.Sprint("u", n); s.holds(views[who], buys[who], at) {
				out[s.name] = append(out[s.name], who)
			}
		}
	}
	for _, s := range listedSegments {
		slices.Sort(out[s.name])
	}
	return out
}

func (l *eventList) checkCounts(c *cdp.Client) {
	for name := range l.events {
		n, err := c.Events().Count(l.t.Context(), name)
		require.NoError(l.t, err)
		require.Equal(l.t, len(l.kept(name)), n, name)
	}
	members := l.members(l.now, l.owner, func(e listedEvent) bool { return !e.time.After(l.now) })
	for _, s := range listedSegments {
		n, err := c.Segments().Count(l.t.Context(), s.name)
		require.NoError(l.t, err)
		require.Equal(l.t, len(members[s.name]), n, s.name)
	}
}

func (l *eventList) checkAll(c *cdp.Client) {
	ctx, t := l.t.Context(), l.t
	members := l.members(l.now, l.owner, func(e listedEvent) bool { return !e.time.After(l.now) })
	instants := map[time.Time]bool{}
	for name := range l.events {
		for _, b := range l.blocks[name][:l.dropped(name)/8192] {
			instants[b.free] = true
		}
	}
	l.flips = 0
	for _, s := range listedSegments {
		want := members[s.name]
		require.Equal(t, want, userIDs(t, c.Segments().Members(ctx, s.name)), s.name)
		set, err := c.Segments().Preview(ctx, cdp.Segment{Name: "asked", Where: s.where})
		require.NoError(t, err)
		require.Equal(t, want, userIDs(t, set.Members(ctx)), "preview of %s", s.name)
		for f, err := range c.Segments().Flips(ctx, s.name, nil) {
			require.NoError(t, err)
			if f.Cause == "retention" {
				require.True(t, instants[f.Time], "%s flips at %v by retention", s.name, f.Time)
				l.flips++
			}
		}
	}
	for _, who := range []string{"u0", "u7"} {
		var want, got []string
		all := append(l.byPerson("view", l.owner, func(listedEvent) bool { return true })[who], l.byPerson("buy", l.owner, func(listedEvent) bool { return true })[who]...)
		slices.SortStableFunc(all, func(a, b listedEvent) int { return b.time.Compare(a.time) })
		for _, e := range all {
			want = append(want, e.id)
		}
		lines, err := c.Profiles().Timeline(ctx, who, &cdp.TimelineOptions{Only: []string{"view", "buy"}, Limit: 100_000})
		require.NoError(t, err)
		for _, e := range lines {
			got = append(got, e.ID)
		}
		require.Equal(t, want, got, who)
	}
	l.checkTrend(c)
	l.checkFunnel(c)
}

func (l *eventList) checkTrend(c *cdp.Client) {
	from := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	days := int(l.now.Sub(from)/(24*time.Hour)) + 2
	rep, err := c.Insights().Trend(l.t.Context(), cdp.Trend{Range: cdp.Between(from, from.AddDate(0, 0, days)), Series: []cdp.Series{
		{Event: "view"}, {Event: "view", Measure: cdp.Sum, Value: "amount", Where: `e.kind == "a"`}, {Event: "*", Measure: cdp.People}}})
	require.NoError(l.t, err)
	counts, sums, people := make([]float64, days), make([]float64, days), make([]map[string]bool, days)
	for name := range l.events {
		for _, e := range l.kept(name) {
			day := int(e.time.Sub(from) / (24 * time.Hour))
			if e.time.Before(from) || day >= days {
				continue
			}
			if people[day] == nil {
				people[day] = map[string]bool{}
			}
			people[day][cmp.Or(l.owner[e.who], e.who)] = true
			if name == "view" {
				counts[day]++
				if e.kind == "a" {
					sums[day] += e.amount
				}
			}
		}
	}
	for day := range days {
		require.Equal(l.t, counts[day], rep.Lines[0].Points[day].Value, "day %d", day)
		require.Equal(l.t, sums[day], rep.Lines[1].Points[day].Value, "day %d", day)
		require.Equal(l.t, float64(len(people[day])), rep.Lines[2].Points[day].Value, "day %d", day)
	}
}

func (l *eventList) checkFunnel(c *cdp.Client) {
	rep, err := c.Insights().Funnel(l.t.Context(), cdp.Funnel{Steps: []cdp.Step{{Event: "view"}, {Event: "buy", Where: `e.kind == "b"`}}, Window: "6h",
		Range: cdp.Between(l.now.AddDate(-1, 0, 0), l.now.AddDate(1, 0, 0))})
	require.NoError(l.t, err)
	all := func(listedEvent) bool { return true }
	views, buys := l.byPerson("view", l.owner, all), l.byPerson("buy", l.owner, all)
	reached := 0
	for who, vs := range views {
		if slices.ContainsFunc(buys[who], func(b listedEvent) bool {
			return b.kind == "b" && slices.ContainsFunc(vs, func(v listedEvent) bool { return v.time.Before(b.time) && b.time.Sub(v.time) < 6*time.Hour })
		}) {
			reached++
		}
	}
	require.Equal(l.t, len(views), rep.Steps[0].People)
	require.Equal(l.t, reached, rep.Steps[1].People)
}

// checkPast asks about random instants. The answer is that of the list, or an error where the condition looks for what was
// dropped since.
func (l *eventList) checkPast() {
	ctx := l.t.Context()
	for range 4 {
		back := min(12*24*time.Hour, l.now.Sub(listBegins)-time.Hour)
		at := l.now.Add(-time.Duration(l.r.Int64N(back.Microseconds())) * time.Microsecond)
		known := l.r.IntN(2) == 0
		past, owner := l.c.TrueAt(at), l.owner
		sees := func(e listedEvent) bool { return !e.time.After(at) }
		if known {
			past, owner = l.c.KnownAt(at), map[string]string{}
			for visitor, user := range l.owner {
				if !l.since[visitor].After(at) {
					owner[visitor] = user
				}
			}
			sees = func(e listedEvent) bool { return !e.time.After(at) && !e.arrived.After(at) }
		}
		members := l.members(at, owner, sees)
		for _, s := range listedSegments {
			set, err := past.Set(ctx, s.name)
			if l.misses("view", s.view, at) || l.misses("buy", s.buy, at) {
				var dropped *cdp.DroppedError
				require.True(l.t, errors.As(err, &dropped), "%s at %v: %v", s.name, at, err)
				l.refused++
				continue
			}
			require.NoError(l.t, err)
			require.Equal(l.t, members[s.name], userIDs(l.t, set.Members(ctx)), "%s at %v, known: %v", s.name, at, known)
			l.answered++
		}
		day := at.AddDate(0, 0, -1)
		rep, err := past.Trend(ctx, cdp.Trend{Range: cdp.Between(day, at.Add(time.Second)), Interval: cdp.Monthly, Series: []cdp.Series{{Event: "view"}}})
		if l.misses("view", at.Sub(day), at) {
			require.Error(l.t, err)
			continue
		}
		require.NoError(l.t, err)
		want := 0.0
		for _, e := range l.kept("view") {
			if (!e.arrived.After(at) || !known) && (!e.time.After(at) || known) && !e.time.Before(day) && e.time.Before(at.Add(time.Second)) {
				want++
			}
		}
		require.Equal(l.t, want, rep.Lines[0].Total.Value)
	}
}

// misses says whether events of a type may be gone since an instant that lie less than so far before it.
func (l *eventList) misses(name string, reach time.Duration, at time.Time) bool {
	n := l.dropped(name)
	if reach == 0 || n == 0 {
		return false
	}
	var last, until time.Time
	for _, b := range l.blocks[name][:n/8192] {
		last, until = later(last, b.free), later(until, b.newest)
	}
	return last.After(at) && (reach == ever || at.Add(-reach).Before(until.Add(time.Microsecond)))
}

// checkCopies opens what a process would find that was gone at this moment: the newest checkpoint and the log behind it, then the
// same when that checkpoint is damaged.
func (l *eventList) checkCopies() {
	for _, damaged := range []bool{false, true} {
		c := l.opened(storeCopy(l.t, l.st, damaged))
		l.checkCounts(c)
		l.checkAll(c)
		require.NoError(l.t, c.Close())
	}
}

// storeCopy is a store as it is at this moment; damaged says that the newest checkpoint is.
func storeCopy(t *testing.T, st store.Store, damaged bool) store.Store {
	keys, err := keyspace.For("main")
	require.NoError(t, err)
	first, last := keys.Checkpoints()
	out := memstore.New()
	require.NoError(t, st.View(t.Context(), func(from store.Reader) error {
		return out.Update(context.Background(), func(to store.Writer) error {
			var newest, value []byte
			for p, err := range from.Scan(nil, nil) {
				if err != nil {
					return err
				}
				if err := to.Put(p.Key, p.Value); err != nil {
					return err
				}
				if bytes.Compare(p.Key, first) >= 0 && bytes.Compare(p.Key, last) < 0 {
					newest, value = slices.Clone(p.Key), slices.Clone(p.Value)
				}
			}
			require.NotEmpty(t, newest, "there is no checkpoint yet")
			if damaged {
				value[len(value)/2] ^= 0x10
				return to.Put(newest, value)
			}
			return nil
		})
	}))
	return out
}

// userIDs are the user ids of people, in order.
func userIDs(t *testing.T, people iter.Seq2[cdp.Profile, error]) (out []string) {
	for p, err := range people {
		require.NoError(t, err)
		out = append(out, p.UserID)
	}
	slices.Sort(out)
	return out
}
