package cdp_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
	"github.com/embedcdp/cdp/store/memstore"
)

// BenchmarkPast asks about an instant in the middle of a history of 20,000 people, half of them with a visitor, 60,000 attributes
// and 400,000 events. "first" derives everything anew, "again" asks the same Past once more.
func BenchmarkPast(b *testing.B) {
	const people, events = 20_000, 400_000
	ctx := context.Background()
	clock := cdptest.NewClock(day(1))
	c, err := cdp.New(memstore.New(), cdp.Config{Now: clock.Now})
	require.NoError(b, err)
	defer c.Close()
	require.NoError(b, c.Profiles().Define(ctx, cdp.Schema{"age": cdp.Number, "city": cdp.String, "plan": cdp.String}, cdp.Strict))
	for _, name := range []string{"view", "cart", "buy"} {
		require.NoError(b, c.Events().Define(ctx, cdp.EventType{Name: name, Attributes: cdp.Schema{"category": cdp.String, "amount": cdp.Number}}))
	}
	for name, where := range map[string]string{
		"by_attributes": `customer.age >= 18 && customer.age <= 35 && customer.city == "c3"`,
		"by_both":       `customer.age >= 18 && customer.age <= 35 && customer.city == "c3" && events.buy.filter(e, e.category == "k7").within("30d").size() >= 1`,
		"by_events":     `events.buy.within("30d").size() >= 1`,
	} {
		require.NoError(b, c.Segments().Save(ctx, cdp.Segment{Name: name, Where: where}))
	}
	user := func(i int) string { return fmt.Sprint("u", i*7919%people) }
	for i := 0; i < people; i += 1000 {
		batch := make([]cdp.Identity, 1000)
		for k := range batch {
			n := i + k
			batch[k] = cdp.Identity{UserID: user(n), Attributes: cdp.Attrs{"age": 16 + n%60, "city": fmt.Sprint("c", n/60%8), "plan": fmt.Sprint("p", n%4)}}
			if n%2 == 0 {
				batch[k].AnonymousID = fmt.Sprint("a", n)
			}
		}
		_, err := c.Identify(ctx, batch...)
		require.NoError(b, err)
	}
	for i := 0; i < events; i += 1000 {
		clock.Advance(180 * 24 * time.Hour / (events / 1000))
		batch := make([]cdp.Event, 1000)
		for k := range batch {
			n := i + k
			name := []string{"view", "view", "view", "view", "view", "view", "cart", "cart", "cart", "buy"}[n%10]
			batch[k] = cdp.Event{Name: name, UserID: user(int(uint64(n)*0x9e3779b97f4a7c15>>40) % people), Attributes: cdp.Attrs{"category": fmt.Sprint("k", n/10%20), "amount": n % 100}}
		}
		_, err := c.Import(ctx, batch...)
		require.NoError(b, err)
	}
	at := day(1).Add(90 * 24 * time.Hour)
	for name, ask := range map[string]func(time.Time) cdp.Past{"known": c.KnownAt, "true": c.TrueAt} {
		for _, segment := range []string{"by_attributes", "by_both", "by_events"} {
			b.Run(name+"/count/"+segment+"/first", func(b *testing.B) {
				n := 0
				for b.Loop() {
					n, err = ask(at).Count(ctx, segment)
					require.NoError(b, err)
				}
				b.ReportMetric(float64(n), "members")
			})
		}
		past := ask(at)
		b.Run(name+"/count/again", func(b *testing.B) {
			for b.Loop() {
				_, err = past.Count(ctx, "by_both")
				require.NoError(b, err)
			}
		})
		b.Run(name+"/profile", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				_, err = ask(at).Profile(ctx, user(i))
				require.NoError(b, err)
			}
		})
		b.Run(name+"/timeline", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				_, err = ask(at).Timeline(ctx, user(i), nil)
				require.NoError(b, err)
			}
		})
		trend := cdp.Trend{Range: cdp.Between(day(1), at), Series: []cdp.Series{{Event: "buy", Measure: cdp.Sum, Value: "amount", By: "category"}}}
		b.Run(name+"/trend", func(b *testing.B) {
			for b.Loop() {
				_, err = past.Trend(ctx, trend)
				require.NoError(b, err)
			}
		})
	}
	b.Run("present/count/new", func(b *testing.B) {
		for b.Loop() {
			_, err = c.Segments().Preview(ctx, cdp.Segment{Name: "x", Where: `events.buy.within("30d").size() >= 1`})
			require.NoError(b, err)
		}
	})
	b.Run("present/profile", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			_, err = c.Profiles().Get(ctx, user(i))
			require.NoError(b, err)
		}
	})
	b.Run("present/trend", func(b *testing.B) {
		trend := cdp.Trend{Range: cdp.Between(day(1), at), Series: []cdp.Series{{Event: "buy", Measure: cdp.Sum, Value: "amount", By: "category"}}}
		for b.Loop() {
			_, err = c.Insights().Trend(ctx, trend)
			require.NoError(b, err)
		}
	})
}
