package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/embedcdp/cdp"
)

// soak: does anything grow that should not? For -soak of wall time batches of 1,000 events go in as fast as they can, with 50
// live segments and 5 journeys, while one reader asks q1's condition, q6's funnel and timelines back to back. Time in the
// data passes quickly, 150,000 events a day, and events are kept for 30 days: what is kept stays the same while hundreds of
// millions of events pass through. Every fiftieth of the time what is live on the heap after a collection, RssAnon, the file
// and goroutines are noted; the second quarter is compared with the last.

const (
	soakPerDay    = 150_000
	soakRetention = "30d"
	soakNotes     = 50
	soakTimes     = 50_000 // batches of which the time is kept, at least
)

// soakNote is what was seen at one moment.
type soakNote struct {
	events     int
	heap, anon float64 // MiB
	file       float64 // MB
	goroutines int
}

func soak(ctx context.Context, b *Bench, emit func(Result)) error {
	if b.Soak == 0 {
		return nil
	}
	before := runtime.NumGoroutine()
	at := &testClock{}
	at.set(begin)
	c, err := openWith(ctx, b.Dir, "soak.cdp", cdp.Config{Now: at.now})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := soakPrepare(ctx, c, b.Data); err != nil {
		return err
	}
	asking, stop := context.WithCancel(ctx)
	read := make(chan error, 1)
	asked := 0
	go func() {
		var err error
		for ; err == nil && asking.Err() == nil; asked++ {
			err = soakAsk(ctx, c, b.Data, asked)
		}
		read <- err
	}()
	in := &soakIntake{b: b, c: c, at: at}
	stopProfile := b.profile("soak")
	notes, err := in.run(ctx)
	stopProfile()
	stop()
	if e := <-read; err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	r := Result{Bench: "soak", What: fmt.Sprintf("%v of full intake with questions", b.Soak), Events: in.events, CDPMs: ms(in.took), CDPPerS: perSecond(in.events, in.took),
		P50Ms: percentile(in.times, 50), P99Ms: percentile(in.times, 99), Note: fmt.Sprintf("%d questions beside", asked)}
	if err := in.compare(ctx, &r); err != nil {
		return err
	}
	if err := c.Close(); err != nil {
		return err
	}
	after := runtime.NumGoroutine()
	r.equal(after <= before, "%d goroutines are left after Close, there were %d before", after, before)
	emit(r)
	for _, g := range []struct {
		id, what, unit string
		of             func(soakNote) float64
	}{
		{"soak/heap", "live heap, last quarter beside the second", "MiB", func(n soakNote) float64 { return n.heap }},
		{"soak/anon", "RssAnon, the same", "MiB", func(n soakNote) float64 { return n.anon }},
		{"soak/file", "file, the same", "MB", func(n soakNote) float64 { return n.file }},
		{"soak/goroutines", "goroutines, the same", "", func(n soakNote) float64 { return float64(n.goroutines) }},
	} {
		second, last := quarterMax(notes, 1, g.of), quarterMax(notes, 3, g.of)
		r := Result{Bench: g.id, What: g.what, Value: new(last), Unit: g.unit, Goal: "flat",
			Note: fmt.Sprintf("the second quarter's maximum was %s: %+.1f %%", figure(second), 100*(last/second-1))}
		r.equal(true, "")
		emit(r)
	}
	return nil
}

// quarterMax is the maximum in quarter q, from 0.
func quarterMax(notes []soakNote, q int, of func(soakNote) float64) (most float64) {
	for _, n := range notes[len(notes)*q/4 : len(notes)*(q+1)/4] {
		most = max(most, of(n))
	}
	return most
}

func soakPrepare(ctx context.Context, c *cdp.Client, d *Data) error {
	for _, name := range eventNames {
		attrs := cdp.Schema{"category": cdp.String, "sku": cdp.String, "amount": cdp.Number}
		if err := c.Events().Define(ctx, cdp.EventType{Name: name, Attributes: attrs, Retention: soakRetention}); err != nil {
			return err
		}
	}
	if err := saveSegments(ctx, c, liveSegments()); err != nil {
		return err
	}
	if err := saveJourneys(ctx, c); err != nil {
		return err
	}
	return loadCustomers(ctx, c, d)
}

