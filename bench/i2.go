package main

import (
	"context"
	"time"

	"github.com/embedcdp/cdp"
)

// i2: i1 with 50 live segments, 30 of them with windows, and 5 journeys listening. Events happen when they arrive: a batch
// comes at the time of its last event and all of it happens then, so that windows run out and journeys start on the way.
// Customers with their attributes are there before.

// i2Limit bounds the time of the intake; what was not taken by then is left out. Where a person has thousands of events
// it would take hours.
const i2Limit = 15 * time.Second

type liveIntake struct {
	b      *Bench
	client *cdp.Client
	at     testClock
	took   time.Duration
	events int // taken so far
}

func (b *Bench) newLiveIntake(ctx context.Context) (*liveIntake, error) {
	in := &liveIntake{b: b}
	in.at.set(begin)
	var err error
	if in.client, err = openWith(ctx, b.Dir, "i2.cdp", cdp.Config{Now: in.at.now}); err != nil {
		return nil, err
	}
	if err = saveSegments(ctx, in.client, liveSegments()); err == nil {
		err = saveJourneys(ctx, in.client)
	}
	if err == nil {
		err = loadCustomers(ctx, in.client, b.Data)
	}
	if err != nil {
		in.client.Close()
		return nil, err
	}
	return in, nil
}

// happens is when event i happens here: with the last one of its batch.
func (in *liveIntake) happens(i int) int64 {
	return in.b.Data.Time[min(i/batchSize*batchSize+batchSize, in.b.Data.Events)-1]
}

// track takes the next batches, which start at event number from, until the time is over.
func (in *liveIntake) track(ctx context.Context, from int, batches [][]cdp.Event) error {
	for _, batch := range batches {
		if in.events != from || in.took > i2Limit {
			return nil
		}
		instant := time.UnixMicro(in.happens(from)).UTC()
		in.at.set(instant)
		live := make([]cdp.Event, len(batch))
		for i, e := range batch {
			e.Time = instant
			live[i] = e
		}
		start := time.Now()
		if err := trackBatches(ctx, in.client, [][]cdp.Event{live}, 1); err != nil {
			return err
		}
		in.took += time.Since(start)
		from += len(batch)
		in.events = from
	}
	return nil
}

// result compares with the plain loops, and with a peer's events a second.
func (in *liveIntake) result(ctx context.Context, peer Result) (Result, error) {
	d, n := in.b.Data, in.events
	r := Result{Bench: "i2", What: "i1 with 50 live segments and 5 journeys", Events: n, CDPMs: ms(in.took), CDPPerS: perSecond(n, in.took),
		Peer: peer.Peer, PeerEvents: peer.PeerEvents, PeerMs: peer.PeerMs, PeerPerS: peer.PeerPerS}
	r.Ratio = r.CDPPerS / r.PeerPerS
	if n < min(d.Events, peerEvents) {
		r.Note = "stopped when its time was over"
	}
	counts, err := countsOf(ctx, in.client)
	if err != nil {
		return r, err
	}
	want := d.counts(n)
	want[len(eventNames)] = int64(d.Profiles)
	r.equalAnswers("events by type, customers, events: cdp", counts, "the data set", want)
	sizes, err := segmentCounts(ctx, in.client, len(liveSegments()))
	if err != nil {
		return r, err
	}
	var wantSizes []int64
	for _, s := range liveSegments() {
		wantSizes = append(wantSizes, s.size(d, n, in.happens, in.at.now().UnixMicro()))
	}
	r.equalAnswers("members of the segments: cdp", sizes, "a plain loop", wantSizes)
	starts, err := entered(ctx, in.client)
	r.equalAnswers("entries of the journeys: cdp", starts, "a plain loop", entries(d, n, in.happens))
	return r, err
}
