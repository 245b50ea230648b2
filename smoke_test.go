package cdp_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "a.cdp")
	c, err := cdp.Open(path)
	require.NoError(t, err)
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "purchase", Attributes: cdp.Schema{"category": cdp.String, "amount": cdp.Number}}))
	require.NoError(t, c.Profiles().Define(ctx, cdp.Schema{"city": cdp.String}, cdp.Strict))
	_, err = c.Track(ctx, cdp.Event{ID: "e1", Name: "purchase", AnonymousID: "a1", Attributes: cdp.Attrs{"category": "shoes", "amount": 4.5}})
	require.NoError(t, err)
	_, err = c.Identify(ctx, cdp.Identity{UserID: "u1", AnonymousID: "a1", Attributes: cdp.Attrs{"city": "Hue"}})
	require.NoError(t, err)
	res, err := c.Track(ctx, cdp.Event{ID: "e1", Name: "purchase", UserID: "u1"})
	require.NoError(t, err)
	require.Equal(t, 1, res.Duplicates)
	_, err = c.Track(ctx, cdp.Event{ID: "e2", Name: "purchase", UserID: "u1", Attributes: cdp.Attrs{"categry": "x"}})
	fmt.Println(err)
	require.NoError(t, c.Close())
	c, err = cdp.Open(path)
	require.NoError(t, err)
	p, err := c.Profiles().Get(ctx, "u1")
	require.NoError(t, err)
	fmt.Println(p)
	tl, err := c.Profiles().Timeline(ctx, "u1", nil)
	require.NoError(t, err)
	fmt.Println(tl)
	require.NoError(t, c.Close())
}

func BenchmarkTrack(b *testing.B) {
	ctx := context.Background()
	c, err := cdp.Open(filepath.Join(b.TempDir(), "a.cdp"))
	require.NoError(b, err)
	require.NoError(b, c.Events().Define(ctx, cdp.EventType{Name: "purchase", Attributes: cdp.Schema{"category": cdp.String, "amount": cdp.Number, "sku": cdp.String}}))
	events := make([]cdp.Event, 1000)
	n := 0
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		for i := range events {
			n++
			events[i] = cdp.Event{ID: fmt.Sprintf("e%015d", n), Name: "purchase", UserID: fmt.Sprintf("u%d", n*7919%100000), Time: now.Add(time.Duration(n) * time.Millisecond * 0),
				Attributes: cdp.Attrs{"category": "c1", "amount": float64(n % 100), "sku": fmt.Sprintf("s%d", n%5000)}}
		}
		if _, err := c.Track(ctx, events...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*1000)/b.Elapsed().Seconds(), "events/s")
	b.StopTimer()
	c.Close()
}
