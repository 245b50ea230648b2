package main

import (
	"context"
	"fmt"
	"time"

	"github.com/embedcdp/cdp"
)

// t3: everybody waits in a journey for a day, one in ten of them an hour ahead of the others. A day later these are due,
// all at once.

func t3(ctx context.Context, b *Bench, emit func(Result)) error {
	clock := &testClock{}
	clock.set(now)
	c, err := openWith(ctx, b.Dir, "t3.cdp", cdp.Config{Now: clock.now})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Journeys().Save(ctx, cdp.Journey{Name: "wait", Entry: cdp.Entry{Event: eventNames[purchase]},
		Nodes: []cdp.Node{cdp.Delay("day", "1d", "end"), cdp.End("end", "")}}); err != nil {
		return err
	}
	ahead, others := waiting(b.Data.Profiles)
	if err := inBatches(ctx, ahead, c.Track); err != nil {
		return err
	}
	clock.set(now.Add(time.Hour))
	if err := inBatches(ctx, others, c.Track); err != nil {
		return err
	}
	inside, err := c.Journeys().Inside(ctx, "wait")
	if err != nil {
		return err
	}
	due := (b.Data.Profiles + 9) / 10
	r := Result{Bench: "t3", What: fmt.Sprintf("%s wait in a journey, %s due at once", thousands(len(inside)), thousands(due)),
		Goal: ">= 50,000 wakes/s", Unit: "wakes/s"}
	r.equal(len(inside) == b.Data.Profiles, "%d people wait, %d should", len(inside), b.Data.Profiles)

	stop := b.profile("t3")
	start := time.Now()
	clock.set(now.AddDate(0, 0, 1))
	if err := c.Tick(ctx); err != nil {
		return err
	}
	took := time.Since(start)
	stop()
	if inside, err = c.Journeys().Inside(ctx, "wait"); err != nil {
		return err
	}
	report, err := c.Insights().Journey(ctx, "wait", cdp.Range{})
	if err != nil {
		return err
	}
	finished := -1
	for _, n := range report.Nodes {
		if n.Node == "" && n.Channel == "" {
			finished = n.Finished
		}
	}
	r.equal(finished == due && len(inside) == b.Data.Profiles-due, "%d finished and %d wait on, of %d due and %d in all", finished, len(inside), due, b.Data.Profiles)
	r.CDPMs, r.Value, r.Answer = ms(took), new(perSecond(due, took)), []int64{int64(due)}
	emit(r)
	return nil
}

// waiting are one purchase for each of n people: of every tenth, and of the others.
func waiting(n int) (ahead, others func(yield func(cdp.Event) bool)) {
	of := func(first bool) func(yield func(cdp.Event) bool) {
		return func(yield func(cdp.Event) bool) {
			for i := range n {
				if (i%10 == 0) == first && !yield(cdp.Event{ID: EventID(i), Name: eventNames[purchase], UserID: UserID(i)}) {
					return
				}
			}
		}
	}
	return of(true), of(false)
}
