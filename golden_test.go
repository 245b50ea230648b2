package cdp_test

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/boltstore"
)

var writeGolden = flag.Bool("write-golden", false, "write testdata/golden.cdp anew: only when a format is new, never to make the test pass")

const goldenFile = "testdata/golden.cdp"

var goldenNow = time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)

// TestGoldenFile opens a file written by the first version of the format, which must always open. It holds a checkpoint
// and a log behind it, and one of everything.
func TestGoldenFile(t *testing.T) {
	if *writeGolden {
		makeGolden(t)
	}
	path := filepath.Join(t.TempDir(), "golden.cdp")
	copyFile(t, path, goldenFile)
	c, err := cdp.Open(path, cdp.Config{Now: func() time.Time { return goldenNow }})
	require.NoError(t, err)
	defer c.Close()
	ctx := t.Context()

	n, err := c.Events().Count(ctx, "purchase")
	require.NoError(t, err)
	require.Equal(t, 4, n)
	p, err := c.Profiles().Get(ctx, "u1")
	require.NoError(t, err)
	require.Equal(t, cdp.Attrs{"city": "Hue", "age": 30.0}, p.Attributes)
	require.Equal(t, map[string][]string{"user_id": {"u1"}, "anonymous_id": {"a1"}}, p.Identifiers)
	require.Equal(t, map[string]time.Time{"regulars": goldenNow.Add(-48 * time.Hour), "acme": goldenNow.Add(-72 * time.Hour)}, p.Segments)
	require.Len(t, p.Journeys, 1)
	require.Equal(t, "pause", p.Journeys[0].Node)
	require.Equal(t, goldenNow.Add(-72*time.Hour).Add(7*24*time.Hour), p.Journeys[0].Due)
	line, err := c.Profiles().Timeline(ctx, "u1", &cdp.TimelineOptions{Only: []string{"purchase", "view"}})
	require.NoError(t, err)
	ids := []string{}
	for _, e := range line {
		ids = append(ids, e.ID)
	}
	require.Equal(t, []string{"p3", "p2", "p1", "v1"}, ids)
	require.Equal(t, []any{map[string]any{"sku": "s1", "quantity": 2.0}}, line[2].Attributes["items"])
	res, err := c.Track(ctx, cdp.Event{ID: "p1", Name: "purchase", UserID: "u1", Attributes: cdp.Attrs{"amount": 1}})
	require.NoError(t, err)
	require.Equal(t, 1, res.Duplicates)
	rejected, err := c.Events().Rejected(ctx)
	require.NoError(t, err)
	require.Len(t, rejected, 1)
	inbox, err := c.Inbox().List(ctx, "u1")
	require.NoError(t, err)
	require.Len(t, inbox, 1)
	require.Equal(t, "Thank you for 10, Hue", inbox[0].Body)
	set, err := c.Portal().Settings(ctx)
	require.NoError(t, err)
	require.Equal(t, "Asia/Ho_Chi_Minh", set.TimeZone)

	// The file tells of objects only in which order they came, and that this one came before the first event.
	ago := func(hours int) cdp.Past { return c.KnownAt(goldenNow.Add(-time.Duration(hours) * time.Hour)) }
	_, err = c.Objects().Put(ctx, cdp.ObjectRecord{Type: "product", ID: "x", Time: goldenNow.Add(-96 * time.Hour), Attributes: cdp.Attrs{"brand": "other"}})
	require.NoError(t, err)
	for _, x := range []struct{ hours, acme, regulars int }{{96, 0, 0}, {72, 1, 0}, {48, 1, 1}, {1, 1, 1}, {0, 0, 1}} {
		require.Equal(t, x.acme, count(t, ago(x.hours), "acme"), "%d hours ago", x.hours)
		require.Equal(t, x.regulars, count(t, ago(x.hours), "regulars"), "%d hours ago", x.hours)
	}
	p, err = ago(72).Profile(ctx, "u1")
	require.NoError(t, err)
	require.Equal(t, cdp.Attrs{"city": "Hue", "age": 29.0}, p.Attributes)

	require.NoError(t, c.Close())
	c, err = cdp.Open(path, cdp.Config{Now: func() time.Time { return goldenNow }})
	require.NoError(t, err)
	defer c.Close()
	object, err := c.Objects().Get(ctx, "product", "x")
	require.NoError(t, err, "what is written to it is there when it is opened again")
	require.Equal(t, "other", object.Attributes["brand"])
}

