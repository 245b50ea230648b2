package cdp_test

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
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
	"github.com/embedcdp/cdp/cdptest"
	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/memstore"
)

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// One file through every action to all three kinds of destination, each checked by hand.
func TestDataflowToEverything(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{})
	ctx := t.Context()
	c.Define(cdp.EventType{Name: "purchase", Attributes: cdp.Schema{"amount": cdp.Number.Required(), "product": cdp.String}})
	c.DefineProfile(cdp.Schema{"city": cdp.String})
	require.NoError(t, c.Objects().Define(ctx, cdp.ObjectType{Name: "product", Attributes: cdp.Schema{"label": cdp.String}}))
	c.SaveSegment("spent", `events.purchase.sum(e, e.amount) >= 100`)
	c.SaveJourney(cdp.Journey{Name: "thanks", Entry: cdp.Entry{Event: "purchase"}, Nodes: []cdp.Node{cdp.End("end", "")}})
	c.SaveJourney(cdp.Journey{Name: "rich", Entry: cdp.Entry{Entered: "spent"}, Nodes: []cdp.Node{cdp.End("end", "")}})

	path := writeFile(t, "orders.csv", `id,who,when,price,qty,item,town,old
o1,ann,2025-12-01T10:00:00Z,10,3,lamp,Hue,x
o2,ann,2025-12-02T10:00:00Z,70,1,desk,,x
o3,bob,2025-12-03T10:00:00Z,1,1,"a ""b"", c",Da Nang,x
o4,bob,2025-12-04T10:00:00Z,cheap,1,lamp,,x
o5,,2025-12-05T10:00:00Z,5,1,lamp,,x
o6,cam,2025-12-06T10:00:00Z,0,1,lamp,Hue,x
o1,ann,2025-12-01T10:00:00Z,10,3,lamp,Hue,x
o8,dan,not a time,5,1,lamp,Vinh,x
`)
	def := cdp.Dataflow{Name: "orders",
		Source: cdp.Source{Type: "csv", Path: path, Types: map[string]string{"price": "number", "qty": "number", "when": "datetime"}},
		Actions: []cdp.Action{
			{ID: "paid", Filter: &cdp.Filter{Where: `price > 0`}},
			{ID: "total", Add: &cdp.Add{Column: "total", Type: "number", Value: `price * qty`}},
			{ID: "label", Add: &cdp.Add{Column: "label", Type: "string", Value: `upper(item)`}},
			{ID: "less", Select: &cdp.Select{Columns: []string{"id", "who", "when", "total", "item", "town", "label"}}},
			{ID: "names", Rename: &cdp.Rename{Columns: map[string]string{"town": "city"}}}},
		Destinations: []cdp.Destination{
			{ID: "events", Events: &cdp.ToEvents{Name: "purchase", ID: "id", Time: "when", UserID: "who", Attributes: map[string]string{"amount": "total", "product": "item"}}},
			{ID: "people", Profiles: &cdp.ToProfiles{UserID: "who", Attributes: map[string]string{"city": "city"}}},
			{ID: "things", Objects: &cdp.ToObjects{Type: "product", ID: "item", Attributes: map[string]string{"label": "label"}}}}}
	require.NoError(t, c.Dataflows().Save(ctx, def))

	look, err := c.Dataflows().Preview(ctx, def, 2)
	require.NoError(t, err)
	byID := map[string]cdp.NodePreview{}
	for _, n := range look {
		byID[n.ID] = n
	}
	require.Equal(t, [][]any{{"o1", "ann", time.Date(2025, 12, 1, 10, 0, 0, 0, time.UTC), 30.0, "lamp", "Hue", "LAMP"},
		{"o2", "ann", time.Date(2025, 12, 2, 10, 0, 0, 0, time.UTC), 70.0, "desk", nil, "DESK"}}, byID["names"].Rows)
	n, err := c.Events().Count(ctx, "purchase")
	require.NoError(t, err)
	require.Zero(t, n, "a preview writes nothing")

	run, err := c.Dataflows().Run(ctx, "orders", nil)
	require.NoError(t, err)
	require.Equal(t, "done", run.State)
	require.Equal(t, int64(8), run.Progress.Rows)
	dead, err := c.Dataflows().DeadLetters(ctx, "orders", run.ID)
	require.NoError(t, err)
	lines := map[int64][]string{}
	for _, d := range dead {
		lines[d.Line] = append(lines[d.Line], d.Reason)
		require.Equal(t, run.ID, d.Run)
	}
	// Line 5: the price is no number. Line 6 has nobody for two destinations; its product is fine. Line 9: no time.
	require.Len(t, lines, 3)
	require.Len(t, lines[5], 1)
	require.Contains(t, lines[5][0], `"cheap"`)
	require.Len(t, lines[6], 2)
	require.Len(t, lines[9], 1)
	require.Contains(t, lines[9][0], `"not a time"`)

	sums := map[string]float64{}
	for _, who := range []string{"ann", "bob"} {
		line, err := c.Profiles().Timeline(ctx, who, &cdp.TimelineOptions{Only: []string{"purchase"}})
		require.NoError(t, err)
		for _, e := range line {
			require.Equal(t, "orders", e.Source)
			sums[who] += e.Attributes["amount"].(float64)
		}
	}
	require.Equal(t, map[string]float64{"ann": 100, "bob": 1}, sums, "o1 comes twice and counts once")
	ann, err := c.Profiles().Get(ctx, "ann")
	require.NoError(t, err)
	require.Equal(t, "Hue", ann.Attributes["city"])
	thing, err := c.Objects().Get(ctx, "product", `a "b", c`)
	require.NoError(t, err)
	require.Equal(t, `A "B", C`, thing.Attributes["label"])
	c.ExpectMembers("spent", "ann")
	for _, e := range []string{"journey_entered"} {
		n, err := c.Events().Count(ctx, e)
		require.NoError(t, err)
		require.Zero(t, n, "what a dataflow brings is history and starts no journey")
	}
}

