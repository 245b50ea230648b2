package engine_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/engine"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/keyspace"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/memstore"
)

func visit(id string) []byte {
	var e record.Encoder
	e.Begin(record.Head{Kind: record.KindEvent, Name: "visit", ID: id})
	e.Idents(1)
	e.Ident("user_id", "ana")
	e.Attrs(0)
	e.End(nil)
	return e.Submission(nil)
}

// Damage that only the gathering of the ids seen finds, after Open: questions are answered, the next event closes the client
// and says why. The next Open does not use that checkpoint.
func TestDamagedIDsCloseTheClient(t *testing.T) {
	ctx := context.Background()
	st, w := memstore.New(), newWorld(t, 1)
	e := open(t, st, w, 1<<40)
	for _, s := range [][]byte{define("event", "visit", obj{"name": "visit"}), visit("1"), visit("2")} {
		v, err := e.Submit(ctx, s)
		require.NoError(t, err)
		require.Equal(t, fold.Accepted, v[0].Code, v[0].Reason)
	}
	require.NoError(t, e.Close())

	bad := column.New("events/visit") // both events have the same place in the order of everything
	for _, name := range []string{"$t", "$q", "$a"} {
		bad.Add(name, column.Int64)
	}
	bad.Add("$row", column.Uint32)
	bad.Add("$source", column.Dict)
	bad.Add("$id", column.Bytes)
	for range 2 {
		i := bad.Append()
		for _, name := range []string{"$t", "$q", "$a"} {
			bad.Column(name).SetInt(i, 5)
		}
		bad.Column("$id").SetBytes(i, []byte("1"))
	}
	keys, err := keyspace.For("p")
	require.NoError(t, err)
	require.NoError(t, st.Update(ctx, func(w store.Writer) error {
		_, err := w.Get(keys.Block("events/visit", 0, 1))
		require.NoError(t, err, "the checkpoint's chunk")
		return w.Put(keys.Block("events/visit", 0, 1), bad.EncodeChunk(nil, 0))
	}))

	e = open(t, st, w, 1<<40)
	require.NoError(t, e.View(func(s *fold.State) { require.Equal(t, 2, s.EventCount("visit")) }))
	_, err = e.Submit(ctx, visit("3"))
	require.ErrorIs(t, err, engine.ErrDamaged)
	require.ErrorContains(t, err, `table "events/visit", row 1`)
	<-e.Done()
	require.ErrorIs(t, e.Err(), engine.ErrClosed)
	require.ErrorIs(t, e.Err(), engine.ErrDamaged)

	// What was submitted is in the log, and the log needs the ids at once: the checkpoint is not used again.
	e = open(t, st, w, 1<<40)
	v, err := e.Submit(ctx, visit("3"))
	require.NoError(t, err)
	require.Equal(t, fold.Duplicate, v[0].Code)
	require.NoError(t, e.View(func(s *fold.State) { require.Equal(t, 3, s.EventCount("visit")) }))
	require.NoError(t, e.Close())
}
