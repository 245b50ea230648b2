package cdp_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/memstore"
)

// Bad input gets an error that names the thing, and loses nothing that was accepted. Here: events, people and objects.
// What expressions, files and calls can have wrong is in the badinput files beside this one.

// strictShop is a portal with one strict event type, one object type and some attributes of profiles.
func strictShop(t testing.TB, st store.Store) *cdp.Client {
	t.Helper()
	c, err := cdp.New(st, cdp.Config{Now: fixed})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	ctx := t.Context()
	require.NoError(t, c.Objects().Define(ctx, cdp.ObjectType{Name: "product", Attributes: cdp.Schema{"brand": cdp.String}}))
	require.NoError(t, c.Profiles().Define(ctx, cdp.Schema{"city": cdp.String, "age": cdp.Number}, cdp.Strict))
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "purchase", Attributes: cdp.Schema{
		"amount": cdp.Number.Required(), "category": cdp.String, "note": cdp.Text, "paid": cdp.Boolean, "due": cdp.Datetime,
		"tags": cdp.StringList, "sizes": cdp.NumberList, "product": cdp.Ref("product"),
		"shipping": cdp.Object(cdp.Schema{"city": cdp.String}), "items": cdp.ListOf(cdp.Schema{"sku": cdp.String, "price": cdp.Number})}}))
	return c
}

