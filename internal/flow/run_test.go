package flow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/schema"
)

// sales is a flow with every kind of node. Line i+2 of salesText is its i-th row.
func sales() Def {
	return Def{
		Name: "shop",
		Source: Source{Type: "csv", Opener: "file", Types: map[string]schema.Type{
			"quantity": schema.Number, "price": schema.Number, "at": schema.Datetime, "ok": schema.Boolean}},
		Actions: []Action{
			{Filter: &Filter{Where: "ok"}},
			{Add: &Add{Column: "total", Type: schema.Number, Value: "quantity * price"}},
			{Rename: &Rename{Columns: map[string]string{"user": "customer"}}},
			{Select: &Select{Columns: []string{"customer", "at", "total", "sku"}}},
		},
		Destinations: []Destination{
			{Events: &Events{Name: "purchase", Time: "at", UserID: "customer", Attributes: map[string]string{"total": "total", "sku": "sku"}}},
			{Profiles: &Profiles{UserID: "customer", Attributes: map[string]string{"last_sku": "sku"}}},
		},
	}
}

// salesText has rows of four kinds in turn: good, left out by the filter, broken, with a line break inside.
func salesText(rows int) string {
	var b strings.Builder
	b.WriteString("user,sku,quantity,price,at,ok\n")
	for i := range rows {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "u%d,s%d,2,1.5,2026-01-02T03:04:05Z,true\n", i, i)
		case 1:
			fmt.Fprintf(&b, "u%d,s%d,2,1.5,2026-01-02T03:04:05Z,false\n", i, i)
		case 2:
			fmt.Fprintf(&b, "u%d,s%d,two,1.5,2026-01-02T03:04:05Z,true\n", i, i)
		case 3:
			fmt.Fprintf(&b, "u%d,\"s\n%d\",3,2,2026-01-02,yes\n", i, i)
		}
	}
	return b.String()
}

func TestRunWhole(t *testing.T) {
	s, result := run(t, sales(), salesText(8))
	// Rows begin in the lines 2, 3, 4, 5, 7, 8, 9, 10: each fourth takes two.
	type seen struct {
		line          int64
		node, user    string
		name          string
		total, sku    string
		kind          Kind
		lastSKU, when string
	}
	var got []seen
	for _, it := range s.items {
		when := ""
		if it.Time != 0 {
			when = time.UnixMicro(it.Time).UTC().Format(time.RFC3339)
		}
		got = append(got, seen{it.Line, it.Node, it.UserID, it.Name, it.Attributes.Field("total").String(),
			it.Attributes.Field("sku").String(), it.Kind, it.Attributes.Field("last_sku").String(), when})
	}
	require.Equal(t, []seen{
		{2, "destination-1", "u0", "purchase", "3", "s0", Event, "absent", "2026-01-02T03:04:05Z"},
		{2, "destination-2", "u0", "", "absent", "absent", Profile, "s0", ""},
		{5, "destination-1", "u3", "purchase", "6", "s\n3", Event, "absent", "2026-01-02T00:00:00Z"},
		{5, "destination-2", "u3", "", "absent", "absent", Profile, "s\n3", ""},
		{7, "destination-1", "u4", "purchase", "3", "s4", Event, "absent", "2026-01-02T03:04:05Z"},
		{7, "destination-2", "u4", "", "absent", "absent", Profile, "s4", ""},
		{10, "destination-1", "u7", "purchase", "6", "s\n7", Event, "absent", "2026-01-02T00:00:00Z"},
		{10, "destination-2", "u7", "", "absent", "absent", Profile, "s\n7", ""},
	}, got)
	require.Equal(t, []DeadLetter{
		{4, "source", `column "quantity": "two" is not a number`, "u2,s2,two,1.5,2026-01-02T03:04:05Z,true"},
		{9, "source", `column "quantity": "two" is not a number`, "u6,s6,two,1.5,2026-01-02T03:04:05Z,true"},
	}, s.dead)
	require.Equal(t, []Count{{"source", 8, 6, 2}, {"action-1", 6, 4, 0}, {"action-2", 4, 4, 0}, {"action-3", 4, 4, 0},
		{"action-4", 4, 4, 0}, {"destination-1", 4, 4, 0}, {"destination-2", 4, 4, 0}}, result.Nodes)
	p := result.Progress
	require.Equal(t, []int64{8, 8, 2, 2}, []int64{p.Rows, p.Accepted, p.Rejected, p.Filtered})
	require.Equal(t, p.Total, p.Bytes)
}

