package insight

import (
	"errors"
	"fmt"
	"slices"

	"github.com/embedcdp/cdp/internal/insight/table"
)

// JourneyMetric is a number kept for each node, variant and channel of a journey.
type JourneyMetric string

const (
	Entered    JourneyMetric = "entered"
	Exited     JourneyMetric = "exited"
	Finished   JourneyMetric = "finished"
	Sent       JourneyMetric = "sent"
	Delivered  JourneyMetric = "delivered"
	Viewable   JourneyMetric = "viewable"
	Opened     JourneyMetric = "opened"
	Clicked    JourneyMetric = "clicked"
	Converted  JourneyMetric = "converted"
	RevenueSum JourneyMetric = "revenue" // its Value is an amount of money
)

// JourneyMetrics lists every metric in the order of reports.
var JourneyMetrics = []JourneyMetric{Entered, Exited, Finished, Sent, Delivered, Viewable, Opened, Clicked, Converted, RevenueSum}

// flow is what every node has, with or without a channel.
var flow = []JourneyMetric{Entered, Exited, Finished, Converted, RevenueSum}

// channelMetrics says which metrics a channel can know beside flow. A metric that is not listed is absent in the
// report, which is not zero: nobody can tell whether an SMS was opened.
var channelMetrics = map[string][]JourneyMetric{
	"email":    {Sent, Delivered, Opened, Clicked},
	"sms":      {Sent, Delivered, Clicked},
	"whatsapp": {Sent, Delivered, Opened, Clicked},
	"viber":    {Sent, Delivered, Opened, Clicked},
	"zalo":     {Sent, Delivered, Opened, Clicked},
	"line":     {Sent, Delivered, Clicked},
	"telegram": {Sent, Delivered, Clicked},
	"messenger": {
		Sent, Delivered, Opened, Clicked},
	"webpush": {Sent, Delivered, Viewable, Clicked},
	"apppush": {Sent, Delivered, Opened, Clicked},
	"inbox":   {Sent, Delivered, Viewable, Opened, Clicked},
	"web":     {Sent, Delivered, Viewable, Clicked},
	"webhook": {Sent, Delivered},
	"file":    {Sent, Delivered},
}

// HasMetric reports whether channel knows metric. Every channel and node without one ("") has entered, exited,
// finished, converted and revenue; a channel that is not in the table has all metrics.
func HasMetric(channel string, metric JourneyMetric) bool {
	if slices.Contains(flow, metric) {
		return true
	}
	if channel == "" {
		return false
	}
	known, ok := channelMetrics[channel]
	return !ok || slices.Contains(known, metric)
}

// JourneyCount is one counted number: how often, by how many people, and for revenue how much.
type JourneyCount struct {
	Node, Variant, Channel string
	Metric                 JourneyMetric
	Count                  int64   // events
	People                 int64   // distinct people
	Value                  float64 // revenue only
}

// JourneyPerformance computes the rates of a journey from its counts.
type JourneyPerformance struct {
	Counts []JourneyCount // rows of one (node, variant, channel, metric) add up
	// ByPeople takes rates of people instead of events. Distinct people of several rows of one metric cannot be added,
	// so then there must be only one.
	ByPeople bool
}

// JourneyResult has a row for each (node, variant, channel) in the order in which they first came.
type JourneyResult struct {
	ByPeople bool
	Rows     []JourneyRow
}

// JourneyRow is one node, variant and channel.
type JourneyRow struct {
	Node, Variant, Channel string
	counts                 map[JourneyMetric]int64
	revenue                Sum
}

// Get returns a metric; false where the channel does not know it. RevenueSum is read by Revenue.
func (r *JourneyRow) Get(m JourneyMetric) (int64, bool) {
	return r.counts[m], HasMetric(r.Channel, m)
}

// Revenue is the exactly rounded sum of the revenue.
func (r *JourneyRow) Revenue() float64 { return r.revenue.Value() }

// Failed is bounces and errors: sent less delivered. What is still under way counts here too.
func (r *JourneyRow) Failed() (int64, bool) {
	return r.counts[Sent] - r.counts[Delivered], HasMetric(r.Channel, Sent)
}

// DeliveredRate is delivered by sent.
func (r *JourneyRow) DeliveredRate() (float64, bool) { return r.rate(Delivered, Sent) }

// OpenRate is opened by delivered.
func (r *JourneyRow) OpenRate() (float64, bool) { return r.rate(Opened, Delivered) }

// ClickRate is clicked by delivered.
func (r *JourneyRow) ClickRate() (float64, bool) { return r.rate(Clicked, Delivered) }

