package cdp_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/memstore"
)

// TestBadCSV runs dataflows over files that are not quite CSV. What can be used is taken, what cannot is a dead letter with
// its line, and what makes the file as a whole useless is an error that names it.
func TestBadCSV(t *testing.T) {
	ctx := t.Context()
	const header = "order,at,customer,amount\n"
	line := func(n int) string { return fmt.Sprintf("%d,2026-01-05T10:00:00Z,ann,%d\n", n, n) }
	for name, tc := range map[string]struct {
		file     string
		accepted int
		dead     []int64 // lines
		says     string  // of the first dead letter, or of the error
		fails    bool
	}{
		"sound":              {file: header + line(1) + line(2), accepted: 2},
		"no line break last": {file: header + strings.TrimSuffix(line(1), "\n"), accepted: 1},
		"CR LF":              {file: strings.ReplaceAll(header+line(1)+line(2), "\n", "\r\n"), accepted: 2},
		"BOM":                {file: "\ufeff" + header + line(1), accepted: 1},
		"blank lines":        {file: header + "\n" + line(1) + "\n\n" + line(2), accepted: 2},
		"header only":        {file: header, accepted: 0},
		"too few fields":     {file: header + line(1) + "2,2026-01-05T10:00:00Z\n" + line(3), accepted: 2, dead: []int64{3}, says: "2"},
		"too many fields":    {file: header + line(1) + "2,2026-01-05T10:00:00Z,ann,2,x\n" + line(3), accepted: 2, dead: []int64{3}, says: "5"},
		"quote in a field":   {file: header + line(1) + "2\"x\",2026-01-05T10:00:00Z,ann,2\n" + line(3), accepted: 2, dead: []int64{3}, says: "quote"},
		"quote not closed":   {file: header + line(1) + "\"2,2026-01-05T10:00:00Z,ann,2\n" + line(3), accepted: 2, dead: []int64{3}, says: "quote"},
		"text after quote":   {file: header + line(1) + "\"2\"x,2026-01-05T10:00:00Z,ann,2\n" + line(3), accepted: 2, dead: []int64{3}, says: "quote"},
		"not UTF-8":          {file: header + line(1) + "2,2026-01-05T10:00:00Z,\xff,2\n" + line(3), accepted: 2, dead: []int64{3}, says: "UTF-8"},
		"NUL":                {file: header + line(1) + "\x00\x00\x00\n" + line(3), accepted: 2, dead: []int64{3}},
		"no number":          {file: header + line(1) + "2,2026-01-05T10:00:00Z,ann,two\n" + line(3), accepted: 2, dead: []int64{3}, says: `"two"`},
		"NaN":                {file: header + line(1) + "2,2026-01-05T10:00:00Z,ann,NaN\n" + line(3), accepted: 2, dead: []int64{3}, says: "NaN"},
		"no date":            {file: header + line(1) + "2,yesterday,ann,2\n" + line(3), accepted: 2, dead: []int64{3}, says: `"yesterday"`},
		"nobody":             {file: header + line(1) + "2,2026-01-05T10:00:00Z,,2\n" + line(3), accepted: 2, dead: []int64{3}, says: "user_id"},
		"id too long":        {file: header + line(1) + strings.Repeat("2", 600) + ",2026-01-05T10:00:00Z,ann,2\n" + line(3), accepted: 2, dead: []int64{3}, says: "600 bytes, the limit is"},
		"same id twice":      {file: header + line(1) + line(1) + line(2), accepted: 2},
		"a field of 10 MiB":  {file: header + line(1) + "2,2026-01-05T10:00:00Z," + strings.Repeat("x", 10<<20) + ",2\n" + line(3), accepted: 2, dead: []int64{3}},
		"empty":              {file: "", fails: true, says: "empty"},
		"a BOM only":         {file: "\ufeff", fails: true, says: "source"},
		"other header":       {file: "a,b,c\n1,2,3\n", fails: true, says: `"amount"`},
		"same column twice":  {file: "order,at,customer,customer,amount\n", fails: true, says: `"customer"`},
		"a binary file":      {file: "\x7fELF\x02\x01\x01\x00\x00\x00\n\x00\xff\xfe", fails: true, says: "source"},
	} {
		t.Run(name, func(t *testing.T) {
			c := strictShop(t, memstore.New())
			_, err := c.Track(ctx, cdp.Event{ID: "before", Name: "purchase", UserID: "before", Attributes: cdp.Attrs{"amount": 1}})
			require.NoError(t, err)
			path := filepath.Join(t.TempDir(), "orders.csv")
			require.NoError(t, os.WriteFile(path, []byte(tc.file), 0o600))
			require.NoError(t, c.Dataflows().Save(ctx, cdp.Dataflow{Name: "orders",
				Source: cdp.Source{Type: "csv", Path: path, Types: map[string]string{"at": "datetime", "amount": "number"}},
				Destinations: []cdp.Destination{{Events: &cdp.ToEvents{Name: "purchase", ID: "order", Time: "at", UserID: "customer",
					Attributes: map[string]string{"amount": "amount"}}}}}))
			run, err := c.Dataflows().Run(ctx, "orders", nil)
			if tc.fails {
				require.ErrorContains(t, err, `dataflow "orders": `)
				require.ErrorContains(t, err, tc.says)
			} else {
				require.NoError(t, err)
				require.Equal(t, "done", run.State)
			}
			n, err := c.Events().Count(ctx, "purchase")
			require.NoError(t, err)
			require.Equal(t, 1+tc.accepted, n)
			letters, err := c.Dataflows().DeadLetters(ctx, "orders", "")
			require.NoError(t, err)
			var dead []int64
			for _, l := range letters {
				dead = append(dead, l.Line)
				require.NotEmpty(t, l.Reason)
				require.LessOrEqual(t, len(l.Row), 4096)
			}
			require.Equal(t, tc.dead, dead, "%+v", letters)
			if len(dead) > 0 {
				require.Contains(t, letters[0].Reason, tc.says)
			}
		})
	}
}

