package cdp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"sync"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/fold"
)

// Past answers questions as of a past instant. Get one from [Client.TrueAt] or [Client.KnownAt]; its verbs are those of
// the present, and return what those would have returned then. Nothing is written, and no condition may see beyond the instant:
// `now` is the instant, and windows and calendar ranges count from it, in the portal's time zone as it is set now.
//
// Definitions are not part of the past: a segment is asked by its condition as it is now, and event types, attributes and the
// portal's calendar are those of now, also where they are newer than the instant. So the answers tell what a condition of today
// would have found, and may differ from [Segments.Flips], which tells what was found.
//
// Where the two differ, for an instant t:
//
//	                        TrueAt(t)                                   KnownAt(t)
//	an event                counts when its time is not after t,        counts when it had arrived by t; dated after t it is
//	                        also when it arrived later                  on the timeline and in reports, but conditions wait
//	a profile attribute     the latest value by the times they were     the value that was current at t; one that came after
//	                        set for, of those not after t               t is not known, also when it was set for before
//	a removed attribute     absent from the time it was removed for     absent once the removal had arrived, unless a later
//	                                                                    value was current
//	an object (`e.product`) its versions from times not after t         its versions that had arrived
//	who is who              as known now: a visitor's history is the    as known then: a visitor who became a customer
//	                        customer's also before they were linked,    after t is a visitor still, and who had not
//	                        and who came after t is there, with nothing come is not there
//	inSegment("vip")        asks that segment's condition at t, by the same rules
//
// As in the present, a value that is said again does not become newer, and where two profiles were linked the later change of
// each attribute won, also when it removed it. A reference binds to the version of the event's time among those above, else to the first later one. KnownAt answers as a client whose clock stopped at t
// would, had it today's definitions. Files that were written before arrivals of objects were kept say of those objects only between
// which events they came.
//
// What the platform did (segments entered and left, journeys, messages) is on the timeline when it happened by t, in both.
//
// The instant is any with something to know about, up to the client's clock: for KnownAt from the first arrival, for TrueAt from
// the earliest time that anything has; otherwise every verb returns a [*PastError]. Fractions of a microsecond are cut off.
//
// A Past is small and safe for concurrent use; copies of it share what they derived. The first question about everybody derives
// identities and attributes from all changes up to the instant, in steps that hold intake up for some milliseconds at most; the
// next ones use that again as long as nothing has changed it, and it is freed with the Past. Such questions wait for each other. A
// report reads all its events in one step, as in the present. Questions about one person derive that person's part alone.
//
// A question that looks for events which were there at the instant and were dropped since ([EventType].Retention) is an error, a
// [*DroppedError]: a segment with a window that lies within what is kept is answered, one that counts all events is not. Profiles are
// answered, without the segments of that kind: see [Past.Find].
type Past struct {
	c         *Client
	at        time.Time
	instant   fold.Instant
	everybody *everybody
}

// everybody is the derived past state of all people.
type everybody struct {
	mu   sync.Mutex // guards past and all it holds; taken before the engine's lock
	past *fold.Past // nil before the first question
}

// TrueAt asks what was true at t, by all that is known now: the right question for "what should have been", such as the
// members of a segment at the end of a quarter with the orders that were sent in late.
func (c *Client) TrueAt(t time.Time) Past { return c.pastAt(t, false) }

// KnownAt asks what was known at t: the right question for "what did we see", such as why somebody got a message then.
func (c *Client) KnownAt(t time.Time) Past { return c.pastAt(t, true) }

func (c *Client) pastAt(t time.Time, known bool) Past {
	return Past{c: c, at: t.UTC().Truncate(time.Microsecond), instant: fold.Instant{At: t.UnixMicro(), Known: known}, everybody: &everybody{}}
}

// At returns the instant, in UTC.
func (p Past) At() time.Time { return p.at }

// Count returns the number of members of a segment.
func (p Past) Count(ctx context.Context, segment string) (int, error) {
	set, err := p.set(ctx, "past.count", segment)
	return set.Len(), err
}

// Contains says whether a customer was a member of a segment. The error wraps [ErrNotFound] when there is no such segment, or
// the customer was not known.
func (p Past) Contains(ctx context.Context, segment, userID string) (in bool, err error) {
	var failed error
	err = p.c.read(ctx, "past.contains", func(s *fold.State) {
		if s.Definition(fold.DefSegment, segment) == nil {
			failed = notFound("segment", segment)
			return
		}
		if failed = p.missing(fmt.Sprintf("segment %q", segment), s.MissingFor(segment, p.instant.At)); failed != nil {
			return
		}
		failed = p.of(s, fold.UserID, userID, func(past *fold.State, row uint32) { in = past.WasMember(segment, row) })
	})
	return in, cmp.Or(err, failed)
}

