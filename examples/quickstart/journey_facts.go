package main

import (
	"context"
	"fmt"
	"time"

	"github.com/embedcdp/cdp"
)

// grocery is the condition "at least 3 different baskets with groceries in at least one calendar month". perMonth counts
// events, and here an event is a line, not a basket; so the months are written out: 0 is January 2017, 12 January 2018.
const grocery = `[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].exists(m, events.purchase.filter(e,
	e.product.department == "GROCERY" && (e.time.getFullYear() - 2017) * 12 + e.time.getMonth() == m).countDistinct(e, e.basket) >= 3)`

var (
	ages        = []string{"19-24", "25-34", "35-44", "45-54", "55-64", "65+"}
	departments = []string{"GROCERY", "DRUG GM", "PRODUCE", "MEAT-PCKGD", "MEAT"}
	types       = []string{"Type A", "Type B", "Type C"}
	year        = cdp.Between(time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC))
	// all: some campaigns began in 2016; the last lines are from the first night of 2018.
	all = cdp.Between(time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2018, 1, 2, 0, 0, 0, 0, time.UTC))
)

func retailSegments() []cdp.Segment {
	list := []cdp.Segment{
		{Name: "buyers", Where: `events.purchase.size() > 0`},
		{Name: "bought_before_opening", Where: `events.purchase.exists(e, e.time < timestamp("2017-01-01T12:30:27Z"))`},
		{Name: "bought_at_opening", Where: `events.purchase.exists(e, e.time == timestamp("2017-01-01T12:30:27Z"))`},
		{Name: "bought_at_closing", Where: `events.purchase.exists(e, e.time == timestamp("2018-01-01T03:47:38Z"))`},
		{Name: "bought_after_closing", Where: `events.purchase.exists(e, e.time > timestamp("2018-01-01T03:47:38Z"))`},
		{Name: "grocery_regulars", Where: grocery},
		{Name: "young_grocery_regulars", Where: `inSegment("grocery_regulars") && customer.age in ["19-24", "25-34"]`},
	}
	for i, age := range ages {
		list = append(list, cdp.Segment{Name: fmt.Sprintf("age_%d", i+1), Where: fmt.Sprintf("customer.age == %q", age)})
	}
	return list
}

func saveRetailSegments(ctx context.Context, c *cdp.Client, out *page) error {
	for _, s := range retailSegments() {
		started := time.Now()
		if err := c.Segments().Save(ctx, s); err != nil {
			return err
		}
		n, err := c.Segments().Count(ctx, s.Name)
		if err != nil {
			return err
		}
		out.line("%-22s %5d in %4d ms   %s", s.Name, n, time.Since(started).Milliseconds(), oneLine(s.Where))
	}
	return nil
}

// facts compares what the platform answers with what was computed apart from it.
type facts struct {
	out   *page
	wrong int
}

func (f *facts) check(what string, want, got any) {
	mark := "ok   "
	if fmt.Sprint(want) != fmt.Sprint(got) {
		mark = "WRONG"
		f.wrong++
		got = fmt.Sprintf("%v, but the fact is %v", got, want)
	}
	f.out.line("%s  %-40s %v", mark, what, got)
}

func checkFacts(ctx context.Context, c *cdp.Client, out *page) (wrong int, err error) {
	f := &facts{out: out}
	lines, err := c.Events().Count(ctx, purchase)
	if err != nil {
		return 0, err
	}
	f.check("lines of receipts", 75000, lines)
	members := map[string]int{}
	for _, s := range retailSegments() {
		if members[s.Name], err = c.Segments().Count(ctx, s.Name); err != nil {
			return 0, err
		}
	}
	f.check("households that bought", 2377, members["buyers"])
	f.check("the first line is of 2017-01-01 12:30:27", true, members["bought_at_opening"] > 0 && members["bought_before_opening"] == 0)
	f.check("the last line is of 2018-01-01 03:47:38", true, members["bought_at_closing"] > 0 && members["bought_after_closing"] == 0)
	for i, want := range []int{46, 142, 194, 288, 59, 72} {
		f.check("households aged "+ages[i], want, members[fmt.Sprintf("age_%d", i+1)])
	}
	f.check("≥ 3 grocery baskets in some month", 1243, members["grocery_regulars"])
	f.check("of these aged 19-24 and 25-34", 162, members["young_grocery_regulars"])
	if err := checkSales(ctx, c, f); err != nil {
		return 0, err
	}
	return f.wrong, checkCampaigns(ctx, c, f)
}

func checkSales(ctx context.Context, c *cdp.Client, f *facts) error {
	a := asker{ctx, c.Insights()}
	sales, err := a.ask(purchase, "", cdp.Sum)
	if err != nil {
		return err
	}
	f.check("total sales", "233935.24", fmt.Sprintf("%.2f", sales))
	missing, err := a.ask(purchase, `!has(e.product.department)`, cdp.Count)
	if err != nil {
		return err
	}
	f.check("lines whose product is not in the list", 222, missing)
	for i, want := range []string{"47411 lines, 2315 households, 118661.98", "7942 lines, 1775 households, 29563.43", "7612 lines, 1662 households, 16686.42",
		"3214 lines, 1255 households, 11889.29", "2533 lines, 1112 households, 15377.77"} {
		where := fmt.Sprintf("e.product.department == %q", departments[i])
		n, err1 := a.ask(purchase, where, cdp.Count)
		people, err2 := a.ask(purchase, where, cdp.People)
		sum, err3 := a.ask(purchase, where, cdp.Sum)
		if err := firstError(err1, err2, err3); err != nil {
			return err
		}
		f.check(departments[i], want, fmt.Sprintf("%.0f lines, %.0f households, %.2f", n, people, sum))
	}
	return nil
}

func checkCampaigns(ctx context.Context, c *cdp.Client, f *facts) error {
	a := asker{ctx, c.Insights()}
	ids, err := c.Objects().IDs(ctx, "campaign")
	if err != nil {
		return err
	}
	campaigns := map[string]int{}
	for _, id := range ids {
		o, err := c.Objects().Get(ctx, "campaign", id)
		if err != nil {
			return err
		}
		campaigns[fmt.Sprint(o.Attributes["type"])]++
	}
	for i, want := range []string{"4 campaigns, 3647 sends, 1718 redemptions by 371", "17 campaigns, 2368 sends, 323 redemptions by 116",
		"6 campaigns, 574 sends, 61 redemptions by 30"} {
		where := fmt.Sprintf("e.campaign.type == %q", types[i])
		sends, err1 := a.ask("campaign_sent", where, cdp.Count)
		redeemed, err2 := a.ask("coupon_redeemed", where, cdp.Count)
		people, err3 := a.ask("coupon_redeemed", where, cdp.People)
		if err := firstError(err1, err2, err3); err != nil {
			return err
		}
		f.check(types[i], want, fmt.Sprintf("%d campaigns, %.0f sends, %.0f redemptions by %.0f", campaigns[types[i]], sends, redeemed, people))
	}
	return nil
}

// asker asks for one number over all the data.
type asker struct {
	ctx context.Context
	in  cdp.Insights
}

func (a asker) ask(event, where string, m cdp.Measure) (float64, error) {
	s := cdp.Series{Event: event, Where: where, Measure: m}
	if m == cdp.Sum {
		s.Value = "sales_value"
	}
	return total(a.ctx, a.in, s, all)
}
