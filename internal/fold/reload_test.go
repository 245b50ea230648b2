package fold_test

// Tests that a state loaded from a checkpoint is the state that wrote it, where that is not obvious.

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
)

type obj = map[string]any

// world applies submissions to a state, each as one batch.
type world struct {
	t   *testing.T
	s   *fold.State
	now time.Time
}

func newWorld(t *testing.T) *world {
	return &world{t: t, s: fold.New(), now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
}

func (w *world) apply(submission []byte) []fold.Verdict {
	w.t.Helper()
	v, err := w.s.Apply(record.Batch{Position: w.s.Position + 1, Now: w.now.UnixMicro(), Digest: w.s.Digest, Submissions: [][]byte{submission}})
	require.NoError(w.t, err)
	return v[0]
}

func (w *world) define(kind, name string, def any) {
	w.t.Helper()
	v := w.defineFlags(kind, name, def, 0)
	require.Equal(w.t, fold.Accepted, v.Code, v.Reason)
}

func (w *world) defineFlags(kind, name string, def any, flags byte) fold.Verdict {
	w.t.Helper()
	body, err := json.Marshal(def)
	require.NoError(w.t, err)
	var e record.Encoder
	e.Begin(record.Head{Kind: record.KindDefine, Flags: flags, Name: kind, ID: name})
	e.Idents(0)
	e.Attrs(0)
	e.End(body)
	return w.apply(e.Submission(nil))[0]
}

func (w *world) event(name, id, user, anonymous string) {
	w.t.Helper()
	w.eventAt(w.now, name, id, user, anonymous)
}

func (w *world) eventAt(at time.Time, name, id, user, anonymous string) {
	w.t.Helper()
	v := w.tryEvent(at, name, id, user, anonymous)
	require.Equal(w.t, fold.Accepted, v.Code, v.Reason)
}

func (w *world) tryEvent(at time.Time, name, id, user, anonymous string) fold.Verdict {
	w.t.Helper()
	return w.apply(w.encode(at, name, id, user, anonymous))[0]
}

func (w *world) encode(at time.Time, name, id, user, anonymous string) []byte {
	var e record.Encoder
	e.Begin(record.Head{Kind: record.KindEvent, Name: name, Time: at.UnixMicro(), ID: id})
	ids := [][2]string{{fold.UserID, user}, {fold.AnonymousID, anonymous}}
	n := 0
	for _, x := range ids {
		if x[1] != "" {
			n++
		}
	}
	e.Idents(n)
	for _, x := range ids {
		if x[1] != "" {
			e.Ident(x[0], x[1])
		}
	}
	e.Attrs(0)
	e.End(nil)
	return e.Submission(nil)
}

func (w *world) tick(d time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(d)
	var e record.Encoder
	e.Begin(record.Head{Kind: record.KindTick})
	e.Idents(0)
	e.Attrs(0)
	e.End(nil)
	w.apply(e.Submission(nil))
}

// reload goes through a checkpoint.
func (w *world) reload() {
	w.t.Helper()
	b, err := json.Marshal(w.s.Manifest())
	require.NoError(w.t, err)
	chunks := map[string][][]byte{}
	for _, t := range w.s.Tables() {
		for k := range t.Chunks() {
			chunks[t.Name()] = append(chunks[t.Name()], t.EncodeChunk(nil, k))
		}
	}
	m := &fold.Manifest{}
	require.NoError(w.t, json.Unmarshal(b, m))
	loaded, err := fold.Load(m, func(table string, k int, read func([]byte) error) error { return read(chunks[table][k]) }, nil)
	require.NoError(w.t, err)
	require.Equal(w.t, w.s.Fingerprint(), loaded.Fingerprint())
	w.s = loaded
}

// twice runs a story in one go and with a reload after each step, and checks that both states end up the same.
func twice(t *testing.T, steps ...func(*world)) *world {
	t.Helper()
	plain, reloaded := newWorld(t), newWorld(t)
	for i, step := range steps {
		step(plain)
		step(reloaded)
		require.Equal(t, plain.s.Digest, reloaded.s.Digest, "after step %d", i+1)
		require.Equal(t, plain.s.Fingerprint(), reloaded.s.Fingerprint(), "after step %d", i+1)
		reloaded.reload()
	}
	return plain
}

func delayed(name, event, stay string) obj {
	return obj{"name": name, "entry": obj{"event": event}, "nodes": []obj{
		{"id": "wait", "type": "delay", "for": stay, "next": "end"}, {"id": "end", "type": "exit"}}}
}

// The portal moves to another time zone after a segment was saved: "today" begins at another instant, also after a reload.
func TestReloadTimeZone(t *testing.T) {
	w := twice(t,
		func(w *world) { w.define("event", "buy", obj{"name": "buy"}) },
		func(w *world) {
			w.define("segment", "today", obj{"name": "today", "where": `events.buy.during("today").size() > 0`})
		},
		func(w *world) { w.define("portal", "", obj{"time_zone": "Asia/Ho_Chi_Minh"}) },
		func(w *world) { w.tick(16*time.Hour + 30*time.Minute) }, // 23:30 there
		func(w *world) { w.event("buy", "b1", "ana", "") },
		func(w *world) { w.tick(time.Hour) },
		func(w *world) { w.event("buy", "b2", "bob", "") },
	)
	today, _ := w.s.Members("today")
	ana, _ := w.s.Find(fold.UserID, "ana")
	bob, _ := w.s.Find(fold.UserID, "bob")
	require.False(t, today.Contains(ana), "her day ended at 17:00 UTC")
	require.True(t, today.Contains(bob))
}

// A merge mixes the enrolments of two people; an event then moves them in order of entry.
func TestReloadMergedEnrolments(t *testing.T) {
	goal := func(name, event string) obj {
		j := delayed(name, event, "1d")
		j["goals"] = []obj{{"name": "won", "event": "win"}}
		return j
	}
	w := twice(t,
		func(w *world) { w.define("event", "a", obj{"name": "a"}) },
		func(w *world) { w.define("event", "b", obj{"name": "b"}) },
		func(w *world) { w.define("event", "win", obj{"name": "win"}) },
		func(w *world) { w.define("journey", "ja", goal("ja", "a")) },
		func(w *world) { w.define("journey", "jb", goal("jb", "b")) },
		func(w *world) { w.event("a", "1", "", "phone") },
		func(w *world) { w.event("b", "2", "ana", "") },
		func(w *world) { w.event("b", "3", "", "phone") },
		func(w *world) { w.event("a", "4", "ana", "phone") },
		func(w *world) { w.event("win", "5", "ana", "") },
		func(w *world) { w.event("a", "6", "ana", "") },
		func(w *world) { w.tick(48 * time.Hour) },
	)
	require.Equal(t, 2, w.s.EventCount("goal_reached"), "one in each journey")
	require.Equal(t, 3, w.s.EventCount("journey_exited"), "two by the goal, one by the merge")
	require.Equal(t, 1, w.s.EventCount("journey_finished"))
}

// A late event says that a visitor is a customer. It is older than her entry, but what the visitor bought takes her out.
func TestMergeByLateEvent(t *testing.T) {
	j := delayed("j", "a", "1d")
	j["exits"] = []obj{{"when": "events.buy.size() > 0", "reason": "buyer"}}
	w := twice(t,
		func(w *world) { w.define("event", "a", obj{"name": "a"}) },
		func(w *world) { w.define("event", "buy", obj{"name": "buy"}) },
		func(w *world) { w.define("journey", "j", j) },
		func(w *world) { w.event("buy", "1", "", "phone") },
		func(w *world) { w.event("a", "2", "ana", "") },
		func(w *world) { w.eventAt(w.now.Add(-time.Hour), "a", "3", "ana", "phone") },
	)
	require.Equal(t, 1, w.s.EventCount("journey_exited"))
}

// Templates and segments that only an older version names are kept while people are inside that version.
func TestRemoveWhatAnOlderVersionUses(t *testing.T) {
	w := newWorld(t)
	w.define("event", "a", obj{"name": "a"})
	w.define("template", "t", obj{"name": "t", "text": "x"})
	j := obj{"name": "j", "entry": obj{"event": "a"}, "nodes": []obj{{"id": "wait", "type": "delay", "for": "1d", "next": "send"},
		{"id": "send", "type": "send", "channel": "inbox", "template": "t", "next": "end"}, {"id": "end", "type": "exit"}}}
	w.define("journey", "j", j)
	w.event("a", "1", "ana", "")
	w.define("journey", "j", delayed("j", "a", "1d"))
	v := w.defineFlags("template", "t", nil, record.FlagDelete)
	require.Equal(t, fold.Rejected, v.Code)
	require.Contains(t, v.Reason, `version 1 of journey "j", which people are inside`)
	w.tick(24 * time.Hour)
	v = w.defineFlags("template", "t", nil, record.FlagDelete)
	require.Equal(t, fold.Rejected, v.Code)
	require.Contains(t, v.Reason, "not sent yet")
	ready, _, _ := w.s.Pending(w.now.UnixMicro(), func(*fold.Send) bool { return true })
	require.Len(t, ready, 1)
	var e record.Encoder
	e.Begin(record.Head{Kind: record.KindOutcome, Name: fold.ResultSent, ID: ready[0].Key})
	e.Idents(0)
	e.Attrs(0)
	e.End(nil)
	require.Equal(t, fold.Accepted, w.apply(e.Submission(nil))[0].Code)
	require.Equal(t, fold.Accepted, w.defineFlags("template", "t", nil, record.FlagDelete).Code)
}

// A template that reads `event` as one type is not saved while a journey that starts with another uses it.
func TestTemplateMustFitItsJourneys(t *testing.T) {
	w := newWorld(t)
	w.define("event", "a", obj{"name": "a"})
	w.define("event", "b", obj{"name": "b"})
	w.define("template", "t", obj{"name": "t", "text": "x"})
	w.define("journey", "j", obj{"name": "j", "entry": obj{"event": "a"}, "nodes": []obj{
		{"id": "send", "type": "send", "channel": "inbox", "template": "t", "next": "end"}, {"id": "end", "type": "exit"}}})
	w.define("template", "t", obj{"name": "t", "event": "a", "text": "x"})
	v := w.defineFlags("template", "t", obj{"name": "t", "event": "b", "text": "x"}, 0)
	require.Equal(t, fold.Rejected, v.Code)
	require.Contains(t, v.Reason, `journey "j" that uses it starts with "a"`)
}

// A key that does not fit into the events which tell of the journey would be forgotten with them.
func TestKeyTypes(t *testing.T) {
	w := newWorld(t)
	w.define("event", "a", obj{"name": "a", "attributes": obj{"note": obj{"type": "text"}, "n": obj{"type": "number"}}})
	j := delayed("j", "a", "1d")
	j["entry"] = obj{"event": "a", "key": "note"}
	require.Contains(t, w.defineFlags("journey", "j", j, 0).Reason, `attribute "note" is a text`)
	j["entry"] = obj{"event": "a", "key": "n"}
	w.define("journey", "j", j)
}
