package cdp

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/insight"
	"github.com/embedcdp/cdp/internal/report"
)

// SizeOptions say over which time, and in which steps.
type SizeOptions struct {
	// From <= t < To. Default: from the first flip, or behind the last one that retention has taken, up to now, which a later To
	// becomes too
	From, To time.Time
	By       Interval // calendar units in the portal's time zone. Default: Daily
}

// SizesReport is how a segment grew and shrank.
type SizesReport struct {
	Report
	Buckets []SizeBucket // oldest first, without gaps
}

// SizeBucket is one unit of the calendar: the instants Start <= t < End, in the portal's time zone. The first one and the last
// are cut off where the time asked about begins and ends.
type SizeBucket struct {
	Start, End    time.Time
	Members       int // at the end of the bucket
	Entered, Left int // how often in it; who comes back enters again
}

// Sizes says how many members a segment had over time, and how many entered and left.
//
// It is what was found then: the sum of [Segments.Flips] as they happened. So it steps where the condition was changed, starts
// when the segment was first saved, and does not learn of events that came later. [Client.KnownAt] just before the end of a bucket
// counts the same as long as the condition has not changed; [Client.TrueAt] counts what today's condition finds by all
// that is known now.
//
// Flips that were dropped ([Events.Define]) leave how many members there were behind them. A From before that is a *DroppedError.
func (s Segments) Sizes(ctx context.Context, name string, opt *SizeOptions) (out SizesReport, err error) {
	o := SizeOptions{}
	if opt != nil {
		o = *opt
	}
	var log fold.FlipLog
	var q insight.Sizes
	known := false
	if err := s.c.read(ctx, "segments.sizes", func(st *fold.State) {
		if _, known = st.BodyOf(fold.DefSegment, name); known {
			log = st.FlipLog(name)
		}
		q = insight.Sizes{Calendar: calendar(st, o.By), Range: insight.Range{To: max(st.Now, s.c.Now().UnixMicro()) + 1}}
	}); err != nil {
		return out, err
	}
	if !known {
		return out, notFound("segment", name)
	}
	if !o.To.IsZero() {
		q.Range.To = min(q.Range.To, bound(o.To))
	}
	before, left, dropped := 0, int64(0), false
	if err := s.c.engine.Compute(func() { before, left, dropped = log.Before() }); err != nil {
		return out, err
	}
	if dropped && o.From.IsZero() {
		o.From = utc(left)
	}
	if err := s.flipsMissing(name, log.Missing(0, bound(o.From))); err != nil {
		return out, err
	}
	if q.Range.From = bound(o.From); !o.From.IsZero() && q.Range.From >= q.Range.To {
		return out, &InvalidError{What: "SizeOptions", Reason: fmt.Sprintf("hold no time: from %s to %s", o.From.Format(time.RFC3339), utc(q.Range.To).Format(time.RFC3339))}
	}
	var res *insight.SizesResult
	var problem error
	if err := s.c.engine.Compute(func() { res, problem = sizes(log, before, q, o.From.IsZero()) }); err != nil {
		return out, err
	}
	if problem != nil {
		return out, &InvalidError{What: "SizeOptions", Reason: problem.Error()}
	}
	out.Report = reportOf("Members of "+name, res, report.Sizes)
	for _, b := range res.Buckets {
		out.Buckets = append(out.Buckets, SizeBucket{utc(b.Start).In(q.Calendar.Zone), utc(b.End).In(q.Calendar.Zone), int(b.Members), int(b.Entered), int(b.Left)})
	}
	return out, nil
}

// sizes adds up the flips; where no start was asked for, it is the earliest of them.
func sizes(log fold.FlipLog, before int, q insight.Sizes, fromFirst bool) (*insight.SizesResult, error) {
	if fromFirst {
		q.Range.From = q.Range.To
		for f := range log.From(0) {
			q.Range.From = min(q.Range.From, f.At)
		}
		if q.Range.From == q.Range.To { // nothing happened before the end
			return &insight.SizesResult{Zone: q.Calendar.Zone}, nil
		}
	}
	return q.Run(func(yield func(int64, bool) bool) {
		for range before {
			if !yield(math.MinInt64, true) {
				return
			}
		}
		for f := range log.From(0) {
			if !yield(f.At, f.In) {
				return
			}
		}
	})
}
