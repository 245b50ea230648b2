package cdp_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/memstore"
)

// TestFlipRetentionAgainstList keeps a list of all flips, which it reads from the feed as they come, while the client drops the
// oldest. Members must be those of plain loops over all visits; since when, sizes, timelines, the feed and what was known
// must be as the whole list says or be refused: while it runs, opened again, and opened from either checkpoint after the process
// was gone.
func TestFlipRetentionAgainstList(t *testing.T) {
	for seed := range uint64(*retentionSeeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			l := newFlipList(t, seed)
			for n := range 110 {
				l.step(n)
				l.collect()
				l.check(l.c)
				if n%7 == 6 {
					l.checkAll(l.c)
				}
				if n%36 == 35 {
					for _, damaged := range []bool{false, true} {
						c := l.opened(storeCopy(t, l.st, damaged))
						l.check(c)
						l.checkAll(c)
						require.NoError(t, c.Close())
					}
					require.NoError(t, l.c.Close())
					l.c = l.opened(l.st)
				}
			}
			require.NoError(t, l.c.Close())
			t.Logf("%d of %d flips dropped, %d members stand since before; of questions about the past %d answered, %d refused; of feeds %d read, %d refused",
				l.dropped(), len(l.flips), l.standing, l.answered, l.refused, l.read, l.behind)
			require.GreaterOrEqual(t, l.dropped(), 2*8192)
			require.Greater(t, l.standing, 30)
			require.Greater(t, l.answered, 20)
			require.Greater(t, l.refused, 20)
			require.Greater(t, l.behind, 10)
		})
	}
}

type flipList struct {
	t      *testing.T
	r      *rand.Rand
	st     store.Store
	c      *cdp.Client
	now    time.Time
	visits map[string][]time.Time
	flips  []listedFlip // in order of position
	many   int          // visits that make a regular

	standing, answered, refused, read, behind int
}

type listedFlip struct {
	cdp.Flip
	segment string
}

var flipSegments = []string{"ever", "lately", "today", "regular", "quiet", "guests"}

func newFlipList(t *testing.T, seed uint64) *flipList {
	l := &flipList{t: t, r: rand.New(rand.NewPCG(seed, 5)), st: memstore.New(), now: listBegins, visits: map[string][]time.Time{}, many: 60}
	l.c = l.opened(l.st)
	ctx := t.Context()
	for _, name := range []string{"segment_entered", "segment_left"} {
		require.NoError(t, l.c.Events().Define(ctx, cdp.EventType{Name: name, Retention: "8d"}))
	}
	require.NoError(t, l.c.Events().Define(ctx, cdp.EventType{Name: "visit"}))
	l.save("ever", `events.visit.size() > 0`, "")
	l.save("lately", `events.visit.within("5h").size() > 0`, "")
	l.save("today", `events.visit.within("24h").size() > 3`, "")
	l.save("regular", fmt.Sprintf(`events.visit.size() > %d`, l.many), "")
	l.save("quiet", `inSegment("ever") && !inSegment("lately")`, "")
	l.save("guests", `events.visit.within("9h").size() > 0`, "visitors")
	return l
}

func (l *flipList) save(name, where string, of cdp.Of) {
	require.NoError(l.t, l.c.Segments().Save(l.t.Context(), cdp.Segment{Name: name, Where: where, Of: of}))
}

func (l *flipList) opened(st store.Store) *cdp.Client {
	c, err := cdp.New(st, cdp.Config{Now: func() time.Time { return l.now }, CheckpointBytes: 150_000, CacheBytes: 2_000_000})
	require.NoError(l.t, err)
	return c
}

func (l *flipList) step(n int) {
	ctx := l.t.Context()
	l.now = l.now.Add(time.Duration(l.r.Int64N(12*3600e6)) * time.Microsecond)
	require.NoError(l.t, l.c.Tick(ctx))
	var events []cdp.Event
	for range 500 {
		e := cdp.Event{Name: "visit", Time: l.now}
		if l.r.IntN(10) == 0 {
			e.AnonymousID = fmt.Sprint("a", l.r.IntN(500)+n*20)
		} else {
			e.UserID = fmt.Sprint("u", (n/25*100+l.r.IntN(120))%300) // many stay away for some weeks
			l.visits[e.UserID] = append(l.visits[e.UserID], l.now)
		}
		events = append(events, e)
	}
	_, err := l.c.Track(ctx, events...)
	require.NoError(l.t, err)
	switch {
	case slices.Contains([]int{9, 45, 69, 80, 100}, n): // people enter and leave by the definition, some of them after long
		l.many = map[int]int{9: 3, 45: 4, 69: 1000, 80: 20, 100: 90}[n]
		l.save("regular", fmt.Sprintf(`events.visit.size() > %d`, l.many), "")
	case n == 33:
		require.NoError(l.t, l.c.Segments().Remove(ctx, "today"))
		l.save("today", `events.visit.within("24h").size() > 3`, "")
	}
}

