package insight

import (
	"fmt"
	"math"
	"sort"
	"time"
)

// Interval is the width of a report's buckets. Days, weeks and months are those of the calendar in the report's zone.
type Interval string

const (
	Hour  Interval = "hour"
	Day   Interval = "day"
	Week  Interval = "week"
	Month Interval = "month"
)

// MaxBuckets bounds the buckets of one report.
const MaxBuckets = 100_000

// Range is the instants From <= t < To. The zero Range is all of time.
type Range struct{ From, To int64 }

func (r Range) all() bool { return r == Range{} }

func (r Range) has(t int64) bool { return r.all() || t >= r.From && t < r.To }

// Calendar says how time is cut. Nil Zone means UTC. The zero WeekStart is Sunday.
type Calendar struct {
	By        Interval
	Zone      *time.Location
	WeekStart time.Weekday
}

func (c Calendar) zone() *time.Location {
	if c.Zone == nil {
		return time.UTC
	}
	return c.Zone
}

// buckets cut time into [bounds[i], bounds[i+1]); they cover the range they were made for.
type buckets struct {
	bounds []int64
	scale  float64 // buckets a microsecond, for a first guess
}

// buckets returns the calendar's buckets that meet r. The first may begin before r.From and the last end after r.To.
func (c Calendar) buckets(r Range) (*buckets, error) {
	if r.To <= r.From {
		return nil, fmt.Errorf("the range is empty: from %d to %d; To must be after From", r.From, r.To)
	}
	t := time.UnixMicro(r.From).In(c.zone())
	switch c.By {
	case Hour:
		t = t.Add(-(time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())))
	case Day:
		t = startOfDay(t.Year(), t.Month(), t.Day(), c.zone())
	case Week:
		back := (int(t.Weekday()) - int(c.WeekStart) + 7) % 7
		t = startOfDay(t.Year(), t.Month(), t.Day()-back, c.zone())
	case Month:
		t = startOfDay(t.Year(), t.Month(), 1, c.zone())
	default:
		return nil, fmt.Errorf("unknown interval %q; use hour, day, week or month", c.By)
	}
	b := &buckets{bounds: []int64{t.UnixMicro()}}
	year, month, day := t.Date()
	for n := 1; t.UnixMicro() < r.To; n++ {
		if len(b.bounds) > MaxBuckets {
			return nil, fmt.Errorf("more than %d buckets of one %s; choose a shorter range or a wider interval", MaxBuckets, c.By)
		}
		switch c.By {
		case Hour:
			t = nextHour(t)
		case Day:
			t = startOfDay(year, month, day+n, c.zone())
		case Week:
			t = startOfDay(year, month, day+7*n, c.zone())
		case Month:
			t = startOfDay(year, month+time.Month(n), 1, c.zone())
		}
		// A calendar day that a zone left out (Samoa, 30 December 2011) has no bucket.
		if us := t.UnixMicro(); us > b.bounds[len(b.bounds)-1] {
			b.bounds = append(b.bounds, us)
		}
	}
	b.scale = float64(b.len()) / float64(b.bounds[b.len()]-b.bounds[0])
	return b, nil
}

func (b *buckets) len() int { return len(b.bounds) - 1 }

// find returns the bucket of t, which must lie within the bounds. Buckets are nearly even, so a guess is off by little.
func (b *buckets) find(t int64) int {
	i := min(int(float64(t-b.bounds[0])*b.scale), len(b.bounds)-2)
	for t < b.bounds[i] {
		i--
	}
	for t >= b.bounds[i+1] {
		i++
	}
	return i
}

// stretch returns the bucket of event from of a chunk, and where the events next to it end that lie in the same bucket and
// the range. Events come nearly in the order of time, so that is far. Before the range the bucket is -1, behind it len.
func (b *buckets) stretch(c *Chunk, from int, r Range) (bucket, to int) {
	t := c.Time[from]
	first, last := int64(math.MinInt64), int64(math.MaxInt64)
	switch {
	case t < r.From:
		bucket, last = -1, r.From-1
	case t >= r.To:
		bucket, first = b.len(), r.To
	default:
		bucket = b.find(t)
		first, last = max(r.From, b.bounds[bucket]), min(r.To, b.bounds[bucket+1])-1
	}
	rest := c.Time[from:]
	if c.InOrder {
		return bucket, from + sort.Search(len(rest), func(i int) bool { return rest[i] > last })
	}
	for i, t := range rest {
		if t < first || t > last {
			return bucket, from + i
		}
	}
	return bucket, len(c.Time)
}

// startOfDay is the first instant of the local day, also where clocks skip or repeat midnight. time.Date promises
// neither of the two readings there. Day may overflow its month.
func startOfDay(year int, month time.Month, day int, zone *time.Location) time.Time {
	t := time.Date(year, month, day, 0, 0, 0, 0, zone)
	want := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	wall := func(t time.Time) time.Time {
		_, offset := t.Zone()
		return t.UTC().Add(time.Duration(offset) * time.Second)
	}
	zoneStart, zoneEnd := t.ZoneBounds()
	switch local := wall(t); {
	case local.Before(want): // midnight was skipped and the reading fell before the gap
		return zoneEnd
	case local.After(want):
		return zoneStart
	}
	if zoneStart.IsZero() {
		return t
	}
	_, now := t.Zone()
	_, earlier := zoneStart.Add(-1).Zone()
	if first := t.Add(time.Duration(now-earlier) * time.Second); first.Before(zoneStart) {
		return first.In(zone) // midnight happens twice
	}
	return t
}

// nextHour is the next instant at which the local clock shows a full hour. Where clocks move by part of an hour, an
// hour may be cut in two.
func nextHour(t time.Time) time.Time {
	next := t.Add(time.Hour)
	past := time.Duration(next.Minute())*time.Minute + time.Duration(next.Second())*time.Second
	if past == 0 {
		return next
	}
	if full := next.Add(-past); full.After(t) && full.Minute() == 0 && full.Second() == 0 {
		return full
	}
	return next
}
