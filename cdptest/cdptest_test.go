package cdptest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
	"github.com/embedcdp/cdp/channel"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) // of Options by default

// cart is a client with a journey that reminds of a cart an hour later, unless the person orders before.
func cart(t testing.TB, opt cdptest.Options) *cdptest.Client {
	opt.Channels = append(opt.Channels, "email")
	c := cdptest.New(t, opt)
	c.Define(cdp.EventType{Name: "add_to_cart", Attributes: cdp.Schema{"item": cdp.String}}, cdp.EventType{Name: "order"})
	c.SaveTemplate(cdp.Template{Name: "cart-reminder", Event: "add_to_cart", Subject: "Your {{ event.item }}"})
	c.SaveJourney(cdp.Journey{Name: "cart", Entry: cdp.Entry{Event: "add_to_cart"}, Nodes: []cdp.Node{
		cdp.Wait("wait", "1h", "remind", cdp.Branch{Event: "order", Next: "end"}),
		cdp.Send("remind", "email", "cart-reminder", "end"),
		cdp.End("end", "")}})
	return c
}

func add(user string) cdp.Event {
	return cdp.Event{Name: "add_to_cart", UserID: user, Attributes: cdp.Attrs{"item": "hat"}}
}

// The test of the package's documentation.
func TestCartReminder(t *testing.T) {
	c := cart(t, cdptest.Options{})
	c.Happens(add("u1"), add("u2"))
	c.ExpectAt("cart", "u1", "wait")
	c.Advance(59 * time.Minute)
	c.Happens(cdp.Event{Name: "order", UserID: "u2"})
	c.ExpectNotSent("u1", "cart-reminder")

	c.Advance(2 * time.Hour)
	m := c.ExpectSent("u1", "email", "cart-reminder")
	require.Equal(t, "Your hat", m.Subject)
	require.Equal(t, start.Add(time.Hour), m.Time)
	require.Equal(t, 1, m.Attempt)
	c.ExpectNotSent("u2", "cart-reminder")
	c.ExpectAt("cart", "u1", "")
	require.Equal(t, start.Add(179*time.Minute), c.Now())
}

// A visitor is known by the anonymous id.
func TestVisitor(t *testing.T) {
	c := cart(t, cdptest.Options{})
	c.Happens(cdp.Event{Name: "add_to_cart", AnonymousID: "browser-7", Attributes: cdp.Attrs{"item": "hat"}})
	c.Advance(time.Hour)
	c.ExpectSent("browser-7", "email", "cart-reminder")
}

// Advance fires each timer at its own instant, however far it goes at once.
func TestAdvanceFiresAtInstants(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{Channels: []string{"email"}})
	c.Define(cdp.EventType{Name: "signup"}, cdp.EventType{Name: "login"})
	c.SaveSegment("active", `events.login.within("7d").size() > 0`)
	c.SaveTemplate(cdp.Template{Name: "tip", Text: "x"}, cdp.Template{Name: "back", Text: "x"})
	c.SaveJourney(cdp.Journey{Name: "tips", Entry: cdp.Entry{Event: "signup"}, Nodes: []cdp.Node{
		cdp.Delay("a", "36h", "one"), cdp.Send("one", "email", "tip", "b"), cdp.Delay("b", "10d", "two"), cdp.Send("two", "email", "tip", "end"), cdp.End("end", "")}})
	c.SaveJourney(cdp.Journey{Name: "back", Entry: cdp.Entry{Left: "active"}, Nodes: []cdp.Node{
		cdp.Delay("a", "90m", "send"), cdp.Send("send", "email", "back", "end"), cdp.End("end", "")}})

	c.Happens(cdp.Event{Name: "signup", UserID: "ann"}, cdp.Event{Name: "login", UserID: "ann"})
	c.ExpectIn("active", "ann")
	c.Advance(365 * 24 * time.Hour)
	c.ExpectOut("active", "ann")
	c.ExpectMembers("active")

	var got []string
	for _, m := range c.Recorder("email").Sent() {
		got = append(got, fmt.Sprint(m.Template, " after ", m.Time.Sub(start)))
	}
	require.Equal(t, []string{"tip after 36h0m0s", "back after 169h30m0s", "tip after 276h0m0s"}, got)
	var times []time.Time
	for f, err := range c.Segments().Flips(t.Context(), "active", nil) {
		require.NoError(t, err)
		times = append(times, f.Time)
	}
	require.Equal(t, start.Add(7*24*time.Hour), times[1])
}

