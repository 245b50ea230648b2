package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/embedcdp/cdp"
)

// This file has what listens while events come in: 50 segments, 30 of them with windows, and 5 journeys; and plain loops
// that say what must come of them.

// liveSegment is a segment of one form: at least so many events of a type, perhaps of a category, within some days, by
// people of a city.
type liveSegment struct {
	what     uint8
	category int   // index, or -1 for any
	window   int64 // days, or 0 for ever
	atLeast  int
	city     int // index, or -1 for any
}

// liveSegments are 30 with windows, then 20 without.
func liveSegments() (out []liveSegment) {
	for category := range 20 {
		out = append(out, liveSegment{what: purchase, category: category, window: 30, atLeast: 1, city: -1})
	}
	for n := range 10 {
		out = append(out, liveSegment{what: view, category: -1, window: 7, atLeast: 1 + n, city: -1})
	}
	for n := range 10 {
		out = append(out, liveSegment{what: purchase, category: -1, atLeast: 1 + n, city: -1})
	}
	for category := range 10 {
		out = append(out, liveSegment{what: cart, category: category, atLeast: 1, city: category % len(cities)})
	}
	return out
}

// windowSegments are those of liveSegments that have a window.
func windowSegments() []liveSegment {
	return slices.DeleteFunc(liveSegments(), func(s liveSegment) bool { return s.window == 0 })
}

func (s liveSegment) where() string {
	var b strings.Builder
	if s.city >= 0 {
		fmt.Fprintf(&b, "customer.city == %q && ", cities[s.city])
	}
	fmt.Fprintf(&b, "events.%s", eventNames[s.what])
	if s.category >= 0 {
		fmt.Fprintf(&b, ".filter(e, e.category == %q)", categories[s.category])
	}
	if s.window > 0 {
		fmt.Fprintf(&b, `.within("%dd")`, s.window)
	}
	fmt.Fprintf(&b, ".size() >= %d", s.atLeast)
	return b.String()
}

// takes says whether event i counts, apart from its time.
func (s liveSegment) takes(d *Data, i int) bool {
	return d.Type[i] == s.what && (s.category < 0 || int(d.Category[i]) == s.category) && (s.city < 0 || int(d.City[d.Customer[i]]) == s.city)
}

// size counts who is in a segment at an instant, after the first n events. at gives their times.
func (s liveSegment) size(d *Data, n int, at func(i int) int64, instant int64) (size int64) {
	counts := make([]int, d.Profiles)
	for i := range n {
		if s.takes(d, i) && (s.window == 0 || at(i) > instant-s.window*day) {
			if counts[d.Customer[i]]++; counts[d.Customer[i]] == s.atLeast {
				size++
			}
		}
	}
	return size
}

func liveName(k int) string { return fmt.Sprintf("live_%02d", k) }

// saveSegments saves live_00, live_01 and so on.
func saveSegments(ctx context.Context, c *cdp.Client, segments []liveSegment) error {
	for k, s := range segments {
		if err := c.Segments().Save(ctx, cdp.Segment{Name: liveName(k), Where: s.where()}); err != nil {
			return err
		}
	}
	return nil
}

// segmentCounts are the sizes that the library keeps up to date.
func segmentCounts(ctx context.Context, c *cdp.Client, n int) (sizes []int64, err error) {
	for k := range n {
		size, err := c.Segments().Count(ctx, liveName(k))
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, int64(size))
	}
	return sizes, nil
}

// liveJourneys each wait a day with who bought in one category.
const liveJourneys = 5

func liveJourney(category int) string { return "after-" + categories[category] }

func saveJourneys(ctx context.Context, c *cdp.Client) error {
	for category := range liveJourneys {
		err := c.Journeys().Save(ctx, cdp.Journey{Name: liveJourney(category),
			Entry: cdp.Entry{Event: eventNames[purchase], Where: fmt.Sprintf("event.category == %q", categories[category])},
			Nodes: []cdp.Node{cdp.Delay("day", "1d", "end"), cdp.End("end", "")}})
		if err != nil {
			return err
		}
	}
	return nil
}

// entered is how often each journey was entered, by the library's report.
func entered(ctx context.Context, c *cdp.Client) (counts []int64, err error) {
	for category := range liveJourneys {
		report, err := c.Insights().Journey(ctx, liveJourney(category), cdp.Range{})
		if err != nil {
			return nil, err
		}
		n := int64(0)
		for _, node := range report.Nodes {
			if node.Node == "" && node.Channel == "" {
				n = int64(node.Entered)
			}
		}
		counts = append(counts, n)
	}
	return counts, nil
}

// entries is how often each journey must have been entered after the first n events: nobody is inside twice at a time.
func entries(d *Data, n int, at func(i int) int64) []int64 {
	counts := make([]int64, liveJourneys)
	until := make([][liveJourneys]int64, d.Profiles)
	for i := range n {
		category, who := d.Category[i], d.Customer[i]
		if d.Type[i] == purchase && category < liveJourneys && at(i) >= until[who][category] {
			counts[category]++
			until[who][category] = at(i) + day
		}
	}
	return counts
}
