package insight

import (
	"errors"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/parallel"
)

// Order says what it takes to go from one step of a funnel to the next.
type Order string

const (
	// Ordered asks for the steps one after another; anything may happen in between. The default.
	Ordered Order = "ordered"
	// Strict asks that between a step and the next nothing happens but the former step again: no event of another step
	// and none of Funnel.Other. What breaks a chain ends it; a later first step starts a new one.
	Strict Order = "strict"
	// AnyOrder asks for the steps in whatever order within the window. Step k of the result counts who did k of them.
	AnyOrder Order = "any"
)

// MaxSteps is the most steps a funnel may have.
const MaxSteps = 10

// Funnel asks how far people get through its steps.
//
// Each person's best chain counts, whichever first step it starts from. A chain is one event a step, in the order
// (time, position), all within Window of its first: first.time <= e.time <= first.time + Window, both ends included.
//
// Events at the same instant: with positions (Chunk.Pos) they follow each other as in the log. Without, a step at the
// instant of the step before counts, whichever was logged first (as in ClickHouse's windowFunnel). StrictIncrease asks
// for a later instant. One event serves one step of a chain, which the funnel can only see with positions: give them
// where two steps may hold the same event. With Reuse one event may serve several steps, as in windowFunnel.
//
// Of the chains that reach a person's highest step, times and breakdown use the one that ends first; among those the
// one that starts last; in between, each step's earliest event that follows the step before.
type Funnel struct {
	Steps  []Step
	Window int64 // microseconds; 0 is no limit
	Order  Order // "" is Ordered

	StrictIncrease bool
	Reuse          bool
	Other          Stream          // Strict: what else breaks a chain. It may hold the steps' own events. Needs positions everywhere.
	Range          Range           // of the first step; later steps may lie after it
	People         *roaring.Bitmap // only these; nil is everybody

	Times bool // compute times to convert (not for AnyOrder)
	Lists bool // list who reached and who dropped

	// GroupName breaks the funnel down by the group code of the chain's first event (not for AnyOrder). Nil is no
	// breakdown. Top keeps the groups with the most people and puts the others together as "other"; 0 keeps all.
	GroupName func(code uint32) string
	Top       int

	// Workers splits the people, all with rows below Rows, into equal ranges that are read at the same time; streams
	// must allow it. 0 and 1 read in the caller's goroutine. The result is the same.
	Workers int
	Rows    uint32

	walkOnly bool // tests: not by buckets
}

// Step is one step: a name and the events that take it.
type Step struct {
	Name   string
	Events Stream
}

// FunnelResult is how many people reached each step.
type FunnelResult struct {
	Steps  []StepResult
	Groups []FunnelGroup // by people at the first step, the largest first, "other" last
}

// StepResult is one step of a result.
type StepResult struct {
	Name   string
	People int64

	FromPrevious Times // from the step before; only with Funnel.Times
	FromFirst    Times // from the first step

	Reached *roaring.Bitmap // who reached the step; only with Funnel.Lists
	Dropped *roaring.Bitmap // who reached it and not the next; empty for the last step
}

// Times sums up durations in microseconds. The zero Times stands for nobody.
type Times struct {
	People int64
	Median int64 // middle duration; of two middle ones their mean, rounded down
	Mean   int64 // rounded down
}

// FunnelGroup is one group's people at each step.
type FunnelGroup struct {
	Name    string
	Code    uint32
	Other   bool // the rest
	NoGroup bool // whose first event lacks the attribute
	People  []int64
}

// Ratio is a rate that keeps its parts, so that rates of several groups add up rightly.
type Ratio struct{ Num, Den int64 }

// Value is Num/Den; false where Den is 0.
func (r Ratio) Value() (float64, bool) {
	if r.Den == 0 {
		return 0, false
	}
	return float64(r.Num) / float64(r.Den), true
}

// OfPrevious is the share of the people of step k-1 (of the same step for the first) who reached step k.
func (r *FunnelResult) OfPrevious(k int) Ratio {
	return Ratio{r.Steps[k].People, r.Steps[max(k-1, 0)].People}
}

// OfFirst is the share of the people of the first step who reached step k.
func (r *FunnelResult) OfFirst(k int) Ratio {
	return Ratio{r.Steps[k].People, r.Steps[0].People}
}

// Run computes the funnel.
func (q Funnel) Run() (*FunnelResult, error) {
	if err := q.validate(); err != nil {
		return nil, err
	}
	if !q.walkOnly {
		if t, err, ok := q.byBuckets(); err != nil {
			return nil, err
		} else if ok {
			return t.result(), nil
		}
	}
	workers := max(q.Workers, 1)
	for _, st := range q.Steps {
		for _, run := range st.Events {
			if !run.Sorted {
				workers = 1 // each would sort all of it
			}
		}
	}
	parts := make([]*tally, workers)
	errs := make([]error, workers)
	parallel.Do(workers, func(i int) {
		from, to := uint64(0), uint64(nobody)
		if i > 0 {
			from = uint64(q.Rows) * uint64(i) / uint64(workers)
		}
		if i < workers-1 {
			to = uint64(q.Rows) * uint64(i+1) / uint64(workers)
		}
		parts[i], errs[i] = q.part(from, to)
	})
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, p := range parts[1:] {
		parts[0].merge(p)
	}
	return parts[0].result(), nil
}

// part tallies the people from <= row < to.
func (q *Funnel) part(from, to uint64) (*tally, error) {
	w := newWalk(q, from, to)
	defer w.stop()
	out := newTally(q)
	switch q.Order {
	case AnyOrder:
		for w.next() {
			out.add(w.person, w.anyOrder(), nil, 0)
		}
	case Strict:
		for w.next() {
			level, times, code := w.strict()
			out.add(w.person, level, times, code)
		}
	default:
		for w.next() {
			level, times, code := w.ordered(q.Times)
			out.add(w.person, level, times, code)
		}
	}
	return out, w.err
}

func (q Funnel) validate() error {
	switch {
	case len(q.Steps) == 0:
		return fmt.Errorf("a funnel needs a step; give 1 to %d", MaxSteps)
	case len(q.Steps) > MaxSteps:
		return fmt.Errorf("the funnel has %d steps; give 1 to %d", len(q.Steps), MaxSteps)
	case q.Window < 0:
		return fmt.Errorf("the funnel's window is %d µs; use 0 for no limit", q.Window)
	case !q.Range.all() && q.Range.To <= q.Range.From:
		return fmt.Errorf("the funnel's range is empty: from %d to %d; To must be after From", q.Range.From, q.Range.To)
	case q.Workers > 1 && q.Rows == 0:
		return fmt.Errorf("the funnel has %d workers and does not know the number of rows to split; set Rows", q.Workers)
	}
	switch q.Order {
	case "", Ordered:
	case Strict:
	case AnyOrder:
		if q.Times || q.GroupName != nil {
			return fmt.Errorf("a funnel in any order has no first step; leave out Times and GroupName")
		}
	default:
		return fmt.Errorf("unknown funnel order %q; use ordered, strict or any", q.Order)
	}
	if q.Other != nil && q.Order != Strict {
		return fmt.Errorf("Other matters to a strict funnel only; leave it out or set Order to strict")
	}
	return nil
}
