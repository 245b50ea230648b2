// Package exec carries out physical plans over columns: it finds all people for whom a condition is true, a set at a time
// instead of a person at a time. It does no I/O, reads no clock and takes no lock; the data comes from a Source.
//
//	source.go      the data it asks for
//	run.go         the tree of operators, and the oracle for those who are left
//	set.go         sets of rows as words
//	compare.go     comparisons in bulk, 64 values to a word; scalar.go compares one
//	bytes.go       the same for codes and ranks of one byte, eight at a time
//	vector.go      where values come from: attributes, fields of events, what was computed
//	reference.go   attributes of business objects that events refer to
//	arith.go       arithmetic on numbers
//	cells.go       texts without a limit and ids, cell by cell; lists.go elements of lists
//	cond.go        && || ! and comparisons over the items of a frame, on one side
//	compile.go     conditions of a plan as conds
//	attribute.go   conditions about profiles: one pass over the vectors
//	leaf.go        which of the following answers a condition about events; shortcut.go when less is enough
//	window.go      bounds of time as limits, the same for all or by person
//	scan.go        one pass over the events of a type, on both cores (parallel.go)
//	count.go       exists, all, exists_one, size
//	sum.go         sum and avg, exactly rounded
//	extreme.go     min, max, first, last; slots.go a time for each of a few people
//	units.go       counts by calendar day, week, month
//	sequence.go    events one after another; dealt.go brings the events of several lists into order by person
//	group.go       the events of each person side by side: countDistinct, mostFrequent (tally.go), exact sums
//	explain.go     rows and time of each operator
package exec

import (
	"math"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/identity"
	"github.com/embedcdp/cdp/internal/plan"
)

// Run finds the rows for which the expression is true. The oracle is asked only about rows that the plan can neither
// take nor leave.
func Run(p plan.Physical, src Source) *roaring.Bitmap {
	return newRun(src).answer(p).Bitmap()
}

// run is one plan being carried out.
type run struct {
	src   Source
	now   int64
	rows  int            // there is nobody from here on
	asked int            // people the question is about
	whose owners         // of events
	trace *trace         // nil unless somebody wants figures
	known map[string]Set // by type of event: people who surely have one that is not in the future

	odd atomic.Bool // an aggregate met a result that is no number: see computedNumbers
}

// newRun cuts off the rows behind the last person asked about: most rows may be visitors who belong to somebody before them.
func newRun(src Source) *run {
	people := src.People()
	n := len(people)
	for n > 0 && people[n-1] == 0 {
		n--
	}
	r := &run{src: src, now: src.Now(), rows: src.Rows(), asked: people.Len(), whose: owners{src.Canonical(), math.MaxUint32}}
	if last := n * 64; last < r.rows {
		r.rows, r.whose.nobody = last+1, uint32(last)
	}
	return r
}

// owners tell whose a row is.
type owners struct {
	canonical identity.Canonicals // nil: every row is its own
	nobody    uint32              // stands for all rows from here on
}

func (o *owners) of(row uint32) uint32 {
	if o.canonical != nil {
		row = o.canonical.Of(row)
	}
	return min(row, o.nobody)
}

// ofChunk returns the rows of a chunk's events, and the owners of those. all says that all of them will be looked up.
func (o owners) ofChunk(ev *Events, k int, all bool) ([]uint32, owners) {
	if o.canonical != nil && ev.Owners != nil {
		if own := ev.Owners(k, all); own != nil {
			o.canonical = nil
			return own, o
		}
	}
	return ev.people(k), o
}

// list writes whose each of the rows is to out.
func (o *owners) list(rows, out []uint32) {
	out = out[:len(rows)]
	canonical, nobody := o.canonical, o.nobody // the compiler would read them again for each row
	if canonical == nil {
		for i, row := range rows {
			out[i] = min(row, nobody)
		}
		return
	}
	for i, row := range rows {
		out[i] = min(canonical.Of(row), nobody)
	}
}

// plain says that every row is its own.
func (o *owners) plain() bool { return o.canonical == nil && o.nobody == math.MaxUint32 }

