package exec

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Which sums are near a literal, against the bound as it is written down.
func TestSumsNearALiteral(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for _, unit := range []float64{6 * 0x1p-53, 1e-9, 0.01, 0.25} {
		p := &plainSums{unit: unit}
		for _, lit := range []float64{-3, 0, 5e-324, 0.1, 150, 1e12, 1e298} {
			var sums [64]float64
			for i := range sums {
				sums[i] = math.Abs(lit) * (1 + (r.Float64()-0.5)*unit*8)
			}
			sums[0], sums[1], sums[2] = 0, lit*lit, math.Abs(lit)
			near := p.nearTo(&sums, lit)
			for i, s := range sums {
				if s > 0 && s <= math.MaxFloat64 && math.Abs(s-lit) <= s*unit {
					require.NotZero(t, near>>i&1, "sum %g, literal %g, unit %g", s, lit, unit)
				}
				if lit != 5e-324 && (s == 0 || math.Abs(s-lit) > 4*lit*unit+4*s*unit) { // in vain is no mistake
					require.Zero(t, near>>i&1, "sum %g, literal %g, unit %g", s, lit, unit)
				}
			}
		}
	}
}