// Members yields the members of a segment with their profiles as of then, in the order in which they were first seen.
// They are found and read in small steps, so a long loop never holds up intake. Because profiles name their segments, the
// members of all segments are found first, but for those that [Past.Find] leaves out. The error, if any, comes last.
func (p Past) Members(ctx context.Context, segment string) iter.Seq2[Profile, error] {
	return func(yield func(Profile, error) bool) {
		var past *fold.Past
		var rows *roaring.Bitmap
		if err := p.derive(ctx, "past.members", func(live *fold.State, s *fold.Past) error {
			if !s.Ask(segment) {
				return notFound("segment", segment)
			}
			if err := p.missing(fmt.Sprintf("segment %q", segment), live.MissingFor(segment, p.instant.At)); err != nil {
				return err
			}
			if err := p.missingStays(live); err != nil {
				return err
			}
			s.AskAll()
			return nil
		}, func(s *fold.Past) error {
			past, rows = s, s.Members(segment).Clone()
			return nil
		}); err != nil {
			yield(Profile{}, err)
			return
		}
		profiles(ctx, func(read func(*fold.State)) error {
			p.everybody.mu.Lock()
			defer p.everybody.mu.Unlock()
			var failed error
			err := p.c.engine.View(func(*fold.State) {
				if _, failed = past.Step(); failed == nil {
					read(past.State())
				}
			})
			return cmp.Or(err, failed)
		}, rows, yield)
	}
}

// Set returns the members of a segment, for set operations. People who were linked since are people of their own in it, and so
// are only found in sets of the present under the customer they became; [Set.Members] yields profiles as they are now.
func (p Past) Set(ctx context.Context, segment string) (Set, error) {
	return p.set(ctx, "past.set", segment)
}

func (p Past) set(ctx context.Context, verb, segment string) (set Set, err error) {
	err = p.ask(ctx, verb, segment, func(_ *fold.Past, members *roaring.Bitmap) error {
		set = Set{c: p.c, rows: members.Clone()}
		return nil
	})
	return set, err
}

// Preview finds who would have been in a segment that is not saved. The error is a *DefinitionError when it does not compile.
func (p Past) Preview(ctx context.Context, seg Segment) (Set, error) {
	def, err := unsaved(seg)
	if err != nil {
		return Set{}, err
	}
	var members func() *roaring.Bitmap
	set := Set{c: p.c}
	err = p.derive(ctx, "past.preview", func(live *fold.State, past *fold.Past) (problem error) {
		if err := p.missing("the condition", live.MissingForCondition(def, p.instant.At)); err != nil {
			return err
		}
		if members, problem = past.AskPreview(def); problem != nil {
			return &DefinitionError{"segment", seg.Name, problem}
		}
		return nil
	}, func(*fold.Past) error {
		set.rows = members()
		return nil
	})
	return set, err
}

// Profile returns a customer by user id.
func (p Past) Profile(ctx context.Context, userID string) (Profile, error) {
	return p.Find(ctx, fold.UserID, userID)
}

// Find returns the person an identifier of a kind belonged to, with the identifiers and attributes of then. Segments are those
// the person was in, by today's conditions; since when is what was noted then, and the zero time where nothing was: for
// TrueAt, and where the condition was another. Journeys are those the person was inside; at which node is not kept.
//
// Left out of Segments are those that look for events which were dropped since, or ask for such a segment: whether the person was
// in one of them is not known any more. [Past.Contains] of such a segment is a [*DroppedError] that says what is missing.
func (p Past) Find(ctx context.Context, kind, id string) (out Profile, err error) {
	err = p.person(ctx, "past.find", kind, id, p.missingStays,
		func(s *fold.State, row uint32) { out = readProfile(s, row) })
	return out, err
}

// Timeline returns what had happened to a person, newest first, like [Profiles.Timeline].
func (p Past) Timeline(ctx context.Context, id string, opt *TimelineOptions) (out []TimelineEvent, err error) {
	o := opt.withDefaults()
	err = p.person(ctx, "past.timeline", o.Kind, id, func(live *fold.State) error {
		if err := o.check(live); err != nil {
			return err
		}
		types := o.Only
		if len(types) == 0 {
			types = live.TimelineTypes()
		}
		return p.missing("the timeline", live.MissingForEvents(types, math.MinInt64, p.instant.At))
	}, func(s *fold.State, row uint32) { out = readTimeline(s, row, o) })
	return out, err
}

// Trend computes a trend of the events of then, as [Insights.Trend] does; Segment has its members of then. Buckets after the
// instant are empty.
func (p Past) Trend(ctx context.Context, q Trend) (TrendReport, error) {
	return Insights{p.c, &p}.Trend(ctx, q)
}

// Funnel computes a funnel, as [Insights.Funnel] does. The sets of its steps are like those of [Past.Set].
func (p Past) Funnel(ctx context.Context, q Funnel) (FunnelReport, error) {
	return Insights{p.c, &p}.Funnel(ctx, q)
}

// Retention computes a retention matrix, as [Insights.Retention] does.
func (p Past) Retention(ctx context.Context, q Retention) (RetentionReport, error) {
	return Insights{p.c, &p}.Retention(ctx, q)
}

// check refuses an instant that nothing can be known about.
func (p Past) check(s *fold.State) error {
	last := utc(max(s.Now, p.c.Now().UnixMicro()))
	first := last
	if earliest, any := s.Earliest(p.instant.Known); any {
		first = utc(earliest)
	}
	if p.at.After(last) || p.at.Before(first) {
		return &PastError{At: p.at, First: first, Last: last}
	}
	return nil
}