// What does not fit the schema is rejected, kept, counted, and accepted once the schema is mended.
func TestDataflowRejectsAndReplays(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{})
	ctx := t.Context()
	c.Define(cdp.EventType{Name: "visit", Attributes: cdp.Schema{"page": cdp.String.Required()}})
	path := writeFile(t, "visits.jsonl", `{"u":"ann","t":"2025-12-01T10:00:00Z","page":"a"}
{"u":"bob","t":"2025-12-01T10:00:00Z"}
{"u":"cam"
{"u":"dan","t":"2025-12-01T10:00:00Z","page":"`+strings.Repeat("x", 256)+`"}
{"u":"eve","t":"2025-12-01T10:00:00Z","page":"e"}
`)
	require.NoError(t, c.Dataflows().Save(ctx, cdp.Dataflow{Name: "visits", Source: cdp.Source{Type: "jsonl", Path: path, Types: map[string]string{"t": "datetime"}},
		Destinations: []cdp.Destination{{ID: "out", Events: &cdp.ToEvents{Name: "visit", Time: "t", UserID: "u", Attributes: map[string]string{"page": "page"}}}}}))
	run, err := c.Dataflows().Run(ctx, "visits", nil)
	require.NoError(t, err)
	require.Equal(t, int64(5), run.Progress.Rows)
	require.Equal(t, int64(2), run.Progress.Accepted)
	require.Equal(t, int64(3), run.Progress.Rejected)
	dead, err := c.Dataflows().DeadLetters(ctx, "visits", "")
	require.NoError(t, err)
	rejected, err := c.Events().Rejected(ctx)
	require.NoError(t, err)
	require.Equal(t, int64(3), dead[0].Line)
	require.Equal(t, `{"u":"cam"`, dead[0].Row)
	require.Equal(t, 3, len(dead)+len(rejected), "dead letters %v, rejected %v", dead, rejected)
	require.Contains(t, rejected[0].Reason, `lacks the required attribute "page"`)

	again, err := c.Dataflows().Run(ctx, "visits", nil) // ids follow from the place: nothing comes twice
	require.NoError(t, err)
	require.NotEqual(t, run.ID, again.ID)
	n, err := c.Events().Count(ctx, "visit")
	require.NoError(t, err)
	require.Equal(t, 2, n)
	runs, err := c.Dataflows().Runs(ctx, "visits")
	require.NoError(t, err)
	require.Len(t, runs, 2)

	c.Define(cdp.EventType{Name: "visit", Attributes: cdp.Schema{"page": cdp.String}})
	_, left, err := c.Events().Replay(ctx, "visit")
	require.NoError(t, err)
	n, err = c.Events().Count(ctx, "visit")
	require.NoError(t, err)
	require.Equal(t, 2, left, "the long page, once for each run")
	require.Equal(t, 3, n, "rejected twice, accepted once")
	_, err = c.Profiles().Get(ctx, "bob")
	require.NoError(t, err)
}