// collect reads what came into the list.
func (l *flipList) collect() {
	last := uint64(len(l.flips))
	for _, name := range flipSegments {
		for f, err := range l.c.Segments().Flips(l.t.Context(), name, &cdp.FlipOptions{After: last}) {
			require.NoError(l.t, err)
			l.flips = append(l.flips, listedFlip{f, name})
		}
	}
	slices.SortFunc(l.flips, func(a, b listedFlip) int { return cmp.Compare(a.Position, b.Position) })
	require.Equal(l.t, uint64(len(l.flips)), l.flips[len(l.flips)-1].Position, "none is left out")
}

// dropped is how many flips are gone by the rule in the documentation.
func (l *flipList) dropped() int {
	n, _, _ := l.drops()
	return n
}

// drops are how many flips are gone, when the last went, and up to when they were.
func (l *flipList) drops() (n int, last, until time.Time) {
	for len(l.flips) > n+8192 {
		var newest time.Time
		for _, f := range l.flips[n : n+8192] {
			newest = later(newest, f.Time)
		}
		if free := newest.Add(8 * 24 * time.Hour); free.After(l.now) {
			break
		} else {
			last = later(last, free)
		}
		until = later(until, newest)
		n += 8192
	}
	return n, last, until
}

func (l *flipList) members(name string) (out []string) {
	for who, visits := range l.visits {
		lately, today := 0, 0
		for _, at := range visits {
			if at.After(l.now.Add(-5 * time.Hour)) {
				lately++
			}
			if at.After(l.now.Add(-24 * time.Hour)) {
				today++
			}
		}
		if map[string]bool{"ever": true, "lately": lately > 0, "today": today > 3, "regular": len(visits) > l.many, "quiet": lately == 0}[name] {
			out = append(out, who)
		}
	}
	slices.Sort(out)
	return out
}

func (l *flipList) check(c *cdp.Client) {
	for _, name := range flipSegments[:5] {
		require.Equal(l.t, l.members(name), userIDs(l.t, c.Segments().Members(l.t.Context(), name)), name)
	}
}

// lastOf is a person's last flip of a segment up to an instant.
func (l *flipList) lastOf(who, segment string, at time.Time) (f listedFlip, any bool) {
	for _, x := range l.flips {
		if x.UserID == who && x.segment == segment && !x.Time.After(at) {
			f, any = x, true
		}
	}
	return f, any
}

func (l *flipList) checkAll(c *cdp.Client) {
	ctx, t := l.t.Context(), l.t
	gone, last, until := l.drops()
	for range 8 {
		who := fmt.Sprint("u", l.r.IntN(300))
		p, err := c.Profiles().Get(ctx, who)
		if errors.Is(err, cdp.ErrNotFound) {
			continue
		}
		require.NoError(t, err)
		want := map[string]time.Time{}
		for _, name := range flipSegments {
			if f, any := l.lastOf(who, name, l.now); any && f.Entered {
				want[name] = f.Time
				if f.Position <= uint64(gone) {
					l.standing++
				}
			}
		}
		require.Equal(t, want, p.Segments, who)
		l.checkTimeline(c, who, gone)
		l.checkKnown(c, who, gone, last)
	}
	for _, name := range flipSegments {
		l.checkFeed(c, name, gone, until)
		l.checkSizes(c, name, gone)
	}
}

func (l *flipList) checkTimeline(c *cdp.Client, who string, gone int) {
	lines, err := c.Profiles().Timeline(l.t.Context(), who, &cdp.TimelineOptions{Only: []string{"segment_entered", "segment_left"}, Limit: 100_000})
	require.NoError(l.t, err)
	var want, got []string
	for _, f := range l.flips[gone:] {
		if f.UserID == who {
			want = append(want, fmt.Sprint(f.Time.UnixMicro(), " ", f.segment, " ", f.Entered))
		}
	}
	for _, e := range lines {
		got = append(got, fmt.Sprint(e.Time.UnixMicro(), " ", e.Attributes["segment"], " ", e.Name == "segment_entered"))
	}
	slices.Reverse(got)
	require.Equal(l.t, want, got, who)
}

