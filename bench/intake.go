package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/boltstore"
)

// This file measures intake: how many events a second are durable, deduplicated and on their profiles.

const (
	batchSize  = 1000
	i1Events   = 2_000_000 // at most, for the library
	peerEvents = 300_000   // at most, for SQLite, which gets slower as its trees grow: a short run is in its favour
	i3Events   = 200_000   // at most
	i3Callers  = 64
)

// clock adds up the time of what is measured; making the events is not.
type clock struct{ total time.Duration }

func (c *clock) run(fn func() error) error {
	start := time.Now()
	err := fn()
	c.total += time.Since(start)
	return err
}

// i1 tracks batches of 1,000 from one caller, into a new durable file, without segments.
func i1(ctx context.Context, b *Bench) ([]Result, error) {
	n, peerN := min(b.Data.Events, i1Events), min(b.Data.Events, peerEvents)
	took, counts, err := b.trackAll(ctx, "i1.cdp", n, peerN, 1)
	if err != nil {
		return nil, err
	}
	var out []Result
	for _, peer := range []struct {
		id, what        string
		checkpointPages int
	}{{"i1", "Track in batches of 1,000", 1000}, {"i1/wal", "against a larger WAL", 20_000}} {
		peerTook, version, peerCounts, err := b.sqliteAll(ctx, peer.id, peer.checkpointPages, peerN)
		if err != nil {
			return nil, err
		}
		r := Result{Bench: peer.id, What: peer.what, Events: n, CDPMs: ms(took), CDPPerS: perSecond(n, took),
			Peer: "sqlite " + version, PeerEvents: peerN, PeerMs: ms(peerTook), PeerPerS: perSecond(peerN, peerTook)}
		r.Ratio = r.CDPPerS / r.PeerPerS
		r.equal(slices.Equal(counts, peerCounts), "events by type, customers, events on customers after %d events: cdp %v, sqlite %v", peerN, counts, peerCounts)
		out = append(out, r)
	}
	return out, nil
}

// i1Two is i1 from two callers: one can encode while the other's batch is committed.
func i1Two(ctx context.Context, b *Bench) ([]Result, error) {
	n := min(b.Data.Events, i1Events)
	took, counts, err := b.trackAll(ctx, "i1-2.cdp", n, n, 2)
	if err != nil {
		return nil, err
	}
	r := Result{Bench: "i1/2", What: "the same from 2 callers", Events: n, CDPMs: ms(took), CDPPerS: perSecond(n, took)}
	want := b.Data.counts(n)
	r.equal(slices.Equal(counts, want), "events by type, customers, events on customers: cdp %v, data set %v", counts, want)
	return []Result{r}, nil
}

// trackAll tracks the first n events and returns how long that took, and the counts there were after the first at
// events. It then sends a batch again, which must be all duplicates, and opens the file anew, which must hold everything.
func (b *Bench) trackAll(ctx context.Context, file string, n, at, callers int) (took time.Duration, counts []int64, err error) {
	c, err := openCDP(ctx, b.Dir, file)
	if err != nil {
		return 0, nil, err
	}
	defer func() { c.Close() }()
	stop := b.profile(file[:len(file)-len(filepath.Ext(file))])
	var timer clock
	const chunk = 50 // batches made ahead, outside the time
	for from := 0; from < n; from += chunk * batchSize {
		if from == at {
			if counts, err = countsOf(ctx, c); err != nil {
				return 0, nil, err
			}
		}
		batches := b.Data.batches(from, min(from+chunk*batchSize, n))
		if err := timer.run(func() error { return trackBatches(ctx, c, batches, callers) }); err != nil {
			return 0, nil, err
		}
	}
	stop()
	if counts == nil {
		if counts, err = countsOf(ctx, c); err != nil {
			return 0, nil, err
		}
	}
	return timer.total, counts, b.checkDurable(ctx, c, file, n)
}

