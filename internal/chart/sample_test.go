package chart

import (
	"fmt"
	"math"
	"time"

	"github.com/embedcdp/cdp/internal/insight/table"
)

// named is one picture of the golden tests. The numbers are made by formulas, so that they never change.
type named struct {
	name  string
	chart Chart
}

var saigon = time.FixedZone("+07", 7*3600)

func days(n int, step time.Duration) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = time.Date(2025, 11, 24, 0, 0, 0, 0, saigon).Add(time.Duration(i) * step).UnixMicro()
	}
	return out
}

func wave(n int, base, swing, phase float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		x := float64(i)
		out[i] = math.Round(base + swing*math.Sin(x/5+phase) + swing*0.4*math.Sin(x*2.1+phase*3) + x*swing/20)
	}
	return out
}

func gaps(values []float64, at ...int) []float64 {
	for _, i := range at {
		values[i] = math.NaN()
	}
	return values
}

func samples() []named {
	many := make([]Series, 50)
	for i := range many {
		many[i] = Series{fmt.Sprintf("Campaign %02d with a long name that nobody will read to its end", i), wave(30, float64(20+i*7%90), 10, float64(i))}
	}
	var cohorts []Cohort
	for c := range 12 {
		rates := make([]float64, 12-c)
		for k := range rates {
			rates[k] = math.Pow(0.62+0.01*float64(c%4), math.Pow(float64(k), 0.7))
		}
		cohorts = append(cohorts, Cohort{time.Date(2025, 9, 1+7*c, 0, 0, 0, 0, time.UTC).Format("2 Jan 2006"), int64(1840 - 73*c), rates})
	}
	categories := []string{"Hà Nội", "Thành phố Hồ Chí Minh", "Đà Nẵng", "Cần Thơ", "Hải Phòng", "A city with a name that is far too long to be shown in a chart of any width whatsoever"}
	journey := Journey{Title: "Cart reminder, by node", Metrics: []string{"sent", "delivered", "opened", "clicked"}, Nodes: []JourneyNode{
		{"Email: you left something", []float64{12840, 12511, 5230, 1311}},
		{"SMS after 2 days", []float64{6120, 5987, math.NaN(), 402}},
		{"Push: last call", []float64{3050, 2801, 912, 240}},
	}}
	return []named{
		{"line", Line{Title: "Orders and buyers", Times: days(60, 24*time.Hour), Zone: saigon, Unit: "orders", Series: []Series{
			{"Orders", wave(60, 420, 90, 0)}, {"Buyers", wave(60, 330, 70, 1)}, {"Returns", gaps(wave(60, 60, 20, 2), 20, 21, 22, 24, 25)}}}},
		{"line_hours", Line{Title: "Signups by hour", Times: days(48, time.Hour), Zone: saigon, Series: []Series{{"Signups", wave(48, 14, 9, 0)}}}},
		{"line_months_percent", Line{Title: "Open rate", Times: []int64{
			time.Date(2025, 10, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), time.Date(2025, 11, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC).UnixMicro(),
			time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC).UnixMicro()}, Unit: "%",
			Series: []Series{{"Email", []float64{0.412, 0.398, 0.431, 0.447, 0.44}}, {"Push", []float64{0.12, 0.15, math.NaN(), 0.14, 0.17}}}}},
		{"line_one_point", Line{Title: "One day", Times: days(1, 0), Zone: saigon, Series: []Series{{"Orders", []float64{42}}}}},
		{"line_empty", Line{Title: "Nothing happened", Times: days(3, time.Hour), Series: []Series{{"Orders", gaps(make([]float64, 3), 0, 1, 2)}}}},
		{"line_50_series", Line{Title: "Too many campaigns", Times: days(30, 24*time.Hour), Zone: saigon, Series: many}},
		{"line_huge", Line{Title: "From the smallest to the largest", Times: days(5, 24*time.Hour), Zone: saigon, Series: []Series{
			{"a", []float64{-math.MaxFloat64, 0, math.MaxFloat64, math.Inf(1), math.NaN()}}, {"b", []float64{5e-324, 1, 2, 3, 4}}}}},
		{"bar", Bar{Title: "Revenue by channel", Categories: []string{"Email", "SMS", "Push", "Web"}, Unit: "USD", Series: []Series{
			{"This month", []float64{48210.5, 21890, 9100, 15310}}, {"Last month", []float64{41877, 23010, 7420, 11009}}, {"A year ago", []float64{30120, 19977, math.NaN(), 8040}}}}},
		{"bar_rows", Bar{Title: "Customers by city", Categories: categories, Horizontal: true, Series: []Series{{"Customers", []float64{412003, 598221, 80417, 51200, 47731, 12}}}}},
		{"bar_negative", Bar{Title: "Net growth", Categories: []string{"Jan", "Feb", "Mar", "Apr"}, Horizontal: true, Unit: "people", Series: []Series{{"Net", []float64{120, -85, 40, -7}}}}},
		{"bar_empty", Bar{Title: "No bars"}},
		{"funnel", Funnel{Title: "From view to purchase", Steps: []FunnelStep{
			{"View", 184220, ""}, {"Add to cart", 61377, "median 1 h 12 min"}, {"Checkout", 30218, "median 4 min 30 s"}, {"Purchase", 24903, "median 2 min 5 s"}}}},
		{"funnel_empty", Funnel{Title: "Nobody came", Steps: []FunnelStep{{"View", 0, ""}, {"Buy", 0, ""}}}},
		{"retention", Retention{Title: "Weekly retention", Period: "week", Cohorts: cohorts}},
		{"retention_empty", Retention{Title: "No cohorts", Period: "week"}},
		{"score", Scorecard{Title: "Orders this week", Value: 12844, Unit: "orders", Previous: 11890, Against: "the week before", Spark: wave(14, 1700, 200, 0)}},
		{"score_empty", Scorecard{Title: "Conversion", Value: math.NaN(), Unit: "%"}},
		{"journey", journey},
		{"table", Table{Title: "Best products", Table: &table.Table{Zone: saigon, Columns: []table.Column{{Name: "product", Kind: table.Text}, {Name: "sold", Kind: table.Integer},
			{Name: "revenue", Kind: table.Number, Unit: "USD"}, {Name: "share", Kind: table.Ratio}, {Name: "last sale", Kind: table.Time}},
			Rows: [][]table.Cell{
				{table.TextCell("Trail running shoes"), table.IntegerCell(1244), table.NumberCell(98120.25), table.RatioCell(0.312), table.TimeCell(days(2, time.Hour)[1])},
				{table.TextCell("Wool socks"), table.IntegerCell(8120), table.NumberCell(40600), table.RatioCell(0.129), table.TimeCell(days(3, time.Hour)[2])},
				{table.TextCell("Rain jacket <b>light</b>"), table.IntegerCell(310), table.NumberCell(37199.9), {}, {}},
			}}}},
		{"table_empty", Table{Title: "No rows"}},
		{"hostile", Bar{Title: `</title><script>alert(1)</script>`, Categories: []string{`"><img src=x onerror=alert(1)>`, "control \x00\x1b and \xff bytes", "]]>", "&amp;"}, Unit: "<u>",
			Series: []Series{{`<svg onload="alert(1)">`, []float64{1, 2, 3, 4}}, {`javascript:alert(1)`, []float64{1, 2, 3, 4}}}}},
	}
}

