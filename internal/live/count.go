package live

import (
	"math"
	"slices"
	"sort"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/plan"
)

// count compares how many events there are with literals. It stops at the newest so many that more make no difference.
type count struct {
	list list
	test counting
	with node // besides the filters: a quantifier's condition
	fail bool // count those for which it is not true
}

func (c *count) holds(who *Person, side plan.Outcome) (bool, int64) {
	n, oldest, turn := 0, int64(Never), int64(Never)
	next, ok := c.list.each(who, func(_ uint32, t int64) verb {
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
	next = min(next, turn)
	if !ok {
		return false, next
	}
	if n >= c.test.first { // fewer could be another answer
		next = min(next, c.list.leaves(oldest))
	}
	return c.test.holds(float64(n)) == (side == plan.IsTrue), next
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
	list list
	unit string
	n    int
	kind plan.Quantity
	op   plan.Op
	with float64
	cal  celenv.Calendar

	// The starts of the units, and of the current one, looked up last; they hold for now in [seen, until).
	starts      []int64
	seen, until int64
	counts      []int
}

func (u *units) holds(who *Person, side plan.Outcome) (bool, int64) {
	if who.Now < u.seen || who.Now >= u.until {
		u.starts = u.cal.Starts(who.Now, u.unit, u.n)
		u.seen, u.until = who.Now, u.cal.Start(who.Now, u.unit, 1)
		u.counts = make([]int, u.n)
	}
	clear(u.counts)
	oldest := int64(Never) // of those in the units or after them
	next, ok := u.list.each(who, func(_ uint32, t int64) verb {
		if t < u.starts[0] {
			return nextRow
		}
		oldest = min(oldest, t)
		if i := sort.Search(u.n+1, func(i int) bool { return u.starts[i] > t }) - 1; i < u.n {
			u.counts[i]++
		}
		return goOn
	})
	if !ok {
		return false, next
	}
	if oldest != Never {
		next = min(next, u.until, u.list.leaves(oldest))
	}
	good := 0
	for _, n := range u.counts {
		if stands(sign(float64(n)-u.with), u.op) {
			good++
		}
	}
	yes := good > 0
	switch u.kind {
	case plan.Every:
		yes = good == u.n
	case plan.JustOne:
		yes = good == 1
	}
	return yes == (side == plan.IsTrue), next
}

func (*units) cost() int                  { return costEvents }
func (*units) moved() (rises, falls bool) { return true, true }