// A channel that is down is tried again under the same key, with waits that double, on the virtual clock.
func TestRetry(t *testing.T) {
	c := cart(t, cdptest.Options{})
	r := c.Recorder("email")
	var keys []string
	var tried []time.Time
	r.Answer = func(m channel.Message) error {
		keys, tried = append(keys, m.Key), append(tried, c.Clock.Now())
		if len(keys) != m.Attempt {
			return channel.Permanent(fmt.Errorf("attempt %d says it is %d", len(keys), m.Attempt))
		}
		if m.Attempt <= 3 {
			return errors.New("connection refused")
		}
		return nil
	}
	c.Happens(add("u1"))
	c.Advance(2 * time.Hour)
	c.ExpectSent("u1", "email", "cart-reminder")
	require.Equal(t, 4, r.Attempts())
	for _, k := range keys {
		require.Equal(t, keys[0], k)
	}
	require.Equal(t, start.Add(time.Hour), tried[0])
	for i, wait := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute} { // and up to a quarter more
		require.GreaterOrEqual(t, tried[i+1].Sub(tried[i]), wait)
		require.Less(t, tried[i+1].Sub(tried[i]), wait*5/4+time.Second)
	}
	retried, err := c.Messages().History(t.Context(), "message_retried")
	require.NoError(t, err)
	require.Len(t, retried, 3)
	require.Equal(t, "connection refused", retried[0].Reason)
	require.Equal(t, tried[0], retried[0].Time)
}

// After MaxAttempts a message is given up, with the last reason.
func TestGivenUp(t *testing.T) {
	c := cart(t, cdptest.Options{Config: cdp.Config{MaxAttempts: 3}})
	c.Recorder("email").Answer = func(channel.Message) error { return errors.New("451 try later") }
	c.Happens(add("u1"))
	c.Advance(24 * time.Hour)
	require.Equal(t, 3, c.Recorder("email").Attempts())
	c.ExpectNotSent("u1", "cart-reminder")
	expectBecame(t, c, "message_failed", "451 try later")
}

func expectBecame(t *testing.T, c *cdptest.Client, event, reason string) {
	t.Helper()
	history, err := c.Messages().History(t.Context())
	require.NoError(t, err)
	last := history[len(history)-1]
	require.Equal(t, event, last.Event)
	require.Contains(t, last.Reason, reason)
	pending, err := c.Messages().Pending(t.Context())
	require.NoError(t, err)
	require.Zero(t, pending)
	_, due := c.NextDue()
	require.False(t, due, "nothing is left to do")
}

// A hard bounce and a missing address are final; a channel that panics is one that failed.
func TestFinalAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		answer        error
		event, reason string
	}{
		"bounced":     {channel.Permanent(errors.New("550 no such user")), "message_bounced", "550 no such user"},
		"no receiver": {channel.NoReceiver(errors.New("no email address")), "message_bounced", "no email address"},
	} {
		t.Run(name, func(t *testing.T) {
			c := cart(t, cdptest.Options{})
			c.Recorder("email").Answer = func(channel.Message) error { return tc.answer }
			c.Happens(add("u1"))
			c.Advance(24 * time.Hour)
			require.Equal(t, 1, c.Recorder("email").Attempts())
			expectBecame(t, c, tc.event, tc.reason)
		})
	}
	t.Run("panic", func(t *testing.T) {
		c := cart(t, cdptest.Options{})
		c.Recorder("email").Answer = func(m channel.Message) error {
			if m.Attempt == 1 {
				panic("a defect in a channel")
			}
			return nil
		}
		c.Happens(add("u1"))
		c.Advance(24 * time.Hour)
		c.ExpectSent("u1", "email", "cart-reminder")
	})
}

// A service that asks to wait is not asked before.
func TestThrottled(t *testing.T) {
	c := cart(t, cdptest.Options{})
	var tried []time.Time
	c.Recorder("email").Answer = func(m channel.Message) error {
		tried = append(tried, c.Clock.Now())
		if m.Attempt == 1 {
			return channel.Throttled(errors.New("429"), 3*time.Hour)
		}
		return nil
	}
	c.Happens(add("u1"))
	c.Advance(4*time.Hour - time.Second) // the reminder is due after one
	require.Equal(t, []time.Time{start.Add(time.Hour)}, tried)
	c.Advance(time.Hour)
	require.Equal(t, []time.Time{start.Add(time.Hour), start.Add(4 * time.Hour)}, tried)
	c.ExpectSent("u1", "email", "cart-reminder")
}

// A recorder takes a message once, as a channel does that honours keys.
func TestRecorderHonoursKeys(t *testing.T) {
	var r cdptest.Recorder
	for range 2 {
		receipt, err := r.Send(t.Context(), channel.Message{Key: "k"})
		require.NoError(t, err)
		require.Equal(t, "recorded-k", receipt.ID)
	}
	require.Len(t, r.Sent(), 1)
	require.Equal(t, 2, r.Attempts())
}

