package cdp_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
)

// Values that nobody made, and no context, give an error that says what to do, never a panic.
func TestZeroValues(t *testing.T) {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	buyers(ctx, c)
	var past cdp.Past
	_, err := past.Count(ctx, "hats")
	require.EqualError(t, err, "cdp: past.count was asked of no client: get one from cdp.Open or cdp.New, and all else from it")
	_, err = past.Contains(ctx, "hats", "ann")
	require.ErrorContains(t, err, "no client")
	_, err = past.Profile(ctx, "ann")
	require.ErrorContains(t, err, "no client")
	require.ErrorContains(t, lastError(past.Members(ctx, "hats")), "no client")
	var set cdp.Set
	require.NoError(t, lastError(set.Members(ctx)))
	assert.Zero(t, set.And(set).Len())
	var none context.Context
	_, err = c.Segments().Count(none, "hats")
	require.EqualError(t, err, "cdp: segments.set was given no context: use context.Background() where there is none")
	require.ErrorContains(t, c.Segments().Save(none, cdp.Segment{}), "no context")
}

// What is only asked about needs no name, and errors do not speak of one.
func TestUnnamedSegments(t *testing.T) {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	buyers(ctx, c)
	hats := cdp.Segment{Where: `events.purchase.exists(e, e.category == "hats")`}
	set, err := c.Segments().Preview(ctx, hats)
	require.NoError(t, err)
	assert.Equal(t, 2, set.Len())
	set, err = c.TrueAt(noon).Preview(ctx, hats)
	require.NoError(t, err)
	assert.Equal(t, 2, set.Len())
	_, err = c.Segments().ExplainPlan(ctx, hats)
	require.NoError(t, err)
	_, err = c.Segments().Preview(ctx, cdp.Segment{Where: `events.purchase.size() >`})
	require.ErrorContains(t, err, "segment: 1:")
}

// Every event has no number in common.
func TestTrendOfEveryEvent(t *testing.T) {
	c := shop()
	defer c.Close()
	_, err := c.Insights().Trend(context.Background(), cdp.Trend{Range: cdp.Between(daysAgo(2), noon), Series: []cdp.Series{{Event: "*", Measure: cdp.Sum}}})
	require.ErrorContains(t, err, `sum of every event: "*" has no number in common; use Count or People, or name one event`)
}

// A client that nobody opened: every verb says so, and what returns no error has none.
func TestZeroClient(t *testing.T) {
	var none *cdp.Client
	for _, c := range []*cdp.Client{{}, none} {
		verbs := 0
		for name, err := range callAll(t, context.Background(), c) {
			verbs++
			assert.ErrorContains(t, err, " was asked of no client: get one from cdp.Open or cdp.New, and all else from it", name)
		}
		require.GreaterOrEqual(t, verbs, atLeastVerbs)
		_, due := c.NextDue()
		assert.False(t, due)
		assert.False(t, c.Now().IsZero())
		require.NoError(t, c.Close())
	}
}
