package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/engine"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/keyspace"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/value"
	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/faultstore"
	"github.com/embedcdp/cdp/store/memstore"
)

// world submits a deterministic stream of submissions: events, identities, objects, definitions and time.
type world struct {
	t     *testing.T
	now   time.Time
	seed  uint64
	count int
}

func (w *world) clock() time.Time { return w.now }

func (w *world) rand(n int) int {
	w.seed += 0x9e3779b97f4a7c15
	z := w.seed
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return int((z ^ (z >> 31)) % uint64(n))
}

func define(kind, name string, def any) []byte {
	body, err := json.Marshal(def)
	if err != nil {
		panic(err)
	}
	var e record.Encoder
	e.Begin(record.Head{Kind: record.KindDefine, Name: kind, ID: name})
	e.Idents(0)
	e.Attrs(0)
	e.End(body)
	return e.Submission(nil)
}

type obj = map[string]any

// definitions are what every world begins with.
func definitions() [][]byte {
	return [][]byte{
		define("object", "product", obj{"name": "product", "attributes": obj{"brand": obj{"type": "string"}}}),
		define("event", "buy", obj{"name": "buy", "attributes": obj{"amount": obj{"type": "number"}, "product": obj{"type": "string", "ref": "product"}, "category": obj{"type": "string"}}}),
		define("event", "view", obj{"name": "view", "policy": "learn"}),
		define("profile", "", obj{"attributes": obj{"age": obj{"type": "number"}, "city": obj{"type": "string"}}}),
		define("segment", "buyers", obj{"name": "buyers", "where": `events.buy.within("3d").size() >= 2`}),
		define("segment", "old_buyers", obj{"name": "old_buyers", "where": `customer.age > 40 && inSegment("buyers")`}),
		define("segment", "brandy", obj{"name": "brandy", "where": `events.buy.exists(e, e.product.brand == "b1")`}),
		define("segment", "quiet", obj{"name": "quiet", "of": "visitors", "where": `events.view.within("1d").size() == 0`}),
		define("template", "hi", obj{"name": "hi", "text": "hi {{ customer.city | \"there\" }}"}),
		define("journey", "welcome", obj{"name": "welcome", "entry": obj{"event": "buy"}, "nodes": []obj{
			{"id": "wait", "type": "delay", "for": "2h", "next": "send"},
			{"id": "send", "type": "send", "channel": "inbox", "template": "hi", "next": "end"}, {"id": "end", "type": "exit"}}}),
	}
}

func setUp(t *testing.T, e *engine.Engine) {
	t.Helper()
	for _, d := range definitions() {
		v, err := e.Submit(context.Background(), d)
		require.NoError(t, err)
		require.Equal(t, fold.Accepted, v[0].Code, v[0].Reason)
	}
}

// next makes one submission of a few records.
func (w *world) next() []byte {
	w.now = w.now.Add(time.Duration(w.rand(4000)) * time.Second)
	var e record.Encoder
	for range 1 + w.rand(20) {
		w.count++
		user, anon := fmt.Sprintf("u%d", w.rand(40)), fmt.Sprintf("a%d", w.rand(80))
		flags := byte(0)
		if w.rand(10) == 0 {
			flags = record.FlagImport
		}
		at := w.now.Add(-time.Duration(w.rand(2)*w.rand(300000)) * time.Second).UnixMicro()
		switch k := w.rand(20); {
		case k < 8:
			e.Begin(record.Head{Kind: record.KindEvent, Flags: flags, Name: "buy", Source: "web", Time: at, ID: fmt.Sprintf("e%d", w.rand(w.count*2))})
			e.Idents(1)
			e.Ident("user_id", user)
			e.Attrs(3)
			e.Attr("amount", value.Num(float64(w.rand(100))))
			e.Attr("product", value.Str(fmt.Sprintf("p%d", w.rand(6))))
			e.Attr("category", value.Str(fmt.Sprintf("c%d", w.rand(3))))
		case k < 14:
			e.Begin(record.Head{Kind: record.KindEvent, Flags: flags, Name: "view", Time: at, ID: fmt.Sprintf("v%d", w.count)})
			e.Idents(1)
			e.Ident("anonymous_id", anon)
			e.Attrs(1)
			e.Attr(fmt.Sprintf("learned_%d", w.rand(8)), value.Num(1))
		case k < 16:
			e.Begin(record.Head{Kind: record.KindIdentify, Time: at})
			e.Idents(2)
			e.Ident("user_id", user)
			e.Ident("anonymous_id", anon)
			e.Attrs(1)
			e.Attr("age", value.Num(float64(20+w.rand(50))))
		case k < 17:
			e.Begin(record.Head{Kind: record.KindIdentify, Time: at})
			e.Idents(1)
			e.Ident("anonymous_id", anon)
			e.Attrs(1)
			e.Attr("city", value.Str(fmt.Sprintf("city%d", w.rand(5))))
		case k < 18:
			e.Begin(record.Head{Kind: record.KindObject, Name: "product", Time: at, ID: fmt.Sprintf("p%d", w.rand(6))})
			e.Idents(0)
			e.Attrs(1)
			e.Attr("brand", value.Str(fmt.Sprintf("b%d", w.rand(3))))
		case k < 19:
			e.Begin(record.Head{Kind: record.KindEvent, Name: "nonsense", ID: fmt.Sprintf("n%d", w.count)})
			e.Idents(1)
			e.Ident("user_id", user)
			e.Attrs(0)
		default:
			e.Begin(record.Head{Kind: record.KindReplay})
			e.Idents(0)
			e.Attrs(0)
		}
		e.End(nil)
	}
	return e.Submission(nil)
}

