package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/embedcdp/cdp"
)

// This file and journey_facts.go take real data: a retailer's year 2017, as published with the R package completejourney.
// Households are customers, products and campaigns are objects, each line of a receipt is a purchase.

func defineRetailer(ctx context.Context, c *cdp.Client) error {
	for _, t := range []cdp.ObjectType{
		{Name: "product", Attributes: cdp.Schema{"department": cdp.String, "brand": cdp.String, "category": cdp.String, "kind": cdp.String}},
		{Name: "campaign", Attributes: cdp.Schema{"type": cdp.String, "starts": cdp.Datetime, "ends": cdp.Datetime}},
	} {
		if err := c.Objects().Define(ctx, t); err != nil {
			return err
		}
	}
	// Ages and incomes are bands, such as "25-34".
	if err := c.Profiles().Define(ctx, cdp.Schema{"age": cdp.String, "income": cdp.String, "home": cdp.String, "household_size": cdp.String, "kids": cdp.String}, cdp.Strict); err != nil {
		return err
	}
	for _, t := range []cdp.EventType{
		{Name: purchase, Attributes: cdp.Schema{"product": cdp.Ref("product"), "basket": cdp.String, "store": cdp.String,
			"quantity": cdp.Number, "sales_value": cdp.Number, "discount": cdp.Number}},
		{Name: "campaign_sent", Attributes: cdp.Schema{"campaign": cdp.Ref("campaign")}},
		{Name: "coupon_redeemed", Attributes: cdp.Schema{"campaign": cdp.Ref("campaign"), "coupon": cdp.String}},
	} {
		if err := c.Events().Define(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func retailerFlows(dir string) []cdp.Dataflow {
	source := func(name string, types map[string]string) cdp.Source {
		return cdp.Source{Type: "csv", Path: filepath.Join(dir, name), Types: types}
	}
	sends := source("campaigns.csv", map[string]string{"start_date": "datetime"})
	sends.Opener = sendsOpener
	return []cdp.Dataflow{
		{
			Name: "products", Source: source("products.csv", nil),
			Destinations: []cdp.Destination{{Objects: &cdp.ToObjects{Type: "product", ID: "product_id",
				Attributes: map[string]string{"department": "department", "brand": "brand", "category": "product_category", "kind": "product_type"}}}},
		},
		{
			Name: "campaigns", Source: source("campaign_descriptions.csv", map[string]string{"start_date": "datetime", "end_date": "datetime"}),
			Destinations: []cdp.Destination{{Objects: &cdp.ToObjects{Type: "campaign", ID: "campaign_id",
				Attributes: map[string]string{"type": "campaign_type", "starts": "start_date", "ends": "end_date"}}}},
		},
		{
			Name: "demographics", Source: source("demographics.csv", nil),
			Destinations: []cdp.Destination{{Profiles: &cdp.ToProfiles{UserID: "household_id",
				Attributes: map[string]string{"age": "age", "income": "income", "home": "home_ownership", "household_size": "household_size", "kids": "kids_count"}}}},
		},
		{
			Name: "transactions", Source: source("transactions_sample.csv", map[string]string{"transaction_timestamp": "datetime",
				"quantity": "number", "sales_value": "number", "retail_disc": "number", "coupon_disc": "number", "coupon_match_disc": "number"}),
			Actions: []cdp.Action{{Add: &cdp.Add{Column: "discount", Type: "number", Value: "retail_disc + coupon_disc + coupon_match_disc"}}},
			Destinations: []cdp.Destination{{Events: &cdp.ToEvents{Name: purchase, Time: "transaction_timestamp", UserID: "household_id",
				Attributes: map[string]string{"product": "product_id", "basket": "basket_id", "store": "store_id", "quantity": "quantity",
					"sales_value": "sales_value", "discount": "discount"}}}},
		},
		{
			Name: "sends", Source: sends,
			Destinations: []cdp.Destination{{Events: &cdp.ToEvents{Name: "campaign_sent", Time: "start_date", UserID: "household_id",
				Attributes: map[string]string{"campaign": "campaign_id"}}}},
		},
		{
			Name: "redemptions", Source: source("coupon_redemptions.csv", map[string]string{"redemption_date": "datetime"}),
			Destinations: []cdp.Destination{{Events: &cdp.ToEvents{Name: "coupon_redeemed", Time: "redemption_date", UserID: "household_id",
				Attributes: map[string]string{"campaign": "campaign_id", "coupon": "coupon_upc"}}}},
		},
	}
}

// sendsOpener is the name of an opener (Config.Openers). The file of sends says no time; the campaign's first day is it.
const sendsOpener = "campaign sends"

// openSends is that opener: it gives the file of sends with a third column, start_date.
func openSends(_ context.Context, path string) (io.ReadCloser, error) {
	sends, err := readCSV(path)
	if err != nil {
		return nil, err
	}
	campaigns, err := readCSV(filepath.Join(filepath.Dir(path), "campaign_descriptions.csv"))
	if err != nil {
		return nil, err
	}
	starts := map[string]string{"campaign_id": "start_date"} // the header line joins like any other
	for _, row := range campaigns[1:] {
		starts[row[0]] = row[2]
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for _, row := range sends {
		if err := w.Write(append(row, starts[row[0]])); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return io.NopCloser(&b), w.Error()
}

func readCSV(path string) ([][]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err == nil && len(rows) == 0 {
		err = fmt.Errorf("%s is empty", path)
	}
	return rows, err
}

// completeJourney imports the data set, checks the facts, and writes a dashboard. A wrong fact is an error.
func completeJourney(ctx context.Context, dir string, opt options, w io.Writer) (err error) {
	out := newPage(w)
	place, file, err := places(opt)
	if err != nil {
		return err
	}
	now := &clock{}
	now.set(time.Date(2018, 2, 1, 0, 0, 0, 0, time.UTC)) // the year is over
	c, err := cdp.Open(file, cdp.Config{Now: now.now, Openers: map[string]cdp.Opener{sendsOpener: openSends}})
	if err != nil {
		return err
	}
	defer func() {
		if e := c.Close(); err == nil {
			err = e
		}
	}()
	fmt.Fprintf(w, "A retailer's year 2017 (the Complete Journey), one file: %s\n", file)

	out.section("Import by dataflow")
	if err := defineRetailer(ctx, c); err != nil {
		return err
	}
	if err := importAll(ctx, c, out, retailerFlows(dir)); err != nil {
		return err
	}

	out.section("Segments")
	if err := saveRetailSegments(ctx, c, out); err != nil {
		return err
	}

	out.section("Facts computed apart from the platform (DuckDB over the files), and its answers")
	wrong, err := checkFacts(ctx, c, out)
	if err != nil {
		return err
	}

	out.section("Dashboard")
	path := filepath.Join(place, "dashboard.html")
	if err := retailDashboard(ctx, c, path); err != nil {
		return err
	}
	out.line("%s", path)
	fmt.Fprintf(w, "\nAll of it took %.1f s.\n", time.Since(out.started).Seconds())
	if wrong > 0 {
		return fmt.Errorf("%d facts are wrong: see the lines that begin with WRONG", wrong)
	}
	return nil
}
