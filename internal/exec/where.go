package exec

import (
	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/plan"
)

// Where is a condition about single events of one type, as reports have it. It is safe for concurrent use.
type Where struct {
	cond cond
	ev   *Events
}

// NewWhere prepares a condition that looks at nothing but the event: at no profile and no object it refers to. It is false
// when there is no kernel for it.
func NewWhere(n plan.Node, ev *Events, cal celenv.Calendar, now int64) (*Where, bool) {
	if now <= earliest || now >= latest {
		return nil, false
	}
	early := false
	c := compiler{run: &run{src: calendarOnly{cal: cal}, now: now}, events: ev, early: &early}
	cond, ok := c.cond(n)
	return &Where{cond, ev}, ok && !early
}

// Mark returns a bit for each event of a chunk: whether the condition is true. An error is not true.
func (w *Where) Mark(k int) []uint64 {
	n := len(w.ev.Time.Ints(k))
	out := make([]uint64, (n+63)/64)
	w.cond.mark(&frame{k: k, n: n}, &scratch{}, true, out)
	return out
}

// calendarOnly is a source of nothing but the calendar.
type calendarOnly struct {
	Source
	cal celenv.Calendar
}

func (c calendarOnly) Calendar() celenv.Calendar { return c.cal }