// trackBatches has callers take batches from a common queue.
func trackBatches(ctx context.Context, c *cdp.Client, batches [][]cdp.Event, callers int) error {
	var next atomic.Int64
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for k := range callers {
		wg.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(batches) && errs[k] == nil; i = next.Add(1) - 1 {
				res, err := c.Track(ctx, batches[i]...)
				if err == nil && res.Accepted != len(batches[i]) {
					err = fmt.Errorf("%d of %d accepted, %d duplicates", res.Accepted, len(batches[i]), res.Duplicates)
				}
				errs[k] = err
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// checkDurable sends the first events again, closes the client and opens the file anew.
func (b *Bench) checkDurable(ctx context.Context, c *cdp.Client, file string, n int) error {
	again := b.Data.batches(0, min(n, batchSize))[0]
	res, err := c.Track(ctx, again...)
	if err != nil {
		return err
	}
	if res.Duplicates != len(again) {
		return fmt.Errorf("%s: of %d events sent again only %d were duplicates", file, len(again), res.Duplicates)
	}
	before, err := countsOf(ctx, c)
	if err != nil {
		return err
	}
	if err := c.Close(); err != nil {
		return err
	}
	anew, err := reopenCDP(b.Dir, file)
	if err != nil {
		return err
	}
	defer anew.Close()
	after, err := countsOf(ctx, anew)
	if err == nil && !slices.Equal(before, after) {
		err = fmt.Errorf("%s: opened anew it holds %v; before it held %v", file, after, before)
	}
	return err
}

// countsOf returns the number of events of each type, of customers, and of all events.
func countsOf(ctx context.Context, c *cdp.Client) ([]int64, error) {
	counts := make([]int64, len(eventNames)+2)
	n := len(eventNames)
	for i, name := range eventNames {
		k, err := c.Events().Count(ctx, name)
		if err != nil {
			return nil, err
		}
		counts[i] = int64(k)
		counts[n+1] += int64(k)
	}
	customers, visitors, err := c.Profiles().Count(ctx)
	counts[n] = int64(customers + visitors)
	return counts, err
}

// counts are countsOf the first n events by the data set itself, where everybody is a customer.
func (d *Data) counts(n int) []int64 {
	counts := make([]int64, len(eventNames)+2)
	seen := NewMembers(d.Profiles)
	for i := range n {
		counts[d.Type[i]]++
		c := d.Customer[i]
		seen[c>>6] |= 1 << (c & 63)
	}
	counts[len(eventNames)], counts[len(eventNames)+1] = seen.Len(), int64(n)
	return counts
}

// batches makes the events from to to-1 in batches. They carry user ids in every variant: intake is measured without links.
func (d *Data) batches(from, to int) [][]cdp.Event {
	var out [][]cdp.Event
	for at := from; at < to; at += batchSize {
		batch := make([]cdp.Event, 0, batchSize)
		for i := at; i < min(at+batchSize, to); i++ {
			e := d.Event(i)
			e.UserID, e.AnonymousID = UserID(int(d.Customer[i])), ""
			batch = append(batch, e)
		}
		out = append(out, batch)
	}
	return out
}

func (b *Bench) sqliteAll(ctx context.Context, id string, checkpointPages, n int) (took time.Duration, version string, counts []int64, err error) {
	p, err := openSQLite(ctx, b.Dir, strings.ReplaceAll(id, "/", "-")+".sqlite", checkpointPages)
	if err != nil {
		return 0, "", nil, err
	}
	defer p.Close()
	w, err := p.writer(ctx)
	if err != nil {
		return 0, "", nil, err
	}
	var timer clock
	for from := 0; from < n; from += 50 * batchSize {
		for _, batch := range b.Data.batches(from, min(from+50*batchSize, n)) {
			if err := timer.run(func() error { return w.trackNew(ctx, batch) }); err != nil {
				return 0, "", nil, err
			}
		}
	}
	counts, err = p.Counts(ctx)
	return timer.total, p.version, counts, err
}

// i3 has 64 callers track one event each, over and over: they share commits.
func i3(ctx context.Context, b *Bench) ([]Result, error) {
	n := min(b.Data.Events, i3Events)
	c, err := openCDP(ctx, b.Dir, "i3.cdp")
	if err != nil {
		return nil, err
	}
	defer c.Close()
	events := slices.Concat(b.Data.batches(0, n)...)
	single := make([][]cdp.Event, n)
	for i := range events {
		single[i] = events[i : i+1]
	}
	stop := b.profile("i3")
	start := time.Now()
	if err := trackBatches(ctx, c, single, i3Callers); err != nil {
		return nil, err
	}
	took := time.Since(start)
	stop()
	r := Result{Bench: "i3", What: "64 callers, one event each", Events: n, CDPMs: ms(took), CDPPerS: perSecond(n, took)}
	if r.CommitUs, err = commitMicros(ctx, b.Dir); err != nil {
		return nil, err
	}
	counts, err := countsOf(ctx, c)
	want := b.Data.counts(n)
	r.equal(slices.Equal(counts, want), "events by type, customers, events on customers: cdp %v, data set %v", counts, want)
	return []Result{r}, err
}

// commitMicros is the median time of a commit of one small value on this disk.
func commitMicros(ctx context.Context, dir string) (float64, error) {
	st, err := boltstore.Open(filepath.Join(dir, "commit.bolt"), nil)
	if err != nil {
		return 0, err
	}
	defer st.Close()
	var times []float64
	for i := range 300 {
		start := time.Now()
		if err := st.Update(ctx, func(tx store.Writer) error { return tx.Put([]byte{byte(i)}, make([]byte, 4096)) }); err != nil {
			return 0, err
		}
		times = append(times, float64(time.Since(start).Microseconds()))
	}
	return median(times), nil
}
