package boltstore

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/embedcdp/cdp/store"
)

// check reads the structure of a file with plain reads, which cannot fault, and finds everything on which bbolt would
// panic: pages of a wrong kind or place, pages used twice, elements beyond their page, keys out of order. It reads page
// headers, element tables and keys, not the values.
func check(path string, f *os.File, acceptLostCommit bool) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("boltstore: %w", err)
	}
	m, good := readMetas(f)
	switch {
	case good == 0:
		return damaged(path, "it is not a store file, or both of its meta pages are damaged")
	case good == 1 && !acceptLostCommit:
		return fmt.Errorf("%w, or open it with boltstore.Options.AcceptLostCommit", damaged(path,
			"one of its two meta pages is damaged, and with it the last commit may be lost (the other stands for commit %d)", m.tx))
	case m.pages > uint64(info.Size()/m.pageSize):
		return damaged(path, "the file is cut off: it has %d bytes, its %d pages of %d bytes need %d",
			info.Size(), m.pages, m.pageSize, m.pages*uint64(m.pageSize))
	}
	c := &checker{f: f, meta: m, used: make([]uint64, m.pages/64+1)}
	if err := c.file(); err != nil {
		return damaged(path, "%v", err)
	}
	return nil
}

// checker walks the tree of one commit.
type checker struct {
	f    io.ReaderAt
	meta meta
	used []uint64 // one bit a page
	bufs [][]byte // one a level of the tree; keys of the levels above stay valid during a walk below
}

const maxDepth = 32 // a tree of that depth holds more pages than a file can have

func (c *checker) file() error {
	if err := c.use(0, 2, "the meta pages"); err != nil {
		return err
	}
	value, err := c.rootBucket()
	if err != nil {
		return err
	}
	if page := native.Uint64(value); page != 0 {
		if err := c.tree(page, nil, nil, 0); err != nil {
			return err
		}
	} else if err := c.leaf(pageImage{c: c, name: "the bucket's inline page", size: int64(len(value)) - 16, head: value[16:]}, nil, nil, true, 0); err != nil {
		return err
	}
	if c.meta.freelist == noFreelist {
		return nil
	}
	return c.freelist()
}

// rootBucket returns the value of the root tree's only element, the bucket.
func (c *checker) rootBucket() ([]byte, error) {
	p, err := c.page(c.meta.root, 0)
	if err != nil {
		return nil, err
	}
	if p.flags() != leafPage || p.count() != 1 {
		return nil, fmt.Errorf("page %d should list one bucket; the file was written by another program, or is damaged", p.id)
	}
	flags, pos, ksize, vsize := p.leafElement(0)
	if flags != bucketElement || pos+ksize+vsize > p.size || pos != headerSize+elementSize {
		return nil, fmt.Errorf("%s: its entry for the bucket is damaged", p.name)
	}
	b, err := p.bytes(pos, ksize+vsize)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(b[:ksize], bucketName) {
		return nil, fmt.Errorf("the bucket is named %q, not %q; the file was written by another program, or is damaged", b[:ksize], bucketName)
	}
	if value := b[ksize:]; vsize == 16 && native.Uint64(value) != 0 || vsize >= 16+headerSize && native.Uint64(value) == 0 {
		return bytes.Clone(value), nil
	}
	return nil, fmt.Errorf("%s: its entry for the bucket is damaged", p.name)
}

// tree checks the page and all below it. Its keys must lie in [from, to); nil means no bound.
func (c *checker) tree(id uint64, from, to []byte, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("page %d: the tree is deeper than %d levels", id, maxDepth)
	}
	p, err := c.page(id, depth)
	if err != nil {
		return err
	}
	switch p.flags() {
	case leafPage:
		return c.leaf(p, from, to, false, depth)
	case branchPage:
		return c.branch(p, from, to, depth)
	}
	return fmt.Errorf("%s: it should be a leaf or a branch, its flags are %#x", p.name, p.flags())
}

