package dedup

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// twin is a log of all adds and a map from the id to its last one.
type twin struct {
	window int64
	maxIDs int
	log    []added
	byID   map[string]int
	now    int64
}

type added struct {
	id string
	at int64
}

// held says whether the rule in the documentation keeps the n-th add: slices of 1/32 of the window and of MaxIDs.
func (tw *twin) held(n int) bool {
	slice, perSlice := max(1, tw.window/32), max(1, tw.maxIDs/32)
	sliceEnd := int64(math.Floor(float64(tw.log[n].at)/float64(slice)))*slice + slice
	return sliceEnd > tw.now-tw.window && len(tw.log)-n/perSlice*perSlice <= tw.maxIDs
}

func (tw *twin) seen(id string, now int64) (int, bool) {
	tw.now = max(tw.now, now)
	n, ok := tw.byID[id]
	return n, ok && tw.held(n)
}

func (tw *twin) add(id string, now int64) {
	tw.now = max(tw.now, now)
	tw.byID[id] = len(tw.log)
	tw.log = append(tw.log, added{id, tw.now})
}

func (tw *twin) bounds(t require.TestingT, b Bounds) {
	oldest := len(tw.log)
	for n := len(tw.log) - 1; n >= 0 && tw.held(n); n-- {
		oldest = n
	}
	require.Equal(t, len(tw.log)-oldest, b.IDs)
	require.LessOrEqual(t, b.IDs, tw.maxIDs)
	require.Equal(t, uint64(oldest), b.First)
	for n, a := range tw.log {
		if a.at >= b.From {
			require.True(t, tw.held(n), "the set claims to cover add %d", n)
		}
		if a.at >= tw.now-tw.window && n >= len(tw.log)-tw.maxIDs+tw.maxIDs/32 {
			require.True(t, tw.held(n), "add %d is in the window and among the newest", n)
		}
	}
}

func TestSetAgainstMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tw := &twin{
			window: rapid.SampledFrom([]int64{1, 31, 320, 7 * day}).Draw(rt, "window"),
			maxIDs: rapid.SampledFrom([]int{1, 5, 33, 1000, 5000}).Draw(rt, "max ids"),
			byID:   map[string]int{}, now: math.MinInt64,
		}
		s := New(Config{Window: tw.window, MaxIDs: tw.maxIDs})
		now := rapid.Int64Range(-1000, 1000).Draw(rt, "start")
		pool := rapid.Uint64Range(1, 20_000).Draw(rt, "ids")
		seed := rapid.Uint64().Draw(rt, "seed")
		for range rapid.IntRange(1, 8).Draw(rt, "phases") {
			step := rapid.Int64Range(0, max(1, tw.window/100)).Draw(rt, "step")
			for range rapid.IntRange(0, 3000).Draw(rt, "events") {
				seed = seed*6364136223846793005 + 1442695040888963407
				now += int64(seed>>33) % (step + 1)
				id := fmt.Sprint(seed >> 20 % pool)
				wantRef, want := tw.seen(id, now)
				ref, ok := s.Seen([]byte(id), now, func(ref uint64) bool { return tw.log[ref].id == id })
				if ok != want || ok && ref != uint64(wantRef) {
					rt.Fatalf("id %s at %d: %v %d, want %v %d", id, now, ok, ref, want, wantRef)
				}
				if !ok {
					s.Add([]byte(id), uint64(len(tw.log)), now)
					tw.add(id, now)
				}
			}
			now += rapid.SampledFrom([]int64{-3, 0, 1, tw.window / 32, tw.window, 3 * tw.window}).Draw(rt, "pass")
			s.Seen([]byte("clock"), now, func(uint64) bool { return false })
			tw.seen("clock", now)
			tw.bounds(rt, s.Bounds())
			if rapid.Bool().Draw(rt, "rebuild") {
				saved := s.Bounds()
				s = New(Config{Window: tw.window, MaxIDs: tw.maxIDs, Resume: saved})
				for n := int(saved.First); n < len(tw.log); n++ {
					s.Add([]byte(tw.log[n].id), uint64(n), tw.log[n].at)
				}
				s.Seen([]byte("clock"), tw.now, func(uint64) bool { return false })
				require.Equal(rt, saved, s.Bounds())
			}
		}
	})
}

