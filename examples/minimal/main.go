// Command minimal is the program in the README.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/embedcdp/cdp"
)

func main() {
	ctx := context.Background()
	c, err := cdp.Open("shop.cdp")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	must(c.Profiles().Define(ctx, cdp.Schema{"city": cdp.String}, cdp.Strict))
	must(c.Events().Define(ctx, cdp.EventType{Name: "purchase", Attributes: cdp.Schema{"category": cdp.String, "amount": cdp.Number}}))
	must(c.Segments().Save(ctx, cdp.Segment{Name: "regulars", Where: `customer.city == "Hue" && events.purchase.within("30d").size() >= 2`}))

	_, err = c.Identify(ctx, cdp.Identity{UserID: "u1", AnonymousID: "browser-7", Attributes: cdp.Attrs{"city": "Hue"}})
	must(err)
	_, err = c.Track(ctx,
		cdp.Event{ID: "order-1", Name: "purchase", AnonymousID: "browser-7", Attributes: cdp.Attrs{"category": "shoes", "amount": 42.5}},
		cdp.Event{ID: "order-2", Name: "purchase", UserID: "u1", Attributes: cdp.Attrs{"category": "hats", "amount": 12}})
	must(err)

	why, err := c.Segments().Explain(ctx, "regulars", "u1")
	must(err)
	fmt.Print(why) // why u1 is a member, from which events, and when that ends by itself
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
