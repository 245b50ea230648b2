package exec

import (
	"slices"
	"sync/atomic"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/parallel"
	"github.com/embedcdp/cdp/internal/plan"
)

// attributes narrows rows by conditions about profiles, all of them chunk by chunk, so that a chunk's values are read
// while they are near. It is false when there is no kernel for one of them; rows are as they were then.
func (r *run) attributes(ops []*plan.Operator, rows Set) bool {
	var conds []cond
	for _, op := range ops {
		c, ok := (compiler{run: r}).cond(op.Of)
		if !ok {
			return false
		}
		if op.Negated {
			c = notOf{c}
		}
		if !slices.ContainsFunc(conds, func(other cond) bool { return met(other, c) }) {
			conds = append(conds, c)
		}
	}
	r.pass(rows, func(f *frame, s *scratch, words []uint64) {
		out := s.words()[:len(words)]
		for _, c := range conds {
			c.mark(f, s, true, out)
			Set(words).and(out)
		}
		s.give(out[:cap(out)])
	})
	return true
}

// met makes one of two conditions that ask for intervals of the same attribute: >= 18 and <= 35 are one comparison.
func met(a, b cond) bool {
	x, okX := a.(*literals)
	y, okY := b.(*literals)
	if !okX || !okY || x.has || y.has {
		return false
	}
	of, okX := x.of.(direct)
	also, okY := y.of.(direct)
	return okX && okY && of == also && x.is.meet(y.is)
}

// pass goes over the chunks of profile rows in which there is anybody, on several cores when there are many.
func (r *run) pass(rows Set, do func(f *frame, s *scratch, words []uint64)) {
	const chunk = column.ChunkRows / 64
	total := r.rows
	chunks := (total + column.ChunkRows - 1) / column.ChunkRows
	var next atomic.Int64 // whoever is free takes the next chunk: a goroutine that wakes late holds up nobody
	parallel.Do(workersFor(total), func(int) {
		s := &scratch{}
		for k := int(next.Add(1)) - 1; k < chunks; k = int(next.Add(1)) - 1 {
			words := rows[k*chunk : min((k+1)*chunk, len(rows))]
			if letOthersIn(); !Set(words).empty() {
				do(&frame{k: k, n: min(column.ChunkRows, total-k*column.ChunkRows)}, s, words)
			}
		}
	})
}
