package main

import (
	"context"
	"fmt"
	"time"

	"github.com/embedcdp/cdp"
)

// m4: how much longer a batch of 1,000 takes while q6 is asked again and again: the 99th percentile of intake with such a
// reader, less the one without. Batches come from one caller, one after the other, on top of the whole data set.

const (
	m4Batches = 300              // of each kind, at most
	m4Limit   = 10 * time.Second // likewise
)

func m4(ctx context.Context, b *Bench, emit func(Result)) error {
	return b.withCopy(ctx, "readers.cdp", func(c *cdp.Client, _ *testClock) error {
		next := b.Data.Events
		alone, err := batchTimes(ctx, c, b.Data.Profiles, &next)
		if err != nil {
			return err
		}
		reading, stop := context.WithCancel(ctx)
		read := make(chan error, 1)
		asked := 0
		go func() {
			var err error
			for ; err == nil && reading.Err() == nil; asked++ {
				_, err = q6.CDP(ctx, c, "")
			}
			read <- err
		}()
		beside, err := batchTimes(ctx, c, b.Data.Profiles, &next)
		stop()
		if e := <-read; err == nil {
			err = e
		}
		if err != nil {
			return err
		}
		a, w := percentile(alone, 99), percentile(beside, 99)
		r := Result{Bench: "m4", What: "intake p99 beside q6, less the p99 alone", Value: new(w - a), Unit: "ms", Goal: "<= 10 ms",
			P50Ms: percentile(beside, 50), P99Ms: w,
			Note: fmt.Sprintf("alone p50 %s ms, p99 %s ms; %d batches beside %d funnels", figure(percentile(alone, 50)), figure(a), len(beside), asked)}
		counts, err := countsOf(ctx, c)
		if err == nil {
			r.equal(counts[len(counts)-1] == int64(next), "%d events are there, %d should be", counts[len(counts)-1], next)
			emit(r)
		}
		return err
	})
}

// batchTimes tracks batches of further events one by one, and returns what each took in milliseconds.
func batchTimes(ctx context.Context, c *cdp.Client, profiles int, next *int) (times []float64, err error) {
	for start := time.Now(); len(times) < m4Batches && time.Since(start) < m4Limit; {
		batch := [][]cdp.Event{further(profiles, *next, batchSize)}
		*next += batchSize
		began := time.Now()
		if err := trackBatches(ctx, c, batch, 1); err != nil {
			return nil, err
		}
		times = append(times, ms(time.Since(began)))
	}
	return times, nil
}
