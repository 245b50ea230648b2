package insight

import (
	"math/bits"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/insight/table"
	"github.com/embedcdp/cdp/internal/parallel"
)

// tally gathers people's levels into a FunnelResult.
type tally struct {
	q      *Funnel
	levels [MaxSteps + 1]int64             // people whose highest step it is
	lists  [MaxSteps + 1]pieces[uint32]    // who they are
	groups map[uint32]*[MaxSteps + 1]int64 // levels by group code

	fromPrevious, fromFirst [MaxSteps]pieces[int64] // durations; the second step's are in fromPrevious only
}

func newTally(q *Funnel) *tally { return &tally{q: q, groups: map[uint32]*[MaxSteps + 1]int64{}} }

func (t *tally) add(person uint32, level int, times []int64, code uint32) {
	if level == 0 {
		return
	}
	t.levels[level]++
	if t.q.Lists {
		t.lists[level].add(person)
	}
	if t.q.Times {
		for k := 1; k < level; k++ {
			t.fromPrevious[k].add(times[k] - times[k-1])
			if k > 1 {
				t.fromFirst[k].add(times[k] - times[0])
			}
		}
	}
	if t.q.GroupName != nil {
		g := t.groups[code]
		if g == nil {
			g = new([MaxSteps + 1]int64)
			t.groups[code] = g
		}
		g[level]++
	}
}

// merge adds what another has tallied, who is not to be used any more.
func (t *tally) merge(o *tally) {
	for level, n := range o.levels {
		t.levels[level] += n
		t.lists[level].take(&o.lists[level])
	}
	for k := range t.fromPrevious {
		t.fromPrevious[k].take(&o.fromPrevious[k])
		t.fromFirst[k].take(&o.fromFirst[k])
	}
	for code, levels := range o.groups {
		g := t.groups[code]
		if g == nil {
			g = new([MaxSteps + 1]int64)
			t.groups[code] = g
		}
		for level, n := range levels {
			g[level] += n
		}
	}
}

func (t *tally) result() *FunnelResult {
	steps := len(t.q.Steps)
	r := &FunnelResult{Steps: make([]StepResult, steps)}
	for k, people := range cumulate(&t.levels, steps) {
		r.Steps[k].Name, r.Steps[k].People = t.q.Steps[k].Name, people
	}
	if parts := []func(*FunnelResult){t.people, t.times}; t.q.Workers > 1 {
		parallel.Do(len(parts), func(i int) { parts[i](r) })
	} else {
		t.people(r)
		t.times(r)
	}
	t.breakdown(r)
	return r
}

func (t *tally) people(r *FunnelResult) {
	if !t.q.Lists {
		return
	}
	above := roaring.New()
	for k := len(r.Steps) - 1; k >= 0; k-- {
		s := &r.Steps[k]
		highest := roaring.New()
		for _, people := range append(t.lists[k+1].full, t.lists[k+1].last) {
			highest.AddMany(people)
		}
		s.Reached = roaring.Or(highest, above)
		s.Dropped = highest
		if k == len(r.Steps)-1 {
			s.Dropped = roaring.New()
		}
		above = s.Reached
	}
}

func (t *tally) times(r *FunnelResult) {
	if !t.q.Times {
		return
	}
	for k := 1; k < len(r.Steps); k++ {
		s := &r.Steps[k]
		s.FromPrevious = timesOf(t.fromPrevious[k].all())
		if s.FromFirst = s.FromPrevious; k > 1 {
			s.FromFirst = timesOf(t.fromFirst[k].all())
		}
	}
}

// cumulate turns "whose highest step it is" into "who reached it".
func cumulate(levels *[MaxSteps + 1]int64, steps int) []int64 {
	reached := make([]int64, steps)
	var n int64
	for k := steps - 1; k >= 0; k-- {
		n += levels[k+1]
		reached[k] = n
	}
	return reached
}

func (t *tally) breakdown(r *FunnelResult) {
	if t.q.GroupName == nil {
		return
	}
	var counts []int64
	var none int64
	for code, levels := range t.groups {
		n := cumulate(levels, len(r.Steps))[0]
		if code == NoGroup {
			none = n
			continue
		}
		for int(code) >= len(counts) {
			counts = append(counts, 0)
		}
		counts[code] = n
	}
	groups, slots := rankGroups(counts, none, t.q.Top, t.q.GroupName)
	r.Groups = make([]FunnelGroup, len(groups))
	for i, g := range groups {
		r.Groups[i] = FunnelGroup{Name: g.name, Code: g.code, Other: g.other, NoGroup: g.none, People: make([]int64, len(r.Steps))}
	}
	for code, levels := range t.groups {
		people := r.Groups[slots.slot(code)].People
		for k, n := range cumulate(levels, len(r.Steps)) {
			people[k] += n
		}
	}
}

// timesOf reorders durations. The sum is kept in 128 bits.
func timesOf(durations []int64) Times {
	n := len(durations)
	if n == 0 {
		return Times{}
	}
	var hi, lo uint64
	for _, d := range durations {
		var c uint64
		lo, c = bits.Add64(lo, uint64(d), 0)
		hi += c
	}
	mean, _ := bits.Div64(hi, lo, uint64(n))
	median := selectNth(durations, n/2)
	if n%2 == 0 {
		below := durations[0]
		for _, d := range durations[1 : n/2] {
			below = max(below, d)
		}
		median = below + (median-below)/2
	}
	return Times{People: int64(n), Median: median, Mean: int64(mean)}
}

// Table has a row a step: name, people, share of the step before, share of the first step, and the times to convert
// where there are any. With a breakdown a row a group and step follows, and a column tells the group.
func (r *FunnelResult) Table() *table.Table {
	t := &table.Table{Columns: []table.Column{
		{Name: "step", Kind: table.Text}, {Name: "people", Kind: table.Integer, Unit: "people"},
		{Name: "of previous", Kind: table.Ratio}, {Name: "of first", Kind: table.Ratio},
		{Name: "median from previous", Kind: table.Duration}, {Name: "median from first", Kind: table.Duration},
	}}
	grouped := len(r.Groups) > 0
	if grouped {
		t.Columns = append([]table.Column{{Name: "group", Kind: table.Text}}, t.Columns...)
	}
	add := func(name string, absent bool, people []int64, times bool) {
		for k, n := range people {
			var row []table.Cell
			if grouped {
				cell := table.TextCell(name)
				if absent {
					cell = table.Cell{}
				}
				row = append(row, cell)
			}
			row = append(row, table.TextCell(r.Steps[k].Name), table.IntegerCell(n),
				ratioCell(Ratio{n, people[max(k-1, 0)]}), ratioCell(Ratio{n, people[0]}))
			prev, first := table.Cell{}, table.Cell{}
			if times && r.Steps[k].FromPrevious.People > 0 {
				prev, first = table.DurationCell(r.Steps[k].FromPrevious.Median), table.DurationCell(r.Steps[k].FromFirst.Median)
			}
			t.Rows = append(t.Rows, append(row, prev, first))
		}
	}
	all := make([]int64, len(r.Steps))
	for k := range r.Steps {
		all[k] = r.Steps[k].People
	}
	add("", true, all, true)
	for _, g := range r.Groups {
		add(g.Name, false, g.People, false)
	}
	return t
}

func ratioCell(r Ratio) table.Cell {
	v, ok := r.Value()
	if !ok {
		return table.Cell{}
	}
	return table.RatioCell(v)
}
