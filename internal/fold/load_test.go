package fold_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/value"
)

// saved is a checkpoint in memory.
type saved struct {
	manifest []byte
	chunks   map[string][][]byte
}

func save(t testing.TB, s *fold.State) saved {
	b, err := json.Marshal(s.Manifest())
	require.NoError(t, err)
	x := saved{b, map[string][][]byte{}}
	for _, t := range s.Tables() {
		for k := range t.Chunks() {
			x.chunks[t.Name()] = append(x.chunks[t.Name()], t.EncodeChunk(nil, k))
		}
	}
	return x
}

func (x saved) load() (*fold.State, error) {
	m := &fold.Manifest{}
	if err := json.Unmarshal(x.manifest, m); err != nil {
		return nil, err
	}
	return fold.Load(m, func(table string, k int, read func([]byte) error) error { return read(x.chunks[table][k]) }, nil)
}

// What is loaded answers before the ids seen are gathered, and knows them when the next event asks. Ids are exact within
// their type: the same id of another type is new.
func TestIDsSeenAfterLoad(t *testing.T) {
	w := newWorld(t)
	w.define("event", "a", obj{"name": "a"})
	w.define("event", "b", obj{"name": "b"})
	const n = 3000
	for i := range n {
		w.event([]string{"a", "b"}[i%2], fmt.Sprint("id", i), "ana", "")
	}
	w.reload()
	for i := range n {
		for k, name := range []string{"a", "b"} {
			want := fold.Accepted
			if i%2 == k {
				want = fold.Duplicate
			}
			require.Equal(t, want, w.tryEvent(w.now, name, fmt.Sprint("id", i), "ana", "").Code, "%s %d", name, i)
		}
	}
	require.NoError(t, w.s.Ready())
}

// Two events with one place in the order of everything are damage that only the gathering of ids sees: the next event says so.
func TestIDsSeenDamaged(t *testing.T) {
	w := newWorld(t)
	w.define("event", "a", obj{"name": "a"})
	w.event("a", "1", "ana", "")
	w.event("a", "2", "ana", "")
	x := save(t, w.s)
	bad := column.New("events/a")
	for _, c := range []string{"$t", "$q", "$a"} {
		bad.Add(c, column.Int64)
	}
	bad.Add("$row", column.Uint32)
	bad.Add("$source", column.Dict)
	bad.Add("$id", column.Bytes)
	for range 2 {
		i := bad.Append()
		for _, c := range []string{"$t", "$q", "$a"} {
			bad.Column(c).SetInt(i, 7)
		}
		bad.Column("$id").SetBytes(i, []byte("id"))
	}
	x.chunks["events/a"][0] = bad.EncodeChunk(nil, 0)
	s, err := x.load()
	require.NoError(t, err)
	require.ErrorIs(t, s.Ready(), column.ErrDamaged)
	w.s = s
	_, err = s.Apply(record.Batch{Position: s.Position + 1, Now: w.now.UnixMicro(), Digest: s.Digest, Submissions: [][]byte{w.encode(w.now, "a", "3", "ana", "")}})
	require.ErrorIs(t, err, column.ErrDamaged)
	require.ErrorContains(t, err, `table "events/a", row 1: event 7 of all comes after event 7`)
}

// A state that is stopped has no goroutine left, and takes no event when its ids are not whole.
func TestStop(t *testing.T) {
	before := goleak.IgnoreCurrent()
	w := newWorld(t)
	w.define("event", "a", obj{"name": "a"})
	for i := range 5000 {
		w.event("a", fmt.Sprint(i), "ana", "")
	}
	s, err := save(t, w.s).load()
	require.NoError(t, err)
	s.Stop()
	goleak.VerifyNone(t, before)
	require.NotPanics(t, s.Stop)
	v, err := s.Apply(record.Batch{Position: s.Position + 1, Now: w.now.UnixMicro(), Digest: s.Digest, Submissions: [][]byte{w.encode(w.now, "a", "7", "ana", "")}})
	if err == nil { // they were gathered by then
		require.Equal(t, fold.Duplicate, v[0][0].Code)
	}
}

// BenchmarkLoad loads 1,000,000 events of 50,000 customers, six in ten of them views.
func BenchmarkLoad(b *testing.B) {
	const people, events = 50_000, 1_000_000
	s := fold.New()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	apply := func(submission []byte) {
		_, err := s.Apply(record.Batch{Position: s.Position + 1, Now: now, Digest: s.Digest, Submissions: [][]byte{submission}})
		require.NoError(b, err)
	}
	var e record.Encoder
	submit := func() {
		apply(e.Submission(nil))
		e.Reset()
	}
	for _, name := range []string{"view", "add_to_cart", "purchase"} {
		body, _ := json.Marshal(obj{"name": name, "attributes": obj{"category": obj{"type": "string"}, "amount": obj{"type": "number"}}})
		e.Begin(record.Head{Kind: record.KindDefine, Name: "event", ID: name})
		e.Idents(0)
		e.Attrs(0)
		e.End(body)
		submit()
	}
	rnd := uint64(1)
	for i := range events {
		rnd = rnd*6364136223846793005 + 1442695040888963407
		name := [10]string{"view", "view", "view", "view", "view", "view", "add_to_cart", "add_to_cart", "add_to_cart", "purchase"}[rnd>>33%10]
		e.Begin(record.Head{Kind: record.KindEvent, Name: name, Time: now, ID: fmt.Sprintf("%016x", rnd)})
		e.Idents(1)
		e.Ident(fold.UserID, fmt.Sprint("user", rnd>>40%people))
		e.Attrs(2)
		e.Attr("category", value.Str(fmt.Sprint("c", rnd>>50%20)))
		e.Attr("amount", value.Num(float64(rnd>>45%10000)/100))
		e.End(nil)
		if i%1000 == 999 {
			now += 1_000_000
			submit()
		}
	}
	x := save(b, s)
	ids := time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		s, err := x.load()
		require.NoError(b, err)
		b.StopTimer()
		start := time.Now()
		require.NoError(b, s.Ready())
		ids += time.Since(start)
		b.StartTimer()
	}
	b.ReportMetric(float64(ids.Nanoseconds())/float64(b.N)/events, "ids-ns/event")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
}
