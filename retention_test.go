package cdp_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
)

// A process that runs for 20 retentions has the file and the heap of one that ran for 8. Without retention both grow on.
func TestRetentionBoundsFileAndMemory(t *testing.T) {
	for _, keep := range []string{"7d", ""} {
		t.Run("retention="+keep, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "long.cdp")
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			c, err := cdp.Open(path, cdp.Config{Now: func() time.Time { return now }, CheckpointBytes: 1 << 20, CacheBytes: -1})
			require.NoError(t, err)
			defer c.Close()
			ctx := t.Context()
			require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "view", Attributes: cdp.Schema{"page": cdp.Text, "n": cdp.Number}, Retention: keep}))
			require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "busy", Where: `events.view.sum(e, e.n) > 100 && events.view.within("3d").size() > 2`}))
			measure := func() (file, heap int64) {
				info, err := os.Stat(path)
				require.NoError(t, err)
				runtime.GC()
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return info.Size(), int64(m.HeapAlloc)
			}
			const batch, batches = 4096, 4 // two blocks in 7 days
			events := make([]cdp.Event, batch)
			n := uint64(0)
			week := func() {
				for range batches {
					now = now.Add(7 * 24 * time.Hour / batches)
					for i := range events {
						n++
						h := n * 0x9e3779b97f4a7c15
						events[i] = cdp.Event{ID: fmt.Sprintf("%016x", h), Name: "view", UserID: fmt.Sprint("u", h>>32%500), Time: now.Add(-time.Duration(h>>40) * time.Microsecond),
							Attributes: cdp.Attrs{"n": float64(h % 100), "page": fmt.Sprintf("%016x%016x%016x%016x%016x", h*3, h*5, h*7, h*11, h*13)}}
					}
					_, err := c.Import(ctx, events...)
					require.NoError(t, err)
				}
			}
			for range 8 {
				week()
			}
			file8, heap8 := measure()
			for range 24 {
				week()
			}
			file32, heap32 := measure()
			left, err := c.Events().Count(ctx, "view")
			require.NoError(t, err)
			t.Logf("after 8 and 32 weeks: file %.1f and %.1f MB, heap %.1f and %.1f MB; %d of %d events are left",
				float64(file8)/1e6, float64(file32)/1e6, float64(heap8)/1e6, float64(heap32)/1e6, left, n)
			if keep == "" {
				require.Greater(t, file32, file8*3/2)
				require.Greater(t, heap32, heap8*3/2)
				require.Equal(t, int(n), left)
				return
			}
			require.LessOrEqual(t, file32, file8+20<<20, "a file grows by steps of 16 MiB, and pages are free once no reader is left")
			require.Less(t, heap32, heap8+heap8/10)
			require.Less(t, left, 5*8192)
			require.Less(t, file32, int64(40<<20))
		})
	}
}

// views sends n views of one person, all at the clock's time.
func views(t *testing.T, c *cdptest.Client, user string, n int) {
	t.Helper()
	for n > 0 {
		events := make([]cdp.Event, min(n, 4096))
		for i := range events {
			events[i] = cdp.Event{Name: "view", UserID: user, Time: c.Clock.Now()}
		}
		n -= len(events)
		_, err := c.Import(t.Context(), events...)
		require.NoError(t, err)
	}
}

func TestRetentionIsChecked(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{})
	for keep, message := range map[string]string{
		"6d":    `event "view": retention: "6d" is shorter than 7d, for which the ids of events are known; keep events for 7d at least`,
		"1 day": `event "view": retention: "1 day" is not a duration: write a whole number and one of s m h d w, as "24h" or "3d"`,
		"-8d":   `event "view": retention: "-8d" is not a duration: write a whole number and one of s m h d w, as "24h" or "3d"`,
	} {
		err := c.Events().Define(t.Context(), cdp.EventType{Name: "view", Retention: keep})
		var wrong *cdp.DefinitionError
		require.ErrorAs(t, err, &wrong)
		require.EqualError(t, err, message)
	}
	c.Define(cdp.EventType{Name: "view", Retention: "730d"})
	got, err := c.Events().Get(t.Context(), "view")
	require.NoError(t, err)
	require.Equal(t, "730d", got.Retention)
}

