package dispatch_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/internal/dispatch"
)

var discard = slog.New(slog.DiscardHandler)

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// advance ticks at every instant at which something is due, up to the end.
func (w *world) advance(c *clock, d time.Duration) {
	w.t.Helper()
	for end := c.now().Add(d); ; {
		require.NoError(w.t, w.sender.Tick(w.t.Context()))
		at, ok := w.sender.NextDue()
		if !ok || at.After(end) {
			c.set(end)
			return
		}
		require.True(w.t, at.After(c.now()), "due at %v, and Tick left it", at)
		c.set(at)
	}
}

func TestRetriesThenDeliversOnce(t *testing.T) {
	c := &clock{at: start}
	ch := &scripted{now: c.now, answer: func(m channel.Message) error {
		if m.Attempt <= 4 {
			return errDown
		}
		return nil
	}}
	w := newWorld(t, c.now, dispatch.Options{}, map[string]channel.Channel{"a": ch})
	w.happens("go_a", 1)
	w.advance(c, 24*time.Hour)
	calls := ch.seen()
	require.Len(t, calls, 5)
	least := 30 * time.Second
	for i, x := range calls {
		require.Equal(t, calls[0].key, x.key, "the same key on every attempt")
		require.Equal(t, i+1, x.attempt)
		if i > 0 {
			gap := x.at.Sub(calls[i-1].at)
			require.GreaterOrEqual(t, gap, least, "attempt %d", i+1)
			require.LessOrEqual(t, gap, least*5/4+time.Millisecond, "attempt %d", i+1)
			least *= 2
		}
	}
	require.Equal(t, map[string]int{"message_queued": 1, "message_retried": 4, "message_sent": 1}, w.became())
}

func TestDeadLetter(t *testing.T) {
	c := &clock{at: start}
	ch := &scripted{now: c.now, answer: func(channel.Message) error { return errDown }}
	w := newWorld(t, c.now, dispatch.Options{MaxAttempts: 3}, map[string]channel.Channel{"a": ch})
	w.happens("go_a", 1)
	w.advance(c, 30*24*time.Hour)
	require.Len(t, ch.seen(), 3)
	require.Equal(t, map[string]int{"message_queued": 1, "message_retried": 2, "message_failed": 1}, w.became())
	require.Equal(t, []string{"down"}, w.reasons("message_failed"))
	_, due := w.sender.NextDue()
	require.False(t, due)
}

func TestBackoffIsBounded(t *testing.T) {
	c := &clock{at: start}
	ch := &scripted{now: c.now, answer: func(channel.Message) error { return errDown }}
	w := newWorld(t, c.now, dispatch.Options{MaxAttempts: 80}, map[string]channel.Channel{"a": ch})
	w.happens("go_a", 1)
	w.advance(c, 90*24*time.Hour)
	calls := ch.seen()
	require.Len(t, calls, 80)
	for i := 20; i < len(calls); i++ {
		gap := calls[i].at.Sub(calls[i-1].at)
		require.GreaterOrEqual(t, gap, 6*time.Hour)
		require.LessOrEqual(t, gap, 6*time.Hour*5/4)
	}
}

func TestWhatAnswersMean(t *testing.T) {
	for name, x := range map[string]struct {
		answer error
		became map[string]int
		gap    time.Duration // at least, between the two attempts
	}{
		"bounced":                         {channel.Permanent(errDown), map[string]int{"message_queued": 1, "message_bounced": 1}, 0},
		"missing":                         {channel.NoReceiver(errDown), map[string]int{"message_queued": 1, "message_bounced": 1}, 0},
		"throttle":                        {channel.Throttled(errDown, 3*time.Hour), map[string]int{"message_queued": 1, "message_retried": 1, "message_failed": 1}, 3 * time.Hour},
		"timeout":                         {context.DeadlineExceeded, map[string]int{"message_queued": 1, "message_retried": 1, "message_failed": 1}, 30 * time.Second},
		"the channel's own context ended": {context.Canceled, map[string]int{"message_queued": 1, "message_retried": 1, "message_failed": 1}, 30 * time.Second},
		"an answer in no known encoding":  {errors.New("caf\xe9 \xff"), map[string]int{"message_queued": 1, "message_retried": 1, "message_failed": 1}, 30 * time.Second},
		"an answer without an end":        {errors.New(strings.Repeat("é", 200_000)), map[string]int{"message_queued": 1, "message_retried": 1, "message_failed": 1}, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			c := &clock{at: start}
			ch := &scripted{now: c.now, answer: func(channel.Message) error { return x.answer }}
			w := newWorld(t, c.now, dispatch.Options{MaxAttempts: 2}, map[string]channel.Channel{"a": ch})
			w.happens("go_a", 1)
			w.advance(c, 24*time.Hour)
			require.Equal(t, x.became, w.became())
			if calls := ch.seen(); x.gap > 0 {
				require.Len(t, calls, 2)
				require.GreaterOrEqual(t, calls[1].at.Sub(calls[0].at), x.gap)
			} else {
				require.Len(t, calls, 1)
			}
		})
	}
}

