package fold

import (
	"cmp"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/value"
)

// Forecast is a preview with all it takes to say how its members differ from everybody, as of one moment.
type Forecast struct {
	*Preview
	frozen   *State // with the attributes asked by
	visitors bool
}

// ForecastSegment prepares a forecast for one instant. The attributes of by are declared.
func (s *State) ForecastSegment(d *SegmentDef, now int64, by []string) (*Forecast, error) {
	p, err := s.PreviewSegment(d, now)
	if err != nil {
		return nil, err
	}
	return &Forecast{p, s.Freeze(celenv.Deps{Attrs: by}, false), d.Of == "visitors"}, nil
}

// Population is everybody whom the segment is about.
func (f *Forecast) Population() *roaring.Bitmap {
	all := roaring.New()
	for row := range f.frozen.Profiles(f.visitors) {
		all.Add(row)
	}
	return all
}

// Share is how many of some people are members. Its Value is absent for those who have none.
type Share struct {
	Value               value.Value
	Members, Population int
}

// scalar is a value that is neither a list nor an object, to compare by ==.
type scalar struct {
	kind value.Kind
	num  float64
	time int64
	str  string
}

// By counts members and population by each value of an attribute: those of the most members first, then of the most people,
// then in the order of values. The attribute holds no lists and no objects.
func (f *Forecast) By(attr string, members, population *roaring.Bitmap) (shares []Share, absent Share) {
	col := f.frozen.attrs[attr].now
	at := map[scalar]int{}
	codes := []int{} // of a dictionary: place in shares plus one, so that texts are compared by code
	for it := population.Iterator(); it.HasNext(); {
		row := it.Next()
		var s *Share
		if col.Kind() == column.Dict {
			code := int(col.Code(row))
			if code == 0 {
				s = &absent
			} else {
				for len(codes) <= code {
					codes = append(codes, 0)
				}
				if codes[code] == 0 {
					shares = append(shares, Share{Value: value.Str(col.Str(row))})
					codes[code] = len(shares)
				}
				s = &shares[codes[code]-1]
			}
		} else if v := getCell2(col, row); v.IsAbsent() {
			s = &absent
		} else {
			k := scalar{v.Kind, v.Num, v.Time, v.Str}
			i, ok := at[k]
			if !ok {
				i = len(shares)
				at[k] = i
				shares = append(shares, Share{Value: v})
			}
			s = &shares[i]
		}
		s.Population++
		if members.Contains(row) {
			s.Members++
		}
	}
	slices.SortFunc(shares, func(a, b Share) int {
		return cmp.Or(cmp.Compare(b.Members, a.Members), cmp.Compare(b.Population, a.Population),
			cmp.Compare(a.Value.Num, b.Value.Num), cmp.Compare(a.Value.Time, b.Value.Time), cmp.Compare(a.Value.Str, b.Value.Str))
	})
	return shares, absent
}