// The run is killed at every write, before or after its commit, and goes on from the stored cursor: what is stored in
// the end is what one run without a kill stores.
func TestKillAndResumeAnywhere(t *testing.T) {
	for _, kind := range []string{"csv", "jsonl"} {
		def, text := sales(), salesText(60)
		if kind == "jsonl" {
			def.Source = Source{Type: "jsonl", Opener: "file", Types: map[string]schema.Type{"at": schema.Datetime, "quantity": schema.Number}}
			text = jsonSales(60)
		}
		for _, open := range []Opener{memory(text), pipe(text)} {
			f := compile(t, def, open)
			whole := &store{}
			options := RunOptions{BatchSize: 7}
			wanted, err := f.Run(context.Background(), whole, options)
			require.NoError(t, err)
			require.Greater(t, whole.writes, 8)
			for k := 1; k <= whole.writes; k++ {
				for _, after := range []bool{false, true} {
					s := &store{failAt: k, after: after}
					_, err := f.Run(context.Background(), s, options)
					require.ErrorIs(t, err, errKilled)
					options := RunOptions{BatchSize: 5, From: s.stored(t)}
					result, err := compile(t, def, open).Run(context.Background(), s, options)
					require.NoError(t, err)
					require.Equal(t, whole.items, s.items, "write %d", k)
					require.Equal(t, whole.dead, s.dead, "write %d", k)
					require.Equal(t, whole.cursor, s.cursor, "write %d", k)
					require.Equal(t, wanted.Nodes, result.Nodes)
				}
			}
		}
	}
}

// Killed over and over, a batch at a time.
func TestResumeEveryBatch(t *testing.T) {
	text := "\xef\xbb\xbf" + salesText(41)
	f := compile(t, sales(), memory(text))
	whole := &store{}
	_, err := f.Run(context.Background(), whole, RunOptions{})
	require.NoError(t, err)
	s := &store{}
	for size := 1; ; size = size%3 + 1 {
		s.failAt, s.after = s.writes+2, false
		_, err := f.Run(context.Background(), s, RunOptions{BatchSize: size, From: s.stored(t)})
		if err == nil {
			break
		}
		require.ErrorIs(t, err, errKilled)
	}
	require.Equal(t, whole.items, s.items)
	require.Equal(t, whole.dead, s.dead)
	require.Greater(t, s.writes, 20)
}

func TestResumeRefusesAnotherFile(t *testing.T) {
	text := salesText(4000) // more than the head window
	f := compile(t, sales(), memory(text))
	s := &store{failAt: 3}
	_, err := f.Run(context.Background(), s, RunOptions{})
	require.ErrorIs(t, err, errKilled)
	from := s.stored(t)
	require.Greater(t, from.Offset, int64(headWindow))

	edit := func(at int64) string { b := []byte(text); b[at] ^= 1; return string(b) }
	for name, changed := range map[string]string{
		"first byte of a row": edit(40), "just before the cursor": edit(from.Offset - 2), "shorter": text[:from.Offset-1],
		"empty rest": salesText(1), "a row put in": text[:from.Offset-9000] + "x\n" + text[from.Offset-9000:],
	} {
		_, err := compile(t, sales(), memory(changed)).Run(context.Background(), &store{}, RunOptions{From: from})
		require.ErrorContains(t, err, `dataflow "shop": source: the file is not the one this run began with`, name)
	}
	other := sales()
	other.Actions = other.Actions[:2]
	other.Destinations = other.Destinations[1:]
	other.Destinations[0].Profiles = &Profiles{UserID: "user", Attributes: map[string]string{}}
	_, err = compile(t, other, memory(text)).Run(context.Background(), &store{}, RunOptions{From: from})
	require.EqualError(t, err, `dataflow "shop": the dataflow was changed since the run stopped: start a new run`)

	for _, damage := range []func(*Cursor){func(c *Cursor) { c.HeadLen = -1 }, func(c *Cursor) { c.HeadLen = 1 << 40 }, func(c *Cursor) { c.Offset = -5 },
		func(c *Cursor) { c.Nodes = nil }, func(c *Cursor) { c.Line = 0 }} {
		bad := *from
		damage(&bad)
		_, err = f.Run(context.Background(), &store{}, RunOptions{From: &bad})
		require.ErrorContains(t, err, "the cursor is damaged; start a new run")
	}
}

// A file that grows is read on from where it ended.
func TestGrowingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sales.csv")
	text := salesText(10)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	def := sales()
	def.Source.Opener, def.Source.Path = "", path
	s := &store{}
	f, err := Compile(context.Background(), def, hooksFor(nil))
	require.NoError(t, err)
	_, err = f.Run(context.Background(), s, RunOptions{})
	require.NoError(t, err)
	before := len(s.items)

	result, err := f.Run(context.Background(), s, RunOptions{From: s.stored(t)})
	require.NoError(t, err)
	require.Len(t, s.items, before, "nothing was added")
	require.EqualValues(t, 10, result.Progress.Rows)

	require.NoError(t, os.WriteFile(path, []byte(text+"u10,s10,1,1,2026-01-01,1\n"), 0o600))
	_, err = f.Run(context.Background(), s, RunOptions{From: s.stored(t)})
	require.NoError(t, err)
	require.Len(t, s.items, before+2)
	require.Equal(t, "u10", s.items[before].UserID)

	// A last line without a break that is completed later was already read as a whole row.
	require.NoError(t, os.WriteFile(path, []byte(text+"u10,s10,1,1,2026-01-01,1"), 0o600))
	s = &store{}
	_, err = f.Run(context.Background(), s, RunOptions{})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(text+"u10,s10,1,1,2026-01-01,1.5\n"), 0o600))
	_, err = f.Run(context.Background(), s, RunOptions{From: s.stored(t)})
	require.ErrorContains(t, err, "line 14 grew after it had been read")
}

