package report

import (
	"cmp"
	"math"
	"strings"
	"time"

	"github.com/embedcdp/cdp/internal/chart"
	"github.com/embedcdp/cdp/internal/insight"
)

// This file draws results: from what package insight computed to what package chart shows.

// Line draws a trend.
func Line(title string, r *insight.TrendResult) chart.Line {
	l := chart.Line{Title: title, Times: r.Starts, Zone: r.Calendar.Zone}
	for _, line := range r.Lines {
		s := chart.Series{Name: lineName(line, r.Lines)}
		for _, p := range line.Points {
			s.Values = append(s.Values, orNaN(p.Value, p.OK))
		}
		l.Series = append(l.Series, s)
		l.Unit = unitOf(line)
	}
	return l
}

// lineName says what tells a line from the others: the series where there are several, the measure where one series has
// several, the group where it is broken down.
func lineName(l insight.Line, all []insight.Line) string {
	oneSeries, oneMeasure := true, true
	for _, other := range all {
		oneSeries = oneSeries && other.Series == l.Series
		oneMeasure = oneMeasure && (other.Series != l.Series || other.Measure == l.Measure)
	}
	name := l.Series
	if !oneMeasure {
		name += " (" + string(l.Measure) + ")"
	}
	group := l.Group
	switch {
	case l.Other:
		group = "other"
	case l.NoGroup:
		group = "none"
	}
	switch {
	case group == "":
		return name
	case oneSeries && oneMeasure:
		return group
	}
	return name + ": " + group
}

func unitOf(l insight.Line) string {
	switch l.Measure {
	case insight.Count:
		return cmp.Or(l.Unit, "events")
	case insight.People:
		return "people"
	}
	return l.Unit
}

func orNaN(v float64, ok bool) float64 {
	if !ok {
		return math.NaN()
	}
	return v
}

// Steps draws a funnel.
func Steps(title string, r *insight.FunnelResult) chart.Funnel {
	f := chart.Funnel{Title: title}
	for i, s := range r.Steps {
		step := chart.FunnelStep{Name: s.Name, Count: s.People}
		if i > 0 && s.FromPrevious.People > 0 {
			step.Note = "median " + chart.Duration(s.FromPrevious.Median) + " after the step before"
		}
		f.Steps = append(f.Steps, step)
	}
	return f
}

// Heat draws a retention matrix.
func Heat(title string, r *insight.RetentionResult) chart.Retention {
	h := chart.Retention{Title: title, Period: string(r.Calendar.By)}
	zone := r.Calendar.Zone
	if zone == nil {
		zone = time.UTC
	}
	layout := "2 Jan 2006"
	if r.Calendar.By == insight.Month {
		layout = "Jan 2006"
	}
	for i, c := range r.Cohorts {
		row := chart.Cohort{Name: time.UnixMicro(c.Start).In(zone).Format(layout), Size: c.Size}
		for k := range c.Returned {
			v, ok := r.Rate(i, k)
			row.Rates = append(row.Rates, orNaN(v, ok))
		}
		h.Cohorts = append(h.Cohorts, row)
	}
	return h
}

// journeyMetrics are the metrics a picture of a journey shows; the table has all.
var journeyMetrics = []insight.JourneyMetric{insight.Entered, insight.Sent, insight.Delivered, insight.Converted, insight.Exited, insight.Finished}

// Nodes draws a journey's nodes.
func Nodes(title string, r *insight.JourneyResult) chart.Journey {
	j := chart.Journey{Title: title, Unit: "events"}
	for _, m := range journeyMetrics {
		j.Metrics = append(j.Metrics, string(m))
	}
	for _, row := range r.Rows {
		n := chart.JourneyNode{Name: row.Node}
		if n.Name == "" {
			n.Name = "journey"
		}
		for _, m := range journeyMetrics {
			v, ok := row.Get(m)
			ofNode := m == insight.Sent || m == insight.Delivered
			n.Values = append(n.Values, orNaN(float64(v), ok && ofNode == (row.Node != "")))
		}
		j.Nodes = append(j.Nodes, n)
	}
	return j
}

// Regions draws an overlap: a bar for each combination of groups.
func Regions(title string, r *insight.OverlapResult) chart.Bar {
	b := chart.Bar{Title: title, Unit: "people", Horizontal: true, Series: []chart.Series{{Name: "people"}}}
	for _, region := range r.Regions {
		var in []string
		for i, name := range r.Names {
			if region.Has(i) {
				in = append(in, name)
			}
		}
		name := strings.Join(in, " and ")
		if len(in) == 1 {
			name += " only"
		}
		b.Categories = append(b.Categories, name)
		b.Series[0].Values = append(b.Series[0].Values, float64(region.People.GetCardinality()))
	}
	return b
}

// Sizes draws how many were in a group at the end of each bucket.
func Sizes(title string, r *insight.SizesResult) chart.Line {
	l := chart.Line{Title: title, Zone: r.Zone, Unit: "people", Series: []chart.Series{{Name: "members"}}}
	for _, b := range r.Buckets {
		l.Times = append(l.Times, b.Start)
		l.Series[0].Values = append(l.Series[0].Values, float64(b.Members))
	}
	return l
}