func makeGolden(t *testing.T) {
	now := goldenNow.Add(-96 * time.Hour)
	cfg := cdp.Config{Now: func() time.Time { return now }}
	path := filepath.Join(t.TempDir(), "new.cdp")
	c, err := cdp.Open(path, cfg)
	require.NoError(t, err)
	ctx := t.Context()
	must := func(err error) { t.Helper(); require.NoError(t, err) }
	track := func(events ...cdp.Event) { t.Helper(); _, err := c.Track(ctx, events...); must(err) }
	must(c.Portal().Save(ctx, cdp.Settings{Name: "Golden", TimeZone: "Asia/Ho_Chi_Minh"}))
	must(c.Objects().Define(ctx, cdp.ObjectType{Name: "product", Attributes: cdp.Schema{"brand": cdp.String}}))
	_, err = c.Objects().Put(ctx, cdp.ObjectRecord{Type: "product", ID: "x", Attributes: cdp.Attrs{"brand": "acme"}})
	must(err)
	must(c.Events().Define(ctx, cdp.EventType{Name: "purchase", Attributes: cdp.Schema{"amount": cdp.Number.Required(), "product": cdp.Ref("product"),
		"when": cdp.Datetime, "gift": cdp.Boolean, "note": cdp.Text, "tags": cdp.StringList, "items": cdp.ListOf(cdp.Schema{"sku": cdp.String, "quantity": cdp.Number})}}))
	must(c.Events().Define(ctx, cdp.EventType{Name: "view", Policy: cdp.Learn}))
	must(c.Profiles().Define(ctx, cdp.Schema{"city": cdp.String, "age": cdp.Number}, cdp.Strict))
	must(c.Segments().Save(ctx, cdp.Segment{Name: "regulars", Where: `events.purchase.within("30d").size() >= 2`}))
	must(c.Segments().Save(ctx, cdp.Segment{Name: "acme", Where: `events.purchase.exists(e, e.product.brand == "acme")`}))
	must(c.Templates().Save(ctx, cdp.Template{Name: "thanks", Event: "purchase", Text: `Thank you for {{ event.amount }}, {{ customer.city | "friend" }}`}))
	must(c.Journeys().Save(ctx, cdp.Journey{Name: "thanks", Entry: cdp.Entry{Event: "purchase"}, Nodes: []cdp.Node{
		cdp.Send("send", cdp.InboxChannel, "thanks", "pause"), cdp.Delay("pause", "7d", "end"), cdp.End("end", "")}}))
	track(cdp.Event{ID: "v1", Name: "view", AnonymousID: "a1", Source: "web", Attributes: cdp.Attrs{"page": "home"}})
	now = goldenNow.Add(-72 * time.Hour)
	_, err = c.Identify(ctx, cdp.Identity{UserID: "u1", AnonymousID: "a1", Attributes: cdp.Attrs{"city": "Hue", "age": 29}})
	must(err)
	track(cdp.Event{ID: "p1", Name: "purchase", UserID: "u1", Attributes: cdp.Attrs{"amount": 10, "product": "x", "when": now, "gift": true,
		"note": "long", "tags": []string{"a", "b"}, "items": []map[string]any{{"sku": "s1", "quantity": 2}}}})
	must(c.Tick(ctx))
	must(c.Close())

	c2, err := boltstore.Open(path, nil)
	must(err)
	c, err = cdp.New(c2, cfg)
	must(err)
	now = goldenNow.Add(-48 * time.Hour)
	track(cdp.Event{ID: "p2", Name: "purchase", UserID: "u1", Attributes: cdp.Attrs{"amount": 20}}, cdp.Event{ID: "p0", Name: "purchase", AnonymousID: "a2", Attributes: cdp.Attrs{"amount": 5}})
	track(cdp.Event{ID: "p3", Name: "purchase", UserID: "u1", Attributes: cdp.Attrs{"amount": 30}})
	_, err = c.Identify(ctx, cdp.Identity{UserID: "u1", Attributes: cdp.Attrs{"age": 30}})
	must(err)
	_, err = c.Track(ctx, cdp.Event{ID: "bad", Name: "purchase", UserID: "u1"})
	require.ErrorContains(t, err, "lacks the required attribute")
	must(os.RemoveAll(goldenFile))
	must(c2.Compact(ctx, goldenFile)) // as a backup would: the log behind the checkpoint is in it
	must(c.Close())
	must(c2.Close())
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	in, err := os.Open(from)
	require.NoError(t, err)
	defer in.Close()
	out, err := os.Create(to)
	require.NoError(t, err)
	_, err = io.Copy(out, in)
	require.NoError(t, err)
	require.NoError(t, out.Close())
}
