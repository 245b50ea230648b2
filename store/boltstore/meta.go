package boltstore

import (
	"encoding/binary"
	"hash/fnv"
	"io"
)

// The layout of a bbolt file (version 2), as far as it is read here. Numbers have the byte order of the machine, since
// bbolt writes its structs as they lie in memory.
//
//	page header, 16 bytes: id u64, flags u16, count u16, overflow u32 (further pages that belong to this one)
//	meta, after the header of pages 0 and 1: magic u32, version u32, page size u32, flags u32,
//	    root bucket (page u64, sequence u64), free list page u64, high water mark u64, transaction u64, checksum u64
//	leaf element, 16 bytes: flags u32, position u32 (from the element's own start), key size u32, value size u32
//	branch element, 16 bytes: position u32, key size u32, page u64
const (
	headerSize  = 16
	elementSize = 16
	metaSize    = 64

	branchPage = 0x01
	leafPage   = 0x02
	freePage   = 0x10

	bucketElement = 0x01 // flag of a leaf element whose value is a bucket
	bucketHeader  = 16   // bytes of such a value when the bucket has pages of its own

	boltMagic   = 0xED0CDAED
	boltVersion = 2
	noFreelist  = ^uint64(0)
)

var native = binary.NativeEndian

// meta is one of the two pages that say where the tree of a commit begins. Commits write them in turn.
type meta struct {
	pageSize int64
	root     uint64
	freelist uint64
	pages    uint64 // high water mark: pages from here on are not in use
	tx       uint64
}

// readMetaAt reads the meta page that begins at offset. valid is bbolt's verdict; id is the page's own word for where it is.
func readMetaAt(r io.ReaderAt, offset int64) (m meta, id uint64, valid bool) {
	var b [headerSize + metaSize]byte
	if _, err := r.ReadAt(b[:], offset); err != nil {
		return meta{}, 0, false
	}
	m, valid = parseMeta(b[headerSize:])
	return m, native.Uint64(b[:]), valid
}

// parseMeta checks b as bbolt does: magic, version, and FNV-64a over all that comes before the checksum.
func parseMeta(b []byte) (meta, bool) {
	if len(b) < metaSize || native.Uint32(b) != boltMagic || native.Uint32(b[4:]) != boltVersion {
		return meta{}, false
	}
	sum := fnv.New64a()
	sum.Write(b[:metaSize-8])
	if sum.Sum64() != native.Uint64(b[metaSize-8:]) {
		return meta{}, false
	}
	m := meta{
		pageSize: int64(native.Uint32(b[8:])),
		root:     native.Uint64(b[16:]),
		freelist: native.Uint64(b[32:]),
		pages:    native.Uint64(b[40:]),
		tx:       native.Uint64(b[48:]),
	}
	return m, m.pageSize >= 1<<10 && m.pageSize <= 16<<20 && m.pageSize&(m.pageSize-1) == 0
}

// readMetas returns the meta page that bbolt will go by, the newest valid one, and how many of the two are as they should
// be. That a page lies where it says it does is not looked at by bbolt, but a copy of the one over the other has lost
// a commit too.
func readMetas(r io.ReaderAt) (newest meta, good int) {
	first, id, valid := readMetaAt(r, 0)
	if !valid {
		// The page size is not known: try them all, as bbolt does.
		for size := int64(1 << 10); size <= 16<<20; size *= 2 {
			if second, _, valid := readMetaAt(r, size); valid {
				if second.pageSize != size {
					return meta{}, 0
				}
				return second, 1
			}
		}
		return meta{}, 0
	}
	if id == 0 {
		good++
	}
	second, id, valid := readMetaAt(r, first.pageSize)
	if !valid {
		return first, 1
	}
	if second.pageSize != first.pageSize {
		return meta{}, 0
	}
	if id == 1 {
		good++
	}
	if second.tx > first.tx {
		return second, max(good, 1)
	}
	return first, max(good, 1)
}
