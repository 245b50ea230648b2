package exec

import (
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// cond is a condition about the items of a frame: of each profile row, or of each event. It is shared by goroutines; what
// one needs to work is in its scratch.
type cond interface {
	// mark writes one bit an item: where the condition is true, or where it is false. Where it is an error it is neither.
	mark(f *frame, s *scratch, want bool, out []uint64)
}

// scratch is the memory of one goroutine.
type scratch struct {
	left, right block
	spare       [][]uint64

	spareNumbers [][]float64
}

// words lends words for one frame; give takes them back.
func (s *scratch) words() []uint64 {
	if n := len(s.spare); n > 0 {
		w := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return w
	}
	return make([]uint64, column.ChunkRows/64)
}

func (s *scratch) give(w []uint64) { s.spare = append(s.spare, w) }

type (
	// allOf and anyOf are && and ||: each side of the one is the other's of its parts.
	allOf struct{ parts []cond }
	anyOf struct{ parts []cond }
	notOf struct{ part cond }
	fixed bool
	// literals compares a vector with literals.
	literals struct {
		of      vector
		is, not *test // where it holds, and where it is there and does not
		has     bool  // never an error: not is where it is absent
	}
	// pair compares two vectors.
	pair struct {
		left  vector
		op    plan.Op
		right vector
	}
)

func (c allOf) mark(f *frame, s *scratch, want bool, out []uint64) {
	combine(c.parts, want, f, s, want, out)
}
func (c anyOf) mark(f *frame, s *scratch, want bool, out []uint64) {
	combine(c.parts, !want, f, s, want, out)
}
func (c notOf) mark(f *frame, s *scratch, want bool, out []uint64) { c.part.mark(f, s, !want, out) }

func (c fixed) mark(f *frame, _ *scratch, want bool, out []uint64) {
	if bool(c) == want {
		fill(out, f.n)
	} else {
		clear(out)
	}
}

// combine intersects or unites a side of the parts.
func combine(parts []cond, intersect bool, f *frame, s *scratch, want bool, out []uint64) {
	parts[0].mark(f, s, want, out)
	tmp := s.words()
	for _, p := range parts[1:] {
		p.mark(f, s, want, tmp[:len(out)])
		for i := range out {
			if intersect {
				out[i] &= tmp[i]
			} else {
				out[i] |= tmp[i]
			}
		}
	}
	s.give(tmp)
}

func (c *literals) mark(f *frame, s *scratch, want bool, out []uint64) {
	switch {
	case want:
		c.test(c.is, f, s, out)
	case c.has:
		c.test(c.is, f, s, out)
		for i := range out {
			out[i] = ^out[i]
		}
	default:
		c.test(c.not, f, s, out)
	}
	cut(out, f.n)
}

func (c *literals) test(t *test, f *frame, s *scratch, out []uint64) {
	if v, ok := c.of.(direct); ok && v.of == value.Number && v.col != nil {
		if values, ranks := v.col.Ranks(f.k); ranks != nil {
			t.markRanks(out, values, ranks)
			return
		}
	}
	c.of.load(f, &s.left)
	t.mark(&s.left, out)
}

func (c *pair) mark(f *frame, s *scratch, want bool, out []uint64) {
	op := c.op
	if !want {
		op = plan.Opposite(op)
	}
	c.left.load(f, &s.left)
	c.right.load(f, &s.right)
	a, b := &s.left, &s.right
	clear(out)
	switch c.left.kind() {
	case value.Number:
		for i := range min(len(a.nums), len(b.nums)) {
			x, y := a.nums[i], b.nums[i]
			out[i>>6] |= b2u(x == x && y == y && compares(op, x, []float64{y})) << (i & 63)
		}
	case value.Datetime:
		for i := range min(len(a.times), len(b.times)) {
			x, y := a.times[i], b.times[i]
			out[i>>6] |= b2u(x != column.AbsentInt && y != column.AbsentInt && compares(op, x, []int64{y})) << (i & 63)
		}
	case value.Boolean:
		for i := range min(len(a.flags), len(b.flags)) {
			x, y := a.flags[i], b.flags[i]
			out[i>>6] |= b2u(x != 0 && y != 0 && compares(op, x, []uint8{y})) << (i & 63)
		}
	case value.String:
		left, right := c.left.(texts), c.right.(texts)
		for i := range f.n {
			x, okX := textAt(left, a.codes, i)
			y, okY := textAt(right, b.codes, i)
			out[i>>6] |= b2u(okX && okY && compares(op, x, []string{y})) << (i & 63)
		}
	}
	cut(out, f.n)
}

func textAt(t texts, codes column.Codes, i int) (string, bool) {
	var code uint32
	if i < codes.Len() {
		code = codes.At(i)
	}
	return t.text(code), code != 0 || t.emptyToo()
}