// An id is known for 7 days although its event is kept for no longer, and a block waits for the last of its events.
func TestRetentionKeepsIDs(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{})
	c.Define(cdp.EventType{Name: "view", Retention: "7d"})
	ctx, began := t.Context(), c.Clock.Now()
	again := cdp.Event{ID: "once", Name: "view", UserID: "ann", Time: began.AddDate(0, 0, -30)}
	_, err := c.Track(ctx, again)
	require.NoError(t, err)
	views(t, c, "bob", 8191)
	c.Advance(24 * time.Hour)
	views(t, c, "bob", 1)
	count := func() int {
		n, err := c.Events().Count(ctx, "view")
		require.NoError(t, err)
		return n
	}
	c.Clock.Set(began.AddDate(0, 0, 7))
	res, err := c.Track(ctx, again)
	require.NoError(t, err)
	require.Equal(t, 1, res.Duplicates)
	free := began.AddDate(0, 0, 7).Add(7 * 24 * time.Hour / 32)
	c.Clock.Set(free.Add(-time.Microsecond))
	require.Equal(t, 8193, count())
	c.Clock.Set(free)
	require.Equal(t, 1, count())
	res, err = c.Track(ctx, again)
	require.NoError(t, err)
	require.Equal(t, 1, res.Accepted)
}

// The event that started a journey can be read as long as the journey runs, and goes afterwards.
func TestRetentionWaitsForJourneys(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{Channels: []string{"email"}})
	ctx := t.Context()
	c.Define(cdp.EventType{Name: "view", Attributes: cdp.Schema{"page": cdp.String}, Retention: "7d"})
	c.SaveTemplate(cdp.Template{Name: "hello", Event: "view", Text: `You saw {{ event.page }}.`})
	c.SaveJourney(cdp.Journey{Name: "later", Entry: cdp.Entry{Event: "view", Where: `event.page == "start"`}, Nodes: []cdp.Node{
		cdp.Delay("pause", "20d", "say"), cdp.Send("say", "email", "hello", "end"), cdp.End("end", "")}})
	c.Happens(cdp.Event{Name: "view", UserID: "ann", Identifiers: map[string]string{"email": "ann@example.com"}, Attributes: cdp.Attrs{"page": "start"}})
	views(t, c, "bob", 8192)
	c.Advance(19 * 24 * time.Hour)
	n, err := c.Events().Count(ctx, "view")
	require.NoError(t, err)
	require.Equal(t, 8193, n)
	c.Advance(24 * time.Hour)
	sent := c.Recorder("email").Sent()
	require.Len(t, sent, 1)
	require.Equal(t, "You saw start.", sent[0].Text)
	c.Advance(time.Hour)
	n, err = c.Events().Count(ctx, "view")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	lines, err := c.Profiles().Timeline(ctx, "ann", &cdp.TimelineOptions{Only: []string{"view"}})
	require.NoError(t, err)
	require.Empty(t, lines)
}

