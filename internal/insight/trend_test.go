package insight

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/stretchr/testify/require"
)

// naivePoint computes a measure of some events by plain loops.
func naivePoint(evs []event, m Measure, percent float64) Point {
	people := map[uint32]bool{}
	var values []float64
	for _, e := range evs {
		people[e.person] = true
		if !math.IsNaN(e.value) {
			values = append(values, e.value)
		}
	}
	slices.Sort(values)
	switch m {
	case Count:
		return Point{float64(len(evs)), true}
	case People:
		return Point{float64(len(people)), true}
	case Total:
		return Point{bigSum(values), true}
	}
	if len(values) == 0 {
		return Point{}
	}
	switch m {
	case Average:
		return Point{bigSum(values) / float64(len(values)), true}
	case Minimum:
		return Point{values[0], true}
	case Maximum:
		return Point{values[len(values)-1], true}
	case Median:
		percent = 50
	}
	rank := percent / 100 * float64(len(values)-1)
	i := int(rank)
	if i+1 == len(values) {
		return Point{values[i], true}
	}
	return Point{values[i] + (values[i+1]-values[i])*(rank-float64(i)), true}
}

func TestTrendAgainstPlainLoops(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	measures := []Measure{Count, People, Total, Average, Minimum, Maximum, Median, Percentile}
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	base := time.Date(2025, 3, 20, 0, 0, 0, 0, zone).UnixMicro() // clocks move within the range
	bits := maxPeopleBits
	dealt := maxDealt
	t.Cleanup(func() { maxPeopleBits, maxDealt = bits, dealt })
	for round := range 600 {
		maxPeopleBits = bits
		if round%4 == 0 {
			maxPeopleBits = 0 // merge the runs
		}
		span := []int64{6 * 3600e6, 20 * 86400e6, 400 * 86400e6}[round%3]
		cal := Calendar{By: []Interval{Hour, Day, Month}[round%3], Zone: zone, WeekStart: time.Monday}
		if round%6 == 4 {
			cal.By = Week
		}
		evs := randomEvents(r, r.IntN(120), 1+r.IntN(8), span, 2)
		for i := range evs {
			evs[i].time += base
		}
		q := Trend{Calendar: cal, Range: Range{base + span/10, base + span/10*9}, Top: r.IntN(5)}
		if r.IntN(3) == 0 {
			q.People = roaring.BitmapOf(0, 1, 5)
		}
		percent := float64(r.IntN(101))
		wanted := measures
		if r.IntN(2) == 0 { // without people the events are read in another order
			wanted = slices.DeleteFunc(slices.Clone(measures), func(m Measure) bool { return m == People })
		}
		names := func(c uint32) string { return "group " + strconv.Itoa(int(c)) }
		if r.IntN(3) == 0 {
			names = nil
		}
		for kind := range 2 {
			q.Series = append(q.Series, Series{Name: strconv.Itoa(kind), Measures: wanted, Percent: percent, GroupName: names,
				Events: streamOf(r, filter(evs, func(e event) bool { return e.kind == kind }), columns{value: true, group: names != nil})})
		}
		maxDealt = dealt
		if r.IntN(2) == 0 { // workers read the runs, in whatever order they come
			q.Workers, q.Rows = r.IntN(4), uint32(8+r.IntN(200))
			maxDealt = []int{1, 10, dealt}[r.IntN(3)]
			for _, s := range q.Series {
				for i := range s.Events {
					s.Events[i].Sorted = false
				}
			}
		}
		got, err := q.Run()
		require.NoError(t, err)
		require.LessOrEqual(t, got.Starts[0], q.Range.From)
		require.GreaterOrEqual(t, got.End, q.Range.To)

		for kind := range 2 {
			in := filter(evs, func(e event) bool {
				return e.kind == kind && q.Range.has(e.time) && (q.People == nil || q.People.Contains(e.person))
			})
			lines := slices.DeleteFunc(slices.Clone(got.Lines), func(l Line) bool { return l.Series != strconv.Itoa(kind) })
			if names == nil {
				require.Len(t, lines, len(wanted))
				requireLines(t, got, lines, in, percent)
				continue
			}
			counts := map[uint32]int{}
			for _, e := range in {
				counts[e.group]++
			}
			groups := len(counts)
			if q.Top > 0 && groups > q.Top {
				groups = q.Top + 1
			}
			require.Len(t, lines, groups*len(wanted), "round %d", round)
			shown := map[uint32]bool{}
			last := math.MaxInt
			for i := 0; i < len(lines); i += len(wanted) {
				l := lines[i]
				part := filter(in, func(e event) bool { return e.group == l.Code })
				if l.Other {
					part = filter(in, func(e event) bool { return !shown[e.group] })
					for g := range counts {
						require.True(t, shown[g] || counts[g] <= last, "a larger group hides in the rest")
					}
				} else {
					shown[l.Code] = true
					require.LessOrEqual(t, len(part), last, "groups not by size")
					last = len(part)
				}
				requireLines(t, got, lines[i:i+len(wanted)], part, percent)
			}
		}
	}
}

