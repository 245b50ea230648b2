package cdp_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
)

// Two months of random purchases, some of them late: each bucket is the plain count of the flips before its end, and as the
// condition never changed, what KnownAt counts just before that end.
func TestSizesAreSumsOfFlips(t *testing.T) {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(8, 9))
	zone, err := time.LoadLocation("America/New_York") // its clocks move in March
	require.NoError(t, err)
	start := time.Date(2026, 2, 20, 3, 0, 0, 0, time.UTC)
	c := cdptest.New(t, cdptest.Options{Start: start})
	require.NoError(t, c.Portal().Save(ctx, cdp.Settings{TimeZone: "America/New_York", WeekStart: "monday"}))
	c.Define(cdp.EventType{Name: "purchase"})
	c.SaveSegment("warm", `events.purchase.within("3d").size() >= 2`)
	for range 500 {
		c.Advance(time.Duration(r.IntN(5*3600)) * time.Second)
		at := c.Clock.Now()
		if r.IntN(4) == 0 {
			at = at.Add(-time.Duration(r.IntN(5*24)) * time.Hour)
		}
		c.Happens(cdp.Event{Name: "purchase", UserID: fmt.Sprint("u", r.IntN(20)), AnonymousID: fmt.Sprint("a", r.IntN(60)), Time: at})
	}
	now := c.Clock.Now()
	flips := flipsOf(t, c.Client, "warm", nil)
	require.Greater(t, len(flips), 100)
	count := func(until time.Time) (n int) {
		for _, f := range flips {
			if f.Time.Before(until) {
				n += map[bool]int{true: 1, false: -1}[f.Entered]
			}
		}
		return n
	}
	for _, by := range []cdp.Interval{cdp.Hourly, cdp.Daily, cdp.Weekly, cdp.Monthly} {
		opt := &cdp.SizeOptions{From: start.Add(5 * 24 * time.Hour), To: now.Add(-24 * time.Hour), By: by}
		got, err := c.Segments().Sizes(ctx, "warm", opt)
		require.NoError(t, err)
		require.NotEmpty(t, got.Buckets)
		at := opt.From
		for i, b := range got.Buckets {
			require.True(t, b.Start.Equal(at), "%s: %s begins, %s ended before", by, b.Start, at)
			require.Equal(t, count(b.End), b.Members, "%s %s", by, b.End)
			entered, left := 0, 0
			for _, f := range flips {
				if f.Time.Before(b.Start) || !f.Time.Before(b.End) {
					continue
				}
				if f.Entered {
					entered++
				} else {
					left++
				}
			}
			require.Equal(t, [2]int{entered, left}, [2]int{b.Entered, b.Left})
			if by != cdp.Hourly {
				known, err := c.KnownAt(b.End.Add(-time.Microsecond)).Count(ctx, "warm")
				require.NoError(t, err)
				require.Equal(t, known, b.Members, "%s %s", by, b.End)
			}
			if i > 0 { // but for the first and the last, units of the calendar
				local := b.Start.In(zone)
				require.Zero(t, local.Minute()+local.Second())
				require.True(t, by == cdp.Hourly || local.Hour() == 0, local)
				require.True(t, by != cdp.Weekly || local.Weekday() == time.Monday, local)
				require.True(t, by != cdp.Monthly || local.Day() == 1, local)
			}
			at = b.End
		}
		require.True(t, at.Equal(opt.To), at)
	}

	all, err := c.Segments().Sizes(ctx, "warm", nil)
	require.NoError(t, err)
	last := all.Buckets[len(all.Buckets)-1]
	c.ExpectMembers("warm", membersOf(t, c)...)
	assert.Equal(t, len(membersOf(t, c)), last.Members, "up to now, the last flip included")
	assert.True(t, all.Buckets[0].Start.Equal(flips[0].Time))
	var csv, svg bytes.Buffer
	require.NoError(t, all.WriteCSV(&csv))
	assert.Equal(t, len(all.Buckets)+1, strings.Count(csv.String(), "\r\n"))
	require.NoError(t, all.WriteSVG(&svg))
}

func membersOf(t *testing.T, c *cdptest.Client) (out []string) {
	for p, err := range c.Segments().Members(t.Context(), "warm") {
		require.NoError(t, err)
		out = append(out, p.UserID)
	}
	return out
}

func TestSizesRefuse(t *testing.T) {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	check(c.Segments().Save(ctx, cdp.Segment{Name: "none", Where: `false`}))
	got, err := c.Segments().Sizes(ctx, "none", nil)
	require.NoError(t, err)
	assert.Empty(t, got.Buckets, "nobody ever entered")
	got, err = c.Segments().Sizes(ctx, "none", &cdp.SizeOptions{From: daysAgo(2), By: cdp.Daily})
	require.NoError(t, err)
	assert.Len(t, got.Buckets, 3)
	_, err = c.Segments().Sizes(ctx, "nothing", nil)
	require.ErrorIs(t, err, cdp.ErrNotFound)
	var invalid *cdp.InvalidError
	for _, opt := range []cdp.SizeOptions{{From: noon, To: daysAgo(1)}, {From: noon.AddDate(0, 0, 1)}, {From: daysAgo(1), By: "decade"}, {From: daysAgo(50_000), By: cdp.Hourly}} {
		_, err = c.Segments().Sizes(ctx, "none", &opt)
		require.ErrorAs(t, err, &invalid, "%+v", opt)
	}
}