// badEvents are events that must be rejected, and a part of the reason that names the thing. change starts from a good one.
var badEvents = []struct {
	name   string
	change func(*cdp.Event)
	says   []string
}{
	{"unknown event", func(e *cdp.Event) { e.Name = "purchas" }, []string{`unknown event "purchas"`, `did you mean "purchase"?`}},
	{"system event", func(e *cdp.Event) { e.Name, e.Attributes = "message_sent", nil }, []string{`"message_sent"`, "platform"}},
	{"no name", func(e *cdp.Event) { e.Name = "" }, []string{"Event.Name"}},
	{"name too long", func(e *cdp.Event) { e.Name = strings.Repeat("n", 256) }, []string{"Event.Name", "255"}},
	{"name not UTF-8", func(e *cdp.Event) { e.Name = "pur\xffchase" }, []string{"Event.Name", "UTF-8"}},
	{"id too long", func(e *cdp.Event) { e.ID = strings.Repeat("i", 256) }, []string{"Event.ID", "255"}},
	{"id not UTF-8", func(e *cdp.Event) { e.ID = "\xc3\x28" }, []string{"Event.ID", "UTF-8"}},
	{"source too long", func(e *cdp.Event) { e.Source = strings.Repeat("s", 256) }, []string{"Event.Source", "255"}},
	{"source not UTF-8", func(e *cdp.Event) { e.Source = "\xff" }, []string{"Event.Source", "UTF-8"}},
	{"nobody", func(e *cdp.Event) { e.UserID = "" }, []string{"belongs to nobody", "UserID"}},
	{"user id too long", func(e *cdp.Event) { e.UserID = strings.Repeat("u", 4097) }, []string{"user_id", "4096"}},
	{"user id not UTF-8", func(e *cdp.Event) { e.UserID = "\xff" }, []string{"user_id", "UTF-8"}},
	{"anonymous id not UTF-8", func(e *cdp.Event) { e.AnonymousID = "\xff" }, []string{"anonymous_id", "UTF-8"}},
	{"identifier empty", func(e *cdp.Event) { e.Identifiers = map[string]string{"email": ""} }, []string{"email"}},
	{"identifier kind too long", func(e *cdp.Event) { e.Identifiers = map[string]string{strings.Repeat("k", 65): "x"} }, []string{"Identifiers", "64"}},
	{"identifier kind taken", func(e *cdp.Event) { e.Identifiers = map[string]string{"user_id": "x"} }, []string{"Identifiers", "user_id"}},
	{"time before 1", func(e *cdp.Event) { e.Time = time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC) }, []string{"Event.Time"}},
	{"time after 9999", func(e *cdp.Event) { e.Time = time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC) }, []string{"Event.Time"}},
	{"unknown attribute", attr("categry", "shoes"), []string{`unknown attribute "categry"`, `event "purchase"`, `did you mean "category"?`}},
	{"required attribute missing", func(e *cdp.Event) { e.Attributes = nil }, []string{`required attribute "amount"`, `event "purchase"`}},
	{"required attribute nil", attr("amount", nil), []string{`required attribute "amount"`}},
	{"string for a number", attr("amount", "forty"), []string{`"amount"`, "forty", "number"}},
	{"bool for a number", attr("amount", true), []string{`"amount"`, "number"}},
	{"list for a string", attr("category", []string{"a"}), []string{`"category"`, "string"}},
	{"number for a bool", attr("paid", 1), []string{`"paid"`, "boolean"}},
	{"no date", attr("due", "tomorrow"), []string{`"due"`, "tomorrow", "is not a time"}},
	{"mixed list", attr("tags", []any{"a", 1}), []string{`"tags"`}},
	{"unknown key", attr("shipping", map[string]any{"town": "Hue"}), []string{`"shipping"`, "town"}},
	{"unknown key of a line item", attr("items", []map[string]any{{"sku": "A"}, {"prise": 1}}), []string{`"items"`, "prise"}},
	{"NaN", attr("amount", math.NaN()), []string{`"amount"`, "NaN", "finite"}},
	{"infinity", attr("amount", math.Inf(1)), []string{`"amount"`, "+Inf", "finite"}},
	{"minus infinity", attr("amount", math.Inf(-1)), []string{`"amount"`, "-Inf", "finite"}},
	{"NaN of 32 bits", attr("amount", float32(math.NaN())), []string{`"amount"`, "finite"}},
	{"NaN in a list", attr("sizes", []float64{1, math.NaN()}), []string{`"sizes"`, "element 1", "finite"}},
	{"infinity in a line item", attr("items", []map[string]any{{"price": math.Inf(1)}}), []string{`"items"`, `"price"`, "finite"}},
	{"value not UTF-8", attr("category", "sh\xf0es"), []string{`"category"`, "UTF-8"}},
	{"list element not UTF-8", attr("tags", []string{"ok", "\xff"}), []string{`"tags"`, "element 1", "UTF-8"}},
	{"key not UTF-8", attr("shipping", map[string]any{"\xff": 1}), []string{`"shipping"`, "UTF-8"}},
	{"attribute name not UTF-8", attr("\xff", 1), []string{"Attributes", "UTF-8"}},
	{"attribute name empty", attr("", 1), []string{"Attributes"}},
	{"string of 1 MiB", attr("category", strings.Repeat("x", 1<<20)), []string{`"category"`, "1048576 characters"}},
	{"text of 1 MiB", attr("note", strings.Repeat("x", 1<<20)), []string{`"note"`, "1048576 characters"}},
	{"string of 256", attr("category", strings.Repeat("x", 256)), []string{`"category"`, "255"}},
	{"list of 10,001", attr("sizes", make([]float64, 10_001)), []string{`"sizes"`, "10001", "10000"}},
	{"more than 1 MiB together", attr("tags", manyTexts()), []string{"1048576"}},
	{"a map in itself", attr("shipping", mapInItself()), []string{`"shipping"`, "nested"}},
	{"a channel", attr("category", make(chan int)), []string{`"category"`, "chan int"}},
	{"a struct", attr("category", struct{ A int }{1}), []string{`"category"`, "struct"}},
	{"bytes", attr("category", []byte("shoes")), []string{`"category"`, "uint8"}},
}

func attr(name string, v any) func(*cdp.Event) {
	return func(e *cdp.Event) { e.Attributes[name] = v }
}

func manyTexts() []string {
	list := make([]string, 100)
	for i := range list {
		list[i] = strings.Repeat("é", 20_000)
	}
	return list
}

func mapInItself() map[string]any {
	m := map[string]any{}
	m["again"] = m
	return m
}

