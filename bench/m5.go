package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/embedcdp/cdp"
)

// m5: how much longer a batch of 1,000 takes while segments are saved, one after the other: the 99th percentile and the longest
// beside them, less those without. q0 has many members and no clock; q3 and q8 read the clock, so each person who may be
// in them is asked when. Batches come from one caller, one after the other, on top of the whole data set.

var m5Saved = []Question{q0, q3, q8}

func m5(ctx context.Context, b *Bench, emit func(Result)) error {
	return b.withCopy(ctx, "saves.cdp", func(c *cdp.Client, _ *testClock) error {
		next := b.Data.Events
		first := [][]cdp.Event{further(b.Data.Profiles, next, batchSize)}
		next += batchSize
		if err := trackBatches(ctx, c, first, 1); err != nil { // it waits for the ids seen to be gathered
			return err
		}
		alone, err := batchTimes(ctx, c, b.Data.Profiles, &next)
		if err != nil {
			return err
		}
		saved := make(chan error, 1)
		tracking, stop := context.WithCancel(ctx)
		defer stop()
		var took []float64
		go func() {
			defer stop()
			saved <- func() error {
				for round := range m5Rounds {
					for _, q := range m5Saved {
						began := time.Now()
						if err := c.Segments().Save(ctx, cdp.Segment{Name: fmt.Sprintf("%s_%d", q.ID, round), Where: q.Where}); err != nil {
							return err
						}
						took = append(took, ms(time.Since(began)))
					}
				}
				return nil
			}()
		}()
		var beside []float64
		for tracking.Err() == nil {
			batch := [][]cdp.Event{further(b.Data.Profiles, next, batchSize)}
			next += batchSize
			began := time.Now()
			if err := trackBatches(ctx, c, batch, 1); err != nil {
				return err
			}
			beside = append(beside, ms(time.Since(began)))
		}
		if err := <-saved; err != nil {
			return err
		}
		a, w := percentile(alone, 99), percentile(beside, 99)
		r := Result{Bench: "m5", What: "intake p99 beside saves, less the p99 alone", Value: new(w - a), Unit: "ms", Goal: "<= 10 ms",
			P50Ms: percentile(beside, 50), P99Ms: w,
			Note: fmt.Sprintf("longest %s ms, alone %s; alone p50 %s ms, p99 %s ms; %d batches beside %d saves of %s ms at most", figure(slices.Max(beside)), figure(slices.Max(alone)),
				figure(percentile(alone, 50)), figure(a), len(beside), len(took), figure(slices.Max(took)))}
		for _, q := range m5Saved {
			size, err := c.Segments().Count(ctx, q.ID+"_0")
			if err != nil {
				return err
			}
			now, err := c.Segments().Preview(ctx, cdp.Segment{Name: q.ID, Where: q.Where})
			if err != nil {
				return err
			}
			r.equal(size == now.Len(), "%s has %d members, asked as new %d", q.ID, size, now.Len())
		}
		emit(r)
		return nil
	})
}

const m5Rounds = 3