func (r *run) answer(p plan.Physical) Set {
	rows := NewSet(r.rows)
	copy(rows, r.src.People())
	var sure Set
	if r.now > earliest && r.now < latest {
		sure = r.narrow(p.Root, rows)
	} else {
		sure = r.nowhere(rows)
	}
	if sure == nil {
		return rows
	}
	left := rows.clone()
	left.andNot(sure)
	done := r.trace.begin("the oracle, row by row", left)
	left.each(func(row uint32) {
		if r.src.True(row) {
			sure.Add(row)
		}
	})
	done(sure)
	return sure
}

// Between these, in microseconds, all that a plan can compute from now lies in the years that CEL knows. A clock beyond them
// is the oracle's alone.
const (
	earliest = -14_000_000_000_000_000 // about the year 1526
	latest   = 190_000_000_000_000_000 // about the year 7990
)

// nowhere is of no row that anything is known about it.
func (r *run) nowhere(rows Set) Set { return make(Set, len(rows)) }

// narrow takes from rows those for which the operator's part surely has not the outcome asked for. It returns those
// among the rest for which it surely has, or nil when these are all.
func (r *run) narrow(op *plan.Operator, rows Set) (sure Set) {
	if op.Kind == plan.Intersect || op.Kind == plan.Union {
		defer r.trace.enter(op)()
	} else if r.trace != nil {
		done := r.trace.begin(op.Line(), rows)
		defer func() { done(rows) }()
	}
	switch op.Kind {
	case plan.None:
		clear(rows)
	case plan.All:
	case plan.Segment:
		members := fromBitmap(r.src.Segment(op.Name), r.rows)
		if op.Negated {
			rows.andNot(members)
		} else {
			rows.and(members)
		}
	case plan.HasEvent:
		rows.and(r.haveEvent(op.Name))
		return r.nowhere(rows)
	case plan.Kernel:
		if !r.attributes([]*plan.Operator{op}, rows) {
			return r.nowhere(rows)
		}
	case plan.Scan:
		if !r.scanned(op, rows) {
			r.trace.note("no kernel for these columns")
			return r.nowhere(rows)
		}
	case plan.Intersect:
		return r.intersect(op.Children, rows)
	case plan.Union:
		return r.unite(op.Children, rows)
	default:
		return r.nowhere(rows)
	}
	return nil
}

// intersect narrows by one part after the other, the cheap ones first, so that the dear ones look at fewer rows. Several
// parts about attributes are done together. Before the first scan comes what any of them implies and costs little.
func (r *run) intersect(ops []*plan.Operator, rows Set) (sure Set) {
	implied := len(ops) == 1
	for i := 0; i < len(ops); i++ {
		to := i
		for to < len(ops) && ops[to].Kind == plan.Kernel {
			to++
		}
		if r.trace == nil && to-i > 1 && r.attributes(ops[i:to], rows) {
			i = to - 1
			continue
		}
		if ops[i].Kind == plan.Scan && !implied {
			implied = true
			for _, op := range ops[i:] {
				r.implied(op, rows)
			}
		}
		s := r.narrow(ops[i], rows)
		switch {
		case s == nil:
		case sure == nil:
			sure = s
		default:
			sure.and(s)
		}
		if rows.empty() {
			return nil
		}
	}
	if sure != nil {
		sure.and(rows)
	}
	return sure
}

// unite asks each part about the rows that no part before it was sure of.
func (r *run) unite(ops []*plan.Operator, rows Set) (sure Set) {
	maybe := make(Set, len(rows))
	sure = make(Set, len(rows))
	for _, op := range ops {
		rest := rows.clone()
		rest.andNot(sure)
		s := r.narrow(op, rest)
		maybe.or(rest)
		if s == nil {
			s = rest
		}
		sure.or(s)
	}
	copy(rows, maybe)
	if sure.equal(maybe) {
		return nil
	}
	return sure
}

// haveEvent are the people with an event of the type, whenever: one dated in the future will happen by itself.
func (r *run) haveEvent(typ string) Set {
	out := NewSet(r.rows)
	if ev := r.src.Events(typ); ev != nil {
		for k := range ev.chunks() {
			people, whose := r.whose.ofChunk(ev, k, true)
			for _, row := range people {
				out.Add(whose.of(row))
			}
		}
	}
	return out
}
