package engine_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/engine"
	"github.com/embedcdp/cdp/internal/keyspace"
	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/memstore"
)

// A checkpoint that is written in slices while batches go on is as good as one in one piece, wherever the process ends; and
// what an unfinished one left is deleted by the next process.
func TestCheckpointsInSlices(t *testing.T) {
	engine.InSlices(t, 700)
	for seed := range uint64(6) {
		w := newWorld(t, seed)
		var st store.Store = memstore.New()
		e := open(t, st, w, 3000)
		setUp(t, e)
		unfinished := 0
		for i := range 200 {
			_, err := e.Submit(context.Background(), w.next())
			require.NoError(t, err)
			if i%13 != 12 {
				continue
			}
			killed := copied(t, st)
			if _, marker := checkpoints(t, killed); marker {
				unfinished++
			}
			again := open(t, killed, w, 1<<40)
			same(t, e, again, "seed %d, step %d", seed, i)
			require.NoError(t, again.Close())
			kept, marker := checkpoints(t, killed)
			require.False(t, marker)
			require.Empty(t, litter(t, killed, kept))
			if i%26 == 25 { // go on from there
				require.NoError(t, e.Close())
				st, e = killed, open(t, killed, w, 3000)
			}
		}
		require.NotZero(t, unfinished, "some copies must have been taken in the middle of a checkpoint")
		require.NoError(t, e.Close())
		kept, marker := checkpoints(t, st)
		require.Len(t, kept, 2)
		require.False(t, marker)
		require.Empty(t, litter(t, st, kept))
	}
}

// Two engines that both are in the middle of a checkpoint do not spoil each other's.
func TestCheckpointsInSlicesByTwo(t *testing.T) {
	engine.InSlices(t, 700)
	for seed := range uint64(4) {
		w := newWorld(t, seed)
		var st store.Store = memstore.New()
		a := open(t, st, w, 2500)
		setUp(t, a)
		for range 20 {
			_, err := a.Submit(context.Background(), w.next())
			require.NoError(t, err)
		}
		b := open(t, st, w, 2500) // perhaps while a is at it
		for i := range 60 {
			e := []*engine.Engine{a, b}[w.rand(2)]
			_, err := e.Submit(context.Background(), w.next())
			require.NoError(t, err)
			if i%10 == 9 {
				require.NoError(t, e.Tick(context.Background()))
				again := open(t, copied(t, st), w, 1<<40)
				same(t, e, again, "seed %d, step %d", seed, i)
				require.NoError(t, again.Close())
			}
		}
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
		again := open(t, st, w, 1<<40)
		require.NoError(t, again.Close())
	}
}

// copied is what a process that is killed now would leave.
func copied(t *testing.T, st store.Store) store.Store {
	t.Helper()
	to := memstore.New()
	require.NoError(t, st.View(context.Background(), func(r store.Reader) error {
		return to.Update(context.Background(), func(w store.Writer) error {
			for p, err := range r.Scan(nil, nil) {
				if err != nil {
					return err
				}
				if err := w.Put(slices.Clone(p.Key), slices.Clone(p.Value)); err != nil {
					return err
				}
			}
			return nil
		})
	}))
	return to
}

// checkpoints returns the sequences of the checkpoints in a store, and whether one is under way.
func checkpoints(t *testing.T, st store.Store) (sequences []uint64, marker bool) {
	t.Helper()
	keys := keysOf(t)
	from, to := keys.Checkpoints()
	require.NoError(t, st.View(context.Background(), func(r store.Reader) error {
		for p, err := range r.Scan(from, to) {
			require.NoError(t, err)
			n, err := keys.ParseCheckpoint(p.Key)
			require.NoError(t, err)
			if n == 0 {
				marker = true
			} else {
				sequences = append(sequences, n)
			}
		}
		return nil
	}))
	return sequences, marker
}

// litter returns the blocks that belong to no checkpoint of these.
func litter(t *testing.T, st store.Store, kept []uint64) (out []string) {
	t.Helper()
	eachBlock(t, st, func(_ store.Reader, table string, _ uint32, sequence uint64) {
		if sequence != 0 && !slices.Contains(kept, sequence) {
			out = append(out, table)
		}
	})
	return out
}

func eachBlock(t *testing.T, st store.Store, fn func(r store.Reader, table string, chunk uint32, sequence uint64)) {
	t.Helper()
	keys := keysOf(t)
	from, to := keys.Blocks()
	require.NoError(t, st.View(context.Background(), func(r store.Reader) error {
		for p, err := range r.Scan(from, to) {
			require.NoError(t, err)
			table, k, sequence, err := keys.ParseBlock(p.Key)
			require.NoError(t, err)
			fn(r, table, k, sequence)
		}
		return nil
	}))
}

// keysOf are the keys of the portal that the tests of this package use.
func keysOf(t *testing.T) keyspace.Portal {
	t.Helper()
	keys, err := keyspace.For("p")
	require.NoError(t, err)
	return keys
}

// Two engines write to one store at random, each with checkpoints due all the time and events that are dropped; one closes
// and opens again now and then. A copy of the store can be opened at any moment, and comes to the same state.
func TestTwoEnginesKeepOneAccount(t *testing.T) {
	for seed := range uint64(2) {
		if seed%2 == 1 {
			engine.InSlices(t, 900)
		}
		w := newWorld(t, seed)
		st := memstore.New()
		engines := []*engine.Engine{small(t, st, w, 150_000), small(t, st, w, 100_000)}
		defineShortLived(t, engines[0])
		n := 0
		for i := range 40 {
			k := w.rand(2)
			e := engines[k]
			w.now = w.now.Add(8 * time.Hour)
			track(t, e, w, n, n+2500)
			n += 2500
			switch {
			case i%9 == 8:
				again := mustOpen(t, copied(t, st), engine.Options{Portal: "p", Now: w.clock, CheckpointBytes: 1 << 40})
				same(t, e, again, "seed %d, step %d", seed, i)
				require.NoError(t, again.Close())
			case i%13 == 12:
				require.NoError(t, e.Close())
				engines[k] = small(t, st, w, 120_000)
			}
		}
		for _, e := range engines {
			require.NoError(t, e.Close())
		}
		again := small(t, st, w, 1<<40)
		track(t, again, w, n, n+2500)
		require.NoError(t, again.Close())
		kept, marker := checkpoints(t, st)
		require.Len(t, kept, 2)
		require.False(t, marker)
		require.Empty(t, litter(t, st, kept))
	}
}
