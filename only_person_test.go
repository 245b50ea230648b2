package cdp_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/memstore"
)

// The first person alone fills whole chunks, of which a file keeps no rows: they are found all the same once it is read again.
func TestOnePersonFillsChunks(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	st := memstore.New()
	open := func() *cdp.Client {
		c, err := cdp.New(st, cdp.Config{Now: func() time.Time { return now }, CacheBytes: 1})
		require.NoError(t, err)
		return c
	}
	c, ctx := open(), t.Context()
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "view", Attributes: cdp.Schema{"n": cdp.Number}}))
	const n = 20_000
	for from := 0; from < n; from += 1000 {
		var batch []cdp.Event
		for i := from; i < from+1000; i++ {
			batch = append(batch, cdp.Event{Name: "view", UserID: "ann", Time: now.Add(time.Duration(i-n) * time.Minute), Attributes: cdp.Attrs{"n": i}})
		}
		_, err := c.Import(ctx, batch...)
		require.NoError(t, err)
	}
	require.NoError(t, c.Close())
	c = open()
	defer c.Close()
	for _, where := range []string{`events.view.size() == 20000`, `events.view.exists(e, e.n == 5)`, `events.view.sum(e, e.n) > 199989999`, `events.view.first().n == 0`,
		`events.view.size() > 0`, `sequence(events.view.filter(e, e.n == 1), events.view.filter(e, e.n == 3), "7d")`, `events.view.countDistinct(e, e.n) == 20000`} {
		set, err := c.Segments().Preview(ctx, cdp.Segment{Where: where})
		require.NoError(t, err)
		require.Equal(t, 1, set.Len(), where)
	}
	trend, err := c.Insights().Trend(ctx, cdp.Trend{Series: []cdp.Series{{Event: "view", Measure: cdp.People}, {Event: "view"}}, Interval: cdp.Monthly,
		Range: cdp.Range{From: now.AddDate(0, -1, 0), To: now}})
	require.NoError(t, err)
	require.EqualValues(t, []float64{1, 20_000}, []float64{trend.Lines[0].Total.Value, trend.Lines[1].Total.Value})
	funnel, err := c.Insights().Funnel(ctx, cdp.Funnel{Window: "7d", Steps: []cdp.Step{{Event: "view"}, {Event: "view"}}})
	require.NoError(t, err)
	require.Equal(t, 1, funnel.Steps[1].People)
}
