// Package keyspace is the one place where keys are made and read. Every byte under which anything is stored is here.
//
// A key is a portal's prefix, one family byte, and the family's own parts, all order-preserving:
//
//	'p' len name | 'l' position                    a batch of the log
//	'p' len name | 'h'                             the log's end
//	'p' len name | 'b' len table chunk sequence    a chunk of a table; sequence 0 is a full, immutable one
//	                                               (a long one in parts: those of table T are of tables "$part0/T", "$part1/T", …)
//	'p' len name | 'c' sequence                    a checkpoint's manifest
//	'p' len name | 'e'                             which engine writes checkpoints
//	'p' len name | 'e' …, 'u' …, 's' …             reserved: leases, change-feed cursors, send partitions
//	'f'                                            the store's format version
//
// Integers are big endian, so byte order is numeric order.
package keyspace

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Families. The letters are part of the format.
const (
	portalByte  = 'p'
	formatByte  = 'f'
	logFamily   = 'l'
	headFamily  = 'h'
	blockFamily = 'b'
	checkFamily = 'c'
	leaseFamily = 'e'
	// Reserved for several processes on one store: leases behind 'e', change-feed cursors 'u', send partitions 's'.
)

// MaxName is the longest portal or table name in bytes.
const MaxName = 200

// ErrKey is returned for bytes that are no key of the family asked for.
var ErrKey = errors.New("keyspace: not a key of this kind")

// Format is the key of the store's format version.
func Format() []byte { return []byte{formatByte} }

// Portal makes the keys of one portal.
type Portal struct{ prefix []byte }

// For returns the keys of the portal with this name, 1 to MaxName bytes long.
func For(name string) (Portal, error) {
	if name == "" || len(name) > MaxName {
		return Portal{}, fmt.Errorf("portal name %q: use 1 to %d bytes", name, MaxName)
	}
	return Portal{prefix: append([]byte{portalByte, byte(len(name))}, name...)}, nil
}

func (p Portal) key(family byte, extra int) []byte {
	k := make([]byte, 0, len(p.prefix)+1+extra)
	return append(append(k, p.prefix...), family)
}

// Log is the key of the batch at a position.
func (p Portal) Log(position uint64) []byte {
	return binary.BigEndian.AppendUint64(p.key(logFamily, 8), position)
}

// Head is the key of the log's end.
func (p Portal) Head() []byte { return p.key(headFamily, 0) }

// Checkpoint is the key of a checkpoint's manifest.
func (p Portal) Checkpoint(sequence uint64) []byte {
	return binary.BigEndian.AppendUint64(p.key(checkFamily, 8), sequence)
}

// Owner is the key of who writes checkpoints.
func (p Portal) Owner() []byte { return p.key(leaseFamily, 0) }

// Checkpoints is the range of all manifests.
func (p Portal) Checkpoints() (from, to []byte) {
	return p.key(checkFamily, 0), p.key(checkFamily+1, 0)
}

// Block is the key of one chunk of a table. Sequence 0 is the full chunk; a partial one carries its checkpoint's sequence.
func (p Portal) Block(table string, chunk uint32, sequence uint64) []byte {
	k := p.key(blockFamily, 1+len(table)+12)
	k = append(append(k, byte(len(table))), table...)
	k = binary.BigEndian.AppendUint32(k, chunk)
	return binary.BigEndian.AppendUint64(k, sequence)
}

// Blocks is the range of all chunks of all tables.
func (p Portal) Blocks() (from, to []byte) { return p.key(blockFamily, 0), p.key(blockFamily+1, 0) }

// ParseLog reads the position out of a key made by Log.
func (p Portal) ParseLog(key []byte) (uint64, error) { return p.parse64(key, logFamily) }

// ParseCheckpoint reads the sequence out of a key made by Checkpoint.
func (p Portal) ParseCheckpoint(key []byte) (uint64, error) { return p.parse64(key, checkFamily) }

func (p Portal) parse64(key []byte, family byte) (uint64, error) {
	rest, err := p.rest(key, family)
	if err != nil || len(rest) != 8 {
		return 0, ErrKey
	}
	return binary.BigEndian.Uint64(rest), nil
}

// ParseBlock reads a key made by Block.
func (p Portal) ParseBlock(key []byte) (table string, chunk uint32, sequence uint64, err error) {
	rest, err := p.rest(key, blockFamily)
	if err != nil || len(rest) < 1 || len(rest) != 1+int(rest[0])+12 {
		return "", 0, 0, ErrKey
	}
	n := int(rest[0])
	return string(rest[1 : 1+n]), binary.BigEndian.Uint32(rest[1+n:]), binary.BigEndian.Uint64(rest[5+n:]), nil
}

func (p Portal) rest(key []byte, family byte) ([]byte, error) {
	n := len(p.prefix)
	if len(key) <= n || string(key[:n]) != string(p.prefix) || key[n] != family {
		return nil, ErrKey
	}
	return key[n+1:], nil
}

// Portals is the range in which every portal's keys lie.
func Portals() (from, to []byte) { return []byte{portalByte}, []byte{portalByte + 1} }

// PortalOf reads the portal's name out of any of its keys, and returns the first key that can belong to another portal.
func PortalOf(key []byte) (name string, next []byte, err error) {
	if len(key) < 2 || key[0] != portalByte || key[1] == 0 || key[1] > MaxName || len(key) <= 2+int(key[1]) {
		return "", nil, ErrKey
	}
	end := 2 + int(key[1])
	next = append(append([]byte(nil), key[:end]...), 0xff, 0xff)
	return string(key[2:end]), next, nil
}
