package exec

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/plan"
)

// Sequences of people in several buckets, of which some events are late and many are at one instant, in one pass and in
// several, on one goroutine and on several, against a loop that tries every chain.
func TestSequencesOfManyPeople(t *testing.T) {
	few, room := itemsPerWorker, maxDealt
	defer func() { itemsPerWorker, maxDealt = few, room }()
	r := rand.New(rand.NewPCG(21, 22))
	w := bulk(3*bucketSize+100, 0)
	type at struct{ t, seq int64 }
	all := map[string]map[uint32][]at{}
	for typ, n := range map[string]int{"purchase": 10_000, "view": 30_000} {
		all[typ] = map[uint32][]at{}
		c := w.columns[typ]
		for i := range n {
			when := w.now - int64(180*(n-i)/n)*day // whole days: many at one instant
			if r.IntN(50) == 0 {
				when -= r.Int64N(90) * day
			}
			row, seq := uint32(r.IntN(w.Rows())), int64(i)*2+int64(len(typ)%2)
			e := w.stores[typ].Append()
			c["$t"].SetInt(e, when)
			c["$q"].SetInt(e, seq)
			c["$row"].SetUint(e, row)
			all[typ][row] = append(all[typ][row], at{when, seq})
		}
	}
	var follows func(person uint32, steps []string, span int64, first, previous *at) bool
	follows = func(person uint32, steps []string, span int64, first, previous *at) bool {
		if len(steps) == 0 {
			return previous.t-first.t <= span
		}
		for _, e := range all[steps[0]][person] {
			if previous == nil && follows(person, steps[1:], span, &e, &e) {
				return true
			}
			if previous != nil && (e.t > previous.t || e.t == previous.t && e.seq > previous.seq) && follows(person, steps[1:], span, first, &e) {
				return true
			}
		}
		return false
	}
	for _, c := range []struct {
		where string
		steps []string
		span  int64
	}{
		{`sequence(events.view, events.purchase, "2d")`, []string{"view", "purchase"}, 2 * day},
		{`sequence(events.purchase, events.view, "1h")`, []string{"purchase", "view"}, day / 24},
		{`sequence(events.view, events.view, "3d")`, []string{"view", "view"}, 3 * day},
		{`sequence(events.view, events.purchase, events.view, "30d")`, []string{"view", "purchase", "view"}, 30 * day},
	} {
		var want []uint32
		for row := range uint32(w.Rows()) {
			if follows(row, c.steps, c.span, nil, nil) {
				want = append(want, row)
			}
		}
		require.Greater(t, len(want), 10, c.where)
		require.Less(t, len(want), w.Rows()-10, c.where)
		for _, itemsPerWorker = range []int{1 << 20, 1000} {
			for _, maxDealt = range []int{1 << 20, 8192} {
				p := plan.Build(plan.Simplify(plan.Logical(compile(t, w, c.where))), plan.Stats{})
				require.True(t, slices.Equal(want, Run(p, w).ToArray()), c.where)
				p = plan.Build(plan.Simplify(plan.Logical(compile(t, w, "!("+c.where+")"))), plan.Stats{})
				require.Equal(t, uint64(w.Rows()-len(want)), Run(p, w).GetCardinality(), c.where)
			}
		}
	}
}
