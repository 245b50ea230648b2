package dedup

import (
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
	gap    uint64 // between references
	log    []added
	byID   map[string]int
	now    int64
}

type added struct {
	id string
	at int64
}

// held says whether the rule in the documentation keeps the n-th add: slices of 1/32 of the window, of MaxIDs, and of 1<<30
// references.
func (tw *twin) held(n int) bool {
	slice, perSlice := max(1, tw.window/32), max(1, tw.maxIDs/32)
	sliceEnd := int64(math.Floor(float64(tw.log[n].at)/float64(slice)))*slice + slice
	ref, newest := uint64(n)*tw.gap, uint64(len(tw.log)-1)*tw.gap
	return sliceEnd > tw.now-tw.window && len(tw.log)-n/perSlice*perSlice <= tw.maxIDs && ref>>25<<25+1<<30 > newest
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
		if a.at >= tw.now-tw.window && n >= len(tw.log)-tw.maxIDs+tw.maxIDs/32 && uint64(len(tw.log)-n)*tw.gap < 1<<30-1<<25 {
			require.True(t, tw.held(n), "add %d is in the window and among the newest", n)
		}
	}
}

func TestSetAgainstMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tw := &twin{
			window: rapid.SampledFrom([]int64{1, 31, 320, 7 * day}).Draw(rt, "window"),
			maxIDs: rapid.SampledFrom([]int{1, 5, 33, 1000, 5000}).Draw(rt, "max ids"),
			gap:    rapid.SampledFrom([]uint64{1, 3, 1 << 18, 1<<22 + 1, 1 << 26, 1 << 31}).Draw(rt, "gap"),
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
				ref, ok := s.Seen([]byte(id), now, func(ref uint64) bool { return ref%tw.gap == 0 && tw.log[ref/tw.gap].id == id })
				if ok != want || ok && ref != uint64(wantRef)*tw.gap {
					rt.Fatalf("id %s at %d: %v %d, want %v %d", id, now, ok, ref, want, wantRef)
				}
				if !ok {
					s.Add([]byte(id), uint64(len(tw.log))*tw.gap, now)
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
					s.Add([]byte(tw.log[n].id), uint64(n)*tw.gap, tw.log[n].at)
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
	require.False(t, find(2999, 160))
	s.Add([]byte("another"), maxRefs+3000, 160) // sweeps all
	require.Empty(t, s.table.overflow)
}

// The table keeps half of each reference. Whatever comes round, no expired id comes back to life, and equal is never asked
// about one.
func TestReferencesComeRound(t *testing.T) {
	for _, gap := range []uint64{1 << 20, 1<<27 - 1, 1 << 30, 1<<31 + 1, 1 << 32, 1<<32 + 1} {
		s := New(Config{MaxIDs: 1000})
		for i := range uint64(9000) {
			s.Add(benchID(i), i*gap, 0)
			for _, back := range []uint64{0, 1, 500, 968, 1000, 5000} {
				asked := uint64(0)
				_, ok := s.Seen(benchID(i-back), 0, func(ref uint64) bool { asked = ref; return true })
				slice := i - back - (i-back)%31 // of 1/32 of 1000
				want := back <= i && i+1-slice <= 1000 && (i-back)*gap>>25<<25+1<<30 > i*gap
				if ok != want || ok && asked != (i-back)*gap {
					t.Fatalf("gap %d, add %d: the one %d before is held: %v, with reference %d", gap, i, back, ok, asked)
				}
			}
		}
	}
}

// Ids that expired in a part of the table where none comes any more are swept out before references come round to theirs.
func TestExpiredAreSwept(t *testing.T) {
	s, _ := filled(50_000)
	stale := 0
	for i := range uint64(64) {
		s.Add(benchID(1_000_000+i), 1<<20+i<<27, 0)
		if i > 8 {
			for k := uint64(0); k < 50_000; k += 499 {
				s.Seen(benchID(k), 0, func(uint64) bool { stale++; return false })
			}
		}
	}
	require.Zero(t, stale)
}

// References that do not ascend are a mistake in the program.
func TestReferencesMustAscend(t *testing.T) {
	s := New(Config{Window: 1})
	s.Add([]byte("a"), 7, 0)
	require.PanicsWithValue(t, "dedup: reference 7 is added after 7: they must ascend", func() { s.Add([]byte("b"), 7, 1000) })
	s.Add([]byte("b"), 8, 1000)
}

// An id takes at most so many bytes, at any number of them. The figures are those of 8-byte slots that are filled to between
// two thirds and three quarters, with room for other things in the process.
func TestMemory(t *testing.T) {
	for _, n := range []uint64{100_000, 150_000, 200_000, 260_000} {
		s, size := filled(n)
		require.Less(t, size, 15.0, "bytes an id, of %d", n)
		require.Greater(t, size, 8.0)
		runtime.KeepAlive(s)
	}
}

// A set that was full and whose ids have all expired gives its memory back as new ids come.
func TestShrinks(t *testing.T) {
	s := New(Config{Window: 1000})
	for i := range uint64(200_000) {
		s.Add(benchID(i), i<<8, 0)
	}
	slots := func() (n int) {
		for i, x := range s.table.directory {
			if i == 0 || &x.slots[0] != &s.table.directory[i-1].slots[0] {
				n += len(x.slots)
			}
		}
		return n
	}
	require.Greater(t, slots(), 200_000)
	for i := range uint64(1 << 10) {
		s.Add(benchID(1_000_000+i), 200_000<<8+i<<20, 5000)
	}
	require.Less(t, slots(), 80_000, "only parts that no new id went to may still be large") // about 20,000; the hash has a random seed
}

// A new id is compared with a stored one hardly ever: the table keeps enough of each hash, also after many splits.
func TestHardlyEverVerified(t *testing.T) {
	s, _ := filled(1_000_000)
	asked := 0
	for i := range uint64(1_000_000) {
		s.Seen(benchID(1_000_000+i), 0, func(uint64) bool { asked++; return false })
	}
	require.Less(t, asked, 30, "of a million look-ups; some 3 are expected")
}
