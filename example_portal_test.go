package cdp_test

import (
	"context"
	"fmt"
	"time"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/memstore"
)

func ExamplePortal_Save() {
	ctx := context.Background()
	c := shop()
	defer c.Close()

	check(c.Portal().Save(ctx, cdp.Settings{Name: "Shop", TimeZone: "Asia/Ho_Chi_Minh", WeekStart: "sunday",
		Caps: []cdp.Cap{{Max: 3, Per: "24h"}, {Channel: "sms", Max: 1, Per: "7d"}}}))
	s, err := c.Portal().Settings(ctx)
	check(err)
	fmt.Println(s.Name, s.TimeZone)

	// "today" is the portal's: it began at 17:00 UTC yesterday.
	check(c.Segments().Save(ctx, cdp.Segment{Name: "today", Where: `events.purchase.during("today").size() > 0`}))
	_, err = c.Track(ctx,
		cdp.Event{Name: "purchase", UserID: "ann", Time: time.Date(2026, 3, 9, 16, 59, 0, 0, time.UTC)},
		cdp.Event{Name: "purchase", UserID: "bob", Time: time.Date(2026, 3, 9, 17, 1, 0, 0, time.UTC)})
	check(err)
	for p, err := range c.Segments().Members(ctx, "today") {
		check(err)
		fmt.Println(p.UserID)
	}
	// Output:
	// Shop Asia/Ho_Chi_Minh
	// bob
}

// Portals in one store share nothing but the store.
func ExamplePortals() {
	ctx := context.Background()
	st := memstore.New() // or boltstore.Open
	defer st.Close()
	for _, name := range []string{"north", "south"} {
		c, err := cdp.New(st, cdp.Config{Portal: name, Now: fixed})
		check(err)
		check(c.Events().Define(ctx, cdp.EventType{Name: "login"}))
		_, err = c.Track(ctx, cdp.Event{Name: "login", UserID: "somebody from the " + name})
		check(err)
		check(c.Close())
	}

	names, err := cdp.Portals(ctx, st)
	check(err)
	for _, name := range names {
		c, err := cdp.New(st, cdp.Config{Portal: name, Now: fixed})
		check(err)
		for p, err := range c.Profiles().All(ctx, cdp.Customers) {
			check(err)
			fmt.Println(name+":", p.UserID)
		}
		check(c.Close())
	}
	// Output:
	// north: somebody from the north
	// south: somebody from the south
}