// missing is the error of a question that looks for events that were dropped since; nil when it does not.
func (p Past) missing(what string, m *fold.Missing) error {
	if m == nil {
		return nil
	}
	e := &DroppedError{Question: what, At: p.at, Event: m.Event, Before: utc(m.Until), Retention: m.Retention}
	if m.From != math.MinInt64 {
		e.From = utc(m.From)
	}
	return e
}

// missingStays is missing for what a profile says besides: the journeys somebody was inside, and since when they were in segments.
func (p Past) missingStays(s *fold.State) error {
	if p.instant.Known { // else since when is not told
		if err := p.missing("who was in which segment since when", s.MissingForEvents([]string{fold.SegmentEntered}, math.MinInt64, p.instant.At)); err != nil {
			return err
		}
	}
	return p.missing("who was inside which journey", s.MissingForStays(p.instant.At))
}

// person reads one person's past state, which is derived and read under one lock. allowed says what the question misses.
func (p Past) person(ctx context.Context, verb, kind, id string, allowed func(*fold.State) error, read func(*fold.State, uint32)) error {
	var failed error
	err := p.c.read(ctx, verb, func(s *fold.State) {
		if failed = allowed(s); failed == nil {
			failed = p.of(s, kind, id, read)
		}
	})
	return cmp.Or(err, failed)
}

func (p Past) of(s *fold.State, kind, id string, read func(*fold.State, uint32)) error {
	if err := p.check(s); err != nil {
		return err
	}
	past, row, ok, err := s.PastOf(p.instant, kind, id)
	if err != nil {
		return err
	}
	if !ok {
		return notFound("profile "+kind, id)
	}
	read(past, row)
	return nil
}

// ask finds the members of a segment, none for "", and hands them to use with the past state.
func (p Past) ask(ctx context.Context, verb, segment string, use func(*fold.Past, *roaring.Bitmap) error) error {
	return p.derive(ctx, verb, func(live *fold.State, past *fold.Past) error {
		if !past.Ask(segment) {
			return notFound("segment", segment)
		}
		return p.missing(fmt.Sprintf("segment %q", segment), live.MissingFor(segment, p.instant.At))
	}, func(past *fold.Past) error { return use(past, past.Members(segment)) })
}

// report runs a report on the past state, for the members of a segment or for everybody. It reads the events of some types from
// an instant on, math.MinInt64 is all of them.
func (p Past) report(ctx context.Context, verb, segment string, types func(*fold.State) []string, from int64, fn func(*fold.State, *roaring.Bitmap) error) error {
	var members *roaring.Bitmap
	return p.derive(ctx, verb, func(live *fold.State, past *fold.Past) error {
		if segment != "" && !past.Ask(segment) {
			return notFound("segment", segment)
		}
		return cmp.Or(p.missing("the report", live.MissingForEvents(types(live), from, p.instant.At)),
			p.missing(fmt.Sprintf("segment %q", segment), live.MissingFor(segment, p.instant.At)))
	}, func(past *fold.Past) error {
		if segment != "" {
			members = past.Members(segment)
		}
		return fn(past.State(), members)
	})
}

// derive makes the past state of everybody ready for a question: prepare says what is asked, then all that takes is done in
// steps, and use reads the answer. Each of these holds the engine's lock by itself. Where events are dropped between two of
// them, all begins anew.
func (p Past) derive(ctx context.Context, verb string, prepare func(live *fold.State, past *fold.Past) error, use func(*fold.Past) error) error {
	if err := p.c.begin(ctx, verb); err != nil {
		return err
	}
	p.everybody.mu.Lock()
	defer p.everybody.mu.Unlock()
	for {
		if err := p.deriveOnce(ctx, verb, prepare, use); !errors.Is(err, fold.ErrDroppedMeanwhile) {
			return err
		}
	}
}

func (p Past) deriveOnce(ctx context.Context, verb string, prepare func(live *fold.State, past *fold.Past) error, use func(*fold.Past) error) error {
	var failed error
	if err := p.c.read(ctx, verb, func(s *fold.State) {
		if failed = p.check(s); failed != nil {
			return
		}
		p.everybody.past = s.Past(p.instant, p.everybody.past)
		if failed = prepare(s, p.everybody.past); failed != nil {
			p.everybody.past = nil // it may have begun to look for what it must not
		}
	}); err != nil || failed != nil {
		return cmp.Or(err, failed)
	}
	past := p.everybody.past
	for done := false; !done; {
		if err := p.c.begin(ctx, verb); err != nil {
			p.everybody.past = nil
			return err
		}
		if err := p.c.engine.View(func(*fold.State) { done, failed = past.Step() }); err != nil || failed != nil {
			p.everybody.past = nil
			return cmp.Or(err, failed)
		}
	}
	err := p.c.engine.View(func(*fold.State) {
		if _, failed = past.Step(); failed == nil {
			failed = use(past)
		}
	})
	return cmp.Or(err, failed)
}
