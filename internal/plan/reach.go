package plan

import (
	"math"
	"strings"

	"github.com/embedcdp/cdp/internal/celenv"
)

// Ever is the reach of a condition that looks at all events of a type, however old.
const Ever = math.MaxInt64

// Reach returns, for each event type that a condition reads, how far before now it looks at most, in microseconds: a
// window of 30 days reaches 30 days, a condition without a window reaches Ever. Two hours are added to calendar units for
// changes of the clock. reads returns the event types that a part reads which only CEL answers; such a part reaches Ever.
func Reach(n Node, reads func(cel string) []string) map[string]int64 {
	r := reaches{of: map[string]int64{}, reads: reads}
	r.node(n)
	return r.of
}

type reaches struct {
	of    map[string]int64
	reads func(cel string) []string
}

func (r *reaches) add(typ string, span int64) { r.of[typ] = max(r.of[typ], span) }

func (r *reaches) cel(text string) {
	for _, typ := range r.reads(text) {
		r.add(typ, Ever)
	}
}

func (r *reaches) node(n Node) {
	switch n := n.(type) {
	case Predicate:
		r.value(n.Of, n.Text.String())
	case Compare:
		r.value(n.Left, n.Text.String())
		r.value(n.Right, n.Text.String())
	case Quantifier:
		r.events(n.Events, 0, n.Text.String())
		r.filter(n.If, n.Text.String())
	case Units:
		r.events(n.Events, celenv.UnitReach(n.Unit, n.N), n.Text.String())
	case Sequence:
		for _, step := range n.Steps {
			r.events(step, 0, n.Text.String())
		}
	case Residual:
		r.cel(n.Text.String())
	}
	for _, child := range n.children() {
		r.node(child)
	}
}

func (r *reaches) value(v Value, whole string) {
	switch v := v.(type) {
	case Aggregate:
		r.events(v.Events, 0, whole)
	case Formula:
		r.cel(whole)
	}
}

// events adds a list of events. span is what else bounds it, 0 is nothing.
func (r *reaches) events(e Events, span int64, whole string) {
	reach := int64(Ever)
	if span > 0 {
		reach = span
	}
	for _, b := range e.Bounds {
		switch b.Kind {
		case Within:
			reach = min(reach, b.Span)
		case During:
			reach = min(reach, celenv.RangeReach(b.Range))
		case Since:
			if m, ok := b.At.(Moment); ok {
				reach = min(reach, celenv.UnitReach(m.Unit, 0)+max(m.Ago, 0))
			}
		}
		if b.At != nil {
			r.value(b.At, whole)
		}
	}
	r.add(e.Type, max(reach, 1))
	for _, f := range e.Filter {
		r.filter(f, whole)
	}
}

// filter looks at a condition about one event, which hardly ever asks for other events. Its text is no expression by itself.
func (r *reaches) filter(n Node, whole string) {
	opaque := func(text string) {
		if strings.Contains(text, "events.") {
			r.cel(whole)
		}
	}
	switch n := n.(type) {
	case Residual:
		opaque(n.Text.String())
	case Predicate:
		if f, ok := n.Of.(Formula); ok {
			opaque(f.Text.String())
		}
	case Compare:
		for _, v := range []Value{n.Left, n.Right} {
			if f, ok := v.(Formula); ok {
				opaque(f.Text.String())
			}
		}
	case Quantifier, Units, Sequence:
		r.cel(whole)
	}
	for _, child := range n.children() {
		r.filter(child, whole)
	}
}
