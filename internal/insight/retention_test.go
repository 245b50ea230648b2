package insight

import (
	"encoding/csv"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/stretchr/testify/require"
)

func TestRetentionAgainstPlainLoops(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	day := int64(86400e6)
	for round := range 600 {
		evs := randomEvents(r, r.IntN(120), 1+r.IntN(10), 100*day, 2)
		q := Retention{Range: Range{10 * day, (11 + r.Int64N(80)) * day}, Calendar: Calendar{By: []Interval{Day, Week, Month}[r.IntN(3)]},
			Periods: r.IntN(8), Unbounded: r.IntN(2) == 0}
		if r.IntN(3) == 0 {
			q.People = roaring.BitmapOf(0, 2, 3, 7)
		}
		start := filter(evs, func(e event) bool { return e.kind == 0 })
		back := evs
		if r.IntN(2) == 0 {
			back = filter(evs, func(e event) bool { return e.kind == 1 })
		}
		q.Start, q.Return = streamOf(r, start, columns{}), streamOf(r, back, columns{})
		if r.IntN(2) == 0 { // the same, for which there is a faster way
			back, q.Return = start, nil
			q.Workers, q.Rows = r.IntN(4), uint32(r.IntN(2)*20)
		}
		got, err := q.Run()
		require.NoError(t, err)

		cells := map[[2]int]int64{}
		sizes := map[int]int64{}
		bucket := func(t int64) int {
			for i := range got.Cohorts {
				if t >= got.Cohorts[i].Start && (i+1 == len(got.Cohorts) || t < got.Cohorts[i+1].Start) {
					return i
				}
			}
			return -1
		}
		starts, returns := personsEvents(start), personsEvents(back)
		for person, l := range starts {
			first := l[0].time
			if !q.Range.has(first) || q.People != nil && !q.People.Contains(person) {
				continue
			}
			c := bucket(first)
			sizes[c]++
			for k := range got.Periods {
				for _, e := range returns[person] {
					d := bucket(e.time) - c
					if e.time >= first && e.time < q.Range.To && (d == k || q.Unbounded && d >= k) {
						cells[[2]int{c, k}]++
						break
					}
				}
			}
		}
		for c, cohort := range got.Cohorts {
			require.Equal(t, sizes[c], cohort.Size, "round %d", round)
			require.Len(t, cohort.Returned, min(got.Periods, len(got.Cohorts)-c))
			for k, n := range cohort.Returned {
				require.Equal(t, cells[[2]int{c, k}], n, "round %d cohort %d period %d", round, c, k)
			}
		}
	}
}

func TestRetentionFacts(t *testing.T) {
	day := int64(86400e6)
	c := Chunk{Person: []uint32{1, 1, 2, 2, 3, 4}, Time: []int64{0, 2 * day, 5, day, day, -day}}
	s := Stream{RunOf(false, c)}
	q := Retention{Start: s, Return: s, Range: Range{0, 3 * day}, Calendar: Calendar{By: Day}}
	res, err := q.Run()
	require.NoError(t, err)
	// Two people of the first day, one of the second; person 4 started before the range.
	require.Equal(t, []Cohort{{0, 2, []int64{2, 1, 1}}, {day, 1, []int64{1, 0}}, {2 * day, 0, []int64{0}}}, res.Cohorts)
	_, ok := res.Rate(2, 0)
	require.False(t, ok, "nobody started on the third day")
	q.Unbounded = true
	res, err = q.Run()
	require.NoError(t, err)
	require.Equal(t, []int64{2, 2, 1}, res.Cohorts[0].Returned)
	tab := res.Table()
	require.Len(t, tab.Rows[0], 2+2*3)
	require.True(t, tab.Rows[1][6].IsAbsent())
}

// TestCDNOW reads real purchases: 6,919 of 2,357 customers, summing to 244,091.94, all of whom bought first in the
// first quarter of 1997.
func TestCDNOW(t *testing.T) {
	data, err := os.ReadFile("../../../shared/data/cdnow/CDNOW_sample.txt")
	if err != nil {
		t.Skip("the CDNOW sample is not here:", err)
	}
	var c Chunk
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) != 5 {
			continue
		}
		when, err := time.Parse("20060102", f[2])
		require.NoError(t, err)
		id, err := strconv.Atoi(f[1])
		require.NoError(t, err)
		value, err := strconv.ParseFloat(f[4], 64)
		require.NoError(t, err)
		c.Person, c.Time, c.Value = append(c.Person, uint32(id)), append(c.Time, when.UnixMicro()), append(c.Value, value)
	}
	s := Stream{RunOf(false, c)}
	span := Range{time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), time.Date(1998, 7, 1, 0, 0, 0, 0, time.UTC).UnixMicro()}
	trend, err := Trend{Range: span, Calendar: Calendar{By: Month}, Series: []Series{{Events: s, Measures: []Measure{Count, People, Total}}}}.Run()
	require.NoError(t, err)
	require.Equal(t, 6919.0, trend.Lines[0].Total.Value)
	require.Equal(t, 2357.0, trend.Lines[1].Total.Value)
	require.Equal(t, 244091.94, trend.Lines[2].Total.Value)
	ret, err := Retention{Start: s, Return: s, Range: span, Calendar: Calendar{By: Month}}.Run()
	require.NoError(t, err)
	require.EqualValues(t, 2357, ret.Cohorts[0].Size+ret.Cohorts[1].Size+ret.Cohorts[2].Size)
	require.Zero(t, ret.Cohorts[3].Size)

	// In the summary the frequency counts each customer's repeat days up to week 39: who has one reached the second step of a
	// funnel from the first purchase to another on a later day.
	repeat := 0
	f, err := os.Open("../../../shared/data/cdnow/cdnow_customers_summary.csv")
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	for _, row := range rows[1:] {
		if x, _ := strconv.ParseFloat(row[1], 64); x > 0 {
			repeat++
		}
	}
	week39 := time.Date(1997, 10, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	var early Chunk
	for i := range c.Person {
		if c.Time[i] < week39 {
			early.append(&c, i)
		}
	}
	es := Stream{RunOf(false, early)}
	fun, err := Funnel{Steps: []Step{{"buys", es}, {"buys on another day", es}}, StrictIncrease: true}.Run()
	require.NoError(t, err)
	require.EqualValues(t, 2357, fun.Steps[0].People)
	require.EqualValues(t, repeat, fun.Steps[1].People)
}
