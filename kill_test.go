package cdp_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/channel"
)

var kills = flag.Int("kills", 50, "how often TestKill kills the process")

// Every batch of the killed process is a pure function of its number, so that the parent knows by plain counting what
// must be there in the end.
const (
	killBatch = 25
	killUsers = 97
)

func killEvent(n int) cdp.Event {
	return cdp.Event{ID: fmt.Sprintf("k%d", n), Name: "buy", UserID: fmt.Sprintf("u%d", n*7919%killUsers),
		Time: killStart.Add(time.Duration(n) * time.Second), Attributes: cdp.Attrs{"amount": float64(n % 100)}}
}

var killStart = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)

// appendChannel writes each message's key to a file before it answers; a process that is killed in between sends again.
type appendChannel struct{ f *os.File }

func (a appendChannel) Send(_ context.Context, m channel.Message) (channel.Receipt, error) {
	_, err := fmt.Fprintln(a.f, m.Key)
	return channel.Receipt{}, err
}

func openKilled(t *testing.T, dir string, now func() time.Time) *cdp.Client {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "sent"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	c, err := cdp.Open(filepath.Join(dir, "a.cdp"), cdp.Config{Now: now, CheckpointBytes: 20_000, Channels: map[string]channel.Channel{"file": appendChannel{f}}})
	require.NoError(t, err)
	return c
}

// TestKilled is the process that TestKill kills; by itself it does nothing.
func TestKilled(t *testing.T) {
	dir := os.Getenv("CDP_KILL_DIR")
	if dir == "" {
		t.Skip("runs as the child of TestKill")
	}
	first, err := strconv.Atoi(os.Getenv("CDP_KILL_FIRST"))
	require.NoError(t, err)
	batch := first
	c := openKilled(t, dir, func() time.Time { return killStart.Add(time.Duration((batch+1)*killBatch) * time.Second) })
	for ; ; batch++ {
		var events []cdp.Event
		for n := batch * killBatch; n < (batch+1)*killBatch; n++ {
			events = append(events, killEvent(n))
		}
		_, err := c.Track(t.Context(), events...)
		require.NoError(t, err)
		fmt.Printf("acknowledged %d\n", batch)
		require.NoError(t, c.Tick(t.Context()))
	}
}

// TestKill kills a process again and again, in the middle of intake and of sending, and proves that what was acknowledged
// is there once, and that every message that was decided on was sent.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	c := openKilled(t, dir, func() time.Time { return killStart })
	ctx := t.Context()
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "buy", Attributes: cdp.Schema{"amount": cdp.Number}}))
	require.NoError(t, c.Templates().Save(ctx, cdp.Template{Name: "thanks", Event: "buy", Text: "thank you for {{ event.amount }}"}))
	require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "many", Where: `events.buy.size() >= 30`}))
	require.NoError(t, c.Journeys().Save(ctx, cdp.Journey{Name: "thanks", Entry: cdp.Entry{Event: "buy"},
		Nodes: []cdp.Node{cdp.Send("send", "file", "thanks", "end"), cdp.End("end", "")}}))
	require.NoError(t, c.Close())

	rnd := rand.New(rand.NewPCG(1, 2))
	batches := 0
	for range *kills {
		batches = killOnce(t, dir, batches, 1+rnd.IntN(6), time.Duration(rnd.IntN(3000))*time.Microsecond)
	}

	c = openKilled(t, dir, func() time.Time { return killStart.Add(time.Duration((batches+1)*killBatch) * time.Second) })
	defer c.Close()
	for n := batches * killBatch; n < (batches+1)*killBatch; n++ { // the batch that was under way when the last kill came
		_, err := c.Track(ctx, killEvent(n))
		require.NoError(t, err)
	}
	require.NoError(t, c.Tick(ctx))
	checkKilled(t, c, dir, (batches+1)*killBatch)
}

// killOnce runs the child from a batch on, kills it some time after it acknowledged some batches, and returns the number
// of the first batch that was not acknowledged.
func killOnce(t *testing.T, dir string, first, acks int, later time.Duration) int {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$", "-test.v")
	cmd.Env = append(os.Environ(), "CDP_KILL_DIR="+dir, "CDP_KILL_FIRST="+strconv.Itoa(first))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	var said strings.Builder
	killed := false
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		n, ok := strings.CutPrefix(lines.Text(), "acknowledged ")
		if !ok {
			continue
		}
		batch, err := strconv.Atoi(n)
		require.NoError(t, err)
		require.Equal(t, first, batch)
		first++
		if acks--; acks == 0 {
			killed = true
			time.AfterFunc(later, func() { cmd.Process.Kill() })
		}
	}
	err = cmd.Wait()
	require.True(t, killed, "the child ended by itself: %v\n%s", err, said.String())
	return first
}

func checkKilled(t *testing.T, c *cdp.Client, dir string, events int) {
	t.Helper()
	ctx := t.Context()
	count, sum := map[string]int{}, map[string]float64{}
	for n := range events {
		ev := killEvent(n)
		count[ev.UserID]++
		sum[ev.UserID] += ev.Attributes["amount"].(float64)
	}
	total, err := c.Events().Count(ctx, "buy")
	require.NoError(t, err)
	require.Equal(t, events, total, "events there against events acknowledged")
	for user, want := range count {
		line, err := c.Profiles().Timeline(ctx, user, &cdp.TimelineOptions{Only: []string{"buy"}, Limit: want + 10})
		require.NoError(t, err)
		got, seen := 0.0, map[string]bool{}
		for _, e := range line {
			require.False(t, seen[e.ID], "event %s is there twice", e.ID)
			seen[e.ID] = true
			got += e.Attributes["amount"].(float64)
		}
		require.Equal(t, want, len(line))
		require.Equal(t, sum[user], got)
		in, err := c.Segments().Contains(ctx, "many", user)
		require.NoError(t, err)
		require.Equal(t, want >= 30, in)
	}
	sent, err := os.ReadFile(filepath.Join(dir, "sent"))
	require.NoError(t, err)
	delivered := map[string]int{}
	for _, key := range strings.Fields(string(sent)) {
		delivered[key]++
	}
	queued, err := c.Messages().History(ctx, "message_queued")
	require.NoError(t, err)
	require.Equal(t, events, len(queued), "one message for each purchase")
	failed, err := c.Messages().History(ctx, "message_failed", "message_bounced", "message_suppressed")
	require.NoError(t, err)
	require.Empty(t, failed)
	twice := 0
	for _, m := range queued {
		require.NotZero(t, delivered[m.Key], "message %s was decided on and never sent", m.Key)
		if delivered[m.Key] > 1 {
			twice++
		}
	}
	require.Equal(t, events, len(delivered), "keys are unique, and nothing was sent that nobody decided on")
	pending, err := c.Messages().Pending(ctx)
	require.NoError(t, err)
	require.Zero(t, pending)
	t.Logf("%d events, %d messages, %d of them handed over more than once under the same key", events, len(queued), twice)
}