func (c *checker) leaf(p pageImage, from, to []byte, inline bool, depth int) error {
	n := p.count()
	switch {
	case headerSize+elementSize*n > p.size:
		return fmt.Errorf("%s: %d elements do not fit into %d bytes", p.name, n, p.size)
	case n == 0 && !inline: // bbolt keeps an empty bucket inline
		return fmt.Errorf("%s: it is empty", p.name)
	case inline && p.flags() != leafPage:
		return fmt.Errorf("%s: it should be a leaf, its flags are %#x", p.name, p.flags())
	}
	order := keyOrder{from: from, to: to}
	end := headerSize + elementSize*n // bbolt writes the elements one behind the other
	for i := range n {
		flags, pos, ksize, vsize := p.leafElement(i)
		big := flags == bucketElement && vsize == bucketHeader
		if flags != 0 && !big || pos != end || ksize == 0 || ksize > store.MaxKey || vsize > store.MaxValue || pos+ksize+vsize > p.size {
			return fmt.Errorf("%s: element %d of %d is damaged", p.name, i, n)
		}
		end = pos + ksize + vsize
		if err := order.next(p, i, pos, ksize); err != nil {
			return err
		}
		if big {
			header, err := p.bytes(pos+ksize, vsize)
			if err != nil {
				return err
			}
			if err := c.big(native.Uint64(header), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// big checks the one page of a big value, which has a bucket of its own: see big.go.
func (c *checker) big(id uint64, depth int) error {
	p, err := c.page(id, depth)
	if err != nil {
		return err
	}
	if p.flags() != leafPage || p.count() != 1 {
		return fmt.Errorf("%s: it should be a leaf with one value", p.name)
	}
	flags, pos, ksize, vsize := p.leafElement(0)
	if flags != 0 || pos != headerSize+elementSize || ksize != int64(len(bigKey)) || vsize > store.MaxValue || pos+ksize+vsize > p.size {
		return fmt.Errorf("%s: its element is damaged", p.name)
	}
	key, err := p.bytes(pos, ksize)
	if err != nil {
		return err
	}
	if !bytes.Equal(key, bigKey) {
		return fmt.Errorf("%s: its key is %q, not %q", p.name, key, bigKey)
	}
	return nil
}

func (c *checker) branch(p pageImage, from, to []byte, depth int) error {
	n := p.count()
	if n == 0 || headerSize+elementSize*n > p.size {
		return fmt.Errorf("%s: %d elements do not fit into %d bytes, or are none", p.name, n, p.size)
	}
	// First the whole page, then what is below: the bounds of a child are two keys of this page.
	keys := make([][]byte, n+1)
	keys[n] = to
	order := keyOrder{from: from, to: to}
	end := headerSize + elementSize*n
	for i := range n {
		pos, ksize, _ := p.branchElement(i)
		if pos != end || ksize == 0 || ksize > store.MaxKey || pos+ksize > p.size {
			return fmt.Errorf("%s: element %d of %d is damaged", p.name, i, n)
		}
		end = pos + ksize
		if err := order.next(p, i, pos, ksize); err != nil {
			return err
		}
		keys[i] = order.last
	}
	for i := range n {
		_, _, child := p.branchElement(i)
		if err := c.tree(child, keys[i], keys[i+1], depth+1); err != nil {
			return err
		}
	}
	return nil
}

// freelist checks the list of free pages that other tools write; this package has bbolt leave it out.
func (c *checker) freelist() error {
	p, err := c.page(c.meta.freelist, 0)
	if err != nil {
		return err
	}
	n, at := p.count(), int64(headerSize)
	if n == 0xFFFF { // then the first entry is the length
		b, err := p.bytes(at, 8)
		if err != nil {
			return err
		}
		n, at = int64(min(native.Uint64(b), c.meta.pages)), at+8
	}
	if p.flags() != freePage || at+8*n > p.size {
		return fmt.Errorf("%s: it should list the free pages, and does not", p.name)
	}
	b, err := p.bytes(at, 8*n)
	if err != nil {
		return err
	}
	for i := range n {
		if err := c.use(native.Uint64(b[8*i:]), 1, "the list of free pages"); err != nil {
			return err
		}
	}
	return nil
}

// use marks n pages from id on as used, each of which must exist and not be in use by another.
func (c *checker) use(id, n uint64, what string) error {
	if id >= c.meta.pages || n > c.meta.pages-id {
		return fmt.Errorf("%s: pages %d to %d are beyond the last page in use, %d", what, id, id+n-1, c.meta.pages-1)
	}
	for i := id; i < id+n; i++ {
		if c.used[i/64]>>(i%64)&1 == 1 {
			return fmt.Errorf("%s: page %d is in use twice", what, i)
		}
		c.used[i/64] |= 1 << (i % 64)
	}
	return nil
}
