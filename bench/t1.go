package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/embedcdp/cdp"
)

// t1 and t2: the data set's people in the 30 segments with windows. First nothing happens for a while (t2), then the
// clock moves on by 30 days without an event, so that everybody leaves (t1).

const (
	t1Days  = 30
	t1Limit = 20 * time.Second // where people have thousands of events, 30 days would take minutes
	t2Idle  = 10 * time.Second // at the full size about one deadline a second falls due; in 3 s there may be one or six
)

func windows(ctx context.Context, b *Bench, emit func(Result)) error {
	return b.withCopy(ctx, "windows.cdp", func(c *cdp.Client, clock *testClock) error {
		segments := windowSegments()
		if err := saveSegments(ctx, c, segments); err != nil {
			return err
		}
		if _, err := c.Track(ctx, b.Data.Event(0)); err != nil { // a duplicate: to see that, it waits until the ids seen are gathered
			return err
		}
		if b.only["t2"] {
			r, err := t2(ctx, b, c, clock, segments)
			if err != nil {
				return err
			}
			emit(r)
		}
		if !b.only["t1"] {
			return nil
		}
		r, err := t1(ctx, b, c, clock, segments)
		if err == nil {
			emit(r)
		}
		return err
	})
}

// t2 lets Run wait beside a clock that runs as the wall's does. Each member has a deadline, at which they would leave.
func t2(ctx context.Context, b *Bench, c *cdp.Client, clock *testClock, segments []liveSegment) (Result, error) {
	sizes, err := segmentCounts(ctx, c, len(segments))
	if err != nil {
		return Result{}, err
	}
	var want []int64
	pending := int64(0)
	for k, s := range segments {
		want = append(want, s.size(b.Data, b.Data.Events, func(i int) int64 { return b.Data.Time[i] }, now.UnixMicro()))
		pending += sizes[k]
	}
	running, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	clock.run()
	go func() { ran <- c.Run(running) }()
	settle(ctx, t2Idle/10)
	profiled := b.profile("t2")
	before, ok := processorTime()
	start := time.Now()
	settle(ctx, t2Idle)
	after, _ := processorTime()
	took := time.Since(start)
	profiled()
	stop()
	if err := <-ran; !errors.Is(err, context.Canceled) {
		return Result{}, fmt.Errorf("run: %w", err)
	}
	clock.set(clock.now())
	r := Result{Bench: "t2", What: fmt.Sprintf("idle, Run going, %s deadlines", thousands(int(pending))), Goal: "< 0.1 % CPU",
		Value: new(100 * float64(after-before) / float64(took)), Unit: "% of one processor", Answer: []int64{pending}}
	r.equalAnswers("members of the segments: cdp", sizes, "a plain loop", want)
	if !ok {
		r.Value, r.Note = nil, "this system does not tell a process its processor time"
	}
	return r, ctx.Err()
}

// settle lets time go by.
func settle(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// t1 moves the clock day by day and ticks after each, until its time is over. Every exit is compared with a plain loop: who, from which segment, at which instant.
func t1(ctx context.Context, b *Bench, c *cdp.Client, clock *testClock, segments []liveSegment) (Result, error) {
	stop := b.profile("t1")
	before, ok := processorTime()
	start := time.Now()
	days := 0
	for ; days < t1Days && time.Since(start) < t1Limit; days++ {
		clock.set(now.AddDate(0, 0, days+1))
		if err := c.Tick(ctx); err != nil {
			return Result{}, err
		}
	}
	took := time.Since(start)
	after, _ := processorTime()
	stop()

	r := Result{Bench: "t1", What: fmt.Sprintf("the clock moves %d days, people leave 30 segments", days), CDPMs: ms(took),
		Goal: "<= 1 s of CPU a million flips", Unit: "s of CPU a million flips"}
	flips := 0
	for k, s := range segments {
		want := s.exits(b.Data, now.AddDate(0, 0, days).UnixMicro())
		flips += len(want)
		left := 0
		for f, err := range c.Segments().Flips(ctx, liveName(k), &cdp.FlipOptions{Since: now}) {
			if err != nil {
				return r, err
			}
			if f.Cause != "time" { // saving it put them in
				continue
			}
			left++
			i, err := Index(f.UserID)
			if err != nil {
				return r, err
			}
			at, expected := want[uint32(i)]
			r.equal(!f.Entered && expected && f.Time.UnixMicro() == at, "%s: %s at %s (entered: %v), a plain loop says %s",
				s.where(), f.UserID, f.Time, f.Entered, time.UnixMicro(at).UTC())
		}
		r.equal(left == len(want), "%s: %d left, a plain loop says %d", s.where(), left, len(want))
	}
	r.Answer = []int64{int64(flips)}
	switch {
	case !ok:
		r.Note = "this system does not tell a process its processor time"
	case flips == 0:
		r.Note = "nobody was in a segment: the data set is too small"
	default:
		r.Value = new((after - before).Seconds() / float64(flips) * 1e6)
		r.Note = fmt.Sprintf("%s flips", thousands(flips))
	}
	if days < t1Days {
		r.Note += fmt.Sprintf("; stopped after %d of %d days, when its time was over", days, t1Days)
	}
	return r, nil
}

// exits says who leaves the segment between now and an instant, and when, if nothing more happens: when one event too few
// is left within the window.
func (s liveSegment) exits(d *Data, until int64) map[uint32]int64 {
	within := map[uint32][]int64{}
	for i, t := range d.Time {
		if s.takes(d, i) && t > now.UnixMicro()-s.window*day {
			within[d.Customer[i]] = append(within[d.Customer[i]], t)
		}
	}
	out := map[uint32]int64{}
	for who, times := range within {
		if k := len(times) - s.atLeast; k >= 0 && times[k]+s.window*day <= until {
			out[who] = times[k] + s.window*day
		}
	}
	return out
}
