package column

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// drawn gives one of so many different numbers, the odd ones among them.
func drawn(r *rand.Rand, different int) float64 {
	odd := []float64{math.Copysign(0, -1), 0, math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, 5e-324, 0.1}
	if i := r.IntN(different); i < len(odd) {
		return odd[i]
	} else {
		return float64(i) * 1.5
	}
}

// checkRanks compares what is known of the ranks of a vector with the numbers that it should have.
func checkRanks(t *testing.T, c *Column, want []float64, mustKnow bool) {
	for k := range (len(want) + ChunkRows - 1) / ChunkRows {
		cells := want[k*ChunkRows : min((k+1)*ChunkRows, len(want))]
		different := map[uint64]bool{}
		for _, v := range cells {
			if v == v {
				different[math.Float64bits(v)] = true
			}
		}
		values, ranks := c.Ranks(k)
		if len(different) > 255 {
			require.Nil(t, ranks, "%d different numbers", len(different))
		}
		if ranks == nil {
			require.False(t, mustKnow && len(different) > 0 && len(different) <= 255, "%d different numbers, not ranked", len(different))
			continue
		}
		require.True(t, slices.IsSorted(values))
		require.Len(t, ranks, len(cells))
		for i, rank := range ranks {
			if rank == 0 {
				require.True(t, math.IsNaN(cells[i]), "row %d of chunk %d", i, k)
			} else {
				require.Equal(t, math.Float64bits(cells[i]), math.Float64bits(values[rank-1]), "row %d of chunk %d", i, k)
			}
		}
	}
}

// The ranks of a frozen copy are those of its numbers, whatever the vector becomes, and none are known before the second
// question about a chunk.
func TestRanks(t *testing.T) {
	for _, different := range []int{1, 60, 254, 255, 256, 300, 1 << 40} {
		r := rand.New(rand.NewPCG(uint64(different), 1))
		v := NewVector(Float64)
		var now []float64
		type moment struct {
			column *Column
			want   []float64
		}
		var frozen []moment
		for _, rows := range []int{1, 50, 64, 700, ChunkRows, ChunkRows + 3, 2*ChunkRows + 100, 2*ChunkRows + 100} {
			v.Grow(rows)
			for len(now) < rows {
				now = append(now, math.NaN())
			}
			for range r.IntN(2 * rows) {
				row := uint32(r.IntN(rows))
				if r.IntN(50) == 0 {
					v.Clear(row)
					now[row] = math.NaN()
				} else {
					now[row] = drawn(r, different)
					v.SetFloat(row, now[row])
				}
			}
			v.SetFloat(0, 0)
			now[0] = 0
			m := moment{v.Freeze(), slices.Clone(now)}
			_, ranks := m.column.Ranks(0)
			require.Nil(t, ranks, "asked for the first time")
			checkRanks(t, m.column, m.want, false)
			frozen = append(frozen, m)
			for range 2 {
				_, ranks = v.Ranks(0)
				require.Nil(t, ranks, "a vector that may change")
				_, ranks = v.First(rows / 2).Ranks(0)
				require.Nil(t, ranks, "the first rows of a vector that may change")
			}
		}
		for _, m := range frozen {
			for range 2 {
				m.column.Ranks(0)
				m.column.Ranks(1)
				m.column.Ranks(2)
			}
			checkRanks(t, m.column, m.want, true)
			n := (len(m.want) + 1) / 2
			checkRanks(t, m.column.First(n), m.want[:n], false)
		}
	}
}

func TestNoRanks(t *testing.T) {
	tab := New("events")
	col := tab.Add("amount", Float64)
	for range ChunkRows + 10 {
		col.SetFloat(tab.Append(), 1)
	}
	ints, gaps := NewVector(Int64), NewVector(Float64)
	ints.Grow(10)
	ints.SetInt(0, 1)
	gaps.Grow(2*ChunkRows + 1)
	gaps.SetFloat(2*ChunkRows, 1) // the chunks before it are absent
	for range 3 {
		for _, c := range []*Column{tab.Freeze().Column("amount"), ints.Freeze(), gaps.Freeze()} {
			for _, k := range []int{-1, 0, 1, 3} {
				_, ranks := c.Ranks(k)
				require.Nil(t, ranks, "%s chunk %d", c.Kind(), k)
			}
		}
	}
	_, once := gaps.Freeze().Ranks(2)
	require.Nil(t, once)
	values, ranks := gaps.Freeze().Ranks(2)
	require.Equal(t, []float64{1}, values)
	require.Equal(t, []uint8{1}, ranks)
}

// Frozen copies are ranked by several at once while the vector goes on, which the race detector watches.
func TestRanksBesideWriter(t *testing.T) {
	const rows = 2*ChunkRows + 500
	r := rand.New(rand.NewPCG(7, 7))
	v := NewVector(Float64)
	v.Grow(rows)
	now := make([]float64, rows)
	for row := range now {
		now[row] = drawn(r, 100)
		v.SetFloat(uint32(row), now[row])
	}
	var readers sync.WaitGroup
	for range 10 {
		f, want := v.Freeze(), slices.Clone(now)
		for range 3 {
			readers.Go(func() {
				for i := range 3 {
					checkRanks(t, f, want, i == 2)
				}
			})
		}
		for range 200 {
			row := r.IntN(rows)
			now[row] = drawn(r, 100)
			v.SetFloat(uint32(row), now[row])
		}
	}
	readers.Wait()
}
