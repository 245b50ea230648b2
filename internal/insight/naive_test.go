package insight

import (
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
)

// The naive twins' form of an event, and the ways to cut a list of them into a stream.

type event struct {
	person uint32
	time   int64
	pos    int64
	kind   int
	group  uint32
	value  float64
}

// randomEvents makes events in log order. Times collide often.
func randomEvents(r *rand.Rand, n, people int, span int64, kinds int) []event {
	out := make([]event, n)
	for i := range out {
		out[i] = event{
			person: uint32(r.IntN(people)), time: r.Int64N(span), pos: int64(i), kind: r.IntN(kinds),
			group: uint32(r.IntN(5)), value: math.Round(r.NormFloat64()*1e4) / 100,
		}
		if r.IntN(6) == 0 {
			out[i].group = NoGroup
		}
		if r.IntN(6) == 0 {
			out[i].value = math.NaN()
		}
	}
	return out
}

type columns struct{ pos, group, value bool }

// streamOf cuts the events into runs and chunks at random, some sorted and some in log order, and hides events that
// do not count behind Keep masks.
func streamOf(r *rand.Rand, evs []event, has columns) Stream {
	runs := make([][]event, 1+r.IntN(4))
	for _, e := range evs {
		k := r.IntN(len(runs))
		runs[k] = append(runs[k], e)
	}
	var s Stream
	for _, run := range runs {
		sorted := r.IntN(2) == 0
		if sorted {
			slices.SortFunc(run, func(a, b event) int {
				if a.person != b.person {
					return int(a.person) - int(b.person)
				}
				if a.time != b.time {
					return int(a.time - b.time)
				}
				return int(a.pos) - int(b.pos)
			})
		} else if r.IntN(2) == 0 {
			slices.SortStableFunc(run, func(a, b event) int { return int(a.time - b.time) })
		}
		masked := r.IntN(2) == 0
		var chunks []Chunk
		for len(run) > 0 {
			n := 1 + r.IntN(len(run))
			chunks = append(chunks, chunkOf(r, run[:n], has, masked))
			run = run[n:]
		}
		s = append(s, RunOf(sorted, chunks...))
	}
	return s
}

func chunkOf(r *rand.Rand, evs []event, has columns, masked bool) Chunk {
	var c Chunk
	put := func(e event, keep bool) {
		if masked && len(c.Person)%64 == 0 {
			c.Keep = append(c.Keep, 0)
		}
		if masked && keep {
			c.Keep[len(c.Person)/64] |= 1 << (len(c.Person) % 64)
		}
		c.Person, c.Time = append(c.Person, e.person), append(c.Time, e.time)
		if has.pos {
			c.Pos = append(c.Pos, e.pos)
		}
		if has.group {
			c.Group = append(c.Group, e.group)
		}
		if has.value {
			c.Value = append(c.Value, e.value)
		}
	}
	for _, e := range evs {
		put(e, true)
		if masked && r.IntN(3) == 0 {
			ghost := e
			ghost.value = 1e9
			put(ghost, false)
		}
	}
	c.InOrder = r != nil && r.IntN(2) == 0 && slices.IsSorted(c.Time)
	return c
}

// personsEvents returns each person's events in the order (time, position).
func personsEvents(evs []event) map[uint32][]event {
	m := map[uint32][]event{}
	for _, e := range evs {
		m[e.person] = append(m[e.person], e)
	}
	for _, l := range m {
		sort.SliceStable(l, func(i, j int) bool {
			if l[i].time != l[j].time {
				return l[i].time < l[j].time
			}
			return l[i].pos < l[j].pos
		})
	}
	return m
}

func filter(evs []event, keep func(event) bool) []event {
	var out []event
	for _, e := range evs {
		if keep(e) {
			out = append(out, e)
		}
	}
	return out
}

// RunOf makes a run of chunks that are in memory.
func RunOf(sorted bool, chunks ...Chunk) Run {
	return Run{Sorted: sorted, Chunks: slices.Values(chunks), Split: func(n int) []iter.Seq[Chunk] {
		out := make([]iter.Seq[Chunk], n)
		for i := range out {
			out[i] = slices.Values(chunks[len(chunks)*i/n : len(chunks)*(i+1)/n])
		}
		return out
	}}
}
