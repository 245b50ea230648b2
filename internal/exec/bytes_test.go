package exec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

func TestBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	bySpans := 0
	for range 3000 {
		table := make([]uint8, 1+r.IntN([]int{3, 20, 128, 129, 256, 300}[r.IntN(6)]))
		for range r.IntN(6) { // runs of what holds
			from := r.IntN(len(table))
			for i := from; i < min(len(table), from+1+r.IntN(40)); i++ {
				table[i] = 1
			}
		}
		v := make([]uint8, r.IntN(300))
		for i := range v {
			v[i] = uint8(r.IntN(min(len(table), 256)))
		}
		out := make([]uint64, (len(v)+63)/64+r.IntN(2))
		for i := range out {
			out[i] = r.Uint64() // what was there before does not matter
		}
		of := newByteTest(table)
		of.mark(out, v)
		if of.few {
			bySpans++
		}
		for i := range len(out) * 64 {
			want := i < len(v) && table[v[i]] == 1
			require.Equal(t, want, Set(out).Has(uint32(i)), "byte %d of %v by %v", i, v, table)
		}
	}
	require.Greater(t, bySpans, 500)
	require.Less(t, bySpans, 2500)
}

// Conditions about numbers come out the same when they are asked again and the chunk is ranked, and after the vector
// has changed, as in a plain loop.
func TestRankedNumbers(t *testing.T) {
	odd := []float64{math.Copysign(0, -1), 0, math.MaxFloat64, -math.MaxFloat64, math.Inf(1), math.Inf(-1), 5e-324, 1 << 53}
	for _, different := range []int{1, 3, 40, 120, 127, 128, 200, 255, 256, 5000} {
		r := rand.New(rand.NewPCG(uint64(different), 4))
		draw := func() float64 {
			if i := r.IntN(different); i < len(odd) && different > 1 {
				return odd[i]
			} else {
				return float64(i) - 20
			}
		}
		const rows = column.ChunkRows + 777
		vector := column.NewVector(column.Float64)
		vector.Grow(rows)
		now := make([]float64, rows)
		for row := range now {
			now[row] = math.NaN()
		}
		for round := range 3 {
			for range rows / (1 + 40*round) {
				row := r.IntN(rows)
				if now[row] = draw(); r.IntN(20) == 0 {
					now[row] = math.NaN()
				}
				vector.SetFloat(uint32(row), now[row])
			}
			frozen := vector.Freeze()
			for range 6 {
				a, b, c := draw(), draw(), draw()
				for _, q := range []struct {
					op   plan.Op
					lits []float64
					is   func(x float64) bool
				}{
					{plan.Equal, []float64{a}, func(x float64) bool { return x == a }},
					{plan.NotEqual, []float64{a}, func(x float64) bool { return x != a }},
					{plan.Less, []float64{a}, func(x float64) bool { return x < a }},
					{plan.LessEqual, []float64{a + 0.5}, func(x float64) bool { return x <= a+0.5 }},
					{plan.Greater, []float64{a}, func(x float64) bool { return x > a }},
					{plan.GreaterEqual, []float64{a}, func(x float64) bool { return x >= a }},
					{plan.In, []float64{a, b, c}, func(x float64) bool { return x == a || x == b || x == c }},
					{plan.NotIn, []float64{a, b, c}, func(x float64) bool { return x != a && x != b && x != c }},
					{plan.Has, nil, func(float64) bool { return true }},
				} {
					cond, ok := literalsOf(direct{col: frozen, of: value.Number}, q.op, numberValues(q.lits))
					require.True(t, ok)
					for k := range 2 {
						f := &frame{k: k, n: min(column.ChunkRows, rows-k*column.ChunkRows)}
						yes, no := make(Set, column.ChunkRows/64), make(Set, column.ChunkRows/64)
						cond.mark(f, &scratch{}, true, yes)
						cond.mark(f, &scratch{}, false, no)
						for i := range column.ChunkRows {
							x, there := math.NaN(), false
							if i < f.n {
								x = now[k*column.ChunkRows+i]
								there = x == x
							}
							wantNo := there && !q.is(x)
							if q.op == plan.Has {
								wantNo = i < f.n && !there
							}
							if yes.Has(uint32(i)) != (there && q.is(x)) || no.Has(uint32(i)) != wantNo {
								t.Fatalf("%v %s %v: %v, and not: %v", x, q.op, q.lits, yes.Has(uint32(i)), no.Has(uint32(i)))
							}
						}
					}
				}
			}
			_, ranks := frozen.Ranks(0)
			require.Equal(t, len(distinct(now[:column.ChunkRows])) <= 255, ranks != nil, fmt.Sprint(different))
		}
	}
}

func distinct(nums []float64) map[uint64]bool {
	out := map[uint64]bool{}
	for _, x := range nums {
		if x == x {
			out[math.Float64bits(x)] = true
		}
	}
	return out
}