// TestBadEvents tracks each bad event between two good ones of one call.
func TestBadEvents(t *testing.T) {
	ctx := t.Context()
	st := memstore.New()
	c := strictShop(t, st)
	good := func(n int, which string) cdp.Event {
		return cdp.Event{ID: fmt.Sprintf("%s-%d", which, n), Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"amount": n}}
	}
	want := 0
	for n, bad := range badEvents {
		for _, take := range []struct {
			name string
			verb func(context.Context, ...cdp.Event) (cdp.Result, error)
		}{{"track", c.Track}, {"import", c.Import}} {
			event := good(n, take.name+"-bad")
			bad.change(&event)
			res, err := take.verb(ctx, good(n, take.name+"-before"), event, good(n, take.name+"-after"))
			var rejected *cdp.RejectedError
			require.ErrorAs(t, err, &rejected, "%s %s", take.name, bad.name)
			require.Len(t, rejected.Verdicts, 1, "%s %s: %v", take.name, bad.name, err)
			require.Equal(t, 3, rejected.Total)
			require.Equal(t, []int{2, 0, 1}, []int{res.Accepted, res.Duplicates, res.Rejected}, "%s %s", take.name, bad.name)
			require.Equal(t, cdp.Rejected, res.Verdicts[1].Status)
			for _, words := range bad.says {
				require.Contains(t, res.Verdicts[1].Reason, words, bad.name)
				require.Contains(t, err.Error(), words, bad.name)
			}
			require.Less(t, len(err.Error()), 1000, "%s: an error that floods the log: %.200s…", bad.name, err)
			want += 2
		}
	}
	checkGood := func(c *cdp.Client) {
		t.Helper()
		n, err := c.Events().Count(ctx, "purchase")
		require.NoError(t, err)
		require.Equal(t, want, n)
		customers, visitors, err := c.Profiles().Count(ctx)
		require.NoError(t, err)
		require.Equal(t, [2]int{1, 0}, [2]int{customers, visitors}, "a rejected event makes nobody")
	}
	checkGood(c)
	require.NoError(t, c.Close())
	c, err := cdp.New(st, cdp.Config{Now: fixed})
	require.NoError(t, err)
	defer c.Close()
	checkGood(c)
}

// TestBadIdentities does the same for what is newly known of people.
func TestBadIdentities(t *testing.T) {
	ctx := t.Context()
	c := strictShop(t, memstore.New())
	for _, bad := range []struct {
		identity cdp.Identity
		says     string
	}{
		{cdp.Identity{Attributes: cdp.Attrs{"city": "Hue"}}, "belongs to nobody"},
		{cdp.Identity{UserID: "\xff"}, "UTF-8"},
		{cdp.Identity{UserID: "bob", Attributes: cdp.Attrs{"ctiy": "Hue"}}, `did you mean "city"?`},
		{cdp.Identity{UserID: "bob", Attributes: cdp.Attrs{"age": "old"}}, `"age"`},
		{cdp.Identity{UserID: "bob", Attributes: cdp.Attrs{"age": math.NaN()}}, "finite"},
		{cdp.Identity{UserID: "bob", Attributes: cdp.Attrs{"city": strings.Repeat("x", 1<<20)}}, `"city"`},
		{cdp.Identity{UserID: "bob", Time: time.Date(30_000, 1, 1, 0, 0, 0, 0, time.UTC)}, "Identity.Time"},
	} {
		res, err := c.Identify(ctx, cdp.Identity{UserID: "ann", Attributes: cdp.Attrs{"city": "Hue"}}, bad.identity, cdp.Identity{UserID: "cem"})
		var rejected *cdp.RejectedError
		require.ErrorAs(t, err, &rejected, bad.says)
		require.ErrorContains(t, err, bad.says)
		require.Equal(t, []int{2, 1}, []int{res.Accepted, res.Rejected}, bad.says)
	}
	_, err := c.Profiles().Get(ctx, "bob")
	require.ErrorIs(t, err, cdp.ErrNotFound, "a rejected identity makes nobody")
	ann, err := c.Profiles().Get(ctx, "ann")
	require.NoError(t, err)
	require.Equal(t, cdp.Attrs{"city": "Hue"}, ann.Attributes)
}

