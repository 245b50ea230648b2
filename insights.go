package cdp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/chart"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/insight"
	"github.com/embedcdp/cdp/internal/insight/table"
	"github.com/embedcdp/cdp/internal/journey"
	"github.com/embedcdp/cdp/internal/report"
)

// Insights are the verbs of reports. Get them from [Client.Insights]. Reports read everything there is at one moment, in
// the portal's time zone, and see every event also under the customer a visitor became. They
// hold intake up only while that moment is kept, not while they compute.
type Insights struct {
	c    *Client
	past *Past // whom the questions are about; nil for the present
}

// Insights returns the verbs of reports.
func (c *Client) Insights() Insights { return Insights{c: c} }

// Range is the instants From <= t < To; the zero Range is all of time.
type Range struct{ From, To time.Time }

// Between makes a Range.
func Between(from, to time.Time) Range { return Range{from, to} }

func (r Range) micros() (insight.Range, error) {
	if r.From.IsZero() && r.To.IsZero() {
		return insight.Range{}, nil
	}
	if !r.From.Before(r.To) {
		return insight.Range{}, &InvalidError{What: "Range", Reason: fmt.Sprintf("from %s to %s holds no time", r.From.Format(time.RFC3339), r.To.Format(time.RFC3339))}
	}
	return insight.Range{From: bound(r.From), To: bound(r.To)}, nil
}

