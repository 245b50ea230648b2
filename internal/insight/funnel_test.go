package insight

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/stretchr/testify/require"
)

// TestPublishedWindowFunnelCases runs ClickHouse's own cases for windowFunnel in its default mode. There one event may
// take several steps, hence Reuse.
func TestPublishedWindowFunnelCases(t *testing.T) {
	data, err := os.ReadFile("../../../shared/data/funnel-cases/window_funnel.json")
	if err != nil {
		t.Skip("the published funnel cases are not here:", err)
	}
	var cases []struct {
		Group  string   `json:"group"`
		Mode   []string `json:"mode"`
		Window int64    `json:"window_seconds"`
		Steps  []string `json:"steps"`
		Users  map[string][]struct {
			T     int64  `json:"t"`
			Event string `json:"event"`
		} `json:"users"`
		Want map[string]int `json:"expected_level"`
	}
	require.NoError(t, json.Unmarshal(data, &cases))
	require.Len(t, cases, 15)
	for i, c := range cases {
		require.Empty(t, c.Mode, "a mode this adapter does not know")
		for _, positions := range []bool{true, false} {
			var streams [10]Chunk
			pos := int64(0)
			for _, user := range sortedKeys(c.Users) {
				id, _ := strconv.Atoi(user)
				for _, e := range c.Users[user] {
					pos++
					for k, step := range c.Steps {
						if step == e.Event {
							s := &streams[k]
							s.Person, s.Time = append(s.Person, uint32(id)), append(s.Time, e.T*1e6)
							if positions {
								s.Pos = append(s.Pos, pos)
							}
						}
					}
				}
			}
			q := Funnel{Window: c.Window * 1e6, Reuse: true, Lists: true}
			for k, step := range c.Steps {
				q.Steps = append(q.Steps, Step{step, Stream{RunOf(true, streams[k])}})
			}
			res, err := q.Run()
			require.NoError(t, err)
			for user, want := range c.Want {
				id, _ := strconv.Atoi(user)
				got := 0
				for k := range res.Steps {
					if res.Steps[k].Reached.Contains(uint32(id)) {
						got = k + 1
					}
				}
				require.Equal(t, want, got, "case %d (%s), user %s, positions %v", i, c.Group, user, positions)
			}
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// naiveChain is one person's best chain by trying every chain there is.
type naiveChain struct {
	level int
	evs   []event
}

func (a naiveChain) better(b naiveChain) bool {
	if a.level != b.level {
		return a.level > b.level
	}
	end := func(c naiveChain) event { return c.evs[c.level-1] }
	if end(a).time != end(b).time {
		return end(a).time < end(b).time
	}
	if end(a).pos != end(b).pos {
		return end(a).pos < end(b).pos
	}
	for k := range a.evs {
		x, y := a.evs[k], b.evs[k]
		if x.time != y.time {
			return (x.time > y.time) == (k == 0) // the latest start, then the earliest of each step
		}
		if x.pos != y.pos {
			return (x.pos > y.pos) == (k == 0)
		}
	}
	return false
}

func naiveOrdered(q Funnel, takes func(event, int) bool, positions bool, evs []event) (best naiveChain) {
	var grow func(chain []event)
	grow = func(chain []event) {
		if c := (naiveChain{len(chain), slices.Clone(chain)}); len(chain) > 0 && (best.level == 0 || c.better(best)) {
			best = c
		}
		if len(chain) == len(q.Steps) {
			return
		}
		for _, e := range evs {
			if !takes(e, len(chain)) {
				continue
			}
			if len(chain) == 0 {
				if !q.Range.all() && (e.time < q.Range.From || e.time >= q.Range.To) {
					continue
				}
			} else {
				last := chain[len(chain)-1]
				ok := e.time > last.time
				if e.time == last.time && !q.StrictIncrease {
					ok = !positions || e.pos > last.pos || e.pos == last.pos && q.Reuse
				}
				if !ok || q.Window > 0 && e.time-chain[0].time > q.Window {
					continue
				}
			}
			grow(append(chain, e))
		}
	}
	grow(nil)
	return best
}

func TestOrderedFunnelAgainstEveryChain(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for round := range 1500 {
		kinds := 1 + r.IntN(4)
		evs := randomEvents(r, r.IntN(40), 1+r.IntN(6), 1+r.Int64N(30), kinds)
		q := Funnel{Window: r.Int64N(20), Times: true, Lists: true, StrictIncrease: r.IntN(4) == 0, Reuse: r.IntN(2) == 0,
			GroupName: func(c uint32) string { return "g" + strconv.Itoa(int(c)) }, Top: r.IntN(4)}
		if r.IntN(3) == 0 {
			q.Range = Range{3, 3 + 1 + r.Int64N(20)}
		}
		positions := r.IntN(3) > 0
		if r.IntN(3) == 0 {
			q.People = roaring.BitmapOf(0, 2, 3)
		}
		// A step takes a set of kinds, so that steps overlap.
		masks := make([]int, 1+r.IntN(4))
		for k := range masks {
			masks[k] = 1 << r.IntN(kinds)
			if r.IntN(3) == 0 {
				masks[k] |= 1 << r.IntN(kinds)
			}
		}
		takes := func(e event, k int) bool { return masks[k]>>e.kind&1 != 0 }
		for k := range masks {
			q.Steps = append(q.Steps, Step{strconv.Itoa(k), streamOf(r, filter(evs, func(e event) bool { return takes(e, k) }), columns{pos: positions, group: k == 0})})
		}
		if r.IntN(3) == 0 {
			q.Workers, q.Rows = 1+r.IntN(4), uint32(1+r.IntN(8))
		}
		got, err := q.Run()
		require.NoError(t, err)

		levels := make([]int64, len(masks))
		lists := make([]*roaring.Bitmap, len(masks)+1)
		for k := range lists {
			lists[k] = roaring.New()
		}
		prev, first := make([][]int64, len(masks)), make([][]int64, len(masks))
		groups := map[uint32][]int64{}
		for person, l := range personsEvents(evs) {
			if q.People != nil && !q.People.Contains(person) {
				continue
			}
			best := naiveOrdered(q, takes, positions, l)
			for k := range best.level {
				levels[k]++
				lists[k].Add(person)
				if k > 0 {
					prev[k] = append(prev[k], best.evs[k].time-best.evs[k-1].time)
					first[k] = append(first[k], best.evs[k].time-best.evs[0].time)
				}
				// Without positions two starts at one instant cannot be told apart, nor their groups.
				if positions {
					g := best.evs[0].group
					if groups[g] == nil {
						groups[g] = make([]int64, len(masks))
					}
					groups[g][k]++
				}
			}
		}
		for k, s := range got.Steps {
			require.Equal(t, levels[k], s.People, "round %d step %d", round, k)
			require.True(t, lists[k].Equals(s.Reached), "round %d step %d", round, k)
			dropped := roaring.AndNot(lists[k], lists[k+1])
			if k == len(masks)-1 {
				dropped = roaring.New()
			}
			require.True(t, dropped.Equals(s.Dropped), "round %d step %d", round, k)
			require.Equal(t, naiveTimes(prev[k]), s.FromPrevious, "round %d step %d", round, k)
			require.Equal(t, naiveTimes(first[k]), s.FromFirst, "round %d step %d", round, k)
		}
		if positions {
			requireGroups(t, round, groups, got.Groups, q.Top)
		}
	}
}

func naiveTimes(d []int64) Times {
	if len(d) == 0 {
		return Times{}
	}
	slices.Sort(d)
	sum := int64(0)
	for _, x := range d {
		sum += x
	}
	n := len(d)
	return Times{int64(n), (d[(n-1)/2] + d[n/2]) / 2, sum / int64(n)}
}

func requireGroups(t *testing.T, round int, want map[uint32][]int64, got []FunnelGroup, top int) {
	named := len(want)
	if top > 0 {
		named = min(named, top)
	}
	var rest []int64
	last := int64(1 << 60)
	for i, g := range got {
		if i < named {
			require.Equal(t, want[g.Code], g.People, "round %d group %s", round, g.Name)
			require.LessOrEqual(t, g.People[0], last, "round %d: groups not by size", round)
			last = g.People[0]
			delete(want, g.Code)
			continue
		}
		require.True(t, g.Other)
		rest = g.People
	}
	sum := make([]int64, len(rest))
	for _, people := range want {
		require.LessOrEqual(t, people[0], last)
		require.NotNil(t, rest, "round %d: a group is missing", round)
		for k := range people {
			sum[k] += people[k]
		}
	}
	if rest != nil {
		require.Equal(t, sum, rest, "round %d", round)
	}
}

// naiveStrict tries every chain of the person's sequence and checks what lies between its events.
func naiveStrict(q Funnel, takes func(event, int) bool, evs []event) int {
	best := 0
	var grow func(k, at int, start int64)
	grow = func(k, at int, start int64) {
		best = max(best, k)
		if k == len(q.Steps) {
			return
		}
		for i := at; i < len(evs); i++ {
			// Event i may take the step if every event in between is one of the former step.
			if i > at || q.Reuse {
				clear := true
				for j := at + 1; j < i; j++ {
					clear = clear && takes(evs[j], k-1)
				}
				increases := evs[i].time > evs[at].time || !q.StrictIncrease
				if clear && increases && takes(evs[i], k) && (q.Window == 0 || evs[i].time-start <= q.Window) {
					grow(k+1, i, start)
				}
			}
		}
	}
	for i, e := range evs {
		if takes(e, 0) && (q.Range.all() || e.time >= q.Range.From && e.time < q.Range.To) {
			grow(1, i, e.time)
		}
	}
	return best
}

func TestStrictFunnelAgainstEveryChain(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for round := range 1500 {
		kinds := 1 + r.IntN(5) // the last kind may be in no step
		evs := randomEvents(r, r.IntN(40), 1+r.IntN(5), 1+r.Int64N(60), kinds)
		q := Funnel{Order: Strict, Window: r.Int64N(30), Reuse: r.IntN(3) == 0}
		masks := make([]int, 1+r.IntN(4))
		for k := range masks {
			one, other := r.IntN(kinds), r.IntN(kinds)
			masks[k] = 1<<one | 1<<other
		}
		takes := func(e event, k int) bool { return masks[k]>>e.kind&1 != 0 }
		for k := range masks {
			q.Steps = append(q.Steps, Step{"", streamOf(r, filter(evs, func(e event) bool { return takes(e, k) }), columns{pos: true})})
		}
		all := 0
		for _, m := range masks {
			all |= m
		}
		if r.IntN(2) == 0 {
			q.Other = streamOf(r, evs, columns{pos: true})
		} else {
			evs = filter(evs, func(e event) bool { return all>>e.kind&1 != 0 })
		}
		want := make([]int64, len(masks))
		for _, l := range personsEvents(evs) {
			for k := range naiveStrict(q, takes, l) {
				want[k]++
			}
		}
		if r.IntN(3) == 0 {
			q.Workers, q.Rows = 1+r.IntN(4), uint32(1+r.IntN(8))
		}
		got, err := q.Run()
		require.NoError(t, err)
		for k := range want {
			require.Equal(t, want[k], got.Steps[k].People, "round %d step %d masks %v %+v", round, k, masks, evs)
		}
	}
}

func TestAnyOrderFunnelAgainstEveryWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for round := range 800 {
		evs := randomEvents(r, r.IntN(40), 1+r.IntN(5), 1+r.Int64N(60), 4)
		q := Funnel{Order: AnyOrder, Window: r.Int64N(30)}
		if r.IntN(3) == 0 {
			q.Range = Range{10, 30}
		}
		masks := make([]int, 1+r.IntN(4))
		for k := range masks {
			one, other := r.IntN(4), r.IntN(4)
			masks[k] = 1<<one | 1<<other
			q.Steps = append(q.Steps, Step{"", streamOf(r, filter(evs, func(e event) bool { return masks[k]>>e.kind&1 != 0 }), columns{pos: r.IntN(2) == 0})})
		}
		want := make([]int64, len(masks))
		for _, l := range personsEvents(evs) {
			best := 0
			for _, first := range l {
				if !q.Range.all() && (first.time < q.Range.From || first.time >= q.Range.To) {
					continue
				}
				if !slices.ContainsFunc(masks, func(m int) bool { return m>>first.kind&1 != 0 }) {
					continue
				}
				n := 0
				for _, m := range masks {
					if slices.ContainsFunc(l, func(e event) bool {
						return m>>e.kind&1 != 0 && e.time >= first.time && (q.Window == 0 || e.time-first.time <= q.Window)
					}) {
						n++
					}
				}
				best = max(best, n)
			}
			for k := range best {
				want[k]++
			}
		}
		if r.IntN(3) == 0 {
			q.Workers, q.Rows = 1+r.IntN(4), uint32(1+r.IntN(8))
		}
		got, err := q.Run()
		require.NoError(t, err)
		for k := range want {
			require.Equal(t, want[k], got.Steps[k].People, "round %d step %d", round, k)
		}
	}
}

func stepOf(evs ...event) Stream {
	return Stream{RunOf(false, chunkOf(nil, evs, columns{pos: true, group: true}, false))}
}

func TestFunnelFacts(t *testing.T) {
	const day = 86_400_000_000
	view, cart := stepOf(
		event{person: 1, time: 0, pos: 1}, event{person: 1, time: 6 * day, pos: 2},
		event{person: 2, time: 0, pos: 3}, event{person: 3, time: day, pos: 4, group: 1}), stepOf(
		event{person: 1, time: 8 * day, pos: 5}, event{person: 2, time: 7 * day, pos: 6}, event{person: 9, time: 0, pos: 7},
		event{person: 3, time: 8*day + 1, pos: 8})
	q := Funnel{Steps: []Step{{"view", view}, {"cart", cart}}, Window: 7 * day, Times: true,
		GroupName: func(c uint32) string { return []string{"web", "app"}[c] }}
	res, err := q.Run()
	require.NoError(t, err)
	// Person 1 converts from the second view, 2 at the very end of the window, 3 a microsecond after it; 9 never viewed.
	require.EqualValues(t, 3, res.Steps[0].People)
	require.EqualValues(t, 2, res.Steps[1].People)
	require.Equal(t, Times{2, (2*day + 7*day) / 2, (2*day + 7*day) / 2}, res.Steps[1].FromPrevious)
	require.Equal(t, []FunnelGroup{{Name: "web", People: []int64{2, 2}}, {Name: "app", Code: 1, People: []int64{1, 0}}}, res.Groups)
	rate, ok := res.OfPrevious(1).Value()
	require.True(t, ok)
	require.InDelta(t, 2.0/3, rate, 1e-15)

	// Buying twice takes two purchases, unless one event may serve both steps.
	buy := stepOf(event{person: 1, time: 5, pos: 1}, event{person: 2, time: 5, pos: 2}, event{person: 2, time: 5, pos: 3})
	twice := Funnel{Steps: []Step{{"buy", buy}, {"buy again", buy}}}
	res, err = twice.Run()
	require.NoError(t, err)
	require.EqualValues(t, 1, res.Steps[1].People)
	twice.Reuse = true
	res, err = twice.Run()
	require.NoError(t, err)
	require.EqualValues(t, 2, res.Steps[1].People)
}

func TestFunnelRefusesWhatItCannotAnswer(t *testing.T) {
	step := Step{"a", stepOf(event{person: 1})}
	for _, c := range []struct {
		q    Funnel
		want string
	}{
		{Funnel{}, "needs a step"},
		{Funnel{Steps: slices.Repeat([]Step{step}, 11)}, "11 steps"},
		{Funnel{Steps: []Step{step}, Window: -1}, "window"},
		{Funnel{Steps: []Step{step}, Range: Range{5, 5}}, "range is empty"},
		{Funnel{Steps: []Step{step}, Workers: 2}, "set Rows"},
		{Funnel{Steps: []Step{step}, Order: "random"}, "unknown funnel order"},
		{Funnel{Steps: []Step{step}, Order: AnyOrder, Times: true}, "no first step"},
		{Funnel{Steps: []Step{step}, Other: step.Events}, "strict"},
		{Funnel{Steps: []Step{step}, Order: Strict, Other: Stream{RunOf(true, Chunk{Person: []uint32{1}, Time: []int64{0}})}}, "position"},
	} {
		_, err := c.q.Run()
		require.ErrorContains(t, err, c.want)
	}
}