// TestBadObjects does the same for business objects.
func TestBadObjects(t *testing.T) {
	ctx := t.Context()
	c := strictShop(t, memstore.New())
	for _, bad := range []struct {
		object cdp.ObjectRecord
		says   string
	}{
		{cdp.ObjectRecord{Type: "prodct", ID: "P"}, `"prodct"`},
		{cdp.ObjectRecord{Type: "product"}, "ObjectRecord.ID"},
		{cdp.ObjectRecord{Type: "product", ID: strings.Repeat("x", 256)}, "ObjectRecord.ID"},
		{cdp.ObjectRecord{ID: "P"}, "ObjectRecord.Type"},
		{cdp.ObjectRecord{Type: "product", ID: "P", Attributes: cdp.Attrs{"brnd": "x"}}, `did you mean "brand"?`},
		{cdp.ObjectRecord{Type: "product", ID: "P", Attributes: cdp.Attrs{"brand": 7}}, `"brand"`},
	} {
		res, err := c.Objects().Put(ctx, cdp.ObjectRecord{Type: "product", ID: "good", Attributes: cdp.Attrs{"brand": "b"}}, bad.object)
		var rejected *cdp.RejectedError
		require.ErrorAs(t, err, &rejected, bad.says)
		require.ErrorContains(t, err, bad.says)
		require.Equal(t, []int{1, 1}, []int{res.Accepted, res.Rejected}, bad.says)
	}
	ids, err := c.Objects().IDs(ctx, "product")
	require.NoError(t, err)
	require.Equal(t, []string{"good"}, ids)
}

// TestSameIDTwice: within a call, across calls and after opening again, the first one counts.
func TestSameIDTwice(t *testing.T) {
	ctx := t.Context()
	st := memstore.New()
	c := strictShop(t, st)
	buy := func(amount int) cdp.Event {
		return cdp.Event{ID: "o1", Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"amount": amount}}
	}
	res, err := c.Track(ctx, buy(1), buy(2), buy(1))
	require.NoError(t, err)
	require.Equal(t, []cdp.Verdict{{ID: "o1", Status: cdp.Accepted}, {ID: "o1", Status: cdp.Duplicate}, {ID: "o1", Status: cdp.Duplicate}}, res.Verdicts)
	require.NoError(t, c.Close())
	c, err = cdp.New(st, cdp.Config{Now: fixed})
	require.NoError(t, err)
	defer c.Close()
	res, err = c.Import(ctx, buy(3))
	require.NoError(t, err)
	require.Equal(t, 1, res.Duplicates)
	line, err := c.Profiles().Timeline(ctx, "ann", nil)
	require.NoError(t, err)
	require.Len(t, line, 1)
	require.Equal(t, 1.0, line[0].Attributes["amount"])
}

// A rejected event is no duplicate of itself: mended, it is taken under the same id.
func TestRejectedIDIsFree(t *testing.T) {
	ctx := t.Context()
	c := strictShop(t, memstore.New())
	_, err := c.Track(ctx, cdp.Event{ID: "o1", Name: "purchase", UserID: "ann"})
	require.ErrorContains(t, err, "amount")
	res, err := c.Track(ctx, cdp.Event{ID: "o1", Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"amount": 1}})
	require.NoError(t, err)
	require.Equal(t, 1, res.Accepted)
}

// TestTooManyEvents: a call that is too large is refused as a whole.
func TestTooManyEvents(t *testing.T) {
	c := strictShop(t, memstore.New())
	_, err := c.Track(t.Context(), make([]cdp.Event, cdp.MaxBatch+1)...)
	var invalid *cdp.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.ErrorContains(t, err, "100001 events; the limit is 100000")
}

// TestBadConfig: what New refuses.
func TestBadConfig(t *testing.T) {
	for _, cfg := range []cdp.Config{{Portal: strings.Repeat("p", 65)}, {CheckpointBytes: -1}, {SendWorkers: -1}, {SendWorkers: 1001}, {MaxAttempts: -1}} {
		_, err := cdp.New(memstore.New(), cfg)
		var invalid *cdp.InvalidError
		require.ErrorAs(t, err, &invalid, "%+v", cfg)
		require.ErrorContains(t, err, "Config.")
	}
}