// A run that is cancelled between two commits, or in the middle of one, goes on where it was: every row once.
func TestDataflowCancelAndResume(t *testing.T) {
	const rows = 20_000
	var b strings.Builder
	b.WriteString("u,t,n\n")
	for i := range rows {
		n := fmt.Sprint(i)
		if i%100 == 7 {
			n = "seven"
		}
		fmt.Fprintf(&b, "u%d,2025-12-01T10:00:00Z,%s\n", i%50, n)
	}
	path := writeFile(t, "rows.csv", b.String())
	st := &cancelling{Store: memstore.New()}
	c := cdptest.New(t, cdptest.Options{Store: st})
	ctx := t.Context()
	c.Define(cdp.EventType{Name: "row", Attributes: cdp.Schema{"n": cdp.Number}})
	require.NoError(t, c.Dataflows().Save(ctx, cdp.Dataflow{Name: "rows", Source: cdp.Source{Type: "csv", Path: path, Types: map[string]string{"n": "number", "t": "datetime"}},
		Actions:      []cdp.Action{{ID: "young", Filter: &cdp.Filter{Where: `now == timestamp("2026-01-01T00:00:00Z")`}}},
		Destinations: []cdp.Destination{{ID: "out", Events: &cdp.ToEvents{Name: "row", Time: "t", UserID: "u", Attributes: map[string]string{"n": "n"}}}}}))
	var run cdp.FlowRun
	rnd := rand.New(rand.NewPCG(3, 4))
	cancels := 0
	for {
		runCtx, cancel := context.WithCancel(ctx)
		st.in(1+rnd.IntN(4), cancel)
		next, err := c.Dataflows().Run(runCtx, "rows", &cdp.RunOptions{Resume: true})
		st.in(0, nil)
		cancel()
		if run.ID != "" {
			require.Equal(t, run.ID, next.ID, "the same run goes on")
		}
		run = next
		if err == nil {
			break
		}
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, "cancelled", run.State)
		cancels++
		c.Clock.Advance(24 * time.Hour) // now is when the run began: the filter still lets rows pass
	}
	require.Greater(t, cancels, 3)
	require.Equal(t, "done", run.State)
	n, err := c.Events().Count(ctx, "row")
	require.NoError(t, err)
	require.Equal(t, rows-rows/100, n)
	dead, err := c.Dataflows().DeadLetters(ctx, "rows", "")
	require.NoError(t, err)
	require.Equal(t, rows/100, len(dead), "each bad row is a dead letter once")
	for i, d := range dead {
		require.Equal(t, int64(100*i+7+2), d.Line)
	}
	for _, node := range run.Nodes {
		if node.ID == "out" {
			require.Equal(t, int64(rows-rows/100), node.Out, "counted once: nothing was a duplicate")
		}
	}
}

// cancelling calls a function in the middle of the n-th commit from now.
type cancelling struct {
	store.Store
	left int
	call func()
}

func (s *cancelling) in(n int, call func()) { s.left, s.call = n, call }

func (s *cancelling) Update(ctx context.Context, fn func(store.Writer) error) error {
	if s.call != nil {
		if s.left--; s.left == 0 {
			s.call()
		}
	}
	return s.Store.Update(ctx, fn)
}

