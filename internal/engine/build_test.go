package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/engine"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/faultstore"
	"github.com/embedcdp/cdp/store/memstore"
)

// building is a world whose clock may be read while it moves, as the builder does.
type building struct {
	*world
	micros atomic.Int64
}

func newBuilding(t *testing.T) *building {
	b := &building{world: newWorld(t, 5)}
	b.micros.Store(b.world.now.UnixMicro())
	return b
}

func (b *building) next() []byte {
	sub := b.world.next()
	b.micros.Store(b.world.now.UnixMicro())
	return sub
}

func (b *building) open(st store.Store) *engine.Engine {
	b.t.Helper()
	e, err := engine.Open(context.Background(), st, engine.Options{Portal: "main", CheckpointBytes: 1 << 40,
		Now: func() time.Time { return time.UnixMicro(b.micros.Load()) }})
	require.NoError(b.t, err)
	return e
}

// save begins to build a segment with the condition of "buyers", which was filled at once.
func (b *building) save(e *engine.Engine, name string) {
	b.t.Helper()
	var enc record.Encoder
	enc.Begin(record.Head{Kind: record.KindDefine, Flags: record.FlagBuild, Name: fold.DefSegment, ID: name})
	enc.Idents(0)
	enc.Attrs(0)
	enc.End([]byte(`{"name":"` + name + `","where":"events.buy.within(\"3d\").size() >= 2"}`))
	v, err := e.Submit(context.Background(), enc.Submission(nil))
	require.NoError(b.t, err)
	require.Equal(b.t, fold.Accepted, v[0].Code, v[0].Reason)
}

// right compares a segment with "buyers".
func (b *building) right(e *engine.Engine, name string) {
	b.t.Helper()
	require.NoError(b.t, e.View(func(s *fold.State) {
		want, _ := s.Members("buyers")
		got, _ := s.Members(name)
		require.NotEmpty(b.t, want.ToArray())
		require.Equal(b.t, want.ToArray(), got.ToArray(), name)
	}))
}

func (b *building) intake(e *engine.Engine, n int) {
	b.t.Helper()
	for range n {
		_, err := e.Submit(context.Background(), b.next())
		require.NoError(b.t, err)
	}
}

// What was on its way when the process died is built by whoever opens the store next, and a process that had the build in
// memory comes to the same state.
func TestBuildGoesOnAfterACrash(t *testing.T) {
	inner, b := memstore.New(), newBuilding(t)
	st := faultstore.Wrap(inner)
	e := b.open(st)
	setUp(t, e)
	b.intake(e, 40)
	st.Fail(faultstore.Put, 3, errors.New("no space left on device")) // two are the definition's
	b.save(e, "x")
	require.ErrorContains(t, e.Built(t.Context(), "x"), "no space left")

	again := b.open(inner)
	require.NoError(t, again.Built(t.Context(), "x"))
	b.right(again, "x")
	b.intake(again, 10)
	b.right(again, "x")

	b.intake(e, 1) // it lost the race, and folds what the other wrote
	require.NoError(t, e.Built(t.Context(), "x"))
	b.right(e, "x")
	b.intake(again, 1)
	for _, e := range []*engine.Engine{e, again} {
		b.replayed(e, inner)
	}
	require.NoError(t, e.Close())
	require.NoError(t, again.Close())
}

// replayed compares an engine, brought up to the log's end, with one that folds all of the log.
func (b *building) replayed(e *engine.Engine, st store.Store) {
	b.t.Helper()
	b.intake(e, 1)
	again := b.open(st)
	same(b.t, e, again, "the log folded again")
	require.NoError(b.t, again.Close())
}

// A full disk puts a build off: the next batch that succeeds tries again.
func TestBuildAfterAFullDisk(t *testing.T) {
	b := newBuilding(t)
	st := faultstore.Wrap(memstore.New())
	e := b.open(st)
	setUp(t, e)
	b.intake(e, 40)
	st.Fail(faultstore.Put, 3, errors.New("no space left on device"))
	b.save(e, "x")
	require.ErrorContains(t, e.Built(t.Context(), "x"), "no space left")
	b.intake(e, 1)
	require.NoError(t, e.Built(t.Context(), "x"))
	b.right(e, "x")
	require.NoError(t, e.Close())
}

// Several are saved at once while events come in, in two processes that share a store; nothing depends on who builds.
func TestBuildsBesideIntake(t *testing.T) {
	st, b := memstore.New(), newBuilding(t)
	e, other := b.open(st), b.open(st)
	setUp(t, e)
	b.intake(e, 40)
	var savers sync.WaitGroup
	for i, e := range []*engine.Engine{e, other, e, other} {
		savers.Go(func() {
			for k := range 3 {
				name := fmt.Sprintf("x%d_%d", i, k)
				b.save(e, name)
				if err := e.Built(context.Background(), name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	b.intake(e, 60)
	savers.Wait()
	require.NoError(t, e.Tick(t.Context()))
	for i := range 4 {
		for k := range 3 {
			b.right(e, fmt.Sprintf("x%d_%d", i, k))
		}
	}
	for _, e := range []*engine.Engine{e, other} {
		b.replayed(e, st)
	}
	for _, e := range []*engine.Engine{e, other} {
		require.NoError(t, e.Close())
	}
}

// Close does not wait for a build, and the next Open finishes it.
func TestCloseWhileBuilding(t *testing.T) {
	for range 20 {
		st, b := memstore.New(), newBuilding(t)
		e := b.open(st)
		setUp(t, e)
		b.intake(e, 40)
		b.save(e, "x")
		require.NoError(t, e.Close())
		e = b.open(st)
		require.NoError(t, e.Built(t.Context(), "x"))
		b.right(e, "x")
		require.NoError(t, e.Close())
	}
}
