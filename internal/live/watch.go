package live

import (
	"strings"

	"github.com/embedcdp/cdp/internal/plan"
)

// Watch says that a new event of a type can change an answer, if it passes the filter.
type Watch struct {
	Type   string
	Filter *Filter // nil: any event
}

// Filter is a condition about an event that has the same outcome at any time and for whomever the event is.
type Filter struct {
	Key string // equal filters of a type have the same key
	of  []node
}

// Passes tells whether an event passes.
func (f *Filter) Passes(who *Person, event uint32) bool {
	who.event = event
	for _, n := range f.of {
		if yes, _ := n.holds(who, plan.IsTrue); !yes {
			return false
		}
	}
	return true
}

// Watches returns which events can change the answer: those of no other type, and only those that pass one of the type's filters.
func (p *Program) Watches() []Watch { return p.watches }

// watch notes that a list of events was compiled, of which besides only those matter for which a condition is true.
func (c *compiler) watch(e plan.Events, only plan.Node) {
	w := Watch{Type: e.Type}
	typ, key := c.src.Type(e.Type), strings.Builder{}
	filters := e.Filter
	if only != nil {
		filters = append(filters[:len(filters):len(filters)], only)
	}
	var f Filter
	for _, n := range filters {
		if !lasting(n) {
			continue // it may pass later
		}
		f.of = append(f.of, c.about(n, typ))
		key.WriteString(n.String())
	}
	if len(f.of) > 0 {
		byCost(f.of)
		f.Key = key.String()
		w.Filter = &f
	}
	c.watches = append(c.watches, w)
}

// lasting tells whether a condition about an event reads nothing but the event.
func lasting(n plan.Node) bool {
	switch n := n.(type) {
	case plan.And:
		return allLast(n.Of)
	case plan.Or:
		return allLast(n.Of)
	case plan.Not:
		return lasting(n.Of)
	case plan.Const:
		return true
	case plan.Predicate:
		_, ok := n.Of.(plan.Field)
		return ok
	case plan.Compare:
		_, left := n.Left.(plan.Field)
		_, right := n.Right.(plan.Field)
		return left && right
	}
	return false
}

func allLast(of []plan.Node) bool {
	for _, n := range of {
		if !lasting(n) {
			return false
		}
	}
	return true
}