// An answer that could not be written down made the message go out again for ever.
func TestReceiptInNoKnownEncoding(t *testing.T) {
	c := &clock{at: start}
	n := 0
	ch := channel.Func(func(context.Context, channel.Message) (channel.Receipt, error) {
		n++
		return channel.Receipt{ID: "\xff\xfe"}, nil
	})
	w := newWorld(t, c.now, dispatch.Options{}, map[string]channel.Channel{"a": ch})
	w.happens("go_a", 1)
	w.advance(c, time.Hour)
	require.Equal(t, 1, n)
	require.Equal(t, map[string]int{"message_queued": 1, "message_sent": 1}, w.became())
}

func TestPanickingAndUnknownChannels(t *testing.T) {
	c := &clock{at: start}
	ch := &scripted{now: c.now, answer: func(m channel.Message) error {
		if m.Attempt == 1 {
			panic("boom")
		}
		return nil
	}}
	w := newWorld(t, c.now, dispatch.Options{MaxAttempts: 3}, map[string]channel.Channel{"a": ch})
	w.happens("go_a", 1)
	w.happens("go_nowhere", 1)
	w.advance(c, 24*time.Hour)
	require.Equal(t, map[string]int{"message_queued": 2, "message_retried": 3, "message_sent": 1, "message_failed": 1}, w.became())
	require.Contains(t, w.reasons("message_retried"), `channel "a" panicked: boom`)
	require.Equal(t, []string{`channel "nowhere" is not in Config.Channels of this process`}, w.reasons("message_failed"))
}

// Everything is handed over once, whatever the number of messages, also beyond what one lane holds.
func TestManyMessages(t *testing.T) {
	c := &clock{at: start}
	ch := &scripted{now: c.now, answer: func(channel.Message) error { return nil }}
	w := newWorld(t, c.now, dispatch.Options{Workers: 7}, map[string]channel.Channel{"a": ch})
	w.happens("go_a", 3000)
	w.happens("go_inbox", 1000)
	require.NoError(t, w.sender.Tick(t.Context()))
	keys := map[string]int{}
	for _, x := range ch.seen() {
		keys[x.key]++
	}
	require.Len(t, keys, 3000)
	require.Len(t, ch.seen(), 3000)
	require.Equal(t, map[string]int{"message_queued": 4000, "message_sent": 4000}, w.became())
}

// A channel that never answers holds up neither another channel nor a timer, and more messages of it than its lane holds.
func TestSlowChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		slow := channel.Func(func(ctx context.Context, _ channel.Message) (channel.Receipt, error) {
			select {
			case <-release:
			case <-ctx.Done():
			}
			return channel.Receipt{}, ctx.Err()
		})
		quick := &scripted{now: time.Now, answer: func(channel.Message) error { return nil }}
		w := newWorld(t, time.Now, dispatch.Options{Workers: 3}, map[string]channel.Channel{"a": slow, "b": quick})
		w.define("event", "later", obj{"name": "later"})
		w.define("journey", "later", obj{"name": "later", "entry": obj{"event": "later"}, "nodes": []obj{
			{"id": "wait", "type": "delay", "for": "2h", "next": "send"},
			{"id": "send", "type": "send", "channel": "b", "template": "t", "next": "end"}, {"id": "end", "type": "exit"}}})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.sender.Run(ctx) }()
		w.happens("go_a", 2000)
		w.happens("go_b", 10)
		w.happens("later", 1)
		synctest.Wait()
		require.Len(t, quick.seen(), 10)
		began := time.Now()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		require.Len(t, quick.seen(), 11, "the timer fired although a send was under way")
		require.Less(t, quick.seen()[10].at.Sub(began), 2*time.Hour+time.Second)
		close(release)
		synctest.Wait()
		require.Equal(t, 2011, w.became()["message_sent"])
		stop()
		require.ErrorIs(t, <-ended, context.Canceled)
		require.NoError(t, w.e.Close())
	})
}

