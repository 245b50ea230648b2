package cdp

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/embedcdp/cdp/internal/fold"
)

// Limit says that a segment looks further back than the events of a type are kept: it sees those that are left.
type Limit struct {
	Event     string        // the type
	Retention string        // of the type; "" when it has none any more and events are gone all the same
	Reach     time.Duration // how far before now the condition looks at most; 0 is all time
}

func (l Limit) String() string {
	reach, kept := "all time", "some were dropped"
	if l.Reach > 0 {
		reach = "the last " + span(l.Reach)
	}
	if l.Retention != "" {
		kept = "kept for " + l.Retention
	}
	return fmt.Sprintf("limited: it looks at events %q of %s; events of that type are %s", l.Event, reach, kept)
}

// span writes a duration as conditions do: "14d", "36h", "90s", and with several units only what needs them: "62d2h".
func span(d time.Duration) string {
	var b strings.Builder
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		n := d / unit.size
		if n == 0 || n == 1 && d%unit.size != 0 {
			continue // nobody writes 1d12h for 36h
		}
		fmt.Fprintf(&b, "%d%s", n, unit.name)
		d -= n * unit.size
	}
	if d > 0 {
		b.WriteString(d.String())
	}
	return b.String()
}

// Limits returns where a segment, or one that it asks for, looks further back than events are kept ([EventType].Retention), by
// the definitions of now; none when it sees all that its condition asks for.
func (s Segments) Limits(ctx context.Context, name string) (out []Limit, err error) {
	known := false
	err = s.c.read(ctx, "segments.limits", func(st *fold.State) { out, known = s.limits(st, name) })
	if err == nil && !known {
		err = notFound("segment", name)
	}
	return out, err
}

func (s Segments) limits(st *fold.State, name string) (out []Limit, known bool) {
	found, known := st.LimitsOf(name, max(st.Now, s.c.Now().UnixMicro()))
	for _, l := range found {
		reach := time.Duration(0)
		if l.Reach < math.MaxInt64/1000 {
			reach = time.Duration(l.Reach) * time.Microsecond
		}
		out = append(out, Limit{l.Event, l.Retention, reach})
	}
	return out, known
}
