package live

import (
	"math"
	"slices"

	"github.com/embedcdp/cdp/internal/plan"
)

// count compares how many events there are with literals. It stops at the newest so many that more make no difference.
type count struct {
	list list
	test counting
	with node // besides the filters: a quantifier's condition
	fail bool // count those for which it is not true
	kept *table
}

func (c *count) holds(who *Person, side plan.Outcome) (bool, int64) {
	w := c.list.limits(who)
	if !w.ok {
		return false, w.next
	}
	n, oldest, next := c.look(who, w)
	if n >= c.test.first { // fewer could be another answer
		next = min(next, c.list.leaves(oldest))
	}
	return c.test.holds(float64(n)) == (side == plan.IsTrue), next
}

// look finds how many events there are, up to enough, and the time of the oldest.
func (c *count) look(who *Person, w limits) (n int, oldest, next int64) {
	if s := c.kept.stretch(who, w); s != nil {
		return c.lookUp(who, s, w)
	}
	oldest = Never
	turn := int64(Never)
	next = c.list.each(who, w, func(_ uint32, t int64) verb {
		if c.with != nil {
			yes, until := c.with.holds(who, plan.IsTrue)
			turn = min(turn, until)
			if yes == c.fail {
				return goOn
			}
		}
		n++
		oldest = min(oldest, t)
		if n >= c.test.enough {
			return stop
		}
		return goOn
	})
	c.kept.begin(who, w)
	return n, oldest, min(next, turn)
}

// lookUp is look by what is kept.
func (c *count) lookUp(who *Person, s *stretch, w limits) (n int, oldest, next int64) {
	k := s.content.(*keptEvents)
	n, oldest, next = min(k.row.len(), c.test.enough), Never, w.next
	if n > 0 {
		oldest = c.list.typ.Time.Int(k.row.at(k.row.len() - n))
	}
	if n < c.test.enough {
		next = min(next, s.enters(who, w))
	}
	return n, oldest, next
}

// takes tells whether an event counts.
func (c *count) takes(who *Person, event uint32) bool {
	if !c.list.passes(who, event) {
		return false
	}
	if c.with == nil {
		return true
	}
	yes, _ := c.with.holds(who, plan.IsTrue)
	return yes != c.fail
}

func (*count) cost() int { return costCount }

func (c *count) moved() (rises, falls bool) {
	if c.list.boundByEvents() {
		return true, true
	}
	return c.test.rises, c.test.falls
}

// counting is a comparison of a count with literals.
type counting struct {
	op     plan.Op
	with   []float64
	enough int // the answer is the same for this count and every greater one
	first  int // and the same as for none below this count

	rises, falls bool // a greater count can make it true, or false
}

func newCounting(op plan.Op, with ...float64) counting {
	c := counting{op: op, with: with}
	most := -1.0
	for _, v := range with {
		most = max(most, v)
	}
	if most > 1e6 { // not worth looking for
		c.enough = math.MaxInt
		c.rises, c.falls = true, true
		return c
	}
	for c.enough = int(most) + 1; c.enough > 0 && c.holds(float64(c.enough)) == c.holds(float64(c.enough-1)); {
		c.enough--
	}
	for c.first <= c.enough && c.holds(float64(c.first)) == c.holds(0) {
		c.first++
	}
	for n := range c.enough {
		before, after := c.holds(float64(n)), c.holds(float64(n+1))
		c.rises, c.falls = c.rises || !before && after, c.falls || before && !after
	}
	return c
}

func (c *counting) holds(n float64) bool {
	if c.op == plan.In || c.op == plan.NotIn {
		return slices.Contains(c.with, n) == (c.op == plan.In)
	}
	v := c.with[0]
	return stands(sign(n-v), c.op)
}

func sign(d float64) int {
	switch {
	case d < 0:
		return -1
	case d > 0:
		return 1
	}
	return 0
}

// units compares the counts of the last n complete calendar units with a literal.
type units struct {
	list  list
	units *calendarUnits
	kind  plan.Quantity
	op    plan.Op
	with  float64
	kept  *table

	counts []int // memory of look
}

func (u *units) holds(who *Person, side plan.Outcome) (bool, int64) {
	w := u.list.limits(who)
	if !w.ok {
		return false, w.next
	}
	starts := u.units.at(who.Now)
	w.from = max(w.from, starts[0])
	counts, oldest, next := u.look(who, w, starts)
	if oldest != Never {
		next = min(next, u.units.until, u.list.leaves(oldest))
	}
	good := 0
	for _, n := range counts[:u.units.n] {
		if stands(sign(float64(n)-u.with), u.op) {
			good++
		}
	}
	yes := good > 0
	switch u.kind {
	case plan.Every:
		yes = good == u.units.n
	case plan.JustOne:
		yes = good == 1
	}
	return yes == (side == plan.IsTrue), next
}

// look counts the events of each unit, and finds the time of the oldest; Never when there is none.
func (u *units) look(who *Person, w limits, starts []int64) (counts []int, oldest, next int64) {
	if s := u.kept.stretch(who, w); s != nil {
		k := s.content.(*keptUnits)
		oldest = Never
		switch {
		case k.row.len() > 0:
			oldest = u.list.typ.Time.Int(k.row.at(0))
		case k.n > 0:
			oldest = starts[0] // at least: nothing but the units lets go of it
		}
		return k.counts, oldest, min(w.next, s.enters(who, w))
	}
	if len(u.counts) != len(starts) {
		u.counts = make([]int, len(starts))
	}
	clear(u.counts)
	oldest = Never
	next = u.list.each(who, w, func(_ uint32, t int64) verb {
		oldest = min(oldest, t)
		u.counts[unitOf(starts, t)]++
		return goOn
	})
	u.kept.begin(who, w)
	return u.counts, oldest, next
}

func (*units) cost() int                  { return costEvents }
func (*units) moved() (rises, falls bool) { return true, true }