func open(t *testing.T, st store.Store, w *world, checkpoint int64) *engine.Engine {
	t.Helper()
	e, err := engine.Open(context.Background(), st, engine.Options{Portal: "p", Now: w.clock, CheckpointBytes: checkpoint})
	require.NoError(t, err)
	return e
}

func fingerprint(t *testing.T, e *engine.Engine) (f uint64) {
	t.Helper()
	require.NoError(t, e.View(func(s *fold.State) { f = s.Fingerprint() }))
	return f
}

// same fails the test unless two engines have the same state, and says where they differ.
func same(t *testing.T, a, b *engine.Engine, msg string, args ...any) {
	t.Helper()
	if fingerprint(t, a) == fingerprint(t, b) {
		return
	}
	var ma, mb string
	tables := map[string][]byte{}
	require.NoError(t, a.View(func(s *fold.State) {
		j, err := json.MarshalIndent(s.Manifest(), "", " ")
		require.NoError(t, err)
		ma = string(j)
		for _, x := range s.Tables() {
			for k := range x.Chunks() {
				tables[fmt.Sprint(x.Name(), k)] = x.EncodeChunk(nil, k)
			}
		}
	}))
	require.NoError(t, b.View(func(s *fold.State) {
		j, err := json.MarshalIndent(s.Manifest(), "", " ")
		require.NoError(t, err)
		mb = string(j)
		for _, x := range s.Tables() {
			for k := range x.Chunks() {
				require.Equal(t, tables[fmt.Sprint(x.Name(), k)], x.EncodeChunk(nil, k), x.Name())
			}
		}
	}))
	la, lb := strings.Split(ma, "\n"), strings.Split(mb, "\n")
	for i := range min(len(la), len(lb)) {
		require.Equal(t, la[i], lb[i], append([]any{msg}, args...)...)
	}
	t.Fatalf("what is derived from the tables differs: "+msg, args...)
}