// A source that fails in the middle fails the run, which can be resumed when the source is well again.
func TestDataflowSourceFails(t *testing.T) {
	text := "u,t\n" + strings.Repeat("ann,2025-12-01T10:00:00Z\n", 5000)
	broken := true
	c := cdptest.New(t, cdptest.Options{Config: cdp.Config{Openers: map[string]cdp.Opener{"api": func(context.Context, string) (io.ReadCloser, error) {
		r := io.Reader(strings.NewReader(text))
		if broken {
			r = io.MultiReader(io.LimitReader(r, 100_000), failing{})
		}
		return io.NopCloser(r), nil
	}}}})
	ctx := t.Context()
	c.Define(cdp.EventType{Name: "row"})
	require.NoError(t, c.Dataflows().Save(ctx, cdp.Dataflow{Name: "rows", Source: cdp.Source{Type: "csv", Opener: "api", Path: "x", Types: map[string]string{"t": "datetime"}},
		Destinations: []cdp.Destination{{Events: &cdp.ToEvents{Name: "row", Time: "t", UserID: "u"}}}}))
	run, err := c.Dataflows().Run(ctx, "rows", nil)
	require.ErrorIs(t, err, errSource)
	require.Equal(t, "failed", run.State)
	broken = false
	again, err := c.Dataflows().Run(ctx, "rows", &cdp.RunOptions{Resume: true})
	require.NoError(t, err)
	require.Equal(t, run.ID, again.ID)
	n, err := c.Events().Count(ctx, "row")
	require.NoError(t, err)
	require.Equal(t, 5000, n)
}

var errSource = errors.New("the source is out of order")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errSource }

const flowRows = 60_000

func openFlow(t *testing.T, dir string) *cdp.Client {
	t.Helper()
	c, err := cdp.Open(filepath.Join(dir, "a.cdp"), cdp.Config{CheckpointBytes: 1 << 20})
	require.NoError(t, err)
	return c
}

// TestDataflowKilled is the process that TestDataflowKill kills; by itself it does nothing.
func TestDataflowKilled(t *testing.T) {
	dir := os.Getenv("CDP_FLOW_DIR")
	if dir == "" {
		t.Skip("runs as the child of TestDataflowKill")
	}
	c := openFlow(t, dir)
	fmt.Println("running")
	runs, err := c.Dataflows().Runs(t.Context(), "rows")
	require.NoError(t, err)
	if len(runs) == 0 || runs[0].State != "done" { // else it was killed between its end and saying so
		_, err = c.Dataflows().Run(t.Context(), "rows", &cdp.RunOptions{Resume: true})
		require.NoError(t, err)
	}
	require.NoError(t, c.Close())
	fmt.Println("finished")
}

// A process that is killed again and again in the middle of a run, and resumed, brings every row exactly once.
func TestDataflowKill(t *testing.T) {
	dir := t.TempDir()
	var b strings.Builder
	b.WriteString("u,t,n\n")
	sum := 0
	for i := range flowRows {
		n := fmt.Sprint(i)
		if i%1000 == 500 {
			n = "bad"
		} else {
			sum += i
		}
		fmt.Fprintf(&b, "u%d,2025-12-01T10:00:00Z,%s\n", i%500, n)
	}
	path := filepath.Join(dir, "rows.csv")
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o600))
	c := openFlow(t, dir)
	ctx := t.Context()
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "row", Attributes: cdp.Schema{"n": cdp.Number}}))
	require.NoError(t, c.Dataflows().Save(ctx, cdp.Dataflow{Name: "rows", Source: cdp.Source{Type: "csv", Path: path, Types: map[string]string{"n": "number", "t": "datetime"}},
		Destinations: []cdp.Destination{{ID: "out", Events: &cdp.ToEvents{Name: "row", Time: "t", UserID: "u", Attributes: map[string]string{"n": "n"}}}}}))
	require.NoError(t, c.Close())

	rnd := rand.New(rand.NewPCG(5, 6))
	kills, finished := 0, false
	for kills < 30 && !finished {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDataflowKilled$", "-test.v")
		cmd.Env = append(os.Environ(), "CDP_FLOW_DIR="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		for lines := bufio.NewScanner(out); lines.Scan(); {
			switch lines.Text() {
			case "running":
				time.AfterFunc(time.Duration(20+rnd.IntN(80))*time.Millisecond, func() { cmd.Process.Kill() })
			case "finished":
				finished = true
			}
		}
		if cmd.Wait() != nil {
			require.Equal(t, -1, cmd.ProcessState.ExitCode(), "the child ended by itself")
			kills++
		}
	}
	require.NotZero(t, kills, "nobody was killed: the run is too quick")
	c = openFlow(t, dir)
	defer c.Close()
	runs, err := c.Dataflows().Runs(ctx, "rows")
	require.NoError(t, err)
	if len(runs) == 0 || runs[0].State != "done" {
		_, err := c.Dataflows().Run(ctx, "rows", &cdp.RunOptions{Resume: true})
		require.NoError(t, err)
		runs, err = c.Dataflows().Runs(ctx, "rows")
		require.NoError(t, err)
	}
	require.Len(t, runs, 1, "one run, however often it was killed")
	require.Equal(t, "done", runs[0].State)
	n, err := c.Events().Count(ctx, "row")
	require.NoError(t, err)
	require.Equal(t, flowRows-flowRows/1000, n)
	dead, err := c.Dataflows().DeadLetters(ctx, "rows", "")
	require.NoError(t, err)
	require.Equal(t, flowRows/1000, len(dead))
	got := 0.0
	for u := range 500 {
		line, err := c.Profiles().Timeline(ctx, fmt.Sprint("u", u), &cdp.TimelineOptions{Only: []string{"row"}, Limit: 1000})
		require.NoError(t, err)
		for _, e := range line {
			got += e.Attributes["n"].(float64)
		}
	}
	require.Equal(t, float64(sum), got)
	require.Equal(t, int64(flowRows-flowRows/1000), runs[0].Nodes[len(runs[0].Nodes)-1].Out)
	t.Logf("%d kills", kills)
}

