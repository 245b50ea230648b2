package cdp_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
)

// BenchmarkQuestion asks 20,000 customers with 400,000 events what bench asks: there most of the time is fixed cost. "after
// a collection" collects garbage before each question, as bench does: what a question needs is then in no cache.
func BenchmarkQuestion(b *testing.B) {
	c, from, to := shopOf(b, 20_000, 400_000)
	ctx := context.Background()
	segment := func(where string) func(b *testing.B) {
		return func(b *testing.B) {
			set, err := c.Segments().Preview(ctx, cdp.Segment{Name: "x", Where: where})
			require.NoError(b, err)
			require.NotZero(b, set.Len())
		}
	}
	for _, q := range []struct {
		name string
		ask  func(b *testing.B)
	}{
		{"attributes", segment(`customer.age >= 18 && customer.age <= 35 && customer.city == "city 0"`)},
		{"events", segment(`events.add_to_cart.within("3d").size() >= 1 && events.purchase.since(events.add_to_cart.last().time).size() == 0`)},
		{"trend", func(b *testing.B) {
			count := cdp.Series{Event: "purchase", By: "category"}
			people := count
			people.Measure = cdp.People
			r, err := c.Insights().Trend(ctx, cdp.Trend{Series: []cdp.Series{count, people}, Top: 20, Range: cdp.Between(from, to)})
			require.NoError(b, err)
			require.Len(b, r.Lines, 40)
		}},
		{"retention", func(b *testing.B) {
			r, err := c.Insights().Retention(ctx, cdp.Retention{Start: cdp.Step{Event: "*"}, Range: cdp.Between(from, to), Interval: cdp.Weekly})
			require.NoError(b, err)
			require.NotEmpty(b, r.Cohorts)
		}},
	} {
		b.Run(q.name, func(b *testing.B) {
			for b.Loop() {
				q.ask(b)
			}
		})
		b.Run(q.name+" after a collection", func(b *testing.B) {
			took := time.Duration(0)
			for b.Loop() {
				runtime.GC()
				began := time.Now()
				q.ask(b)
				took += time.Since(began)
			}
			b.ReportMetric(float64(took)/float64(b.N), "ns/op")
		})
	}
}

// shopOf is a client on a file with so many customers, who did so many things in the 180 days before to, in order of time.
func shopOf(b *testing.B, people, events int) (c *cdp.Client, from, to time.Time) {
	ctx := context.Background()
	to = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	from = to.AddDate(0, 0, -180)
	c, err := cdp.Open(filepath.Join(b.TempDir(), "shop.cdp"), cdp.Config{Now: func() time.Time { return to }})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, c.Close()) })
	require.NoError(b, c.Profiles().Define(ctx, cdp.Schema{"age": cdp.Number, "city": cdp.String}, cdp.Strict))
	for _, name := range []string{"view", "add_to_cart", "purchase"} {
		require.NoError(b, c.Events().Define(ctx, cdp.EventType{Name: name, Attributes: cdp.Schema{"category": cdp.String, "amount": cdp.Number}}))
	}
	r := rand.New(rand.NewPCG(1, 1))
	who := make([]cdp.Identity, 0, 1000)
	for i := range people {
		who = append(who, cdp.Identity{UserID: fmt.Sprint("u", i), Attributes: cdp.Attrs{"age": 16 + r.IntN(60), "city": fmt.Sprint("city ", r.IntN(8))}})
		if len(who) == cap(who) || i == people-1 {
			_, err := c.Identify(ctx, who...)
			require.NoError(b, err)
			who = who[:0]
		}
	}
	step := to.Sub(from) / time.Duration(events)
	what := make([]cdp.Event, 0, 1000)
	for i := range events {
		what = append(what, cdp.Event{ID: fmt.Sprint("e", i), Name: []string{"view", "view", "view", "view", "view", "view", "add_to_cart", "add_to_cart", "add_to_cart", "purchase"}[r.IntN(10)],
			UserID: fmt.Sprint("u", r.IntN(people)), Time: from.Add(time.Duration(i) * step),
			Attributes: cdp.Attrs{"category": fmt.Sprint("category ", r.IntN(20)), "amount": r.IntN(10_000)}})
		if len(what) == cap(what) || i == events-1 {
			_, err := c.Import(ctx, what...)
			require.NoError(b, err)
			what = what[:0]
		}
	}
	return c, from, to
}
