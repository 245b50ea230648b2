package cdp_test

import (
	"context"
	"fmt"

	"github.com/embedcdp/cdp"
)

func ExampleClient_Identify() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	people := func() {
		customers, visitors, err := c.Profiles().Count(ctx)
		check(err)
		fmt.Println(customers, "customers,", visitors, "visitors")
	}

	_, err := c.Track(ctx, cdp.Event{Name: "purchase", AnonymousID: "browser-7"})
	check(err)
	people()

	// The visitor logs in: what they did before is the customer's.
	_, err = c.Identify(ctx, cdp.Identity{UserID: "ann", AnonymousID: "browser-7"})
	check(err)
	people()
	line, err := c.Profiles().Timeline(ctx, "ann", nil)
	check(err)
	fmt.Println("ann:", line[0].Name)
	// Output:
	// 0 customers, 1 visitors
	// 1 customers, 0 visitors
	// ann: purchase
}

func ExampleProfiles_Define() {
	ctx := context.Background()
	c := shop()
	defer c.Close()

	check(c.Profiles().Define(ctx, cdp.Schema{"city": cdp.String, "age": cdp.Number, "tags": cdp.StringList}, cdp.Strict))
	_, err := c.Identify(ctx, cdp.Identity{UserID: "ann", Identifiers: map[string]string{"email": "ann@example.com"},
		Attributes: cdp.Attrs{"city": "Hue", "age": 31, "tags": []string{"vip"}}})
	check(err)
	_, err = c.Identify(ctx, cdp.Identity{UserID: "ann", Attributes: cdp.Attrs{"city": "Da Nang", "age": nil}}) // nil removes
	check(err)

	ann, err := c.Profiles().Get(ctx, "ann")
	check(err)
	fmt.Println(ann.Attributes)
	same, err := c.Profiles().Find(ctx, "email", "ann@example.com")
	check(err)
	fmt.Println(same.UserID, same.Identifiers["email"])
	schema, err := c.Profiles().Schema(ctx)
	check(err)
	fmt.Println("age is a", schema["age"].Type)
	// Output:
	// map[city:Da Nang tags:[vip]]
	// ann [ann@example.com]
	// age is a number
}

func ExampleProfiles_All() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	_, err := c.Track(ctx,
		cdp.Event{Name: "purchase", UserID: "ann"},
		cdp.Event{Name: "purchase", UserID: "bob"},
		cdp.Event{Name: "purchase", AnonymousID: "browser-7"})
	check(err)

	for p, err := range c.Profiles().All(ctx, cdp.Customers) {
		check(err)
		fmt.Println(p.UserID)
	}
	// Output:
	// ann
	// bob
}

func ExampleProfiles_Timeline() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	check(c.Segments().Save(ctx, cdp.Segment{Name: "buyers", Where: `events.purchase.size() > 0`}))
	_, err := c.Track(ctx,
		cdp.Event{Name: "purchase", UserID: "ann", Time: daysAgo(3)},
		cdp.Event{Name: "purchase", UserID: "ann", Time: daysAgo(2)},
		cdp.Event{Name: "purchase", UserID: "ann", Time: daysAgo(1)})
	check(err)

	page, err := c.Profiles().Timeline(ctx, "ann", &cdp.TimelineOptions{Limit: 2})
	check(err)
	for _, e := range page {
		fmt.Println(e.Time.Format("01-02"), e.Name)
	}
	next, err := c.Profiles().Timeline(ctx, "ann", &cdp.TimelineOptions{Only: []string{"purchase"}, Before: &page[1]})
	check(err)
	fmt.Println("and", len(next), "purchases before")
	// Output:
	// 03-10 segment_entered
	// 03-09 purchase
	// and 2 purchases before
}

func ExampleProfiles_Ledger() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	_, err := c.Identify(ctx, cdp.Identity{AnonymousID: "browser-7"}, cdp.Identity{AnonymousID: "phone-2"})
	check(err)
	_, err = c.Identify(ctx, cdp.Identity{UserID: "ann", AnonymousID: "browser-7"}, cdp.Identity{UserID: "ann", AnonymousID: "phone-2"})
	check(err)

	links, err := c.Profiles().Ledger(ctx, "ann")
	check(err)
	for _, l := range links {
		fmt.Println(l.Reason)
	}
	// Output:
	// came together: user_id "ann" and anonymous_id "browser-7"
	// came together: user_id "ann" and anonymous_id "phone-2"
}
