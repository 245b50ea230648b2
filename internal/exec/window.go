package exec

import (
	"math"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// window is which events count by their time: from <= time < to for everybody, and since[row] <= time < until[row] where
// these are set.
type window struct {
	from, to     int64
	since, until *personTimes // nil: no bound; absent where the condition is an error
}

// window works the bounds out. People for whom the instant of a bound is absent are taken from rows: the condition is
// neither true nor false for them. It is false when there is no kernel for such an instant.
func (r *run) window(bounds []plan.Bound, rows Set) (window, bool) {
	w := window{math.MinInt64, r.now + 1, nil, nil}
	for _, b := range bounds {
		switch b.Kind {
		case plan.Within:
			w.from = max(w.from, r.now-b.Span+1)
		case plan.During:
			from, to, _ := r.src.Calendar().Range(b.Range, r.now)
			w.from, w.to = max(w.from, from), min(w.to, to)
		case plan.Since, plan.Until:
			if !r.bounded(&w, b, rows) {
				return w, false
			}
		}
	}
	w.tighten(rows)
	return w, true
}

// tighten lets the limits for everybody follow from those of each person, so that chunks outside them are not looked at.
func (w *window) tighten(rows Set) {
	if w.since != nil {
		first, _ := w.since.span(rows)
		w.from = max(w.from, first)
	}
	if w.until != nil {
		_, last := w.until.span(rows)
		w.to = min(w.to, last)
	}
}

func (r *run) bounded(w *window, b plan.Bound, rows Set) bool {
	at, fixed := int64(0), true
	switch v := b.At.(type) {
	case plan.Constant:
		at = v.Micros
	case plan.Moment:
		at = r.instant(v)
	default:
		fixed = false
	}
	if fixed {
		if b.Kind == plan.Since {
			w.from = max(w.from, at)
		} else {
			w.to = min(w.to, at)
		}
		return true
	}
	instants, ok := r.instants(b.At, rows)
	if !ok {
		return false
	}
	if b.Kind == plan.Since {
		w.since = tighter(w.since, instants, rows, true)
	} else {
		w.until = tighter(w.until, instants, rows, false)
	}
	return true
}

// instants is a time for each of the rows, who is taken from rows when there is none.
func (r *run) instants(v plan.Value, rows Set) (*personTimes, bool) {
	vec, ok := compiler{run: r, rows: rows}.vector(v)
	if !ok || vec.kind() != value.Datetime {
		return nil, false
	}
	if made, ok := vec.(*personTimes); ok { // nobody else has it
		made.leaveOut(rows)
		return made, true
	}
	out := make([]int64, r.rows)
	r.pass(rows, func(f *frame, s *scratch, words []uint64) {
		vec.load(f, &s.left)
		at := out[f.k*column.ChunkRows:][:f.n]
		for i := range at {
			t := int64(column.AbsentInt)
			if i < len(s.left.times) {
				t = s.left.times[i]
			}
			at[i] = t
			words[i>>6] &^= b2u(t == column.AbsentInt) << (i & 63)
		}
	})
	return &personTimes{at: out}, true
}

// tighter joins two bounds of the same kind for rows that have both.
func tighter(a, b *personTimes, rows Set, latest bool) *personTimes {
	if a == nil {
		return b
	}
	rows.each(func(row uint32) {
		at, other := a.of(row), *b.of(row)
		if latest {
			*at = max(*at, other)
		} else {
			*at = min(*at, other)
		}
	})
	return a
}

// hoist makes bounds of those conditions of a list that are about the time of the event, so that chunks outside them are not
// looked at.
func (r *run) hoist(list plan.Events) plan.Events {
	var rest []plan.Node
	bounds := append([]plan.Bound{}, list.Bounds...)
	var visit func(n plan.Node)
	visit = func(n plan.Node) {
		if and, ok := n.(plan.And); ok {
			for _, part := range and.Of {
				visit(part)
			}
			return
		}
		if b, ok := r.boundOf(n); ok {
			bounds = append(bounds, b)
		} else {
			rest = append(rest, n)
		}
	}
	for _, f := range list.Filter {
		visit(f)
	}
	list.Filter, list.Bounds = rest, bounds
	return list
}

func (r *run) boundOf(n plan.Node) (plan.Bound, bool) {
	if c, ok := n.(plan.Compare); ok {
		n, _ = r.still(c)
	}
	p, ok := n.(plan.Predicate)
	if !ok || len(p.Lits) != 1 || p.Lits[0].Kind != value.Datetime || p.Lits[0].Time == math.MaxInt64 || !isTime(p.Of) {
		return plan.Bound{}, false
	}
	at := p.Lits[0].Time
	switch p.Op {
	case plan.GreaterEqual:
		return plan.Bound{Kind: plan.Since, At: plan.Constant{Micros: at}}, true
	case plan.Greater:
		return plan.Bound{Kind: plan.Since, At: plan.Constant{Micros: at + 1}}, true
	case plan.Less:
		return plan.Bound{Kind: plan.Until, At: plan.Constant{Micros: at}}, true
	case plan.LessEqual:
		return plan.Bound{Kind: plan.Until, At: plan.Constant{Micros: at + 1}}, true
	}
	return plan.Bound{}, false
}

// isTime tells whether a value is the time of an event.
func isTime(v plan.Value) bool {
	f, ok := v.(plan.Field)
	return ok && f.Name == "time" && f.Through == ""
}

// still is a comparison with a moment as one with a literal.
func (r *run) still(c plan.Compare) (plan.Node, bool) {
	if m, ok := c.Right.(plan.Moment); ok {
		return plan.Predicate{Of: c.Left, Op: c.Op, Lits: []value.Value{value.Micros(r.instant(m))}}, true
	}
	if m, ok := c.Left.(plan.Moment); ok {
		return plan.Predicate{Of: c.Right, Op: plan.Mirrored(c.Op), Lits: []value.Value{value.Micros(r.instant(m))}}, true
	}
	return c, false
}
