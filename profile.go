package cdp

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// Profile is one person as of a call.
type Profile struct {
	UserID      string              // "" for a visitor
	Identifiers map[string][]string // by kind: "user_id", "anonymous_id", "email", …; in order of arrival
	Attributes  Attrs
	Segments    map[string]time.Time // the segments the person is in, since when
	Journeys    []JourneyState       // the journeys the person is inside now
}

// TimelineEvent is one thing that happened to a person: their own events, and what the platform did (System).
type TimelineEvent struct {
	ID         string
	Name       string
	Time       time.Time
	Source     string
	System     bool
	Attributes Attrs

	cursor [2]int64
}

// Profiles are the verbs of customers and visitors. Get them from [Client.Profiles].
type Profiles struct{ c *Client }

// Profiles returns the verbs of customers and visitors.
func (c *Client) Profiles() Profiles { return Profiles{c} }

// Get returns a customer by user id.
func (p Profiles) Get(ctx context.Context, userID string) (Profile, error) {
	return p.Find(ctx, fold.UserID, userID)
}

// Find returns the person an identifier of a kind belongs to: "user_id", "anonymous_id", "email", "phone", "device_id" or
// your own. An anonymous id of somebody who was identified since gives the customer.
func (p Profiles) Find(ctx context.Context, kind, id string) (out Profile, err error) {
	found := false
	err = p.c.read(ctx, "profiles.find", func(s *fold.State) {
		if row, ok := s.Find(kind, id); ok {
			out, found = readProfile(s, row), true
		}
	})
	if err == nil && !found {
		err = notFound("profile "+kind, id)
	}
	return out, err
}

// Count returns the number of customers, and of visitors that belong to none of them.
func (p Profiles) Count(ctx context.Context) (customers, visitors int, err error) {
	err = p.c.read(ctx, "profiles.count", func(s *fold.State) { customers, visitors = s.Customers(), s.Visitors() })
	return customers, visitors, err
}

// All yields every customer, or every visitor that belongs to none, in order of arrival.
func (p Profiles) All(ctx context.Context, of Of) iter.Seq2[Profile, error] {
	return func(yield func(Profile, error) bool) {
		rows := roaring.New()
		if err := p.c.read(ctx, "profiles.all", func(s *fold.State) {
			for row := range s.Profiles(of == Visitors) {
				rows.Add(row)
			}
		}); err != nil {
			yield(Profile{}, err)
			return
		}
		p.c.profiles(ctx, rows, yield)
	}
}

// profiles reads profiles page by page, so that intake goes on between the pages.
func (c *Client) profiles(ctx context.Context, rows *roaring.Bitmap, yield func(Profile, error) bool) {
	profiles(ctx, c.engine.View, rows, yield)
}

func profiles(ctx context.Context, view func(func(*fold.State)) error, rows *roaring.Bitmap, yield func(Profile, error) bool) {
	const page = 256
	buf := make([]uint32, page)
	for it := rows.ManyIterator(); ; {
		n := it.NextMany(buf)
		if n == 0 {
			return
		}
		people := make([]Profile, 0, n)
		if err := view(func(s *fold.State) {
			for _, row := range buf[:n] {
				people = append(people, readProfile(s, s.Canonical(row)))
			}
		}); err != nil {
			yield(Profile{}, err)
			return
		}
		for _, p := range people {
			if err := ctx.Err(); err != nil {
				yield(Profile{}, err)
				return
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

func readProfile(s *fold.State, row uint32) Profile {
	p := Profile{UserID: s.UserIDOf(row), Identifiers: s.Identifiers(row), Attributes: goAttrs(s.Attributes(row)), Segments: map[string]time.Time{}}
	for name, since := range s.Since(row) {
		p.Segments[name] = utcOrZero(since)
	}
	for _, e := range s.Enrolments("", row, true) {
		p.Journeys = append(p.Journeys, journeyState(s, e))
	}
	return p
}

func goAttrs(values map[string]value.Value) Attrs {
	out := make(Attrs, len(values))
	for name, v := range values {
		out[name] = v.Go()
	}
	return out
}

// TimelineOptions narrow a timeline.
type TimelineOptions struct {
	Kind   string         // of the identifier; default "user_id"
	Only   []string       // event types, segment_entered and segment_left; default all
	Limit  int            // default 100; negative is an error
	Before *TimelineEvent // the last one of the page before
}

// Timeline returns what happened to a person, newest first: their events, and what the platform did: segments entered
// and left, steps of journeys, messages. A type in Only that is not defined is an error.
func (p Profiles) Timeline(ctx context.Context, id string, opt *TimelineOptions) ([]TimelineEvent, error) {
	o := opt.withDefaults()
	var out []TimelineEvent
	var wrong error
	found := false
	err := p.c.read(ctx, "profiles.timeline", func(s *fold.State) {
		if wrong = o.check(s); wrong != nil {
			return
		}
		var row uint32
		if row, found = s.Find(o.Kind, id); found {
			out = readTimeline(s, row, o)
		}
	})
	err = cmp.Or(err, wrong)
	if err == nil && !found {
		err = notFound("profile "+o.Kind, id)
	}
	return out, err
}

// check refuses what would give nothing and not say why.
func (o *TimelineOptions) check(s *fold.State) error {
	if o.Limit < 0 {
		return &InvalidError{What: "TimelineOptions.Limit", Reason: fmt.Sprintf("is %d: ask for a number of events, or 0 for 100", o.Limit)}
	}
	for _, name := range o.Only {
		if known := s.TimelineNames(); !slices.Contains(known, name) {
			return &InvalidError{What: "TimelineOptions.Only", Reason: fmt.Sprintf("names %q, which is no event type%s", name, schema.DidYouMean(name, known))}
		}
	}
	return nil
}

func (opt *TimelineOptions) withDefaults() TimelineOptions {
	o := TimelineOptions{}
	if opt != nil {
		o = *opt
	}
	if o.Kind == "" {
		o.Kind = fold.UserID
	}
	if o.Limit == 0 {
		o.Limit = 100
	}
	return o
}

func readTimeline(s *fold.State, row uint32, o TimelineOptions) (out []TimelineEvent) {
	var at, seq int64
	if o.Before != nil {
		at, seq = o.Before.cursor[0], o.Before.cursor[1]
	}
	for _, e := range s.Timeline(row, o.Only, o.Limit, at, seq) {
		out = append(out, TimelineEvent{e.ID, e.Name, utc(e.At), e.Source, e.System, goAttrs(e.Attrs), [2]int64{e.At, e.Seq}})
	}
	return out
}

// Link is one entry of the merge ledger: which profiles became one person, when and why; or why they did not.
type Link struct {
	Time    time.Time
	Reason  string
	Refused bool
}

// Ledger returns why the profiles of a person were linked, and what was refused.
func (p Profiles) Ledger(ctx context.Context, userID string) ([]Link, error) {
	var out []Link
	found := false
	err := p.c.read(ctx, "profiles.ledger", func(s *fold.State) {
		row, ok := s.Find(fold.UserID, userID)
		if found = ok; !ok {
			return
		}
		for _, l := range s.Links(row) {
			out = append(out, Link{utc(l.At), l.Reason, l.Refused})
		}
	})
	if err == nil && !found {
		err = notFound("customer", userID)
	}
	return out, err
}