// bound is a time in microseconds. What these cannot count is as good as the year 290,000: no event is so far away.
func bound(t time.Time) int64 {
	if year := t.UTC().Year(); year < -290_000 || year > 290_000 {
		t = time.Date(min(max(year, -290_000), 290_000), 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return t.UnixMicro()
}

// Interval is the width of a report's buckets: calendar units in the portal's time zone.
type Interval string

const (
	Hourly  Interval = "hour"
	Daily   Interval = "day"
	Weekly  Interval = "week"
	Monthly Interval = "month"
)

// Measure is what a trend computes of the events in a bucket.
type Measure string

const (
	Count   Measure = "count"
	People  Measure = "people" // distinct people
	Sum     Measure = "sum"    // exactly rounded, as if added without error
	Average Measure = "avg"
	Minimum Measure = "min"
	Maximum Measure = "max"
	Median  Measure = "median"

	// Percentile is the one that Series.Percentile says, by linear interpolation between the nearest ranks (Hyndman and Fan type 7).
	Percentile Measure = "percentile"
)

// Trend asks how something developed over time.
type Trend struct {
	Title    string
	Series   []Series
	Range    Range    // required
	Interval Interval // default: Daily
	Segment  string   // only its members; "" is everybody
	Top      int      // keep the groups with the most events, the others become "other". Default: 5
}

// Series is one line of a trend, or one for each group.
type Series struct {
	Name    string  // default: the event's
	Event   string  // "*" is every event that the platform does not write itself; it takes no Where, Value and By
	Where   string  // CEL over `e`: e.category == "shoes"
	Measure Measure // default: Count
	Value   string  // the number to measure, for all but Count and People
	Unit    string  // of that number, such as "USD"

	// Percentile is which one the measure Percentile takes, over 0 and under 100: 95 is the value that 95 % are not above. Only
	// for that measure. Series that differ in it alone want a Name each.
	Percentile float64

	By string // an attribute to break down by, also of an object: "category", "product.brand", "source"
}

// Report is a result that can be written in several forms. It is safe for concurrent use.
type Report struct {
	chart func() chart.Chart // made when first asked for: who only reads the numbers needs neither
	table func() *table.Table
}

// reportOf is a result that nobody changes any more, with how it is drawn.
func reportOf[R interface{ Table() *table.Table }, C chart.Chart](title string, res R, draw func(string, R) C) Report {
	return Report{sync.OnceValue(func() chart.Chart { return draw(title, res) }), sync.OnceValue(res.Table)}
}

// WriteCSV writes the numbers: RFC 4180, times in RFC 3339, ratios as fractions, absent cells empty. Texts that a
// spreadsheet would take for a formula get an apostrophe in front.
func (r Report) WriteCSV(w io.Writer) error {
	if r.table == nil {
		return errNoReport
	}
	return r.table().WriteCSV(w)
}

// WriteJSON writes the numbers as {"columns":[{"name","kind","unit"}],"rows":[[…]]}.
func (r Report) WriteJSON(w io.Writer) error {
	if r.table == nil {
		return errNoReport
	}
	return r.table().WriteJSON(w)
}

// WriteSVG draws the report. The picture scales down to a phone's width.
func (r Report) WriteSVG(w io.Writer) error {
	if r.chart == nil {
		return errNoReport
	}
	return chart.WriteSVG(w, r.chart(), chart.Options{})
}

var errNoReport = errors.New("cdp: the report is empty: it comes from a verb of Insights, such as Trend, that returned no error")

// TrendReport is the answer to a Trend.
type TrendReport struct {
	Report
	Starts []time.Time // of the buckets
	Lines  []TrendLine
}

// TrendLine is one series or group over time.
type TrendLine struct {
	Series, Group string
	Points        []Point // one a bucket
	Total         Point   // over the whole range: people are counted once
}

// Point is a value, or a gap where OK is false.
type Point struct {
	Value float64
	OK    bool
}

// Trend computes a trend.
func (i Insights) Trend(ctx context.Context, q Trend) (out TrendReport, err error) {
	rng, err := q.Range.micros()
	if err != nil {
		return out, err
	}
	if rng == (insight.Range{}) {
		return out, &InvalidError{What: "Trend.Range", Reason: "is missing: a trend needs a time to draw"}
	}
	top := q.Top
	if top == 0 {
		top = 5
	}
	var queries []report.Query
	for _, sr := range q.Series {
		queries = append(queries, report.Query{Event: sr.Event, Where: sr.Where, Group: sr.By, Value: sr.Value})
	}
	s, people, err := i.freeze(ctx, "insights.trend", q.Segment, rng, queries)
	if err != nil {
		return out, err
	}
	run := insight.Trend{Range: rng, Top: top, People: people, Calendar: calendar(s, q.Interval), Workers: reportWorkers(), Rows: s.PeopleEnd()}
	var res *insight.TrendResult
	if err := i.compute(func() (err error) {
		for n, sr := range q.Series {
			series, err := trendSeries(s, sr, queries[n])
			if err != nil {
				return fmt.Errorf("trend: series %d: %w", n+1, err)
			}
			if m := slices.Index(queries, queries[n]); m < n { // the same events are read once
				series.Events, series.GroupName = run.Series[m].Events, run.Series[m].GroupName
			}
			run.Series = append(run.Series, series)
		}
		if res, err = run.Run(); err != nil {
			err = fmt.Errorf("trend: %w", err)
		}
		return err
	}); err != nil {
		return out, err
	}
	out.Report = reportOf(q.Title, res, report.Line)
	for _, at := range res.Starts {
		out.Starts = append(out.Starts, utc(at))
	}
	for _, l := range res.Lines {
		line := TrendLine{Series: l.Series, Group: l.Group, Total: Point(l.Total), Points: make([]Point, len(l.Points))}
		if l.Other {
			line.Group = "other"
		}
		for i, p := range l.Points {
			line.Points[i] = Point(p)
		}
		out.Lines = append(out.Lines, line)
	}
	return out, nil
}

func trendSeries(s *fold.State, sr Series, q report.Query) (insight.Series, error) {
	counted := sr.Measure == "" || sr.Measure == Count || sr.Measure == People
	switch {
	case sr.Event == "*" && !counted:
		return insight.Series{}, fmt.Errorf("%s of every event: \"*\" has no number in common; use Count or People, or name one event", sr.Measure)
	case sr.Value == "" && !counted:
		return insight.Series{}, fmt.Errorf("%s of what? name a number in Value", sr.Measure)
	case sr.Measure == Percentile && !(sr.Percentile > 0 && sr.Percentile < 100):
		return insight.Series{}, fmt.Errorf("percentile %v: say which one in Percentile, over 0 and under 100", sr.Percentile)
	case sr.Measure != Percentile && sr.Percentile != 0:
		return insight.Series{}, fmt.Errorf("has the Percentile %v, which is for the measure %q and not for %q", sr.Percentile, Percentile, cmp.Or(sr.Measure, Count))
	}
	stream, name, err := report.Stream(s, q)
	if err != nil {
		return insight.Series{}, err
	}
	out := insight.Series{Name: sr.Name, Events: stream, Unit: sr.Unit, Percent: sr.Percentile, Measures: []insight.Measure{insight.Measure(sr.Measure)}}
	if sr.Name == "" {
		out.Name = sr.Event
	}
	if sr.Measure == "" {
		out.Measures[0] = insight.Count
	}
	if sr.By != "" {
		out.GroupName = name
	}
	return out, nil
}

func calendar(s *fold.State, by Interval) insight.Calendar {
	if by == "" {
		by = Daily
	}
	return insight.Calendar{By: insight.Interval(by), Zone: s.Settings.Location(), WeekStart: s.Settings.Week()}
}

// freeze returns the state as it is now, or as it was in the past that is asked about, with what the queries read and without
// holding intake up while they run, and the members of the segment, nil for everybody.
func (i Insights) freeze(ctx context.Context, verb, segment string, rng insight.Range, queries []report.Query) (s *fold.State, people *roaring.Bitmap, err error) {
	keep := func(live *fold.State, members *roaring.Bitmap) error {
		s, people = live.Freeze(report.Needs(live.Catalogue, queries...), false), members
		return nil
	}
	if i.past != nil {
		from := rng.From
		if rng == (insight.Range{}) {
			from = math.MinInt64
		}
		types := func(live *fold.State) []string { return report.Needs(live.Catalogue, queries...).Events }
		err = i.past.report(ctx, verb, segment, types, from, keep)
		return s, people, err
	}
	var failed error
	err = i.c.read(ctx, verb, func(live *fold.State) {
		var members *roaring.Bitmap
		if segment != "" {
			var ok bool
			if members, ok = live.Members(segment); !ok {
				failed = notFound("segment", segment)
				return
			}
		}
		failed = keep(live, members)
	})
	return s, people, cmp.Or(err, failed)
}

// compute runs a report on a frozen state.
func (i Insights) compute(fn func() error) error {
	var failed error
	err := i.c.engine.Compute(func() { failed = fn() })
	return cmp.Or(err, failed)
}

// Funnel asks how far people get through steps. Each person's best attempt counts, whichever first step it starts from,
// all within the Window of that first step.
type Funnel struct {
	Title   string
	Steps   []Step // 1 to 10
	Window  string // "7d"; "" is no limit
	Order   Order  // default: Ordered
	Range   Range  // of the first step
	By      string // break down by this attribute of the first step
	Segment string // only its members
}

// Step is one step of a funnel.
type Step struct {
	Name  string // default: the event's
	Event string // "*" is every event that the platform does not write itself; it takes no Where
	Where string // CEL over `e`
}

// Order says what it takes to go from one step to the next.
type Order string

const (
	Ordered   Order = "ordered" // one after another; anything may happen in between
	StrictRun Order = "strict"  // nothing of another step in between
	AnyOrder  Order = "any"     // in whatever order
)

// FunnelReport is the answer to a Funnel.
type FunnelReport struct {
	Report
	Steps []FunnelStep
}

// FunnelStep is how many people reached a step.
type FunnelStep struct {
	Name       string
	People     int
	OfFirst    float64       // share of the people of the first step
	OfPrevious float64       // share of the people of the step before
	MedianTime time.Duration // from the step before
	Reached    Set           // who got here
	Dropped    Set           // who got here and not to the next
}

// Funnel computes a funnel.
func (i Insights) Funnel(ctx context.Context, q Funnel) (out FunnelReport, err error) {
	rng, err := q.Range.micros()
	if err != nil {
		return out, err
	}
	run := insight.Funnel{Order: insight.Order(q.Order), Range: rng, Times: q.Order != AnyOrder, Lists: true}
	if q.Window != "" {
		if run.Window, err = journey.ParseDuration(q.Window); err != nil {
			return out, fmt.Errorf("funnel: window: %w", err)
		}
	}
	var queries []report.Query
	for _, st := range q.Steps {
		queries = append(queries, report.Query{Event: st.Event, Where: st.Where})
	}
	if len(queries) > 0 {
		queries[0].Group = q.By
	}
	s, people, err := i.freeze(ctx, "insights.funnel", q.Segment, rng, queries)
	if err != nil {
		return out, err
	}
	run.People, run.Workers, run.Rows = people, reportWorkers(), s.PeopleEnd()
	var res *insight.FunnelResult
	if err := i.compute(func() (err error) {
		for n, st := range q.Steps {
			stream, name, err := report.Stream(s, queries[n])
			if err != nil {
				return fmt.Errorf("funnel: step %d: %w", n+1, err)
			}
			if queries[n].Group != "" {
				run.GroupName = name
			}
			run.Steps = append(run.Steps, insight.Step{Name: cmp.Or(st.Name, st.Event), Events: stream})
		}
		if res, err = run.Run(); err != nil {
			err = fmt.Errorf("funnel: %w", err)
		}
		return err
	}); err != nil {
		return out, err
	}
	out.Report = reportOf(q.Title, res, report.Steps)
	for k, s := range res.Steps {
		first, _ := res.OfFirst(k).Value()
		previous, _ := res.OfPrevious(k).Value()
		out.Steps = append(out.Steps, FunnelStep{Name: s.Name, People: int(s.People), OfFirst: first, OfPrevious: previous,
			MedianTime: time.Duration(s.FromPrevious.Median) * time.Microsecond, Reached: Set{i.c, s.Reached}, Dropped: Set{i.c, s.Dropped}})
	}
	return out, nil
}

// reportWorkers is how many goroutines compute one report.
func reportWorkers() int { return min(runtime.GOMAXPROCS(0), 8) }

// Retention asks how many of the people who started in a period came back in the periods after it.
type Retention struct {
	Title  string
	Start  Step // people start with the first such event that they ever had
	Return Step // what coming back is, from the start on and before Range.To; default: the same as Start

	// Range is of both, and required: people start in it, those who started before or after are in no cohort, and returns from
	// Range.To on do not count. So let it end where the returns end, not where the last cohort does.
	Range    Range
	Interval Interval // default: Weekly

	// Periods is the most columns, period 0 included. Default: as many as Range has. No cohort has more than there are periods
	// from its own to the end of Range, so the last one has only period 0; the last period may be cut by Range.To.
	Periods   int
	Unbounded bool   // came back in this period or any later one that begins before Range.To
	Segment   string // only its members
}

// RetentionReport is the answer to a Retention.
type RetentionReport struct {
	Report
	Cohorts []Cohort
}

// Cohort is the people who started in one period.
type Cohort struct {
	Start    time.Time
	Size     int
	Returned []int // people by period, from period 0; shorter for later cohorts, see Retention.Periods
}

// Retention computes a retention matrix. A person is in the cohort of the period that holds the first Start event they ever
// had, and in none where that lies outside Range: customers of old do not start again. They returned in the k-th period after
// it if a Return event lies there, not before the start and before Range.To.
func (i Insights) Retention(ctx context.Context, q Retention) (out RetentionReport, err error) {
	rng, err := q.Range.micros()
	if err != nil {
		return out, err
	}
	if q.Return.Event == "" {
		q.Return.Event, q.Return.Where = q.Start.Event, q.Start.Where
	}
	if q.Interval == "" {
		q.Interval = Weekly
	}
	run := insight.Retention{Range: rng, Periods: q.Periods, Unbounded: q.Unbounded}
	start, back := report.Query{Event: q.Start.Event, Where: q.Start.Where}, report.Query{Event: q.Return.Event, Where: q.Return.Where}
	// A cohort is people whose first event of all lies in it, so all events are read, not only those in the range.
	s, people, err := i.freeze(ctx, "insights.retention", q.Segment, insight.Range{}, []report.Query{start, back})
	if err != nil {
		return out, err
	}
	if q.Range == (Range{}) {
		return out, &InvalidError{What: "Retention.Range", Reason: "is missing: cohorts need a time to start in"}
	}
	run.People, run.Calendar = people, calendar(s, q.Interval)
	run.Workers, run.Rows = reportWorkers(), s.PeopleEnd()
	var res *insight.RetentionResult
	if err := i.compute(func() (err error) {
		if run.Start, _, err = report.Stream(s, start); err != nil {
			return fmt.Errorf("retention: start: %w", err)
		}
		if back != start {
			if run.Return, _, err = report.Stream(s, back); err != nil {
				return fmt.Errorf("retention: return: %w", err)
			}
		}
		if res, err = run.Run(); err != nil {
			err = fmt.Errorf("retention: %w", err)
		}
		return err
	}); err != nil {
		return out, err
	}
	out.Report = reportOf(q.Title, res, report.Heat)
	for _, c := range res.Cohorts {
		row := Cohort{Start: utc(c.Start), Size: int(c.Size)}
		for _, n := range c.Returned {
			row.Returned = append(row.Returned, int(n))
		}
		out.Cohorts = append(out.Cohorts, row)
	}
	return out, nil
}

// JourneyReport says what a journey did, for each node and channel.
type JourneyReport struct {
	Report
	Nodes []JourneyNode
}

// JourneyNode is one node's numbers. The one with the name "" is the journey as a whole: of those who entered, Converted
// reached a goal, Exited were taken out for another reason, Finished came to an end, and the rest is inside.
type JourneyNode struct {
	Node, Channel                                         string
	Entered, Exited, Finished, Sent, Delivered, Converted int
}

// Journey computes a journey's performance. Delivered is what the channel took.
func (i Insights) Journey(ctx context.Context, name string, rng Range) (out JourneyReport, err error) {
	r, err := rng.micros()
	if err != nil {
		return out, err
	}
	var frozen *fold.State
	err = i.c.read(ctx, "insights.journey", func(s *fold.State) {
		if _, ok := s.BodyOf(fold.DefJourney, name); ok {
			frozen = s.Freeze(report.JourneyNeeds(), false)
		}
	})
	if err == nil && frozen == nil {
		err = notFound("journey", name)
	}
	if err != nil {
		return out, err
	}
	var res *insight.JourneyResult
	if err := i.compute(func() (err error) {
		res, err = report.Journey(frozen, name, r)
		return err
	}); err != nil {
		return out, err
	}
	out.Report = reportOf("Journey "+name, res, report.Nodes)
	for _, row := range res.Rows {
		get := func(m insight.JourneyMetric) int { n, _ := row.Get(m); return int(n) }
		out.Nodes = append(out.Nodes, JourneyNode{row.Node, row.Channel, get(insight.Entered), get(insight.Exited), get(insight.Finished),
			get(insight.Sent), get(insight.Delivered), get(insight.Converted)})
	}
	return out, nil
}

// Dashboard is reports on one page.
type Dashboard struct {
	Title    string
	Subtitle string
	Scores   []Score
	Sections []DashboardSection
}

// Score is one number at the top of a dashboard.
type Score struct {
	Title    string
	Value    float64
	Unit     string  // "%" takes a fraction
	Previous float64 // shown as a change where Against is set
	Against  string  // such as "the month before"
}

// DashboardSection is some reports below a heading.
type DashboardSection struct {
	Title   string
	Text    string
	Reports []Report
}

// WriteHTML writes a dashboard as one file that works offline: it loads nothing and runs no script, fits a phone, a
// screen and paper, and has the numbers of each picture as a table.
func (i Insights) WriteHTML(ctx context.Context, w io.Writer, d Dashboard) error {
	var page chart.Page
	if err := i.c.read(ctx, "insights.write_html", func(s *fold.State) {
		page = chart.Page{Title: d.Title, Subtitle: d.Subtitle, Generated: i.c.Now(), Zone: s.Settings.Location()}
	}); err != nil {
		return err
	}
	for _, s := range d.Scores {
		page.Scores = append(page.Scores, chart.Scorecard{Title: s.Title, Value: s.Value, Unit: s.Unit, Previous: s.Previous, Against: s.Against})
	}
	for _, s := range d.Sections {
		sec := chart.Section{Title: s.Title, Text: s.Text}
		for _, r := range s.Reports {
			if r.chart == nil {
				return errNoReport
			}
			sec.Charts = append(sec.Charts, r.chart())
		}
		page.Sections = append(page.Sections, sec)
	}
	return page.WriteHTML(w)
}
