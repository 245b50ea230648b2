package cdp_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/memstore"
)

// Page views are kept for 30 days at least, and go in blocks of 8,192.
func ExampleSegments_Limits() {
	ctx := context.Background()
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	c, err := cdp.New(memstore.New(), cdp.Config{Now: func() time.Time { return now }})
	check(err)
	defer c.Close()

	check(c.Events().Define(ctx, cdp.EventType{Name: "view", Retention: "30d"}))
	check(c.Segments().Save(ctx, cdp.Segment{Name: "weekly", Where: `events.view.within("7d").size() > 0`}))
	check(c.Segments().Save(ctx, cdp.Segment{Name: "ever", Where: `events.view.size() > 0`}))
	for _, name := range []string{"weekly", "ever"} {
		limits, err := c.Segments().Limits(ctx, name)
		check(err)
		fmt.Println(name, limits)
	}

	history := make([]cdp.Event, 10_000)
	for i := range history {
		history[i] = cdp.Event{Name: "view", UserID: fmt.Sprint("u", i)}
	}
	_, err = c.Import(ctx, history...)
	check(err)
	then := now
	now = now.AddDate(0, 0, 31)
	n, err := c.Segments().Count(ctx, "ever")
	check(err)
	fmt.Println(n, "of 10000 are left")

	_, err = c.KnownAt(then.AddDate(0, 0, 1)).Count(ctx, "ever")
	fmt.Println(err)
	n, err = c.KnownAt(then.AddDate(0, 0, 8)).Count(ctx, "weekly") // its window lies within what is kept
	fmt.Println(n, err)
	// Output:
	// weekly []
	// ever [limited: it looks at events "view" of all time; events of that type are kept for 30d]
	// 1808 of 10000 are left
	// cdp: segment "ever" at 2026-05-02T00:00:00Z asks for all events of type "view", and some before 2026-05-01T00:00:00Z are gone: events of that type are kept for 30d; ask about a shorter window or a later instant, or raise Retention before events become so old
	// 0 <nil>
}

// What the platform writes itself can go after a while too: here what became of messages is kept for 90 days at least.
func ExampleEvents_Define_system() {
	ctx := context.Background()
	c, err := cdp.New(memstore.New(), cdp.Config{})
	check(err)
	defer c.Close()

	check(c.Portal().Save(ctx, cdp.Settings{Caps: []cdp.Cap{{Max: 3, Per: "7d"}}}))
	for _, name := range []string{"message_queued", "message_sent", "message_suppressed", "journey_step"} {
		check(c.Events().Define(ctx, cdp.EventType{Name: name, Retention: "90d"}))
	}
	queued, err := c.Events().Get(ctx, "message_queued")
	check(err)
	fmt.Println(queued.Name, queued.Retention)
	fmt.Println(c.Portal().Save(ctx, cdp.Settings{Caps: []cdp.Cap{{Max: 20, Per: "365d"}}}))
	fmt.Println(c.Events().Define(ctx, cdp.EventType{Name: "unsubscribed", Retention: "90d"}))
	// Output:
	// message_queued 90d
	// portal: cap 1 counts the messages of "365d", and events "message_queued" are kept for "90d": keep them for as long as a cap counts
	// event "unsubscribed": retention: events of this type are the record of consent and are kept for ever
}

// Flips are kept for 30 days at least. Who is a member, and since when, stays known; the feed says what it has no more.
func ExampleEvents_Define_flips() {
	ctx := context.Background()
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	c, err := cdp.New(memstore.New(), cdp.Config{Now: func() time.Time { return now }})
	check(err)
	defer c.Close()

	for _, name := range []string{"segment_entered", "segment_left"} {
		check(c.Events().Define(ctx, cdp.EventType{Name: name, Retention: "30d"}))
	}
	check(c.Events().Define(ctx, cdp.EventType{Name: "view"}))
	check(c.Segments().Save(ctx, cdp.Segment{Name: "ever", Where: `events.view.size() > 0`}))
	views := make([]cdp.Event, 10_000)
	for i := range views {
		views[i] = cdp.Event{Name: "view", UserID: fmt.Sprint("u", i)}
	}
	_, err = c.Import(ctx, views...)
	check(err)
	now = now.AddDate(0, 0, 31)

	p, err := c.Profiles().Get(ctx, "u7")
	check(err)
	fmt.Println("u7 since", p.Segments["ever"].Format(time.DateOnly))
	for _, err := range c.Segments().Flips(ctx, "ever", nil) {
		var dropped *cdp.DroppedError
		fmt.Println(errors.As(err, &dropped), dropped.Event, dropped.Retention)
		break
	}
	left := 0
	for _, err := range c.Segments().Flips(ctx, "ever", &cdp.FlipOptions{After: 8192}) {
		check(err)
		left++
	}
	fmt.Println(left, "are left")
	// Output:
	// u7 since 2026-05-01
	// true segment_entered 30d
	// 1808 are left
}
