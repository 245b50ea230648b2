package insight

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/insight/table"
)

// MaxOverlap is how many groups one overlap takes: there are 1,023 combinations of ten.
const MaxOverlap = 10

// Overlap asks how many people are in exactly which of some groups: the numbers of a Venn diagram, or of an UpSet plot
// (Lex, Gehlenborg et al. 2014), which shows more than three groups. There are at most MaxOverlap.
type Overlap struct {
	Names  []string
	Groups []*roaring.Bitmap // one a name
}

// OverlapResult has a region for each combination that somebody is in.
type OverlapResult struct {
	Names   []string
	Sizes   []int // people by group
	Union   *roaring.Bitmap
	Regions []Region // the largest first; of equal ones those of fewer groups, then of earlier ones
}

// Region is the people in exactly the groups of In, which are bits by index, and in no other.
type Region struct {
	In     uint32
	People *roaring.Bitmap
}

// Has says whether the region's people are in a group.
func (r Region) Has(group int) bool { return r.In>>group&1 == 1 }

// Run splits the union of all groups by one group after the other, and follows only halves that somebody is in.
func (q Overlap) Run() *OverlapResult {
	out := &OverlapResult{Names: q.Names, Union: roaring.FastOr(q.Groups...)}
	for _, g := range q.Groups {
		out.Sizes = append(out.Sizes, int(g.GetCardinality()))
	}
	var split func(people *roaring.Bitmap, group int, in uint32)
	split = func(people *roaring.Bitmap, group int, in uint32) {
		switch {
		case people.IsEmpty():
		case group == len(q.Groups):
			out.Regions = append(out.Regions, Region{in, people})
		default:
			split(roaring.And(people, q.Groups[group]), group+1, in|1<<group)
			split(roaring.AndNot(people, q.Groups[group]), group+1, in)
		}
	}
	split(out.Union, 0, 0)
	slices.SortFunc(out.Regions, func(a, b Region) int {
		return cmp.Or(cmp.Compare(b.People.GetCardinality(), a.People.GetCardinality()),
			cmp.Compare(bits.OnesCount32(a.In), bits.OnesCount32(b.In)), cmp.Compare(bits.Reverse32(b.In), bits.Reverse32(a.In)))
	})
	return out
}

// Table has a row a region: a column a group, 1 for in and 0 for not, then the people and their share of the union.
func (r *OverlapResult) Table() *table.Table {
	t := &table.Table{}
	for _, name := range r.Names {
		t.Columns = append(t.Columns, table.Column{Name: name, Kind: table.Integer})
	}
	t.Columns = append(t.Columns, table.Column{Name: "people", Kind: table.Integer, Unit: "people"}, table.Column{Name: "share", Kind: table.Ratio})
	for _, region := range r.Regions {
		var row []table.Cell
		for i := range r.Names {
			row = append(row, table.IntegerCell(int64(region.In>>i&1)))
		}
		n := region.People.GetCardinality()
		t.Rows = append(t.Rows, append(row, table.IntegerCell(int64(n)), table.RatioCell(float64(n)/float64(r.Union.GetCardinality()))))
	}
	return t
}