// Knows, and a clock that starts elsewhere.
func TestKnows(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{Start: time.Date(2030, 6, 1, 9, 0, 0, 0, time.UTC)})
	c.DefineProfile(cdp.Schema{"city": cdp.String})
	c.SaveSegment("hue", `customer.city == "Hue"`)
	c.Knows(cdp.Identity{UserID: "ann", Attributes: cdp.Attrs{"city": "Hue"}}, cdp.Identity{UserID: "bob", Attributes: cdp.Attrs{"city": "Hanoi"}})
	c.ExpectMembers("hue", "ann")
	c.Clock.Set(c.Now().Add(time.Hour))
	require.Equal(t, 10, c.Now().Hour())
}

// fake is a testing.TB that notes failures instead of failing.
type fake struct {
	testing.TB
	said   []string
	fatal  bool
	cleans []func()
}

func (f *fake) Helper()                        {}
func (f *fake) Context() context.Context       { return context.Background() }
func (f *fake) Cleanup(fn func())              { f.cleans = append(f.cleans, fn) }
func (f *fake) Errorf(format string, x ...any) { f.said = append(f.said, fmt.Sprintf(format, x...)) }
func (f *fake) Fatalf(format string, x ...any) {
	f.Errorf(format, x...)
	f.fatal = true
	runtime.Goexit()
}

// failing runs a test that should fail and returns what it said.
func failing(t *testing.T, test func(testing.TB, *cdptest.Client)) (said string, fatal bool) {
	t.Helper()
	f := &fake{TB: t}
	done := make(chan bool)
	go func() {
		defer close(done)
		defer func() {
			for _, fn := range f.cleans {
				fn()
			}
		}()
		test(f, cart(f, cdptest.Options{}))
	}()
	<-done
	require.NotEmpty(t, f.said, "the test should have failed")
	return strings.Join(f.said, "\n"), f.fatal
}

// What a failed expectation says is enough to see what went wrong.
func TestFailureMessages(t *testing.T) {
	for name, tc := range map[string]struct {
		test  func(*cdptest.Client)
		says  []string
		fatal bool
	}{
		"nothing was decided on": {func(c *cdptest.Client) { c.ExpectSent("u1", "email", "cart-reminder") },
			[]string{`0 messages from template "cart-reminder" to "u1" over email, expected 1`, "no message was ever decided on"}, false},
		"it bounced": {func(c *cdptest.Client) {
			c.Recorder("email").Answer = func(channel.Message) error { return channel.Permanent(errors.New("550 no such user")) }
			c.Happens(add("u1"))
			c.Advance(time.Hour)
			c.ExpectSent("u1", "email", "cart-reminder")
		}, []string{`0 messages`, "message_bounced", `to "u1"`, "550 no such user", "node remind", "2026-01-01T01:00:00Z"}, false},
		"it was sent": {func(c *cdptest.Client) {
			c.Happens(add("u1"))
			c.Advance(time.Hour)
			c.ExpectNotSent("u1", "cart-reminder")
		}, []string{`a message from template "cart-reminder" went to "u1" over email`}, false},
		"not a member": {func(c *cdptest.Client) {
			c.SaveSegment("carts", `events.add_to_cart.size() >= 2`)
			c.Happens(add("u1"))
			c.ExpectIn("carts", "u1")
		}, []string{`in "carts": false, expected true`, `events.add_to_cart.size()`, "is not in"}, false},
		"other members": {func(c *cdptest.Client) {
			c.SaveSegment("carts", `events.add_to_cart.size() >= 1`)
			c.Happens(add("u1"))
			c.ExpectMembers("carts", "u1", "u2")
		}, []string{`members of "carts": ["u1"], expected ["u1" "u2"]`}, false},
		"at another node": {func(c *cdptest.Client) {
			c.Happens(add("u1"))
			c.ExpectAt("cart", "u1", "remind")
		}, []string{`"u1" is at node "wait" of journey "cart", expected "remind"`}, false},
		"rejected event": {func(c *cdptest.Client) { c.Happens(cdp.Event{Name: "odrer", UserID: "u1"}) },
			[]string{"track: ", `unknown event "odrer" (did you mean "order"?)`}, true},
		"unknown recorder": {func(c *cdptest.Client) { c.Recorder("sms") }, []string{`there is no recorder "sms"`, "Options.Channels"}, true},
		"bad segment": {func(c *cdptest.Client) { c.SaveSegment("x", `events.ordr.size() > 0`) },
			[]string{`segment "x"`, `did you mean "order"?`}, true},
		"bad journey": {func(c *cdptest.Client) { c.SaveJourney(cdp.Journey{Name: "j", Entry: cdp.Entry{Event: "order"}}) }, []string{`save journey j: journey "j"`}, true},
		"unknown customer": {func(c *cdptest.Client) {
			c.SaveSegment("all", "true")
			c.ExpectIn("all", "nobody")
		}, []string{`"nobody"`, "not found"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			said, fatal := failing(t, func(_ testing.TB, c *cdptest.Client) { tc.test(c) })
			for _, words := range tc.says {
				require.Contains(t, said, words)
			}
			require.Equal(t, tc.fatal, fatal, said)
		})
	}
}
