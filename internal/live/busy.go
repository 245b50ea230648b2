package live

import (
	"iter"
	"slices"

	"github.com/embedcdp/cdp/internal/plan"
)

// Busy is what is kept for people with many events, so that one event more costs the same however many there were. Most
// people have few; the busiest of a million may have an eighth of all events. The programs of one state share it: the same
// list and aggregate in several conditions are kept once, under one key.
//
// Nothing in it is the truth. It begins with a walk that proves long, follows what came since whenever it is asked, and is
// given up when that is not plain: rows were merged or parted, limits of time moved back, or much history came at once. Then
// the next walk begins it again. So answers are the same with and without it. One goroutine uses it at a time.
type Busy struct {
	long   int // a walk past more events than this is long
	limit  int // bytes
	bytes  int
	round  int // of making room
	tables map[string]*table
	fresh  []uint32 // memory of follow
}

// NewBusy keeps about so many bytes, of those lists of which a walk went past more than so many events.
func NewBusy(long, bytes int) *Busy {
	return &Busy{long: long, limit: bytes, tables: map[string]*table{}}
}

// Bytes is how much memory is taken, about.
func (b *Busy) Bytes() int { return b.bytes }

// Reset gives up everything: expressions mean something else now.
func (b *Busy) Reset() { b.tables, b.bytes = map[string]*table{}, 0 }

// Drop gives up what was kept of a type's events: some of them are no longer in their lists.
func (b *Busy) Drop(eventType string) {
	for _, t := range b.tables {
		if slices.Contains(t.types, eventType) {
			t.dropIf(func(*holder) bool { return true })
		}
	}
}

// Retain gives up what none of the programs asks for.
func (b *Busy) Retain(programs iter.Seq[*Program]) {
	used := map[*table]bool{}
	for p := range programs {
		for _, t := range p.tables {
			used[t] = true
		}
	}
	for key, t := range b.tables {
		if !used[t] {
			t.dropIf(func(*holder) bool { return true })
			delete(b.tables, key)
		}
	}
}

// makeRoom gives up what was not asked for since it did so last. If that is too little, only longer walks are spared from
// then on, so that what is kept is what saves most.
func (b *Busy) makeRoom() {
	b.dropIf(func(h *holder) bool { return h.round != b.round })
	for b.round++; b.bytes > b.limit/4*3; {
		b.long *= 2
		b.dropIf(func(h *holder) bool { return h.walk < b.long })
	}
}

func (b *Busy) dropIf(is func(*holder) bool) {
	for _, t := range b.tables {
		t.dropIf(is)
	}
}

// table is what is kept of one aggregate, by canonical row.
type table struct {
	busy   *Busy
	types  []string
	begins func() state
	people map[uint32]*holder
}

// holder is what is kept for one person.
type holder struct {
	rows  []uint32 // whose events they are
	walk  int      // how many events a walk would see, about
	round int      // when it was asked for last
	bytes int
	state state
}

// state is what is kept of one or several lists of a person.
type state interface {
	// follow brings it up to now. fresh is how many events were new; ok is false when it must be made again.
	follow(who *Person, b *Busy, w limits) (fresh int, ok bool)
	size() int // bytes, about
}

// table returns the table of a key, and makes it for the first that asks.
func (c *compiler) table(key string, begins func() state, of ...plan.Events) *table {
	b := c.src.Busy()
	if b == nil {
		return nil
	}
	t := b.tables[key]
	if t == nil {
		t = &table{busy: b, begins: begins, people: map[uint32]*holder{}}
		for _, e := range of {
			t.types = append(t.types, e.Type)
		}
		b.tables[key] = t
	}
	c.tables = append(c.tables, t)
	return t
}

// of returns what is kept for a person as of now, nil when nothing is.
func (t *table) of(who *Person, w limits) state {
	if t == nil {
		return nil
	}
	h := t.people[who.Row]
	if h == nil {
		return nil
	}
	if !slices.Equal(h.rows, who.Rows) || !t.follow(who, h, w) {
		t.drop(who.Row, h)
		return nil
	}
	return h.state
}

// begin keeps something for a person from now on, if the walk just made was long.
func (t *table) begin(who *Person, w limits) {
	if t == nil || who.walked <= t.busy.long {
		return
	}
	h := &holder{rows: slices.Clone(who.Rows), walk: who.walked, state: t.begins()}
	t.people[who.Row] = h
	if !t.follow(who, h, w) {
		t.drop(who.Row, h)
	}
}

func (t *table) follow(who *Person, h *holder, w limits) bool {
	fresh, ok := h.state.follow(who, t.busy, w)
	if !ok {
		return false
	}
	bytes := holderBytes + 4*len(h.rows) + h.state.size()
	t.busy.bytes += bytes - h.bytes
	h.walk, h.round, h.bytes = h.walk+fresh, t.busy.round, bytes
	if t.busy.bytes > t.busy.limit {
		t.busy.makeRoom()
	}
	return true
}

// holderBytes is what a holder and its place in the table take.
const holderBytes = 160

func (t *table) drop(row uint32, h *holder) {
	t.busy.bytes -= h.bytes
	delete(t.people, row)
}

func (t *table) dropIf(is func(*holder) bool) {
	for row, h := range t.people {
		if is(h) {
			t.drop(row, h)
		}
	}
}
