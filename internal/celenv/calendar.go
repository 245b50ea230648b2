package celenv

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/embedcdp/cdp/internal/schema"
)

// Units are the calendar units of startOf; a week starts on the portal's first day.
var Units = []string{"day", "week", "month", "quarter", "year"}

// AllTime is the range that holds every event.
const AllTime = "all_time"

// Ranges are the names that during() takes. The last_N_days ranges end where today starts.
var Ranges = []string{
	"today", "yesterday", "this_week", "last_week", "last_7_days", "last_14_days", "last_30_days",
	"this_month", "last_month", "this_quarter", "last_quarter", "this_year", AllTime,
}

// a range is the calendar units from..to (excluded) counted from the current one.
var rangeUnits = map[string]struct {
	unit     string
	from, to int
}{
	"today":        {"day", 0, 1},
	"yesterday":    {"day", -1, 0},
	"this_week":    {"week", 0, 1},
	"last_week":    {"week", -1, 0},
	"last_7_days":  {"day", -7, 0},
	"last_14_days": {"day", -14, 0},
	"last_30_days": {"day", -30, 0},
	"this_month":   {"month", 0, 1},
	"last_month":   {"month", -1, 0},
	"this_quarter": {"quarter", 0, 1},
	"last_quarter": {"quarter", -1, 0},
	"this_year":    {"year", 0, 1},
}

// Calendar cuts time into the portal's days, weeks, months, quarters and years. Instants are microseconds since 1970.
type Calendar struct {
	Location *time.Location
	Week     time.Weekday
}

// CalendarOf returns the portal's calendar; without a time zone it is UTC's.
func CalendarOf(cat *schema.Catalogue) Calendar { return Calendar{location(cat), cat.Week} }

func location(cat *schema.Catalogue) *time.Location {
	if cat.Location == nil {
		return time.UTC
	}
	return cat.Location
}

// Range returns the bounds [from, to) of a range at an instant, and the instant when they change.
func (c Calendar) Range(name string, now int64) (from, to, next int64) {
	r, ok := rangeUnits[name]
	if !ok {
		return math.MinInt64, math.MaxInt64, math.MaxInt64
	}
	day := c.date(now)
	return c.start(day, r.unit, r.from), c.start(day, r.unit, r.to), c.start(day, r.unit, 1)
}

// Stay returns between which instants of now an event of time t lies in a range: from enters on, and no more from leaves on.
func (c Calendar) Stay(name string, t int64) (enters, leaves int64) {
	r, ok := rangeUnits[name]
	if !ok {
		return math.MinInt64, math.MaxInt64
	}
	day := c.date(t)
	return c.start(day, r.unit, 1-r.to), c.start(day, r.unit, 1-r.from)
}

// RangeReach is how long before now the start of a range lies at most, math.MaxInt64 where it has none.
func RangeReach(name string) int64 {
	r, ok := rangeUnits[name]
	if !ok {
		return math.MaxInt64
	}
	return UnitReach(r.unit, -r.from)
}

