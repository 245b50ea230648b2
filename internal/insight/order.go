package insight

import (
	"iter"
	"math"
	"slices"
)

// This file brings a stream into the order (person, time, position), which trends need to count unique people with one
// stamp a cell and funnels need to see one person at a time.

const mergedRows = 4096 // rows of a merged chunk; one person's events never straddle two

// byPerson yields the stream's events in the order (person, time, position). A stream of one sorted run is passed
// through as it is, filters included; otherwise the chunks are merged and hold only events that count.
func byPerson(s Stream, people rowSet) iter.Seq[Chunk] {
	if len(s) == 1 && s[0].Sorted {
		return s[0].Chunks
	}
	return func(yield func(Chunk) bool) {
		l := newLane(s)
		defer l.stop()
		var out Chunk
		for p := l.person(); p != nobody; p = l.person() {
			from, sources := out.len(), 0
			counts := people.has(uint32(p))
			for r, head := range l.heads {
				if head != p {
					continue
				}
				n := out.len()
				for c := l.runs[r]; l.heads[r] == p; l.heads[r] = c.person() {
					lo, hi := c.span()
					if counts {
						out.appendKept(&c.chunk, lo, hi)
					}
					c.i = hi
				}
				if out.len() > n {
					sources++
				}
			}
			if sources > 1 {
				sortByTime(&out, from, out.len())
			}
			if out.len() >= mergedRows {
				if !yield(out) {
					return
				}
				out.reset()
			}
		}
		if out.len() > 0 {
			yield(out)
		}
	}
}

// lane walks all runs of a stream together, person by person.
type lane struct {
	runs  []*cursor
	heads []uint64 // each run's next person, nobody at its end
}

const nobody = math.MaxUint64

func newLane(s Stream) *lane {
	l := &lane{}
	for _, run := range s {
		c := &cursor{}
		c.next, c.stop = iter.Pull(sortedRun(run))
		l.runs = append(l.runs, c)
		l.heads = append(l.heads, c.person())
	}
	return l
}

func (l *lane) stop() {
	for _, c := range l.runs {
		c.stop()
	}
}

// person is the next person of any run.
func (l *lane) person() uint64 {
	p := uint64(nobody)
	for _, h := range l.heads {
		p = min(p, h)
	}
	return p
}

// seek moves run r to the first person not below p.
func (l *lane) seek(r int, p uint64) {
	c := l.runs[r]
	for c.person() < p {
		rows := c.chunk.Person
		if uint64(rows[len(rows)-1]) < p {
			c.i = len(rows)
			continue
		}
		i := c.i
		for uint64(rows[i]) < p {
			i++
		}
		c.i = i
	}
	l.heads[r] = c.person()
}

// cursor walks one run row by row.
type cursor struct {
	next  func() (Chunk, bool)
	stop  func()
	chunk Chunk
	i     int
}

// person is the person of row i; it reads the next chunk where needed.
func (c *cursor) person() uint64 {
	for c.i >= len(c.chunk.Person) {
		var ok bool
		if c.chunk, ok = c.next(); !ok {
			c.chunk = Chunk{}
			return nobody
		}
		c.i = 0
	}
	return uint64(c.chunk.Person[c.i])
}

// span is the rows of this chunk from row i on that belong to its person.
func (c *cursor) span() (lo, hi int) {
	rows, hi := c.chunk.Person, c.i+1
	for hi < len(rows) && rows[hi] == rows[c.i] {
		hi++
	}
	return c.i, hi
}

// sortedRun gives a run's chunks in person order, sorting what came in log order.
func sortedRun(r Run) iter.Seq[Chunk] {
	if r.Sorted {
		return r.Chunks
	}
	return func(yield func(Chunk) bool) {
		var all Chunk
		for c := range r.Chunks {
			all.appendKept(&c, 0, c.len())
		}
		if all.len() == 0 {
			return
		}
		all = permute(&all, radixOrder(all.Person))
		for from := 0; from < all.len(); {
			to := from + 1
			for to < all.len() && all.Person[to] == all.Person[from] {
				to++
			}
			sortByTime(&all, from, to)
			from = to
		}
		yield(all)
	}
}

// radixOrder returns the stable order of rows by value: three passes of 11 bits.
func radixOrder(rows []uint32) []uint32 {
	order, next := make([]uint32, len(rows)), make([]uint32, len(rows))
	for i := range order {
		order[i] = uint32(i)
	}
	for shift := 0; shift < 32; shift += 11 {
		var starts [1<<11 + 1]int
		for _, r := range rows {
			starts[r>>shift&(1<<11-1)+1]++
		}
		for d := range 1 << 11 {
			starts[d+1] += starts[d]
		}
		for _, i := range order {
			d := rows[i] >> shift & (1<<11 - 1)
			next[starts[d]] = i
			starts[d]++
		}
		order, next = next, order
	}
	return order
}

// permute returns the rows in the given order. Columns that are nil stay nil.
func permute(c *Chunk, order []uint32) Chunk {
	return Chunk{Person: pick(c.Person, order), Time: pick(c.Time, order), Pos: pick(c.Pos, order),
		Group: pick(c.Group, order), Value: pick(c.Value, order)}
}

func pick[T any](column []T, order []uint32) []T {
	if column == nil {
		return nil
	}
	out := make([]T, len(order))
	for i, from := range order {
		out[i] = column[from]
	}
	return out
}

// sortByTime sorts the rows [from, to), all of one person, by (time, position), stably. Few rows are inserted one by
// one; many, unless they are in order, are sorted through a permutation.
func sortByTime(c *Chunk, from, to int) {
	const few = 32
	first := from + 1
	for first < to && !c.before(first, first-1) {
		first++
	}
	if first >= to {
		return
	}
	if to-from <= few {
		for i := first; i < to; i++ {
			for j := i; j > from && c.before(j, j-1); j-- {
				c.swap(j, j-1)
			}
		}
		return
	}
	order := make([]uint32, to-from)
	for i := range order {
		order[i] = uint32(from + i)
	}
	slices.SortStableFunc(order, func(a, b uint32) int {
		switch {
		case c.before(int(a), int(b)):
			return -1
		case c.before(int(b), int(a)):
			return 1
		}
		return 0
	})
	part := permute(c, order)
	putBack(c.Person, part.Person, from)
	putBack(c.Time, part.Time, from)
	putBack(c.Pos, part.Pos, from)
	putBack(c.Group, part.Group, from)
	putBack(c.Value, part.Value, from)
}

func putBack[T any](column, part []T, from int) {
	if column != nil {
		copy(column[from:], part)
	}
}