// ClickThroughRate is clicked by opened; for the channel web, clicked by viewable.
func (r *JourneyRow) ClickThroughRate() (float64, bool) {
	if r.Channel == "web" {
		return r.rate(Clicked, Viewable)
	}
	return r.rate(Clicked, Opened)
}

func (r *JourneyRow) rate(num, den JourneyMetric) (float64, bool) {
	if !HasMetric(r.Channel, num) || !HasMetric(r.Channel, den) {
		return 0, false
	}
	return Ratio{r.counts[num], r.counts[den]}.Value()
}

// Run adds up the counts.
func (q JourneyPerformance) Run() (*JourneyResult, error) {
	type key struct{ node, variant, channel string }
	at := map[key]int{}
	res := &JourneyResult{ByPeople: q.ByPeople}
	for _, c := range q.Counts {
		if !slices.Contains(JourneyMetrics, c.Metric) {
			return nil, fmt.Errorf("node %q counts the unknown metric %q; the metrics are %v", c.Node, c.Metric, JourneyMetrics)
		}
		k := key{c.Node, c.Variant, c.Channel}
		i, ok := at[k]
		if !ok {
			i = len(res.Rows)
			at[k] = i
			res.Rows = append(res.Rows, JourneyRow{Node: c.Node, Variant: c.Variant, Channel: c.Channel, counts: map[JourneyMetric]int64{}})
		}
		r := &res.Rows[i]
		if _, twice := r.counts[c.Metric]; twice && q.ByPeople {
			return nil, fmt.Errorf("node %q has people of metric %q twice, and distinct people cannot be added; give one row", c.Node, c.Metric)
		}
		if q.ByPeople {
			r.counts[c.Metric] += c.People
		} else {
			r.counts[c.Metric] += c.Count
		}
		if c.Metric == RevenueSum {
			r.revenue.Add(c.Value)
		}
	}
	return res, nil
}

// Total adds the rows up: rates of the total are sums by sums. It is an error ByPeople, since one person may be in
// several rows. Its channel is that of the rows where they agree, else "all", which knows every metric.
func (r *JourneyResult) Total() (JourneyRow, error) {
	if r.ByPeople {
		return JourneyRow{}, errors.New("distinct people of several nodes cannot be added; count events instead")
	}
	t := JourneyRow{Node: "total", counts: map[JourneyMetric]int64{}}
	for i := range r.Rows {
		row := &r.Rows[i]
		if i == 0 {
			t.Channel = row.Channel
		} else if t.Channel != row.Channel {
			t.Channel = "all"
		}
		for _, m := range JourneyMetrics {
			t.counts[m] += row.counts[m]
		}
		t.revenue.Merge(&row.revenue)
	}
	return t, nil
}

// Table has a row for each node, variant and channel: the counts, then bounces and errors, then the rates.
func (r *JourneyResult) Table() *table.Table {
	unit := "events"
	if r.ByPeople {
		unit = "people"
	}
	t := &table.Table{Columns: []table.Column{{Name: "node", Kind: table.Text}, {Name: "variant", Kind: table.Text}, {Name: "channel", Kind: table.Text}}}
	for _, m := range JourneyMetrics {
		c := table.Column{Name: string(m), Kind: table.Integer, Unit: unit}
		if m == RevenueSum {
			c.Kind, c.Unit = table.Number, ""
		}
		t.Columns = append(t.Columns, c)
	}
	t.Columns = append(t.Columns, table.Column{Name: "bounces and errors", Kind: table.Integer, Unit: unit})
	for _, name := range []string{"delivered rate", "open rate", "click rate", "click-through rate"} {
		t.Columns = append(t.Columns, table.Column{Name: name, Kind: table.Ratio})
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		cells := []table.Cell{table.TextCell(row.Node), table.TextCell(row.Variant), table.TextCell(row.Channel)}
		for _, m := range JourneyMetrics {
			if m == RevenueSum {
				cells = append(cells, table.NumberCell(row.Revenue()))
				continue
			}
			cells = append(cells, integerOr(row.Get(m)))
		}
		cells = append(cells, integerOr(row.Failed()), ratioOr(row.DeliveredRate()), ratioOr(row.OpenRate()), ratioOr(row.ClickRate()), ratioOr(row.ClickThroughRate()))
		t.Rows = append(t.Rows, cells)
	}
	return t
}

func integerOr(n int64, ok bool) table.Cell {
	if !ok {
		return table.Cell{}
	}
	return table.IntegerCell(n)
}

func ratioOr(f float64, ok bool) table.Cell {
	if !ok {
		return table.Cell{}
	}
	return table.RatioCell(f)
}
