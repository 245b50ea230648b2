package cdp_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/boltstore"
)

var damages = flag.Int("damages", 15, "how often TestDamage damages a file in each way")

// TestDamage damages the file of a portal in each way many times, opens it and reads everything. Either the error wraps
// ErrDamaged and says what to do, or every answer is the right one. There is no panic, no hang, and never a wrong answer.
func TestDamage(t *testing.T) {
	ways := []struct {
		name   string
		damage func(r *rand.Rand, image []byte) []byte
	}{
		{"cut off", func(r *rand.Rand, image []byte) []byte { return image[:r.IntN(len(image))] }},
		{"a range zeroed", func(r *rand.Rand, image []byte) []byte {
			from := r.IntN(len(image))
			clear(image[from:min(len(image), from+1+r.IntN(16<<10))])
			return image
		}},
		{"a bit flipped", func(r *rand.Rand, image []byte) []byte {
			i := r.IntN(len(image))
			for image[i] == 0 { // most zeros are room that nothing uses
				i = r.IntN(len(image))
			}
			image[i] ^= 1 << r.IntN(8)
			return image
		}},
	}
	for _, file := range []struct {
		name    string
		batches int
		close   bool
	}{{"closed and compacted", 110, true}, {"not closed", 40, false}} {
		image, clock := damageImage(t, file.batches, file.close)
		path := filepath.Join(t.TempDir(), "shop.cdp")
		require.NoError(t, os.WriteFile(path, image, 0o600))
		c, err := cdp.Open(path, cdp.Config{Now: clock})
		require.NoError(t, err)
		want, err := readEverything(t, c)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.Greater(t, len(want), 100_000, "everything there is, as text")
		used := bytes.TrimRight(image, "\x00")

		noticed := 0
		for _, way := range ways {
			rnd := rand.New(rand.NewPCG(7, uint64(len(way.name))))
			refused, right, readError := 0, 0, 0
			for n := range *damages {
				// bbolt makes files in steps of many pages; damage behind the last used byte would prove nothing.
				bad := way.damage(rnd, bytes.Clone(used))
				if way.name != "cut off" {
					bad = append(bad, image[len(used):]...)
				}
				require.NoError(t, os.WriteFile(path, bad, 0o600))
				start := time.Now()
				c, err := cdp.Open(path, cdp.Config{Now: clock})
				if err != nil {
					refused++
					checkDamageError(t, err, path)
					continue
				}
				got, err := readEverything(t, c)
				if err != nil {
					readError++
					checkDamageError(t, err, path)
				} else if right++; got != want {
					t.Fatalf("%s, %s, number %d: opened without a word, and the data are wrong:\n%s", file.name, way.name, n, firstDifference(got, want))
				}
				_ = c.Close() // may fail: it writes
				require.Less(t, time.Since(start), 10*time.Second)
			}
			t.Logf("%s, %s: %d refused at open, %d while reading, %d with the right data", file.name, way.name, refused, readError, right)
			noticed += refused + readError
		}
		require.Greater(t, noticed, *damages, "hardly any damage was noticed: the test damages the wrong bytes")
	}
}

// checkDamageError holds an error of a damaged file to saying what it is and what to do.
func checkDamageError(t *testing.T, err error, path string) {
	t.Helper()
	require.ErrorIs(t, err, cdp.ErrDamaged)
	require.ErrorContains(t, err, path)
	require.True(t, strings.Contains(err.Error(), "restore") || strings.Contains(err.Error(), "remove it"), "no advice: %v", err)
}

