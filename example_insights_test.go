package cdp_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/embedcdp/cdp"
)

// printCSV prints a report's numbers; lines of CSV end in CR LF, those of an example do not.
func printCSV(r cdp.Report) {
	var b strings.Builder
	check(r.WriteCSV(&b))
	fmt.Print(strings.ReplaceAll(b.String(), "\r\n", "\n"))
}

func ExampleInsights_Trend() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	buyers(ctx, c)

	rep, err := c.Insights().Trend(ctx, cdp.Trend{
		Title:    "Revenue",
		Series:   []cdp.Series{{Event: "purchase", Measure: cdp.Sum, Value: "amount", Unit: "USD", By: "category"}},
		Range:    cdp.Between(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)),
		Interval: cdp.Monthly,
	})
	check(err)
	printCSV(rep.Report)
	fmt.Println(rep.Lines[0].Group, rep.Lines[0].Total.Value)
	// Output:
	// month,series,group,measure,value,unit
	// 2026-03-01T00:00:00Z,purchase,shoes,sum,120,USD
	// 2026-03-01T00:00:00Z,purchase,hats,sum,35,USD
	// shoes 120
}

func ExampleInsights_Funnel() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	check(c.Events().Define(ctx, cdp.EventType{Name: "view"}))
	_, err := c.Track(ctx,
		cdp.Event{Name: "view", UserID: "ann", Time: noon.Add(-3 * time.Hour)},
		cdp.Event{Name: "view", UserID: "bob", Time: noon.Add(-2 * time.Hour)},
		cdp.Event{Name: "purchase", UserID: "ann", Time: noon.Add(-1 * time.Hour)})
	check(err)

	rep, err := c.Insights().Funnel(ctx, cdp.Funnel{Steps: []cdp.Step{{Event: "view"}, {Event: "purchase"}}, Window: "7d"})
	check(err)
	for _, s := range rep.Steps {
		fmt.Printf("%s: %d people, %.0f %%\n", s.Name, s.People, 100*s.OfFirst)
	}
	for p, err := range rep.Steps[0].Dropped.Members(ctx) { // whom to write to
		check(err)
		fmt.Println("only looked:", p.UserID)
	}
	printCSV(rep.Report)
	// Output:
	// view: 2 people, 100 %
	// purchase: 1 people, 50 %
	// only looked: bob
	// step,people (people),of previous,of first,median from previous (s),median from first (s)
	// view,2,1,1,,
	// purchase,1,0.5,0.5,7200,7200
}

func ExampleInsights_Retention() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	monday := time.Date(2026, 2, 2, 0, 0, 0, 0, time.UTC)
	for week, users := range [][]string{{"ann", "bob"}, {"ann", "cem"}, {"ann", "bob", "cem"}} {
		for _, u := range users {
			_, err := c.Track(ctx, cdp.Event{Name: "purchase", UserID: u, Time: monday.AddDate(0, 0, 7*week).Add(10 * time.Hour)})
			check(err)
		}
	}
	rep, err := c.Insights().Retention(ctx, cdp.Retention{Start: cdp.Step{Event: "purchase"}, Range: cdp.Between(monday, monday.AddDate(0, 0, 21))})
	check(err)
	for _, cohort := range rep.Cohorts {
		fmt.Println(cohort.Start.Format(time.DateOnly), cohort.Size, cohort.Returned)
	}
	printCSV(rep.Report)
	// Output:
	// 2026-02-02 2 [2 1 2]
	// 2026-02-09 1 [1 1]
	// 2026-02-16 0 [0]
	// cohort,size (people),week 0 (people),week 0 rate,week 1 (people),week 1 rate,week 2 (people),week 2 rate
	// 2026-02-02T00:00:00Z,2,2,1,1,0.5,2,1
	// 2026-02-09T00:00:00Z,1,1,1,1,1,,
	// 2026-02-16T00:00:00Z,0,0,,,,,
}

func ExampleInsights_Journey() {
	ctx := context.Background()
	c := thankYou(cdp.Config{})
	defer c.Close()
	_, err := c.Track(ctx, cdp.Event{Name: "purchase", UserID: "ann"}, cdp.Event{Name: "purchase", UserID: "bob"})
	check(err)
	check(c.Tick(ctx))

	rep, err := c.Insights().Journey(ctx, "thank_you", cdp.Range{}) // all of time
	check(err)
	for _, n := range rep.Nodes {
		fmt.Printf("%q entered %d, sent %d, finished %d\n", n.Node, n.Entered, n.Sent, n.Finished)
	}
	// Output:
	// "" entered 2, sent 0, finished 2
	// "mail" entered 0, sent 2, finished 0
}

func ExampleInsights_WriteHTML() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	buyers(ctx, c)
	trend, err := c.Insights().Trend(ctx, cdp.Trend{Title: "Purchases", Series: []cdp.Series{{Event: "purchase"}}, Range: cdp.Between(daysAgo(10), noon)})
	check(err)

	var page bytes.Buffer // a product writes a file
	check(c.Insights().WriteHTML(ctx, &page, cdp.Dashboard{
		Title:    "Shop",
		Scores:   []cdp.Score{{Title: "Purchases", Value: trend.Lines[0].Total.Value, Previous: 2, Against: "the week before"}},
		Sections: []cdp.DashboardSection{{Title: "Sales", Reports: []cdp.Report{trend.Report}}},
	}))
	fmt.Println(strings.Contains(page.String(), "<svg"), strings.Contains(page.String(), "<script"))

	var numbers, picture bytes.Buffer // each report can also be written by itself
	check(trend.WriteJSON(&numbers))
	check(trend.WriteSVG(&picture))
	fmt.Println(numbers.Len() > 0, strings.HasPrefix(picture.String(), "<svg"))
	// Output:
	// true false
	// true true
}
