package cdp

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/schema"
)

// ForecastOptions say what a forecast is broken down by.
type ForecastOptions struct {
	By  []string // attributes of the profile that hold one value, not lists and objects; each once
	Top int      // values listed of each attribute, the others together are Other. Default: 20; negative is an error
}

// Forecast is who would be in a segment, before it is saved, and how they differ from everybody. All numbers are exact and of
// one instant.
type Forecast struct {
	Count      int     // members
	Population int     // customers, or visitors: whom the segment is about
	Share      float64 // Count of Population; 0 when there is nobody
	Members    Set
	By         []Breakdown // in the order of ForecastOptions.By
}

// Breakdown is the members by the values of one attribute.
type Breakdown struct {
	Attribute string
	Values    []BreakdownValue // those of the most members first
	Other     BreakdownValue   // all values that are not listed together
	Absent    BreakdownValue   // people who do not have the attribute
}

// BreakdownValue is the people with one value.
type BreakdownValue struct {
	Value      any     // a string, float64, bool or UTC time.Time; nil for Other and Absent
	Members    int     // with this value
	Population int     // of everybody, with this value
	Share      float64 // Members of Population: 0.25 says that a quarter of those with the value are members
}

// Forecast says how many people would be in a segment, of how many, and how they are spread over attributes. Nothing is
// written, intake goes on meanwhile, and the segment needs no name. A nil opt gives the numbers without attributes.
func (s Segments) Forecast(ctx context.Context, seg Segment, opt *ForecastOptions) (Forecast, error) {
	o := ForecastOptions{}
	if opt != nil {
		o = *opt
	}
	if o.Top < 0 {
		return Forecast{}, &InvalidError{What: "ForecastOptions.Top", Reason: fmt.Sprintf("is %d: list a number of values, or 0 for 20", o.Top)}
	}
	if o.Top == 0 {
		o.Top = 20
	}
	def, err := unsaved(seg)
	if err != nil {
		return Forecast{}, err
	}
	var f *fold.Forecast
	var problem error
	if err := s.c.read(ctx, "segments.forecast", func(st *fold.State) {
		if problem = checkBreakdown(st.Catalogue.Profile, o.By); problem != nil {
			return
		}
		if f, problem = st.ForecastSegment(def, max(st.Now, s.c.Now().UnixMicro()), o.By); problem != nil {
			problem = &DefinitionError{"segment", seg.Name, problem}
		}
	}); err != nil {
		return Forecast{}, err
	}
	if problem != nil {
		return Forecast{}, problem
	}
	var out Forecast
	err = s.c.engine.Compute(func() { out = s.forecast(f, o) })
	return out, err
}

func (s Segments) forecast(f *fold.Forecast, o ForecastOptions) Forecast {
	members, everybody := f.Members(), f.Population()
	out := Forecast{Count: int(members.GetCardinality()), Population: int(everybody.GetCardinality()), Members: Set{s.c, members}}
	out.Share = share(out.Count, out.Population)
	for _, attr := range o.By {
		out.By = append(out.By, breakdown(f, attr, o.Top, members, everybody))
	}
	return out
}

func breakdown(f *fold.Forecast, attr string, top int, members, everybody *roaring.Bitmap) Breakdown {
	shares, absent := f.By(attr, members, everybody)
	out := Breakdown{Attribute: attr, Absent: breakdownValue(absent)}
	var other fold.Share
	for i, s := range shares {
		if i < top {
			out.Values = append(out.Values, breakdownValue(s))
			continue
		}
		other.Members, other.Population = other.Members+s.Members, other.Population+s.Population
	}
	out.Other = breakdownValue(other)
	return out
}

func breakdownValue(s fold.Share) BreakdownValue {
	out := BreakdownValue{Members: s.Members, Population: s.Population, Share: share(s.Members, s.Population)}
	if !s.Value.IsAbsent() {
		out.Value = s.Value.Go()
	}
	return out
}

func share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// checkBreakdown refuses attributes that nobody declared, that hold several values, or that are named twice.
func checkBreakdown(profile schema.Attrs, by []string) error {
	for i, name := range by {
		decl, ok := profile[name]
		switch {
		case !ok:
			return &InvalidError{What: "ForecastOptions.By", Reason: fmt.Sprintf("names %q, which is no attribute of profiles%s", name, schema.DidYouMean(name, profile.Names()))}
		case decl.Type.Elem() != "" || decl.Type == schema.Object:
			return &InvalidError{What: "ForecastOptions.By", Reason: fmt.Sprintf("names %q, which is of type %s: name attributes that hold one value", name, decl.Type)}
		case slices.Contains(by[:i], name):
			return &InvalidError{What: "ForecastOptions.By", Reason: fmt.Sprintf("names %q twice", name)}
		}
	}
	return nil
}

// String draws the forecast as a table.
func (f Forecast) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d (%.1f %%)\n", f.Count, f.Population, 100*f.Share)
	for _, by := range f.By {
		fmt.Fprintf(&b, "by %s\n", by.Attribute)
		line := func(name string, v BreakdownValue) {
			if v.Population > 0 {
				fmt.Fprintf(&b, "  %-20s %8d of %8d (%.1f %%)\n", name, v.Members, v.Population, 100*v.Share)
			}
		}
		for _, v := range by.Values {
			line(fmt.Sprint(v.Value), v)
		}
		line("(other)", by.Other)
		line("(absent)", by.Absent)
	}
	return b.String()
}
