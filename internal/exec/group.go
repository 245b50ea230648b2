package exec

import (
	"math"
	"slices"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/exactsum"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// This file brings the values of each person's events side by side, for aggregates that need them together. It costs
// memory for each event, so it works for those people only whom other parts of the condition left.

// groups are values by person in order of arrival.
type groups struct {
	*slots
	from []uint32 // by slot: where a person's values begin; those of the next one begin where they end
	keys []uint64
	at   []int64 // times of the events; nil when nobody asks
}

// part is where the values of a row begin and end.
func (g *groups) part(row uint32) (from, to uint32) {
	k := g.of(row)
	return g.from[k], g.from[k+1]
}

// key is a value that is there as 64 bits, equal for equal values.
func key(b *block, kind value.Kind, i int, empty bool) (k uint64, there bool) {
	switch kind {
	case value.Number:
		if i < len(b.nums) {
			v := b.nums[i]
			return math.Float64bits(v + 0), v == v // -0 + 0 is 0
		}
	case value.Datetime:
		if i < len(b.times) {
			return uint64(b.times[i]), b.times[i] != column.AbsentInt
		}
	case value.Boolean:
		if i < len(b.flags) {
			return uint64(b.flags[i]), b.flags[i] != 0
		}
	case value.String:
		if i < b.codes.Len() {
			code := b.codes.At(i)
			return uint64(code), code != 0 || empty
		}
		return 0, empty
	}
	return 0, false
}

// set stores a value that key made.
func (v *results) set(row uint32, k uint64) {
	switch v.of {
	case value.Number:
		v.nums[row] = math.Float64frombits(k)
	case value.Datetime:
		v.times[row] = int64(k)
	case value.Boolean:
		v.flags[row] = uint8(k)
	case value.String:
		v.codes[row] = uint32(k) + 1
	}
}

// shifted are texts whose codes are one more, because 0 is absent in results and may be "" where they come from.
type shifted struct{ texts }

func (s shifted) count() int              { return s.texts.count() + 1 }
func (s shifted) text(code uint32) string { return s.texts.text(max(code, 1) - 1) }
func (s shifted) emptyToo() bool          { return false }

// newResults are results like those of a vector, all absent.
func newResults(like vector, rows int) *results {
	out := &results{of: like.kind()}
	switch out.of {
	case value.Number:
		out.nums = make([]float64, rows)
		for i := range out.nums {
			out.nums[i] = math.NaN()
		}
	case value.Datetime:
		out.times = make([]int64, rows)
		for i := range out.times {
			out.times[i] = column.AbsentInt
		}
	case value.Boolean:
		out.flags = make([]uint8, rows)
	case value.String:
		out.codes = make([]uint32, rows)
		out.texts = shifted{like.(texts)}
	}
	return out
}

// collecting keeps whose each value is.
type collecting struct {
	of    vector
	empty bool
	timed *Events // set when times are asked for
	who   []uint32
	keys  []uint64
	at    []int64
}

func (c *collecting) take(h *hits, s *scratch) {
	c.of.load(h.f, &s.left)
	kind := c.of.kind()
	c.who, c.keys = spacious(c.who, len(h.who)), spacious(c.keys, len(h.who))
	var times []int64
	if c.timed != nil {
		times = c.timed.Time.Ints(h.f.k)
		c.at = spacious(c.at, len(h.who))
	}
	for i, row := range h.who {
		j := h.at(i)
		k, there := key(&s.left, kind, j, c.empty)
		if !there {
			continue
		}
		c.who, c.keys = append(c.who, row), append(c.keys, k)
		if times != nil {
			c.at = append(c.at, times[j])
		}
	}
}

// spacious has room for n more; a list that is full gets twice as long, not a quarter, because it is copied each time.
func spacious[T any](s []T, n int) []T {
	if cap(s)-len(s) < n {
		return slices.Grow(s, max(n, len(s)))
	}
	return s
}

// group collects the values of people and sorts them by person, by counting.
func (r *run) group(sc *scan, of vector, timed bool, rows Set) *groups {
	only := *sc
	only.rows = rows
	t, _ := of.(texts)
	sinks := only.run(func() sink {
		c := &collecting{of: of, empty: t != nil && t.emptyToo()}
		if timed {
			c.timed = sc.ev
		}
		return c
	})
	g := &groups{slots: newSlots(rows)}
	g.from = make([]uint32, g.n+2)
	for _, s := range sinks {
		who := s.(*collecting).who
		for i, row := range who {
			k := uint32(g.of(row))
			g.from[k+2]++
			who[i] = k
		}
	}
	for i := 2; i < len(g.from); i++ {
		g.from[i] += g.from[i-1]
	}
	g.keys = make([]uint64, g.from[len(g.from)-1])
	if timed {
		g.at = make([]int64, len(g.keys))
	}
	next := g.from[1:]
	for _, s := range sinks {
		c := s.(*collecting)
		for i, k := range c.who {
			g.keys[next[k]] = c.keys[i]
			if timed {
				g.at[next[k]] = c.at[i]
			}
			next[k]++
		}
	}
	return g
}

// exactSums is the sum or average of each of the rows.
func (r *run) exactSums(agg plan.Aggregate, rows Set) (vector, bool) {
	sc, of, ok := r.scanOf(agg, rows)
	if !ok || of != nil && of.kind() != value.Number {
		return nil, false
	}
	return r.exactOf(sc, of, agg.Function == plan.Avg, rows), true
}

func (r *run) exactOf(sc *scan, of vector, avg bool, rows Set) *results {
	out := newResults(&results{of: value.Number}, r.rows)
	if sc == nil {
		if !avg {
			clear(out.nums)
		}
		return out
	}
	g := r.group(sc, of, false, rows)
	r.pass(rows, func(f *frame, _ *scratch, words []uint64) {
		Set(words).each(func(i uint32) {
			row := uint32(f.k*column.ChunkRows) + i
			from, to := g.part(row)
			keys := g.keys[from:to]
			var sum exactsum.Sum
			for _, k := range keys {
				sum.Add(math.Float64frombits(k))
			}
			switch {
			case !avg:
				out.nums[row] = sum.Value()
			case len(keys) > 0:
				out.nums[row] = sum.Value() / float64(len(keys))
			}
		})
	})
	return out
}

// grouped is countDistinct or mostFrequent of each of the rows.
func (r *run) grouped(agg plan.Aggregate, rows Set) (vector, bool) {
	sc, of, ok := r.scanOf(agg, rows)
	if !ok {
		return nil, false
	}
	distinct := agg.Function == plan.CountDistinct
	if sc == nil {
		if distinct {
			return &results{of: value.Number, nums: make([]float64, r.rows)}, true
		}
		return direct{of: kinds[plan.TypeOf(agg)].value}, true
	}
	g := r.group(sc, of, !distinct, rows)
	like := of
	if distinct {
		like = &results{of: value.Number}
	}
	out := newResults(like, r.rows)
	r.pass(rows, func(f *frame, _ *scratch, words []uint64) {
		var t tallies
		Set(words).each(func(i uint32) {
			row := uint32(f.k*column.ChunkRows) + i
			from, to := g.part(row)
			switch {
			case distinct:
				out.nums[row] = float64(t.distinct(g.keys[from:to]))
			case from < to:
				out.set(row, t.mostFrequent(g.keys[from:to], g.at[from:to]))
			}
		})
	})
	return out, true
}