// Run sleeps while nothing is due, wakes for new events and for deadlines at their instant.
func TestRunWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int32
		ch := &scripted{now: time.Now, answer: func(m channel.Message) error {
			if m.Attempt == 1 {
				return channel.Throttled(errDown, 2*time.Hour)
			}
			return nil
		}}
		now := func() time.Time { reads.Add(1); return time.Now() }
		w := newWorld(t, now, dispatch.Options{}, map[string]channel.Channel{"a": ch})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.sender.Run(ctx) }()
		synctest.Wait()
		reads.Store(0)
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		require.Less(t, reads.Load(), int32(100), "Run does not spin while nothing is due")

		at := time.Now()
		w.happens("go_a", 1)
		synctest.Wait()
		require.Len(t, ch.seen(), 1, "a new event wakes Run at once")
		require.Equal(t, at, ch.seen()[0].at)
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		require.Len(t, ch.seen(), 2)
		require.WithinDuration(t, at.Add(2*time.Hour), ch.seen()[1].at, 200*time.Millisecond)
		stop()
		require.ErrorIs(t, <-ended, context.Canceled)
		require.NoError(t, w.e.Close())
	})
}

// Close ends Run with nil, also while a channel is at work; the message is still there.
func TestRunEndsWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := channel.Func(func(ctx context.Context, _ channel.Message) (channel.Receipt, error) {
			<-ctx.Done()
			return channel.Receipt{}, ctx.Err()
		})
		w := newWorld(t, time.Now, dispatch.Options{Workers: 2}, map[string]channel.Channel{"a": hangs})
		ended := make(chan error)
		go func() { ended <- w.sender.Run(context.Background()) }()
		w.happens("go_a", 1000)
		synctest.Wait()
		require.NoError(t, w.e.Close())
		require.NoError(t, <-ended)
	})
}

// A context that ends cuts off what is under way; nothing is known of it, so it is tried again under the same key.
func TestCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var keys []string
		ch := channel.Func(func(ctx context.Context, m channel.Message) (channel.Receipt, error) {
			keys = append(keys, m.Key)
			if len(keys) == 1 {
				<-ctx.Done()
				return channel.Receipt{}, ctx.Err()
			}
			return channel.Receipt{}, nil
		})
		w := newWorld(t, time.Now, dispatch.Options{Workers: 1}, map[string]channel.Channel{"a": ch})
		w.happens("go_a", 1)
		ctx, stop := context.WithCancel(t.Context())
		go func() { time.Sleep(time.Second); stop() }()
		require.ErrorIs(t, w.sender.Tick(ctx), context.Canceled)
		require.NoError(t, w.sender.Tick(t.Context()))
		require.Len(t, keys, 2)
		require.Equal(t, keys[0], keys[1])
		require.Equal(t, map[string]int{"message_queued": 1, "message_sent": 1}, w.became())
		require.NoError(t, w.e.Close())
	})
}

// What was unsubscribed while it waited in its lane is not handed over.
func TestUnsubscribedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *world
		n := 0
		ch := channel.Func(func(context.Context, channel.Message) (channel.Receipt, error) {
			if n++; n == 1 {
				w.unsubscribe("u1", "u2", "u3")
			}
			return channel.Receipt{}, nil
		})
		w = newWorld(t, time.Now, dispatch.Options{Workers: 1}, map[string]channel.Channel{"a": ch})
		w.happens("go_a", 3)
		require.NoError(t, w.sender.Tick(t.Context()))
		require.Equal(t, 1, n)
		require.Equal(t, map[string]int{"message_queued": 3, "message_suppressed": 3}, w.became())
		require.NoError(t, w.e.Close())
	})
}
