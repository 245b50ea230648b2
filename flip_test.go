package cdp_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
	"github.com/embedcdp/cdp/store/memstore"
)

func flipsOf(t testing.TB, c *cdp.Client, name string, opt *cdp.FlipOptions) (out []cdp.Flip) {
	t.Helper()
	for f, err := range c.Segments().Flips(context.Background(), name, opt) {
		require.NoError(t, err)
		out = append(out, f)
	}
	return out
}

// Two segments whose flips are mixed in the log, more of them than a page holds: the options narrow them as a plain loop
// over all of them does, and a feed that stops anywhere goes on without a gap, also in a client that was opened anew.
func TestFlipsArePaged(t *testing.T) {
	ctx := t.Context()
	st := memstore.New()
	clock := cdptest.NewClock(noon)
	open := func() *cdp.Client {
		c, err := cdp.New(st, cdp.Config{Now: clock.Now})
		require.NoError(t, err)
		return c
	}
	c := open()
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "purchase", Attributes: cdp.Schema{"amount": cdp.Number}}))
	for _, s := range []cdp.Segment{{Name: "hour", Where: `events.purchase.within("1h").size() > 0`}, {Name: "dear", Where: `events.purchase.exists(e, e.amount > 5)`}} {
		require.NoError(t, c.Segments().Save(ctx, s))
	}
	const people = 700
	for i := range people {
		clock.Set(noon.Add(time.Duration(i) * 10 * time.Second))
		_, err := c.Track(ctx, cdp.Event{Name: "purchase", UserID: fmt.Sprint("u", i), Attributes: cdp.Attrs{"amount": i % 10}})
		require.NoError(t, err)
	}
	all := flipsOf(t, c, "hour", nil)
	left := (people*10 - 3600) / 10 // the hour of these is over
	require.Len(t, all, people+left)
	for _, f := range all[1:] {
		var who int
		_, err := fmt.Sscanf(f.UserID, "u%d", &who)
		require.NoError(t, err)
		at := noon.Add(time.Duration(who) * 10 * time.Second)
		if !f.Entered {
			at = at.Add(time.Hour)
		}
		require.Equal(t, at, f.Time, "%+v", f)
	}
	require.Len(t, flipsOf(t, c, "dear", nil), people*4/10)

	since, until := noon.Add(40*time.Minute), noon.Add(70*time.Minute)
	var want []cdp.Flip
	for _, f := range all {
		if !f.Time.Before(since) && f.Time.Before(until) {
			want = append(want, f)
		}
	}
	assert.Equal(t, want, flipsOf(t, c, "hour", &cdp.FlipOptions{Since: since, Until: until}))
	assert.Equal(t, want[:7], flipsOf(t, c, "hour", &cdp.FlipOptions{Since: since, Until: until, Limit: 7}))
	assert.Empty(t, flipsOf(t, c, "hour", &cdp.FlipOptions{After: 1 << 40}))
	for range c.Segments().Flips(ctx, "hour", nil) {
		break
	}

	require.NoError(t, c.Close())
	c = open()
	defer c.Close()
	var got []cdp.Flip
	var position uint64
	for {
		page := flipsOf(t, c, "hour", &cdp.FlipOptions{After: position, Limit: 97})
		if len(page) == 0 {
			break
		}
		got, position = append(got, page...), page[len(page)-1].Position
	}
	assert.Equal(t, all, got)
}

// A stream does not wait for what happens while it is read, and lets it happen.
func TestFlipsLetIntakeGoOn(t *testing.T) {
	ctx := t.Context()
	c := shop()
	defer c.Close()
	buyers(ctx, c)
	n := 0
	for _, err := range c.Segments().Flips(ctx, "hats", nil) {
		require.NoError(t, err)
		n++
		_, err = c.Track(ctx, cdp.Event{Name: "purchase", UserID: fmt.Sprint("new", n), Attributes: cdp.Attrs{"category": "hats"}})
		require.NoError(t, err)
	}
	assert.Equal(t, 2, n)
	ctx, stop := context.WithCancel(ctx)
	stop()
	for _, err := range c.Segments().Flips(ctx, "hats", nil) {
		require.ErrorIs(t, err, context.Canceled)
	}
}

// Every cause that the documentation of Flip lists, each by the verb that it tells of.
func TestFlipCauses(t *testing.T) {
	ctx := t.Context()
	c := cdptest.New(t, cdptest.Options{Start: noon})
	c.DefineProfile(cdp.Schema{"age": cdp.Number})
	c.Define(cdp.EventType{Name: "buy", Attributes: cdp.Schema{"amount": cdp.Number}}, cdp.EventType{Name: "view", Retention: "7d"})
	c.SaveSegment("adults", `customer.age >= 18`)
	c.SaveSegment("of_adults", `inSegment("adults")`)
	c.SaveSegment("buyers", `events.buy.size() > 0`)
	c.SaveSegment("fresh", `events.buy.within("1d").size() > 0`)
	c.SaveSegment("nobuyer", `events.buy.size() == 0`)
	c.SaveSegment("viewers", `events.view.size() > 0`)

	identify := func(who cdp.Identity) {
		_, err := c.Identify(ctx, who)
		require.NoError(t, err)
	}
	identify(cdp.Identity{UserID: "ann", Attributes: cdp.Attrs{"age": 20}})
	c.Happens(cdp.Event{Name: "buy", UserID: "ann"})
	c.Happens(cdp.Event{Name: "buy", UserID: "bob", Time: noon.Add(-2 * time.Hour)})
	_, err := c.Import(ctx, cdp.Event{Name: "buy", UserID: "cem"})
	require.NoError(t, err)
	c.Happens(cdp.Event{Name: "buy", AnonymousID: "dan1"})
	identify(cdp.Identity{UserID: "dan"})
	identify(cdp.Identity{UserID: "dan", AnonymousID: "dan1"})
	_, err = c.Track(ctx, cdp.Event{Name: "buy", UserID: "eve", Attributes: cdp.Attrs{"colour": "red"}})
	require.ErrorContains(t, err, "colour")
	c.Define(cdp.EventType{Name: "buy", Attributes: cdp.Schema{"amount": cdp.Number, "colour": cdp.String}})
	_, _, err = c.Events().Replay(ctx, "buy")
	require.NoError(t, err)
	views(t, c, "fay", 8192)
	views(t, c, "gus", 1)
	c.Advance(10 * 24 * time.Hour)
	c.SaveSegment("adults", `customer.age >= 30`)

	causes := func(name, user string) (out []string) {
		for _, f := range flipsOf(t, c.Client, name, nil) {
			if f.UserID == user {
				out = append(out, f.Cause)
			}
		}
		return out
	}
	assert.Equal(t, []string{"identify", "definition"}, causes("adults", "ann"))
	assert.Equal(t, []string{"identify", "definition"}, causes("of_adults", "ann"))
	assert.Equal(t, []string{"track", "time"}, causes("fresh", "ann"))
	assert.Equal(t, []string{"late"}, causes("buyers", "bob"))
	assert.Equal(t, []string{"import"}, causes("buyers", "cem"))
	assert.Equal(t, []string{"identify", "merge"}, causes("nobuyer", "dan"), "dan is newly known, then becomes who bought")
	assert.Equal(t, []string{"replay"}, causes("buyers", "eve"))
	assert.Equal(t, []string{"import", "retention"}, causes("viewers", "fay"))
}
