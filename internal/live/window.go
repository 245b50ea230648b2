package live

import (
	"math"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// bound is a limit of time on a list of events: at an instant it lets through the events with from <= time < to. Neither
// end ever moves back, so an event enters at most once and leaves at most once.
type bound struct {
	kind plan.BoundKind
	span int64   // within; also what is taken from a moment
	unit string  // of a moment: "", or a calendar unit
	name string  // during
	at   reading // since and until, when it does not move
	cal  celenv.Calendar

	// The limits looked up last of a range or a calendar unit, which hold for now in [seen, until).
	from, to, seen, until int64
}

// limits returns what the bound lets through now. ok is false when the instant it asks for is absent; next says until when
// that instant is what it is.
func (b *bound) limits(who *Person) (from, to, next int64, ok bool) {
	from, to, next = math.MinInt64, math.MaxInt64, Never
	switch b.kind {
	case plan.Within:
		return who.Now - b.span + 1, to, next, true
	case plan.During:
		if who.Now < b.seen || who.Now >= b.until {
			b.from, b.to, b.until = b.cal.Range(b.name, who.Now)
			b.seen = who.Now
		}
		return b.from, b.to, next, true
	}
	var instant int64
	switch {
	case b.at != nil:
		var v scalar
		if v, next = b.at.get(who); v.kind == value.Absent {
			return from, to, next, false
		}
		instant = v.time
	case b.unit == "":
		instant = who.Now - b.span
	default:
		if who.Now < b.seen || who.Now >= b.until {
			b.from, b.until = b.cal.Start(who.Now, b.unit, 0), b.cal.Start(who.Now, b.unit, 1)
			b.seen = who.Now
		}
		instant = b.from - b.span
	}
	if b.kind == plan.Since {
		return instant, to, next, true
	}
	return from, instant, next, true
}

// leaves is when an event that is let through no longer is.
func (b *bound) leaves(t int64) int64 {
	switch b.kind {
	case plan.Within:
		return t + b.span
	case plan.During:
		_, leaves := b.cal.Stay(b.name, t)
		return leaves
	case plan.Since:
		return b.passed(t)
	}
	return Never
}

// enters is from when on an event is let through, if the bound moves.
func (b *bound) enters(t int64) int64 {
	switch {
	case b.kind == plan.During:
		enters, _ := b.cal.Stay(b.name, t)
		return enters
	case b.kind == plan.Until && b.at == nil:
		return b.passed(t)
	}
	return math.MinInt64
}

// passed is when the instant of since or until first lies after t.
func (b *bound) passed(t int64) int64 {
	switch {
	case b.at != nil:
		return Never
	case b.unit == "":
		return t + b.span + 1
	}
	return b.cal.Start(t+b.span, b.unit, 1)
}
