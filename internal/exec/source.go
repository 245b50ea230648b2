package exec

import (
	"iter"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/identity"
	"github.com/embedcdp/cdp/internal/value"
)

// Source is the data that a question is about, all of one moment. What it returns is not written to, and is asked for by
// one goroutine; columns are read by several.
type Source interface {
	// Rows is the number of profile rows.
	Rows() int
	// People are the canonical rows that the question is about.
	People() Set
	// Canonical says whose each row is now; nil when every row is its own.
	Canonical() identity.Canonicals
	// Segment are the members of a segment; nil is nobody. Rows outside People are ignored.
	Segment(name string) *roaring.Bitmap
	// Attr is the column of a profile attribute by canonical row, nil when there is none. It may be shorter than Rows.
	Attr(name string) *column.Column
	// Events are the events of a type, nil when there are none.
	Events(typ string) *Events
	// Versions are the times from which each version of a business object holds, in order; none when nobody knows it. An
	// event refers to the last version not after its time, or to the first.
	Versions(object, id string) []int64
	// At are the attributes of the version that holds at an instant; false when it is deleted then or unknown.
	At(object, id string, t int64) (get func(attr string) value.Value, ok bool)
	// Calendar is the portal's, and Now the instant of the question in microseconds.
	Calendar() celenv.Calendar
	Now() int64
	// True is the oracle: whether the whole expression is true for a row.
	True(row uint32) bool
}

// Events is the table of one type of event, a row an event in the order of arrival.
type Events struct {
	First  int // rows before it were dropped: a multiple of column.ChunkRows
	Rows   int
	Time   *column.Column                   // Int64, never absent
	Seq    *column.Column                   // Int64, never absent: its place among the events of all types in order of arrival
	Person *column.Column                   // Uint32: the row it came for; Canonical says whose that is
	Owners func(k int, keep bool) []uint32  // whose the events of a full chunk are, as Canonical says; nil when that is not at hand. With keep it is found and kept where it can be. Owners itself may be nil
	ID     *column.Column                   // Bytes; nil when nothing can ask for it
	Source *column.Column                   // Dict; absent is ""
	Attr   func(name string) *column.Column // nil when there is none
}

// people are the rows that the events of a chunk came for.
func (e *Events) people(k int) []uint32 {
	if rows := e.Person.Uints(k); rows != nil {
		return rows
	}
	return nobody[:min(column.ChunkRows, e.Rows-k*column.ChunkRows)] // a chunk of nothing but row 0 has no cells
}

var nobody [column.ChunkRows]uint32

// chunks yields the numbers of the chunks that have rows.
func (e *Events) chunks() iter.Seq[int] {
	return func(yield func(int) bool) {
		for k := e.First / column.ChunkRows; k*column.ChunkRows < e.Rows && yield(k); k++ {
		}
	}
}
