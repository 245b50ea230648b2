package live

import "github.com/embedcdp/cdp/internal/plan"

type constant bool

func (c constant) holds(_ *Person, side plan.Outcome) (bool, int64) {
	return bool(c) == (side == plan.IsTrue), Never
}

func (constant) cost() int                  { return costFree }
func (constant) moved() (rises, falls bool) { return false, false }

type not struct{ of node }

func (n not) holds(who *Person, side plan.Outcome) (bool, int64) { return n.of.holds(who, other(side)) }
func (n not) cost() int                                          { return n.of.cost() }

func (n not) moved() (rises, falls bool) {
	falls, rises = n.of.moved()
	return rises, falls
}

func other(side plan.Outcome) plan.Outcome {
	if side == plan.IsTrue {
		return plan.IsFalse
	}
	return plan.IsTrue
}

// several is `and` or `or`, its cheapest parts first.
type several struct {
	of   []node
	both plan.Outcome // the side on which all parts must be: true for and, false for or
}

// holds: on the side of both, all parts must hold, and one that does not decides until it changes. On the other side one
// that holds decides.
func (n several) holds(who *Person, side plan.Outcome) (bool, int64) {
	all := side == n.both
	next := int64(Never)
	for _, c := range n.of {
		yes, until := c.holds(who, side)
		if yes != all {
			return yes, until
		}
		next = min(next, until)
	}
	return all, next
}

func (n several) cost() int {
	most := costFree
	for _, c := range n.of {
		most = max(most, c.cost())
	}
	return most
}

func (n several) moved() (rises, falls bool) {
	for _, c := range n.of {
		r, f := c.moved()
		rises, falls = rises || r, falls || f
	}
	return rises, falls
}

// member asks for another segment, whose flips ask again.
type member struct{ in func(row uint32) bool }

func (m member) holds(who *Person, side plan.Outcome) (bool, int64) {
	return m.in(who.Row) == (side == plan.IsTrue), Never
}

func (member) cost() int                  { return costMember }
func (member) moved() (rises, falls bool) { return false, false } // by flips of its own

// part is what only CEL answers.
type part struct{ Part }

func (p part) holds(who *Person, side plan.Outcome) (bool, int64) {
	outcome, next := p.Outcome(who.Row, who.Now)
	return outcome == side, next
}

func (part) cost() int { return costCEL }

func (p part) moved() (rises, falls bool) {
	any := len(p.Events()) > 0
	return any, any
}
