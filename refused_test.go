package cdp_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
)

// Definitions and questions that are refused because they would mean nothing or do harm.

// A percentile by hand: of 10, 20, 30 and 40 the 75th lies a quarter of the way from 30 to 40 (numpy.percentile says 32.5).
func TestTrendPercentile(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{Start: noon})
	c.Define(cdp.EventType{Name: "pay", Attributes: cdp.Schema{"amount": cdp.Number}})
	for _, amount := range []float64{40, 10, 30, 20} {
		c.Happens(cdp.Event{Name: "pay", UserID: "ann", Attributes: cdp.Attrs{"amount": amount}})
	}
	ask := func(series ...cdp.Series) (cdp.TrendReport, error) {
		return c.Insights().Trend(t.Context(), cdp.Trend{Range: cdp.Between(daysAgo(1), noon.Add(time.Hour)), Series: series})
	}
	pay := func(m cdp.Measure, p float64) cdp.Series {
		return cdp.Series{Event: "pay", Measure: m, Value: "amount", Percentile: p}
	}
	trend, err := ask(pay(cdp.Percentile, 75), pay(cdp.Percentile, 10), pay(cdp.Median, 0))
	require.NoError(t, err)
	for i, want := range []float64{32.5, 13, 25} {
		require.Equal(t, cdp.Point{Value: want, OK: true}, trend.Lines[i].Total)
	}
	for _, p := range []float64{0, 100, -1, math.NaN(), math.Inf(1)} {
		_, err = ask(pay(cdp.Percentile, p))
		require.ErrorContains(t, err, "trend: series 1: percentile "+fmt.Sprint(p)+": say which one in Percentile, over 0 and under 100")
	}
	_, err = ask(pay(cdp.Sum, 95))
	require.ErrorContains(t, err, `trend: series 1: has the Percentile 95, which is for the measure "percentile" and not for "sum"`)
	_, err = ask(pay(cdp.Count, 95))
	require.ErrorContains(t, err, `not for "count"`)
}

// Under the names of flips on timelines there is no event type, neither declared nor learned.
func TestFlipNamesAreReserved(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{Start: noon})
	ctx := t.Context()
	for _, learn := range []bool{false, true} {
		require.NoError(t, c.Portal().Save(ctx, cdp.Settings{LearnEvents: learn}))
		for _, name := range []string{"segment_entered", "segment_left"} {
			want := fmt.Sprintf("event %q is written by the platform itself; choose another name", name)
			require.EqualError(t, c.Events().Define(ctx, cdp.EventType{Name: name}), fmt.Sprintf("event %q: ", name)+want)
			res, err := c.Track(ctx, cdp.Event{ID: fmt.Sprint(learn, name), Name: name, UserID: "ann"})
			require.Error(t, err)
			require.Equal(t, want, res.Verdicts[0].Reason)
		}
	}
	types, err := c.Events().List(ctx)
	require.NoError(t, err)
	require.Empty(t, types)
	_, err = c.Track(ctx, cdp.Event{Name: "segment_seen", UserID: "ann"})
	require.NoError(t, err, "others are learned")
}

// A segment that others ask for stays with the people it is about: of others it would empty them.
func TestSegmentKeepsItsPeople(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{Start: noon})
	ctx := t.Context()
	require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "base", Where: "true"}))
	require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "base", Of: cdp.Visitors, Where: "true"}), "nobody asks for it")
	require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "base", Where: "true"}))
	c.SaveSegment("one", `inSegment("base")`)
	c.SaveSegment("two", `!inSegment("base")`)
	err := c.Segments().Save(ctx, cdp.Segment{Name: "base", Of: cdp.Visitors, Where: "true"})
	require.EqualError(t, err, `segment "base": it is of customers and cannot become of visitors while it is used by segment "one", segment "two"; change that first, or save it under another name`)
	require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "base", Of: cdp.Customers, Where: "1 < 2"}), "the same said in full")
	require.EqualError(t, c.Segments().Remove(ctx, "base"), `segment "base": it is used by segment "one", segment "two"; change that first`)
	err = c.Segments().Save(ctx, cdp.Segment{Name: "base", Where: `inSegment("two")`})
	require.EqualError(t, err, `segment "base": segments ask for each other in a circle: base -> two -> base`)
}