func newWorld(t *testing.T, seed uint64) *world {
	return &world{t: t, seed: seed, now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
}

// A state that was checkpointed, closed and opened again and again equals one that folded the same log in one go.
func TestReopenedEqualsUninterrupted(t *testing.T) {
	for seed := range uint64(8) {
		steady, often := newWorld(t, seed), newWorld(t, seed)
		a := open(t, memstore.New(), steady, 1<<40)
		st := memstore.New()
		b := open(t, st, often, 3000)
		setUp(t, a)
		setUp(t, b)
		for i := range 150 {
			va, err := a.Submit(context.Background(), steady.next())
			require.NoError(t, err)
			vb, err := b.Submit(context.Background(), often.next())
			require.NoError(t, err)
			require.Equal(t, va, vb)
			if i%37 == 36 {
				require.NoError(t, b.Close())
				b = open(t, st, often, 3000)
				same(t, a, b, "seed %d, step %d", seed, i)
			}
		}
		require.Equal(t, fingerprint(t, a), fingerprint(t, b))
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
	}
}

// Two engines on one store append in turn; each folds what the other wrote, and both come to the same state.
func TestTwoEnginesOnOneStore(t *testing.T) {
	w := newWorld(t, 7)
	st := memstore.New()
	a, b := open(t, st, w, 1<<40), open(t, st, w, 1<<40)
	setUp(t, a)
	for range 50 {
		_, err := a.Submit(context.Background(), w.next())
		require.NoError(t, err)
		_, err = b.Submit(context.Background(), w.next())
		require.NoError(t, err)
	}
	_, err := a.Submit(context.Background(), w.next())
	require.NoError(t, err)
	require.NoError(t, b.Tick(context.Background()), "a read brings b up to what a wrote")
	c := open(t, st, w, 1<<40)
	require.Equal(t, fingerprint(t, b), fingerprint(t, c))
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
	require.NoError(t, c.Close())
}

// Many goroutines share commits: every event is accepted once, in far fewer batches than events.
func TestGroupCommit(t *testing.T) {
	w := newWorld(t, 3)
	e := open(t, memstore.New(), w, 1<<40)
	setUp(t, e)
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			for i := range 50 {
				var enc record.Encoder
				enc.Begin(record.Head{Kind: record.KindEvent, Name: "buy", ID: fmt.Sprintf("g%d.%d", g, i)})
				enc.Idents(1)
				enc.Ident("user_id", fmt.Sprintf("u%d", g))
				enc.Attrs(0)
				enc.End(nil)
				v, err := e.Submit(context.Background(), enc.Submission(nil))
				if err != nil || v[0].Code != fold.Accepted {
					t.Errorf("%v %v", v, err)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, e.View(func(s *fold.State) { require.Equal(t, 1600, s.EventCount("buy")) }))
	require.NoError(t, e.Close())
}

// A commit that did not happen changes nothing and closes nothing; one whose outcome is unknown closes the engine, and
// opening again shows what was kept.
func TestCommitFailures(t *testing.T) {
	w := newWorld(t, 11)
	inner := memstore.New()
	st := faultstore.Wrap(inner)
	e := open(t, st, w, 1<<40)
	setUp(t, e)
	event := func(id string) []byte {
		var enc record.Encoder
		enc.Begin(record.Head{Kind: record.KindEvent, Name: "buy", ID: id})
		enc.Idents(1)
		enc.Ident("user_id", "u1")
		enc.Attrs(0)
		enc.End(nil)
		return enc.Submission(nil)
	}
	before := fingerprint(t, e)
	st.Fail(faultstore.Put, 1, errors.New("no space left on device"))
	_, err := e.Submit(context.Background(), event("x1"))
	require.ErrorContains(t, err, "no space left")
	require.Equal(t, before, fingerprint(t, e))
	v, err := e.Submit(context.Background(), event("x1"))
	require.NoError(t, err)
	require.Equal(t, fold.Accepted, v[0].Code, "an event whose commit failed is no duplicate")

	st.FailCommit(1, faultstore.Torn)
	_, err = e.Submit(context.Background(), event("x2"))
	require.ErrorIs(t, err, engine.ErrOutcomeUnknown)
	_, err = e.Submit(context.Background(), event("x3"))
	require.ErrorIs(t, err, engine.ErrClosed)
	require.NoError(t, e.Close())

	again := open(t, inner, w, 1<<40)
	v, err = again.Submit(context.Background(), event("x2"))
	require.NoError(t, err)
	require.Equal(t, fold.Duplicate, v[0].Code, "the commit had been kept after all")
	require.NoError(t, again.Close())
}

// The fold works on a batch while the disk writes it. Nobody sees the batch before it is durable, and when the write fails
// nobody ever does: the state is loaded again, and everything goes on as if the batch had not been.
func TestFailedWriteIsNeverSeen(t *testing.T) {
	w := newWorld(t, 5)
	st := faultstore.Wrap(memstore.New())
	e := open(t, st, w, 4096) // checkpoints are written, so that loading again begins with one
	setUp(t, e)
	for i := range 300 {
		submission := w.next()
		if i%7 == 3 {
			before := fingerprint(t, e)
			seen := make(chan uint64, 1)
			st.Hook(func(op faultstore.Op, _ []byte) {
				if op != faultstore.Put {
					return
				}
				st.Hook(nil)
				go func() { // waits until the write has failed and the state is what it was
					position := uint64(0)
					_ = e.View(func(s *fold.State) { position = s.Position })
					seen <- position
				}()
			})
			st.Fail(faultstore.Put, 1, errors.New("no space left on device"))
			var position uint64
			require.NoError(t, e.View(func(s *fold.State) { position = s.Position }))
			_, err := e.Submit(context.Background(), submission)
			require.ErrorContains(t, err, "no space left")
			require.Equal(t, position, <-seen, "a reader saw a batch that is not in the log")
			require.Equal(t, before, fingerprint(t, e))
		}
		_, err := e.Submit(context.Background(), submission)
		require.NoError(t, err)
	}
	want := fingerprint(t, e)
	require.NoError(t, e.Close())
	again := open(t, st, w, 4096)
	require.Equal(t, want, fingerprint(t, again))
	require.NoError(t, again.Close())
}

// A damaged newest checkpoint costs time, not data; when nothing usable is left the error says what is damaged.
func TestDamagedCheckpoint(t *testing.T) {
	w := newWorld(t, 5)
	st := memstore.New()
	e := open(t, st, w, 5000)
	setUp(t, e)
	for range 120 {
		_, err := e.Submit(context.Background(), w.next())
		require.NoError(t, err)
	}
	want := fingerprint(t, e)
	require.NoError(t, e.Close())
	damage := func(in store.Store, match func(key string) bool, newest bool) (hit int) {
		var keys [][]byte
		require.NoError(t, in.View(context.Background(), func(r store.Reader) error {
			for p, err := range r.Scan(nil, nil) {
				if err != nil {
					return err
				}
				if match(string(p.Key)) {
					keys = append(keys, append([]byte(nil), p.Key...))
				}
			}
			return nil
		}))
		if newest && len(keys) > 0 {
			keys = keys[len(keys)-1:]
		}
		require.NoError(t, in.Update(context.Background(), func(wr store.Writer) error {
			for _, k := range keys {
				v, err := wr.Get(k)
				if err != nil {
					return err
				}
				v = append([]byte(nil), v...)
				v[len(v)/2+len(keys)] ^= 0x10 // at another place each time
				if err := wr.Put(k, v); err != nil {
					return err
				}
				hit++
			}
			return nil
		}))
		return hit
	}
	manifest := func(key string) bool { return strings.HasPrefix(key, "p\x01pc") }
	require.Equal(t, 1, damage(st, manifest, true))
	e = open(t, st, w, 1<<40)
	require.Equal(t, want, fingerprint(t, e))
	require.NoError(t, e.View(func(s *fold.State) {}))

	require.NotZero(t, damage(st, manifest, false))
	_, err := engine.Open(context.Background(), st, engine.Options{Portal: "p", Now: w.clock})
	require.ErrorIs(t, err, engine.ErrDamaged)
	require.ErrorContains(t, err, "restore a backup")
	require.NoError(t, e.Close())
}

// A caller whose context ends before the commit finds nothing done.
func TestCancelledBeforeCommit(t *testing.T) {
	w := newWorld(t, 1)
	e := open(t, memstore.New(), w, 1<<40)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := e.Submit(ctx, definitions()[0])
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, e.View(func(s *fold.State) { require.Zero(t, s.Position) }))
	require.NoError(t, e.Close())
	_, err = e.Submit(context.Background(), definitions()[0])
	require.ErrorIs(t, err, engine.ErrClosed)
	require.NoError(t, e.Close())
}

// However large batches are, what they fill is sealed, checkpoints are finished and the log behind them goes: with every
// batch filling several chunks, the log kept stays near two checkpoints' worth.
func TestLargeBatchesAreCheckpointed(t *testing.T) {
	w := newWorld(t, 2)
	st := memstore.New()
	e := open(t, st, w, 1<<20)
	setUp(t, e)
	id := 0
	for range 40 {
		var enc record.Encoder
		for range 20_000 { // two chunks and more
			enc.Begin(record.Head{Kind: record.KindEvent, Name: "buy", ID: fmt.Sprint("e", id)})
			enc.Idents(1)
			enc.Ident("user_id", fmt.Sprint("u", id%100))
			enc.Attrs(0)
			enc.End(nil)
			id++
		}
		_, err := e.Submit(context.Background(), enc.Submission(nil))
		require.NoError(t, err)
	}
	keys, err := keyspace.For("p")
	require.NoError(t, err)
	bytes, batches := 0, 0
	require.NoError(t, st.View(context.Background(), func(r store.Reader) error {
		for p, err := range r.Scan(keys.Log(0), keys.Log(^uint64(0))) {
			require.NoError(t, err)
			bytes, batches = bytes+len(p.Value), batches+1
		}
		return nil
	}))
	require.Less(t, bytes, 8<<20, "bytes of log kept, in %d batches", batches)
	require.NoError(t, e.Close())
}
