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

// readMetaAt reads the meta page that begins at offset and reports whether it is valid.
func readMetaAt(r io.ReaderAt, offset int64) (meta, bool) {
	var b [headerSize + metaSize]byte
	if _, err := r.ReadAt(b[:], offset); err != nil {
		return meta{}, false
	}
	return parseMeta(b[headerSize:])
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

// readMetas returns the newest valid meta page and how many of the two are valid.
func readMetas(r io.ReaderAt) (newest meta, valid int) {
	first, ok := readMetaAt(r, 0)
	if !ok {
		// The page size is not known: try them all, as bbolt does.
		for size := int64(1 << 10); size <= 16<<20; size *= 2 {
			if second, ok := readMetaAt(r, size); ok && second.pageSize == size {
				return second, 1
			}
		}
		return meta{}, 0
	}
	second, ok := readMetaAt(r, first.pageSize)
	switch {
	case !ok || second.pageSize != first.pageSize:
		return first, 1
	case second.tx > first.tx:
		return second, 2
	}
	return first, 2
}
