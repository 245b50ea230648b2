package report

import (
	"math"
	"time"

	"github.com/embedcdp/cdp/internal/chart"
	"github.com/embedcdp/cdp/internal/insight"
)

// This file draws results: from what package insight computed to what package chart shows.

// Line draws a trend.
func Line(title string, r *insight.TrendResult) chart.Line {
	l := chart.Line{Title: title, Times: r.Starts, Zone: r.Calendar.Zone}
	for _, line := range r.Lines {
		s := chart.Series{Name: lineName(line, len(r.Lines) > 1)}
		for _, p := range line.Points {
			s.Values = append(s.Values, orNaN(p.Value, p.OK))
		}
		l.Series = append(l.Series, s)
		l.Unit = unitOf(line)
	}
	return l
}

func lineName(l insight.Line, several bool) string {
	name := l.Series
	if l.Measure != insight.Count && several {
		name += " (" + string(l.Measure) + ")"
	}
	switch {
	case l.Other:
		return name + ": other"
	case l.NoGroup:
		return name + ": none"
	case l.Group != "":
		return name + ": " + l.Group
	}
	return name
}

func unitOf(l insight.Line) string {
	switch l.Measure {
	case insight.Count:
		return "events"
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
			n.Values = append(n.Values, orNaN(float64(v), ok))
		}
		j.Nodes = append(j.Nodes, n)
	}
	return j
}
