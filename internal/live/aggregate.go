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

	keeps   bool                // sums may be kept up to date
	running map[uint32]*running // by row, for people with many events
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
	switch a.function {
	case plan.First, plan.Last:
		return a.end(who)
	case plan.CountDistinct, plan.MostFrequent:
		return a.tallied(who)
	}
	if v, next, ok := a.kept(who); ok {
		return v, next
	}
	var sum exactsum.Sum
	n, oldest := 0, int64(Never)
	next, ok := a.list.each(who, func(_ uint32, t int64) verb {
		var x scalar
		if a.of != nil {
			if x, _ = a.of.get(who); x.kind == value.Absent {
				return goOn
			}
		}
		n++
		oldest = min(oldest, t)
		switch a.function {
		case plan.Sum, plan.Avg:
			sum.Add(x.num)
		case plan.Min:
			if n == 1 || smaller(x, v) {
				v = x
			}
		case plan.Max:
			if n == 1 || smaller(v, x) {
				v = x
			}
		}
		return goOn
	})
	if !ok {
		return scalar{}, next
	}
	if n > 0 {
		next = min(next, a.list.leaves(oldest))
	}
	if a.function != plan.Min && a.function != plan.Max {
		v = a.total(&sum, n)
	}
	if a.keeps && n > longList {
		a.keep(who)
	}
	return v, next
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
func (a *aggregate) end(who *Person) (v scalar, next int64) {
	var at moment
	event, found := uint32(0), false
	next, ok := a.list.each(who, func(i uint32, t int64) verb {
		m := moment{t, a.list.typ.Seq.Int(i)}
		if !found || (m.compare(at) > 0) == (a.function == plan.Last) {
			event, at, found = i, m, true
		}
		if a.function == plan.Last {
			return nextRow
		}
		return goOn
	})
	if !ok || !found {
		return scalar{}, next
	}
	next = min(next, a.list.leaves(at.time))
	who.event = event
	v, _ = a.of.get(who)
	return v, next
}

// tallied is countDistinct and mostFrequent. Of equally frequent values that counts whose latest event is most recent.
func (a *aggregate) tallied(who *Person) (v scalar, next int64) {
	if who.tallies == nil {
		who.tallies = map[scalar]tally{}
	}
	clear(who.tallies)
	oldest := int64(Never)
	next, ok := a.list.each(who, func(i uint32, t int64) verb {
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
	distinct := len(who.tallies)
	if !ok {
		return scalar{}, next
	}
	if distinct > 0 {
		next = min(next, a.list.leaves(oldest))
	}
	if a.function == plan.CountDistinct {
		v = scalar{kind: value.Number, num: float64(distinct)}
	} else {
		var best tally
		for x, y := range who.tallies { // no two have the same last event, so the order of the map does not matter
			if y.count > best.count || y.count == best.count && y.last.compare(best.last) > 0 {
				v, best = x, y
			}
		}
	}
	if distinct > 1024 {
		who.tallies = nil // a large map takes long to clear
	}
	return v, next
}
