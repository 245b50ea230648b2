package exec

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/plan"
)

// Bounds by person over many chunks, for a few people and for most of them, against plain loops over the events.
func TestBoundsByPersonOverManyChunks(t *testing.T) {
	w := bulk(1500, 400_000)
	type times = map[uint32][]int64 // by row, in order
	read := func(typ string, keep func(category string) bool) times {
		out, c := times{}, w.columns[typ]
		for i := range uint32(w.stores[typ].Len()) {
			if row := c["$row"].Uint(i); keep(c["category"].Dict().String(c["category"].Code(i))) {
				out[row] = append(out[row], c["$t"].Int(i))
			}
		}
		return out
	}
	any := func(string) bool { return true }
	purchases, views, rare := read("purchase", any), read("view", any), read("view", func(c string) bool { return c == "category 3" })
	count := func(row uint32, from, to int64) (n int) {
		for _, t := range purchases[row] {
			n += int(b2u(from <= t && t < to))
		}
		return n
	}
	last := func(t []int64) int64 { return t[len(t)-1] }
	for _, c := range []struct {
		where string
		want  func(row uint32) bool
	}{
		{`events.purchase.since(events.view.last().time).size() == 0`, func(p uint32) bool { return count(p, last(views[p]), math.MaxInt64) == 0 }},
		{`events.purchase.since(events.view.last().time).size() > 0`, func(p uint32) bool { return count(p, last(views[p]), math.MaxInt64) > 0 }},
		{`events.purchase.until(events.view.first().time).size() == 0`, func(p uint32) bool { return count(p, math.MinInt64, views[p][0]) == 0 }},
		{`events.purchase.since(events.view.filter(v, v.category == "category 3").last().time).size() <= 4`, func(p uint32) bool {
			return len(rare[p]) > 0 && count(p, last(rare[p]), math.MaxInt64) <= 4
		}},
		{`events.purchase.until(events.view.filter(v, v.category == "category 3").first().time).size() > 4`, func(p uint32) bool {
			return len(rare[p]) > 0 && count(p, math.MinInt64, rare[p][0]) > 4
		}},
		{`events.purchase.since(events.view.filter(v, v.category == "category 3").first().time).since(events.purchase.first().time).until(events.view.filter(v, v.category == "category 3").last().time).until(events.purchase.last().time).size() >= 12`, func(p uint32) bool {
			return len(rare[p]) > 0 && count(p, max(rare[p][0], purchases[p][0]), min(last(rare[p]), last(purchases[p]))) >= 12
		}},
		{`events.view.last().time < events.purchase.last().time`, func(p uint32) bool { return last(views[p]) < last(purchases[p]) }},
		{`events.view.filter(v, v.category == "category 3").first().time < events.purchase.first().time`, func(p uint32) bool { return len(rare[p]) > 0 && rare[p][0] < purchases[p][0] }},
	} {
		for _, below := range []float64{22, 70} { // ages are 16 to 75
			where := `customer.age < 22.0 && ` + c.where
			if below == 70 {
				where = `customer.age < 70.0 && ` + c.where
			}
			var want []uint32
			asked := 0
			for row := range uint32(w.Rows()) {
				if w.attrs["age"].Float(row) < below {
					asked++
					if c.want(row) {
						want = append(want, row)
					}
				}
			}
			require.NotEmpty(t, want, where)
			require.Less(t, len(want), asked, where)
			p := plan.Build(plan.Simplify(plan.Logical(compile(t, w, where))), plan.Stats{Rows: uint64(w.Rows())})
			assert.Equal(t, want, Run(p, w).ToArray(), where)
			assert.Empty(t, p.Fallback, where)
		}
	}
}
