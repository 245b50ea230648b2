package roweval

import (
	"fmt"
	"math"
	"reflect"
	"time"

	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/embedcdp/cdp/internal/celenv"
)

// moving is a time or a duration that changes as now does: `now`, `now - duration("3d")`, `now - customer.signup`.
// Its value at the instant of the evaluation is at; per microsecond that passes it changes by slope microseconds, 1 or
// -1. Whatever compares it notes when the outcome will turn.
type moving struct {
	st    *state
	at    ref.Val // types.Timestamp or types.Duration
	slope int64
}

func (m *moving) Type() ref.Type { return m.at.Type() }
func (m *moving) Value() any     { return m.at.Value() }

// Equal is reached only where no operator could be replaced; it is right now, and perhaps not a microsecond later.
func (m *moving) Equal(other ref.Val) ref.Val {
	m.st.noteSoon()
	return types.Equal(m.at, still(other))
}

// ConvertToType serves int(now), string(now) and timestamp(now).
func (m *moving) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case m.at.Type():
		return m
	case types.TypeType:
		return m.at.ConvertToType(t)
	case types.IntType:
		if ts, ok := m.at.(types.Timestamp); ok {
			m.st.noteIn(1e6 - int64(ts.Nanosecond()/1000))
			return m.at.ConvertToType(t)
		}
	}
	m.st.noteSoon()
	return m.at.ConvertToType(t)
}

// ConvertToNative converts the value of the instant.
func (m *moving) ConvertToNative(t reflect.Type) (any, error) {
	m.st.noteSoon()
	return m.at.ConvertToNative(t)
}

// still is a value as it is now.
func still(v ref.Val) ref.Val {
	if m, ok := v.(*moving); ok {
		return m.at
	}
	return v
}

func slope(v ref.Val) int64 {
	if m, ok := v.(*moving); ok {
		return m.slope
	}
	return 0
}

func isTime(v ref.Val) bool {
	switch still(v).(type) {
	case types.Timestamp, types.Duration:
		return true
	}
	return false
}

// relation is one of the six comparisons, as the signs of left - right for which it holds.
type relation struct{ below, same, above bool }

var (
	less          = relation{below: true}
	lessEquals    = relation{below: true, same: true}
	greater       = relation{above: true}
	greaterEquals = relation{same: true, above: true}
	equal         = relation{same: true}
	notEqual      = relation{below: true, above: true}

	relations = map[string]relation{
		operators.Less: less, operators.LessEquals: lessEquals, operators.Greater: greater,
		operators.GreaterEquals: greaterEquals, operators.Equals: equal, operators.NotEquals: notEqual,
	}
)

func (r relation) holds(sign int) bool {
	return sign < 0 && r.below || sign == 0 && r.same || sign > 0 && r.above
}

// holds answers `a relation b` and notes when the answer will turn.
func (st *state) holds(a ref.Val, r relation, b ref.Val) types.Bool {
	d := difference(still(a), still(b))
	now := r.holds(d.sign())
	if s := slope(a) - slope(b); s != 0 {
		st.noteTurn(d, s, r, now)
	}
	return types.Bool(now)
}

// noteTurn finds the first whole microsecond at which a difference that changes by s each microsecond has another
// standing. That can only be near where it crosses zero, so the few instants around are tried.
func (st *state) noteTurn(d gap, s int64, r relation, now bool) {
	crossing := -d.micros / s
	for dt := max(1, crossing-2); dt <= crossing+2; dt++ {
		if r.holds(gap{d.micros + s*dt, d.nanos}.sign()) != now {
			st.noteIn(dt)
			return
		}
	}
}

// gap is a span of time that may be longer than a time.Duration: micros + nanos/1000, with 0 <= nanos < 1000.
type gap struct{ micros, nanos int64 }

func (g gap) sign() int {
	switch {
	case g.micros < 0:
		return -1
	case g.micros > 0 || g.nanos > 0:
		return 1
	}
	return 0
}

// difference is a - b of two times or two durations.
func difference(a, b ref.Val) gap {
	x, y := split(a), split(b)
	g := gap{x.micros - y.micros, x.nanos - y.nanos}
	if g.nanos < 0 {
		g.micros, g.nanos = g.micros-1, g.nanos+1000
	}
	return g
}

func split(v ref.Val) gap {
	if t, ok := v.(types.Timestamp); ok {
		return gap{t.UnixMicro(), int64(t.Nanosecond() % 1000)}
	}
	d := v.(types.Duration).Duration
	g := gap{int64(d) / 1000, int64(d) % 1000}
	if g.nanos < 0 {
		g.micros, g.nanos = g.micros-1, g.nanos+1000
	}
	return g
}

func (st *state) add(a, b ref.Val) ref.Val {
	return st.moved(still(a).(traits.Adder).Add(still(b)), slope(a)+slope(b))
}

func (st *state) subtract(a, b ref.Val) ref.Val {
	x, y := still(a), still(b)
	s := slope(a) - slope(b)
	_, timeA := x.(types.Timestamp)
	_, timeB := y.(types.Timestamp)
	if !timeA || !timeB {
		return st.moved(x.(traits.Subtractor).Subtract(y), s)
	}
	d := difference(x, y)
	if s != 0 {
		st.noteOverflow(d, s)
	}
	if d.micros >= maxGap || d.micros < -maxGap {
		return types.NewErr("the times are more than 292 years apart, which is longer than a duration can be")
	}
	return st.moved(types.Duration{Duration: time.Duration(d.micros*1000 + d.nanos)}, s)
}

