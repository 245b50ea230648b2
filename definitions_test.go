package cdp_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
)

// A program saves its definitions each time it starts: what is there already makes no new version.
func TestSavingWhatIsThereMakesNoVersion(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{})
	c.Define(cdp.EventType{Name: "buy"})
	seg := cdp.Segment{Name: "buyers", Where: `events.buy.size() > 0`}
	for range 3 {
		require.NoError(t, c.Segments().Save(t.Context(), seg))
	}
	versions, err := c.Segments().Versions(t.Context(), "buyers")
	require.NoError(t, err)
	require.Len(t, versions, 1)
	seg.Where = `events.buy.size() > 1`
	require.NoError(t, c.Segments().Save(t.Context(), seg))
	versions, err = c.Segments().Versions(t.Context(), "buyers")
	require.NoError(t, err)
	require.Len(t, versions, 2)
}

// An order and its refund may have one id: ids are unique within an event type.
func TestIDsAreUniqueWithinAnEventType(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{})
	c.Define(cdp.EventType{Name: "order"}, cdp.EventType{Name: "refund"})
	res, err := c.Track(t.Context(), cdp.Event{ID: "1001", Name: "order", UserID: "u"}, cdp.Event{ID: "1001", Name: "refund", UserID: "u"},
		cdp.Event{ID: "1001", Name: "order", UserID: "v"})
	require.NoError(t, err)
	require.Equal(t, []cdp.Status{cdp.Accepted, cdp.Accepted, cdp.Duplicate}, []cdp.Status{res.Verdicts[0].Status, res.Verdicts[1].Status, res.Verdicts[2].Status})
}

func TestDataflowCountsDuplicates(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{})
	c.Define(cdp.EventType{Name: "order"})
	path := filepath.Join(t.TempDir(), "orders.csv")
	require.NoError(t, os.WriteFile(path, []byte("id,at,who\n1,2026-01-01,u1\n2,2026-01-01,u2\n1,2026-01-01,u1\n"), 0o600))
	require.NoError(t, c.Dataflows().Save(t.Context(), cdp.Dataflow{Name: "orders", Source: cdp.Source{Type: "csv", Path: path, Types: map[string]string{"at": "datetime"}},
		Destinations: []cdp.Destination{{Events: &cdp.ToEvents{Name: "order", ID: "id", Time: "at", UserID: "who"}}}}))
	for _, want := range []int64{1, 3} {
		run, err := c.Dataflows().Run(t.Context(), "orders", nil)
		require.NoError(t, err)
		require.Equal(t, want, run.Progress.Duplicates)
		require.Equal(t, int64(3), run.Progress.Accepted)
	}
}

func TestRequiredFieldsOfStructs(t *testing.T) {
	type Item struct {
		SKU string `cdp:"sku"`
	}
	type Order struct {
		Items []Item `cdp:"items,required"`
		Shop  string `cdp:"shop,required"`
		Note  string `cdp:"note"`
	}
	c := cdptest.New(t, cdptest.Options{})
	orders, err := cdp.EventOf[Order](t.Context(), c.Client, "order")
	require.NoError(t, err)
	_, err = orders.Track(t.Context(), cdp.Event{UserID: "u"}, Order{Shop: "hue"})
	require.ErrorContains(t, err, `lacks the required attribute "items"`)
	_, err = orders.Track(t.Context(), cdp.Event{UserID: "u"}, Order{Items: []Item{{"a"}}})
	require.ErrorContains(t, err, `lacks the required attribute "shop"`)
	_, err = orders.Track(t.Context(), cdp.Event{UserID: "u"}, Order{Items: []Item{}, Shop: "hue"})
	require.NoError(t, err, "an empty list is there")
	line, err := c.Profiles().Timeline(t.Context(), "u", &cdp.TimelineOptions{Only: []string{"order"}})
	require.NoError(t, err)
	require.Equal(t, cdp.Attrs{"items": []any{}, "shop": "hue", "note": ""}, line[0].Attributes)
}

// Unsubscribe links that are not set up are said to be missing before anything is sent.
func TestPreviewWithoutUnsubscribeURL(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{Config: cdp.Config{Secret: []byte("0123456789abcdef0123456789abcdef")}})
	c.Define(cdp.EventType{Name: "buy"})
	c.Happens(cdp.Event{Name: "buy", UserID: "u1"})
	letter := cdp.Template{Name: "letter", Text: "bye: {{ unsubscribe_url }}"}
	_, err := c.Templates().Preview(t.Context(), letter, "u1")
	require.ErrorContains(t, err, "set the portal's unsubscribe URL")
	require.NoError(t, c.Portal().Save(t.Context(), cdp.Settings{UnsubscribeURL: "https://shop.example/bye?t={token}"}))
	content, err := c.Templates().Preview(t.Context(), letter, "u1")
	require.NoError(t, err)
	require.Contains(t, content.Text, "bye: https://shop.example/bye?t=")
}