// TestNotFound: every verb that takes a name says that there is none.
func TestNotFound(t *testing.T) {
	ctx := t.Context()
	c := strictShop(t, memstore.New())
	one := func(_ any, err error) error { return err }
	for verb, err := range map[string]error{
		"events.get":             one(c.Events().Get(ctx, "nothing")),
		"events.count":           one(c.Events().Count(ctx, "nothing")),
		"profiles.get":           one(c.Profiles().Get(ctx, "nothing")),
		"profiles.timeline":      one(c.Profiles().Timeline(ctx, "nothing", nil)),
		"profiles.ledger":        one(c.Profiles().Ledger(ctx, "nothing")),
		"objects.get":            one(c.Objects().Get(ctx, "product", "nothing")),
		"segments.get":           one(c.Segments().Get(ctx, "nothing")),
		"segments.versions":      one(c.Segments().Versions(ctx, "nothing")),
		"segments.count":         one(c.Segments().Count(ctx, "nothing")),
		"segments.set":           one(c.Segments().Set(ctx, "nothing")),
		"segments.flips":         lastError(c.Segments().Flips(ctx, "nothing", nil)),
		"segments.contains":      one(c.Segments().Contains(ctx, "nothing", "ann")),
		"segments.explain":       one(c.Segments().Explain(ctx, "nothing", "ann")),
		"segments.remove":        c.Segments().Remove(ctx, "nothing"),
		"templates.get":          one(c.Templates().Get(ctx, "nothing")),
		"templates.remove":       c.Templates().Remove(ctx, "nothing"),
		"journeys.get":           one(c.Journeys().Get(ctx, "nothing")),
		"journeys.inside":        one(c.Journeys().Inside(ctx, "nothing")),
		"journeys.remove":        c.Journeys().Remove(ctx, "nothing"),
		"inbox.list":             one(c.Inbox().List(ctx, "nothing")),
		"consents.allowed":       one(c.Consents().Allowed(ctx, "nothing", "email")),
		"dataflows.get":          one(c.Dataflows().Get(ctx, "nothing")),
		"dataflows.remove":       c.Dataflows().Remove(ctx, "nothing"),
		"dataflows.run":          one(c.Dataflows().Run(ctx, "nothing", nil)),
		"dataflows.runs":         one(c.Dataflows().Runs(ctx, "nothing")),
		"dataflows.dead_letters": one(c.Dataflows().DeadLetters(ctx, "nothing", "")),
		"past.count":             one(c.TrueAt(noon).Count(ctx, "nothing")),
		"past.contains":          one(c.KnownAt(noon).Contains(ctx, "nothing", "nobody")),
		"past.set":               one(c.KnownAt(noon).Set(ctx, "nothing")),
		"past.profile":           one(c.TrueAt(noon).Profile(ctx, "nothing")),
		"past.timeline":          one(c.TrueAt(noon).Timeline(ctx, "nothing", nil)),
		"insights.journey":       one(c.Insights().Journey(ctx, "nothing", cdp.Range{})),
	} {
		require.ErrorIs(t, err, cdp.ErrNotFound, verb)
		require.ErrorContains(t, err, "nothing", verb)
	}
}

// TestNoGoroutineLeft: after Close nothing of ours runs, also when Run was running and readers broke off.
func TestNoGoroutineLeft(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	c := thankYou(cdp.Config{Now: time.Now})
	ran := make(chan error, 1)
	go func() { ran <- c.Run(ctx) }()
	for i := range 100 {
		_, err := c.Track(ctx, cdp.Event{Name: "purchase", UserID: fmt.Sprint("u", i)})
		require.NoError(t, err)
	}
	for range c.Profiles().All(ctx, cdp.Customers) {
		break
	}
	// A dataflow whose source breaks off, and one that is cancelled.
	d := t.TempDir() + "/none.csv"
	require.Error(t, c.Dataflows().Save(ctx, cdp.Dataflow{Name: "none"}))
	require.NoError(t, c.Dataflows().Save(ctx, orders(d)))
	_, err := c.Dataflows().Run(ctx, "orders", nil)
	require.Error(t, err)
	require.NoError(t, c.Close())
	if err := <-ran; err != nil && !errors.Is(err, cdp.ErrClosed) {
		t.Errorf("Run: %v", err)
	}
	require.NoError(t, c.Close(), "a second Close")
}