func samplePage() Page {
	by := map[string]Chart{}
	for _, s := range samples() {
		by[s.name] = s.chart
	}
	return Page{
		Title: "Shop overview", Subtitle: "How the shop is doing, for everyone who asks on Monday morning.",
		Generated: time.Date(2026, 1, 22, 9, 30, 0, 0, saigon), Zone: saigon,
		Scores: []Scorecard{
			by["score"].(Scorecard),
			{Title: "Revenue", Value: 1284412.5, Unit: "USD", Previous: 1311890, Against: "the week before", Spark: wave(14, 900, 100, 3)},
			{Title: "Conversion", Value: 0.1352, Unit: "%", Previous: 0.1291, Against: "the week before", Spark: wave(14, 100, 30, 5)},
			{Title: "Unsubscribed", Value: 31, Unit: "people", Previous: 31, Against: "the week before"},
		},
		Sections: []Section{
			{Title: "Sales", Charts: []Chart{by["line"], by["bar"], by["bar_rows"], by["funnel"]}},
			{Title: "Loyalty", Text: "A cohort is everyone whose first order fell into the week.", Charts: []Chart{by["retention"], by["line_months_percent"], by["journey"], by["table"], by["line_hours"]}},
			{Title: "The corners", Charts: []Chart{by["line_one_point"], by["line_empty"], by["line_50_series"], by["line_huge"], by["bar_negative"], by["hostile"], by["table_empty"]}},
		},
	}
}