// checkKnown asks since when somebody was in the segments that do not change by a definition. What is gone is known of those who have not left.
func (l *flipList) checkKnown(c *cdp.Client, who string, gone int, last time.Time) {
	back := min(12*24*time.Hour, l.now.Sub(listBegins)-time.Hour)
	at := l.now.Add(-time.Duration(l.r.Int64N(back.Microseconds())) * time.Microsecond)
	p, err := c.KnownAt(at).Profile(l.t.Context(), who)
	if errors.Is(err, cdp.ErrNotFound) {
		return
	}
	_, err2 := c.KnownAt(at).Timeline(l.t.Context(), who, nil)
	if gone > 0 && last.After(at) {
		var dropped *cdp.DroppedError
		require.ErrorAs(l.t, err, &dropped)
		require.Equal(l.t, "segment_entered", dropped.Event)
		require.ErrorAs(l.t, err2, &dropped)
		l.refused++
		return
	}
	require.NoError(l.t, err)
	require.NoError(l.t, err2)
	for _, name := range []string{"ever", "lately", "quiet"} {
		f, any := l.lastOf(who, name, at)
		since, in := p.Segments[name]
		require.Equal(l.t, any && f.Entered, in, "%s in %s at %v", who, name, at)
		if !in {
			continue
		}
		want := f.Time
		if now, _ := l.lastOf(who, name, l.now); f.Position <= uint64(gone) && now.Position != f.Position {
			want = time.Time{}
		}
		require.Equal(l.t, want, since, "%s in %s at %v", who, name, at)
	}
	l.answered++
}

func (l *flipList) checkFeed(c *cdp.Client, name string, gone int, until time.Time) {
	lost, before := uint64(0), time.Time{} // of this segment
	for _, f := range l.flips[:gone] {
		if f.segment == name {
			lost, before = f.Position, later(before, f.Time)
		}
	}
	for _, o := range []cdp.FlipOptions{{}, {After: uint64(l.r.IntN(gone + 1))}, {After: lost}, {After: lost, Limit: 7}, {Since: until.Add(time.Microsecond)}, {Since: before}} {
		var want, got []uint64
		for _, f := range l.flips {
			if f.segment == name && f.Position > o.After && !f.Time.Before(o.Since) && (o.Limit == 0 || len(want) < o.Limit) {
				want = append(want, f.Position)
			}
		}
		var failed error
		for f, err := range c.Segments().Flips(l.t.Context(), name, &o) {
			if failed = err; err == nil {
				got = append(got, f.Position)
			}
		}
		if o.After < lost && !o.Since.After(before) {
			var dropped *cdp.DroppedError
			require.ErrorAs(l.t, failed, &dropped, "%s %+v", name, o)
			require.Equal(l.t, before.Add(time.Microsecond), dropped.Before)
			l.behind++
			continue
		}
		require.NoError(l.t, failed)
		require.Equal(l.t, want, got, "%s %+v", name, o)
		l.read++
	}
}

func (l *flipList) checkSizes(c *cdp.Client, name string, gone int) {
	before := listBegins.Add(-time.Microsecond)
	for _, f := range l.flips[:gone] {
		if f.segment == name {
			before = later(before, f.Time)
		}
	}
	rep, err := c.Segments().Sizes(l.t.Context(), name, &cdp.SizeOptions{From: before.Add(time.Microsecond)})
	require.NoError(l.t, err)
	for _, b := range rep.Buckets {
		members, entered := 0, 0
		for _, f := range l.flips {
			if f.segment != name || !f.Time.Before(b.End) {
				continue
			}
			if f.Entered {
				members++
			} else {
				members--
			}
			if f.Entered && !f.Time.Before(b.Start) {
				entered++
			}
		}
		require.Equal(l.t, members, b.Members, "%s %v", name, b.End)
		require.Equal(l.t, entered, b.Entered, "%s %v", name, b.End)
	}
	byDefault, err := c.Segments().Sizes(l.t.Context(), name, nil)
	require.NoError(l.t, err)
	if !slices.ContainsFunc(l.flips, func(f listedFlip) bool { return f.segment == name }) {
		require.Empty(l.t, byDefault.Buckets)
		return
	}
	require.Equal(l.t, rep.Buckets[len(rep.Buckets)-1].Members, byDefault.Buckets[len(byDefault.Buckets)-1].Members)
	if gone > 0 && before.After(listBegins) {
		_, err = c.Segments().Sizes(l.t.Context(), name, &cdp.SizeOptions{From: before})
		var dropped *cdp.DroppedError
		require.ErrorAs(l.t, err, &dropped)
	}
}
