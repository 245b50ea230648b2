// Package live answers a segment's condition for one person, straight from the columns: what keeps memberships right
// as events come. It evaluates a typed logical plan (package plan) without allocating, and asks the caller for the parts
// that only CEL answers. Package roweval is the oracle it is tested against.
//
// Beside the answer an evaluation returns the earliest later instant at which the answer could change with no new data:
// a bound that may be early and is never late. Two things keep it far and the work small:
//
//   - A condition is asked for one side, whether it is true or whether it is false, never for the outcome. What decides is
//     enough: `a && b` is not true until a is, so while a is not, b is neither evaluated nor awaited.
//   - The limits of time on a list of events only ever move forward. So an event before them never comes back, a list is
//     walked from its newest event and no further than that, and a count stops where more events make no difference.
//
// Files:
//
//	live.go       what callers use
//	compile.go    a plan becomes nodes
//	logic.go      and, or, not, memberships, parts in CEL
//	compare.go    scalars and comparisons, with the instant at which one turns
//	values.go     attributes, fields of an event, moments
//	window.go     limits of time on a list of events
//	walk.go       the events of a list, newest first
//	count.go      counts against literals, quantifiers, counts per calendar unit
//	aggregate.go  sum, avg, min, max, first, last and their like
//	sequence.go   events one after another
//	watch.go      which events can change an answer
//
// For people with many events:
//
//	busy.go         what is kept instead of walking, for whom, and how much of it
//	stretch.go      follows one list of a person: what is new, what has left
//	eventrow.go     events in order of time, of which the oldest leave
//	keptevents.go   counts, first, last
//	keptsum.go      sums and numbers without end
//	keptextreme.go  min, max
//	keptvalues.go   countDistinct, mostFrequent
//	keptunits.go    counts per calendar unit
//	keptsequence.go sequences
//	keep.go         which of these is kept for which part of a condition
package live

import (
	"math"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// Source is where programs read. What it returns while a program is compiled stays valid as long as the program is used.
type Source interface {
	Type(name string) *Type          // nil when there is no such event type
	Attr(name string) *column.Column // current values by row, maybe shorter than the rows; nil when there is none
	InSegment(name string) func(row uint32) bool
	Object(typ, id string, at int64, attr string) value.Value // as a reference at that time binds
	Part(cel string) (Part, error)                            // for a condition that is known only as CEL
	Calendar() celenv.Calendar
	Busy() *Busy // what programs keep for people with many events; nil when they keep nothing
}

// Part answers a condition that is known only as CEL.
type Part interface {
	Outcome(row uint32, now int64) (plan.Outcome, int64)
	Events() []string // the event types it reads
}

// Type is an event type as programs read it. The events of one profile are a list: Heads holds the newest of a row (plus
// one), Prev the one before (plus one), in descending order of (time, Seq) unless the row is in Unordered.
type Type struct {
	Time, Seq, Source, ID *column.Column
	Heads, Prev           *column.Column
	Unordered             *roaring.Bitmap
	Lates                 map[uint32]uint32 // by row: how often an event was put behind others of its list
	Attr                  func(name string) *column.Column
}

// MaxLate is past how many later events of its list a late event may be put in its place.
const MaxLate = 64

// Never is the instant of what will not change by itself.
const Never = math.MaxInt64

// Person is whom programs are asked about, and the memory that evaluations use. It is reused from one to the next.
type Person struct {
	Row  uint32   // canonical
	Rows []uint32 // every row whose events are theirs
	Now  int64    // microseconds since 1970

	event    uint32 // the event a filter looks at
	walked   int    // how many events the last walk went through
	tallies  map[scalar]tally
	steps    [][]moment
	progress progress
}

// Program answers one condition. It holds cached calendar bounds: one goroutine uses it at a time, and all that share a Busy.
type Program struct {
	root         node
	watches      []Watch
	lists        []*Type
	tables       []*table
	rises, falls bool
}

// Lists returns the types of which it walks lists of events, some of them several times.
func (p *Program) Lists() []*Type { return p.lists }

// Holds tells whether the condition is true for a person, and the earliest instant after Now at which that can change with
// no new data; Never when it cannot.
func (p *Program) Holds(who *Person) (yes bool, next int64) { return p.root.holds(who, plan.IsTrue) }

// Settled tells whether no new event can change an answer that is yes or no as given: one more purchase does not end
// `events.purchase.within("30d").size() >= 3`, and puts off when time will.
func (p *Program) Settled(yes bool) bool {
	if yes {
		return !p.falls
	}
	return !p.rises
}

// node is a condition about a person, or inside a filter about an event of theirs.
type node interface {
	// holds tells whether the condition has the outcome, true or false, and until when that is sure.
	holds(who *Person, side plan.Outcome) (yes bool, next int64)
	cost() int
	// moved tells in which directions new events can move the condition: from false or an error to true or from false to
	// an error (rises), and back (falls).
	moved() (rises, falls bool)
}

// The order in which parts are asked.
const (
	costFree      = iota
	costMember    // a bitmap
	costAttribute // a column
	costCount     // events, until enough are found
	costEvents    // events, all within the limits
	costCEL
)
