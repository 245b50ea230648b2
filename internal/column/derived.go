package column

import "sync"

// Derived keeps, for the full chunks of a table, numbers that are computed from its cells and from something else that
// may change: the caller names the version of that. They take a place in the table's cache as any column does, and are gone
// when it is full. Any number of goroutines use it, of frozen copies and of the original.
type Derived struct {
	src   *chunkSource
	mu    sync.Mutex
	slots []*slot
}

// NewDerived returns one for a table, in which nothing is kept yet.
func NewDerived(t *Table) *Derived { return &Derived{src: t.src} }

// Uints returns what is kept for chunk k, nil when there is nothing or when its version does not suit. The caller does not
// change it.
func (d *Derived) Uints(k int, suits func(version int) bool) []uint32 {
	d.mu.Lock()
	if k >= len(d.slots) || d.slots[k] == nil {
		d.mu.Unlock()
		return nil
	}
	s := d.slots[k]
	d.mu.Unlock()
	p := s.page.Load()
	if p == nil {
		p = d.src.cache.warm(s)
	}
	if p == nil || !suits(p.version) {
		return nil
	}
	return p.uints
}

// Keep keeps the numbers of chunk k, in place of others. The caller does not change them afterwards.
func (d *Derived) Keep(k, version int, cells []uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.slots) <= k {
		d.slots = append(d.slots, nil)
	}
	if d.slots[k] == nil {
		d.slots[k] = newSlot(nil)
	}
	p := &page{uints: cells, version: version}
	if d.src.cache == nil {
		d.slots[k].page.Store(p)
		return
	}
	d.src.cache.replace(d.slots[k], p)
}

// Forget lets go of the first n chunks, of which nothing is kept afterwards.
func (d *Derived) Forget(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var old []*slot
	for k := range min(n, len(d.slots)) {
		if s := d.slots[k]; s != nil {
			old = append(old, s)
		}
		d.slots[k] = nil
	}
	if d.src.cache != nil && len(old) > 0 {
		d.src.cache.forget(old)
	}
}
