package column

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is kept beside a table's chunks is what was kept last, if its version suits; it takes its place in the cache
// with the columns and goes when that is full.
func TestDerived(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	cache := NewCache(10 * (4*ChunkRows + 200))
	var kept shelf
	tb := New("events")
	tb.SetSource(cache, kept.read)
	row := tb.Add("row", Uint32)
	for i := range uint32(12 * ChunkRows) {
		tb.Append()
		row.SetUint(i, i*7919%10_007+1)
	}
	tb.Append()
	kept.store(tb)
	d := NewDerived(tb)
	last := map[int]int{} // by chunk: the version kept last
	hits, gone := 0, 0
	for range 3000 {
		k, version := r.IntN(12), r.IntN(1000)
		got := d.Uints(k, func(v int) bool {
			if v != last[k] {
				t.Fatalf("chunk %d has version %d, %d was kept", k, v, last[k])
			}
			return v%2 == 0
		})
		if got != nil {
			hits++
			require.Zero(t, last[k]%2, "a version that does not suit")
			require.Equal(t, uint32(k*1000+last[k]), got[r.IntN(ChunkRows)])
		} else if last[k]%2 == 0 {
			gone++
		}
		require.Equal(t, uint32(k*ChunkRows*7919%10_007+1), row.UintsOnce(k)[0])
		if r.IntN(3) == 0 {
			cells := make([]uint32, ChunkRows)
			for i := range cells {
				cells[i] = uint32(k*1000 + version)
			}
			d.Keep(k, version, cells)
			last[k] = version
		} else {
			row.Uints(k)
		}
		require.LessOrEqual(t, cache.Used(), cache.budget)
	}
	require.Positive(t, hits)
	require.Positive(t, gone, "the cache must have been full")
	d.Forget(5)
	for k := range 5 {
		require.Nil(t, d.Uints(k, func(int) bool { return true }))
	}
}
