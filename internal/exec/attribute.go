package exec

import (
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/plan"
)

// attributes narrows rows by conditions about profiles, all of them chunk by chunk, so that a chunk's values are read
// while they are near. It is false when there is no kernel for one of them; rows are as they were then.
func (r *run) attributes(ops []*plan.Operator, rows Set) bool {
	conds := make([]cond, len(ops))
	for i, op := range ops {
		var ok bool
		if conds[i], ok = (compiler{run: r}).cond(op.Of); !ok {
			return false
		}
	}
	r.pass(rows, func(f *frame, s *scratch, words []uint64) {
		out := s.words()[:len(words)]
		for i, c := range conds {
			c.mark(f, s, !ops[i].Negated, out)
			for j := range words {
				words[j] &= out[j]
			}
		}
		s.give(out[:cap(out)])
	})
	return true
}

// pass goes over the chunks of profile rows in which there is anybody, on several cores when there are many.
func (r *run) pass(rows Set, do func(f *frame, s *scratch, words []uint64)) {
	const chunk = column.ChunkRows / 64
	total := r.src.Rows()
	parallel((total+column.ChunkRows-1)/column.ChunkRows, workersFor(total), func(_, from, to int) {
		s := &scratch{}
		for k := from; k < to; k++ {
			words := rows[k*chunk : min((k+1)*chunk, len(rows))]
			if !Set(words).empty() {
				do(&frame{k: k, n: min(column.ChunkRows, total-k*column.ChunkRows)}, s, words)
			}
		}
	})
}
