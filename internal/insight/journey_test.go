package insight

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJourneyRates(t *testing.T) {
	res, err := JourneyPerformance{Counts: []JourneyCount{
		{Node: "welcome", Variant: "A", Channel: "email", Metric: Sent, Count: 600, People: 590},
		{Node: "welcome", Variant: "A", Channel: "email", Metric: Sent, Count: 400},
		{Node: "welcome", Variant: "A", Channel: "email", Metric: Delivered, Count: 950},
		{Node: "welcome", Variant: "A", Channel: "email", Metric: Opened, Count: 380},
		{Node: "welcome", Variant: "A", Channel: "email", Metric: Clicked, Count: 95},
		{Node: "welcome", Variant: "A", Channel: "email", Metric: RevenueSum, Count: 1, Value: 0.1},
		{Node: "welcome", Variant: "A", Channel: "email", Metric: RevenueSum, Count: 1, Value: 0.2},
		{Node: "popup", Channel: "web", Metric: Sent, Count: 100},
		{Node: "popup", Channel: "web", Metric: Delivered, Count: 100},
		{Node: "popup", Channel: "web", Metric: Viewable, Count: 80},
		{Node: "popup", Channel: "web", Metric: Clicked, Count: 20},
		{Node: "wait", Metric: Entered, Count: 7},
	}}.Run()
	require.NoError(t, err)
	require.Len(t, res.Rows, 3)
	mail, web, wait := &res.Rows[0], &res.Rows[1], &res.Rows[2]
	is := func(want float64) func(float64, bool) {
		return func(got float64, ok bool) {
			t.Helper()
			require.True(t, ok)
			require.Equal(t, want, got)
		}
	}
	absent := func(_ float64, ok bool) { t.Helper(); require.False(t, ok) }
	failed, _ := mail.Failed()
	require.EqualValues(t, 50, failed)
	is(0.95)(mail.DeliveredRate())
	is(0.4)(mail.OpenRate())
	is(0.1)(mail.ClickRate())
	is(0.25)(mail.ClickThroughRate())
	require.Equal(t, 0.30000000000000004, mail.Revenue()) // the doubles 0.1 and 0.2 add up to this
	absent(web.OpenRate())
	is(0.25)(web.ClickThroughRate()) // clicks by viewable
	absent(wait.DeliveredRate())
	total, err := res.Total()
	require.NoError(t, err)
	is(1050.0 / 1100)(total.DeliveredRate())

	var csv bytes.Buffer
	require.NoError(t, res.Table().WriteCSV(&csv))
	require.Equal(t, "node,variant,channel,entered (events),exited (events),finished (events),sent (events),delivered (events),viewable (events),opened (events),clicked (events),converted (events),revenue,bounces and errors (events),delivered rate,open rate,click rate,click-through rate\r\n"+
		"welcome,A,email,0,0,0,1000,950,,380,95,0,0.30000000000000004,50,0.95,0.4,0.1,0.25\r\n"+
		"popup,,web,0,0,0,100,100,80,,20,0,0,0,1,,0.2,0.25\r\n"+
		"wait,,,7,0,0,,,,,,0,0,,,,,\r\n", csv.String())
}

func TestJourneyPeopleAreNotAdded(t *testing.T) {
	one := JourneyCount{Node: "n", Channel: "sms", Metric: Sent, People: 3}
	_, err := JourneyPerformance{Counts: []JourneyCount{one, one}, ByPeople: true}.Run()
	require.ErrorContains(t, err, "cannot be added")
	_, err = JourneyPerformance{Counts: []JourneyCount{{Node: "n", Metric: "loved"}}}.Run()
	require.ErrorContains(t, err, "unknown metric")
	res, err := JourneyPerformance{Counts: []JourneyCount{one}, ByPeople: true}.Run()
	require.NoError(t, err)
	_, err = res.Total()
	require.Error(t, err)
}

// TestMetricsByChannel holds the table of which metric exists for which channel.
func TestMetricsByChannel(t *testing.T) {
	want := `            sent delivered viewable opened clicked
email       x    x         .        x      x
sms         x    x         .        .      x
whatsapp    x    x         .        x      x
viber       x    x         .        x      x
zalo        x    x         .        x      x
line        x    x         .        .      x
telegram    x    x         .        .      x
messenger   x    x         .        x      x
webpush     x    x         x        .      x
apppush     x    x         .        x      x
inbox       x    x         x        x      x
web         x    x         x        .      x
webhook     x    x         .        .      .
file        x    x         .        .      .
custom      x    x         x        x      x
            .    .         .        .      .
`
	got := "            sent delivered viewable opened clicked\n"
	for _, channel := range []string{"email", "sms", "whatsapp", "viber", "zalo", "line", "telegram", "messenger", "webpush", "apppush", "inbox", "web", "webhook", "file", "custom", ""} {
		line := (channel + "            ")[:12]
		for _, m := range []JourneyMetric{Sent, Delivered, Viewable, Opened, Clicked} {
			mark := "."
			if HasMetric(channel, m) {
				mark = "x"
			}
			if m != Clicked {
				mark = (mark + "          ")[:len(m)+1]
			}
			line += mark
		}
		got += line + "\n"
		for _, m := range flow {
			require.True(t, HasMetric(channel, m))
		}
	}
	require.Equal(t, want, got)
}
