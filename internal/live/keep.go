package live

import (
	"fmt"
	"math"
	"slices"

	"github.com/embedcdp/cdp/internal/exactsum"
	"github.com/embedcdp/cdp/internal/plan"
)

// This file says what is kept for which aggregate. Equal keys mean that the same is kept of the same events.

func (c *compiler) keepCount(n *count, e plan.Events, with plan.Node) {
	if n.test.enough == 0 || n.test.enough == math.MaxInt && !letsGo(e) {
		return
	}
	key, besides := keyOf(e, plan.Size, plan.Field{}), []plan.Node(nil)
	if with != nil {
		key += fmt.Sprintf(" not %v: %s", n.fail, with)
		besides = append(besides, with)
	}
	if !keepsUp(e, besides...) {
		return
	}
	most := n.test.enough
	n.kept = c.table(fmt.Sprintf("newest %d of %s", most, key), func() state {
		return &stretch{list: &n.list, takes: n.takes, content: &keptEvents{typ: n.list.typ, newest: most}}
	}, e)
}

func (c *compiler) keepUnits(u *units, e plan.Events) {
	if !keepsUp(e) {
		return
	}
	key := fmt.Sprintf("%d %ss of %s", u.units.n, u.units.unit, keyOf(e, plan.Size, plan.Field{}))
	u.kept = c.table(key, func() state {
		return &stretch{list: &u.list, takes: u.list.passes, content: &keptUnits{typ: u.list.typ, units: u.units, letsGo: letsGo(e)}}
	}, e)
}

// keepSequence: which beginning is best depends on when each step leaves, so all must have the same limits, and none an end.
func (c *compiler) keepSequence(s *sequence, n plan.Sequence) {
	limits := func(e plan.Events) string {
		return keyOf(plan.Events{Bounds: e.Bounds}, plan.Size, plan.Field{})
	}
	for _, e := range n.Steps {
		ends := slices.ContainsFunc(e.Bounds, func(w plan.Bound) bool { return w.Kind != plan.Within && w.Kind != plan.Since })
		if ends || !keepsUp(e) || limits(e) != limits(n.Steps[0]) {
			return
		}
	}
	s.kept = c.table(n.String(), func() state { return newKeptSequence(s) }, n.Steps...)
}

func (c *compiler) keepAggregate(a *aggregate, of plan.Aggregate) {
	field, _ := of.Of.(plan.Field) // none with Size
	if !keepsUp(of.Events) || field.Through != "" {
		return
	}
	a.kept = c.table(keyOf(of.Events, of.Function, field), func() state {
		return &stretch{list: &a.list, takes: a.takes, content: a.keeps(letsGo(of.Events))}
	}, of.Events)
}

func (a *aggregate) keeps(letsGo bool) content {
	typ := a.list.typ
	switch a.function {
	case plan.First:
		if letsGo {
			return &keptEvents{typ: typ}
		}
		return &keptEvents{typ: typ, oldest: 1}
	case plan.Last:
		return &keptEvents{typ: typ, newest: 1}
	case plan.Min, plan.Max:
		return &keptExtreme{typ: typ, of: a.of, max: a.function == plan.Max, letsGo: letsGo}
	case plan.CountDistinct, plan.MostFrequent:
		return &keptValues{typ: typ, of: a.of, values: map[scalar]*keptValue{}, heap: byFrequency{typ: typ}, letsGo: letsGo}
	case plan.Size:
		return &keptSum{typ: typ, letsGo: letsGo}
	}
	return &keptSum{typ: typ, of: a.of, sum: new(exactsum.Sum), letsGo: letsGo}
}
