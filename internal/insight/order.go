package insight

import (
	"iter"
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
	return func(yield func(Chunk) bool) { merge(s, people, yield) }
}

func merge(s Stream, people rowSet, yield func(Chunk) bool) {
	cursors := make([]*cursor, 0, len(s))
	for _, run := range s {
		c := newCursor(sortedRun(run))
		defer c.stop()
		if c.more() {
			cursors = append(cursors, c)
		}
	}
	var out Chunk
	for len(cursors) > 0 {
		person := cursors[0].person
		for _, c := range cursors[1:] {
			person = min(person, c.person)
		}
		counts, from, sources := people.has(person), out.len(), 0
		live := cursors[:0]
		for _, c := range cursors {
			if c.person == person {
				n := out.len()
				for c.more() && c.person == person {
					if counts && c.chunk.kept(c.i) {
						out.append(&c.chunk, c.i)
					}
					c.i++
				}
				if out.len() > n {
					sources++
				}
			}
			if c.more() {
				live = append(live, c)
			}
		}
		cursors = live
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

// cursor walks one run event by event.
type cursor struct {
	next   func() (Chunk, bool)
	stop   func()
	chunk  Chunk
	i      int
	person uint32 // of event i, set by more
}

func newCursor(chunks iter.Seq[Chunk]) *cursor {
	c := &cursor{}
	c.next, c.stop = iter.Pull(chunks)
	return c
}

// more reports whether there is an event i, reading the next chunk where needed.
func (c *cursor) more() bool {
	for c.i >= len(c.chunk.Person) {
		var ok bool
		if c.chunk, ok = c.next(); !ok {
			c.chunk = Chunk{}
			return false
		}
		c.i = 0
	}
	c.person = c.chunk.Person[c.i]
	return true
}

// seek moves to the first event of a person not below p.
func (c *cursor) seek(p uint32) bool {
	for c.more() {
		rows := c.chunk.Person
		if rows[len(rows)-1] < p {
			c.i = len(rows)
			continue
		}
		i := c.i
		for rows[i] < p {
			i++
		}
		c.i, c.person = i, rows[i]
		return true
	}
	return false
}

// sortedRun gives a run's chunks in person order, sorting what came in log order.
func sortedRun(r Run) iter.Seq[Chunk] {
	if r.Sorted {
		return r.Chunks
	}
	return func(yield func(Chunk) bool) {
		var all Chunk
		for c := range r.Chunks {
			for i := range c.Person {
				if c.kept(i) {
					all.append(&c, i)
				}
			}
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

func permute(c *Chunk, order []uint32) Chunk {
	out := Chunk{Person: make([]uint32, 0, len(order)), Time: make([]int64, 0, len(order))}
	for _, i := range order {
		out.append(c, int(i))
	}
	return out
}

// sortByTime sorts the rows [from, to) of one person by (time, position), stably. What arrives is nearly sorted, so
// it inserts; long runs that turn out not to be are sorted through a permutation.
func sortByTime(c *Chunk, from, to int) {
	const longRun = 32
	if to-from <= longRun {
		for i := from + 1; i < to; i++ {
			for j := i; j > from && c.before(j, j-1); j-- {
				c.swap(j, j-1)
			}
		}
		return
	}
	sorted := true
	for i := from + 1; i < to && sorted; i++ {
		sorted = !c.before(i, i-1)
	}
	if sorted {
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
	copy(c.Person[from:to], part.Person)
	copy(c.Time[from:to], part.Time)
	copy(c.Pos[min(from, len(c.Pos)):], part.Pos)
	copy(c.Group[min(from, len(c.Group)):], part.Group)
	copy(c.Value[min(from, len(c.Value)):], part.Value)
}
