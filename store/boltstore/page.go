package boltstore

import (
	"bytes"
	"fmt"
)

// pageImage is a page that check reads: its head in memory, the rest on request.
type pageImage struct {
	c    *checker
	id   uint64
	name string
	size int64  // in bytes, with its overflow pages
	head []byte // the header, the element table, and what else was read with them
}

// page reads the head of a page into the buffer of its level and marks the page as used.
func (c *checker) page(id uint64, level int) (pageImage, error) {
	p := pageImage{c: c, id: id, name: fmt.Sprintf("page %d", id)}
	if id < 2 || id >= c.meta.pages {
		return p, fmt.Errorf("%s is referred to, but the pages in use are 2 to %d", p.name, c.meta.pages-1)
	}
	for len(c.bufs) <= level {
		c.bufs = append(c.bufs, make([]byte, c.meta.pageSize))
	}
	p.head = c.bufs[level][:c.meta.pageSize]
	if err := p.read(p.head, 0); err != nil {
		return p, err
	}
	if self := native.Uint64(p.head); self != id {
		return p, fmt.Errorf("%s: it says that it is page %d", p.name, self)
	}
	spans := uint64(native.Uint32(p.head[12:])) + 1
	if err := c.use(id, spans, p.name); err != nil {
		return p, err
	}
	p.size = int64(spans) * c.meta.pageSize
	if table := headerSize + elementSize*p.count(); table > int64(len(p.head)) && table <= p.size {
		c.bufs[level] = make([]byte, table)
		p.head = c.bufs[level]
		if err := p.read(p.head, 0); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (p pageImage) flags() uint16 { return native.Uint16(p.head[8:]) }
func (p pageImage) count() int64  { return int64(native.Uint16(p.head[10:])) }

// leafElement returns an element of a leaf; pos is counted from the start of the page.
func (p pageImage) leafElement(i int64) (flags uint32, pos, ksize, vsize int64) {
	at := headerSize + elementSize*i
	b := p.head[at : at+elementSize]
	return native.Uint32(b), at + int64(native.Uint32(b[4:])), int64(native.Uint32(b[8:])), int64(native.Uint32(b[12:]))
}

// branchElement returns an element of a branch; pos is counted from the start of the page.
func (p pageImage) branchElement(i int64) (pos, ksize int64, child uint64) {
	at := headerSize + elementSize*i
	b := p.head[at : at+elementSize]
	return at + int64(native.Uint32(b)), int64(native.Uint32(b[4:])), native.Uint64(b[8:])
}

// bytes returns n bytes of the page, which must lie within it. They are valid until the level's next page is read.
func (p pageImage) bytes(at, n int64) ([]byte, error) {
	if at+n <= int64(len(p.head)) {
		return p.head[at : at+n], nil
	}
	if at+n > p.size {
		return nil, fmt.Errorf("%s: bytes %d to %d are beyond its end", p.name, at, at+n)
	}
	b := make([]byte, n)
	return b, p.read(b, at)
}

func (p pageImage) read(b []byte, at int64) error {
	if _, err := p.c.f.ReadAt(b, int64(p.id)*p.c.meta.pageSize+at); err != nil {
		return fmt.Errorf("%s cannot be read: %v", p.name, err)
	}
	return nil
}

// keyOrder checks the keys of one page, in order.
type keyOrder struct {
	from, to []byte
	last     []byte
}

func (o *keyOrder) next(p pageImage, i, pos, ksize int64) error {
	key, err := p.bytes(pos, ksize)
	if err != nil {
		return err
	}
	if i > 0 && bytes.Compare(key, o.last) <= 0 ||
		o.from != nil && bytes.Compare(key, o.from) < 0 ||
		o.to != nil && bytes.Compare(key, o.to) >= 0 {
		return fmt.Errorf("%s: the key of element %d of %d is out of order", p.name, i, p.count())
	}
	o.last = key
	return nil
}
