package cdp_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
)

// BenchmarkPast asks about an instant in the middle of a history of 20,000 people, half of them with a visitor, 60,000 attributes
// and 400,000 events. "first" derives everything anew, "again" asks the same Past once more.
func BenchmarkPast(b *testing.B) {
	ctx := context.Background()
	c := benchShop{
		profile: cdp.Schema{"age": cdp.Number, "city": cdp.String, "plan": cdp.String},
		event:   cdp.Schema{"category": cdp.String, "amount": cdp.Number},
		segments: map[string]string{
			"by_attributes": `customer.age >= 18 && customer.age <= 35 && customer.city == "c3"`,
			"by_both":       `customer.age >= 18 && customer.age <= 35 && customer.city == "c3" && events.buy.filter(e, e.category == "k7").within("30d").size() >= 1`,
			"by_events":     `events.buy.within("30d").size() >= 1`,
		},
		person: func(n int) cdp.Identity {
			who := cdp.Identity{UserID: shopUser(n), Attributes: cdp.Attrs{"age": 16 + n%60, "city": fmt.Sprint("c", n/60%8), "plan": fmt.Sprint("p", n%4)}}
			if n%2 == 0 {
				who.AnonymousID = fmt.Sprint("a", n)
			}
			return who
		},
		attributes: func(n int) cdp.Attrs { return cdp.Attrs{"category": fmt.Sprint("k", n/10%20), "amount": n % 100} },
	}.open(b)
	var err error
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
				_, err = ask(at).Profile(ctx, shopUser(i))
				require.NoError(b, err)
			}
		})
		b.Run(name+"/timeline", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				_, err = ask(at).Timeline(ctx, shopUser(i), nil)
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
			_, err = c.Profiles().Get(ctx, shopUser(i))
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
