package main

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/embedcdp/cdp"
)

// q7: weekly retention: who first did anything in a week, and did anything again k weeks later.

// q7Weeks are the weeks that the events touch; q7Start is the Monday on or before the first event.
var (
	q7Start = mondayBefore(begin).UnixMicro()
	q7Weeks = int((now.UnixMicro() - q7Start + 7*day - 1) / (7 * day))
)

func mondayBefore(t time.Time) time.Time {
	return t.AddDate(0, 0, -(int(t.Weekday())+6)%7)
}

var q7 = Question{ID: "q7", What: "weekly retention",
	CDP: func(ctx context.Context, c *cdp.Client, _ string) ([]int64, error) {
		report, err := c.Insights().Retention(ctx, cdp.Retention{Start: cdp.Step{Event: "*"},
			Range: cdp.Between(begin, now), Interval: cdp.Weekly})
		if err != nil {
			return nil, err
		}
		cells := make([]int64, q7Weeks*q7Weeks)
		for w, cohort := range report.Cohorts {
			for k, people := range cohort.Returned {
				cells[w*q7Weeks+k] = int64(people)
			}
		}
		return cells, nil
	},
	SQL:   q7SQL,
	Cells: q7Cells,
	Loop:  func(l *Loops, _ Members) []int64 { return loopQ7(l) }}

// q7SQL makes a mask of weeks for each person and counts its bits by the lowest one. Sums of single bits were quickest at
// 4 M events when it was about views alone (206 ms; count with FILTER 243; the lowest week by min 239; masks joined with a
// list of weeks 282; distinct weeks joined with the first 489).
var q7SQL = func() string {
	var sums strings.Builder
	for k := range q7Weeks {
		fmt.Fprintf(&sums, ", sum(later >> %d & 1)::BIGINT", k)
	}
	monday := time.UnixMicro(q7Start).UTC().Format(time.DateTime)
	return `SELECT first_week` + sums.String() + ` FROM (
		SELECT bit_count((mask & -mask) - 1) first_week, mask >> bit_count((mask & -mask) - 1) later FROM (
			SELECT bit_or(1::BIGINT << ((epoch_us(time) - epoch_us(TIMESTAMP '` + monday + `')) // 604800000000)::INTEGER) mask
			FROM events GROUP BY customer))
		GROUP BY first_week`
}()

// q7Cells reads rows of a week, then the people of its cohort by later weeks.
func q7Cells(rows []int64) []int64 {
	cells := make([]int64, q7Weeks*q7Weeks)
	for r := range slices.Chunk(rows, 1+q7Weeks) {
		copy(cells[int(r[0])*q7Weeks:][:q7Weeks], r[1:])
	}
	return cells
}

// loopQ7 has a bit for each week in which a person did anything. The lowest is the cohort.
func loopQ7(l *Loops) []int64 {
	cells := make([]int64, q7Weeks*q7Weeks)
	start := q7Start << 2
	for c := range l.Customers {
		var weeks uint64
		for _, e := range l.journeys[l.from[c]:l.from[c+1]] {
			week := uint64(e-start) / uint64(4*7*day) // e is in quarters of a microsecond
			weeks |= 1 << (week & 63)
		}
		if weeks == 0 {
			continue
		}
		first := bits.TrailingZeros64(weeks)
		row := cells[first*q7Weeks:][:q7Weeks]
		for left := weeks >> first; left != 0; left &= left - 1 {
			row[bits.TrailingZeros64(left)]++
		}
	}
	return cells
}