func TestDefaults(t *testing.T) {
	s := New(Config{})
	require.Equal(t, Bounds{From: math.MinInt64}, s.Bounds())
	s.Add([]byte("a"), 1, 100*day)
	require.Equal(t, Bounds{From: 93 * day, First: 0, IDs: 1}, s.Bounds())
	one := func(ref uint64) bool { return ref == 1 }
	_, ok := s.Seen([]byte("a"), 107*day, one)
	require.True(t, ok)
	_, ok = s.Seen([]byte("a"), 107*day+6*3600_000_000, one)
	require.False(t, ok)
}

// More ids with one hash than a segment holds: equal tells them apart, and all of them are found until they expire.
func TestOneHash(t *testing.T) {
	s := New(Config{Window: 100})
	find := func(want uint64, now int64) bool {
		_, ok := s.Seen([]byte("same"), now, func(ref uint64) bool { return ref == want })
		return ok
	}
	for i := range uint64(3000) {
		s.Add([]byte("same"), i, int64(i/1500)*50)
	}
	require.NotEmpty(t, s.table.overflow)
	require.Less(t, len(s.table.directory), 10_000)
	for i := range uint64(3000) {
		require.True(t, find(i, 100))
	}
	require.False(t, find(0, 110))
	require.True(t, find(2999, 110))
	s.table.sweep(s.oldest())
	require.True(t, find(2999, 110))
	require.False(t, find(2999, 160))
	s.table.sweep(s.oldest())
	require.Empty(t, s.table.overflow)
}

// Generation marks come round after 65,535 generations. No expired id comes back to life.
func TestMarksComeRound(t *testing.T) {
	s := New(Config{MaxIDs: 4}) // a generation for every add
	stale := 0
	id := func(i uint64) []byte { return binary.LittleEndian.AppendUint64(nil, i) }
	for i := range uint64(150_000) {
		s.Add(id(i), i, 0)
		for back := range uint64(6) {
			_, ok := s.Seen(id(i-back), 0, func(ref uint64) bool { return ref == i-back })
			if ok != (back < 4 && back <= i) {
				t.Fatalf("add %d: the one %d before is held: %v", i, back, ok)
			}
		}
		if i > 65_600 { // one that had the mark which is used next
			s.Seen(id(i-65_534), 0, func(uint64) bool { stale++; return false })
		}
	}
	require.Zero(t, stale)
}

const benchIDs = 5_000_000

func BenchmarkSeenAdd(b *testing.B) {
	var before, after runtime.MemStats
	var worst int64
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := New(Config{})
		never := func(uint64) bool { return false }
		var id [16]byte
		for i := range uint64(benchIDs) {
			binary.LittleEndian.PutUint64(id[:], i*0x9e3779b97f4a7c15)
			now := int64(i) * 3000
			if i%1000 == 0 {
				start := b.Elapsed()
				s.Seen(id[:], now, never)
				s.Add(id[:], i, now)
				worst = max(worst, int64(b.Elapsed()-start))
				continue
			}
			s.Seen(id[:], now, never)
			s.Add(id[:], i, now)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(s)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchIDs, "ns/id")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/benchIDs, "bytes/id")
	b.ReportMetric(float64(worst)/1e3, "worst-us-sampled")
}

// BenchmarkRotating holds a full window: every id expires in the end.
func BenchmarkRotating(b *testing.B) {
	s := New(Config{MaxIDs: 1_000_000})
	never := func(uint64) bool { return false }
	var id [16]byte
	i := uint64(0)
	step := func() {
		binary.LittleEndian.PutUint64(id[:], i*0x9e3779b97f4a7c15)
		s.Seen(id[:], 0, never)
		s.Add(id[:], i, 0)
		i++
	}
	for range 5_000_000 {
		step()
	}
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
	b.ReportMetric(float64(s.table.segments)*segmentSize*16/1e6, "bytes/id")
}
