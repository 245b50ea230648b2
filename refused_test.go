package cdp_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
	"github.com/embedcdp/cdp/store/faultstore"
	"github.com/embedcdp/cdp/store/memstore"
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
			err := c.Events().Define(ctx, cdp.EventType{Name: name, Attributes: cdp.Schema{"x": cdp.Number}})
			require.ErrorContains(t, err, "only its retention can be set")
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

// A commit whose outcome is not known is told of a definition without a word of events.
func TestOutcomeUnknownOfDefinition(t *testing.T) {
	for _, name := range []string{"base", ""} {
		st := faultstore.Wrap(memstore.New())
		c, err := cdp.New(st, cdp.Config{})
		require.NoError(t, err)
		st.FailCommit(1, faultstore.Torn)
		what := "portal"
		if name == "" {
			err = c.Portal().Save(t.Context(), cdp.Settings{Name: "Shop"})
		} else {
			what = `segment "base"`
			err = c.Segments().Save(t.Context(), cdp.Segment{Name: name, Where: "true"})
		}
		require.ErrorIs(t, err, cdp.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "cdp: outcome unknown: the commit of "+what+" was under way; read it to see which is there, or do the same again: what is there already makes no new version: ")
		require.NotContains(t, err.Error(), "event ids")
		_ = c.Close()
	}
}

// A timeline that could only be empty by a slip of the pen is an error, now and in the past.
func TestTimelineRefuses(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{Start: noon})
	c.Define(cdp.EventType{Name: "purchase"})
	c.SaveSegment("all", "true")
	c.Happens(cdp.Event{Name: "purchase", UserID: "ann"})
	for _, timeline := range []func(context.Context, string, *cdp.TimelineOptions) ([]cdp.TimelineEvent, error){c.Profiles().Timeline, c.TrueAt(noon).Timeline} {
		ask := func(o cdp.TimelineOptions) (names []string, err error) {
			list, err := timeline(t.Context(), "ann", &o)
			for _, e := range list {
				names = append(names, e.Name)
			}
			return names, err
		}
		_, err := ask(cdp.TimelineOptions{Limit: -1})
		require.EqualError(t, err, `cdp: TimelineOptions.Limit is -1: ask for a number of events, or 0 for 100`)
		_, err = ask(cdp.TimelineOptions{Only: []string{"purchase", "purchas"}})
		require.EqualError(t, err, `cdp: TimelineOptions.Only names "purchas", which is no event type (did you mean "purchase"?)`)
		names, err := ask(cdp.TimelineOptions{Only: []string{"purchase", "segment_entered", "segment_left", "message_sent"}})
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"purchase", "segment_entered"}, names)
	}
}

// An attribute can be left out again before the first event, and not once something counts on it.
func TestDropAttribute(t *testing.T) {
	st, ctx := memstore.New(), t.Context()
	c, err := cdp.New(st, cdp.Config{})
	require.NoError(t, err)
	define := func(attrs cdp.Schema) error {
		return c.Events().Define(ctx, cdp.EventType{Name: "pay", Attributes: attrs})
	}
	require.NoError(t, define(cdp.Schema{"amuont": cdp.Number.Required(), "who": cdp.String}))
	require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "payers", Where: `events.pay.exists(e, e.amuont > 1.0)`}))
	require.EqualError(t, define(cdp.Schema{"amount": cdp.Number}), `event "pay": attribute "amuont" is missing; it cannot be dropped while segment "payers" names the event`)
	require.NoError(t, c.Segments().Remove(ctx, "payers"))
	require.ErrorContains(t, define(cdp.Schema{"amuont": cdp.String, "who": cdp.String}), `attribute "amuont" is number and cannot become string`)
	require.NoError(t, define(cdp.Schema{"amount": cdp.Number}))
	require.ErrorContains(t, define(cdp.Schema{"amount": cdp.Number, "who": cdp.Number}), `attribute "who" was dropped and cannot come back as number`)
	for range 2 { // by the log or a checkpoint the same comes out
		typ, err := c.Events().Get(ctx, "pay")
		require.NoError(t, err)
		require.Equal(t, cdp.Schema{"amount": cdp.Number}, typ.Attributes)
		_, err = c.Track(ctx, cdp.Event{Name: "pay", UserID: "ann", Attributes: cdp.Attrs{"amuont": 1}})
		require.ErrorContains(t, err, `unknown attribute "amuont" of event "pay" (did you mean "amount"?)`)
		require.NoError(t, c.Close())
		c, err = cdp.New(st, cdp.Config{})
		require.NoError(t, err)
	}
	require.NoError(t, define(cdp.Schema{"amount": cdp.Number, "who": cdp.String}), "as it was")
	_, err = c.Track(ctx, cdp.Event{Name: "pay", UserID: "ann", Attributes: cdp.Attrs{"amount": 7, "who": "me"}})
	require.NoError(t, err)
	require.ErrorContains(t, define(cdp.Schema{"amount": cdp.Number}), `attribute "who" is missing; it cannot be dropped: there are or were events of the type`)
	require.NoError(t, c.Close())
	c, err = cdp.New(st, cdp.Config{})
	require.NoError(t, err)
	defer c.Close()
	list, err := c.Profiles().Timeline(ctx, "ann", nil)
	require.NoError(t, err)
	require.Equal(t, cdp.Attrs{"amount": 7.0, "who": "me"}, list[0].Attributes)
}

// A type has room for 2,000 columns, those of attributes that were left out again too: an event that would learn more than fits is
// refused, also when only its last attribute is too many, and teaches nothing.
func TestLearnBesideAttributesLeftOut(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{Start: noon})
	ctx := t.Context()
	wide := cdp.Schema{}
	for i := range 1993 {
		wide[fmt.Sprint("a", i)] = cdp.Number
	}
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "visit", Attributes: wide, Policy: cdp.Learn}))
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "visit", Policy: cdp.Learn}), "no event has them")
	_, err := c.Track(ctx, cdp.Event{Name: "visit", UserID: "ann", Attributes: cdp.Attrs{"x": 1, "y": 2}})
	require.ErrorContains(t, err, "learns no more by itself")
	typ, err := c.Events().Get(ctx, "visit")
	require.NoError(t, err)
	require.Empty(t, typ.Attributes)
	_, err = c.Track(ctx, cdp.Event{Name: "visit", UserID: "ann", Attributes: cdp.Attrs{"x": 1}})
	require.NoError(t, err, "one fits")
}
