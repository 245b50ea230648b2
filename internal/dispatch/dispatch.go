// Package dispatch drives what happens by itself: it lets the log's time pass where something is due, and hands the
// messages in the outbox to their channels.
//
// A message is handed over at least once, always under the same key. Each attempt's outcome is a record in the log; the
// fold takes the message out of the outbox with it. A process that is killed between the two sends the message again.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/internal/engine"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/value"
)

// Options of a Sender.
type Options struct {
	Portal      string
	Channels    map[string]channel.Channel
	Now         func() time.Time
	Workers     int
	MaxAttempts int
	Log         *slog.Logger

	// Token signs whom an unsubscribe link is for; nil makes no links.
	Token func(userID, channel string) string
}

// Sender drives one engine. Tick and Run may be called from several goroutines; one sends at a time.
type Sender struct {
	engine *engine.Engine
	opt    Options
	turn   chan struct{} // held while sending
}

// New returns a sender that does nothing until Tick or Run.
func New(e *engine.Engine, opt Options) *Sender {
	return &Sender{engine: e, opt: opt, turn: make(chan struct{}, 1)}
}

const (
	perRound   = 512                    // messages handed out between two outcomes in the log
	backoff    = 30 * time.Second       // after the first failed attempt; doubled after each
	maxBackoff = 6 * time.Hour          //
	coalesce   = 100 * time.Millisecond // deadlines this close together are fired together
	longest    = time.Hour              // a sleep's bound, for clocks that are set
)

// Tick fires what is due by now and sends what may be sent, until nothing is left to do at this instant.
func (s *Sender) Tick(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()
	for {
		if err := s.engine.Tick(ctx); err != nil {
			return err
		}
		sent, err := s.round(ctx)
		if err != nil {
			return err
		}
		if sent == 0 {
			return nil
		}
	}
}

