package cdp_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/memstore"
)

func ExampleEvents_Define() {
	ctx := context.Background()
	c, err := cdp.New(memstore.New(), cdp.Config{Now: fixed})
	check(err)
	defer c.Close()

	check(c.Events().Define(ctx, cdp.EventType{Name: "purchase", Attributes: cdp.Schema{
		"amount":   cdp.Number.Required(),
		"currency": cdp.String.Or("USD"),
		"items":    cdp.ListOf(cdp.Schema{"sku": cdp.String, "price": cdp.Number}),
	}}))
	check(c.Events().Define(ctx, cdp.EventType{Name: "page_view", Policy: cdp.Learn})) // learns its attributes

	_, err = c.Track(ctx,
		cdp.Event{Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"amount": 12, "items": []cdp.Attrs{{"sku": "A1", "price": 12}}}},
		cdp.Event{Name: "page_view", UserID: "ann", Attributes: cdp.Attrs{"path": "/shoes"}})
	check(err)

	types, err := c.Events().List(ctx)
	check(err)
	for _, t := range types {
		n, err := c.Events().Count(ctx, t.Name)
		check(err)
		fmt.Println(t.Name, n)
	}
	learned, err := c.Events().Get(ctx, "page_view")
	check(err)
	fmt.Println("path is a", learned.Attributes["path"].Type)
	// Output:
	// page_view 1
	// purchase 1
	// path is a string
}

func ExampleEvents_System() {
	c := shop()
	defer c.Close()
	types, err := c.Events().System(context.Background())
	check(err)
	for _, t := range types {
		if t.Name == "message_sent" {
			fmt.Println(t.Name, "has a channel, a", t.Attributes["channel"].Type)
		}
	}
	// Output: message_sent has a channel, a string
}

func ExampleClient_Track() {
	ctx := context.Background()
	c := shop()
	defer c.Close()

	order := cdp.Event{ID: "order-1", Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"category": "shoes", "amount": 42.5}}
	res, err := c.Track(ctx, order)
	check(err)
	fmt.Println(res.Verdicts[0].Status)

	res, err = c.Track(ctx, order) // a retry changes nothing
	check(err)
	fmt.Println(res.Verdicts[0].Status)
	// Output:
	// accepted
	// duplicate
}

func ExampleRejectedError() {
	ctx := context.Background()
	c := shop()
	defer c.Close()

	res, err := c.Track(ctx,
		cdp.Event{ID: "1", Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"amount": 10}},
		cdp.Event{ID: "2", Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"amount": "ten"}},
		cdp.Event{ID: "3", Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"catgory": "shoes"}})
	fmt.Println("accepted:", res.Accepted)

	var rejected *cdp.RejectedError
	if errors.As(err, &rejected) {
		for _, v := range rejected.Verdicts {
			fmt.Println(v.ID, v.Reason)
		}
	}
	// Output:
	// accepted: 1
	// 2 attribute "amount" of event "purchase" is a string (ten), declared is number
	// 3 unknown attribute "catgory" of event "purchase" (did you mean "category"?)
}

func ExampleEvents_Replay() {
	ctx := context.Background()
	c := shop()
	defer c.Close()

	_, err := c.Track(ctx, cdp.Event{Name: "refund", UserID: "ann", Attributes: cdp.Attrs{"amount": 10}})
	fmt.Println(err != nil)
	kept, err := c.Events().Rejected(ctx)
	check(err)
	fmt.Println(kept[0].Reason)

	check(c.Events().Define(ctx, cdp.EventType{Name: "refund", Attributes: cdp.Schema{"amount": cdp.Number}}))
	accepted, left, err := c.Events().Replay(ctx, "refund")
	check(err)
	fmt.Println(accepted, "accepted,", left, "left")
	// Output:
	// true
	// unknown event "refund"; define it, or let the portal learn event types
	// 1 accepted, 0 left
}

func ExampleClient_Import() {
	ctx := context.Background()
	c := shop()
	defer c.Close()

	// History keeps its own time and starts no journey.
	res, err := c.Import(ctx,
		cdp.Event{ID: "2019-1", Name: "purchase", UserID: "ann", Time: time.Date(2019, 5, 1, 9, 0, 0, 0, time.UTC)},
		cdp.Event{ID: "2020-7", Name: "purchase", UserID: "bob", Time: time.Date(2020, 8, 1, 9, 0, 0, 0, time.UTC)})
	check(err)
	fmt.Println(res.Accepted)
	// Output: 2
}

// Purchase is an event as the product's own code has it.
type Purchase struct {
	Category string  `cdp:"category"`
	Amount   float64 `cdp:"amount,required"`
	Coupon   string  `cdp:"coupon,omitempty"`
	Items    []Item
}

type Item struct {
	SKU   string
	Price float64
}

func ExampleEventOf() {
	ctx := context.Background()
	c, err := cdp.New(memstore.New(), cdp.Config{Now: fixed})
	check(err)
	defer c.Close()

	purchases, err := cdp.EventOf[Purchase](ctx, c, "purchase") // defines the event type
	check(err)
	_, err = purchases.Track(ctx, cdp.Event{ID: "order-1", UserID: "ann"},
		Purchase{Category: "shoes", Amount: 42.5, Items: []Item{{SKU: "A1", Price: 42.5}}})
	check(err)

	line, err := c.Profiles().Timeline(ctx, "ann", nil)
	check(err)
	fmt.Println(line[0].Name, line[0].Attributes)
	// Output: purchase map[amount:42.5 category:shoes items:[map[price:42.5 sku:A1]]]
}

func ExampleClient_Tick() {
	ctx := context.Background()
	now := noon
	c, err := cdp.New(memstore.New(), cdp.Config{Now: func() time.Time { return now }})
	check(err)
	defer c.Close()
	check(c.Events().Define(ctx, cdp.EventType{Name: "login"}))
	check(c.Segments().Save(ctx, cdp.Segment{Name: "active", Where: `events.login.within("7d").size() > 0`}))
	_, err = c.Track(ctx, cdp.Event{Name: "login", UserID: "ann"})
	check(err)

	due, _ := c.NextDue()
	fmt.Println("next:", due.Format(time.DateTime))
	now = due
	check(c.Tick(ctx)) // fires what is due and sends what may be sent; Run does so all the time
	n, err := c.Segments().Count(ctx, "active")
	check(err)
	fmt.Println(n, "active at", c.Now().Format(time.DateTime))
	// Output:
	// next: 2026-03-17 12:00:00
	// 0 active at 2026-03-17 12:00:00
}
