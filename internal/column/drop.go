package column

import "errors"

// ErrDropped is wrapped by a LoadError about a chunk whose rows were dropped on purpose: the source has it no more, or without its
// cells.
var ErrDropped = errors.New("its rows were dropped")

// Drop lets go of the cells of the first n chunks, which are sealed: every cell of theirs is absent from now on. Rows keep
// their numbers, and dictionaries their strings. Frozen copies made before keep the chunks they have. Encoded again, such a
// chunk is a few bytes a column and the strings that it was the first to have, so that later chunks can be loaded after it. It says
// that it was dropped.
func (t *Table) Drop(n int) {
	t.mustGrow()
	if n > t.sealed {
		panic("column: table " + t.name + ": only chunks that are sealed can be dropped")
	}
	t.copy = nil
	var old []*slot
	for _, c := range t.columns {
		old = c.dropChunks(n, old)
	}
	if t.src.cache != nil {
		t.src.cache.forget(old)
	}
}

// DroppedChunk says whether chunk k has no cells any more, because of Drop, or of that before it was written and loaded.
func (t *Table) DroppedChunk(k int) bool {
	return len(t.columns) > 0 && k < len(t.columns[0].chunks) && t.columns[0].chunks[k].dropped
}

// dropChunks puts chunks without cells in place of the first n, and appends those that were there to old. Frozen copies
// have the list of chunks, so it is copied.
func (c *Column) dropChunks(n int, old []*slot) []*slot {
	from := 0
	for from < n && c.chunks[from].dropped {
		from++
	}
	if from >= n {
		return old
	}
	for _, s := range c.chunks[from:n] {
		if !s.dropped { // those may be shared
			old = append(old, s)
		}
	}
	c.chunks = append([]*slot(nil), c.chunks...)
	for k := from; k < n; k++ {
		entries := c.chunks[k].entries
		switch {
		case entries == 0:
			c.chunks[k] = droppedSlot
		case k > 0 && c.chunks[k-1].entries == entries: // of the chunk before, which is dropped too
			c.chunks[k] = c.chunks[k-1]
		default:
			s := newSlot(empty)
			s.dropped, s.entries = true, entries
			c.chunks[k] = s
		}
	}
	return old
}

// droppedSlot stands for dropped chunks of a column without a dictionary.
var droppedSlot = func() *slot {
	s := newSlot(empty)
	s.dropped = true
	return s
}()

// DropVector lets go of the cells of the first n chunks of a vector: they are absent from now on, and can be set again.
func (c *Column) DropVector(n int) {
	if !c.vector || c.frozen {
		panic("column: DropVector on column " + c.name + ", which is no vector or a frozen copy")
	}
	n = min(n, len(c.chunks))
	if n == 0 {
		return
	}
	c.copy = nil
	if c.listEpoch != c.epoch {
		c.chunks = append([]*slot(nil), c.chunks...)
		c.listEpoch = c.epoch
	}
	for k := range n {
		c.chunks[k] = absentSlot
	}
}
