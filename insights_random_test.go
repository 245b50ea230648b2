package cdp_test

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/memstore"
)

// A report's event, for the plain loops below.
type looked struct {
	event, user, category string
	at                    time.Time
	amount                float64
}

// lookedWorld tracks a few chunks of events, some of them late, some without the attribute.
func lookedWorld(t *testing.T, ctx context.Context, c *cdp.Client, n int) (all []looked) {
	for _, name := range []string{"look", "pay"} {
		require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: name, Attributes: cdp.Schema{"category": cdp.String, "amount": cdp.Number}}))
	}
	r := rand.New(rand.NewPCG(31, 32))
	var batch []cdp.Event
	for i := range n {
		l := looked{event: []string{"look", "look", "pay"}[r.IntN(3)], user: "u" + strconv.Itoa(r.IntN(n/6)),
			category: []string{"", "shoes", "hats", "bags"}[r.IntN(4)], amount: float64(r.IntN(1000)) / 4,
			at: noon.Add(-60*24*time.Hour + time.Duration(i)*(60*24*time.Hour/time.Duration(n)))}
		if r.IntN(50) == 0 {
			l.at = l.at.Add(-time.Duration(r.IntN(100)) * time.Hour)
		}
		attrs := cdp.Attrs{"amount": l.amount}
		if l.category != "" {
			attrs["category"] = l.category
		}
		batch = append(batch, cdp.Event{Name: l.event, UserID: l.user, Time: l.at, ID: strconv.Itoa(i), Attributes: attrs})
		all = append(all, l)
		if len(batch) == 1000 || i == n-1 {
			_, err := c.Import(ctx, batch...)
			require.NoError(t, err)
			batch = batch[:0]
		}
	}
	return all
}

// TestReportsAgainstPlainLoops asks with conditions that run in bulk and one that does not.
func TestReportsAgainstPlainLoops(t *testing.T) {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	all := lookedWorld(t, ctx, c, 40_000)
	wheres := map[string]func(looked) bool{
		"":                      func(looked) bool { return true },
		`e.category == "shoes"`: func(l looked) bool { return l.category == "shoes" },
		`e.amount >= 100.0`:     func(l looked) bool { return l.amount >= 100 },
		`e.category != "hats" && e.amount < 50.0 || e.amount > 240.0`: func(l looked) bool {
			return l.category != "" && l.category != "hats" && l.amount < 50 || l.amount > 240
		},
		`e.category.startsWith("s")`: func(l looked) bool { return l.category == "shoes" },
	}
	from, to := noon.Add(-50*24*time.Hour), noon.Add(-5*24*time.Hour)
	for where, holds := range wheres {
		trend, err := c.Insights().Trend(ctx, cdp.Trend{Range: cdp.Between(from, to), Series: []cdp.Series{
			{Event: "pay", Where: where}, {Event: "pay", Where: where, Measure: cdp.People}, {Event: "pay", Where: where, Measure: cdp.Sum, Value: "amount"}}})
		require.NoError(t, err, where)
		count, sum := 0.0, 0.0 // quarters, which add up without error
		people, days := map[string]bool{}, map[string]bool{}
		looks := map[string][]time.Time{}
		for _, l := range all {
			if l.event == "look" {
				looks[l.user] = append(looks[l.user], l.at)
			}
			if l.event == "pay" && holds(l) && !l.at.Before(from) && l.at.Before(to) {
				count++
				sum += l.amount
				people[l.user] = true
				days[l.user+l.at.Format(time.DateOnly)] = true
			}
		}
		require.Equal(t, count, trend.Lines[0].Total.Value, where)
		require.EqualValues(t, len(people), trend.Lines[1].Total.Value, where)
		require.Equal(t, sum, trend.Lines[2].Total.Value, where)
		byDay := 0.0
		for _, p := range trend.Lines[1].Points {
			byDay += p.Value
		}
		require.EqualValues(t, len(days), byDay, where)

		funnel, err := c.Insights().Funnel(ctx, cdp.Funnel{Window: "3d", Steps: []cdp.Step{{Event: "look"}, {Event: "pay", Where: where}}})
		require.NoError(t, err, where)
		paid := map[string]bool{}
		for _, l := range all {
			for _, at := range looks[l.user] {
				if l.event == "pay" && holds(l) && !at.After(l.at) && l.at.Sub(at) <= 72*time.Hour {
					paid[l.user] = true
				}
			}
		}
		require.Equal(t, len(looks), funnel.Steps[0].People, where)
		require.Equal(t, len(paid), funnel.Steps[1].People, where)
	}
}

