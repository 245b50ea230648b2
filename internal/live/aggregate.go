package live

import (
	"cmp"

	"github.com/embedcdp/cdp/internal/exactsum"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// aggregate is one value out of a list of events.
type aggregate struct {
	list     list
	function plan.Function
	of       reading // of each event; nil with Size

	kept *table
}

// moment is the place of an event in the order (time, arrival).
type moment struct{ time, seq int64 }

func (a moment) compare(b moment) int {
	if a.time != b.time {
		return cmp.Compare(a.time, b.time)
	}
	return cmp.Compare(a.seq, b.seq)
}

// tally is how often a value occurs, and where last.
type tally struct {
	count int
	last  moment
}

func (a *aggregate) kind() value.Kind {
	switch a.function {
	case plan.Size, plan.Sum, plan.Avg, plan.CountDistinct:
		return value.Number
	}
	return a.of.kind()
}

func (*aggregate) cost() int { return costEvents }

func (a *aggregate) get(who *Person) (v scalar, next int64) {
	w := a.list.limits(who)
	if !w.ok {
		return scalar{}, w.next
	}
	if s := a.kept.stretch(who, w); s != nil {
		v, oldest := a.read(who, s.content)
		return v, min(w.next, s.enters(who, w), a.list.leaves(oldest))
	}
	v, oldest, next := a.scan(who, w)
	a.kept.begin(who, w)
	return v, min(next, a.list.leaves(oldest))
}

// scan walks through the events. oldest is the time of the first of them that will take the value with it when it leaves.
func (a *aggregate) scan(who *Person, w limits) (v scalar, oldest, next int64) {
	switch a.function {
	case plan.First, plan.Last:
		return a.end(who, w)
	case plan.CountDistinct, plan.MostFrequent:
		return a.tallied(who, w)
	case plan.Min, plan.Max:
		return a.extreme(who, w)
	}
	var sum exactsum.Sum
	n := 0
	oldest = Never
	next = a.list.each(who, w, func(_ uint32, t int64) verb {
		if a.of != nil {
			x, _ := a.of.get(who)
			if x.kind == value.Absent {
				return goOn
			}
			sum.Add(x.num)
		}
		n++
		oldest = min(oldest, t)
		return goOn
	})
	return a.total(&sum, n), oldest, next
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

// extreme is min and max.
func (a *aggregate) extreme(who *Person, w limits) (v scalar, at, next int64) {
	at = Never
	next = a.list.each(who, w, func(_ uint32, t int64) verb {
		x, _ := a.of.get(who)
		switch {
		case x.kind == value.Absent:
		case v.kind == value.Absent, a.function == plan.Min && smaller(x, v), a.function == plan.Max && smaller(v, x):
			v, at = x, t
		case x == v:
			at = max(at, t) // while it is there, so is the value
		}
		return goOn
	})
	return v, at, next
}

// read is scan by what is kept.
func (a *aggregate) read(who *Person, content content) (v scalar, oldest int64) {
	var row *eventRow
	switch k := content.(type) {
	case *keptEvents:
		event, found := k.end(a.function == plan.Last)
		if !found {
			return scalar{}, Never
		}
		who.event = event
		v, _ = a.of.get(who)
		return v, k.typ.Time.Int(event)
	case *keptSum:
		row, v = &k.row, a.total(k.sum, k.n)
	case *keptExtreme:
		if row = &k.row; row.len() > 0 {
			v = k.value(who, row.at(0))
		}
	case *keptValues:
		row = &k.row
		switch {
		case a.function == plan.CountDistinct:
			v = scalar{kind: value.Number, num: float64(len(k.values))}
		case len(k.heap.of) > 0:
			v = k.heap.of[0].value
		}
	}
	if row.len() == 0 {
		return v, Never
	}
	return v, a.list.typ.Time.Int(row.at(0))
}

// takes tells whether an event is one of those that the value is made from. First and last take the event, not the value.
func (a *aggregate) takes(who *Person, event uint32) bool {
	if !a.list.passes(who, event) {
		return false
	}
	if a.of == nil || a.function == plan.First || a.function == plan.Last {
		return true
	}
	v, _ := a.of.get(who)
	return v.kind != value.Absent
}

func smaller(a, b scalar) bool {
	switch a.kind {
	case value.String:
		return a.text < b.text
	case value.Datetime:
		return a.time < b.time
	}
	return a.num < b.num
}

// end is first and last: of the one event, even when that lacks the value.
func (a *aggregate) end(who *Person, w limits) (v scalar, oldest, next int64) {
	var at moment
	event, found := uint32(0), false
	next = a.list.each(who, w, func(i uint32, t int64) verb {
		m := moment{t, a.list.typ.Seq.Int(i)}
		if !found || (m.compare(at) > 0) == (a.function == plan.Last) {
			event, at, found = i, m, true
		}
		if a.function == plan.Last {
			return nextRow
		}
		return goOn
	})
	if !found {
		return scalar{}, Never, next
	}
	who.event = event
	v, _ = a.of.get(who)
	return v, at.time, next
}

// tallied is countDistinct and mostFrequent. Of equally frequent values that counts whose latest event is most recent.
func (a *aggregate) tallied(who *Person, w limits) (v scalar, oldest, next int64) {
	if who.tallies == nil {
		who.tallies = map[scalar]tally{}
	}
	clear(who.tallies)
	oldest = Never
	next = a.list.each(who, w, func(i uint32, t int64) verb {
		x, _ := a.of.get(who)
		if x.kind == value.Absent {
			return goOn
		}
		oldest = min(oldest, t)
		m, y := moment{t, a.list.typ.Seq.Int(i)}, who.tallies[x]
		if y.count == 0 || m.compare(y.last) > 0 {
			y.last = m
		}
		y.count++
		who.tallies[x] = y
		return goOn
	})
	if a.function == plan.CountDistinct {
		v = scalar{kind: value.Number, num: float64(len(who.tallies))}
	} else {
		var best tally
		for x, y := range who.tallies { // no two have the same last event, so the order of the map does not matter
			if y.count > best.count || y.count == best.count && y.last.compare(best.last) > 0 {
				v, best = x, y
			}
		}
	}
	if len(who.tallies) > 1024 {
		who.tallies = nil // a large map takes long to clear
	}
	return v, oldest, next
}