// Limits follow the definitions; Plan names them.
func TestSegmentLimits(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{})
	ctx := t.Context()
	c.Define(cdp.EventType{Name: "view", Retention: "30d"}, cdp.EventType{Name: "buy"})
	day := 24 * time.Hour
	for _, x := range []struct {
		where string
		reach time.Duration
		limit bool
	}{
		{`events.view.size() > 3`, 0, true},
		{`events.view.within("30d").size() > 3`, 0, false},
		{`events.view.within("31d").size() > 3`, 31 * day, true},
		{`events.view.during("last_7_days").size() > 3`, 0, false},
		{`events.view.during("last_month").size() > 3`, 62*day + 2*time.Hour, true},
		{`events.view.during("all_time").size() > 3`, 0, true},
		{`events.view.perWeek(2).all(n, n > 1)`, 0, false},
		{`events.view.perMonth(1).all(n, n > 1)`, 62*day + 2*time.Hour, true},
		{`events.view.since(ago("3d")).size() > 3`, 0, false},
		{`events.view.until(ago("3d")).size() > 3`, 0, true},
		{`events.view.within("3d").since(events.view.last().time).size() == 0`, 0, true},
		{`sequence(events.view, events.buy, "1d")`, 0, true},
		{`events.view.within("3d").size() / 2 > 1`, 0, true}, // only CEL answers it: how far it looks is not known
		{`events.buy.size() > 3 && customer.user == "x"`, 0, false},
	} {
		c.DefineProfile(cdp.Schema{"user": cdp.String})
		require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "asked", Where: x.where}), x.where)
		require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "asks", Where: `!inSegment("asked")`}))
		var want []cdp.Limit
		if x.limit {
			want = []cdp.Limit{{Event: "view", Retention: "30d", Reach: x.reach}}
		}
		for _, name := range []string{"asked", "asks"} {
			got, err := c.Segments().Limits(ctx, name)
			require.NoError(t, err)
			require.Equal(t, want, got, x.where)
			plan, err := c.Segments().Plan(ctx, name)
			require.NoError(t, err)
			if x.limit {
				require.Contains(t, plan, `limited: it looks at events "view" of `)
			} else {
				require.NotContains(t, plan, "limited")
			}
		}
	}
	_, err := c.Segments().Limits(ctx, "nobody")
	require.ErrorIs(t, err, cdp.ErrNotFound)
}

// A limit says how far a segment looks in the words of its condition.
func TestLimitWords(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{})
	c.Define(cdp.EventType{Name: "view", Retention: "7d"})
	for where, words := range map[string]string{
		`events.view.within("14d").size() > 3`:            "the last 14d",
		`events.view.within("2w").size() > 3`:             "the last 14d",
		`events.view.within("180h").size() > 3`:           "the last 7d12h",
		`events.view.within("11000m").size() > 3`:         "the last 7d15h20m",
		`events.view.within("777777s").size() > 3`:        "the last 9d2m57s",
		`events.view.during("last_month").size() > 3`:     "the last 62d2h",
		`events.view.since(ago("400d")).size() == 0`:      "the last 400d",
		`events.view.during("all_time").first().id == ""`: "all time",
	} {
		c.SaveSegment("asked", where)
		limits, err := c.Segments().Limits(t.Context(), "asked")
		require.NoError(t, err)
		require.Len(t, limits, 1, where)
		require.Contains(t, limits[0].String(), ` of `+words+`;`, where)
	}
	for reach, words := range map[time.Duration]string{36 * time.Hour: "36h", 10 * time.Minute: "10m", 20 * time.Second: "20s", 90 * time.Minute: "90m",
		24 * time.Hour: "1d", 90 * time.Second: "90s", 1500 * time.Millisecond: "1.5s", time.Hour + time.Second: "60m1s"} {
		require.Contains(t, cdp.Limit{Event: "view", Reach: reach}.String(), " of the last "+words+";")
	}
}

// Raising the retention, or taking it away, brings nothing back, and the segment stays limited as long as it looks so far back.
func TestRetentionChanges(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{})
	ctx := t.Context()
	c.Define(cdp.EventType{Name: "view"})
	c.SaveSegment("ever", `events.view.size() > 0`)
	c.SaveSegment("month", `events.view.within("30d").size() > 0`)
	views(t, c, "ann", 8192)
	views(t, c, "bob", 1)
	c.Advance(20 * 24 * time.Hour)
	in := func(name string) (n int) {
		n, err := c.Segments().Count(ctx, name)
		require.NoError(t, err)
		return n
	}
	limited := func(name string) bool {
		l, err := c.Segments().Limits(ctx, name)
		require.NoError(t, err)
		return len(l) > 0
	}
	require.Equal(t, 2, in("ever"))
	c.Define(cdp.EventType{Name: "view", Retention: "10d"})
	require.Equal(t, 1, in("ever"))
	require.Equal(t, 1, in("month"))
	c.Define(cdp.EventType{Name: "view"})
	require.Equal(t, 1, in("ever"))
	require.True(t, limited("ever"))
	require.True(t, limited("month"))
	c.Advance(11 * 24 * time.Hour)
	require.True(t, limited("ever"))
	require.False(t, limited("month"))
	flips := flipsOf(t, c.Client, "ever", nil)
	require.Equal(t, "retention", flips[len(flips)-1].Cause)
	require.Equal(t, "ann", flips[len(flips)-1].UserID)
}

