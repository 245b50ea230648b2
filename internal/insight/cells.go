package insight

import (
	"cmp"
	"math"
	"slices"

	"github.com/embedcdp/cdp/internal/parallel"
)

// group is one line's worth of groups: a code, or the rest.
type group struct {
	code        uint32
	name        string
	other, none bool
}

// slotMap maps group codes to slots. Nil maps every event to slot 0.
type slotMap []uint32

func (m slotMap) slot(code uint32) uint32 {
	if int64(code) < int64(len(m))-1 {
		return m[code]
	}
	return m[len(m)-1] // NoGroup
}

// groups counts the events of each group in the range and gives the largest their own slots.
func (q Trend) groups(s Series, people rowSet) ([]group, slotMap) {
	workers := max(q.Workers, 1)
	parts := s.Events.split(workers)
	shares := make([]groupCount, workers)
	parallel.Do(workers, func(w int) {
		for _, chunks := range parts[w] {
			for c := range chunks {
				if c.len() > 0 {
					shares[w].add(&c, q.Range, people)
				}
			}
		}
	})
	all := shares[0]
	for _, share := range shares[1:] {
		all.none += share.none
		all.grow(len(share.counts))
		for code, n := range share.counts {
			all.counts[code] += n
		}
	}
	return rankGroups(all.counts, all.none, q.Top, s.GroupName)
}

// groupCount counts events by group code.
type groupCount struct {
	counts []int64
	none   int64
}

func (g *groupCount) grow(n int) {
	if n > len(g.counts) {
		g.counts = append(g.counts, make([]int64, n-len(g.counts))...)
	}
}

func (g *groupCount) add(c *Chunk, r Range, people rowSet) {
	least, most := c.times()
	if most < r.From || least >= r.To {
		return
	}
	all := least >= r.From && most < r.To && c.Keep == nil && people == nil
	if all && c.Group != nil {
		for _, code := range c.Group {
			if int(code) < len(g.counts) {
				g.counts[code]++
			} else {
				g.more(code)
			}
		}
		return
	}
	for i, t := range c.Time {
		if !all && (t < r.From || t >= r.To || !c.kept(i) || !people.has(c.Person[i])) {
			continue
		}
		g.more(c.group(i))
	}
}

func (g *groupCount) more(code uint32) {
	if code == NoGroup {
		g.none++
		return
	}
	g.grow(int(code) + 1)
	g.counts[code]++
}

// group is event i's group code; a chunk without the column has none.
func (c *Chunk) group(i int) uint32 {
	if c.Group == nil {
		return NoGroup
	}
	return c.Group[i]
}

func rankGroups(counts []int64, none int64, top int, name func(uint32) string) ([]group, slotMap) {
	type counted struct {
		group
		n int64
	}
	var found []counted
	for code, n := range counts {
		if n > 0 {
			found = append(found, counted{group{code: uint32(code)}, n})
		}
	}
	if none > 0 {
		found = append(found, counted{group{code: NoGroup, none: true, name: "(none)"}, none})
	}
	slices.SortStableFunc(found, func(a, b counted) int { return cmp.Compare(b.n, a.n) })
	slots := make(slotMap, len(counts)+1)
	var groups []group
	rest := false
	for i := range found {
		slot := uint32(i)
		if top > 0 && i >= top {
			slot, rest = uint32(top), true
		} else {
			if !found[i].none {
				found[i].name = name(found[i].code)
			}
			groups = append(groups, found[i].group)
		}
		if found[i].none {
			slots[len(counts)] = slot
		} else {
			slots[found[i].code] = slot
		}
	}
	if rest {
		groups = append(groups, group{other: true, name: "other"})
	}
	return groups, slots
}

// trendCells accumulates one series. Cells are numbered bucket*groups + group; after them comes one cell a group for
// the whole range.
type trendCells struct {
	buckets *buckets
	groups  int

	count  []int64 // events
	people *peopleCount
	values []int64 // events with a value
	sums   []*Sum
	least  []float64
	most   []float64

	// For percentiles every value is kept with its cell.
	kept      []float64
	keptCells []uint32
	sorted    []float64 // kept, by cell
	from      []int     // sorted[from[c]:from[c+1]] are cell c's

	rows  []int32 // scratch: the chunk's events that count
	cells []uint32
	inOne []stretch // which of them lie in one bucket, one after the other
}

// stretch is the next rows of a chunk that count, up to a place among these, all of one bucket.
type stretch struct{ bucket, to int }

func newTrendCells(s Series, b *buckets, groups int) *trendCells {
	n := (b.len() + 1) * groups
	a := &trendCells{buckets: b, groups: groups, count: make([]int64, n)}
	if s.has(People) {
		a.people = newPeopleCount(b.len(), groups)
	}
	if s.has(Total, Average) {
		a.values, a.sums = make([]int64, n), make([]*Sum, n)
	}
	if s.has(Minimum) {
		a.least = slices.Repeat([]float64{math.Inf(1)}, n)
	}
	if s.has(Maximum) {
		a.most = slices.Repeat([]float64{math.Inf(-1)}, n)
	}
	return a
}

func (a *trendCells) read(s Series, r Range, people rowSet, slots slotMap) {
	percentiles := s.has(Median, Percentile)
	valued := a.sums != nil || a.least != nil || a.most != nil || percentiles
	runs := s.Events
	if a.people != nil {
		runs = a.people.plan(s.Events, r, people, a.buckets)
	}
	for _, run := range runs {
		for c := range run.Chunks {
			a.locate(&c, r, people, slots)
			for _, cell := range a.cells {
				a.count[cell]++
			}
			if a.people != nil {
				a.people.add(&c, a.rows, a.cells)
			}
			if valued && c.Value != nil {
				a.measure(&c, percentiles)
			}
		}
	}
	a.total()
	if a.people != nil {
		a.people.finish()
	}
	if percentiles {
		a.sortKept()
	}
}

