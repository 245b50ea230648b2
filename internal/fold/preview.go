package fold

import (
	"sync"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/exec"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/roweval"
)

// Preview is the question who would be in a segment that is not saved, with all it takes to answer: it holds a frozen state,
// so the answer is found while the state it was asked of goes on.
type Preview struct {
	plan     plan.Physical
	question question
}

// PreviewSegment prepares the question for one instant.
func (s *State) PreviewSegment(d *SegmentDef, now int64) (*Preview, error) {
	if err := d.check(d.Name); err != nil {
		return nil, err
	}
	expr, err := s.compileWhere(d)
	if err != nil {
		return nil, err
	}
	p := plan.Build(plan.Simplify(plan.Logical(expr)), s.planStats())
	// The oracle costs a tenth of a short question, which mostly needs none.
	oracle := sync.OnceValues(func() (*roweval.Program, error) { return roweval.New(expr) })
	if len(p.Fallback) > 0 {
		if _, err := oracle(); err != nil {
			return nil, err
		}
	}
	f := s.Freeze(expr.Deps(), len(p.Fallback) > 0)
	return &Preview{p, question{f, d.Of == "visitors", now, func(row uint32) bool {
		prog, err := oracle()
		if err != nil {
			panic(err) // kernels are for what every evaluator can plan
		}
		return prog.Eval(roweval.Input{Person: person{f, row}, Objects: f, Now: now}).True()
	}}}, nil
}

// Members finds who would be in the segment.
func (p *Preview) Members() *roaring.Bitmap { return exec.Run(p.plan, p.question) }

// Explain does the same and tells how each step went.
func (p *Preview) Explain(clock func() time.Duration) string {
	return exec.Explain(p.plan, p.question, clock)
}
