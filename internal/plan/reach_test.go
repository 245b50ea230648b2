package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/plan"
)

const day = int64(86400e6)

// The reach of parts, by hand; conditions as users write them are tested where segments are (TestSegmentLimits).
func TestReach(t *testing.T) {
	list := func(typ string, bounds ...plan.Bound) plan.Events { return plan.Events{Type: typ, Bounds: bounds} }
	size := func(e plan.Events) plan.Value { return plan.Aggregate{Events: e, Function: plan.Size} }
	last := plan.Aggregate{Events: list("view"), Function: plan.Last}
	for _, x := range []struct {
		node plan.Node
		want map[string]int64
	}{
		{plan.Const(true), map[string]int64{}},
		{plan.InSegment("vip"), map[string]int64{}},
		{plan.Predicate{Of: size(list("buy"))}, map[string]int64{"buy": plan.Ever}},
		{plan.Predicate{Of: size(list("buy", plan.Bound{Kind: plan.Within, Span: 3 * day}))}, map[string]int64{"buy": 3 * day}},
		{plan.Predicate{Of: size(list("buy", plan.Bound{Kind: plan.Within, Span: 9 * day}, plan.Bound{Kind: plan.During, Range: "today"}))}, map[string]int64{"buy": day + day/12}},
		{plan.Not{Of: plan.And{Of: []plan.Node{
			plan.Quantifier{Events: list("buy", plan.Bound{Kind: plan.Within, Span: day}), If: plan.Const(true)},
			plan.Quantifier{Events: list("buy", plan.Bound{Kind: plan.Within, Span: 2 * day}), If: plan.Const(true)}}}}, map[string]int64{"buy": 2 * day}},
		{plan.Units{Events: list("buy"), Unit: "week", N: 2}, map[string]int64{"buy": 21*day + day/12}},
		{plan.Compare{Left: size(list("buy", plan.Bound{Kind: plan.Since, At: last})), Right: plan.Attr{Name: "age"}}, map[string]int64{"buy": plan.Ever, "view": plan.Ever}},
		{plan.Predicate{Of: size(list("buy", plan.Bound{Kind: plan.Since, At: plan.Moment{Ago: day, Unit: "week"}}))}, map[string]int64{"buy": 8*day + day/12}},
		{plan.Predicate{Of: size(list("buy", plan.Bound{Kind: plan.Until, At: plan.Moment{Ago: day}}))}, map[string]int64{"buy": plan.Ever}},
		{plan.Sequence{Steps: []plan.Events{list("a", plan.Bound{Kind: plan.Within, Span: day}), list("b")}}, map[string]int64{"a": day, "b": plan.Ever}},
		{plan.Residual{Text: celenv.TextPart("reads c")}, map[string]int64{"reads c": plan.Ever}},
		{plan.Quantifier{Events: list("buy", plan.Bound{Kind: plan.Within, Span: day}), If: plan.Residual{Text: celenv.TextPart("e.x + 1 > 2")}, Text: celenv.TextPart("all")}, map[string]int64{"buy": day}},
		{plan.Quantifier{Events: list("buy", plan.Bound{Kind: plan.Within, Span: day}), If: plan.Residual{Text: celenv.TextPart("events.view.size() > 2")}, Text: celenv.TextPart("all")}, map[string]int64{"buy": day, "all": plan.Ever}},
	} {
		require.Equal(t, x.want, plan.Reach(x.node, func(cel string) []string { return []string{cel} }), x.node)
	}
}
