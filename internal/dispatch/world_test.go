package dispatch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/internal/dispatch"
	"github.com/embedcdp/cdp/internal/engine"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/store/memstore"
)

type obj = map[string]any

// clock moves when told.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// call is one attempt as a channel saw it.
type call struct {
	key     string
	attempt int
	at      time.Time
}

// scripted answers each attempt of a message by its number, and notes it.
type scripted struct {
	now    func() time.Time
	answer func(channel.Message) error

	mu    sync.Mutex
	calls []call
}

func (s *scripted) Send(_ context.Context, m channel.Message) (channel.Receipt, error) {
	s.mu.Lock()
	s.calls = append(s.calls, call{m.Key, m.Attempt, s.now()})
	s.mu.Unlock()
	return channel.Receipt{ID: "r"}, s.answer(m)
}

func (s *scripted) seen() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]call(nil), s.calls...)
}

// world is an engine with one journey for each channel: the event go_CHANNEL sends a message over it.
type world struct {
	t      *testing.T
	e      *engine.Engine
	sender *dispatch.Sender
	count  int
}

func newWorld(t *testing.T, now func() time.Time, opt dispatch.Options, channels map[string]channel.Channel) *world {
	t.Helper()
	e, err := engine.Open(context.Background(), memstore.New(), engine.Options{Portal: "p", Now: now})
	require.NoError(t, err)
	opt.Now, opt.Channels, opt.Portal = now, channels, "p"
	if opt.Workers == 0 {
		opt.Workers = 4
	}
	if opt.MaxAttempts == 0 {
		opt.MaxAttempts = 5
	}
	if opt.Log == nil {
		opt.Log = discard
	}
	w := &world{t: t, e: e, sender: dispatch.New(e, opt)}
	w.define("template", "t", obj{"name": "t", "text": "hello"})
	for _, name := range []string{"a", "b", "inbox", "nowhere"} {
		w.define("event", "go_"+name, obj{"name": "go_" + name})
		w.define("journey", name, obj{"name": name, "entry": obj{"event": "go_" + name}, "nodes": []obj{
			{"id": "send", "type": "send", "channel": name, "template": "t", "next": "end"}, {"id": "end", "type": "exit"}}})
	}
	return w
}

func (w *world) submit(e *record.Encoder) {
	w.t.Helper()
	v, err := w.e.Submit(context.Background(), e.Submission(nil))
	require.NoError(w.t, err)
	for _, x := range v {
		require.Equal(w.t, fold.Accepted, x.Code, x.Reason)
	}
}

func (w *world) define(kind, name string, def any) {
	w.t.Helper()
	body, err := json.Marshal(def)
	require.NoError(w.t, err)
	var e record.Encoder
	e.Begin(record.Head{Kind: record.KindDefine, Name: kind, ID: name})
	e.Idents(0)
	e.Attrs(0)
	e.End(body)
	w.submit(&e)
}

// happens tracks n events of a type, each of another person.
func (w *world) happens(event string, n int) {
	w.t.Helper()
	var e record.Encoder
	for range n {
		w.count++
		e.Begin(record.Head{Kind: record.KindEvent, Name: event, ID: fmt.Sprint("e", w.count)})
		e.Idents(1)
		e.Ident(fold.UserID, fmt.Sprint("u", w.count))
		e.Attrs(0)
		e.End(nil)
	}
	w.submit(&e)
}

// became counts what became of messages, by event type.
func (w *world) became() map[string]int {
	out := map[string]int{}
	require.NoError(w.t, w.e.View(func(s *fold.State) {
		for _, e := range s.MessageEvents(nil) {
			out[e.Name]++
		}
	}))
	return out
}

func (w *world) reasons(event string) (out []string) {
	require.NoError(w.t, w.e.View(func(s *fold.State) {
		for _, e := range s.MessageEvents([]string{event}) {
			out = append(out, e.Attrs["reason"].Str)
		}
	}))
	return out
}

var errDown = errors.New("down")

func (w *world) unsubscribe(users ...string) {
	w.t.Helper()
	var e record.Encoder
	for _, u := range users {
		e.Begin(record.Head{Kind: record.KindEvent, Name: fold.Unsubscribed, ID: "unsubscribe." + u})
		e.Idents(1)
		e.Ident(fold.UserID, u)
		e.Attrs(0)
		e.End(nil)
	}
	w.submit(&e)
}
