package insight

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/stretchr/testify/require"
)

// TestFunnelByBucketsAgainstWalk asks both for the same. The walk is compared with every chain elsewhere.
func TestFunnelByBucketsAgainstWalk(t *testing.T) {
	defer func(n int) { maxDealt = n }(maxDealt)
	r := rand.New(rand.NewPCG(21, 22))
	byBuckets, ties := 0, 0
	for round := range 600 {
		maxDealt = []int{16 << 20, 50}[r.IntN(2)]
		kinds := 1 + r.IntN(6)
		people := []int{3, 50, 3 * bucketSize}[r.IntN(3)]
		span := []int64{20, 1e6, 1e12}[r.IntN(3)]
		evs := randomEvents(r, r.IntN(600), people, span, kinds)
		for i := range evs {
			evs[i].person += uint32(r.IntN(2) * 5 * bucketSize) // and nobody in between
		}
		switch r.IntN(3) {
		case 0: // in order
			slices.SortStableFunc(evs, func(a, b event) int { return int(a.time - b.time) })
		case 1: // nearly
			slices.SortStableFunc(evs, func(a, b event) int { return int(a.time - b.time) })
			for range len(evs) / 50 {
				i, j := r.IntN(len(evs)), r.IntN(len(evs))
				evs[i], evs[j] = evs[j], evs[i]
			}
		}
		for i := range evs {
			evs[i].pos = int64(i)
		}
		q := Funnel{Window: r.Int64N(span), Times: true, Lists: true, Workers: 1 + r.IntN(3), Rows: 8 * bucketSize}
		if r.IntN(4) == 0 {
			q.Window = 0
		}
		if r.IntN(3) == 0 {
			q.Range = Range{span / 4, span/4 + 1 + r.Int64N(span)}
		}
		if r.IntN(3) == 0 {
			q.People = roaring.New()
			for p := range uint32(8 * bucketSize) {
				if r.IntN(2) == 0 {
					q.People.Add(p)
				}
			}
		}
		masks := make([]int, 1+r.IntN(MaxSteps))
		for k := range masks {
			masks[k] = 1 << r.IntN(kinds)
			if r.IntN(5) == 0 {
				masks[k] |= 1 << r.IntN(kinds)
			}
			takes := func(e event) bool { return masks[k]>>e.kind&1 != 0 }
			q.Steps = append(q.Steps, Step{strconv.Itoa(k), streamOf(r, filter(evs, takes), columns{pos: true})})
		}
		part, _, ok := q.byBuckets()
		if ok {
			byBuckets++
			if part.levels != [MaxSteps + 1]int64{} {
				ties++
			}
		}
		got, err := q.Run()
		require.NoError(t, err)
		q.walkOnly = true
		want, err := q.Run()
		require.NoError(t, err)
		for k := range want.Steps {
			require.True(t, want.Steps[k].Reached.Equals(got.Steps[k].Reached), "round %d step %d", round, k)
			require.True(t, want.Steps[k].Dropped.Equals(got.Steps[k].Dropped), "round %d step %d", round, k)
			want.Steps[k].Reached, want.Steps[k].Dropped, got.Steps[k].Reached, got.Steps[k].Dropped = nil, nil, nil, nil
		}
		require.Equal(t, want, got, "round %d", round)
	}
	require.Greater(t, byBuckets, 500)
	require.Greater(t, ties, 300)
}

func TestMergeWords(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 24))
	for range 2000 {
		a, b := make([]uint64, r.IntN(40)), make([]uint64, r.IntN(1+r.IntN(200)))
		top := 1 + r.Uint64N(300)
		for _, l := range [][]uint64{a, b} {
			for i := range l {
				l[i] = r.Uint64N(top)
			}
			slices.Sort(l)
		}
		want := append(append(make([]uint64, 0), a...), b...)
		slices.Sort(want)
		got := make([]uint64, len(want))
		mergeWords(got, a, b)
		require.Equal(t, want, got)
		mergeWords(got, b, a)
		require.Equal(t, want, got)
	}
}