func TestRetentionOfAnyEvent(t *testing.T) {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	all := lookedWorld(t, ctx, c, 12_000)
	from, to := noon.Add(-61*24*time.Hour).Truncate(24*time.Hour), noon.Truncate(24*time.Hour)
	rep, err := c.Insights().Retention(ctx, cdp.Retention{Start: cdp.Step{Event: "*"}, Interval: cdp.Daily, Range: cdp.Between(from, to)})
	require.NoError(t, err)
	first, active := map[string]int{}, map[string]map[int]bool{}
	for _, l := range all {
		day := int(l.at.Sub(from) / (24 * time.Hour))
		if l.at.Before(from) {
			day = -1
		}
		if !l.at.Before(to) {
			continue
		}
		if f, ok := first[l.user]; !ok || day < f {
			first[l.user] = day
		}
		if active[l.user] == nil {
			active[l.user] = map[int]bool{}
		}
		active[l.user][day] = true
	}
	want := map[string]int{}
	for user, days := range active {
		for day := range days {
			want[fmt.Sprint(first[user], " ", day-first[user])]++
		}
	}
	for c, cohort := range rep.Cohorts {
		for k, n := range cohort.Returned {
			require.Equal(t, want[fmt.Sprint(c, " ", k)], n, "cohort %d day %d", c, k)
		}
	}
	_, err = c.Insights().Retention(ctx, cdp.Retention{Start: cdp.Step{Event: "*", Where: "e.amount > 1.0"}, Range: cdp.Between(from, to)})
	require.ErrorContains(t, err, "leave out Where")
}

// TestReportsBesideIntake is for the race detector: reports compute on what was there when they began.
func TestReportsBesideIntake(t *testing.T) {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	lookedWorld(t, ctx, c, 9_000)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 300 {
			_, err := c.Track(ctx, cdp.Event{Name: "pay", UserID: "late" + strconv.Itoa(i), Attributes: cdp.Attrs{"amount": 3.0, "category": "new" + strconv.Itoa(i)}})
			if err != nil {
				t.Error(err)
			}
		}
	})
	for range 20 {
		rep, err := c.Insights().Funnel(ctx, cdp.Funnel{Window: "3d", Steps: []cdp.Step{{Event: "look"}, {Event: "pay", Where: `e.category == "shoes"`}}})
		require.NoError(t, err)
		require.Greater(t, rep.Steps[0].People, rep.Steps[1].People)
		_, err = c.Insights().Trend(ctx, cdp.Trend{Range: cdp.Between(noon.Add(-90*24*time.Hour), noon), Series: []cdp.Series{{Event: "pay", By: "category", Measure: cdp.People}}})
		require.NoError(t, err)
	}
	wg.Wait()
}

