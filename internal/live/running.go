package live

import (
	"cmp"
	"slices"

	"github.com/embedcdp/cdp/internal/exactsum"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// longList is past how many events a sum is kept up to date for a person instead of being made anew each time. Most people
// have fewer; the busiest of a million may have an eighth of all events. It is a variable for tests.
var longList = 64

// running is the sum of one person's events within the limits, as of the last time it was asked for. What is derived may be
// dropped at any time: the next walk makes it again.
type running struct {
	seen   int64    // the last event of the type that was seen, in order of arrival; -1 none
	lates  uint32   // how many events had come late
	from   int64    // the start of the limits
	events []uint32 // those that are in and have a value, oldest first, from first on
	first  int
	sum    exactsum.Sum
}

// keepsRunning tells whether sums of a list can be kept up to date: whether an event is in depends on nothing but the
// event and on bounds that only ever let go of the oldest.
func keepsRunning(e plan.Events, function plan.Function) bool {
	switch function {
	case plan.Sum, plan.Avg, plan.Size:
	default:
		return false
	}
	for _, f := range e.Filter {
		if !lasting(f) || refers(f) {
			return false
		}
	}
	for _, w := range e.Bounds {
		if w.Kind != plan.Within && w.Kind != plan.Since {
			return false
		}
	}
	return true
}

// refers tells whether a condition about an event reads objects, whose versions may be corrected later.
func refers(n plan.Node) bool {
	through := func(v plan.Value) bool {
		f, ok := v.(plan.Field)
		return ok && f.Through != ""
	}
	any := func(of []plan.Node) bool {
		for _, m := range of {
			if refers(m) {
				return true
			}
		}
		return false
	}
	switch n := n.(type) {
	case plan.And:
		return any(n.Of)
	case plan.Or:
		return any(n.Of)
	case plan.Not:
		return refers(n.Of)
	case plan.Predicate:
		return through(n.Of)
	case plan.Compare:
		return through(n.Left) || through(n.Right)
	}
	return false
}

// kept answers from what is kept for a person. ok is false when nothing is, or when it is no longer good.
func (a *aggregate) kept(who *Person) (v scalar, next int64, ok bool) {
	if len(a.running) == 0 || len(who.Rows) != 1 {
		return v, next, false
	}
	row := who.Rows[0]
	r := a.running[row]
	if r == nil {
		return v, next, false
	}
	if next, ok = a.follow(who, r, row); !ok || len(r.events)-r.first < longList/2 {
		delete(a.running, row)
		return v, next, false
	}
	n := len(r.events) - r.first
	next = min(next, a.list.leaves(a.list.typ.Time.Int(r.events[r.first])))
	return a.total(&r.sum, n), next, true
}

// follow brings what is kept up to now. Events that are new stand in front of the list, or are late and stand behind at most
// MaxLate of those seen. It is given up with an event dated in the future, or when the limits moved back.
func (a *aggregate) follow(who *Person, r *running, row uint32) (next int64, ok bool) {
	typ := a.list.typ
	from, next, ok := a.list.since(who)
	if !ok || from < r.from || typ.Unordered.Contains(row) {
		return next, false
	}
	r.from = from
	head := typ.Heads.Uint(row)
	if head == 0 || typ.Time.Int(head-1) > who.Now {
		return next, false
	}
	for r.first < len(r.events) && typ.Time.Int(r.events[r.first]) < from {
		r.sum.Add(-a.number(who, r.events[r.first]))
		r.first++
	}
	if r.first > len(r.events)/2 {
		r.events = append(r.events[:0], r.events[r.first:]...)
		r.first = 0
	}
	old, newest, most := len(r.events), r.seen, 0
	if lates := typ.Lates[row]; lates != r.lates {
		most, r.lates = MaxLate, lates
	}
	for i := head; i != 0 && typ.Time.Int(i-1) >= from; i = typ.Prev.Uint(i - 1) {
		if int64(i-1) <= r.seen {
			if most--; most < 0 {
				break
			}
			continue
		}
		newest = max(newest, int64(i-1))
		if a.list.passes(who, i-1) && a.has(who) {
			r.events = append(r.events, i-1)
			r.sum.Add(a.number(who, i-1))
		}
	}
	r.seen = newest
	added := r.events[old:]
	slices.Reverse(added)
	if old > r.first && len(added) > 0 && typ.Time.Int(added[0]) < typ.Time.Int(r.events[old-1]) {
		tail := r.events[max(r.first, old-MaxLate):]
		slices.SortFunc(tail, func(x, y uint32) int {
			return cmp.Or(cmp.Compare(typ.Time.Int(x), typ.Time.Int(y)), cmp.Compare(x, y))
		})
	}
	return next, true
}

// keep begins to keep a sum for a person with many events in it.
func (a *aggregate) keep(who *Person) {
	row, typ := who.Rows[0], a.list.typ
	if len(who.Rows) != 1 || typ.Unordered.Contains(row) {
		return
	}
	if a.running == nil {
		a.running = map[uint32]*running{}
	}
	from, _, _ := a.list.since(who)
	r := &running{seen: -1, lates: typ.Lates[row], from: from}
	if _, ok := a.follow(who, r, row); ok {
		a.running[row] = r
	}
}

// has tells whether the event that is looked at has the value.
func (a *aggregate) has(who *Person) bool {
	if a.of == nil {
		return true
	}
	v, _ := a.of.get(who)
	return v.kind != value.Absent
}

// number is the value of an event in the sum.
func (a *aggregate) number(who *Person, event uint32) float64 {
	if a.function == plan.Size {
		return 0
	}
	who.event = event
	v, _ := a.of.get(who)
	return v.num
}

// total is the answer over n values.
func (a *aggregate) total(sum *exactsum.Sum, n int) scalar {
	switch {
	case a.function == plan.Size:
		return scalar{kind: value.Number, num: float64(n)}
	case a.function == plan.Sum:
		return scalar{kind: value.Number, num: sum.Value()}
	case n > 0:
		return scalar{kind: value.Number, num: sum.Value() / float64(n)}
	}
	return scalar{}
}
