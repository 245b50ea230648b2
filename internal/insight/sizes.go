package insight

import (
	"iter"
	"time"

	"github.com/embedcdp/cdp/internal/insight/table"
)

// Sizes asks how many were in a group over time, from who entered and left it.
type Sizes struct {
	Range    Range // all flips before it count for how many there were at its start
	Calendar Calendar
}

// SizesResult has a bucket for each unit of the calendar that meets the range, cut off at the range's ends.
type SizesResult struct {
	Zone    *time.Location
	Buckets []SizeBucket
}

// SizeBucket is the instants Start <= t < End.
type SizeBucket struct {
	Start, End    int64
	Members       int64 // at the end: by all flips before End
	Entered, Left int64 // flips, not people: who comes back enters again
}

// Run adds up flips, each with its instant and whether somebody entered, in any order.
func (q Sizes) Run(flips iter.Seq2[int64, bool]) (*SizesResult, error) {
	b, err := q.Calendar.buckets(q.Range)
	if err != nil {
		return nil, err
	}
	out := &SizesResult{Zone: q.Calendar.Zone, Buckets: make([]SizeBucket, b.len())}
	for i := range out.Buckets {
		out.Buckets[i].Start, out.Buckets[i].End = max(b.bounds[i], q.Range.From), min(b.bounds[i+1], q.Range.To)
	}
	members := int64(0)
	for at, in := range flips {
		switch {
		case at >= q.Range.To:
		case at < q.Range.From && in:
			members++
		case at < q.Range.From:
			members--
		case in:
			out.Buckets[b.find(at)].Entered++
		default:
			out.Buckets[b.find(at)].Left++
		}
	}
	for i := range out.Buckets {
		members += out.Buckets[i].Entered - out.Buckets[i].Left
		out.Buckets[i].Members = members
	}
	return out, nil
}

// Table has a row a bucket.
func (r *SizesResult) Table() *table.Table {
	t := &table.Table{Zone: r.Zone, Columns: []table.Column{{Name: "from", Kind: table.Time}, {Name: "to", Kind: table.Time},
		{Name: "members", Kind: table.Integer, Unit: "people"}, {Name: "entered", Kind: table.Integer}, {Name: "left", Kind: table.Integer}}}
	for _, b := range r.Buckets {
		t.Rows = append(t.Rows, []table.Cell{table.TimeCell(b.Start), table.TimeCell(b.End),
			table.IntegerCell(b.Members), table.IntegerCell(b.Entered), table.IntegerCell(b.Left)})
	}
	return t
}
