package cdp_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
)

// BenchmarkPreview finds segments of kinds that used to be asked row by row: 20,000 people, 400,000 events over 180 days.
func BenchmarkPreview(b *testing.B) {
	ctx := context.Background()
	c := benchShop{
		profile: cdp.Schema{"age": cdp.Number, "birthday": cdp.Datetime, "tags": cdp.StringList, "about": cdp.Text},
		event:   cdp.Schema{"category": cdp.String, "amount": cdp.Number, "quantity": cdp.Number, "note": cdp.Text},
		person: func(n int) cdp.Identity {
			return cdp.Identity{UserID: shopUser(n), Attributes: cdp.Attrs{"age": 16 + n%60, "birthday": day(1).AddDate(-20, 0, n%365),
				"tags": []string{fmt.Sprint("t", n%7), fmt.Sprint("t", n%11)}, "about": fmt.Sprint("likes ", n%100, " and tea")}}
		},
		attributes: func(n int) cdp.Attrs {
			return cdp.Attrs{"category": fmt.Sprint("k", n/10%20), "amount": n % 97, "quantity": 1 + n%3, "note": fmt.Sprint("n", n%1000)}
		},
	}.open(b)
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
