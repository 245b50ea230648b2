package cdp_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/memstore"
)

// What is rejected teaches nothing: neither an attribute, nor its type, nor an event type. The cases are by hand; the random
// ones are in internal/fold.
func TestLearnFromRejected(t *testing.T) {
	ctx := t.Context()
	st := memstore.New()
	c, err := cdp.New(st, cdp.Config{})
	require.NoError(t, err)
	require.NoError(t, c.Portal().Save(ctx, cdp.Settings{LearnEvents: true}))
	require.NoError(t, c.Profiles().Define(ctx, cdp.Schema{"city": cdp.String}, cdp.Learn))
	address := cdp.EventType{Name: "address", Policy: cdp.Learn, Attributes: cdp.Schema{"street": cdp.String.Required()}}
	require.NoError(t, c.Events().Define(ctx, address))
	product := cdp.ObjectType{Name: "product", Policy: cdp.Learn, Attributes: cdp.Schema{"price": cdp.Number.Required()}}
	require.NoError(t, c.Objects().Define(ctx, product))
	many := func(n int) cdp.Attrs {
		attrs := cdp.Attrs{}
		for i := range n {
			attrs[fmt.Sprint("a", i)] = i
		}
		return attrs
	}
	answered := func(status cdp.Status, reason string) func(cdp.Result, error) {
		return func(res cdp.Result, err error) {
			t.Helper()
			require.Equal(t, status == cdp.Accepted, err == nil)
			require.Len(t, res.Verdicts, 1)
			require.Equal(t, status, res.Verdicts[0].Status, res.Verdicts[0].Reason)
			require.Contains(t, res.Verdicts[0].Reason, reason)
		}
	}
	rejected := func(reason string) func(cdp.Result, error) { return answered(cdp.Rejected, reason) }
	accepted := answered(cdp.Accepted, "")
	event := func(name string, attrs cdp.Attrs) cdp.Event {
		return cdp.Event{Name: name, UserID: "u", Attributes: attrs}
	}

	rejected(`profile attribute "city" is a number`)(c.Identify(ctx, cdp.Identity{UserID: "a", Attributes: cdp.Attrs{"plan": 1, "city": 3}}))
	rejected(`profile attribute "city" is a number`)(c.Identify(ctx, cdp.Identity{UserID: "a", Attributes: cdp.Attrs{"birthplace": "Hue", "city": 3}}))
	rejected(`is no name for a kind of identifier`)(c.Identify(ctx, cdp.Identity{UserID: "a", Identifiers: map[string]string{"no-kind": "x"}, Attributes: cdp.Attrs{"plan": 1}}))
	rejected(`profiles would have more than 500 attributes, and learn no more by themselves; declare `)(c.Identify(ctx, cdp.Identity{UserID: "a", Attributes: many(600)}))
	rejected(`lacks the required attribute "street"`)(c.Track(ctx, event("address", cdp.Attrs{"zip": 700})))
	rejected(`event "address" would have more than 500 attributes, and learns no more by itself; declare `)(c.Track(ctx, event("address", many(2500))))
	rejected(`attribute "a" of event "address" element 1 is a string`)(c.Track(ctx, event("address", cdp.Attrs{"street": "x", "a": []any{1, "x"}})))
	rejected(`attribute "a" of event "visit" element 1 is a string`)(c.Track(ctx, event("visit", cdp.Attrs{"a": []any{1, "x"}})))
	rejected(`lacks the required attribute "price"`)(c.Objects().Put(ctx, cdp.ObjectRecord{Type: "product", ID: "p", Attributes: many(600)}))
	rejected(`attribute "price" of object product "p" is a string`)(c.Objects().Put(ctx, cdp.ObjectRecord{Type: "product", ID: "p", Attributes: cdp.Attrs{"brand": 1, "price": "x"}}))

	nothing := func() {
		t.Helper()
		profile, err := c.Profiles().Schema(ctx)
		require.NoError(t, err)
		require.Equal(t, cdp.Schema{"city": cdp.String}, profile)
		types, err := c.Events().List(ctx)
		require.NoError(t, err)
		require.Equal(t, []cdp.EventType{address}, types)
		objects, err := c.Objects().Types(ctx)
		require.NoError(t, err)
		require.Equal(t, []cdp.ObjectType{product}, objects)
	}
	nothing()
	require.NoError(t, c.Close())
	c, err = cdp.New(st, cdp.Config{})
	require.NoError(t, err)
	defer c.Close()
	nothing()

	accepted(c.Identify(ctx, cdp.Identity{UserID: "b", Attributes: cdp.Attrs{"plan": "gold"}}))
	attrs := many(498)
	attrs["street"], attrs["zip"] = "x", "700"
	accepted(c.Track(ctx, event("address", attrs))) // 500, the most
	accepted(c.Track(ctx, event("visit", cdp.Attrs{"a": []any{"x"}})))
	accepted(c.Objects().Put(ctx, cdp.ObjectRecord{Type: "product", ID: "p", Attributes: cdp.Attrs{"brand": "x", "price": 1}}))
	rejected(`event "address" would have more than 500 attributes, and learns no more by itself; declare "one_more"`)(c.Track(ctx, event("address", cdp.Attrs{"street": "x", "one_more": 1})))
	p, err := c.Profiles().Get(ctx, "b")
	require.NoError(t, err)
	require.Equal(t, cdp.Attrs{"plan": "gold"}, p.Attributes)
	line, err := c.Profiles().Timeline(ctx, "u", &cdp.TimelineOptions{Only: []string{"address", "visit"}})
	require.NoError(t, err)
	require.Len(t, line, 2)
	require.Equal(t, map[string]any{"a": []any{"x"}}, map[string]any(line[0].Attributes))
	require.Len(t, line[1].Attributes, 500)
	require.Equal(t, "700", line[1].Attributes["zip"])
}