func TestCancelBetweenBatches(t *testing.T) {
	f := compile(t, sales(), memory(salesText(400)))
	ctx, cancel := context.WithCancel(context.Background())
	s := &store{}
	result, err := f.Run(ctx, sinkFunc(func(ctx context.Context, b Batch) ([]Rejection, error) {
		r, err := s.Write(ctx, b)
		if s.writes == 3 {
			cancel()
		}
		return r, err
	}), RunOptions{BatchSize: 10})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 3, s.writes)
	require.Equal(t, s.stored(t), result.Cursor)

	whole := &store{}
	_, err = f.Run(context.Background(), whole, RunOptions{})
	require.NoError(t, err)
	_, err = f.Run(context.Background(), s, RunOptions{From: result.Cursor})
	require.NoError(t, err)
	require.Equal(t, whole.items, s.items)
}

type sinkFunc func(context.Context, Batch) ([]Rejection, error)

func (f sinkFunc) Write(ctx context.Context, b Batch) ([]Rejection, error) { return f(ctx, b) }

func TestSinkRefusals(t *testing.T) {
	s := &store{refuse: func(it Item) string {
		if it.Kind == Event && it.Line%2 == 0 {
			return "no such sku"
		}
		return ""
	}}
	f := compile(t, sales(), memory(salesText(40)))
	result, err := f.Run(context.Background(), s, RunOptions{BatchSize: 4})
	require.NoError(t, err)
	require.Positive(t, s.refused)
	require.EqualValues(t, len(s.items)-s.refused, result.Progress.Accepted)
	require.EqualValues(t, len(s.dead)+s.refused, result.Progress.Rejected)
	require.Equal(t, DeadLetter{Line: 2, Node: "destination-1", Reason: "no such sku"}, result.Refused[0])
	events := result.Nodes[5]
	require.EqualValues(t, s.refused, events.Rejected)
	require.Equal(t, events.In, events.Out+events.Rejected)

	_, err = f.Run(context.Background(), sinkFunc(func(context.Context, Batch) ([]Rejection, error) {
		return []Rejection{{Item: 99}}, nil
	}), RunOptions{BatchSize: 4})
	require.ErrorContains(t, err, "the sink refused item 99 of a batch of 4")
}

func TestProgress(t *testing.T) {
	text := salesText(100)
	f := compile(t, sales(), memory(text))
	now := time.Unix(1000, 0)
	var got []Progress
	s := &store{}
	_, err := f.Run(context.Background(), sinkFunc(func(ctx context.Context, b Batch) ([]Rejection, error) {
		now = now.Add(time.Second) // a batch takes a second
		return s.Write(ctx, b)
	}), RunOptions{BatchSize: 10, Every: 3 * time.Second, Now: func() time.Time { return now }, Progress: func(p Progress) { got = append(got, p) }})
	require.NoError(t, err)
	require.Len(t, got, (s.writes-1)/3+1)
	first, last := got[0], got[len(got)-1]
	require.Equal(t, 3*time.Second, first.Elapsed)
	require.InDelta(t, float64(first.Rows)/3, first.Rate, 1e-9)
	require.InDelta(t, 3*float64(first.Total-first.Bytes)/float64(first.Bytes), first.Left.Seconds(), 1e-6)
	require.EqualValues(t, len(text), first.Total)
	require.EqualValues(t, 100, last.Rows)
	require.EqualValues(t, len(text), last.Bytes)
	require.Zero(t, last.Left)
}

func TestReadErrorEndsTheRun(t *testing.T) {
	text := salesText(4000)
	broken := errors.New("cable pulled")
	opens := 0
	open := func(context.Context, string) (io.ReadCloser, error) {
		opens++
		if opens == 1 {
			return io.NopCloser(strings.NewReader(text)), nil
		}
		return io.NopCloser(io.MultiReader(strings.NewReader(text[:100_000]), errReader{broken})), nil
	}
	f := compile(t, sales(), open)
	s := &store{}
	result, err := f.Run(context.Background(), s, RunOptions{BatchSize: 50})
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, `dataflow "shop": source: reading at byte 100000: cable pulled`)
	require.Positive(t, s.writes)
	require.Equal(t, s.stored(t), result.Cursor)

	whole := &store{}
	f = compile(t, sales(), memory(text))
	_, err = f.Run(context.Background(), whole, RunOptions{})
	require.NoError(t, err)
	_, err = f.Run(context.Background(), s, RunOptions{From: s.stored(t)})
	require.NoError(t, err)
	require.Equal(t, whole.items, s.items)
	require.Equal(t, whole.dead, s.dead)
}

