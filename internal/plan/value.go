package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/schema"
)

// Value is what a condition compares: of a person, of one event, or the same for everybody at an instant.
type Value interface{ line() string }

type (
	// Attr is an attribute of the profile.
	Attr struct {
		Name string
		Type schema.Type
	}
	// Field is something of one event: "time", "id", "source" or an attribute. With Through it is an attribute of the
	// business object which that attribute of the event refers to, as the object was at the event's time.
	Field struct {
		Name    string
		Type    schema.Type
		Through string
		Object  string // with Through: the object's type
	}
	// Moment is an instant that moves with now: so much before now, or before the start of the calendar unit that holds now.
	Moment struct {
		Ago  int64  // microseconds
		Unit string // "" or day, week, month, quarter, year in the portal's calendar
	}
	// Aggregate is one number, text or time out of a person's events.
	Aggregate struct {
		Events   Events
		Function Function
		Of       Value // of each event: a Field, or an Arith of such and of Attrs; none with Size
	}
)

// Function is how events become one value. Over no events Size, Sum and CountDistinct are 0 and the others are absent; an
// event without the field is left out by all but Size, First and Last, which are absent when that one event lacks it.
type Function string

const (
	Size          Function = "size"
	Sum           Function = "sum" // exactly rounded
	Avg           Function = "avg" // Sum by the number of values
	Min           Function = "min"
	Max           Function = "max"
	CountDistinct Function = "countDistinct"
	MostFrequent  Function = "mostFrequent" // of equally frequent ones that whose latest event is most recent
	First         Function = "first"        // in the order (time, arrival)
	Last          Function = "last"
)

// Events are those of a person, up to now, of one type, for which all conditions hold and which lie within all bounds.
type Events struct {
	Type   string
	Filter []Node // about one event: Field in place of Attr; one that is an error counts as false
	Bounds []Bound
}

// Bound is a limit of time on events.
type Bound struct {
	Kind  BoundKind
	Span  int64  // Within: microseconds
	Range string // During: a name that celenv.Calendar.Range takes
	At    Value  // Since, Until: where it is absent the whole condition is an error
}

// BoundKind says which events a bound lets through.
type BoundKind string

const (
	Within BoundKind = "within" // now-Span < time <= now
	During BoundKind = "during" // from <= time < to
	Since  BoundKind = "since"  // At <= time
	Until  BoundKind = "until"  // time < At
)

func (v Attr) line() string { return "attr " + v.Name }

func (v Field) line() string {
	if v.Through != "" {
		return "e." + v.Through + "." + v.Name
	}
	return "e." + v.Name
}

func (v Moment) line() string {
	from := "now"
	if v.Unit != "" {
		from = "start of " + v.Unit
	}
	switch {
	case v.Ago > 0:
		return from + " - " + span(v.Ago)
	case v.Ago < 0:
		return from + " + " + span(-v.Ago)
	}
	return from
}

func (v Aggregate) line() string {
	if v.Function == Size {
		return v.Events.line() + ": size"
	}
	return fmt.Sprintf("%s: %s %s", v.Events.line(), v.Function, v.Of.line())
}

// Constant is a value that is the same everywhere; it stands only where a literal time meets a bound.
type Constant struct{ Micros int64 }

// Formula is a value that is known only as CEL.
type Formula struct{ Text celenv.Part }

func (v Formula) line() string { return "cel " + v.Text.String() }

func (v Constant) line() string { return time.UnixMicro(v.Micros).UTC().Format(time.RFC3339Nano) }

func (e Events) line() string {
	var b strings.Builder
	b.WriteString("events " + e.Type)
	for i, f := range e.Filter {
		b.WriteString(map[bool]string{true: " where ", false: " and "}[i == 0] + inline(f))
	}
	for _, w := range e.Bounds {
		b.WriteString(" " + w.line())
	}
	return b.String()
}

func (w Bound) line() string {
	switch w.Kind {
	case Within:
		return "within " + span(w.Span)
	case During:
		return "during " + w.Range
	}
	return string(w.Kind) + " " + w.At.line()
}

// span prints microseconds as a user writes durations.
func span(micros int64) string {
	for _, u := range []struct {
		name string
		of   int64
	}{{"w", 7 * 86400e6}, {"d", 86400e6}, {"h", 3600e6}, {"m", 60e6}, {"s", 1e6}} {
		if micros%u.of == 0 {
			return fmt.Sprintf("%d%s", micros/u.of, u.name)
		}
	}
	return fmt.Sprintf("%dus", micros)
}

// costOfValue is the step of the ladder a value stands on.
func costOfValue(v Value) int {
	switch v := v.(type) {
	case Attr:
		return costKernel
	case Aggregate:
		return costEvents
	case Length:
		return costOfValue(v.Of)
	case Arith:
		return max(costOfValue(v.Left), costOfValue(v.Right))
	}
	return costConst
}