// TestPastReportsBesideReports is for the race detector: reports of the present and of several pasts are kept at once from
// the same tables, while chunks of these are written to the store and dropped.
func TestPastReportsBesideReports(t *testing.T) {
	ctx := context.Background()
	c, err := cdp.New(memstore.New(), cdp.Config{Now: fixed, CacheBytes: 1, CheckpointBytes: 1})
	require.NoError(t, err)
	defer c.Close()
	lookedWorld(t, ctx, c, 24_000)
	trend := cdp.Trend{Range: cdp.Between(noon.Add(-90*24*time.Hour), noon.Add(24*time.Hour)), Series: []cdp.Series{{Event: "look"}}}
	want, err := c.Insights().Trend(ctx, trend)
	require.NoError(t, err)
	done := make(chan struct{})
	var intake, reports sync.WaitGroup
	intake.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			batch := make([]cdp.Event, 500)
			for j := range batch {
				batch[j] = cdp.Event{Name: "look", UserID: "late", Time: noon.Add(48 * time.Hour)} // behind the reports' range
			}
			if _, err := c.Import(ctx, batch...); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for _, ask := range []func() (cdp.TrendReport, error){
		func() (cdp.TrendReport, error) { return c.Insights().Trend(ctx, trend) },
		func() (cdp.TrendReport, error) { return c.TrueAt(noon).Trend(ctx, trend) },
		func() (cdp.TrendReport, error) { return c.KnownAt(noon).Trend(ctx, trend) },
	} {
		reports.Go(func() {
			for range 15 {
				got, err := ask()
				if err != nil {
					t.Error(err)
					return
				}
				assert.Equal(t, want.Lines[0].Total, got.Lines[0].Total)
			}
		})
	}
	reports.Wait()
	close(done)
	intake.Wait()
}

func TestReportRanges(t *testing.T) {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	_, err := c.Track(ctx, cdp.Event{Name: "purchase", UserID: "ann"})
	require.NoError(t, err)
	buys := cdp.Step{Event: "purchase"}
	_, err = c.Insights().Retention(ctx, cdp.Retention{Start: buys})
	var invalid *cdp.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, "Retention.Range", invalid.What)

	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	for _, in := range []cdp.Range{{}, cdp.Between(noon, year(9999)), cdp.Between(year(1), year(300_000)), cdp.Between(year(-5_000_000), year(5_000_000))} {
		f, err := c.Insights().Funnel(ctx, cdp.Funnel{Steps: []cdp.Step{buys}, Range: in})
		require.NoError(t, err, in)
		require.Equal(t, 1, f.Steps[0].People, in)
	}
	f, err := c.Insights().Funnel(ctx, cdp.Funnel{Steps: []cdp.Step{buys}, Range: cdp.Between(year(-5_000_000), noon)})
	require.NoError(t, err)
	require.Zero(t, f.Steps[0].People, "noon itself is outside")
}

// A report is drawn when it is first written, by whoever is first, and as of when it was computed.
func TestReportWrittenLaterByMany(t *testing.T) {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	all := lookedWorld(t, ctx, c, 3_000)
	rep, err := c.Insights().Trend(ctx, cdp.Trend{Range: cdp.Between(noon.Add(-90*24*time.Hour), noon.Add(time.Hour)), Series: []cdp.Series{{Event: "pay", By: "category"}}})
	require.NoError(t, err)
	_, err = c.Track(ctx, cdp.Event{Name: "pay", UserID: "late", Attributes: cdp.Attrs{"amount": 3.0, "category": "shoes"}})
	require.NoError(t, err)
	rep.Lines[0].Points[0].Value = 1000 // the caller's own

	var wg sync.WaitGroup
	var numbers, pictures [4]strings.Builder
	for i := range numbers {
		wg.Go(func() {
			if err := errors.Join(rep.WriteCSV(&numbers[i]), rep.WriteSVG(&pictures[i])); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	want := map[string]int{}
	for _, l := range all {
		if l.event == "pay" {
			want[cmp.Or(l.category, "(none)")]++
		}
	}
	rows, err := csv.NewReader(strings.NewReader(numbers[0].String())).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"day", "series", "group", "measure", "value", "unit"}, rows[0])
	got := map[string]int{}
	for _, row := range rows[1:] {
		n, err := strconv.Atoi(row[4])
		require.NoError(t, err)
		got[row[2]] += n
	}
	require.Equal(t, want, got)
	for i := range numbers {
		require.Equal(t, numbers[0].String(), numbers[i].String())
		require.Equal(t, pictures[0].String(), pictures[i].String())
		require.Contains(t, pictures[i].String(), "shoes")
	}
}
