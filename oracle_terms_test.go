package cdp_test

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"
)

// The naive interpreter of TestOracle. A term is a piece of an expression: its text in the dialect, and what it means, as
// plain loops over plain values. An absent or wrong value is ok == false.

type naiveTerm struct {
	text string
	eval func(*naiveFrame) (any, bool)
}

// naiveFrame is one evaluation.
type naiveFrame struct {
	w    *naiveWorld
	p    *naivePerson
	now  int64
	vars []any // of macros, outermost first
}

// with evaluates a term with one more variable.
func (f *naiveFrame) with(v any, t naiveTerm) (any, bool) {
	inner := *f
	inner.vars = append(append([]any{}, f.vars...), v)
	return t.eval(&inner)
}

// holds is a condition on events: one that is absent does not hold.
func (f *naiveFrame) holds(v any, t naiveTerm) bool {
	b, ok := f.with(v, t)
	return ok && b.(bool)
}

func literalTerm(text string, v any) naiveTerm {
	return naiveTerm{text, func(*naiveFrame) (any, bool) { return v, true }}
}

// strict is a function of values that all have to be there.
func strict(text string, f func(*naiveFrame, []any) (any, bool), args ...naiveTerm) naiveTerm {
	texts := make([]any, len(args))
	for i, a := range args {
		texts[i] = a.text
	}
	return naiveTerm{fmt.Sprintf(text, texts...), func(fr *naiveFrame) (any, bool) {
		vals := make([]any, len(args))
		for i, a := range args {
			v, ok := a.eval(fr)
			if !ok {
				return nil, false
			}
			vals[i] = v
		}
		return f(fr, vals)
	}}
}

// and is false where one side is false, whatever the other is; or is the reverse.
func and(a, b naiveTerm) naiveTerm { return logic(a, b, "&&", false) }
func or(a, b naiveTerm) naiveTerm  { return logic(a, b, "||", true) }

func logic(a, b naiveTerm, op string, decides bool) naiveTerm {
	return naiveTerm{fmt.Sprintf("(%s %s %s)", a.text, op, b.text), func(f *naiveFrame) (any, bool) {
		x, okX := a.eval(f)
		y, okY := b.eval(f)
		switch {
		case okX && x.(bool) == decides, okY && y.(bool) == decides:
			return decides, true
		case okX && okY:
			return !decides, true
		}
		return nil, false
	}}
}

func not(a naiveTerm) naiveTerm {
	return strict("!(%s)", func(_ *naiveFrame, v []any) (any, bool) { return !v[0].(bool), true }, a)
}

func conditional(c, a, b naiveTerm) naiveTerm {
	return naiveTerm{fmt.Sprintf("(%s ? %s : %s)", c.text, a.text, b.text), func(f *naiveFrame) (any, bool) {
		x, ok := c.eval(f)
		if !ok {
			return nil, false
		}
		if x.(bool) {
			return a.eval(f)
		}
		return b.eval(f)
	}}
}

func comparison(a naiveTerm, op string, b naiveTerm) naiveTerm {
	return strict("(%s "+op+" %s)", func(_ *naiveFrame, v []any) (any, bool) { return naiveCompare(v[0], op, v[1]), true }, a, b)
}

func naiveCompare(a any, op string, b any) bool {
	switch op {
	case "==":
		return naiveOrder(a, b) == 0
	case "!=":
		return naiveOrder(a, b) != 0
	case "<":
		return naiveOrder(a, b) < 0
	case "<=":
		return naiveOrder(a, b) <= 0
	case ">":
		return naiveOrder(a, b) > 0
	}
	return naiveOrder(a, b) >= 0
}

func naiveOrder(a, b any) int {
	below, above := false, false
	switch x := a.(type) {
	case float64:
		below, above = x < b.(float64), x > b.(float64)
	case naiveTime:
		below, above = x < b.(naiveTime), x > b.(naiveTime)
	case string:
		below, above = x < b.(string), x > b.(string)
	case bool:
		below, above = !x && b.(bool), x && !b.(bool)
	}
	switch {
	case below:
		return -1
	case above:
		return 1
	}
	return 0
}

// naiveQuantifier is exists or all over a list of the profile, where an absent condition counts as in || and &&.
func naiveQuantifier(f *naiveFrame, list []any, cond naiveTerm, decides bool) (any, bool) {
	sure := true
	for _, el := range list {
		v, ok := f.with(el, cond)
		if ok && v.(bool) == decides {
			return decides, true
		}
		sure = sure && ok
	}
	return !decides, sure
}

