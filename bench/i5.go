package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/channel"
)

// i5: from an event to the message that a journey sends for it, as handed to the channel, at 10,000 events a second. A
// batch of 100 is due every 10 ms; 16 callers take what is due. The time counts from when the batch was due, not from when
// somebody got round to it, so that a pause is not hidden. One event in ten is a purchase and sends. Run drives.

const (
	i5PerSecond = 10_000
	i5Batch     = 100
	i5Events    = 50_000 // at most
	i5Callers   = 16
	i5Patience  = time.Minute // for the last messages
)

func i5(ctx context.Context, b *Bench, emit func(Result)) error {
	n := min(b.Data.Events, i5Events)
	batches, sent := i5Prepare(b.Data, n)
	c, err := openWith(ctx, b.Dir, "i5.cdp", cdp.Config{Channels: map[string]channel.Channel{"push": sent}})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Templates().Save(ctx, cdp.Template{Name: "thanks", Event: eventNames[purchase], Text: "{{ event.id }}"}); err != nil {
		return err
	}
	if err := c.Journeys().Save(ctx, cdp.Journey{Name: "thanks", Entry: cdp.Entry{Event: eventNames[purchase]},
		Nodes: []cdp.Node{cdp.Send("send", "push", "thanks", "end"), cdp.End("end", "")}}); err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- c.Run(running) }()
	stopProfile := b.profile("i5")
	start := time.Now()
	err = paced(ctx, c, batches, start)
	if err == nil {
		err = sent.wait(ctx)
	}
	stopProfile()
	stop()
	if e := <-ran; err == nil && !errors.Is(e, context.Canceled) {
		err = e
	}
	if err != nil {
		return err
	}
	r := Result{Bench: "i5", What: fmt.Sprintf("event to journey send, %s events at %s/s", thousands(n), thousands(i5PerSecond)), Goal: "p50 <= 2 ms, p99 <= 10 ms"}
	sent.result(&r, start)
	emit(r)
	return nil
}

// i5Prepare makes the batches, without times so that they happen when they arrive, and a recorder that expects what they
// send.
func i5Prepare(d *Data, n int) (batches [][]cdp.Event, sent *recorder) {
	sent = &recorder{due: map[string]time.Duration{}, all: make(chan struct{})}
	for from := 0; from < n; from += i5Batch {
		var batch []cdp.Event
		for i := from; i < min(from+i5Batch, n); i++ {
			e := d.Event(i)
			e.UserID, e.AnonymousID, e.Time = UserID(int(d.Customer[i])), "", time.Time{}
			batch = append(batch, e)
			if d.Type[i] == purchase {
				sent.due[e.ID] = i5Due(len(batches))
			}
		}
		batches = append(batches, batch)
	}
	if len(sent.due) == 0 {
		close(sent.all)
	}
	return batches, sent
}

// i5Due is when batch k is due, from the start.
func i5Due(k int) time.Duration { return time.Duration(k) * i5Batch * time.Second / i5PerSecond }

// paced tracks each batch when it is due, or as soon after that as a caller is free.
func paced(ctx context.Context, c *cdp.Client, batches [][]cdp.Event, start time.Time) error {
	var next atomic.Int64
	errs := make([]error, i5Callers)
	var wg sync.WaitGroup
	for k := range i5Callers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(batches) && errs[k] == nil; i = int(next.Add(1)) - 1 {
				select {
				case <-time.After(time.Until(start.Add(i5Due(i)))):
					_, errs[k] = c.Track(ctx, batches[i]...)
				case <-ctx.Done():
					errs[k] = ctx.Err()
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// recorder is a channel that notes when each message was handed to it.
type recorder struct {
	due map[string]time.Duration // by the event's id; not changed any more
	all chan struct{}            // closed when everything came

	mu     sync.Mutex // guards what follows
	came   map[string]time.Time
	twice  int
	others int
}

func (r *recorder) Send(_ context.Context, m channel.Message) (channel.Receipt, error) {
	at := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.due[m.Text]; !known {
		r.others++
		return channel.Receipt{}, nil
	}
	if _, again := r.came[m.Text]; again {
		r.twice++
		return channel.Receipt{}, nil
	}
	if r.came == nil {
		r.came = map[string]time.Time{}
	}
	if r.came[m.Text] = at; len(r.came) == len(r.due) {
		close(r.all)
	}
	return channel.Receipt{}, nil
}

// wait waits for the last message.
func (r *recorder) wait(ctx context.Context) error {
	select {
	case <-r.all:
	case <-time.After(i5Patience): // result says how many are missing
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (r *recorder) result(res *Result, start time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var times []float64
	for id, at := range r.came {
		times = append(times, ms(at.Sub(start)-r.due[id]))
	}
	res.P50Ms, res.P99Ms = percentile(times, 50), percentile(times, 99)
	res.Answer = []int64{int64(len(r.came))}
	res.equal(len(r.came) == len(r.due) && r.twice == 0 && r.others == 0, "of %d messages %d came, %d of them twice, and %d of other events",
		len(r.due), len(r.came), r.twice, r.others)
}
