package engine_test

import (
	"bytes"
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
		for _, d := range [][]byte{
			define("event", "segment_entered", obj{"name": "segment_entered", "retention": "7d"}),
			define("event", "segment_left", obj{"name": "segment_left", "retention": "7d"}),
			define("segment", "lately", obj{"name": "lately", "where": `events.purchase.filter(e, e.amount < 20.0).within("1d").size() >= 1`}),
			define("event", "journey_entered", obj{"name": "journey_entered", "retention": "7d"}),
			define("event", "journey_finished", obj{"name": "journey_finished", "retention": "8d"}),
			define("journey", "each", obj{"name": "each", "entry": obj{"event": "purchase", "where": "event.amount < 60", "key": "category"},
				"nodes": []obj{{"id": "wait", "type": "delay", "for": "1d", "next": "end"}, {"id": "end", "type": "exit"}}}),
		} {
			v, err := e.Submit(context.Background(), d)
			require.NoError(t, err)
			require.Equal(t, fold.Accepted, v[0].Code, v[0].Reason)
		}
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

// An engine that is behind another one on its store reads chunks that the other has emptied meanwhile: that is an error, and
// absent cells are never taken for what was there. Once it has caught up it says what the other one says.
func TestAnotherEngineDropsWhatIsRead(t *testing.T) {
	w := newWorld(t, 3)
	st := memstore.New()
	a := small(t, st, w, -1)
	defineShortLived(t, a)
	track(t, a, w, 0, 2*column.ChunkRows+1000)
	require.NoError(t, a.Close())
	a, b := small(t, st, w, -1), small(t, st, w, 1)
	category := func(i uint32) (out string, err error) {
		err = b.View(func(s *fold.State) { out = s.EventAt("purchase", i).Attr("category").Str })
		return out, err
	}
	began, err := category(5)
	require.NoError(t, err)
	require.NotEmpty(t, began)

	w.now = w.now.Add(8 * 24 * time.Hour)
	track(t, a, w, 20_000, 60_000)
	require.Equal(t, 2*column.ChunkRows+1000, purchases(t, b), "it does not know of any of this")
	for i := range uint32(2) {
		_, err = category(i * column.ChunkRows)
		require.ErrorIs(t, err, column.ErrDropped)
		require.NotErrorIs(t, err, engine.ErrDamaged)
	}
	kept, err := category(2*column.ChunkRows + 5)
	require.NoError(t, err)
	require.NotEmpty(t, kept)
	require.NoError(t, b.Tick(context.Background()))
	again := mustOpen(t, copied(t, st), engine.Options{Portal: "p", Now: w.clock, CheckpointBytes: 1 << 40})
	same(t, b, again, "caught up")
	require.NoError(t, again.Close())
	require.NoError(t, b.Close())
	require.NoError(t, a.Close())
}

// An engine that was idle drops events before it knows that their chunks are in the store. It leaves them as they are: another
// one's checkpoint may be from before the drop.
func TestChunksThatOthersWroteStay(t *testing.T) {
	w := newWorld(t, 3)
	st := memstore.New()
	a := mustOpen(t, st, engine.Options{Portal: "p", Now: w.clock, CheckpointBytes: 1_500_000})
	idle := mustOpen(t, st, engine.Options{Portal: "p", Now: w.clock, CheckpointBytes: 1 << 40})
	defineShortLived(t, a)
	require.NoError(t, idle.Tick(context.Background())) // it knows that it is not alone
	track(t, a, w, 0, 3*column.ChunkRows+1000)
	kept, _ := checkpoints(t, st)
	require.Len(t, kept, 1)
	stored := func() (out [][]byte) {
		keys, err := keyspace.For("p")
		require.NoError(t, err)
		require.NoError(t, st.View(context.Background(), func(r store.Reader) error {
			for k := range uint32(3) {
				b, err := r.Get(keys.Block("events/purchase", k, 0))
				require.NoError(t, err)
				out = append(out, bytes.Clone(b))
			}
			return nil
		}))
		return out
	}
	full := stored()
	w.now = w.now.Add(8 * 24 * time.Hour)
	track(t, idle, w, 30_000, 35_000)
	require.Equal(t, 6000, purchases(t, idle))
	require.Equal(t, full, stored())
	again := mustOpen(t, copied(t, st), engine.Options{Portal: "p", Now: w.clock, CheckpointBytes: 1 << 40})
	same(t, idle, again, "from a checkpoint before the drop")
	require.NoError(t, again.Close())
	require.NoError(t, idle.Close())
	require.NoError(t, a.Close())
}

// pausing is a store of which a view that was prepared for runs something when it has ended.
type pausing struct {
	store.Store
	after func()
}

func (p *pausing) View(ctx context.Context, fn func(store.Reader) error) error {
	err := p.Store.View(ctx, fn)
	if after := p.after; after != nil {
		p.after = nil
		after()
	}
	return err
}

// An engine has read the log that it is behind, when another one empties the chunks that folding it needs: it loads its state
// anew.
func TestChunksEmptiedWhileCatchingUp(t *testing.T) {
	w := newWorld(t, 3)
	inner := memstore.New()
	a := small(t, inner, w, -1)
	defineShortLived(t, a)
	track(t, a, w, 0, 2*column.ChunkRows+1000)
	require.NoError(t, a.Close())
	st := &pausing{Store: inner}
	a, b := small(t, inner, w, -1), small(t, st, w, 1)
	track(t, a, w, 20_000, 20_001)
	require.NoError(t, b.Tick(context.Background())) // it knows that it is not alone
	track(t, a, w, 20_001, 20_002)
	require.NoError(t, b.Tick(context.Background()))

	w.now = w.now.Add(8 * 24 * time.Hour)
	track(t, a, w, 20_002, 20_003)
	require.Equal(t, 1003, purchases(t, a))
	views := 0
	st.after = func() { // the log's end is looked at
		st.after = func() { // the log is read
			views++
			track(t, a, w, 20_003, 60_000)
		}
	}
	require.NoError(t, b.Tick(context.Background()))
	require.Equal(t, 1, views)
	require.NoError(t, b.Tick(context.Background()))
	again := mustOpen(t, copied(t, st), engine.Options{Portal: "p", Now: w.clock, CheckpointBytes: 1 << 40})
	same(t, b, again, "caught up")
	require.NoError(t, again.Close())
	require.NoError(t, b.Close())
	require.NoError(t, a.Close())
}
