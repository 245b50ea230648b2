package column

import (
	"encoding/binary"
	"hash/crc32"
)

// The first format of a chunk had no directory and one checksum at its end:
//
//	version (1 byte)  table name  chunk number  rows  columns  then for each column in order of creation:
//	    name  kind (1 byte)
//	    Dict only: entries before this chunk, new entries, their strings
//	    the cells, as in a block of cells (encode.go), Bytes without the byte before the bytes
//	CRC32C of all before it (4 bytes, little endian)
//
// It is read and no longer written. Its columns cannot be found one by one, so a chunk of it stays in memory.

func (r *reader) open1(b []byte) {
	if len(b) < 5 || crc32.Checksum(b[:len(b)-4], castagnoli) != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		r.failf("%d bytes do not have the checksum they end with", len(b))
		return
	}
	r.b = b[1 : len(b)-4]
}

func (r *reader) column1(t *Table) (s stagedColumn) {
	var name []byte
	r.nameColumn(&name, &s.kind)
	s.name = string(name)
	have := r.have(t, s.name, s.kind)
	if s.kind == Dict && r.err == nil {
		var d *Dictionary
		if have != nil {
			d = have.dict
		}
		before, added := r.uvarint(), r.uvarint()
		s.words, s.codes = r.newWords(d, before, added)
	}
	if r.err == nil {
		s.page = r.cells(s.kind, s.codes)
	}
	return s
}
