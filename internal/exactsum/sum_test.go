package exactsum

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// bigSum adds in 4,000 bits, which is exact for doubles, and rounds once.
func bigSum(values []float64) float64 {
	sum := new(big.Float).SetPrec(4000)
	for _, v := range values {
		sum.Add(sum, new(big.Float).SetPrec(4000).SetFloat64(v))
	}
	f, _ := sum.Float64()
	return f
}

// of is Of for a slice.
// of returns the exactly rounded sum of the values.
func of(values ...float64) float64 {
	var s Sum
	for _, v := range values {
		s.Add(v)
	}
	return s.Value()
}

func TestSumFacts(t *testing.T) {
	tiny := math.SmallestNonzeroFloat64
	huge := math.MaxFloat64
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, 1}, // the example of Python's math.fsum
		{[]float64{1e100, 1, -1e100}, 1},
		{[]float64{huge, huge, -huge}, huge},
		{[]float64{huge, huge}, math.Inf(1)},
		{[]float64{-huge, -huge}, math.Inf(-1)},
		{[]float64{tiny, tiny, tiny}, 3 * tiny},
		{[]float64{huge, tiny, -huge}, tiny},
		{[]float64{-1.5, 0.5}, -1},
		{[]float64{1 << 53, 1}, 1 << 53},           // tie to even, down
		{[]float64{1<<53 + 2, 1}, 1<<53 + 4},       // tie to even, up
		{[]float64{1 << 53, 1, tiny}, 1<<53 + 2},   // just above the tie
		{[]float64{1 << 53, 1, -tiny}, 1 << 53},    // just below
		{[]float64{math.Inf(1), math.NaN(), 2}, 2}, // what is not finite does not count
	} {
		require.Equal(t, c.want, of(c.values...), "%v", c.values)
	}
}

func TestSumAgainstBigFloats(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		values := make([]float64, r.IntN(40))
		width := []int{3, 60, 2046}[r.IntN(3)]
		low := r.IntN(2047 - width)
		for i := range values {
			bits := r.Uint64()&(1<<52-1) | uint64(low+r.IntN(width))<<52 | r.Uint64()&(1<<63)
			values[i] = math.Float64frombits(bits)
			if i > 0 && r.IntN(3) == 0 {
				values[i] = -values[r.IntN(i)]
			}
		}
		want := bigSum(values)
		require.Equal(t, want, of(values...), "%v", values)

		r.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
		var a, b Sum
		for i, v := range values {
			if i%3 == 0 {
				a.Add(v)
			} else {
				b.Add(v)
			}
		}
		a.Merge(&b)
		require.Equal(t, want, a.Value(), "shuffled and merged: %v", values)
	}
}

func TestSumCarriesInTime(t *testing.T) {
	var s Sum
	s.pending = maxPending - 2
	for range 5 {
		s.Add(1e15 + 1)
		s.Add(-1e15)
	}
	require.Equal(t, 5.0, s.Value())
	require.Less(t, s.pending, 10)
}
