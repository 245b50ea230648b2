package insight

import (
	"fmt"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/insight/table"
)

// Measure is what a trend computes of the events in a bucket.
type Measure string

const (
	Count      Measure = "count"      // events
	People     Measure = "people"     // distinct people
	Total      Measure = "sum"        // exactly rounded sum of values
	Average    Measure = "avg"        // that sum divided by the number of values
	Minimum    Measure = "min"        // least value
	Maximum    Measure = "max"        // greatest value
	Median     Measure = "median"     // the 50th percentile
	Percentile Measure = "percentile" // by linear interpolation between the nearest ranks (Hyndman and Fan type 7)
)

// Trend is one or more series over time. Each series reads its stream once for all its measures (twice when Top has to
// find the groups that matter).
type Trend struct {
	Series   []Series
	Range    Range // events outside are left out, also in a bucket that the range cuts
	Calendar Calendar
	People   *roaring.Bitmap // only these; nil is everybody

	// Top keeps the groups with the most events in the range, per series, and puts the others together in one line
	// named "other". 0 keeps all. Ties go to the lower code.
	Top int

	// Workers read at the same time where all people have rows below Rows. 0 and 1 read in the caller's goroutine. The
	// result is the same.
	Workers int
	Rows    uint32
}

// Series is one stream and what to compute of it.
type Series struct {
	Name     string
	Events   Stream
	Measures []Measure
	Percent  float64 // 0 to 100, for Percentile
	Unit     string  // of the values, such as "VND"

	// GroupName gives the text of a group code. Nil means the series is not broken down. It is not called for NoGroup.
	GroupName func(code uint32) string
}

// MaxCells bounds buckets times groups of one series.
const MaxCells = 1 << 20

// TrendResult holds a line for each series, group and measure, in this order; groups by number of events, the largest
// first, "other" last.
type TrendResult struct {
	Starts   []int64 // first instant of each bucket
	End      int64   // end of the last bucket
	Calendar Calendar
	Lines    []Line
}

// Line is one measure over time. Count, people and sum are 0 in a bucket without events; the others are absent there.
type Line struct {
	Series  string
	Group   string // text of the group; "" where the series is not broken down
	Code    uint32 // its code
	Other   bool   // this line is the rest
	NoGroup bool   // this line is the events without the attribute
	Measure Measure
	Unit    string
	Points  []Point // one a bucket
	Total   Point   // the measure over the whole range: people are counted once, an average is sum by count
}

// Point is a value or, where OK is false, a gap. Value may be infinite where a sum is beyond the largest double.
type Point struct {
	Value float64
	OK    bool
}

// Run computes the trend.
func (q Trend) Run() (*TrendResult, error) {
	b, err := q.Calendar.buckets(q.Range)
	if err != nil {
		return nil, err
	}
	res := &TrendResult{Starts: b.bounds[:b.len()], End: b.bounds[b.len()], Calendar: q.Calendar}
	people := newRowSet(q.People)
	var read []seriesCells
	for i, s := range q.Series {
		if err := s.validate(); err != nil {
			return nil, err
		}
		if n := sameEvents(q.Series[:i], s); n >= 0 {
			s.addLines(res, read[n].acc, read[n].groups)
			read = append(read, read[n])
			continue
		}
		groups := []group{{}}
		slots := slotMap(nil)
		if s.GroupName != nil {
			groups, slots = q.groups(s, people)
		}
		asked := s
		for _, later := range q.Series[i+1:] {
			if sameEvents(q.Series[i:i+1], later) == 0 {
				asked.Measures = slices.Concat(asked.Measures, later.Measures)
			}
		}
		if b.len()*len(groups) > MaxCells {
			return nil, fmt.Errorf("series %q has %d buckets of %d groups, more than %d cells; keep fewer groups (Top) or widen the interval",
				s.Name, b.len(), len(groups), MaxCells)
		}
		acc := q.shared(asked, b, len(groups), slots, people)
		if acc == nil {
			acc = newTrendCells(asked, b, len(groups))
			acc.read(asked, q.Range, people, slots)
		}
		read = append(read, seriesCells{acc, groups})
		s.addLines(res, acc, groups)
	}
	return res, nil
}

