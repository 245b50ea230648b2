package cdp

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/embedcdp/cdp/internal/fold"
)

// Flip is one entering or leaving of a segment.
type Flip struct {
	UserID      string // of the person as they are known now; "" for a visitor
	AnonymousID string // the person's first one
	Time        time.Time
	Entered     bool // false: left

	// Cause is what made it happen, one of
	//
	//	track       an event, at most an hour after it happened
	//	late        an event, more than an hour after it happened
	//	identify    something newly known of the person: attributes or identifiers
	//	import      history: an event by Import, or a row of a dataflow
	//	replay      an event that was rejected and is accepted now
	//	merge       a visitor turned out to be a customer
	//	time        an instant came: a window ended, a version of an object began to hold
	//	definition  the segment, one that it asks for, an object or the portal's calendar was changed
	//	retention   events were dropped
	Cause string

	// Position is where the flip stands among those of all segments, from 1. It grows with every flip and never changes, so it
	// is what to keep of the last flip that was dealt with.
	Position uint64
}

// FlipOptions narrow a stream of flips. The zero value is all of them.
type FlipOptions struct {
	After        uint64    // go on behind the flip of this Position
	Since, Until time.Time // Since <= Time < Until; the zero times are no limits
	Limit        int       // at most so many; 0 is no limit
}

// Flips yields who entered and left a segment, the newest last, up to the call. The error, if any, comes last.
//
// It is a feed: keep the Position of the last flip that you dealt with, and go on with FlipOptions.After. No flip is left
// out or comes twice, also after a restart. Saving a segment with another condition makes people leave or enter with the
// cause "definition"; so does removing it, and who saves one of that name again finds those flips too.
//
// The order is that in which they were noticed. Time is the instant itself, which for the cause "time" can be earlier than
// that of the flip before, as when nothing ran at the time. So go on by After, not by Since.
//
// Where flips of the segment that belong to the answer were dropped, by the Retention of segment_entered and segment_left, the
// error is a *DroppedError, and nothing else comes: go on After a later position, or ask Since its Before.
//
// Flips are read in pages, so a long loop never holds up intake.
func (s Segments) Flips(ctx context.Context, name string, opt *FlipOptions) iter.Seq2[Flip, error] {
	return func(yield func(Flip, error) bool) {
		var o FlipOptions
		if opt != nil {
			o = *opt
		}
		log, err := s.flipLog(ctx, "segments.flips", name)
		if err == nil {
			err = s.flipsMissing(name, log.Missing(uint32(min(o.After, 1<<32-1)), bound(o.Since)))
		}
		for n, more := 0, true; err == nil && more; {
			var page []Flip
			if page, more, err = s.flipPage(ctx, log, &o); err != nil {
				break
			}
			for _, f := range page {
				if n++; !yield(f, nil) || n == o.Limit {
					return
				}
			}
		}
		if err != nil {
			yield(Flip{}, err)
		}
	}
}

// flipsMissing is the error of a question that looks for flips which are gone; nil when it does not.
func (s Segments) flipsMissing(name string, m *fold.Missing) error {
	return Past{at: s.c.Now().UTC()}.missing(fmt.Sprintf("the flips of segment %q", name), m)
}

// flipPage reads the next flips, and moves o.After behind them.
func (s Segments) flipPage(ctx context.Context, log fold.FlipLog, o *FlipOptions) (page []Flip, more bool, err error) {
	const size = 256
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	found := make([]fold.Flip, 0, size)
	if err := s.c.engine.Compute(func() {
		for f := range log.From(uint32(min(o.After, 1<<32-1))) {
			if at := utc(f.At); !o.Since.IsZero() && at.Before(o.Since) || !o.Until.IsZero() && !at.Before(o.Until) {
				continue
			}
			if found = append(found, f); len(found) == size {
				return
			}
		}
	}); err != nil || len(found) == 0 {
		return nil, false, err
	}
	o.After = uint64(found[len(found)-1].Index) + 1
	err = s.c.engine.View(func(st *fold.State) {
		for _, f := range found {
			page = append(page, Flip{st.UserIDOf(f.Row), st.AnonymousIDOf(f.Row), utc(f.At), f.In, f.Cause, uint64(f.Index) + 1})
		}
	})
	return page, len(found) == size, err
}

// flipLog freezes the flips of a segment that there is.
func (s Segments) flipLog(ctx context.Context, verb, name string) (log fold.FlipLog, err error) {
	known := false
	err = s.c.read(ctx, verb, func(st *fold.State) {
		if _, known = st.BodyOf(fold.DefSegment, name); known {
			log = st.FlipLog(name)
		}
	})
	if err == nil && !known {
		err = notFound("segment", name)
	}
	return log, err
}
