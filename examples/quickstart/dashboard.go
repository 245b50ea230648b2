package main

import (
	"context"
	"os"

	"github.com/embedcdp/cdp"
)

// writeDashboard asks the reports and writes them as one HTML file.
func writeDashboard(ctx context.Context, c *cdp.Client, out *page, w *world, o *outcome) error {
	in := c.Insights()
	opening := w.end.AddDate(0, 0, -totalDays)
	weeks := cdp.Between(opening.AddDate(0, 0, 1), w.end) // whole ones: the shop opened on a Sunday
	all, month := cdp.Between(opening, w.end), cdp.Between(w.end.AddDate(0, -1, 0), w.end)
	before := cdp.Between(w.end.AddDate(0, -2, 0), w.end.AddDate(0, -1, 0))

	var scores []cdp.Score
	for _, s := range []struct {
		title string
		what  cdp.Series
	}{
		{"Revenue in May", cdp.Series{Event: purchase, Measure: cdp.Sum, Value: "amount", Unit: "VND"}},
		{"Purchases in May", cdp.Series{Event: purchase}},
		{"Buyers in May", cdp.Series{Event: purchase, Measure: cdp.People}},
	} {
		now, err := total(ctx, in, s.what, month)
		if err != nil {
			return err
		}
		then, err := total(ctx, in, s.what, before)
		if err != nil {
			return err
		}
		scores = append(scores, cdp.Score{Title: s.title, Value: now, Unit: s.what.Unit, Previous: then, Against: "April"})
		out.line("%-18s %18s, April %s", s.title, thousands(int64(now)), thousands(int64(then)))
	}
	scores = append(scores, cdp.Score{Title: "Young shoe buyers, last 30 days", Value: float64(o.segments[segments[0].Name]), Unit: "people"})

	revenue, err := in.Trend(ctx, cdp.Trend{Title: "Revenue by week", Range: weeks, Interval: cdp.Weekly,
		Series: []cdp.Series{{Name: "revenue", Event: purchase, Measure: cdp.Sum, Value: "amount", Unit: "VND"}}})
	if err != nil {
		return err
	}
	if o.revenue, err = total(ctx, in, cdp.Series{Event: purchase, Measure: cdp.Sum, Value: "amount"}, all); err != nil {
		return err
	}
	purchases, err := in.Trend(ctx, cdp.Trend{Title: "Purchases by day", Range: all, Interval: cdp.Daily,
		Series: []cdp.Series{{Name: "purchases", Event: purchase}}})
	if err != nil {
		return err
	}
	byCategory, err := in.Trend(ctx, cdp.Trend{Title: "Purchases by category and week", Range: weeks, Interval: cdp.Weekly, Top: 6,
		Series: []cdp.Series{{Event: purchase, By: "category"}}})
	if err != nil {
		return err
	}
	funnel, err := in.Funnel(ctx, cdp.Funnel{Title: "From a view to a purchase within 7 days", Window: "7d", Range: all, Steps: []cdp.Step{
		{Name: "viewed a product", Event: view}, {Name: "put it into the cart", Event: cart}, {Name: "bought", Event: purchase}}})
	if err != nil {
		return err
	}
	for _, s := range funnel.Steps {
		o.funnel = append(o.funnel, s.People)
		out.line("%-22s %6d people, %3.0f %% of the first step", s.Name, s.People, 100*s.OfFirst)
	}
	back, err := in.Retention(ctx, cdp.Retention{Title: "Buyers who buy again, by week of their first purchase",
		Start: cdp.Step{Event: purchase}, Range: weeks, Interval: cdp.Weekly, Periods: 12})
	if err != nil {
		return err
	}
	reminder, err := in.Journey(ctx, reminderName, all)
	if err != nil {
		return err
	}
	// What the platform does is an event too, with the same reports.
	messages, err := in.Trend(ctx, cdp.Trend{Title: "Messages sent, by day and channel", Range: cdp.Between(w.live, w.end),
		Series: []cdp.Series{{Name: "sent", Event: "message_sent", By: "channel"}}})
	if err != nil {
		return err
	}
	for _, n := range reminder.Nodes {
		if n.Node == "" {
			o.reminder = n
			out.line("cart reminder: %d entered, %d of them bought, %d left for another reason, %d went to the end", n.Entered, n.Converted, n.Exited, n.Finished)
		}
	}

	f, err := os.Create(o.dashboard)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := in.WriteHTML(ctx, f, cdp.Dashboard{
		Title: "Saigon Style", Subtitle: "February to May 2026; days and weeks in Ho Chi Minh City",
		Scores: scores,
		Sections: []cdp.DashboardSection{
			{Title: "Sales", Reports: []cdp.Report{revenue.Report, purchases.Report}},
			{Title: "From visitor to buyer", Text: "A visitor who becomes a customer keeps their history: views before the sign-up count.",
				Reports: []cdp.Report{funnel.Report, byCategory.Report}},
			{Title: "Do they come back?", Text: "Each row is the people who first bought in that week.", Reports: []cdp.Report{back.Report}},
			{Title: "Cart reminder", Text: "Email after 2 hours, SMS a day later, a message on the website after 3 days; a purchase ends it.",
				Reports: []cdp.Report{reminder.Report, messages.Report}},
		},
	}); err != nil {
		return err
	}
	return f.Close()
}

// total is one number over a range.
func total(ctx context.Context, in cdp.Insights, s cdp.Series, r cdp.Range) (float64, error) {
	t, err := in.Trend(ctx, cdp.Trend{Series: []cdp.Series{s}, Range: r, Interval: cdp.Monthly})
	if err != nil {
		return 0, err
	}
	return t.Lines[0].Total.Value, nil
}