// 75,000 real purchases, against sums made by reading the file with the standard library.
func TestDataflowRealPurchases(t *testing.T) {
	const path = "../shared/data/completejourney/transactions_sample.csv"
	f, err := os.Open(path)
	if err != nil {
		t.Skip("the completejourney data set is not here")
	}
	defer f.Close()
	want, rows := map[string]float64{}, 0
	r := csv.NewReader(f)
	_, err = r.Read()
	require.NoError(t, err)
	for {
		rec, err := r.Read()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		v, err := strconv.ParseFloat(rec[5], 64)
		require.NoError(t, err)
		if v > 0 {
			want[rec[0]] += v
			rows++
		}
	}
	c := cdptest.New(t, cdptest.Options{})
	ctx := t.Context()
	c.Define(cdp.EventType{Name: "purchase", Attributes: cdp.Schema{"amount": cdp.Number, "product": cdp.String, "store": cdp.String, "week": cdp.Number}})
	require.NoError(t, c.Dataflows().Save(ctx, cdp.Dataflow{Name: "shop",
		Source:  cdp.Source{Type: "csv", Path: path, Types: map[string]string{"sales_value": "number", "week": "number", "transaction_timestamp": "datetime"}},
		Actions: []cdp.Action{{Filter: &cdp.Filter{Where: "sales_value > 0"}}},
		Destinations: []cdp.Destination{{Events: &cdp.ToEvents{Name: "purchase", Time: "transaction_timestamp", UserID: "household_id",
			Attributes: map[string]string{"amount": "sales_value", "product": "product_id", "store": "store_id", "week": "week"}}}}}))
	began := time.Now()
	run, err := c.Dataflows().Run(ctx, "shop", nil)
	took := time.Since(began)
	require.NoError(t, err)
	t.Logf("%d rows in %v", run.Progress.Rows, took)
	require.Equal(t, int64(rows), run.Progress.Accepted)
	require.Zero(t, run.Progress.Rejected)
	customers, _, err := c.Profiles().Count(ctx)
	require.NoError(t, err)
	require.Equal(t, len(want), customers)
	for who, sum := range want {
		got := 0.0
		line, err := c.Profiles().Timeline(ctx, who, &cdp.TimelineOptions{Only: []string{"purchase"}, Limit: 10_000})
		require.NoError(t, err)
		for _, e := range line {
			got += e.Attributes["amount"].(float64)
		}
		require.InDelta(t, sum, got, 1e-6, "household %s", who)
	}
}
