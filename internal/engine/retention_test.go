package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/engine"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/keyspace"
	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/faultstore"
	"github.com/embedcdp/cdp/store/memstore"
)

func defineShortLived(t *testing.T, e *engine.Engine) {
	t.Helper()
	for _, d := range [][]byte{
		define("event", "purchase", obj{"name": "purchase", "retention": "7d", "attributes": obj{"category": obj{"type": "string"}, "sku": obj{"type": "string"}, "amount": obj{"type": "number"}}}),
		define("segment", "ever", obj{"name": "ever", "where": `events.purchase.size() >= 2`}),
		define("segment", "spent", obj{"name": "spent", "where": `events.purchase.sum(e, e.amount) > 100`}),
	} {
		v, err := e.Submit(context.Background(), d)
		require.NoError(t, err)
		require.Equal(t, fold.Accepted, v[0].Code, v[0].Reason)
	}
}

func purchases(t *testing.T, e *engine.Engine) (n int) {
	t.Helper()
	require.NoError(t, e.View(func(s *fold.State) { n = s.EventCount("purchase") }))
	return n
}

// Engines that saw the same come to the same state while events are dropped: one without mishaps, one whose disk fails again and
// again, so that it loads its checkpoint and folds the rest of the log anew, one that has little memory and is opened again,
// and one that folds all of the log.
func TestDroppingIsTheSameEveryTime(t *testing.T) {
	var worlds []*world
	for range 4 {
		worlds = append(worlds, newWorld(t, 3))
	}
	failing, plain, log := faultstore.Wrap(memstore.New()), memstore.New(), memstore.New()
	even := small(t, memstore.New(), worlds[0], -1)
	unlucky := small(t, failing, worlds[1], 2_000_000)
	reopened := small(t, plain, worlds[2], 500_000)
	writer := mustOpen(t, log, engine.Options{Portal: "p", Now: worlds[3].clock, CheckpointBytes: 1 << 40})
	engines := []*engine.Engine{even, unlucky, reopened, writer}
	for _, e := range engines {
		defineShortLived(t, e)
	}
	failures := 0
	for n := range 16 {
		if n%5 == 4 {
			require.NoError(t, engines[2].Close())
			engines[2] = small(t, plain, worlds[2], 500_000)
		}
		for i, e := range engines {
			from := n * 4000
			if i == 1 {
				failing.Fail(faultstore.Put, 1, errors.New("no space left on device"))
				_, err := e.Submit(context.Background(), purchaseAgain(from))
				require.ErrorContains(t, err, "no space left")
				failures++
			}
			track(t, e, worlds[i], from, from+4000)
			worlds[i].now = worlds[i].now.Add(20 * time.Hour)
		}
		if n%4 == 3 {
			same(t, engines[0], engines[1], "step %d: where writes fail", n)
			same(t, engines[0], engines[2], "step %d: with little memory, opened again", n)
		}
	}
	require.Less(t, purchases(t, engines[0]), 16*4000-2*column.ChunkRows)
	again := mustOpen(t, log, engine.Options{Portal: "p", Now: worlds[3].clock, CheckpointBytes: 1 << 40})
	same(t, engines[0], again, "all of the log folded anew")
	require.Equal(t, 16, failures)
	for _, e := range append(engines[:3], again) {
		require.NoError(t, e.Close())
	}
}

// A question that began before events were dropped reads their chunks as long as the store has them, and then gets an error
// that says what happened. The store has what the chunks leave behind.
func TestDroppedUnderAQuestion(t *testing.T) {
	w := newWorld(t, 3)
	st := memstore.New()
	e := small(t, st, w, 30_000)
	defineShortLived(t, e)
	track(t, e, w, 0, 2*column.ChunkRows+1000)
	require.NoError(t, e.Close())
	e = small(t, st, w, 30_000)
	var frozen *fold.State
	require.NoError(t, e.View(func(s *fold.State) { frozen = s.Freeze(celenv.Deps{Events: []string{"purchase"}}, false) }))
	ask := func(column string, i uint32) error {
		return e.Compute(func() {
			table, ok := frozen.EventTable("purchase")
			require.True(t, ok)
			c := table.Table.Column(column)
			scan := c.Cursor()
			scan.Int(i) // reads all of the chunk, and holds it
			require.True(t, c.Present(i))
		})
	}
	keys, err := keyspace.For("p")
	require.NoError(t, err)
	stored := func(k uint32) (n int) {
		require.NoError(t, st.View(context.Background(), func(r store.Reader) error {
			b, err := r.Get(keys.Block("events/purchase", k, 0))
			n = len(b)
			return err
		}))
		return n
	}
	full := stored(0)
	require.NoError(t, ask("$id", 0))
	w.now = w.now.Add(8 * 24 * time.Hour)
	track(t, e, w, 20_000, 20_001)
	require.Equal(t, 1001, purchases(t, e))
	require.NoError(t, ask("$t", 1))
	require.Equal(t, full, stored(0))
	track(t, e, w, 20_001, 50_000)
	require.Less(t, stored(0), full/4, "the texts that it was the first to have")
	require.Less(t, stored(1), full/10)
	err = ask("category", 2)
	require.ErrorIs(t, err, column.ErrDropped)
	require.NotErrorIs(t, err, engine.ErrDamaged)
	require.ErrorContains(t, err, "table events/purchase chunk 0 column category cannot be read: its rows were dropped by the retention of events while a question was at work; ask again")
	require.NoError(t, ask("category", 2*column.ChunkRows+5), "what is kept can be read")
	require.NoError(t, e.Close())
}
