package cdp_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
)

// BenchmarkWhyNot asks about people with few and with many events, about conditions that a change of the person turns, a pair,
// a change of a literal, and additions of events that name several values.
func BenchmarkWhyNot(b *testing.B) {
	start := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	c := cdptest.New(b, cdptest.Options{Start: start})
	c.Define(cdp.EventType{Name: "buy", Attributes: cdp.Schema{"category": cdp.String, "amount": cdp.Number}}, cdp.EventType{Name: "view"})
	c.DefineProfile(cdp.Schema{"age": cdp.Number, "city": cdp.String})
	for _, n := range []int{10, 1000, 100_000} {
		who := fmt.Sprint("u", n)
		c.Knows(cdp.Identity{UserID: who, Attributes: cdp.Attrs{"age": 17, "city": "Hue"}})
		for from := 0; from < n; from += 10_000 {
			batch := make([]cdp.Event, min(n, 10_000))
			for i := range batch {
				batch[i] = cdp.Event{Name: "buy", UserID: who, Time: start.Add(-time.Duration(i+from) * time.Minute),
					Attributes: cdp.Attrs{"category": []string{"hats", "bags", "socks"}[i%3], "amount": i % 50}}
			}
			_, err := c.Import(b.Context(), batch...)
			require.NoError(b, err)
		}
	}
	for _, s := range []struct{ name, where string }{
		{"one", `customer.age >= 16 && events.buy.filter(e, e.category == "shoes").within("30d").size() >= 2`},
		{"pair", `customer.age >= 18 && customer.city == "Hanoi" && events.view.size() == 0`},
		{"events", `events.buy.exists(e, e.category == "shoes" && e.amount > 100) && events.view.size() >= 3 && events.buy.sum(e, e.amount) > 5`},
		{"literal", `customer.age < 3 && customer.age > 5`},
	} {
		c.SaveSegment(s.name, s.where)
		for _, n := range []int{10, 1000, 100_000} {
			b.Run(fmt.Sprintf("%s/events=%d", s.name, n), func(b *testing.B) {
				found := cdp.WhyNot{}
				for b.Loop() {
					var err error
					found, err = c.Segments().WhyNot(b.Context(), s.name, fmt.Sprint("u", n))
					require.NoError(b, err)
				}
				b.ReportMetric(float64(len(found.Options)), "options")
				b.ReportMetric(float64(b2i(found.Complete)), "complete")
			})
		}
	}
}
