package plan

import (
	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/value"
)

// Source gives the sets a plan works on, all of one moment. Run does not write into what it is given.
type Source interface {
	// All are the rows the question is about.
	All() *roaring.Bitmap
	// Segment are the members of a segment; rows outside All are ignored.
	Segment(name string) *roaring.Bitmap
	// HasEvent are at least the rows that have an event of the type.
	HasEvent(typ string) *roaring.Bitmap
	// Attr are exactly the rows that have the attribute, with a value of its declared type, and for which the
	// comparison holds; false when there is no kernel for it.
	Attr(name string, op Op, lits []value.Value) (*roaring.Bitmap, bool)
}

// Run finds the rows for which the expression is true. row is the oracle: it tells whether the whole expression is true
// for a row, and is asked only for the candidates of a plan that is not exact.
func Run(p Physical, src Source, row func(uint32) bool) *roaring.Bitmap {
	candidates, exact := run(p.Root, src)
	if exact {
		return candidates
	}
	members := roaring.New()
	for it := candidates.Iterator(); it.HasNext(); {
		if r := it.Next(); row(r) {
			members.Add(r)
		}
	}
	return members
}

// run returns a new bitmap, and whether it holds no more than the rows asked for.
func run(op *Operator, src Source) (rows *roaring.Bitmap, exact bool) {
	switch op.Kind {
	case None:
		return roaring.New(), true
	case All:
		return src.All().Clone(), true
	case Segment:
		return within(src, src.Segment(op.Name), op.Negated), true
	case HasEvent:
		return within(src, src.HasEvent(op.Name), false), false
	case Kernel:
		if set, ok := src.Attr(op.Attr.Of.(Attr).Name, op.Attr.Op, op.Attr.Lits); ok {
			return within(src, set, op.Negated), true
		}
	case Intersect:
		rows, exact = src.All().Clone(), true
		for _, c := range op.Children {
			set, ok := run(c, src)
			rows.And(set)
			exact = exact && ok
			if rows.IsEmpty() {
				return rows, true // nothing can be added, so this is all
			}
		}
		return rows, exact
	case Union:
		rows, exact = roaring.New(), true
		for _, c := range op.Children {
			set, ok := run(c, src)
			rows.Or(set)
			exact = exact && ok
		}
		return rows, exact
	}
	return src.All().Clone(), false
}

// within holds a set to the rows asked about, or takes it from them.
func within(src Source, set *roaring.Bitmap, negated bool) *roaring.Bitmap {
	if negated {
		return roaring.AndNot(src.All(), set)
	}
	return roaring.And(src.All(), set)
}
