package cdp

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/insight"
	"github.com/embedcdp/cdp/internal/report"
)

// OverlapReport says how many people are in exactly which of several groups. WriteCSV has a row a region, with 1 for each
// group its people are in.
type OverlapReport struct {
	Report
	Sizes   []GroupSize // in the order in which they were asked for
	Union   Set         // who is in any
	Regions []Region    // the largest first; nobody is in the combinations that are not listed
}

// GroupSize is one of the groups.
type GroupSize struct {
	Name   string
	People int
}

// Region is the people who are in all groups of In and in none of the others.
type Region struct {
	In     []string
	People int
	Set    Set
}

// NamedSet is a set to compare with others.
type NamedSet struct {
	Name string
	Set  Set
}

// Overlap compares the members of 2 to 10 segments as of one instant: how many people are in exactly these and no others, for
// each combination that somebody is in.
func (s Segments) Overlap(ctx context.Context, names ...string) (OverlapReport, error) {
	sets := make([]NamedSet, len(names))
	var failed error
	if err := s.c.read(ctx, "segments.overlap", func(st *fold.State) {
		for i, name := range names {
			rows, ok := st.Members(name)
			if !ok {
				failed = notFound("segment", name)
				return
			}
			sets[i] = NamedSet{name, Set{s.c, rows}}
		}
	}); err != nil {
		return OverlapReport{}, err
	}
	if failed != nil {
		return OverlapReport{}, failed
	}
	return Overlap(sets...)
}

// Overlap compares 2 to 10 sets of any origin: segments now and then, previews, steps of a funnel. Their names differ. Of
// sets that were taken at several instants, who was linked with another profile in between counts as two people.
func Overlap(sets ...NamedSet) (out OverlapReport, err error) {
	if n := len(sets); n < 2 || n > insight.MaxOverlap {
		return out, &InvalidError{What: "Overlap", Reason: fmt.Sprintf("compares 2 to %d groups, not %d", insight.MaxOverlap, n)}
	}
	var q insight.Overlap
	var c *Client
	for _, s := range sets {
		if s.Name == "" || slices.Contains(q.Names, s.Name) {
			return out, &InvalidError{What: "Overlap", Reason: fmt.Sprintf("was given two groups named %q, or one without a name", s.Name)}
		}
		q.Names, q.Groups = append(q.Names, s.Name), append(q.Groups, s.Set.bits())
		if s.Set.c != nil {
			c = s.Set.c
		}
	}
	res := q.Run()
	out.Report = reportOf("Overlap", res, report.Regions)
	out.Union = Set{c, res.Union}
	for i, n := range res.Sizes {
		out.Sizes = append(out.Sizes, GroupSize{res.Names[i], n})
	}
	for _, r := range res.Regions {
		region := Region{People: int(r.People.GetCardinality()), Set: Set{c, r.People}}
		for i, name := range res.Names {
			if r.Has(i) {
				region.In = append(region.In, name)
			}
		}
		out.Regions = append(out.Regions, region)
	}
	return out, nil
}

// Exactly returns who is in all of the groups named and in none of the others.
func (o OverlapReport) Exactly(names ...string) Set {
	for _, r := range o.Regions {
		if len(r.In) == len(names) && !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(r.In, n) }) {
			return r.Set
		}
	}
	return Set{o.Union.c, roaring.New()}
}

// String draws the rows of an UpSet plot: a column a group, filled where the region's people are in it, and a bar.
func (o OverlapReport) String() string {
	const bar = 30
	var b strings.Builder
	for _, g := range o.Sizes {
		fmt.Fprintf(&b, "%s  ", g.Name)
	}
	b.WriteString("  people\n")
	for _, r := range o.Regions {
		for _, g := range o.Sizes {
			mark := "·"
			if slices.Contains(r.In, g.Name) {
				mark = "●"
			}
			width := utf8.RuneCountInString(g.Name)
			fmt.Fprintf(&b, "%s%s%s  ", strings.Repeat(" ", (width-1)/2), mark, strings.Repeat(" ", width-1-(width-1)/2))
		}
		fmt.Fprintf(&b, "%8d  %s\n", r.People, strings.Repeat("█", max(1, r.People*bar/o.Regions[0].People)))
	}
	for i, g := range o.Sizes {
		fmt.Fprintf(&b, "%s%s %d", map[bool]string{true: "", false: ", "}[i == 0], g.Name, g.People)
	}
	fmt.Fprintf(&b, "; any %d\n", o.Union.Len())
	return b.String()
}
