package cdp_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
)

var (
	benchCache  = flag.Int64("bench-cache", 8<<20, "BenchmarkTimeline: Config.CacheBytes")
	benchEvents = flag.Int("bench-events", 1_000_000, "BenchmarkTimeline: events, 20 a person")
)

// BenchmarkTimeline asks for the profile and the 100 newest events of people at random, in a file that is much larger than
// the cache.
func BenchmarkTimeline(b *testing.B) {
	ctx := context.Background()
	people := *benchEvents / 20
	path := filepath.Join(b.TempDir(), "timeline.cdp")
	user := func(i int) string { return fmt.Sprint("u", i) }
	open := func() *cdp.Client {
		c, err := cdp.Open(path, cdp.Config{Now: func() time.Time { return day(200) }, CacheBytes: *benchCache})
		require.NoError(b, err)
		return c
	}
	c := open()
	for _, name := range []string{"view", "cart", "buy"} {
		require.NoError(b, c.Events().Define(ctx, cdp.EventType{Name: name, Attributes: cdp.Schema{"category": cdp.String, "amount": cdp.Number}}))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < *benchEvents; i += 10_000 {
		batch := make([]cdp.Event, 10_000)
		for k := range batch {
			at := day(1).Add(180 * 24 * time.Hour / time.Duration(*benchEvents) * time.Duration(i+k))
			batch[k] = cdp.Event{ID: fmt.Sprintf("%016x", r.Uint64()), Time: at, Name: []string{"view", "cart", "view", "buy"}[r.IntN(4)], UserID: user(r.IntN(people)),
				Attributes: cdp.Attrs{"category": fmt.Sprint("k", r.IntN(20)), "amount": float64(r.IntN(10_000)) / 100}}
		}
		_, err := c.Import(ctx, batch...)
		require.NoError(b, err)
	}
	require.NoError(b, c.Close())
	c = open()
	defer c.Close()
	var times []time.Duration
	for b.Loop() {
		start := time.Now()
		who := user(r.IntN(people))
		_, err := c.Profiles().Get(ctx, who)
		require.NoError(b, err)
		_, err = c.Profiles().Timeline(ctx, who, &cdp.TimelineOptions{Limit: 100})
		require.NoError(b, err)
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
}
