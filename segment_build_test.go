package cdp_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/memstore"
)

// From 20,000 people on a segment is built beside intake: when Save returns its members are right, those who enter meanwhile
// included, and they leave at their instant.
func TestSaveOverManyPeople(t *testing.T) {
	const people = 20_000
	ctx := t.Context()
	start := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	clock := start
	c, err := cdp.New(memstore.New(), cdp.Config{Now: func() time.Time { return clock }})
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "purchase"}))
	batch := make([]cdp.Event, 5000)
	for i := 0; i < people; i += len(batch) {
		for k := range batch { // one in four bought on each of the last four days
			batch[k] = cdp.Event{ID: fmt.Sprint("e", i+k), Name: "purchase", UserID: fmt.Sprint("u", i+k), Time: start.Add(-time.Duration(i+k)%4*24*time.Hour - time.Hour)}
		}
		_, err := c.Import(ctx, batch...)
		require.NoError(t, err)
	}
	var callers sync.WaitGroup
	for k := range 4 {
		callers.Go(func() {
			assert.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "recent", Where: `events.purchase.within("2d").size() >= 1`}))
			assert.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: fmt.Sprint("gone", k), Where: `!inSegment("recent")`}))
		})
		_, err := c.Track(ctx, cdp.Event{Name: "purchase", UserID: fmt.Sprint("u", 4*k+3)}) // theirs was 3 days ago
		require.NoError(t, err)
	}
	callers.Wait()
	count := func(name string) int {
		n, err := c.Segments().Count(ctx, name)
		require.NoError(t, err)
		return n
	}
	require.Equal(t, people/2+4, count("recent"))
	require.Equal(t, people/2-4, count("gone2"))
	clock = start.Add(24*time.Hour - time.Hour) // two days after the purchases of the day before
	require.Equal(t, people/4+4, count("recent"))
	require.Equal(t, people*3/4-4, count("gone2"))

	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, c.Segments().Save(ended, cdp.Segment{Name: "never", Where: `true`}), context.Canceled)
	require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "recent", Where: `events.purchase.size() >= 2`}))
	require.Equal(t, 4, count("recent"))
	require.Equal(t, people-4, count("gone3"))
	for k := range 4 {
		require.NoError(t, c.Segments().Remove(ctx, fmt.Sprint("gone", k)))
	}
	require.NoError(t, c.Segments().Remove(ctx, "recent"))
}
