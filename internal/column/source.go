package column

import (
	"errors"
	"fmt"
	"sync"
)

// chunkSource is where the sealed chunks of a table can be read again, one column at a time.
type chunkSource struct {
	table string
	cache *Cache
	read  func(k int, fn func(chunk []byte) error) error
}

// SetSource says where the chunks of the table are: read calls fn with chunk k as EncodeChunk wrote it, for as long as fn
// runs, and returns its error. From then on LoadChunk leaves the cells of full chunks where they are until somebody reads
// them, and chunks that SetStored names may be dropped from memory. read is called by any goroutine that reads a cell.
// A table that has a source keeps it: readers may be using it.
func (t *Table) SetSource(cache *Cache, read func(k int, fn func(chunk []byte) error) error) {
	if t.src.read == nil {
		t.src.cache, t.src.read = cache, read
	}
}

// SetStored says that the first n chunks are in the source. Only the writer calls it.
func (t *Table) SetStored(n int) {
	t.mustGrow()
	if t.src.read == nil {
		return
	}
	for k := t.stored; k < n && k < t.sealed; k++ {
		t.release(k)
	}
	t.stored = max(t.stored, n)
}

// release lets the cache drop chunk k.
func (t *Table) release(k int) {
	for _, c := range t.columns {
		s := c.chunks[k]
		if p := s.page.Load(); p != nil && p.size() > 0 && !s.fixed {
			t.src.cache.add(s, p)
		}
	}
}

// LoadError is what a getter panics with when the cells of a row cannot be read again from the store. Who calls getters
// of a table with a source turns it into an error: see Recover.
type LoadError struct {
	Table  string
	Chunk  int
	Column string
	Err    error // wraps ErrDamaged when the bytes are damaged or not there
}

func (e *LoadError) Error() string {
	advice := ""
	switch {
	case errors.Is(e.Err, ErrDamaged):
		advice = "; restore a backup"
	case errors.Is(e.Err, ErrDropped):
		advice = " by the retention of events while a question was at work; ask again"
	}
	return fmt.Sprintf("column: table %s chunk %d column %s cannot be read: %v%s", e.Table, e.Chunk, e.Column, e.Err, advice)
}

func (e *LoadError) Unwrap() error { return e.Err }

// Recover is deferred by whoever reads cells in a goroutine of its own: it sets *err to the LoadError that a getter
// panicked with, and lets every other panic pass.
func Recover(err *error) {
	switch p := recover().(type) {
	case nil:
	case *LoadError:
		*err = p
	default:
		panic(p)
	}
}

// fetch returns the cells of chunk k, which the cache has taken out or dropped, or which were never read.
func (c *Column) fetch(k int) *page {
	s := c.chunks[k]
	if p := c.src.cache.warm(s); p != nil {
		return p
	}
	return c.src.cache.add(s, c.decode(k))
}

// decode reads the cells of chunk k from the source.
func (c *Column) decode(k int) (p *page) {
	err := c.src.read(k, func(chunk []byte) (err error) {
		r := readers.Get().(*reader)
		defer readers.Put(r)
		r.again(c.src.table)
		p, err = r.column2(chunk, c, k)
		return err
	})
	if err != nil {
		panic(&LoadError{c.src.table, k, c.name, err})
	}
	return p
}

// atHand returns the cells of chunk k for who wants one of them, nil when that is better looked up in the source.
func (c *Column) atHand(k int) *page {
	if p := c.sealedPage(k); p != nil {
		return p
	}
	if k >= len(c.chunks) {
		return c.otherPage(k)
	}
	p, often := c.src.cache.asked(c.chunks[k])
	if p == nil && often {
		return c.fetch(k)
	}
	return p
}

// readers keeps the scratch memory of readers.
var readers = sync.Pool{New: func() any { return new(reader) }}