// seriesCells is what was read of a series.
type seriesCells struct {
	acc    *trendCells
	groups []group
}

// sameEvents is the first of some series that has the very stream of s, with the same breakdown: both are read together.
// It is -1 where there is none.
func sameEvents(some []Series, s Series) int {
	return slices.IndexFunc(some, func(o Series) bool {
		return len(s.Events) > 0 && len(o.Events) == len(s.Events) && &o.Events[0] == &s.Events[0] && (o.GroupName == nil) == (s.GroupName == nil)
	})
}

func (s Series) addLines(res *TrendResult, acc *trendCells, groups []group) {
	for g := range groups {
		for _, m := range s.Measures {
			line := Line{Series: s.Name, Group: groups[g].name, Code: groups[g].code, Other: groups[g].other, NoGroup: groups[g].none, Measure: m, Unit: s.unit(m)}
			line.Points, line.Total = acc.line(g, m, s.Percent)
			res.Lines = append(res.Lines, line)
		}
	}
}

func (s Series) validate() error {
	if len(s.Measures) == 0 {
		return fmt.Errorf("series %q measures nothing; name at least one measure", s.Name)
	}
	for _, m := range s.Measures {
		switch m {
		case Count, People, Total, Average, Minimum, Maximum, Median:
		case Percentile:
			if !(s.Percent >= 0 && s.Percent <= 100) {
				return fmt.Errorf("series %q asks for percentile %v; use 0 to 100", s.Name, s.Percent)
			}
		default:
			return fmt.Errorf("series %q has unknown measure %q; use count, people, sum, avg, min, max, median or percentile", s.Name, m)
		}
	}
	return nil
}

func (s Series) unit(m Measure) string {
	switch m {
	case Count:
		return "events"
	case People:
		return "people"
	}
	return s.Unit
}

func (s Series) has(measures ...Measure) bool {
	for _, m := range s.Measures {
		for _, n := range measures {
			if m == n {
				return true
			}
		}
	}
	return false
}

// Table has a row for each bucket of each line: series, group, measure, start of the bucket, value. The column group is
// left out where no line has one.
func (r *TrendResult) Table() *table.Table {
	t := &table.Table{Zone: r.Calendar.zone()}
	grouped := false
	for _, l := range r.Lines {
		grouped = grouped || l.grouped()
	}
	t.Columns = append(t.Columns, table.Column{Name: string(r.Calendar.By), Kind: table.Time}, table.Column{Name: "series", Kind: table.Text})
	if grouped {
		t.Columns = append(t.Columns, table.Column{Name: "group", Kind: table.Text})
	}
	t.Columns = append(t.Columns, table.Column{Name: "measure", Kind: table.Text}, table.Column{Name: "value", Kind: table.Number}, table.Column{Name: "unit", Kind: table.Text})
	for _, l := range r.Lines {
		for i, p := range l.Points {
			row := []table.Cell{table.TimeCell(r.Starts[i]), table.TextCell(l.Series)}
			if grouped {
				row = append(row, table.TextCell(l.Group))
			}
			value := table.Cell{}
			if p.OK {
				value = table.NumberCell(p.Value)
			}
			t.Rows = append(t.Rows, append(row, table.TextCell(string(l.Measure)), value, table.TextCell(l.Unit)))
		}
	}
	return t
}

func (l *Line) grouped() bool { return l.Group != "" || l.Other || l.NoGroup }

// percentile returns the p-th percentile of values, which it reorders. It interpolates without overflow.
func percentile(values []float64, p float64) float64 {
	rank := p / 100 * float64(len(values)-1)
	lo := int(math.Floor(rank))
	low := selectNth(values, lo)
	f := rank - float64(lo)
	if f == 0 || lo+1 == len(values) {
		return low
	}
	high := values[lo+1]
	for _, v := range values[lo+2:] {
		high = min(high, v)
	}
	return float64(low*(1-f)) + float64(high*f)
}
