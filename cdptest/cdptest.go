// Package cdptest is `go test` for marketing: a client in memory with a clock you move, channels that record, and
// assertions about segments, journeys and messages.
//
//	func TestCartReminder(t *testing.T) {
//		c := cdptest.New(t, cdptest.Options{Channels: []string{"email"}})
//		c.Define(cdp.EventType{Name: "add_to_cart"})
//		c.SaveJourney(reminder)
//		c.Happens(cdp.Event{Name: "add_to_cart", UserID: "u1"})
//		c.Advance(2 * time.Hour)
//		c.ExpectSent("u1", "email", "cart-reminder")
//	}
//
// It imports the standard library and this module only.
package cdptest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/memstore"
)

// Clock is a clock that moves only when told. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

// NewClock returns a clock that stands at a time.
func NewClock(at time.Time) *Clock { return &Clock{now: at} }

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set moves the clock to a time, Advance by a duration.
func (c *Clock) Set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = at
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) { c.Set(c.Now().Add(d)) }

// Recorder is a channel that keeps what it is given. It honours keys: a message it took is not taken twice. The zero
// Recorder is ready; it is safe for concurrent use.
type Recorder struct {
	// Answer, when set, decides each attempt; an error is what a real channel would return. It is called one at a time.
	Answer func(channel.Message) error

	mu       sync.Mutex // guards what follows
	sent     []channel.Message
	attempts int
	seen     map[string]bool
}

// Send implements channel.Channel.
func (r *Recorder) Send(_ context.Context, m channel.Message) (channel.Receipt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts++
	if r.Answer != nil {
		if err := r.Answer(m); err != nil {
			return channel.Receipt{}, err
		}
	}
	if !r.seen[m.Key] {
		if r.seen == nil {
			r.seen = map[string]bool{}
		}
		r.seen[m.Key] = true
		r.sent = append(r.sent, m)
	}
	return channel.Receipt{ID: "recorded-" + m.Key}, nil
}

// Sent returns the messages taken, each key once, in order.
func (r *Recorder) Sent() []channel.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

// Attempts returns how often Send was called.
func (r *Recorder) Attempts() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.attempts
}

// Options of a test client. The zero Options are a portal in memory with no channel but the inbox.
type Options struct {
	Start    time.Time   // where the clock begins. Default: 2026-01-01 00:00 UTC
	Channels []string    // names under which recorders are registered
	Store    store.Store // default: a new memstore
	Config   cdp.Config  // what else the client is opened with; Now and the recorders are added
}

// Client is a test client. Its methods fail the test at once when something goes wrong, so that a test reads as a list of
// what happens. The embedded client is there for everything else.
type Client struct {
	*cdp.Client
	Clock *Clock

	t         testing.TB
	recorders map[string]*Recorder
}