// 64 MiB of rows pass through a few MiB of memory, and no batch is larger than its limits.
func TestMemoryIsBounded(t *testing.T) {
	row := "u," + strings.Repeat("x", 20_000) + "\n"
	const rows = 64 << 20 / 20_000
	open := func(context.Context, string) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("id,n\n"), &repeated{row, rows * len(row)})), nil
	}
	f := compile(t, people(nil), open)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	most := uint64(0)
	result, err := f.Run(context.Background(), sinkFunc(func(_ context.Context, b Batch) ([]Rejection, error) {
		require.LessOrEqual(t, len(b.Items), maxBatchBytes/len(row)+1)
		runtime.GC()
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
		return nil, nil
	}), RunOptions{})
	require.NoError(t, err)
	require.EqualValues(t, rows, result.Progress.Accepted)
	require.Less(t, most, uint64(16<<20))
}

// repeated reads as a text over and over, left bytes in all.
type repeated struct {
	text string
	left int
}

func (r *repeated) Read(b []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	at := (len(r.text) - r.left%len(r.text)) % len(r.text)
	n := copy(b, r.text[at:])
	r.left -= n
	return n, nil
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

// Ids depend on the flow, the source, the line, the row and the destination, and on nothing else.
func TestDerivedIDs(t *testing.T) {
	ids := func(def Def, text string) map[string]bool {
		s, _ := run(t, def, text)
		out := map[string]bool{}
		for _, it := range s.items {
			require.Len(t, it.ID, 32)
			require.False(t, out[it.ID], "twice: %s", it.ID)
			out[it.ID] = true
		}
		return out
	}
	text := salesText(20)
	base := ids(sales(), text)
	require.Equal(t, base, ids(sales(), text))
	require.Equal(t, base, ids(sales(), strings.ReplaceAll(text, "true\n", "true\r\n")), "line breaks do not matter")

	differs := func(change func(*Def), text string) {
		def := sales()
		change(&def)
		for id := range ids(def, text) {
			require.False(t, base[id])
		}
	}
	differs(func(d *Def) { d.Name = "shop2" }, text)
	differs(func(d *Def) { d.Source.Path = "other.csv" }, text)
	differs(func(*Def) {}, strings.Replace(text, "ok\n", "ok\n\n", 1))
	differs(func(*Def) {}, strings.ReplaceAll(text, "2026", "2025"))

	changed := sales()
	changed.Actions[1].Add.Value = "quantity * price * 2"
	require.Equal(t, base, ids(changed, text), "a mended expression does not make new events")
	changed.Destinations[0], changed.Destinations[1] = changed.Destinations[1], changed.Destinations[0]
	require.Equal(t, base, ids(changed, text), "the order of destinations does not matter")
}

func TestPreview(t *testing.T) {
	f := compile(t, sales(), memory(salesText(100)))
	p, err := f.Preview(context.Background(), 2)
	require.NoError(t, err)
	text := func(node int) (out []string) {
		for _, row := range p.Nodes[node].Rows {
			out = append(out, fmt.Sprint(row))
		}
		return out
	}
	require.Equal(t, []string{"[u0 s0 2 1.5 2026-01-02T03:04:05Z true]", "[u1 s1 2 1.5 2026-01-02T03:04:05Z false]"}, text(0))
	require.Equal(t, []string{"[u0 s0 2 1.5 2026-01-02T03:04:05Z true]", "[u3 s\n3 3 2 2026-01-02T00:00:00Z true]"}, text(1))
	require.Equal(t, []string{"[u0 s0 2 1.5 2026-01-02T03:04:05Z true 3]", "[u3 s\n3 3 2 2026-01-02T00:00:00Z true 6]"}, text(2))
	require.Equal(t, []string{"[u0 2026-01-02T03:04:05Z 3 s0]", "[u3 2026-01-02T00:00:00Z 6 s\n3]"}, text(4))
	require.Equal(t, []string{"[s0 3]", "[s\n3 6]"}, text(5))
	require.Equal(t, "purchase", p.Nodes[5].Items[0].Name)
	require.Equal(t, []Column{{"sku", schema.Text}, {"total", schema.Number}}, p.Nodes[5].Columns)
	require.EqualValues(t, 4, p.Rows)
	require.Equal(t, []string{`4: column "quantity": "two" is not a number`}, lines(p.Dead))
}
