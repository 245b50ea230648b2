package engine_test

// Tests that memory is bounded: chunks that are in the store are dropped and read again, and nobody sees a difference.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/engine"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/faultstore"
	"github.com/embedcdp/cdp/store/memstore"
)

const fewEvents = 3*column.ChunkRows + 500

// small opens an engine that seals often and keeps nearly nothing.
func small(t *testing.T, st store.Store, w *world, cache int64) *engine.Engine {
	t.Helper()
	return mustOpen(t, st, engine.Options{Portal: "p", Now: w.clock, CheckpointBytes: 200_000, CacheBytes: cache})
}

// An engine that keeps next to nothing in memory comes to the state of one that keeps everything, also opened again.
func TestLittleMemoryChangesNothing(t *testing.T) {
	wa, wb := newWorld(t, 3), newWorld(t, 3)
	st := memstore.New()
	a, b := small(t, memstore.New(), wa, -1), small(t, st, wb, 30_000)
	for _, x := range []struct {
		e *engine.Engine
		w *world
	}{{a, wa}, {b, wb}} {
		setUp(t, x.e)
		definePurchase(t, x.e)
		track(t, x.e, x.w, 0, fewEvents)
		for range 60 {
			_, err := x.e.Submit(context.Background(), x.w.next())
			require.NoError(t, err)
		}
	}
	same(t, a, b, "while it runs")
	require.NoError(t, b.Close())
	b = small(t, st, wb, 30_000)
	same(t, a, b, "opened again")
	v, err := b.Submit(context.Background(), purchaseAgain(5))
	require.NoError(t, err)
	require.Equal(t, fold.Duplicate, v[0].Code, "the id is compared with one that is in the store only")
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

// purchaseAgain is event n of track once more.
func purchaseAgain(n int) []byte {
	var enc record.Encoder
	enc.Begin(record.Head{Kind: record.KindEvent, Name: "purchase", ID: fmt.Sprintf("%016x", uint64(n)*0x9e3779b97f4a7c15)})
	enc.Idents(1)
	enc.Ident("user_id", "u1")
	enc.Attrs(0)
	enc.End(nil)
	return enc.Submission(nil)
}

// Readers read chunks again while the committer writes.
func TestReadersWithLittleMemory(t *testing.T) {
	w := newWorld(t, 3)
	e := small(t, memstore.New(), w, 30_000)
	definePurchase(t, e)
	track(t, e, w, 0, 2*column.ChunkRows)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for reader := range 2 {
		readers.Go(func() {
			for n := reader; ; n += 7919 {
				select {
				case <-stop:
					return
				default:
				}
				err := e.View(func(s *fold.State) {
					table, _ := s.EventTable("purchase")
					i := n % table.Table.Len()
					if id := string(table.Table.Column("$id").Bytes(uint32(i))); id != fmt.Sprintf("%016x", uint64(i)*0x9e3779b97f4a7c15) {
						t.Errorf("event %d has id %q", i, id)
					}
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	track(t, e, w, 2*column.ChunkRows, 3*column.ChunkRows)
	close(stop)
	readers.Wait()
	require.NoError(t, e.Close())
}

// A chunk that is damaged in the store makes the question that needs it fail, and no other; the fold closes the engine
// when it needs it.
func TestDamagedChunkIsAnError(t *testing.T) {
	w := newWorld(t, 3)
	st := memstore.New()
	e := small(t, st, w, 30_000)
	definePurchase(t, e)
	track(t, e, w, 0, fewEvents)
	require.NoError(t, e.Close())
	e = small(t, st, w, 30_000)
	require.NoError(t, e.View(func(s *fold.State) { require.NoError(t, s.Ready()) })) // the ids seen are read from the chunk too
	damageChunk(t, st)
	ask := func(name string) error {
		return e.View(func(s *fold.State) {
			table, _ := s.EventTable("purchase")
			table.Table.Column(name).Present(5)
		})
	}
	err := ask("amount")
	require.ErrorIs(t, err, engine.ErrDamaged)
	require.ErrorContains(t, err, `portal "p"`)
	require.ErrorContains(t, err, "table events/purchase chunk 0 column amount cannot be read")
	require.ErrorContains(t, err, "restore a backup")
	require.NoError(t, e.View(func(s *fold.State) { require.Equal(t, fewEvents, s.EventCount("purchase")) }), "what needs no damaged chunk")
	_, err = e.Submit(context.Background(), purchaseAgain(5))
	require.ErrorIs(t, err, engine.ErrDamaged)
	require.ErrorContains(t, err, "table events/purchase chunk 0 column $") // of its number and its id, what is not in memory
	require.ErrorContains(t, err, "cannot be read")
	_, err = e.Submit(context.Background(), purchaseAgain(6))
	require.ErrorIs(t, err, engine.ErrClosed)
	require.ErrorIs(t, err, engine.ErrDamaged)
	require.NoError(t, e.Close())
}

// damageChunk flips a bit in the directory of the first sealed chunk of the purchases.
func damageChunk(t *testing.T, st store.Store) {
	t.Helper()
	require.NoError(t, st.Update(context.Background(), func(wr store.Writer) error {
		for p, err := range wr.Scan(nil, nil) {
			if err != nil {
				return err
			}
			if len(p.Value) > 100_000 && p.Value[0] == 3 {
				b := append([]byte(nil), p.Value...)
				b[40] ^= 1
				return wr.Put(append([]byte(nil), p.Key...), b)
			}
		}
		return errors.New("no chunk found")
	}))
}

// A store that cannot be read for a moment costs the question that needed it, not the engine.
func TestUnreadableForAMoment(t *testing.T) {
	w := newWorld(t, 3)
	st := faultstore.Wrap(memstore.New())
	e := small(t, st, w, 30_000)
	definePurchase(t, e)
	track(t, e, w, 0, fewEvents)
	ask := func() error {
		return e.View(func(s *fold.State) {
			table, _ := s.EventTable("purchase")
			for k := range table.Table.Chunks() {
				table.Table.Column("$id").Bytes(uint32(k * column.ChunkRows))
			}
		})
	}
	require.NoError(t, ask())
	st.Fail(faultstore.Get, 1, errors.New("input/output error"))
	err := ask()
	require.ErrorContains(t, err, "input/output error")
	require.NotErrorIs(t, err, engine.ErrDamaged)
	require.NoError(t, ask())
	require.NoError(t, e.Close())
}

// A View that is overtaken by Close while it waits for the lock says so once, and names no portal.
func TestClosedMeanwhile(t *testing.T) {
	e, err := engine.Open(context.Background(), memstore.New(), engine.Options{Portal: "p", Now: time.Now})
	require.NoError(t, err)
	defer e.Close()
	require.EqualError(t, e.Unreadable(engine.ErrClosed), "cdp: the client is closed")
	require.EqualError(t, e.Unreadable(errors.New("disk")), `portal "p": disk`)
}
