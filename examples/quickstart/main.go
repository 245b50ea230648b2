// Command quickstart tells the whole story of a customer data platform on a made-up shop: history comes in from files,
// visitors become customers, segments fill, people are reminded of their carts, and a dashboard shows how it went.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -data ../shared/data/completejourney
//
// With -data it takes a real retailer's year instead (the Complete Journey, from the R package completejourney) and checks
// what the platform answers against facts that were computed apart from it.
//
// Read story.go first; the other files are its chapters.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	_ "time/tzdata" // Asia/Ho_Chi_Minh, also where the system has no time zones
)

func main() {
	opt := options{}
	flag.IntVar(&opt.people, "people", 5000, "how many people visit the shop")
	flag.Uint64Var(&opt.seed, "seed", 2026, "which shop to make up")
	flag.StringVar(&opt.file, "file", "", "the portal's file; it must not exist yet (default: in a new temporary folder)")
	data := flag.String("data", "", "take this folder with the Complete Journey's CSV files instead of a made-up shop")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *data != "" {
		err = completeJourney(ctx, *data, opt, os.Stdout)
	} else {
		_, err = tell(ctx, opt, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}
