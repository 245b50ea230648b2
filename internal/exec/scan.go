package exec

import (
	"math/bits"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// scan is one pass over the events of a type: those inside the window for which all conditions hold, of the people asked
// about. Chunks that lie outside the window are not looked at; inside those that lie wholly in it no time is read.
type scan struct {
	ev     *Events
	window window
	conds  []cond
	unless cond // events for which it is true do not count; nil for none
	rows   Set  // people; nil for all, when a test for each event would not pay
	whose  owners
	early  bool // conditions look at the person
}

// hits are the events of one chunk that count: who[i] is whose event pos[i] of the chunk is. pos is nil when it is
// every event of the chunk.
type hits struct {
	f   *frame
	pos []uint16
	who []uint32
}

func (h *hits) at(i int) int {
	if h.pos == nil {
		return i
	}
	return int(h.pos[i])
}

// sink takes what a scan finds. Each goroutine has one; hits come to it in order of arrival, and those of an earlier
// worker came before those of a later one.
type sink interface{ take(h *hits, s *scratch) }

// scan prepares a pass over a list of events. It is false when there is no kernel for it. Without any event of the type it
// returns nil: nothing is to be done.
func (r *run) scan(list plan.Events, unless plan.Node, rows Set) (*scan, bool) {
	list = r.hoist(list)
	w, ok := r.window(list.Bounds, rows)
	if !ok {
		return nil, false
	}
	ev := r.src.Events(list.Type)
	if ev == nil {
		return nil, true
	}
	sc := &scan{ev: ev, window: w, whose: r.whose}
	c := compiler{run: r, events: ev, early: &sc.early}
	if len(list.Filter) > 0 {
		if sc.conds, ok = c.conds(list.Filter); !ok {
			return nil, false
		}
	}
	if unless != nil {
		if sc.unless, ok = c.cond(unless); !ok {
			return nil, false
		}
	}
	if rows.Len() < max(r.asked, r.rows/2)/2 {
		sc.rows = rows
	}
	return sc, true
}

// piece is a chunk that a scan looks at: the first and the last time in it, and whether it lies wholly in the window.
type piece struct {
	k           int
	first, last int64
	whole       bool
}

func (sc *scan) pieces() []piece {
	var out []piece
	for k := range sc.ev.chunks() {
		first, last := timesIn(sc.ev.Time, k)
		if last >= sc.window.from && first < sc.window.to {
			out = append(out, piece{k, first, last, first >= sc.window.from && last < sc.window.to})
		}
	}
	return out
}

// run passes over the chunks; sinks are made for each goroutine and returned in their order.
func (sc *scan) run(newSink func() sink) []sink { return sc.over(sc.pieces(), newSink) }

func (sc *scan) over(pieces []piece, newSink func() sink) []sink {
	workers := min(workersFor(len(pieces)*column.ChunkRows), max(1, len(pieces)))
	sinks := make([]sink, workers)
	inParallel(len(pieces), workers, func(w, from, to int) {
		sinks[w] = newSink()
		g := sc.gatherer()
		for _, p := range pieces[from:to] {
			letOthersIn()
			g.give(p, sinks[w])
		}
	})
	return sinks
}

func (sc *scan) gatherer() *gatherer {
	return &gatherer{scan: sc}
}

func (g *gatherer) give(p piece, to sink) {
	if h := g.chunk(p.k, p.whole); len(h.who) > 0 {
		to.take(h, &g.s)
	}
}

// timesIn are the first and the last time in a chunk.
func timesIn(c *column.Column, k int) (first, last int64) {
	if first, last, ok := c.IntRange(k); ok {
		return first, last
	}
	times := c.Ints(k)
	first, last = times[0], times[0]
	for _, t := range times {
		first, last = min(first, t), max(last, t)
	}
	return first, last
}

// gatherer finds the hits of one chunk after the other, for one goroutine.
type gatherer struct {
	*scan
	s    scratch
	mine []uint32 // canonical rows of a whole chunk
	pos  []uint16
	who  []uint32
}

func (g *gatherer) chunk(k int, whole bool) *hits {
	every := whole && len(g.conds) == 0 && g.unless == nil // of everybody who is asked about
	people, whose := g.whose.ofChunk(g.ev, k, every || g.early)
	f := &frame{k: k, n: len(people), who: people}
	if !whose.plain() && (g.early || g.all(whole)) {
		g.mine = room(g.mine, len(people))
		whose.list(people, g.mine)
		f.who = g.mine
	}
	if g.all(whole) {
		return &hits{f: f, who: f.who}
	}
	if g.pos == nil { // where all events count, nothing is listed
		g.pos, g.who = make([]uint16, column.ChunkRows), make([]uint32, column.ChunkRows)
	}
	var n int
	if every {
		n = g.sift(people, whose, 0, 0)
	} else {
		chosen := g.s.words()[:(f.n+63)/64]
		g.choose(f, whole, chosen)
		n = g.compact(people, whose, chosen)
		g.s.give(chosen[:cap(chosen)])
	}
	if g.window.since != nil || g.window.until != nil {
		n = g.bounded(g.ev.Time.Ints(k), n)
	}
	return &hits{f: f, pos: g.pos[:n], who: g.who[:n]}
}

// all tells whether every event of a chunk counts.
func (g *gatherer) all(whole bool) bool { return whole && g.rows == nil && g.everything() }

// everything tells whether every event within the limits for everybody counts, whosever it is.
func (sc *scan) everything() bool {
	return len(sc.conds) == 0 && sc.unless == nil && sc.window.since == nil && sc.window.until == nil
}

// choose marks the events inside the window for which the conditions hold.
func (g *gatherer) choose(f *frame, whole bool, chosen []uint64) {
	fill(chosen, f.n)
	tmp := g.s.words()
	out := tmp[:len(chosen)]
	if !whole {
		t := test{kind: value.Datetime, from: g.window.from, to: g.window.to - 1}
		g.s.left.times = g.ev.Time.Ints(f.k)
		t.mark(&g.s.left, chosen)
	}
	for _, c := range g.conds {
		c.mark(f, &g.s, true, out)
		Set(chosen).and(out)
	}
	if g.unless != nil {
		g.unless.mark(f, &g.s, true, out)
		Set(chosen).andNot(out)
	}
	g.s.give(tmp)
}

// compact lists the chosen events whose people are asked about.
func (g *gatherer) compact(people []uint32, whose owners, chosen []uint64) (n int) {
	pos, who, rows := g.pos, g.who, g.rows
	for w, word := range chosen {
		if word == ^uint64(0) { // as where a window begins in a chunk
			n += g.sift(people[w<<6:w<<6+64], whose, w<<6, n)
			continue
		}
		for ; word != 0; word &= word - 1 {
			i := w<<6 | bits.TrailingZeros64(word)
			row := whose.of(people[i])
			if rows == nil || rows[row>>6]>>(row&63)&1 != 0 {
				pos[n], who[n] = uint16(i), row
				n++
			}
		}
	}
	return n
}

// sift is compact where every event is chosen. They are those from position at on, and are listed behind the hits before.
// Whether the next one's person is asked about cannot be predicted, so it is written down in any case.
func (g *gatherer) sift(people []uint32, whose owners, at, hits int) (n int) {
	pos, who, rows := g.pos[hits:hits+len(people)], g.who[hits:hits+len(people)], g.rows
	if rows == nil {
		whose.list(people, who)
		for i := range pos {
			pos[i] = uint16(at + i)
		}
		return len(people)
	}
	if whose.canonical == nil {
		nobody := whose.nobody
		for i, row := range people {
			row = min(row, nobody)
			pos[n], who[n] = uint16(at+i), row
			n += int(rows[row>>6] >> (row & 63) & 1)
		}
		return n
	}
	for i, row := range people {
		row = whose.of(row)
		pos[n], who[n] = uint16(at+i), row
		n += int(rows[row>>6] >> (row & 63) & 1)
	}
	return n
}

// bounded keeps the hits that lie within the bounds of their person.
func (g *gatherer) bounded(times []int64, hits int) (n int) {
	for i, row := range g.who[:hits] {
		at := times[g.pos[i]]
		if (g.window.since == nil || *g.window.since.of(row) <= at) && (g.window.until == nil || at < *g.window.until.of(row)) {
			g.pos[n], g.who[n] = g.pos[i], row
			n++
		}
	}
	return n
}
