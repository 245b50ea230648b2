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
	s           *State   // its identity and attributes are derived; they begin with all rows, none linked
	sets, links int      // how many rows of the tables count, from the first on
	until       int64    // sets with a later time do not count
	only        []uint32 // the rows to derive; nil is all

	set, link  uint32       // the next ones
	attributes []*attribute // by code in the table of sets
	setQ, setRow, setTime, setAttr,
	linkQ, linkRow, linkInto, linkOK *column.Column
	setValue *column.Column
}

func newReplay(s *State, sets, links int, until int64, only []uint32) *replay {
	return &replay{s: s, sets: sets, links: links, until: until, only: only,
		setQ: s.sets.Column("q"), setRow: s.sets.Column("row"), setTime: s.sets.Column("t"), setAttr: s.sets.Column("attr"), setValue: s.sets.Column("value"),
		linkQ: s.links.Column("q"), linkRow: s.links.Column("row"), linkInto: s.links.Column("into"), linkOK: s.links.Column("ok")}
}

// step replays at most n changes, and says whether none is left.
func (r *replay) step(n int) (done bool, err error) {
	for range n {
		moreSets, moreLinks := int(r.set) < r.sets, int(r.link) < r.links
		switch {
		case moreLinks && (!moreSets || r.linkQ.Int(r.link) < r.setQ.Int(r.set)):
			err = r.applyLink(r.link)
			r.link++
		case moreSets:
			err = r.applySet(r.set)
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

func (r *replay) skips(row uint32) bool { return r.only != nil && !slices.Contains(r.only, row) }

func (r *replay) applyLink(i uint32) error {
	row, into, ids := r.linkRow.Uint(i), r.linkInto.Uint(i), r.s.ids
	if ok, _ := r.linkOK.Bool(i); !ok || r.skips(row) {
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
	if r.skips(row) || at > r.until {
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
	// What came late was kept whatever it said. Where the later one that made it late does not count, it may say nothing new,
	// and that never moves the time of a value: see setAttribute.
	if r.until != math.MaxInt64 && sameBytes(getCell2(a.now, who), bytes) {
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
