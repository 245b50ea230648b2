package cdp_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
)

var updateDocs = flag.Bool("update-docs", false, "draw the pictures in docs/ anew")

// TestDocsPictures draws the pictures that the README shows, from data it makes, and compares them with those in docs/.
func TestDocsPictures(t *testing.T) {
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	c := cdptest.New(t, cdptest.Options{Start: start.AddDate(0, 0, 70)})
	c.Define(cdp.EventType{Name: "view"}, cdp.EventType{Name: "add_to_cart"}, cdp.EventType{Name: "purchase"})
	var events []cdp.Event
	add := func(name string, person int, at time.Time) {
		events = append(events, cdp.Event{ID: fmt.Sprint(len(events)), Name: name, UserID: fmt.Sprintf("u%d", person), Time: at})
	}
	for p := range 900 {
		first := start.AddDate(0, 0, p*p%56).Add(time.Duration(p*37%1440) * time.Minute)
		for week := 0; week < 9; week++ {
			at := first.AddDate(0, 0, 7*week)
			if (p*7+week*11)%10 >= 10-week && week > 0 || at.After(start.AddDate(0, 0, 63)) {
				continue
			}
			add("view", p, at)
			if (p+week)%5 < 3 {
				add("add_to_cart", p, at.Add(time.Duration(2+p%9)*time.Minute))
			}
			if (p+week)%5 < 2 && p%3 > 0 {
				add("purchase", p, at.Add(time.Duration(15+p%50)*time.Minute))
			}
		}
	}
	_, err := c.Import(t.Context(), events...)
	require.NoError(t, err)
	all := cdp.Between(start, start.AddDate(0, 0, 63))

	funnel, err := c.Insights().Funnel(t.Context(), cdp.Funnel{Title: "From view to purchase within a day", Window: "1d", Range: all, Steps: []cdp.Step{
		{Name: "viewed a product", Event: "view"}, {Name: "put it into the cart", Event: "add_to_cart"}, {Name: "bought", Event: "purchase"}}})
	require.NoError(t, err)
	retention, err := c.Insights().Retention(t.Context(), cdp.Retention{Title: "Who comes back, by week of the first visit", Start: cdp.Step{Event: "view"}, Range: all})
	require.NoError(t, err)
	for name, report := range map[string]cdp.Report{"docs/funnel.svg": funnel.Report, "docs/retention.svg": retention.Report} {
		var svg bytes.Buffer
		require.NoError(t, report.WriteSVG(&svg))
		if *updateDocs {
			require.NoError(t, os.WriteFile(name, svg.Bytes(), 0o644))
		}
		want, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, string(want), svg.String(), "%s is not what the code draws; go test -run TestDocsPictures -update-docs", name)
	}
}
