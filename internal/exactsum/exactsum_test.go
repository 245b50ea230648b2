package exactsum

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

func TestKnownSums(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{math.Copysign(0, -1)}, 0},
		{[]float64{.1, .1, .1, .1, .1, .1, .1, .1, .1, .1}, 1},
		{[]float64{1, 1e100, 1, -1e100}, 2},
		{[]float64{1e308, 1e308, -1e308}, 1e308},
		{[]float64{1e308, 1e308}, inf},
		{[]float64{-1e308, 5, -1e308, 1e308, 1e308}, 5},
		{[]float64{1, math.Ldexp(1, -53), math.Ldexp(1, -106)}, 1 + math.Ldexp(1, -52)}, // just over half-way
		{[]float64{1, math.Ldexp(1, -53)}, 1},                                           // half-way, to even
		{[]float64{5e-324, 5e-324}, 1e-323},
	} {
		if got := of(c.values...); got != c.want || math.Signbit(got) != math.Signbit(c.want) {
			t.Errorf("sum of %v: got %v, want %v", c.values, got, c.want)
		}
	}
	if got := of(1, inf, math.NaN(), 2); got != 3 {
		t.Errorf("what is not finite is not added: got %v, want 3", got)
	}
}

// Any order gives the same bits, and they are those of a sum in big numbers.
func TestAgainstBigNumbersInAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 3000 {
		values := make([]float64, 1+r.IntN(20))
		exact := new(big.Float).SetPrec(4000)
		for i := range values {
			spread := []int{4, 60, 2000}[round%3]
			values[i] = math.Ldexp(r.Float64()-0.5, r.IntN(spread)-spread/2)
			exact.Add(exact, new(big.Float).SetFloat64(values[i]))
		}
		want, _ := exact.Float64()
		for range 3 {
			r.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
			if got := of(values...); got != want {
				t.Fatalf("sum of %v: got %v, want %v", values, got, want)
			}
		}
	}
}
