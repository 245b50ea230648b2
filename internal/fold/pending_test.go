package fold

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/deadline"
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
			switch r.IntN(4) {
			case 0, 1:
				twin[row] = now + r.Int64N(maxAhead)
				p.set(row, twin[row])
			case 2:
				delete(twin, row)
				p.remove(row)
			case 3: // only if it is due now
				if at, has := twin[row]; has {
					require.False(t, p.take(row, at+1))
					require.True(t, p.take(row, at))
					delete(twin, row)
				}
				require.False(t, p.take(row, now))
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

// BenchmarkPendings measures what a deadline takes, in the segment and in the index: 10 segments, a share of a million rows.
func BenchmarkPendings(b *testing.B) {
	for _, share := range []int{100, 20, 2} {
		b.Run(fmt.Sprintf("share=%d%%", share), func(b *testing.B) {
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				r := rand.New(rand.NewPCG(1, 2))
				s := &State{due: deadline.New()}
				segs := make([]segment, 10)
				for row := range uint32(1_000_000) {
					for i := range segs {
						if segs[i].id = uint32(i); r.IntN(100) < share {
							s.expect(&segs[i], row, 1+r.Int64N(30*86400e6))
						}
					}
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(s.due.Len()), "bytes/deadline")
				runtime.KeepAlive(segs)
			}
		})
	}
}
