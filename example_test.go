package cdp_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/memstore"
)

// The examples run in memory, with a clock that stands still, so that they always print the same. A product calls
// cdp.Open with a path and leaves Config.Now empty.

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func fixed() time.Time { return noon }

// daysAgo is a time some days before noon.
func daysAgo(n int) time.Time { return noon.AddDate(0, 0, -n) }

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// shop opens a portal in memory with purchases that have a category and an amount.
func shop() *cdp.Client {
	c, err := cdp.New(memstore.New(), cdp.Config{Now: fixed})
	check(err)
	check(c.Events().Define(context.Background(), cdp.EventType{Name: "purchase",
		Attributes: cdp.Schema{"category": cdp.String, "amount": cdp.Number}}))
	return c
}

func Example() {
	ctx := context.Background()
	c, err := cdp.New(memstore.New(), cdp.Config{Now: fixed}) // or cdp.Open("shop.cdp")
	check(err)
	defer c.Close()

	check(c.Events().Define(ctx, cdp.EventType{Name: "purchase",
		Attributes: cdp.Schema{"category": cdp.String, "amount": cdp.Number}}))
	check(c.Segments().Save(ctx, cdp.Segment{Name: "regulars",
		Where: `events.purchase.within("30d").size() >= 3`}))

	for _, days := range []int{20, 10, 1} {
		_, err := c.Track(ctx, cdp.Event{Name: "purchase", UserID: "ann", Time: daysAgo(days),
			Attributes: cdp.Attrs{"category": "shoes", "amount": 42.5}})
		check(err)
	}

	for p, err := range c.Segments().Members(ctx, "regulars") {
		check(err)
		fmt.Println(p.UserID)
	}
	why, err := c.Segments().Explain(ctx, "regulars", "ann")
	check(err)
	fmt.Println("leaves by itself at", why.NextFlip.Format(time.DateTime))
	// Output:
	// ann
	// leaves by itself at 2026-03-20 12:00:00
}

func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "shop")
	check(err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "shop.cdp")

	c, err := cdp.Open(path) // makes the file
	check(err)
	check(c.Events().Define(ctx, cdp.EventType{Name: "login"}))
	_, err = c.Track(ctx, cdp.Event{Name: "login", UserID: "ann"})
	check(err)
	check(c.Close())

	c, err = cdp.Open(path)
	check(err)
	defer c.Close()
	n, err := c.Events().Count(ctx, "login")
	check(err)
	fmt.Println(n, "login")
	// Output: 1 login
}

func ExampleClient_Run() {
	c := shop()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }() // in a product: for as long as the process lives

	_, err := c.Track(ctx, cdp.Event{Name: "purchase", UserID: "ann"})
	check(err)

	stop()
	fmt.Println(errors.Is(<-done, context.Canceled))
	check(c.Close())
	// Output: true
}
