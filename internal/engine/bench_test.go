package engine_test

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/engine"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/value"
	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/boltstore"
)

var (
	benchEvents = flag.Int("bench-events", 200_000, "events in the file that BenchmarkOpen opens")
	benchCache  = flag.Int64("bench-cache", 0, "CacheBytes of BenchmarkOpen")
)

// track submits events of 50,000 people in batches of 1,000: a 16-byte id, a category of 20, a sku of 5,000, an amount.
func track(tb testing.TB, e *engine.Engine, w *world, from, to int) {
	for n := from; n < to; n += 1000 {
		w.now = w.now.Add(time.Second)
		var enc record.Encoder
		for i := n; i < min(n+1000, to); i++ {
			enc.Begin(record.Head{Kind: record.KindEvent, Name: "purchase", Time: w.now.UnixMicro(), ID: fmt.Sprintf("%016x", uint64(i)*0x9e3779b97f4a7c15)})
			enc.Idents(1)
			enc.Ident("user_id", fmt.Sprintf("u%d", w.rand(50_000)))
			enc.Attrs(3)
			enc.Attr("category", value.Str(fmt.Sprintf("category %d", w.rand(20))))
			enc.Attr("sku", value.Str(fmt.Sprintf("sku %d", w.rand(5000))))
			enc.Attr("amount", value.Num(float64(w.rand(10_000))/100))
			enc.End(nil)
		}
		_, err := e.Submit(context.Background(), enc.Submission(nil))
		require.NoError(tb, err)
	}
}

func benchOptions(w *world) engine.Options {
	return engine.Options{Portal: "p", Now: w.clock, CacheBytes: *benchCache}
}

func definePurchase(tb testing.TB, e *engine.Engine) {
	for _, d := range [][]byte{
		define("event", "purchase", obj{"name": "purchase", "attributes": obj{"category": obj{"type": "string"}, "sku": obj{"type": "string"}, "amount": obj{"type": "number"}}}),
	} {
		v, err := e.Submit(context.Background(), d)
		require.NoError(tb, err)
		require.Equal(tb, fold.Accepted, v[0].Code, v[0].Reason)
	}
}

// BenchmarkOpen opens a file that was closed well: go test -run '^$' -bench Open -bench-events 2000000 ./internal/engine
func BenchmarkOpen(b *testing.B) {
	w := &world{now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	st, err := boltstore.Open(filepath.Join(b.TempDir(), "bench.cdp"), nil)
	require.NoError(b, err)
	defer st.Close()
	e := mustOpen(b, st, benchOptions(w))
	definePurchase(b, e)
	start := time.Now()
	track(b, e, w, 0, *benchEvents)
	b.Logf("%d events tracked in %v, then %.0f MiB of heap in use", *benchEvents, time.Since(start).Round(time.Millisecond), heapMiB())
	require.NoError(b, e.Close())
	e = nil
	for b.Loop() {
		e = mustOpen(b, st, benchOptions(w))
		b.StopTimer()
		b.ReportMetric(heapMiB(), "heap-MiB")
		require.NoError(b, e.Close())
		e = nil
		b.StartTimer()
	}
}

func mustOpen(tb testing.TB, st store.Store, opt engine.Options) *engine.Engine {
	e, err := engine.Open(context.Background(), st, opt)
	require.NoError(tb, err)
	return e
}

func heapMiB() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// BenchmarkBatches submits batches of 1,000 purchases, while as many people as -bench-events are inside a journey and wait
// to leave a segment, and checkpoints are due all the time. How long the slowest batches take is how much a checkpoint
// holds intake up.
func BenchmarkBatches(b *testing.B) {
	w := &world{now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	st, err := boltstore.Open(filepath.Join(b.TempDir(), "bench.cdp"), nil)
	require.NoError(b, err)
	defer st.Close()
	opt := benchOptions(w)
	opt.CheckpointBytes = 4 << 20
	e := mustOpen(b, st, opt)
	definePurchase(b, e)
	for _, d := range [][]byte{
		define("event", "visit", obj{"name": "visit"}),
		define("segment", "visitors", obj{"name": "visitors", "where": `events.visit.within("90d").size() >= 1`}),
		define("journey", "later", obj{"name": "later", "entry": obj{"event": "visit"}, "nodes": []obj{
			{"id": "wait", "type": "delay", "for": "90d", "next": "end"}, {"id": "end", "type": "exit"}}}),
	} {
		v, err := e.Submit(context.Background(), d)
		require.NoError(b, err)
		require.Equal(b, fold.Accepted, v[0].Code, v[0].Reason)
	}
	for n := 0; n < *benchEvents; n += 1000 {
		var enc record.Encoder
		for i := n; i < n+1000; i++ {
			enc.Begin(record.Head{Kind: record.KindEvent, Name: "visit", Time: w.now.UnixMicro(), ID: fmt.Sprint("v", i)})
			enc.Idents(1)
			enc.Ident("user_id", fmt.Sprint("w", i))
			enc.Attrs(0)
			enc.End(nil)
		}
		_, err := e.Submit(context.Background(), enc.Submission(nil))
		require.NoError(b, err)
	}
	var times []time.Duration
	n := 0
	for b.Loop() {
		start := time.Now()
		track(b, e, w, n, n+1000)
		times = append(times, time.Since(start))
		n += 1000
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(times[len(times)-1].Microseconds())/1000, "max-ms")
	require.NoError(b, e.Close())
}
