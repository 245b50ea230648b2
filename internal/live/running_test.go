package live

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// one gives programs a single event type.
type one struct{ typ *Type }

func (s one) Type(string) *Type                                       { return s.typ }
func (s one) Attr(string) *column.Column                              { return nil }
func (s one) InSegment(string) func(uint32) bool                      { return nil }
func (s one) Object(string, string, int64, string) (none value.Value) { return none }
func (s one) Part(cel string) (Part, error)                           { return nil, fmt.Errorf("%s is left to CEL", cel) }
func (s one) Calendar() celenv.Calendar                               { return celenv.Calendar{} }

// Sums that are kept beside a plain loop over whole numbers, while events come in order, late and dated in the future.
func TestRunningSums(t *testing.T) {
	defer func(n int) { longList = n }(longList)
	longList = 4
	kept := 0
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		tab := column.New("e")
		typ := &Type{Time: tab.Add("$t", column.Int64), Seq: tab.Add("$q", column.Int64), Heads: column.NewVector(column.Uint32), Prev: column.NewVector(column.Uint32),
			Unordered: roaring.New(), Lates: map[uint32]uint32{}, Attr: tab.Column}
		amount := tab.Add("amount", column.Float64)
		typ.Heads.Grow(1)
		typ.Prev.Grow(1000)
		span := int64(50 + r.IntN(100))
		amountOf := plan.Field{Name: "amount", Type: schema.Number}
		events := plan.Events{Type: "e", Bounds: []plan.Bound{{Kind: plan.Within, Span: span}},
			Filter: []plan.Node{plan.Predicate{Of: amountOf, Op: plan.Less, Lits: []value.Value{value.Num(90)}}}}
		c := compiler{src: one{typ}}
		sum := c.aggregate(plan.Aggregate{Events: events, Function: plan.Sum, Of: amountOf}).(*aggregate)
		size := c.aggregate(plan.Aggregate{Events: events, Function: plan.Size}).(*aggregate)
		require.True(t, sum.keeps)
		type event struct {
			t, amount int64
			index     uint32
		}
		var all []event
		who := &Person{Rows: []uint32{0}, Now: 1000}
		for range 600 {
			who.Now += r.Int64N(8)
			at := who.Now
			switch r.IntN(40) {
			case 0:
				at -= r.Int64N(60)
			case 1:
				at += r.Int64N(20)
			}
			i := tab.Append()
			e := event{at, int64(r.IntN(100)), i}
			typ.Time.SetInt(i, at)
			typ.Seq.SetInt(i, int64(i))
			if e.amount > 0 { // absent, which is 0 in the loop
				amount.SetFloat(i, float64(e.amount))
			}
			if n := len(all); n > 0 && all[n-1].t > at {
				typ.Lates[0]++
			}
			all = append(all, e)
			slices.SortStableFunc(all, func(a, b event) int { return cmp.Compare(a.t, b.t) })
			for k, e := range all {
				if k == 0 {
					typ.Prev.SetUint(e.index, 0)
				} else {
					typ.Prev.SetUint(e.index, all[k-1].index+1)
				}
			}
			typ.Heads.SetUint(0, all[len(all)-1].index+1)

			wantSum, wantSize, leaves, enters := int64(0), 0, int64(Never), int64(Never)
			for _, e := range all {
				switch {
				case e.t > who.Now:
					enters = min(enters, e.t)
				case e.t > who.Now-span && e.amount > 0 && e.amount < 90:
					wantSum += e.amount
					wantSize++
					leaves = min(leaves, e.t+span)
				}
			}
			got, next := sum.get(who)
			require.Equal(t, float64(wantSum), got.num)
			require.Equal(t, min(leaves, enters), next)
			got, _ = size.get(who)
			require.Equal(t, float64(wantSize), got.num)
			if sum.running[0] != nil {
				kept++
			}
		}
	}
	require.Greater(t, kept, 10_000)
}
