package column

import "sync"

// A frozen table or vector is a read-only copy as of the call: it is read by any number of goroutines without a lock while
// the original grows or changes. No cells are copied. Of a table, sealed chunks never change, and the open chunk only gets
// cells of rows behind the frozen ones, in place or in new memory. Of a vector, a chunk that a frozen copy sees is copied
// by the writer before it changes (copy on write).

// Freeze returns the table as it is now. Only one goroutine calls it at a time, while nobody writes; from then on the cells
// of the last row can no longer be set. Adding rows, columns or cells to what is frozen panics. A table that has not changed
// since the last call returns the same copy.
func (t *Table) Freeze() *Table {
	if t.frozen {
		return t
	}
	t.ext.writable = 0
	if f := t.copy; f != nil && f.ext.rows == t.ext.rows && len(f.columns) == len(t.columns) {
		return f
	}
	f := &Table{name: t.name, sealed: t.sealed, src: t.src, columns: make([]*Column, len(t.columns)), byName: t.byName, frozen: true,
		ext: extent{rows: t.ext.rows, room: t.ext.rows}}
	all := make([]Column, len(t.columns))
	for i, c := range t.columns {
		all[i] = c.frozenCopy(&f.ext)
		f.columns[i] = &all[i]
		if c.kind == Int64 {
			all[i].openStats = sync.OnceValue(func() stats { return measure(&all[i].open) })
		}
	}
	t.sharedNames, t.copy = true, f
	return f
}

// Freeze returns the column, of a table or a vector, as it is now: see Table.Freeze.
func (c *Column) Freeze() *Column {
	if c.frozen {
		return c
	}
	if c.copy != nil {
		return c.copy
	}
	if !c.vector {
		c.ext.writable = 0
	}
	f := c.frozenCopy(&extent{rows: c.ext.rows, room: c.ext.rows})
	if c.vector {
		c.epoch++
		c.copy = &f
	}
	return &f
}

func (c *Column) frozenCopy(ext *extent) Column {
	return Column{name: c.name, kind: c.kind, ext: ext, since: c.since, vector: c.vector, frozen: true, still: c.vector, src: c.src,
		dict: c.dict.freeze(), chunks: c.chunks, open: c.open.first(ext.rowsIn(len(c.chunks)))}
}

// own returns the page of chunk k of a vector for writing, and makes or copies it first where needed.
func (c *Column) own(k int) *page {
	if k < len(c.chunks) {
		if s := c.chunks[k]; s.epoch == c.epoch {
			return s.page.Load()
		}
	}
	p := empty
	if k < len(c.chunks) {
		p = c.chunks[k].page.Load()
	}
	return c.put(k, p.widened(c.ext.roomIn(k)))
}

// put makes p the page of chunk k of a vector. A frozen copy may see the list of chunks, so the list is copied too, once.
func (c *Column) put(k int, p *page) *page {
	c.copy = nil
	if k < len(c.chunks) && c.listEpoch != c.epoch {
		c.chunks = append(make([]*slot, 0, len(c.chunks)+1), c.chunks...)
		c.listEpoch = c.epoch
	}
	for len(c.chunks) <= k {
		c.chunks = append(c.chunks, absentSlot)
	}
	s := newSlot(p)
	s.epoch = c.epoch
	c.chunks[k] = s
	return p
}
