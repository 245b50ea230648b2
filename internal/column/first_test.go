package column

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFirst cuts tables of several chunks off at every kind of place and compares with the cells that were written, also
// where the cache keeps none of the sealed chunks.
func TestFirst(t *testing.T) {
	t.Run("in memory", func(t *testing.T) { testFirst(t, func(*Table) {}) })
	t.Run("dropped", func(t *testing.T) {
		var kept shelf
		testFirst(t, func(tb *Table) {
			tb.SetSource(NewCache(0), kept.read)
			kept.store(tb)
		})
		require.Positive(t, kept.reads.Load())
	})
}

func testFirst(t *testing.T, store func(*Table)) {
	r := rand.New(rand.NewPCG(5, 6))
	const rows = 2*ChunkRows + 700
	tb := New("t")
	num, when, who, word := tb.Add("num", Float64), tb.Add("when", Int64), tb.Add("who", Uint32), tb.Add("word", Dict)
	var nums []float64
	var times []int64
	var people []uint32
	var words []string
	for range rows {
		i := tb.Append()
		nums, times, people = append(nums, r.Float64()), append(times, r.Int64N(1000)), append(people, 1+r.Uint32N(300))
		words = append(words, string(rune('a'+r.IntN(20))))
		num.SetFloat(i, nums[i])
		when.SetInt(i, times[i])
		who.SetUint(i, people[i])
		word.SetString(i, []byte(words[i]))
	}
	store(tb)
	step := 1
	if testing.Short() {
		step = 41
	}
	for _, n := range []int{0, 1, 100, ChunkRows - 1, ChunkRows, ChunkRows + 1, 2 * ChunkRows, rows - 1, rows, rows + 5} {
		first := []*Column{num.First(n), when.First(n), who.First(n), word.First(n)}
		var gotNums []float64
		var gotTimes []int64
		var gotPeople []uint32
		got := 0
		for k := range 4 {
			gotNums, gotTimes, gotPeople = append(gotNums, first[0].Floats(k)...), append(gotTimes, first[1].Ints(k)...), append(gotPeople, first[2].Uints(k)...)
			codes := first[3].Codes(k)
			got += len(codes.B) + len(codes.H) + len(codes.W)
			if lo, hi, ok := first[1].IntRange(k); ok {
				for _, at := range first[1].Ints(k) {
					require.True(t, lo <= at && at <= hi)
				}
			}
		}
		want := min(n, rows)
		require.Equal(t, nums[:want], append([]float64{}, gotNums...))
		require.Equal(t, times[:want], append([]int64{}, gotTimes...))
		require.Equal(t, people[:want], append([]uint32{}, gotPeople...))
		require.Equal(t, want, got)
		for i := 0; i < want; i += step {
			require.Equal(t, words[i], first[3].Str(uint32(i)))
		}
		require.Equal(t, want, first[0].Len())
	}
}
