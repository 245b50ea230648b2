package exec

import (
	"fmt"
	"strings"
	"time"

	"github.com/embedcdp/cdp/internal/plan"
)

// Explain carries a plan out and prints its operators with the rows that went in, the rows that came out, and the time it
// took. clock tells how much time has passed since some fixed moment.
func Explain(p plan.Physical, src Source, clock func() time.Duration) string {
	t := &trace{clock: clock}
	r := newRun(src)
	r.trace = t
	began := clock()
	members := r.answer(p)
	fmt.Fprintf(&t.out, "%d members in %s\n", members.Len(), round(clock()-began))
	for _, f := range p.Fallback {
		fmt.Fprintf(&t.out, "no kernel: %s\n", f)
	}
	return t.out.String()
}

// trace notes what operators do. A nil trace notes nothing.
type trace struct {
	clock func() time.Duration
	out   strings.Builder
	depth int
	notes []string
}

func nothing(Set) {}

// begin notes an operator that looks at these rows; the result is called with those that are left.
func (t *trace) begin(what string, rows Set) (done func(Set)) {
	if t == nil {
		return nothing
	}
	in, began := rows.Len(), t.clock()
	return func(left Set) {
		took := t.clock() - began
		fmt.Fprintf(&t.out, "%s%s: %d rows in, %d out, %s%s\n", strings.Repeat("  ", t.depth), what, in, left.Len(), round(took), strings.Join(t.notes, ""))
		t.notes = nil
	}
}

// enter notes an operator over others.
func (t *trace) enter(op *plan.Operator) (leave func()) {
	if t == nil {
		return func() {}
	}
	fmt.Fprintf(&t.out, "%s%s\n", strings.Repeat("  ", t.depth), op.Line())
	t.depth++
	return func() { t.depth-- }
}

// note adds to the line of the operator at work.
func (t *trace) note(what string) {
	if t != nil {
		t.notes = append(t.notes, " ("+what+")")
	}
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