func requireLines(t *testing.T, res *TrendResult, lines []Line, evs []event, percent float64) {
	t.Helper()
	for _, l := range lines {
		require.Len(t, l.Points, len(res.Starts))
		for b, p := range l.Points {
			end := res.End
			if b+1 < len(res.Starts) {
				end = res.Starts[b+1]
			}
			in := filter(evs, func(e event) bool { return e.time >= res.Starts[b] && e.time < end })
			requirePoint(t, naivePoint(in, l.Measure, percent), p, l.Measure)
		}
		requirePoint(t, naivePoint(evs, l.Measure, percent), l.Total, l.Measure)
	}
}

func requirePoint(t *testing.T, want, got Point, m Measure) {
	t.Helper()
	require.Equal(t, want.OK, got.OK, "%s", m)
	if m == Percentile || m == Median { // the twin interpolates by another formula
		require.InDelta(t, want.Value, got.Value, 1e-9, "%s", m)
		return
	}
	require.Equal(t, want.Value, got.Value, "%s", m)
}

func TestTrendFacts(t *testing.T) {
	day := int64(86400e6)
	c := Chunk{Person: []uint32{1, 2, 1, 3}, Time: []int64{0, 1, day, 3 * day}, Value: []float64{10, 20, 5, math.NaN()}}
	res, err := Trend{Range: Range{0, 4 * day}, Calendar: Calendar{By: Day},
		Series: []Series{{Name: "buys", Events: Stream{RunOf(false, c)}, Measures: []Measure{Count, People, Total, Average}, Unit: "VND"}}}.Run()
	require.NoError(t, err)
	points := func(i int) []Point { return res.Lines[i].Points }
	require.Equal(t, []Point{{2, true}, {1, true}, {0, true}, {1, true}}, points(0))
	require.Equal(t, []Point{{2, true}, {1, true}, {0, true}, {1, true}}, points(1))
	require.Equal(t, []Point{{30, true}, {5, true}, {0, true}, {0, true}}, points(2))
	require.Equal(t, []Point{{15, true}, {5, true}, {}, {}}, points(3))
	require.Equal(t, Point{3, true}, res.Lines[1].Total, "each person once")
	require.Equal(t, "VND", res.Lines[2].Unit)
	tab := res.Table()
	require.Len(t, tab.Rows, 16)
	require.True(t, tab.Rows[15][3].IsAbsent())
}

func TestPercentileFacts(t *testing.T) {
	// Hyndman and Fan type 7, as numpy.percentile and PERCENTILE.INC have it.
	for _, c := range []struct {
		values  []float64
		p, want float64
	}{
		{[]float64{1, 2, 3, 4}, 50, 2.5}, {[]float64{4, 3, 2, 1}, 25, 1.75}, {[]float64{15, 20, 35, 40, 50}, 40, 29},
		{[]float64{7}, 99, 7}, {[]float64{3, 1, 2}, 0, 1}, {[]float64{3, 1, 2}, 100, 3},
		{[]float64{-math.MaxFloat64, math.MaxFloat64}, 50, 0},
	} {
		require.Equal(t, c.want, percentile(slices.Clone(c.values), c.p), "%v %v", c.values, c.p)
	}
}

func TestTrendRefusesWhatItCannotAnswer(t *testing.T) {
	ok := Series{Name: "s", Measures: []Measure{Count}}
	for _, c := range []struct {
		q    Trend
		want string
	}{
		{Trend{Calendar: Calendar{By: Day}}, "range is empty"},
		{Trend{Range: Range{0, 1}, Calendar: Calendar{By: "fortnight"}}, "unknown interval"},
		{Trend{Range: Range{0, 1 << 60}, Calendar: Calendar{By: Hour}}, "more than 100000 buckets"},
		{Trend{Range: Range{0, 1}, Calendar: Calendar{By: Day}, Series: []Series{{Name: "s"}}}, "measures nothing"},
		{Trend{Range: Range{0, 1}, Calendar: Calendar{By: Day}, Series: []Series{{Measures: []Measure{"mode"}}}}, "unknown measure"},
		{Trend{Range: Range{0, 1}, Calendar: Calendar{By: Day}, Series: []Series{ok, {Measures: []Measure{Percentile}, Percent: 101}}}, "percentile"},
	} {
		_, err := c.q.Run()
		require.ErrorContains(t, err, c.want)
	}
}
