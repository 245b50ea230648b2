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
	chunk      = 50 * batchSize // events made ahead
	i1Events   = 2_000_000      // at most, for the library
	peerEvents = 300_000        // at most, for SQLite, which gets slower as its trees grow: a short run is in its favour
	i3Events   = 200_000        // at most
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

// intakeInTurns measures i1 and i2: batches of 1,000 from one caller, into a new durable file. The library and its peers
// take the first events in turns, 50 batches each, so that all meet the same noise; ratios are of these.
func intakeInTurns(ctx context.Context, b *Bench, emit func(Result)) error {
	n := min(b.Data.Events, peerEvents)
	peers := []*peerIntake{{id: "i1", what: "Track in batches of 1,000", checkpointPages: 1000}}
	var own *intake
	var live *liveIntake
	var err error
	if b.only["i1"] {
		peers = append(peers, &peerIntake{id: "i1/wal", what: "against a larger WAL", checkpointPages: 20_000})
		if own, err = b.newIntake(ctx, "i1.cdp", 1); err != nil {
			return err
		}
		defer own.close()
	}
	if b.only["i2"] {
		if live, err = b.newLiveIntake(ctx); err != nil {
			return err
		}
		defer live.client.Close()
	}
	for _, p := range peers {
		if p.sqlite, err = openSQLite(ctx, b.Dir, strings.ReplaceAll(p.id, "/", "-")+".sqlite", p.checkpointPages); err != nil {
			return err
		}
		defer p.Close()
	}
	for from := 0; from < n; from += chunk {
		batches := b.Data.batches(from, min(from+chunk, n))
		if own != nil {
			if err := own.track(ctx, batches); err != nil {
				return err
			}
		}
		for _, p := range peers {
			if err := p.clock.run(func() error { return p.trackAll(ctx, batches) }); err != nil {
				return err
			}
		}
		if live != nil {
			if err := live.track(ctx, from, batches); err != nil {
				return err
			}
		}
	}
	if own != nil {
		if err := i1(ctx, own, peers, n, emit); err != nil {
			return err
		}
	}
	if live == nil {
		return nil
	}
	r, err := live.result(ctx, peers[0].result(n))
	if err == nil {
		emit(r)
	}
	return err
}

// peerIntake is SQLite taking events in.
type peerIntake struct {
	id, what        string
	checkpointPages int
	*sqlite
	clock clock
}

func (p *peerIntake) result(n int) Result {
	return Result{Bench: p.id, What: p.what, Peer: "sqlite " + p.version, PeerEvents: n, PeerMs: ms(p.clock.total), PeerPerS: perSecond(n, p.clock.total)}
}

// i1 compares after the n events that all took, then lets the library take the rest.
func i1(ctx context.Context, own *intake, peers []*peerIntake, n int, emit func(Result)) error {
	shared := own.clock.total
	counts, err := countsOf(ctx, own.client)
	if err != nil {
		return err
	}
	all := min(own.b.Data.Events, i1Events)
	if err := own.trackRange(ctx, n, all); err != nil {
		return err
	}
	for _, p := range peers {
		peerCounts, err := p.Counts(ctx)
		if err != nil {
			return err
		}
		r := p.result(n)
		r.Ratio = float64(p.clock.total) / float64(shared)
		r.Events, r.CDPMs, r.CDPPerS = all, ms(own.clock.total), perSecond(all, own.clock.total)
		r.equal(slices.Equal(counts, peerCounts), "events by type, customers, events on customers after %d events: cdp %v, sqlite %v", n, counts, peerCounts)
		emit(r)
	}
	return own.checkDurable(ctx, all)
}

// i1Two is i1 from two callers: one can encode while the other's batch is committed.
func i1Two(ctx context.Context, b *Bench, emit func(Result)) error {
	n := min(b.Data.Events, i1Events)
	in, err := b.newIntake(ctx, "i1-2.cdp", 2)
	if err != nil {
		return err
	}
	defer in.close()
	stop := b.profile("i1-2")
	err = in.trackRange(ctx, 0, n)
	stop()
	if err != nil {
		return err
	}
	counts, err := countsOf(ctx, in.client)
	if err != nil {
		return err
	}
	r := Result{Bench: "i1/2", What: "the same from 2 callers", Events: n, CDPMs: ms(in.clock.total), CDPPerS: perSecond(n, in.clock.total)}
	want := b.Data.counts(n)
	r.equal(slices.Equal(counts, want), "events by type, customers, events on customers: cdp %v, data set %v", counts, want)
	emit(r)
	return in.checkDurable(ctx, n)
}

// intake is a client that takes events in, with the time that took.
type intake struct {
	b       *Bench
	file    string
	callers int
	client  *cdp.Client
	clock   clock
}

func (b *Bench) newIntake(ctx context.Context, file string, callers int) (*intake, error) {
	c, err := openCDP(ctx, b.Dir, file)
	return &intake{b: b, file: file, callers: callers, client: c}, err
}

func (in *intake) close() { in.client.Close() }

// track takes the batches, and the time.
func (in *intake) track(ctx context.Context, batches [][]cdp.Event) error {
	return in.clock.run(func() error { return trackBatches(ctx, in.client, batches, in.callers) })
}

// trackRange takes the events from to to-1. Making them is outside the time.
func (in *intake) trackRange(ctx context.Context, from, to int) error {
	for at := from; at < to; at += chunk {
		if err := in.track(ctx, in.b.Data.batches(at, min(at+chunk, to))); err != nil {
			return err
		}
	}
	return nil
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

// checkDurable sends the first events again, which must be duplicates, then closes the client and opens the file anew,
// which must hold everything.
func (in *intake) checkDurable(ctx context.Context, n int) error {
	again := in.b.Data.batches(0, min(n, batchSize))[0]
	res, err := in.client.Track(ctx, again...)
	if err != nil {
		return err
	}
	if res.Duplicates != len(again) {
		return fmt.Errorf("%s: of %d events sent again only %d were duplicates", in.file, len(again), res.Duplicates)
	}
	before, err := countsOf(ctx, in.client)
	if err != nil {
		return err
	}
	if err := in.client.Close(); err != nil {
		return err
	}
	anew, err := reopenCDP(in.b.Dir, in.file)
	if err != nil {
		return err
	}
	defer anew.Close()
	after, err := countsOf(ctx, anew)
	if err == nil && !slices.Equal(before, after) {
		err = fmt.Errorf("%s: opened anew it holds %v; before it held %v", in.file, after, before)
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

// i3 has 64 callers track one event each, over and over: they share commits.
func i3(ctx context.Context, b *Bench, emit func(Result)) error {
	n := min(b.Data.Events, i3Events)
	c, err := openCDP(ctx, b.Dir, "i3.cdp")
	if err != nil {
		return err
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
		return err
	}
	took := time.Since(start)
	stop()
	r := Result{Bench: "i3", What: "64 callers, one event each", Events: n, CDPMs: ms(took), CDPPerS: perSecond(n, took)}
	if r.CommitUs, err = commitMicros(ctx, b.Dir); err != nil {
		return err
	}
	counts, err := countsOf(ctx, c)
	want := b.Data.counts(n)
	r.equal(slices.Equal(counts, want), "events by type, customers, events on customers: cdp %v, data set %v", counts, want)
	emit(r)
	return err
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
