package dispatch

// This file hands messages to channels. Each channel has its own lane: as many messages at a time as there are workers,
// and a bounded number behind them, so that a slow channel fills its own lane and no other.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
)

// attempt is one message with its rendering and what became of it.
type attempt struct {
	send    fold.Send
	message channel.Message
	err     error // of the rendering, then of the channel
	broken  bool  // the rendering failed
	gone    bool  // it was taken out of the outbox before its turn came
	receipt channel.Receipt
}

// flights are the messages under way during one Tick. Its goroutine alone touches what is not a channel.
type flights struct {
	s       *Sender
	ctx     context.Context // of the sends
	cancel  context.CancelFunc
	keys    map[string]bool // under way or next in turn
	lanes   map[string]*lane
	wg      sync.WaitGroup
	results chan *attempt
	next    int64 // when something else is due, if more
	more    bool
	landing atomic.Bool // those next in turn are left for another Tick
}

type lane struct {
	n       int // under way or next in turn
	queue   chan string
	workers int
}

func newFlights(ctx context.Context, s *Sender) *flights {
	f := &flights{s: s, keys: map[string]bool{}, lanes: map[string]*lane{}, results: make(chan *attempt, perLane)}
	f.ctx, f.cancel = context.WithCancel(ctx)
	return f
}

func (f *flights) lane(channel string) *lane {
	l := f.lanes[channel]
	if l == nil {
		l = &lane{queue: make(chan string, perLane)}
		f.lanes[channel] = l
	}
	return l
}

// start puts what may be sent now into its lane, as far as there is room. What goes to the inbox needs no channel.
func (f *flights) start(ctx context.Context) (kept int, err error) {
	if ctx.Err() != nil {
		return 0, nil // what is under way still lands
	}
	var ready []fold.Send
	err = f.s.engine.View(func(st *fold.State) {
		ready, f.next, f.more = st.Pending(f.s.opt.Now().UnixMicro(), func(x *fold.Send) bool {
			l := f.lane(x.Channel)
			if f.keys[x.Key] || l.n == perLane {
				return false
			}
			f.keys[x.Key] = true
			l.n++
			return true
		})
		if at, due := st.NextDue(); due && (!f.more || at < f.next) {
			f.next, f.more = at, true
		}
	})
	if err != nil {
		return 0, err
	}
	var inbox []*attempt
	for _, x := range ready {
		if x.Channel == fold.InboxChannel {
			a := f.s.attempt(f.ctx, x.Key)
			a.send.Key, a.send.Channel = x.Key, x.Channel
			inbox = append(inbox, a)
			continue
		}
		l := f.lane(x.Channel)
		l.queue <- x.Key // has room: n is at most its capacity
		if l.workers < min(l.n, f.s.opt.Workers) {
			l.workers++
			f.wg.Go(func() { f.work(x.Channel, l.queue) })
		}
	}
	return len(inbox), f.log(ctx, inbox)
}

// work hands over the messages of one lane, one after the other, until the lane is closed.
func (f *flights) work(channel string, queue <-chan string) {
	for key := range queue {
		a := &attempt{gone: true}
		if !f.landing.Load() {
			a = f.s.attempt(f.ctx, key)
		}
		a.send.Key, a.send.Channel = key, channel
		f.results <- a
	}
}

// wait returns when an attempt is over and logged, or when something else may have become due.
func (f *flights) wait(ctx context.Context) error {
	timer := time.NewTimer(f.s.until(time.UnixMicro(f.next), f.more))
	defer timer.Stop()
	select {
	case a := <-f.results:
		return f.log(ctx, f.andOthers(a))
	case <-f.s.engine.Changed():
	case <-timer.C:
	case <-f.s.engine.Done():
		return f.s.engine.Err()
	}
	return nil
}

// land waits for what is under way. It is cut off when nobody could note its outcome any more.
func (f *flights) land(ctx context.Context) (err error) {
	f.landing.Store(true)
	for len(f.keys) > 0 {
		select {
		case a := <-f.results:
			err = errors.Join(err, f.log(ctx, f.andOthers(a)))
		case <-f.s.engine.Done():
			f.cancel()
			a := <-f.results
			delete(f.keys, a.send.Key)
		}
	}
	f.cancel()
	for _, l := range f.lanes {
		close(l.queue)
	}
	f.wg.Wait()
	return err
}

// andOthers adds to an attempt that is over all others that are over too.
func (f *flights) andOthers(a *attempt) []*attempt {
	over := []*attempt{a}
	for {
		select {
		case a := <-f.results:
			over = append(over, a)
		default:
			return over
		}
	}
}

// log writes the outcomes of attempts as one submission. What was handed over is told to the log even when ctx has ended
// meanwhile.
func (f *flights) log(ctx context.Context, over []*attempt) error {
	var enc record.Encoder
	for _, a := range over {
		delete(f.keys, a.send.Key)
		f.lane(a.send.Channel).n--
		if !a.gone {
			f.s.outcome(&enc, a, f.ctx.Err() != nil)
		}
	}
	if enc.Count() == 0 {
		return nil
	}
	verdicts, err := f.s.engine.Submit(context.WithoutCancel(ctx), enc.Submission(nil))
	for _, v := range verdicts {
		if v.Code == fold.Rejected { // sending on would send it for ever
			err = errors.Join(err, fmt.Errorf("the outcome of a message was not accepted: %s", v.Reason))
		}
	}
	return err
}

// attempt renders a message for its person as they are now, when its turn has come, and hands it to its channel.
func (s *Sender) attempt(ctx context.Context, key string) *attempt {
	a := &attempt{gone: true}
	if ctx.Err() != nil {
		return a
	}
	err := s.engine.View(func(st *fold.State) {
		x, queued := st.Queued(key)
		if !queued {
			return
		}
		a.gone, a.send = false, x
		a.message, a.err = st.Render(x, s.Unsubscribe(st))
	})
	a.message.Portal, a.message.Attempt = s.opt.Portal, a.send.Attempt+1
	switch {
	case err != nil || a.gone:
		a.gone = true // a closed engine takes no outcome
	case a.err != nil:
		a.broken = true
	case a.send.Channel == fold.InboxChannel:
		a.err = fitsInbox(a.message)
		a.broken = a.err != nil
	default:
		a.receipt, a.err = s.hand(ctx, a.message)
	}
	return a
}

// Unsubscribe makes the links of the portal's settings; nil when there are none.
func (s *Sender) Unsubscribe(st *fold.State) func(userID, channel string) string {
	link := st.Settings.UnsubscribeURL
	if link == "" || s.opt.Token == nil {
		return nil
	}
	return func(userID, channel string) string {
		return strings.ReplaceAll(link, "{token}", s.opt.Token(userID, channel))
	}
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
