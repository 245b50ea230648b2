package deadline

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// due is what the twin, a sorted slice, holds.
type due struct {
	at int64
	it Item
}

func before(a, b due) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.it.Kind, b.it.Kind), cmp.Compare(a.it.Subject, b.it.Subject), cmp.Compare(a.it.Row, b.it.Row))
}

type twin []due

func (tw *twin) insert(d due) {
	i, _ := slices.BinarySearchFunc(*tw, d, before)
	*tw = slices.Insert(*tw, i, d)
}

func (tw *twin) drain(now int64, max int) []due {
	n := 0
	for n < len(*tw) && n < max && (*tw)[n].at <= now {
		n++
	}
	out := slices.Clone((*tw)[:n])
	*tw = slices.Delete(*tw, 0, n)
	return out
}

// collect lists what an index holds, in order, and leaves it there.
func collect(x *Index) (out []due) {
	all := x.opened()
	for h, b := range x.buckets {
		all = b.appendTo(all, h)
	}
	slices.SortFunc(all, compareTimed)
	for _, t := range all {
		out = append(out, due{join(t.hour, t.offset), t.item()})
	}
	return out
}

func TestIndexAgainstSortedSlice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x, tw := New(), twin{}
		seed := rapid.Uint64().Draw(rt, "seed")
		rnd := rand.New(rand.NewPCG(seed, 1))
		now := int64(0)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch op := rapid.IntRange(0, 6).Draw(rt, "op"); op {
			case 0, 1, 2, 6: // into the index itself, or into another that it then takes over
				into := x
				if op == 6 {
					into = New()
				}
				spread := rapid.SampledFrom([]int64{1, 3, 1000, hour / 2, 3 * hour, 300 * hour}).Draw(rt, "spread")
				ids := rapid.SampledFrom([]uint32{1, 3, 100, math.MaxUint32}).Draw(rt, "ids")
				ahead := rapid.Int64Range(-hour, 3*hour).Draw(rt, "ahead")
				for range rapid.SampledFrom([]int{1, 5, 100, 600, 2000}).Draw(rt, "n") {
					d := due{now + ahead + rnd.Int64N(spread), Item{uint8(rnd.UintN(3)), rnd.Uint32N(min(ids, MaxSubject)), rnd.Uint32N(ids)}}
					into.Insert(d.at, d.it)
					tw.insert(d)
				}
				if op == 6 {
					into.Drain(now, rapid.IntRange(0, 3).Draw(rt, "drained before"), func(at int64, it Item) {
						i := slices.Index(tw, due{at, it})
						tw = slices.Delete(tw, i, i+1)
					})
					x.Merge(into)
				}
			case 3, 4:
				now += rapid.Int64Range(0, 2*hour).Draw(rt, "pass")
				limit := rapid.SampledFrom([]int{0, 1, 10, 700, 1 << 30}).Draw(rt, "max")
				again := rapid.IntRange(0, 3).Draw(rt, "insert from fn")
				var got []due
				var added []due
				n := x.Drain(now, limit, func(at int64, it Item) {
					got = append(got, due{at, it})
					if again > 0 { // what fires is inserted again, later than all that is due
						d := due{now + 1 + rnd.Int64N(hour), it}
						x.Insert(d.at, d.it)
						added = append(added, d)
						again--
					}
				})
				require.Equal(rt, tw.drain(now, limit), append([]due{}, got...))
				require.Equal(rt, len(got), n)
				for _, d := range added {
					tw.insert(d)
				}
			case 5: // checkpoint and reload
				pending := collect(x)
				require.Equal(rt, []due(tw), append([]due{}, pending...))
				x = New()
				rnd.Shuffle(len(pending), func(i, j int) { pending[i], pending[j] = pending[j], pending[i] })
				for _, d := range pending {
					x.Insert(d.at, d.it)
				}
			}
			require.Equal(rt, len(tw), x.Len())
			at, ok := x.Next()
			require.Equal(rt, len(tw) > 0, ok)
			if ok {
				require.Equal(rt, tw[0].at, at)
			}
		}
		require.Equal(rt, []due(tw), append([]due{}, collect(x)...))
	})
}

func TestEndsOfTime(t *testing.T) {
	x := New()
	for _, at := range []int64{math.MaxInt64, 0, math.MinInt64, -1, hour, hour - 1, -hour, -hour - 1, math.MinInt64 + 1} {
		x.Insert(at, Item{})
	}
	var got []int64
	require.Equal(t, 9, x.Drain(math.MaxInt64, 100, func(at int64, _ Item) { got = append(got, at) }))
	require.Equal(t, []int64{math.MinInt64, math.MinInt64 + 1, -hour - 1, -hour, -1, 0, hour - 1, hour, math.MaxInt64}, got)
	_, ok := x.Next()
	require.False(t, ok)
}

// A function that inserts at an instant that is already due sees it drained in the same call, in order.
func TestInsertDueWhileDraining(t *testing.T) {
	x := New()
	x.Insert(10, Item{Row: 1})
	x.Insert(20, Item{Row: 2})
	var got []string
	x.Drain(20, 10, func(at int64, it Item) {
		got = append(got, fmt.Sprint(at, " ", it.Row))
		if it.Row == 1 {
			x.Insert(15, Item{Row: 3})
			x.Insert(5, Item{Row: 4})
			x.Insert(21, Item{Row: 5})
		}
	})
	require.Equal(t, []string{"10 1", "5 4", "15 3", "20 2"}, got)
	require.Equal(t, 1, x.Len())
}

// Many deadlines at one instant, and many that are equal, are still drained in small steps and in order.
func TestOneInstant(t *testing.T) {
	x := New()
	for i := range uint32(20_000) {
		x.Insert(7, Item{Kind: 1, Subject: i % 3, Row: i * 7919 % 20_000})
		x.Insert(7, Item{Kind: 2})
	}
	var got []due
	for x.Drain(7, 999, func(at int64, it Item) { got = append(got, due{at, it}) }) > 0 {
	}
	require.Len(t, got, 40_000)
	require.True(t, slices.IsSortedFunc(got, before))
}

const benchN = 5_000_000

func fill(x *Index, n int, spread int64) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		x.Insert(rnd.Int64N(spread), Item{1, uint32(i % 50), uint32(i)})
	}
}

func BenchmarkInsertDrain(b *testing.B) {
	for name, spread := range map[string]int64{"30days": 720 * hour, "1hour": hour} {
		b.Run(name, func(b *testing.B) {
			var before, after runtime.MemStats
			var insert, worst int64
			for b.Loop() {
				runtime.GC()
				runtime.ReadMemStats(&before)
				x := New()
				start := b.Elapsed()
				fill(x, benchN, spread)
				insert += int64(b.Elapsed() - start)
				runtime.ReadMemStats(&after)
				for {
					start := b.Elapsed()
					if x.Drain(math.MaxInt64, 1000, func(int64, Item) {}) == 0 {
						break
					}
					worst = max(worst, int64(b.Elapsed()-start))
				}
			}
			n := float64(b.N) * benchN
			b.ReportMetric(float64(insert)/n, "insert-ns")
			b.ReportMetric((float64(b.Elapsed().Nanoseconds())-float64(insert))/n, "drain-ns")
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/benchN, "bytes/deadline")
			b.ReportMetric(float64(worst)/1e6, "worst-ms-per-1000")
		})
	}
}
