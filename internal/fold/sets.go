package fold

import (
	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/exec"
	"github.com/embedcdp/cdp/internal/identity"
)

// question gives package exec the data of the state, for one condition about customers or visitors at one instant. It
// implements exec.Source.
type question struct {
	*State
	visitors bool
	at       int64
	is       func(row uint32) bool // the oracle
}

func (q question) People() exec.Set               { return q.ids.People(q.visitors) }
func (q question) Canonical() identity.Canonicals { return q.ids.Canonicals() }
func (q question) Calendar() celenv.Calendar      { return celenv.CalendarOf(q.Catalogue) }
func (q question) Now() int64                     { return q.at }
func (q question) True(row uint32) bool           { return q.is(row) }
func (q question) Versions(typ, id string) []int64 {
	o := q.objects[typ]
	if o == nil {
		return nil
	}
	versions := q.past.versions(o.versions.get(id))
	from := make([]int64, len(versions))
	for i := range versions {
		from[i] = versions[i].from
	}
	return from
}

func (q question) Segment(name string) *roaring.Bitmap {
	if seg := q.segNamed[name]; seg != nil {
		return seg.members
	}
	return nil
}

func (q question) Attr(name string) *column.Column {
	if a := q.attrs[name]; a != nil {
		return a.now
	}
	return nil
}

func (q question) Events(typ string) *exec.Events {
	t := q.typeNamed[typ]
	if t == nil {
		return nil
	}
	n := t.tab.Len()
	if q.past != nil {
		n = q.past.length(t)
	}
	if n <= int(t.gone.Rows) {
		return nil
	}
	return &exec.Events{First: int(t.gone.Rows), Rows: n, Time: t.time.First(n), Seq: t.seq.First(n), ID: t.eid.First(n), Person: t.row.First(n), Source: t.source.First(n),
		Owners: func(k int, keep bool) []uint32 { return q.owners(t, k, keep) },
		Attr: func(name string) *column.Column {
			if c := t.cols[name]; c != nil {
				return c.col.First(n)
			}
			return nil
		}}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
