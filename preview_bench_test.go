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

// BenchmarkPreview finds segments of kinds that used to be asked row by row: 20,000 people, 400,000 events over 180 days.
func BenchmarkPreview(b *testing.B) {
	const people, events = 20_000, 400_000
	ctx := context.Background()
	clock := cdptest.NewClock(day(1))
	c, err := cdp.New(memstore.New(), cdp.Config{Now: clock.Now})
	require.NoError(b, err)
	defer c.Close()
	require.NoError(b, c.Profiles().Define(ctx, cdp.Schema{"age": cdp.Number, "birthday": cdp.Datetime, "tags": cdp.StringList, "about": cdp.Text}, cdp.Strict))
	for _, name := range []string{"view", "cart", "buy"} {
		require.NoError(b, c.Events().Define(ctx, cdp.EventType{Name: name, Attributes: cdp.Schema{"category": cdp.String, "amount": cdp.Number, "quantity": cdp.Number, "note": cdp.Text}}))
	}
	user := func(i int) string { return fmt.Sprint("u", i*7919%people) }
	for i := 0; i < people; i += 1000 {
		batch := make([]cdp.Identity, 1000)
		for k := range batch {
			n := i + k
			batch[k] = cdp.Identity{UserID: user(n), Attributes: cdp.Attrs{"age": 16 + n%60, "birthday": day(1).AddDate(-20, 0, n%365),
				"tags": []string{fmt.Sprint("t", n%7), fmt.Sprint("t", n%11)}, "about": fmt.Sprint("likes ", n%100, " and tea")}}
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
			batch[k] = cdp.Event{Name: name, UserID: user(int(uint64(n)*0x9e3779b97f4a7c15>>40) % people), Attributes: cdp.Attrs{
				"category": fmt.Sprint("k", n/10%20), "amount": n % 97, "quantity": 1 + n%3, "note": fmt.Sprint("n", n%1000)}}
		}
		_, err := c.Import(ctx, batch...)
		require.NoError(b, err)
	}
	for _, where := range []string{
		`sequence(events.view, events.cart, events.buy, "7d")`,
		`sequence(events.view.filter(e, e.category == "k3"), events.buy.within("60d"), "7d")`,
		`customer.age * 2.0 + 1 > 60`,
		`events.buy.exists(e, e.amount * e.quantity > 250)`,
		`events.buy.sum(e, e.amount * e.quantity) > 400`,
		`"t3" in customer.tags`,
		`customer.tags.exists(t, t.startsWith("t1"))`,
		`size(customer.tags) > 1`,
		`customer.about.contains("77")`,
		`events.buy.exists(e, e.note == "n7")`,
		`events.buy.map(e, e.amount).size() > 2`,
		`customer.birthday.anniversary() == now.startOf("day")`,
	} {
		b.Run(where, func(b *testing.B) {
			for b.Loop() {
				set, err := c.Segments().Preview(ctx, cdp.Segment{Name: "x", Where: where})
				require.NoError(b, err)
				b.ReportMetric(float64(set.Len()), "members")
			}
		})
	}
}