// The error of a question about the past says what it asks for, what is gone, and what to do.
func TestPastAfterRetention(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{Start: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)})
	ctx, began := t.Context(), c.Clock.Now()
	c.Define(cdp.EventType{Name: "view", Retention: "30d"}, cdp.EventType{Name: "buy"})
	c.SaveSegment("ever", `events.view.size() > 0`)
	c.SaveSegment("week", `events.view.within("7d").size() > 0`)
	c.SaveSegment("buyers", `events.buy.size() > 0`)
	c.SaveSegment("never", `!inSegment("ever")`)
	c.Happens(cdp.Event{Name: "buy", UserID: "bob"})
	views(t, c, "ann", 8192)
	c.Advance(20 * 24 * time.Hour)
	views(t, c, "bob", 1)
	c.Advance(20 * 24 * time.Hour) // ann's are gone
	at := began.AddDate(0, 0, 25)
	want := `cdp: segment "ever" at 2026-03-26T00:00:00Z asks for all events of type "view", and some before 2026-03-01T00:00:00Z are gone: events of that type are kept for 30d; ask about a shorter window or a later instant, or raise Retention before events become so old`
	for _, past := range []cdp.Past{c.TrueAt(at), c.KnownAt(at)} {
		_, err := past.Count(ctx, "ever")
		require.EqualError(t, err, want)
		_, err = past.Contains(ctx, "ever", "ann")
		require.EqualError(t, err, want)
		for _, err := range past.Members(ctx, "ever") {
			require.EqualError(t, err, want)
		}
		// Whether bob was in "ever", or in what asks for it, is not known; the others are.
		inside := []string{"buyers", "week"}
		bob, err := past.Profile(ctx, "bob")
		require.NoError(t, err)
		require.ElementsMatch(t, inside, slices.Collect(maps.Keys(bob.Segments)))
		var members []string
		for p, err := range past.Members(ctx, "buyers") {
			require.NoError(t, err)
			members = append(members, p.UserID)
			require.ElementsMatch(t, inside, slices.Collect(maps.Keys(p.Segments)))
		}
		require.Equal(t, []string{"bob"}, members)
		_, err = past.Contains(ctx, "never", "bob")
		require.ErrorContains(t, err, `segment "never" at`)
		_, err = past.Preview(ctx, cdp.Segment{Name: "p", Where: `inSegment("ever")`})
		require.ErrorContains(t, err, "cdp: the condition at")
		_, err = past.Timeline(ctx, "bob", nil)
		require.ErrorContains(t, err, "cdp: the timeline at")
		_, err = past.Timeline(ctx, "bob", &cdp.TimelineOptions{Only: []string{"buy"}})
		require.NoError(t, err)
		_, err = past.Retention(ctx, cdp.Retention{Start: cdp.Step{Event: "view"}, Range: cdp.Between(began.AddDate(0, 0, 20), at)})
		require.ErrorContains(t, err, "cdp: the report at")
		for from, refused := range map[time.Time]bool{began: true, began.AddDate(0, 0, 1): false} {
			_, err = past.Trend(ctx, cdp.Trend{Range: cdp.Between(from, at), Series: []cdp.Series{{Event: "view"}}})
			var dropped *cdp.DroppedError
			require.Equal(t, refused, errors.As(err, &dropped), "from %v: %v", from, err)
		}
		n, err := past.Count(ctx, "week")
		require.NoError(t, err)
		require.Equal(t, 1, n)
		n, err = past.Count(ctx, "buyers")
		require.NoError(t, err)
		require.Equal(t, 1, n)
	}
	n, err := c.TrueAt(began.AddDate(0, 0, 35)).Count(ctx, "ever") // they had gone by then
	require.NoError(t, err)
	require.Equal(t, 1, n)
}
