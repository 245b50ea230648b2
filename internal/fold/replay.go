package fold

import (
	"fmt"
	"math"
	"slices"

	"github.com/embedcdp/cdp/internal/column"
)

// replay derives who belongs to whom and the profiles' attributes from the tables: links and sets in their common order, as
// when they came. A checkpoint is loaded by it, and the past is asked with it.
type replay struct {
	s     *State // its identity and attributes are derived; they begin with all rows, none linked
	until int64  // sets with a later time do not count

	sets, links places
	set, link   int // the next ones

	setQ, setRow, setTime, setAttr, setValue, linkQ, linkRow, linkInto, linkOK *column.Column

	attributes []*attribute // by code in the table of sets
}

// places are the rows of a table that count: the first n, or only some.
type places struct {
	n    int
	some []uint32 // nil is all
}

func (p places) at(i int) uint32 {
	if p.some != nil {
		return p.some[i]
	}
	return uint32(i)
}

// newReplay prepares to replay the first rows of the tables; with only, what they say of these profile rows.
func newReplay(s *State, sets, links int, until int64, only []uint32) *replay {
	r := &replay{s: s, until: until, sets: places{n: sets}, links: places{n: links},
		setQ: s.sets.Column("q"), setRow: s.sets.Column("row"), setTime: s.sets.Column("t"), setAttr: s.sets.Column("attr"), setValue: s.sets.Column("value"),
		linkQ: s.links.Column("q"), linkRow: s.links.Column("row"), linkInto: s.links.Column("into"), linkOK: s.links.Column("ok")}
	if only != nil {
		r.sets = placesOf(r.setRow, sets, only)
		if r.links = (places{}); len(only) > 1 {
			r.links = placesOf(r.linkRow, links, only)
		}
	}
	return r
}

// placesOf finds which of the first n cells of a column are one of a few values.
func placesOf(c *column.Column, n int, values []uint32) places {
	some := []uint32{}
	low, high := slices.Min(values), slices.Max(values)
	for k := 0; k*column.ChunkRows < n; k++ {
		first, end := k*column.ChunkRows, min((k+1)*column.ChunkRows, n)
		cells := c.Uints(k)
		if cells == nil { // all are 0
			for i := first; i < end && low == 0; i++ {
				some = append(some, uint32(i))
			}
			continue
		}
		for i, v := range cells[:end-first] {
			if low <= v && v <= high && slices.Contains(values, v) {
				some = append(some, uint32(first+i))
			}
		}
	}
	return places{len(some), some}
}

// step replays at most n changes, and says whether none is left.
func (r *replay) step(n int) (done bool, err error) {
	for range n {
		moreSets, moreLinks := r.set < r.sets.n, r.link < r.links.n
		switch {
		case moreLinks && (!moreSets || r.linkQ.Int(r.links.at(r.link)) < r.setQ.Int(r.sets.at(r.set))):
			err = r.applyLink(r.links.at(r.link))
			r.link++
		case moreSets:
			err = r.applySet(r.sets.at(r.set))
			r.set++
		default:
			return true, nil
		}
		if err != nil {
			return true, err
		}
	}
	return false, nil
}

func (r *replay) applyLink(i uint32) error {
	row, into, ids := r.linkRow.Uint(i), r.linkInto.Uint(i), r.s.ids
	if ok, _ := r.linkOK.Bool(i); !ok {
		return nil
	}
	if int(max(row, into)) >= ids.Rows() {
		return fmt.Errorf("table \"links\", row %d: no such profile", i)
	}
	from := ids.Canonical(row)
	if err := ids.Link(row, into); err != nil {
		return fmt.Errorf("table \"links\", row %d: %w", i, err)
	}
	r.s.mergeAttributes(from, ids.Canonical(into))
	return nil
}

func (r *replay) applySet(i uint32) error {
	row, at := r.setRow.Uint(i), r.setTime.Int(i)
	if at > r.until {
		return nil
	}
	if int(row) >= r.s.ids.Rows() {
		return fmt.Errorf("table \"sets\", row %d: no such profile", i)
	}
	a := r.attribute(i)
	if a == nil {
		return fmt.Errorf("table \"sets\", row %d: unknown attribute %q", i, r.setAttr.Str(i))
	}
	who, bytes := r.s.ids.Canonical(row), r.setValue.Bytes(i)
	if a.has(who) && a.at.Int(who) > at {
		return nil
	}
	// What came late was kept whatever it said. Where the later change that made it late does not count, it may set what is
	// current, and such a set does not renew the time of the value: see setAttribute.
	if r.until != math.MaxInt64 && bytes != nil && sameBytes(getCell2(a.now, who), bytes) {
		return nil
	}
	a.put(who, bytes, at)
	return nil
}

func (r *replay) attribute(i uint32) *attribute {
	code := int(r.setAttr.Code(i))
	if code >= len(r.attributes) {
		r.attributes = append(r.attributes, make([]*attribute, code+1-len(r.attributes))...)
	}
	if r.attributes[code] == nil {
		r.attributes[code] = r.s.attrs[r.setAttr.Str(i)]
	}
	return r.attributes[code]
}
