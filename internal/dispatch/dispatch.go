// Package dispatch drives what happens by itself: it lets the log's time pass where something is due, and hands the
// messages in the outbox to their channels.
//
// A message is handed over at least once, always under the same key. Each attempt's outcome is a record in the log; the
// fold takes the message out of the outbox with it. A process that is killed between the two sends the message again.
package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"time"

	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/internal/engine"
	"github.com/embedcdp/cdp/internal/fold"
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
	perLane    = 512                    // messages of one channel that are under way or next in turn
	backoff    = 30 * time.Second       // after the first failed attempt; doubled after each
	maxBackoff = 6 * time.Hour          //
	coalesce   = 100 * time.Millisecond // deadlines this close together are fired together
	longest    = time.Hour              // a sleep's bound, for clocks that are set
)

// Tick fires what is due by now and sends what may be sent, until nothing is left to do at this instant. While channels
// are at work it goes on: a slow one holds up neither timers nor the others.
func (s *Sender) Tick(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()
	f := newFlights(ctx, s)
	err := s.tick(ctx, f)
	return errors.Join(err, f.land(ctx))
}

func (s *Sender) tick(ctx context.Context, f *flights) error {
	for {
		if err := s.engine.Tick(ctx); err != nil {
			return err
		}
		kept, err := f.start(ctx)
		if err != nil {
			return err
		}
		if kept > 0 {
			continue // their outcomes may lead to more
		}
		if len(f.keys) == 0 {
			return ctx.Err()
		}
		if err := f.wait(ctx); err != nil {
			return err
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
		timer := time.NewTimer(s.until(s.NextDue()))
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

// until is how long to sleep when nothing is due before an instant, or ever.
func (s *Sender) until(at time.Time, ok bool) time.Duration {
	wait := longest
	if ok {
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
		if _, at, more := st.Pending(math.MinInt64, nil); more {
			consider(at)
		}
	})
	return next, ok
}
