package insight

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/insight/table"
)

// Retention asks how many of the people who started in a period come back in the periods after it.
//
// A person belongs to the period of the calendar that holds the first event of Start, over all of the stream; people
// whose first event lies outside Range are left out. They return in period k when an event of Return, at or after that
// first event and before Range.To, lies k periods later. So period 0 is 100 % when the two streams are the same.
type Retention struct {
	Start, Return Stream // Return nil is the same as Start
	Range         Range
	Calendar      Calendar
	Periods       int  // columns, period 0 included; 0 is as many as the range has
	Unbounded     bool // count who returned in period k or any later one in the range ("on or after")
	People        *roaring.Bitmap

	// Workers read at the same time where Start is also Return and all people have rows below Rows. 0 and 1 read in the
	// caller's goroutine. The result is the same.
	Workers int
	Rows    uint32
}

// RetentionResult is the matrix: one row a cohort, the oldest first.
type RetentionResult struct {
	Calendar Calendar
	Periods  int // the most columns of any row
	Cohorts  []Cohort
}

// Cohort is the people who started in one period.
type Cohort struct {
	Start    int64   // first instant of the period
	Size     int64   // people
	Returned []int64 // people by period; as long as the range lets it, so later cohorts have shorter rows
}

// Rate is the share of cohort c that returned in period k; false where the range ends before or the cohort is empty.
func (r *RetentionResult) Rate(c, k int) (float64, bool) {
	cohort := &r.Cohorts[c]
	if k >= len(cohort.Returned) {
		return 0, false
	}
	return Ratio{cohort.Returned[k], cohort.Size}.Value()
}

// maxRetentionCells bounds cohorts times periods.
const maxRetentionCells = 1 << 20

const never = math.MaxInt64

// Run computes the matrix. It keeps a bit for each person and period, and needs no order of the streams.
func (q Retention) Run() (*RetentionResult, error) {
	b, err := q.Calendar.buckets(q.Range)
	if err != nil {
		return nil, err
	}
	if q.Periods < 0 {
		return nil, errors.New("a negative number of periods; use 0 for all the range has")
	}
	periods := b.len()
	if q.Periods > 0 {
		periods = min(periods, q.Periods)
	}
	if b.len()*periods > maxRetentionCells {
		return nil, fmt.Errorf("retention of %d cohorts over %d periods is more than %d cells; set Periods or widen the interval", b.len(), periods, maxRetentionCells)
	}
	people := newRowSet(q.People)
	if q.Return == nil && q.Rows > 0 && b.len() <= maxActivityBuckets {
		return q.activity(b, periods, people), nil
	}
	if q.Return == nil {
		q.Return = q.Start
	}
	first := firstTimes(q.Start, people)
	cohort := make([]int32, len(first))
	for p, t := range first {
		if t == never || !q.Range.has(t) {
			first[p] = never
			continue
		}
		cohort[p] = int32(b.find(t))
	}
	words := (periods + 63) / 64
	if q.Unbounded {
		words = 0
	}
	seen := returns{words: words, bits: make([]uint64, len(first)*words)}
	if q.Unbounded {
		seen.last = slices.Repeat([]int32{-1}, len(first))
	}
	for _, run := range q.Return {
		for c := range run.Chunks {
			for i, t := range c.Time {
				p := int(c.Person[i])
				if p >= len(first) || t < first[p] || t >= q.Range.To || !c.kept(i) {
					continue
				}
				k := b.find(t) - int(cohort[p])
				if q.Unbounded {
					seen.last[p] = max(seen.last[p], int32(k))
				} else if k < periods {
					seen.bits[p*words+k>>6] |= 1 << (k & 63)
				}
			}
		}
	}
	return q.matrix(b, periods, first, cohort, seen), nil
}

// returns says in which periods each person came back: a bit a period, or only the last one where that is enough.
type returns struct {
	words int
	bits  []uint64
	last  []int32 // -1 is never
}

// firstTimes returns each person's first event, never where there is none.
func firstTimes(s Stream, people rowSet) []int64 {
	var first []int64
	for _, run := range s {
		for c := range run.Chunks {
			for i, p := range c.Person {
				if !c.kept(i) || !people.has(p) {
					continue
				}
				for int(p) >= len(first) {
					first = append(first, never)
				}
				if t := c.Time[i]; t < first[p] {
					first[p] = t
				}
			}
		}
	}
	return first
}

func (q Retention) matrix(b *buckets, periods int, first []int64, cohort []int32, seen returns) *RetentionResult {
	r := q.cohorts(b, periods)
	for p, t := range first {
		if t == never {
			continue
		}
		c := &r.Cohorts[cohort[p]]
		c.Size++
		if q.Unbounded {
			if k := int(seen.last[p]); k >= 0 {
				c.Returned[min(k, len(c.Returned)-1)]++ // summed from the right below
			}
			continue
		}
		for w, word := range seen.bits[p*seen.words : (p+1)*seen.words] {
			for ; word != 0; word &= word - 1 {
				c.Returned[w<<6+bits.TrailingZeros64(word)]++
			}
		}
	}
	if q.Unbounded {
		r.addLater()
	}
	return r
}

// cohorts returns a result with the size that the range gives it.
func (q Retention) cohorts(b *buckets, periods int) *RetentionResult {
	r := &RetentionResult{Calendar: q.Calendar, Periods: periods, Cohorts: make([]Cohort, b.len())}
	for c := range r.Cohorts {
		r.Cohorts[c] = Cohort{Start: b.bounds[c], Returned: make([]int64, min(periods, b.len()-c))}
	}
	return r
}

// addLater adds to each period who came back in a later one.
func (r *RetentionResult) addLater() {
	for _, c := range r.Cohorts {
		for k := len(c.Returned) - 2; k >= 0; k-- {
			c.Returned[k] += c.Returned[k+1]
		}
	}
}

// Table has a row a cohort: its period, its size, and for each later period the people and their share.
func (r *RetentionResult) Table() *table.Table {
	t := &table.Table{Zone: r.Calendar.zone(), Columns: []table.Column{
		{Name: "cohort", Kind: table.Time}, {Name: "size", Kind: table.Integer, Unit: "people"},
	}}
	for k := range r.Periods {
		name := string(r.Calendar.By) + " " + strconv.Itoa(k)
		t.Columns = append(t.Columns, table.Column{Name: name, Kind: table.Integer, Unit: "people"}, table.Column{Name: name + " rate", Kind: table.Ratio})
	}
	for i, c := range r.Cohorts {
		row := []table.Cell{table.TimeCell(c.Start), table.IntegerCell(c.Size)}
		for k := range r.Periods {
			if k >= len(c.Returned) {
				row = append(row, table.Cell{}, table.Cell{})
				continue
			}
			rate := table.Cell{}
			if v, ok := r.Rate(i, k); ok {
				rate = table.RatioCell(v)
			}
			row = append(row, table.IntegerCell(c.Returned[k]), rate)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
