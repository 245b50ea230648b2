package fold

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Beside a map.
func TestPendings(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, rows := range []uint32{5, 300, 5000} {
		var p pendings
		twin := map[uint32]int64{}
		now := int64(-5e15)
		for range 20_000 {
			now += r.Int64N(2e12)
			for row, at := range twin { // what is due has fired
				if at < now {
					delete(twin, row)
					p.remove(row)
				}
			}
			row := r.Uint32N(rows)
			switch r.IntN(3) {
			case 0, 1:
				twin[row] = now + r.Int64N(maxAhead)
				p.set(row, twin[row])
			case 2:
				delete(twin, row)
				p.remove(row)
			}
			for range 3 {
				row := r.Uint32N(rows)
				want, has := twin[row]
				at, ok := p.get(row, now)
				require.Equal(t, has, ok)
				require.Equal(t, want, at)
			}
		}
		require.NotEmpty(t, twin)
		p.clear()
		_, ok := p.get(0, now)
		require.False(t, ok)
	}
}