// damageImage makes a portal's file with 100 events a batch and returns its bytes and its clock. A closed one is compacted,
// so that nearly every byte counts; one that was not closed has a tail of log, and pages that are free again.
func damageImage(t *testing.T, batches int, closed bool) ([]byte, func() time.Time) {
	t.Helper()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "shop.cdp")
	now := noon
	c, err := cdp.Open(path, cdp.Config{Now: func() time.Time { return now }, CheckpointBytes: 40_000})
	require.NoError(t, err)
	require.NoError(t, c.Portal().Save(ctx, cdp.Settings{TimeZone: "Asia/Ho_Chi_Minh"}))
	require.NoError(t, c.Objects().Define(ctx, cdp.ObjectType{Name: "product", Attributes: cdp.Schema{"brand": cdp.String}}))
	require.NoError(t, c.Profiles().Define(ctx, cdp.Schema{"city": cdp.String, "age": cdp.Number}, cdp.Strict))
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "view", Attributes: cdp.Schema{"product": cdp.Ref("product"), "n": cdp.Number}}))
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "buy", Attributes: cdp.Schema{"amount": cdp.Number, "note": cdp.Text}}))
	require.NoError(t, c.Templates().Save(ctx, cdp.Template{Name: "thanks", Event: "buy", Subject: "{{ event.amount }}", Text: "{{ event.note }}"}))
	require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "buyers", Where: `events.buy.within("1d").size() >= 3`}))
	require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "fans", Where: `events.view.exists(e, e.product.brand == "b3") && customer.age > 30`}))
	require.NoError(t, c.Journeys().Save(ctx, cdp.Journey{Name: "thanks", Entry: cdp.Entry{Event: "buy"}, Reentry: "1h", Nodes: []cdp.Node{
		cdp.Delay("wait", "30m", "send"), cdp.Send("send", cdp.InboxChannel, "thanks", "end"), cdp.End("end", "")}}))
	for i := range 10 {
		_, err := c.Objects().Put(ctx, cdp.ObjectRecord{Type: "product", ID: fmt.Sprint("p", i), Attributes: cdp.Attrs{"brand": fmt.Sprint("b", i)}})
		require.NoError(t, err)
	}
	for batch := range batches {
		now = now.Add(20 * time.Minute)
		var events []cdp.Event
		for k := range 100 {
			n := batch*100 + k
			user := fmt.Sprint("u", n*7919%53)
			switch {
			case k%10 == 0:
				events = append(events, cdp.Event{ID: fmt.Sprint("e", n), Name: "buy", UserID: user, Attributes: cdp.Attrs{"amount": n, "note": fmt.Sprint("note ", n)}})
			case k%10 == 1:
				events = append(events, cdp.Event{ID: fmt.Sprint("e", n), Name: "view", UserID: user, AnonymousID: "a" + user, Attributes: cdp.Attrs{"n": n}})
			default:
				events = append(events, cdp.Event{ID: fmt.Sprint("e", n), Name: "view", AnonymousID: fmt.Sprint("a", user), Attributes: cdp.Attrs{"n": n, "product": fmt.Sprint("p", n%10)}})
			}
		}
		_, err := c.Track(ctx, events...)
		require.NoError(t, err)
		_, err = c.Identify(ctx, cdp.Identity{UserID: fmt.Sprint("u", batch%53), Attributes: cdp.Attrs{"age": batch, "city": "Hue"}})
		require.NoError(t, err)
		require.NoError(t, c.Tick(ctx))
	}
	_, err = c.Track(ctx, cdp.Event{ID: "bad", Name: "by", UserID: "u1"})
	require.Error(t, err)
	if closed {
		require.NoError(t, c.Close())
		st, err := boltstore.Open(path, nil)
		require.NoError(t, err)
		path += ".small"
		require.NoError(t, st.Compact(ctx, path))
		require.NoError(t, st.Close())
	}
	image, err := os.ReadFile(path) // nothing is being written: what a crash now would leave
	require.NoError(t, err)
	if !closed {
		require.NoError(t, c.Close())
	}
	return image, func() time.Time { return now }
}

// readEverything writes all that can be asked as text. An error is one that a verb gave.
func readEverything(t *testing.T, c *cdp.Client) (string, error) {
	t.Helper()
	ctx := t.Context()
	var b strings.Builder
	var failed error
	say := func(what string, x any, err error) {
		failed = errors.Join(failed, err)
		fmt.Fprintf(&b, "%s: %+v\n", what, x)
	}
	types, err := c.Events().List(ctx)
	say("types", types, err)
	for _, name := range []string{"view", "buy", "message_sent", "inbox_message", "journey_entered"} {
		n, err := c.Events().Count(ctx, name)
		say(name, n, err)
	}
	customers, visitors, err := c.Profiles().Count(ctx)
	say("people", [2]int{customers, visitors}, err)
	for _, of := range []cdp.Of{cdp.Customers, cdp.Visitors} {
		for p, err := range c.Profiles().All(ctx, of) {
			say("profile", p, err)
			if p.UserID == "" {
				continue
			}
			line, err := c.Profiles().Timeline(ctx, p.UserID, &cdp.TimelineOptions{Limit: 100_000})
			say("timeline", line, err)
			links, err := c.Profiles().Ledger(ctx, p.UserID)
			say("ledger", links, err)
			inbox, err := c.Inbox().List(ctx, p.UserID)
			say("inbox", inbox, err)
		}
	}
	segments, err := c.Segments().List(ctx)
	say("segments", segments, err)
	for _, s := range segments {
		n, err := c.Segments().Count(ctx, s.Name)
		say("count", n, err)
		for f, err := range c.Segments().Flips(ctx, s.Name, nil) {
			say("flip", f, err)
		}
	}
	inside, err := c.Journeys().Inside(ctx, "thanks")
	say("inside", inside, err)
	history, err := c.Messages().History(ctx)
	say("messages", history, err)
	rejected, err := c.Events().Rejected(ctx)
	say("rejected", rejected, err)
	settings, err := c.Portal().Settings(ctx)
	say("settings", settings, err)
	journeys, err := c.Journeys().List(ctx)
	say("journeys", journeys, err)
	templates, err := c.Templates().List(ctx)
	say("templates", templates, err)
	for i := range 10 {
		o, err := c.Objects().Get(ctx, "product", fmt.Sprint("p", i))
		say("object", o, err)
	}
	at, ok := c.NextDue()
	say("due", fmt.Sprint(at, ok), nil)
	return b.String(), failed
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			at := 0
			for at < min(len(g[i]), len(w[i])) && g[i][at] == w[i][at] {
				at++
			}
			from := max(0, at-100)
			return fmt.Sprintf("got  …%.300s\nwant …%.300s", g[i][from:], w[i][from:])
		}
	}
	return fmt.Sprintf("%d lines, expected %d", len(g), len(w))
}