// aggregates over the values that are there.
func naiveAggregate(name string, vals []any) (any, bool) {
	switch name {
	case "sum":
		return naiveSum(vals), true
	case "countDistinct":
		seen := map[any]bool{}
		for _, v := range vals {
			seen[v] = true
		}
		return float64(len(seen)), true
	}
	if len(vals) == 0 {
		return nil, false
	}
	best := vals[0]
	switch name {
	case "avg":
		return naiveSum(vals) / float64(len(vals)), true
	case "min", "max":
		for _, v := range vals {
			if name == "min" && naiveOrder(v, best) < 0 || name == "max" && naiveOrder(v, best) > 0 {
				best = v
			}
		}
	case "mostFrequent": // of several the one seen last
		most := 0
		for i := len(vals) - 1; i >= 0; i-- {
			count := 0
			for _, v := range vals {
				if v == vals[i] {
					count++
				}
			}
			if count > most {
				most, best = count, vals[i]
			}
		}
	}
	return best, true
}

func naiveSum(vals []any) float64 {
	sum := 0.0 // the data are multiples of a half, so the order does not matter
	for _, v := range vals {
		sum += v.(float64)
	}
	return sum
}

// naiveSequence tries every chain.
func naiveSequence(lists [][]*naiveEvent, span int64, first, previous *naiveEvent) bool {
	if len(lists) == 0 {
		return previous.at-first.at <= span
	}
	for _, e := range lists[0] {
		if previous == nil {
			if naiveSequence(lists[1:], span, e, e) {
				return true
			}
		} else if (e.at > previous.at || e.at == previous.at && e.position > previous.position) && naiveSequence(lists[1:], span, first, e) {
			return true
		}
	}
	return false
}

// The calendar, with the help of package time alone.

func (s *naiveSchema) start(at int64, unit string, n int) int64 {
	t := time.UnixMicro(at).In(s.loc)
	y, m, d := t.Date()
	switch unit {
	case "day":
		d += n
	case "week":
		for time.Date(y, m, d, 12, 0, 0, 0, s.loc).Weekday() != s.week {
			d--
		}
		d += 7 * n
	case "month":
		d, m = 1, m+time.Month(n)
	case "quarter":
		for (m-1)%3 != 0 {
			m--
		}
		d, m = 1, m+time.Month(3*n)
	case "year":
		y, m, d = y+n, 1, 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, s.loc).UnixMicro()
}

var naiveRanges = map[string]func(s *naiveSchema, now int64) (from, to int64){
	"today":        unitRange("day", 0, 1),
	"yesterday":    unitRange("day", -1, 0),
	"this_week":    unitRange("week", 0, 1),
	"last_week":    unitRange("week", -1, 0),
	"last_7_days":  unitRange("day", -7, 0),
	"last_14_days": unitRange("day", -14, 0),
	"last_30_days": unitRange("day", -30, 0),
	"this_month":   unitRange("month", 0, 1),
	"last_month":   unitRange("month", -1, 0),
	"this_quarter": unitRange("quarter", 0, 1),
	"last_quarter": unitRange("quarter", -1, 0),
	"this_year":    unitRange("year", 0, 1),
	"all_time":     func(*naiveSchema, int64) (int64, int64) { return math.MinInt64, math.MaxInt64 },
}

func unitRange(unit string, from, to int) func(*naiveSchema, int64) (int64, int64) {
	return func(s *naiveSchema, now int64) (int64, int64) {
		return s.start(now, unit, from), s.start(now, unit, to)
	}
}

// anniversary: exactly midnight UTC means a date wherever one is; 29 February is the 28th in common years.
func (s *naiveSchema) anniversary(of, now int64) int64 {
	t := time.UnixMicro(of).UTC()
	if t.Hour() != 0 || t.Minute() != 0 || t.Second() != 0 || t.Nanosecond() != 0 {
		t = t.In(s.loc)
	}
	year, month, day := time.UnixMicro(now).In(s.loc).Year(), t.Month(), t.Day()
	if last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day(); day > last {
		day = last
	}
	return time.Date(year, month, day, 0, 0, 0, 0, s.loc).UnixMicro()
}

func naivePart(at int64, part, zone string) float64 {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		panic(err)
	}
	t := time.UnixMicro(at).In(loc)
	switch part {
	case "getFullYear":
		return float64(t.Year())
	case "getMonth":
		return float64(t.Month() - 1)
	case "getDate":
		return float64(t.Day())
	case "getDayOfWeek":
		return float64(t.Weekday())
	case "getDayOfYear":
		return float64(t.YearDay() - 1)
	}
	return float64(t.Hour())
}

var naiveTextTests = map[string]func(s, arg string) bool{
	"startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix, "contains": strings.Contains,
	"matches": func(s, p string) bool { return regexp.MustCompile(p).MatchString(s) },
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// escape lets a text stand in a format.
func escape(s string) string { return strings.ReplaceAll(s, "%", "%%") }
