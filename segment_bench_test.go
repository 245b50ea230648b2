package cdp_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/memstore"
)

// BenchmarkPreviewAttributes asks a new segment about attributes alone of 1,000,000 customers, as q0 of bench does. "changed"
// sets one customer's age before each question.
func BenchmarkPreviewAttributes(b *testing.B) {
	const people = 1_000_000
	ctx := context.Background()
	c, err := cdp.New(memstore.New(), cdp.Config{})
	require.NoError(b, err)
	defer c.Close()
	require.NoError(b, c.Profiles().Define(ctx, cdp.Schema{"age": cdp.Number, "city": cdp.String}, cdp.Strict))
	r := rand.New(rand.NewPCG(1, 1))
	batch := make([]cdp.Identity, 5000)
	for i := 0; i < people; i += len(batch) {
		for k := range batch {
			attrs := cdp.Attrs{}
			if r.IntN(100) >= 3 {
				attrs["age"] = 16 + r.IntN(60)
			}
			if r.IntN(100) >= 2 {
				attrs["city"] = fmt.Sprint("city ", r.IntN(8))
			}
			batch[k] = cdp.Identity{UserID: fmt.Sprint("u", i+k), Attributes: attrs}
		}
		_, err := c.Identify(ctx, batch...)
		require.NoError(b, err)
	}
	ask := func(b *testing.B) {
		set, err := c.Segments().Preview(ctx, cdp.Segment{Name: "x", Where: `customer.age >= 18 && customer.age <= 35 && customer.city == "city 0"`})
		require.NoError(b, err)
		b.ReportMetric(float64(set.Len()), "members")
	}
	b.Run("same", func(b *testing.B) {
		for b.Loop() {
			ask(b)
		}
	})
	b.Run("changed", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			b.StopTimer()
			_, err := c.Identify(ctx, cdp.Identity{UserID: fmt.Sprint("u", i*7919%people), Attributes: cdp.Attrs{"age": 20}})
			require.NoError(b, err)
			b.StartTimer()
			ask(b)
		}
	})
}
