package cdp_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/memstore"
)

// What is within every documented limit of one event and one definition, and together is more than a store's values hold.

// An event type with too many attributes is refused, and the portal goes on and opens again.
func TestTooManyAttributes(t *testing.T) {
	ctx := t.Context()
	st := memstore.New()
	c, err := cdp.New(st, cdp.Config{})
	require.NoError(t, err)
	many := func(n int) cdp.Schema {
		s := cdp.Schema{}
		for i := range n {
			s[fmt.Sprintf("a%d", i)] = cdp.Number
		}
		return s
	}
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "wide", Attributes: many(1994)}))
	for _, n := range []int{1995, 2000, 10_000} {
		err = c.Events().Define(ctx, cdp.EventType{Name: "wider", Attributes: many(n)})
		require.EqualError(t, err, fmt.Sprintf(`event "wider": has %d attributes, the limit is 1994; put those that belong together into an object attribute`, n))
		err = c.Events().Define(ctx, cdp.EventType{Name: "wide", Attributes: many(n)})
		require.ErrorContains(t, err, "the limit is 1994")
	}
	_, err = c.Track(ctx, cdp.Event{Name: "wide", UserID: "u", Attributes: cdp.Attrs{"a1993": 5}})
	require.NoError(t, err)
	require.NoError(t, c.Close())
	c, err = cdp.New(st, cdp.Config{})
	require.NoError(t, err)
	defer c.Close()
	n, err := c.Events().Count(ctx, "wide")
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// longText is as long as a Text may be, another for every n.
func longText(n int) string {
	s := fmt.Sprintf("%d ", n)
	return s + strings.Repeat("x", 30_000-len(s))
}

// Thousands of long texts make a chunk of events longer than a value of the store may be.
func TestLongTexts(t *testing.T) {
	ctx := t.Context()
	st := memstore.New()
	open := func() *cdp.Client {
		c, err := cdp.New(st, cdp.Config{CacheBytes: 1 << 20})
		require.NoError(t, err)
		return c
	}
	c := open()
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "letter", Attributes: cdp.Schema{"text": cdp.Text}}))
	n := 0
	write := func(events int) {
		for range events / 100 {
			var batch []cdp.Event
			for range 100 {
				batch = append(batch, cdp.Event{ID: fmt.Sprint(n), Name: "letter", UserID: fmt.Sprint("u", n%500), Attributes: cdp.Attrs{"text": longText(n)}})
				n++
			}
			_, err := c.Track(ctx, batch...)
			require.NoError(t, err)
		}
	}
	check := func() {
		count, err := c.Events().Count(ctx, "letter")
		require.NoError(t, err)
		require.Equal(t, n, count)
		for _, u := range []int{0, 7, 499} {
			seen := 0
			events, err := c.Profiles().Timeline(ctx, fmt.Sprint("u", u), nil)
			require.NoError(t, err)
			for _, e := range events {
				var id int
				_, err := fmt.Sscan(e.ID, &id)
				require.NoError(t, err)
				require.Equal(t, longText(id), e.Attributes["text"])
				seen++
			}
			require.Equal(t, n/500, seen)
		}
	}
	write(3000) // 90 MB
	check()
	require.NoError(t, c.Close())
	c = open()
	check()
	write(500)
	require.NoError(t, c.Close())
	c = open()
	check()
	require.NoError(t, c.Close())
}

// A call that is too large is refused by itself, and does not take others with it.
func TestLargeCalls(t *testing.T) {
	ctx := t.Context()
	c, err := cdp.New(memstore.New(), cdp.Config{})
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "letter", Attributes: cdp.Schema{"text": cdp.Text}}))
	letters := func(n int) (out []cdp.Event) {
		for i := range n {
			out = append(out, cdp.Event{Name: "letter", UserID: "u", Attributes: cdp.Attrs{"text": longText(i)}})
		}
		return out
	}
	_, err = c.Track(ctx, letters(2000)...)
	require.ErrorContains(t, err, "send fewer at a time")
	large := letters(1900) // 57 MB
	var calls sync.WaitGroup
	for i := range 12 {
		calls.Go(func() {
			batch := letters(100)
			if i == 6 {
				batch = large
			}
			_, err := c.Track(context.Background(), batch...)
			if err != nil {
				t.Errorf("call %d: %v", i, err)
			}
		})
	}
	calls.Wait()
	n, err := c.Events().Count(ctx, "letter")
	require.NoError(t, err)
	require.Equal(t, 1900+11*100, n)
}
