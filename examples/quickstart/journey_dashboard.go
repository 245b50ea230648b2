package main

import (
	"context"
	"os"
	"strings"

	"github.com/embedcdp/cdp"
)

func retailDashboard(ctx context.Context, c *cdp.Client, path string) error {
	a := asker{ctx, c.Insights()}
	sales, err := a.ask(purchase, "", cdp.Sum)
	if err != nil {
		return err
	}
	buyers, err := a.ask(purchase, "", cdp.People)
	if err != nil {
		return err
	}
	regulars, err := c.Segments().Count(ctx, "grocery_regulars")
	if err != nil {
		return err
	}
	weeks := cdp.Between(year.From.AddDate(0, 0, 1), year.To) // whole ones: the year began on a Sunday
	weekly, err := a.in.Trend(ctx, cdp.Trend{Title: "Sales by week", Range: weeks, Interval: cdp.Weekly,
		Series: []cdp.Series{{Name: "sales", Event: purchase, Measure: cdp.Sum, Value: "sales_value", Unit: "USD"}}})
	if err != nil {
		return err
	}
	var byDepartment []cdp.Series
	for _, d := range departments {
		byDepartment = append(byDepartment, cdp.Series{Name: d, Event: purchase, Where: "e.product.department == \"" + d + "\"",
			Measure: cdp.Sum, Value: "sales_value", Unit: "USD"})
	}
	department, err := a.in.Trend(ctx, cdp.Trend{Title: "Sales by department and month", Range: year, Interval: cdp.Monthly, Series: byDepartment})
	if err != nil {
		return err
	}
	campaigns, err := a.in.Trend(ctx, cdp.Trend{Title: "Campaign sends and redeemed coupons by month", Range: year, Interval: cdp.Monthly,
		Series: []cdp.Series{{Name: "sends", Event: "campaign_sent"}, {Name: "redemptions", Event: "coupon_redeemed"}}})
	if err != nil {
		return err
	}
	funnel, err := a.in.Funnel(ctx, cdp.Funnel{Title: "From a campaign to a redeemed coupon within 60 days", Window: "60d",
		Steps: []cdp.Step{{Name: "was sent a campaign", Event: "campaign_sent"}, {Name: "bought", Event: purchase}, {Name: "redeemed a coupon", Event: "coupon_redeemed"}}})
	if err != nil {
		return err
	}
	back, err := a.in.Retention(ctx, cdp.Retention{Title: "Households that buy again, by month of their first purchase",
		Start: cdp.Step{Event: purchase}, Range: year, Interval: cdp.Monthly})
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := a.in.WriteHTML(ctx, f, cdp.Dashboard{
		Title: "The Complete Journey", Subtitle: "A retailer's year 2017: 75,000 lines of receipts (completejourney, CC0)",
		Scores: []cdp.Score{
			{Title: "Sales", Value: sales, Unit: "USD"}, {Title: "Households that bought", Value: buyers},
			{Title: "With 3 grocery baskets in some month", Value: float64(regulars), Unit: "households"},
		},
		Sections: []cdp.DashboardSection{
			{Title: "Sales", Reports: []cdp.Report{weekly.Report, department.Report}},
			{Title: "Campaigns", Text: "A send counts on the first day of its campaign.", Reports: []cdp.Report{campaigns.Report, funnel.Report}},
			{Title: "Do they come back?", Reports: []cdp.Report{back.Report}},
		},
	}); err != nil {
		return err
	}
	return f.Close()
}

// oneLine writes a condition without its line breaks.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