// maxGap is the longest duration in whole microseconds: CEL's are nanoseconds in 64 bits. cel-go's own subtraction of times
// gives up as much as a second before, depending on their fractions.
const maxGap = math.MaxInt64 / 1000

// moved gives a result its slope. Times run forward and durations grow or shrink with time; anything else would be an
// expression like (now - a) + (now - b), which nobody means.
func (st *state) moved(v ref.Val, s int64) ref.Val {
	_, isStamp := v.(types.Timestamp)
	switch {
	case types.IsError(v) || s == 0:
		return v
	case s > 1 || s < -1 || isStamp && s < 0:
		return types.NewErr("this sum does not move with time as a time or a duration does")
	}
	return &moving{st: st, at: v, slope: s}
}

// noteOverflow: CEL's durations span 292 years, and the difference of two times further apart is an error; so even
// that comes or goes with time.
func (st *state) noteOverflow(d gap, s int64) {
	for _, edge := range [2]int64{-maxGap, maxGap} {
		if dt := (edge - d.micros) / s; dt > -2 { // within a microsecond of it
			st.noteIn(max(dt-1, 1))
		}
	}
}

func (st *state) startOf(v ref.Val, unit string) ref.Val {
	at := still(v).(types.Timestamp).UnixMicro()
	if slope(v) != 0 {
		st.noteIn(st.cal.Start(at, unit, 1) - at)
	}
	return timestamp(st.cal.Start(at, unit, 0))
}

func (st *state) anniversary(v ref.Val) ref.Val {
	of := still(v).(types.Timestamp)
	if slope(v) != 0 { // the checker refuses it where it can be seen
		st.noteSoon()
	}
	st.note(st.cal.Start(st.in.Now, "year", 1))
	return timestamp(st.cal.Anniversary(of.Time, st.in.Now))
}

// part answers the accessors: getHours() and the like, with an optional time zone.
func (st *state) part(args []ref.Val) ref.Val {
	name := string(args[1].(types.String))
	if d, ok := still(args[0]).(types.Duration); ok {
		return st.durationPart(d, slope(args[0]), name)
	}
	loc := time.UTC
	if len(args) > 2 {
		var err error
		if loc, err = celenv.Zone(string(args[2].(types.String))); err != nil {
			return types.WrapErr(err)
		}
	}
	t := still(args[0]).(types.Timestamp).In(loc)
	if slope(args[0]) != 0 {
		at := t.UnixMicro()
		if unit := partUnits[name]; unit != "" {
			st.noteIn(celenv.NextPart(at, unit, loc) - at)
		} else {
			st.noteIn(1000 - int64(t.Nanosecond()/1000%1000))
		}
	}
	return types.Int(partOf(t, name))
}

var partUnits = map[string]string{
	overloads.TimeGetFullYear: "year", overloads.TimeGetMonth: "month",
	overloads.TimeGetDate: "day", overloads.TimeGetDayOfMonth: "day", overloads.TimeGetDayOfWeek: "day", overloads.TimeGetDayOfYear: "day",
	overloads.TimeGetHours: "hour", overloads.TimeGetMinutes: "minute", overloads.TimeGetSeconds: "second",
}

// partOf counts as CEL does: months, days of the year and getDayOfMonth from 0, getDate from 1, Sunday is 0.
func partOf(t time.Time, name string) int {
	switch name {
	case overloads.TimeGetFullYear:
		return t.Year()
	case overloads.TimeGetMonth:
		return int(t.Month()) - 1
	case overloads.TimeGetDate:
		return t.Day()
	case overloads.TimeGetDayOfMonth:
		return t.Day() - 1
	case overloads.TimeGetDayOfWeek:
		return int(t.Weekday())
	case overloads.TimeGetDayOfYear:
		return t.YearDay() - 1
	case overloads.TimeGetHours:
		return t.Hour()
	case overloads.TimeGetMinutes:
		return t.Minute()
	case overloads.TimeGetSeconds:
		return t.Second()
	}
	return t.Nanosecond() / 1e6
}

var durationUnits = map[string]int64{ // microseconds
	overloads.TimeGetHours: 3600e6, overloads.TimeGetMinutes: 60e6, overloads.TimeGetSeconds: 1e6, overloads.TimeGetMilliseconds: 1e3,
}

// durationPart is the whole duration in a unit, rounded towards zero.
func (st *state) durationPart(d types.Duration, s int64, name string) ref.Val {
	unit, ok := durationUnits[name]
	if !ok {
		return types.NewErr("%s is not for a duration", name)
	}
	if name == overloads.TimeGetMilliseconds {
		return st.plainMillis(d, s)
	}
	g := split(d)
	value := func(g gap) int64 {
		if g.micros < 0 && g.nanos > 0 {
			g.micros++ // towards zero
		}
		return g.micros / unit
	}
	n := value(g)
	if s != 0 {
		for _, edge := range [3]int64{(n - 1) * unit, n * unit, (n + 1) * unit} {
			for dt := (edge-g.micros)/s - 1; dt <= (edge-g.micros)/s+1; dt++ {
				if dt >= 1 && value(gap{g.micros + s*dt, g.nanos}) != n {
					st.noteIn(dt)
					break
				}
			}
		}
	}
	return types.Int(n)
}

func (st *state) plainMillis(d types.Duration, s int64) ref.Val {
	if s != 0 {
		st.noteSoon()
	}
	return d.Receive(overloads.TimeGetMilliseconds, overloads.DurationToMilliseconds, nil)
}

// String prints a moving value in explanations.
func (m *moving) String() string { return fmt.Sprint(m.at.Value()) }