// Run ticks until ctx ends or the engine closes, and sleeps while nothing is due.
func (s *Sender) Run(ctx context.Context) error {
	for {
		if err := s.Tick(ctx); err != nil {
			if errors.Is(err, engine.ErrClosed) && s.engine.ClosedWell() {
				return nil
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
		timer := time.NewTimer(s.sleep())
		select {
		case <-ctx.Done():
		case <-s.engine.Done():
		case <-s.engine.Changed():
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// sleep is how long nothing will be due.
func (s *Sender) sleep() time.Duration {
	wait := longest
	if at, ok := s.NextDue(); ok {
		wait = min(wait, at.Sub(s.opt.Now()))
	}
	return max(wait, coalesce)
}

// NextDue is the next instant at which something happens by itself.
func (s *Sender) NextDue() (next time.Time, ok bool) {
	consider := func(at int64) {
		if t := time.UnixMicro(at).UTC(); !ok || t.Before(next) {
			next, ok = t, true
		}
	}
	// A closed engine has nothing due; its error comes with the next call.
	_ = s.engine.View(func(st *fold.State) {
		if at, due := st.NextDue(); due {
			consider(at)
		}
		if _, at, more := st.Pending(s.opt.Now().UnixMicro(), 0); more {
			consider(at)
		}
	})
	return next, ok
}

// attempt is one message with its rendering and what became of it.
type attempt struct {
	send    fold.Send
	message channel.Message
	err     error // of the rendering, then of the channel
	broken  bool  // the rendering failed
	receipt channel.Receipt
}

// round hands out the messages that may be sent now and logs their outcomes. It returns how many there were.
func (s *Sender) round(ctx context.Context) (int, error) {
	var todo []*attempt
	now := s.opt.Now()
	err := s.engine.View(func(st *fold.State) {
		ready, _, _ := st.Pending(now.UnixMicro(), perRound)
		for _, x := range ready {
			m, err := st.Render(x, s.unsubscribe(st))
			m.Portal, m.Attempt = s.opt.Portal, x.Attempt+1
			todo = append(todo, &attempt{send: x, message: m, err: err, broken: err != nil})
		}
	})
	if err != nil || len(todo) == 0 {
		return 0, err
	}
	s.handOut(ctx, todo)
	var enc record.Encoder
	for _, a := range todo {
		s.outcome(&enc, a, now)
	}
	if enc.Count() == 0 {
		return 0, ctx.Err() // every attempt was cut off: nothing is known, all are tried again
	}
	// What was handed over is told to the log even when ctx has ended meanwhile.
	if _, err := s.engine.Submit(context.WithoutCancel(ctx), enc.Submission(nil)); err != nil {
		return 0, err
	}
	return enc.Count(), nil
}

// unsubscribe makes the links of the portal's settings; nil when there are none.
func (s *Sender) unsubscribe(st *fold.State) func(userID, channel string) string {
	link := st.Settings.UnsubscribeURL
	if link == "" || s.opt.Token == nil {
		return nil
	}
	return func(userID, channel string) string {
		return strings.ReplaceAll(link, "{token}", s.opt.Token(userID, channel))
	}
}

func (s *Sender) handOut(ctx context.Context, todo []*attempt) {
	var wg sync.WaitGroup
	next := make(chan *attempt)
	for range min(s.opt.Workers, len(todo)) {
		wg.Go(func() {
			for a := range next {
				a.receipt, a.err = s.hand(ctx, a.message)
			}
		})
	}
	for _, a := range todo {
		if !a.broken && a.send.Channel != fold.InboxChannel {
			next <- a
		}
	}
	close(next)
	wg.Wait()
}

// hand gives one message to its channel. A channel that panics is a channel that failed.
func (s *Sender) hand(ctx context.Context, m channel.Message) (r channel.Receipt, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("channel %q panicked: %v", m.Channel, p)
			s.opt.Log.Error("channel panicked", "channel", m.Channel, "panic", p)
		}
	}()
	ch := s.opt.Channels[m.Channel]
	if ch == nil {
		return r, fmt.Errorf("channel %q is not in Config.Channels of this process", m.Channel)
	}
	return ch.Send(ctx, m)
}

// outcome writes the record of one attempt.
func (s *Sender) outcome(enc *record.Encoder, a *attempt, now time.Time) {
	result, attrs := s.judge(a, now)
	if result == "" {
		return
	}
	enc.Begin(record.Head{Kind: record.KindOutcome, Name: result, ID: a.send.Key, Time: now.UnixMicro()})
	enc.Idents(0)
	enc.Attrs(len(attrs))
	for _, f := range attrs {
		enc.Attr(f.Name, f.Value)
	}
	enc.End(nil)
}

func (s *Sender) judge(a *attempt, now time.Time) (result string, attrs []value.Field) {
	why := func() []value.Field { return []value.Field{{Name: "reason", Value: value.Str(shorten(a.err.Error()))}} }
	if a.broken {
		return fold.ResultFailed, why() // content that cannot be rendered now cannot be rendered later
	}
	kind, after := channel.Classify(a.err)
	switch kind {
	case channel.Sent:
		m := a.message
		return fold.ResultSent, []value.Field{{Name: "receipt", Value: text(a.receipt.ID)}, {Name: "title", Value: text(m.Subject)},
			{Name: "body", Value: text(m.Text)}, {Name: "html", Value: text(m.HTML)}, {Name: "data", Value: text(string(m.Data))}, {Name: "url", Value: text(m.URL)}}
	case channel.Cancelled:
		return "", nil
	case channel.Hard, channel.Missing:
		return fold.ResultBounced, why()
	}
	s.opt.Log.Info("send failed", "channel", a.send.Channel, "key", a.send.Key, "attempt", a.send.Attempt+1, "error", a.err)
	if a.send.Attempt+1 >= s.opt.MaxAttempts {
		return fold.ResultFailed, why()
	}
	again := now.Add(max(after, wait(a.send.Key, a.send.Attempt)))
	return fold.ResultRetry, append(why(), value.Field{Name: "again", Value: value.At(again)})
}

// wait is the back-off after an attempt: doubled each time, plus up to a quarter by a hash of the key, so that messages
// which failed together are not tried together again.
func wait(key string, attempt int) time.Duration {
	d := backoff
	for range attempt {
		d = min(2*d, maxBackoff)
	}
	h := fnv.New32a()
	fmt.Fprint(h, key, attempt)
	return d + time.Duration(int64(d)/4*int64(h.Sum32()%1000)/1000)
}

func text(s string) value.Value {
	if s == "" {
		return value.Value{}
	}
	return value.Str(shorten(s))
}

// shorten keeps a text within what an attribute holds, at a character's border.
func shorten(s string) string {
	if len(s) <= value.MaxText {
		return s
	}
	return string([]rune(s)[:min(len([]rune(s)), value.MaxText)])
}