// locate finds the events that count and their cells.
func (a *trendCells) locate(c *Chunk, r Range, people rowSet, slots slotMap) {
	a.rows, a.cells, a.inOne = a.rows[:0], a.cells[:0], a.inOne[:0]
	if c.len() == 0 {
		return
	}
	if least, most := c.times(); most < r.From || least >= r.To {
		return
	}
	a.rows, a.cells = slices.Grow(a.rows, c.len())[:c.len()], slices.Grow(a.cells, c.len())[:c.len()]
	n := 0
	for from := 0; from < c.len(); {
		bucket, to := a.buckets.stretch(c, from, r)
		if bucket >= 0 && bucket < a.buckets.len() {
			n = a.place(c, from, to, n, uint32(bucket*a.groups), people, slots)
			a.inOne = append(a.inOne, stretch{bucket, n})
		}
		from = to
	}
	a.rows, a.cells = a.rows[:n], a.cells[:n]
}

// place writes those of the events [from, to) that count, which lie in the bucket whose cells begin at first, as the n-th
// and following ones. It returns how many there are then.
func (a *trendCells) place(c *Chunk, from, to, n int, first uint32, people rowSet, slots slotMap) int {
	if c.Keep == nil && people == nil && (slots == nil || c.Group != nil) {
		rows, cells := a.rows[n:n+to-from], a.cells[n:n+to-from]
		for i := range rows {
			rows[i] = int32(from + i)
		}
		if slots == nil {
			for i := range cells {
				cells[i] = first
			}
		} else {
			for i, code := range c.Group[from:to] {
				cells[i] = first + slots.slot(code)
			}
		}
		return n + to - from
	}
	for i := from; i < to; i++ {
		if !c.kept(i) || !people.has(c.Person[i]) {
			continue
		}
		cell := first
		if slots != nil {
			cell += slots.slot(c.group(i))
		}
		a.rows[n], a.cells[n] = int32(i), cell
		n++
	}
	return n
}

func (a *trendCells) measure(c *Chunk, percentiles bool) {
	for j, cell := range a.cells {
		v := c.Value[a.rows[j]]
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		if a.sums != nil {
			if a.sums[cell] == nil {
				a.sums[cell] = new(Sum)
			}
			a.sums[cell].Add(v)
			a.values[cell]++
		}
		if a.least != nil {
			a.least[cell] = min(a.least[cell], v)
		}
		if a.most != nil {
			a.most[cell] = max(a.most[cell], v)
		}
		if percentiles {
			a.kept = append(a.kept, v)
			a.keptCells = append(a.keptCells, cell)
		}
	}
}

// total fills the cells of the whole range. Those of people were counted on the way.
func (a *trendCells) total() {
	whole := a.buckets.len() * a.groups
	for cell := range whole {
		all := whole + cell%a.groups
		a.count[all] += a.count[cell]
		if a.sums != nil && a.sums[cell] != nil {
			if a.sums[all] == nil {
				a.sums[all] = new(Sum)
			}
			a.sums[all].Merge(a.sums[cell])
			a.values[all] += a.values[cell]
		}
		if a.least != nil {
			a.least[all] = min(a.least[all], a.least[cell])
		}
		if a.most != nil {
			a.most[all] = max(a.most[all], a.most[cell])
		}
	}
}

// sortKept brings the kept values into the order of their cells.
func (a *trendCells) sortKept() {
	a.from = make([]int, a.buckets.len()*a.groups+1)
	for _, cell := range a.keptCells {
		a.from[cell+1]++
	}
	for i := 1; i < len(a.from); i++ {
		a.from[i] += a.from[i-1]
	}
	a.sorted = make([]float64, len(a.kept))
	next := slices.Clone(a.from)
	for i, cell := range a.keptCells {
		a.sorted[next[cell]] = a.kept[i]
		next[cell]++
	}
	a.kept, a.keptCells = nil, nil
}

// line reads one measure of one group out of the cells.
func (a *trendCells) line(group int, m Measure, percent float64) ([]Point, Point) {
	points := make([]Point, a.buckets.len())
	for b := range points {
		points[b] = a.point(b*a.groups+group, m)
	}
	all := a.point(a.buckets.len()*a.groups+group, m)
	if m == Median || m == Percentile {
		if m == Median {
			percent = 50
		}
		var whole []float64
		for b := range points {
			cell := b*a.groups + group
			values := a.sorted[a.from[cell]:a.from[cell+1]]
			whole = append(whole, values...)
			if len(values) > 0 {
				points[b] = Point{percentile(values, percent), true}
			}
		}
		if len(whole) > 0 {
			all = Point{percentile(whole, percent), true}
		}
	}
	return points, all
}

func (a *trendCells) point(cell int, m Measure) Point {
	switch m {
	case Count:
		return Point{float64(a.count[cell]), true}
	case People:
		return Point{float64(a.people.count[cell]), true}
	case Total:
		if a.sums[cell] == nil {
			return Point{0, true}
		}
		return Point{a.sums[cell].Value(), true}
	case Average:
		if a.values[cell] == 0 {
			return Point{}
		}
		return Point{a.sums[cell].Value() / float64(a.values[cell]), true}
	case Minimum:
		return Point{a.least[cell], !math.IsInf(a.least[cell], 0)}.orGap()
	case Maximum:
		return Point{a.most[cell], !math.IsInf(a.most[cell], 0)}.orGap()
	}
	return Point{}
}

func (p Point) orGap() Point {
	if !p.OK {
		return Point{}
	}
	return p
}
