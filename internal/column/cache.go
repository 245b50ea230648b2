package column

import (
	"slices"
	"sync"
)

// Cache bounds the memory of the chunks that can be read again. All tables of a portal share one.
//
// What it counts are pages: the cells of one column in one sealed chunk that is in the store. When they are more than the
// budget, pages are picked at random. One that is picked is taken out of its slot, but kept: a getter that finds the slot empty
// gets it back, and that is how a page that is in use is known without marking it at every read. A page that nobody has
// asked for when it is picked again is dropped. Who holds a dropped page goes on with it; the garbage collector takes it
// afterwards.
//
// Picked in turn (CLOCK), pages would be dropped just before they are needed when questions pass, one after the other, over more
// than fits, and none would be found. At random, 55 of 100 are where 80 fit.
//
// Open chunks, chunks that are not in the store yet, vectors and dictionaries are not counted and never dropped.
type Cache struct {
	mu      sync.Mutex // guards what follows, and the fields of slots that say so
	budget  int64
	used    int64
	slots   []*slot
	dice    uint64
	singles uint32 // how often single cells were asked for
}

// A column of a chunk is decoded for single cells, too, when it was asked for oftenAsked of the last askedAmong of them. Looking
// up that many cells costs about as much as decoding 8,192, so a walk that asks for every cell takes twice its time at
// most, while cells here and there in much data never make a page that nobody asks for again.
const (
	oftenAsked = 24
	askedAmong = 4096
)

// asked counts that a cell of a slot without a page is asked for. It returns the page when it has only been taken out, and
// else whether the page should be made.
func (c *Cache) asked(s *slot) (p *page, often bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.cold != nil {
		s.page.Store(s.cold)
		s.cold = nil
	}
	if p = s.page.Load(); p != nil {
		return p, false
	}
	if c.singles++; c.singles-s.from > askedAmong {
		s.from, s.asked = c.singles, 0
	}
	if s.asked++; s.asked < oftenAsked {
		return nil, false
	}
	s.asked = 0
	return nil, true
}

// NewCache returns a cache of that many bytes. A negative budget drops nothing.
func NewCache(budget int64) *Cache { return &Cache{budget: budget, dice: 1} }

// Used returns the bytes of the pages in memory that may be dropped.
func (c *Cache) Used() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}

// warm puts a slot's page back that was taken out; nil when there is none.
func (c *Cache) warm(s *slot) *page {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.cold != nil {
		s.page.Store(s.cold)
		s.cold = nil
	}
	return s.page.Load()
}

// add makes p the page of a slot and counts it. When another goroutine read the same page first, its page is returned.
func (c *Cache) add(s *slot, p *page) *page {
	if first := c.warm(s); first != nil && first != p {
		return first
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.counted == 0 {
		c.count(s, p)
	}
	return p
}

// replace makes p the page of a slot, in place of one of the same size.
func (c *Cache) replace(s *slot, p *page) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.counted == 0 {
		c.count(s, p)
		return
	}
	s.cold = nil
	s.page.Store(p)
}

func (c *Cache) count(s *slot, p *page) {
	s.page.Store(p)
	if s.forgotten { // a frozen copy reads what was dropped, and goes with it
		return
	}
	if s.counted = p.size(); s.counted == 0 {
		return // nothing to be gained by dropping it
	}
	c.used += s.counted
	c.slots = append(c.slots, s)
	for c.budget >= 0 && c.used > c.budget && len(c.slots) > 0 {
		c.step()
	}
}

// forget takes slots out whose rows were dropped. Who has a frozen copy keeps their pages; they are not counted any more.
func (c *Cache) forget(slots []*slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	any := false
	for _, s := range slots {
		if s == absentSlot { // which all tables share
			continue
		}
		if s.counted > 0 {
			any = true
			c.used -= s.counted
		}
		if s.counted = 0; s.cold != nil {
			s.page.Store(s.cold)
			s.cold = nil
		}
		s.forgotten = true
	}
	if any {
		c.slots = slices.DeleteFunc(c.slots, func(s *slot) bool { return s.forgotten })
	}
}

// step looks at one page, any: xorshift, Marsaglia 2003.
func (c *Cache) step() {
	c.dice ^= c.dice << 13
	c.dice ^= c.dice >> 7
	c.dice ^= c.dice << 17
	i := int(c.dice % uint64(len(c.slots)))
	s := c.slots[i]
	if s.cold == nil {
		s.cold = s.page.Swap(nil)
		return
	}
	c.used -= s.counted
	s.cold, s.counted = nil, 0
	last := len(c.slots) - 1
	c.slots[i], c.slots[last] = c.slots[last], nil
	c.slots = c.slots[:last]
}
