package insight

import (
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

func TestSelectNthAgainstSorting(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		v := make([]int64, 1+r.IntN(300))
		for i := range v {
			v[i] = r.Int64N(1 + r.Int64N(1000))
		}
		n := r.IntN(len(v))
		less, equal := 0, 0
		got := selectNth(v, n)
		for i, x := range v {
			if x < got {
				less++
			} else if x == got {
				equal++
			}
			require.False(t, i < n && x > got || i > n && x < got, "place %d of %v", n, v)
		}
		require.True(t, less <= n && n < less+equal)
	}
}
