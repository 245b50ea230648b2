package cdp_test

import (
	"context"
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
