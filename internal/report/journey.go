package report

import (
	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/insight"
	"github.com/embedcdp/cdp/internal/journey"
)

// journeySources says which system events count for which metric, and whether the event's node is the metric's. A
// message that the channel took counts as delivered too: no channel here reports later that it was not, other than by
// a bounce at once, which is no delivery.
var journeySources = []struct {
	event  string
	node   bool
	metric []insight.JourneyMetric
}{
	{journey.EventEntered, false, []insight.JourneyMetric{insight.Entered}},
	{journey.EventExited, false, []insight.JourneyMetric{insight.Exited}},
	{journey.EventFinished, false, []insight.JourneyMetric{insight.Finished}},
	{journey.EventGoal, false, []insight.JourneyMetric{insight.Converted}},
	{fold.MessageSent, true, []insight.JourneyMetric{insight.Sent, insight.Delivered}},
	{fold.MessageBounced, true, []insight.JourneyMetric{insight.Sent}},
	{fold.MessageFailed, true, []insight.JourneyMetric{insight.Sent}},
}

// JourneyNeeds is what Journey reads.
func JourneyNeeds() (d celenv.Deps) {
	for _, src := range journeySources {
		d.Events = append(d.Events, src.event)
	}
	return d
}

// Journey counts what happened in a journey, from the system's events on people's timelines.
func Journey(s *fold.State, name string, r insight.Range) (*insight.JourneyResult, error) {
	var q insight.JourneyPerformance
	for _, src := range journeySources {
		for _, c := range countNodes(s, src.event, src.node, name, r) {
			for _, m := range src.metric {
				c.Metric = m
				q.Counts = append(q.Counts, c)
			}
		}
	}
	return q.Run()
}

// countNodes counts one type of event by node and channel, in order of first appearance.
func countNodes(s *fold.State, event string, byNode bool, name string, r insight.Range) []insight.JourneyCount {
	type key struct{ node, channel string }
	var out []insight.JourneyCount
	at := map[key]int{}
	people := map[key]map[uint32]bool{}
	t, ok := s.EventTable(event)
	if !ok {
		return nil
	}
	for i := uint32(t.First); int(i) < t.Table.Len(); i++ {
		e := s.EventAt(event, i)
		when := t.Time.Int(i)
		if e.Attr("journey").Str != name || e.Attr("reason").Str == journey.ReasonGoal || r != (insight.Range{}) && (when < r.From || when >= r.To) {
			continue
		}
		var k key
		if byNode {
			k = key{e.Attr("node").Str, e.Attr("channel").Str}
		}
		if _, seen := at[k]; !seen {
			at[k] = len(out)
			people[k] = map[uint32]bool{}
			out = append(out, insight.JourneyCount{Node: k.node, Channel: k.channel})
		}
		c := &out[at[k]]
		c.Count++
		people[k][s.Canonical(t.Row.Uint(i))] = true
		c.People = int64(len(people[k]))
	}
	return out
}