// UnitReach is how long before now the start of the unit lies at most that lies n units before the one which holds now; "" is
// no unit. Two hours are for changes of the clock.
func UnitReach(unit string, n int) int64 {
	days := map[string]int64{"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}[unit]
	if days == 0 {
		return 0
	}
	return (days*int64(n+1)*24 + 2) * 3_600_000_000
}

// Start returns the start of the unit that lies n units after the one which holds t.
func (c Calendar) Start(t int64, unit string, n int) int64 { return c.start(c.date(t), unit, n) }

// Starts returns the starts of the n units before the one that holds t, oldest first, and of that one.
func (c Calendar) Starts(t int64, unit string, n int) []int64 {
	day := c.date(t)
	starts := make([]int64, n+1)
	for i := range starts {
		starts[i] = c.start(day, unit, i-n)
	}
	return starts
}

func (c Calendar) start(day time.Time, unit string, n int) int64 {
	y, m, d := day.Date()
	switch unit {
	case "day":
		d += n
	case "week":
		d += 7*n - (int(day.Weekday())-int(c.Week)+7)%7
	case "month":
		m, d = m+time.Month(n), 1
	case "quarter":
		m, d = (m-1)/3*3+1+time.Month(3*n), 1
	case "year":
		y, m, d = y+n, 1, 1
	}
	return DayStart(y, m, d, c.Location)
}

// date returns the portal's date at t, as midnight UTC of that date. Where clocks go back over midnight a date would
// come, go and come again: it is held to have come the first time.
func (c Calendar) date(t int64) time.Time {
	y, m, d := time.UnixMicro(t).In(c.Location).Date()
	for DayStart(y, m, d+1, c.Location) <= t {
		d++
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// Anniversary returns the start of the day, in the year that holds now, on which the date of `of` returns. 29 February
// falls on the 28th in common years. A birthday is usually stored as midnight UTC and means a date, so exactly
// midnight UTC is read as that date wherever the portal is; any other instant as its date in the portal's time zone.
func (c Calendar) Anniversary(of time.Time, now int64) int64 {
	of = of.UTC()
	if of.Truncate(24*time.Hour) != of {
		of = of.In(c.Location)
	}
	year := c.date(now).Year()
	month, day := of.Month(), of.Day()
	if month == time.February && day == 29 && time.Date(year, 2, 29, 0, 0, 0, 0, time.UTC).Month() != time.February {
		day = 28
	}
	return DayStart(year, month, day, c.Location)
}

// DayStart returns the first instant of a date. That is midnight, the first of two where clocks go back over it, and the
// end of the gap where clocks skip it.
func DayStart(year int, month time.Month, day int, loc *time.Location) int64 {
	civil := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	if loc == time.UTC {
		return civil.UnixMicro()
	}
	_, before := civil.Add(-24 * time.Hour).In(loc).Zone()
	_, after := civil.Add(24 * time.Hour).In(loc).Zone()
	first := civil.Add(-time.Duration(max(before, after)) * time.Second)
	second := civil.Add(-time.Duration(min(before, after)) * time.Second)
	for _, t := range [2]time.Time{first, second} {
		_, offset := t.In(loc).Zone()
		if t.Add(time.Duration(offset) * time.Second).Equal(civil) {
			return t.UnixMicro()
		}
	}
	_, end := first.In(loc).ZoneBounds()
	return end.UnixMicro()
}

// NextPart returns an instant after t at which an accessor of t may change: "year" to "minute" in a time zone, never
// later than the true one.
func NextPart(t int64, part string, loc *time.Location) int64 {
	at := time.UnixMicro(t).In(loc)
	_, offset := at.Zone()
	fixed := time.FixedZone("", offset)
	local := at.In(fixed)
	y, m, d := local.Date()
	var next time.Time
	switch part {
	case "year":
		next = time.Date(y+1, 1, 1, 0, 0, 0, 0, fixed)
	case "month":
		next = time.Date(y, m+1, 1, 0, 0, 0, 0, fixed)
	case "day":
		next = time.Date(y, m, d+1, 0, 0, 0, 0, fixed)
	case "hour":
		next = time.Date(y, m, d, local.Hour()+1, 0, 0, 0, fixed)
	case "minute":
		next = time.Date(y, m, d, local.Hour(), local.Minute()+1, 0, 0, fixed)
	default:
		next = local.Truncate(time.Second).Add(time.Second)
	}
	if _, end := at.ZoneBounds(); !end.IsZero() && end.Before(next) { // clocks change first
		next = end
	}
	return next.UnixMicro()
}

var spanUnits = map[byte]int64{'s': 1e6, 'm': 60e6, 'h': 3600e6, 'd': 86400e6, 'w': 7 * 86400e6}

var errTooLong = fmt.Errorf("longer than %d days", maxWindow)

// ParseSpan reads a duration as `30d`: a whole number and one of s, m, h, d (exactly 24 hours), w. The result is in
// microseconds.
func ParseSpan(s string) (int64, error) {
	bad := fmt.Errorf(`%q is no duration: write a whole number and s, m, h, d or w, as in "30d"`, s)
	if len(s) < 2 || s[0] < '0' || s[0] > '9' {
		return 0, bad
	}
	unit, ok := spanUnits[s[len(s)-1]]
	n, err := strconv.ParseInt(s[:len(s)-1], 10, 64)
	long := fmt.Errorf("%.40q is %w", s, errTooLong)
	if ok && errors.Is(err, strconv.ErrRange) {
		return 0, long
	}
	if !ok || err != nil {
		return 0, bad
	}
	if n == 0 {
		return 0, fmt.Errorf("%q is no time at all: a duration is at least 1s", s)
	}
	if n > maxWindow*spanUnits['d']/unit {
		return 0, long
	}
	return n * unit, nil
}

var zones sync.Map // name → *time.Location: loading one reads a file, and there are about 600

var zoneOffset = regexp.MustCompile(`^[+-]?([01]?\d|2[0-3]):[0-5]\d$`)

func validZone(s string) bool { _, err := Zone(s); return err == nil }

// Zone reads a time zone argument of an accessor as CEL does: a name, or an offset such as +07:00.
func Zone(s string) (*time.Location, error) {
	if loc, ok := zones.Load(s); ok {
		return loc.(*time.Location), nil
	}
	if !zoneOffset.MatchString(s) {
		if s == "Local" { // the machine's zone has no place in an answer
			return nil, fmt.Errorf("unknown time zone Local")
		}
		loc, err := time.LoadLocation(s)
		if err == nil {
			zones.Store(s, loc)
		}
		return loc, err
	}
	t, err := time.Parse("15:04", pad(s))
	if err != nil {
		return nil, err
	}
	offset := t.Hour()*3600 + t.Minute()*60
	if s[0] == '-' {
		offset = -offset
	}
	return time.FixedZone(s, offset), nil
}

func pad(s string) string {
	if s[0] == '+' || s[0] == '-' {
		s = s[1:]
	}
	if len(s) == 4 {
		s = "0" + s
	}
	return s
}
