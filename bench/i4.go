package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/embedcdp/cdp"
)

// i4: history by Import, all events of the data set, 10,000 a call from one caller; beside DuckDB's appender, which keeps
// no event from coming twice, has no index and knows no profiles. They take chunks in turns. Making the events is outside
// the time; the appender's last flush is in it.

func i4(ctx context.Context, b *Bench, emit func(Result)) error {
	d := b.Data
	c, err := openCDP(ctx, b.Dir, "i4.cdp")
	if err != nil {
		return err
	}
	defer os.Remove(filepath.Join(b.Dir, "i4.cdp"))
	defer c.Close()
	duck, err := openDuckDB(ctx, b.Dir, "i4.duckdb")
	if err != nil {
		return err
	}
	defer os.Remove(filepath.Join(b.Dir, "i4.duckdb"))
	defer duck.Close()
	if err := duck.create(ctx); err != nil {
		return err
	}
	var own, peer clock
	err = duck.append(ctx, "events", func(a *duckdb.Appender) error {
		for from := 0; from < d.Events; from += chunk {
			events := slices.Concat(d.batches(from, min(from+chunk, d.Events))...)
			if err := own.run(func() error { return inBatches(ctx, slices.Values(events), c.Import) }); err != nil {
				return err
			}
			if err := peer.run(func() error { return appendEvents(a, events, d.Customer[from:]) }); err != nil {
				return err
			}
		}
		return peer.run(a.Flush)
	})
	if err != nil {
		return err
	}
	r := Result{Bench: "i4", What: "Import of history", Events: d.Events, CDPMs: ms(own.total), CDPPerS: perSecond(d.Events, own.total),
		Peer: "duckdb " + duck.version + " appender", PeerEvents: d.Events, PeerMs: ms(peer.total), PeerPerS: perSecond(d.Events, peer.total),
		Ratio: float64(peer.total) / float64(own.total)}
	counts, err := countsOf(ctx, c)
	if err != nil {
		return err
	}
	peerCounts, err := duck.Counts(ctx, `SELECT count(*) FILTER (name = 'view'), count(*) FILTER (name = 'add_to_cart'), count(*) FILTER (name = 'purchase'),
		count(DISTINCT customer), count(*) FROM events`)
	r.equalAnswers("events by type, customers, events: cdp", counts, "duckdb", peerCounts)
	emit(r)
	return err
}

func appendEvents(a *duckdb.Appender, events []cdp.Event, customer []uint32) error {
	for i := range events {
		e := &events[i]
		if err := a.AppendRow(e.ID, int32(customer[i]), e.Name, e.Time, e.Attributes["category"], e.Attributes["sku"], e.Attributes["amount"]); err != nil {
			return err
		}
	}
	return nil
}