// soakAsk asks one question or, most of the time, for a profile.
func soakAsk(ctx context.Context, c *cdp.Client, d *Data, n int) error {
	switch n % 200 {
	case 0:
		_, err := q1.CDP(ctx, c, "")
		return err
	case 100:
		_, err := q6.CDP(ctx, c, "")
		return err
	}
	_, err := c.Profiles().Timeline(ctx, UserID(below(draw(streamPeople, n), d.Profiles)), &cdp.TimelineOptions{Limit: q10Newest})
	return err
}

// soakIntake tracks events without end. Event i happens at i/soakPerDay days, by a customer and of a kind that are hashes
// of i.
type soakIntake struct {
	b      *Bench
	c      *cdp.Client
	at     *testClock
	events int
	took   time.Duration
	times  []float64 // ms of the last batches
}

func soakTime(i int) time.Time { return begin.Add(time.Duration(i) * (24 * time.Hour / soakPerDay)) }

func (in *soakIntake) run(ctx context.Context) (notes []soakNote, err error) {
	start := time.Now()
	for next := in.b.Soak / soakNotes; time.Since(start) < in.b.Soak; {
		batch := further(in.b.Data.Profiles, in.events, batchSize)
		for k := range batch {
			batch[k].Time = soakTime(in.events + k)
		}
		in.at.set(batch[len(batch)-1].Time)
		began := time.Now()
		if err := trackBatches(ctx, in.c, [][]cdp.Event{batch}, 1); err != nil {
			return nil, err
		}
		took := time.Since(began)
		in.took += took
		if in.times = append(in.times, ms(took)); len(in.times) >= 2*soakTimes {
			in.times = append(in.times[:0], in.times[soakTimes:]...)
		}
		in.events += batchSize
		if time.Since(start) >= next {
			next += in.b.Soak / soakNotes
			n, err := in.note()
			if err != nil {
				return nil, err
			}
			notes = append(notes, n)
			in.b.out.note("soak %s: %s events, heap %.0f MiB, anon %.0f MiB, file %.0f MB, %d goroutines", time.Since(start).Round(time.Second),
				thousands(n.events), n.heap, n.anon, n.file, n.goroutines)
		}
	}
	return notes, nil
}

func (in *soakIntake) note() (soakNote, error) {
	runtime.GC()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	anon, _ := residentAnonymous() // 0 where the system does not tell it
	info, err := os.Stat(filepath.Join(in.b.Dir, "soak.cdp"))
	if err != nil {
		return soakNote{}, err
	}
	return soakNote{in.events, float64(live[0].Value.Uint64()) / (1 << 20), float64(anon) / (1 << 20), float64(info.Size()) / 1e6, runtime.NumGoroutine()}, nil
}

// compare checks what is there in the end: segments with windows against a plain loop, which no event that was dropped may
// have changed, and how much was kept.
func (in *soakIntake) compare(ctx context.Context, r *Result) error {
	segments := windowSegments()
	got, err := segmentCounts(ctx, in.c, len(segments))
	if err != nil {
		return err
	}
	profiles, instant := in.b.Data.Profiles, in.at.now().UnixMicro()
	first := max(in.events-30*soakPerDay, 0)
	counts := make([][]uint16, len(segments))
	for k := range counts {
		counts[k] = make([]uint16, profiles)
	}
	want := make([]int64, len(segments))
	within := 0
	for at := first; at < in.events; at += batchSize {
		for k, e := range further(profiles, at, min(batchSize, in.events-at)) {
			t := soakTime(at + k).UnixMicro()
			if t <= instant-30*day {
				continue
			}
			within++
			who, err := Index(e.UserID)
			if err != nil {
				return err
			}
			for s, seg := range segments {
				if e.Name != eventNames[seg.what] || seg.category >= 0 && e.Attributes["category"] != categories[seg.category] || t <= instant-seg.window*day {
					continue
				}
				if counts[s][who]++; int(counts[s][who]) == seg.atLeast {
					want[s]++
				}
			}
		}
	}
	r.equalAnswers("members of the segments with windows: cdp", got, "a plain loop", want)
	kept, err := countsOf(ctx, in.c)
	if err == nil {
		n := int(kept[len(kept)-1])
		r.equal(n >= within, "%d events are kept, %d are within the retention", n, within)
		r.Note += fmt.Sprintf("; %s events kept, %s of them within %s", thousands(n), thousands(within), soakRetention)
	}
	return err
}
