package exec

import (
	"cmp"
	"math"
	"slices"
	"sync/atomic"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/parallel"
	"github.com/embedcdp/cdp/internal/plan"
)

// This file answers sequences: an event of each step after one of the step before, the last at most so long after the first.
//
// As in a report's funnel (package insight), events are not sorted by person but dealt out to buckets of people that are
// next to each other (dealt.go), and one pass over a bucket's events in order keeps for each person, by step, when the
// chain that has come there started. Of all chains at a step the one that started last has the longest left, so it is
// enough to keep that one; and a chain that came later to a step started no earlier, so the newest is that one.

// maxDealt bounds the events that are dealt out at a time, of 16 bytes each. More people than fit take several passes.
var maxDealt = 16 << 20

// sequenced narrows rows by a sequence, or by its contrary. People for whom the instant of a bound is absent are taken from
// rows either way.
func (r *run) sequenced(n plan.Sequence, want bool, rows Set) bool {
	if len(n.Steps) > maxSteps {
		return false
	}
	scans := make([]*scan, len(n.Steps))
	events, never := 0, false
	for k, list := range n.Steps {
		var ok bool
		if scans[k], ok = r.scan(list, nil, rows); !ok {
			return false
		}
		if never = never || scans[k] == nil; scans[k] != nil {
			events += len(scans[k].pieces()) * column.ChunkRows
		}
	}
	found := NewSet(r.rows)
	if !never {
		for _, part := range ranges(rows, (events+maxDealt-1)/maxDealt) {
			r.chains(scans, n.Within, part, found)
		}
	}
	if want {
		rows.and(found)
	} else {
		rows.andNot(found)
	}
	return true
}

// ranges splits a set into so many sets of neighbours.
func ranges(rows Set, n int) []Set {
	if n <= 1 {
		return []Set{rows}
	}
	out := make([]Set, n)
	for i := range out {
		out[i] = make(Set, len(rows))
		from, to := len(rows)*i/n, len(rows)*(i+1)/n
		copy(out[i][from:to], rows[from:to])
	}
	return out
}

// chains adds to found those of people who have the sequence. The rarest step is dealt first, and the others only for who has
// an event of it.
func (r *run) chains(scans []*scan, within int64, people, found Set) {
	order := make([]int, len(scans))
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(len(scans[a].pieces()), len(scans[b].pieces())) })
	d := &dealt{steps: make([][]*dealing, len(scans)), rows: r.rows}
	for _, k := range order {
		sc := *scans[k]
		sc.rows = people
		d.steps[k] = sc.deal(k, d.rows)
		with := NewSet(d.rows)
		for _, part := range d.steps[k] {
			with.or(part.who)
		}
		if people = with; people.empty() {
			return
		}
	}
	var next atomic.Int64
	buckets := (d.rows + bucketSize - 1) / bucketSize
	parallel.Do(min(workersFor(d.len()), buckets), func(int) {
		w := &chainWalk{dealt: d, within: within, started: make([]int64, bucketSize*len(scans))}
		for b := int(next.Add(1)) - 1; b < buckets; b = int(next.Add(1)) - 1 {
			letOthersIn()
			w.bucket(b, found)
		}
	})
}

// chainWalk follows the chains of one bucket after the other. Buckets are whole words of found, so goroutines share it.
type chainWalk struct {
	*dealt
	within  int64
	started []int64 // by person of the bucket and step: when the chain there started
	merger  stampMerger
}

const neverStarted = math.MinInt64

func (w *chainWalk) bucket(b int, found Set) {
	stamps := w.merger.bucket(w.dealt, b)
	if len(stamps) == 0 {
		return
	}
	for i := range w.started {
		w.started[i] = neverStarted
	}
	steps, last := len(w.steps), len(w.steps)-1
	for _, s := range stamps {
		k, person := s.step(), s.person()
		state := w.started[person*steps:][:steps]
		if k == 0 {
			state[0] = s.at
			if last > 0 {
				continue
			}
		}
		start := state[max(k-1, 0)]
		if start == neverStarted || uint64(s.at)-uint64(start) > uint64(w.within) {
			continue
		}
		if state[k] = start; k == last {
			found.Add(uint32(b*bucketSize + person))
		}
	}
}