// TestMissingSource: a file that is not there is named, and nothing else happens.
func TestMissingSource(t *testing.T) {
	ctx := t.Context()
	c := strictShop(t, memstore.New())
	require.NoError(t, c.Dataflows().Save(ctx, orders("/nowhere/orders.csv")))
	_, err := c.Dataflows().Run(ctx, "orders", nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "/nowhere/orders.csv")
}

// TestBadPaths: what Open cannot open is named, in an error that can be told apart.
func TestBadPaths(t *testing.T) {
	dir := t.TempDir()
	empty, text := filepath.Join(dir, "empty.cdp"), filepath.Join(dir, "text.cdp")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat("Dear diary, ", 1000)), 0o600))
	for path, damaged := range map[string]bool{empty: true, text: true, dir: false, filepath.Join(dir, "no", "such.cdp"): false, "": false, "a\x00b": false} {
		_, err := cdp.Open(path)
		require.Error(t, err, "%q", path)
		require.ErrorContains(t, err, path)
		require.Equal(t, damaged, errors.Is(err, cdp.ErrDamaged), "%q: %v", path, err)
	}
}

// TestHolder is the process that holds a file for TestLocked; by itself it does nothing.
func TestHolder(t *testing.T) {
	path := os.Getenv("CDP_HOLD")
	if path == "" {
		t.Skip("runs as the child of TestLocked")
	}
	c, err := cdp.Open(path)
	require.NoError(t, err)
	defer c.Close()
	fmt.Println("holding")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // until the parent says so
}

// TestLocked: a file that another process has open gives, within two seconds, an error that names it.
func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.cdp")
	cmd := exec.Command(os.Args[0], "-test.run=^TestHolder$", "-test.v")
	cmd.Env = append(os.Environ(), "CDP_HOLD="+path)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill() }()
	for lines := bufio.NewScanner(out); lines.Text() != "holding"; {
		require.True(t, lines.Scan(), "the child ended before it held the file")
	}
	start := time.Now()
	_, err = cdp.Open(path)
	require.ErrorIs(t, err, cdp.ErrLocked)
	require.ErrorContains(t, err, path)
	require.Less(t, time.Since(start), 2*time.Second)
	require.NotErrorIs(t, err, cdp.ErrDamaged)

	_, err = in.Write([]byte("\n"))
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	c, err := cdp.Open(path)
	require.NoError(t, err)
	_, err = cdp.Open(path)
	require.ErrorIs(t, err, cdp.ErrLocked)
	require.ErrorContains(t, err, path+": store: open already, in this or another process; close it first (waited ")
	require.NoError(t, c.Close())
}
