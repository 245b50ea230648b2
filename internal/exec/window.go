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
	since, until []int64 // by row; column.AbsentInt where the condition is an error
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
	return w, true
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
		w.since = tighter(w.since, instants, true)
	} else {
		w.until = tighter(w.until, instants, false)
	}
	return true
}

// instants is a time for each person, who is taken from rows when there is none.
func (r *run) instants(v plan.Value, rows Set) ([]int64, bool) {
	vec, ok := compiler{run: r, rows: rows}.vector(v)
	if !ok || vec.kind() != value.Datetime {
		return nil, false
	}
	out := make([]int64, r.src.Rows())
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
	return out, true
}

// tighter joins two bounds of the same kind.
func tighter(a, b []int64, latest bool) []int64 {
	if a == nil {
		return b
	}
	for i := range a {
		switch {
		case latest:
			a[i] = max(a[i], b[i])
		default:
			a[i] = min(a[i], b[i])
		}
	}
	return a
}