// New opens a client that is closed at the end of the test.
func New(t testing.TB, opt Options) *Client {
	t.Helper()
	if opt.Start.IsZero() {
		opt.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if opt.Store == nil {
		opt.Store = memstore.New()
	}
	c := &Client{Clock: NewClock(opt.Start), t: t, recorders: map[string]*Recorder{}}
	cfg := opt.Config
	cfg.Now = c.Clock.Now
	if cfg.SendWorkers == 0 {
		cfg.SendWorkers = 1 // one message after the other on each channel: tests read the same every time
	}
	channels := map[string]channel.Channel{}
	for name, ch := range cfg.Channels {
		channels[name] = ch
	}
	for _, name := range opt.Channels {
		c.recorders[name] = &Recorder{}
		channels[name] = c.recorders[name]
	}
	cfg.Channels = channels
	client, err := cdp.New(opt.Store, cfg)
	c.must("open", err)
	c.Client = client
	t.Cleanup(func() { client.Close() })
	return c
}

func (c *Client) must(what string, err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
}

func (c *Client) ctx() context.Context { return c.t.Context() }

// Recorder returns the recorder of a channel named in the options.
func (c *Client) Recorder(name string) *Recorder {
	c.t.Helper()
	r := c.recorders[name]
	if r == nil {
		c.t.Fatalf("there is no recorder %q; name it in Options.Channels", name)
	}
	return r
}

// Define defines event types.
func (c *Client) Define(types ...cdp.EventType) {
	c.t.Helper()
	for _, t := range types {
		c.must("define "+t.Name, c.Events().Define(c.ctx(), t))
	}
}

// DefineProfile declares profile attributes.
func (c *Client) DefineProfile(attributes cdp.Schema) {
	c.t.Helper()
	c.must("define profile", c.Profiles().Define(c.ctx(), attributes, cdp.Strict))
}

// SaveSegment, SaveTemplate and SaveJourney save definitions.
func (c *Client) SaveSegment(name, where string) {
	c.t.Helper()
	c.must("save segment", c.Segments().Save(c.ctx(), cdp.Segment{Name: name, Where: where}))
}

// SaveTemplate saves message templates.
func (c *Client) SaveTemplate(templates ...cdp.Template) {
	c.t.Helper()
	for _, t := range templates {
		c.must("save template "+t.Name, c.Templates().Save(c.ctx(), t))
	}
}

// SaveJourney saves a journey.
func (c *Client) SaveJourney(j cdp.Journey) {
	c.t.Helper()
	c.must("save journey "+j.Name, c.Journeys().Save(c.ctx(), j))
}

// Happens tracks events, sends what follows, and fails the test when one is rejected.
func (c *Client) Happens(events ...cdp.Event) {
	c.t.Helper()
	_, err := c.Track(c.ctx(), events...)
	c.must("track", err)
	c.must("tick", c.Tick(c.ctx()))
}

// Knows identifies people.
func (c *Client) Knows(people ...cdp.Identity) {
	c.t.Helper()
	_, err := c.Identify(c.ctx(), people...)
	c.must("identify", err)
	c.must("tick", c.Tick(c.ctx()))
}

// Advance moves the clock on and lets everything happen that is due on the way, each at its instant; messages are handed
// out whenever the clock stops at something due, at least.
func (c *Client) Advance(d time.Duration) {
	c.t.Helper()
	end := c.Clock.Now().Add(d)
	for {
		next, ok := c.NextDue()
		if !ok || next.After(end) {
			break
		}
		if next.After(c.Clock.Now()) {
			c.Clock.Set(next)
		}
		c.must("tick", c.Tick(c.ctx()))
		if again, ok := c.NextDue(); ok && !again.After(next) {
			c.t.Fatalf("something due at %s does not go away", next)
		}
	}
	c.Clock.Set(end)
	c.must("tick", c.Tick(c.ctx()))
}

// ExpectIn fails the test unless the customer is in the segment; ExpectOut the other way.
func (c *Client) ExpectIn(segment, userID string) {
	c.t.Helper()
	c.expectMember(segment, userID, true)
}

// ExpectOut fails the test when the customer is in the segment.
func (c *Client) ExpectOut(segment, userID string) {
	c.t.Helper()
	c.expectMember(segment, userID, false)
}

func (c *Client) expectMember(segment, userID string, want bool) {
	c.t.Helper()
	in, err := c.Segments().Contains(c.ctx(), segment, userID)
	c.must("contains", err)
	if in != want {
		why, err := c.Segments().Explain(c.ctx(), segment, userID)
		c.must("explain", err)
		c.t.Errorf("in %q: %v, expected %v\n%s", segment, in, want, why)
	}
}

// ExpectMembers fails the test unless exactly these customers are in the segment.
func (c *Client) ExpectMembers(segment string, userIDs ...string) {
	c.t.Helper()
	var got []string
	for p, err := range c.Segments().Members(c.ctx(), segment) {
		c.must("members", err)
		got = append(got, p.UserID)
	}
	slices.Sort(got)
	want := slices.Sorted(slices.Values(userIDs))
	if !slices.Equal(got, want) {
		c.t.Errorf("members of %q: %q, expected %q", segment, got, want)
	}
}

// ExpectSent fails the test unless exactly one message from the template went to the customer over the channel, and
// returns it.
func (c *Client) ExpectSent(userID, channelName, template string) channel.Message {
	c.t.Helper()
	var found []channel.Message
	for _, m := range c.Recorder(channelName).Sent() {
		if m.ProfileID == userID && m.Template == template {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		c.t.Errorf("%d messages from template %q to %q over %s, expected 1%s", len(found), template, userID, channelName, c.messages())
		return channel.Message{}
	}
	return found[0]
}

// ExpectNotSent fails the test when anything from the template went to the customer.
func (c *Client) ExpectNotSent(userID, template string) {
	c.t.Helper()
	for name, r := range c.recorders {
		for _, m := range r.Sent() {
			if m.ProfileID == userID && m.Template == template {
				c.t.Errorf("a message from template %q went to %q over %s%s", template, userID, name, c.messages())
			}
		}
	}
}

// ExpectAt fails the test unless the customer stands at the node of the journey; "" means not inside.
func (c *Client) ExpectAt(journey, userID, node string) {
	c.t.Helper()
	p, err := c.Profiles().Get(c.ctx(), userID)
	c.must("profile", err)
	at := ""
	for _, j := range p.Journeys {
		if j.Journey == journey {
			at = j.Node
		}
	}
	if at != node {
		c.t.Errorf("%q is at node %q of journey %q, expected %q", userID, at, journey, node)
	}
}

// messages lists what became of every message, for a failed expectation.
func (c *Client) messages() string {
	history, err := c.Messages().History(c.ctx())
	if err != nil || len(history) == 0 {
		return "; no message was ever decided on"
	}
	var b strings.Builder
	b.WriteString("; what became of messages:")
	for _, m := range history {
		fmt.Fprintf(&b, "\n  %s %s %s to %q: template %s, journey %s, node %s %s", m.Time.Format(time.RFC3339), m.Event, m.Channel, m.UserID, m.Template, m.Journey, m.Node, m.Reason)
	}
	return b.String()
}
