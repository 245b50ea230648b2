// Package store is the contract between the platform and what keeps its bytes: an ordered, transactional key-value store.
//
// The platform needs very little: one serialisable write transaction at a time, reads that see one moment, keys in byte
// order. Everything else (checksums, encoding, retries of commits that lost a race) is done above this line.
//
// An implementation passes the suite in package storetest; that suite, not this text, is the last word.
package store

import (
	"context"
	"errors"
	"iter"
)

// Store is an ordered key-value store with serialisable transactions.
//
// Every method is safe for concurrent use. A View and an Update may run at the same time; a View sees the state of one
// commit from its start to its end. Two Updates never overlap, or at least commit as if they had not.
type Store interface {
	// View runs fn on a consistent, read-only snapshot and returns fn's error.
	// It returns the context's error when ctx is done before fn starts, and ErrClosed after Close.
	View(ctx context.Context, fn func(Reader) error) error

	// Update runs fn and commits what it wrote, all or nothing, durable when Update returns nil.
	//
	// fn's error aborts the transaction and is returned as it is. A store that detects a conflict only at commit may
	// run fn again from the start, so fn must not keep what it learned in an earlier run. ctx is looked at before fn
	// starts and before the commit; once the commit has begun it is carried through.
	//
	// When the commit itself fails, the error wraps ErrCommit: the outcome is unknown, and the caller must assume neither.
	Update(ctx context.Context, fn func(Writer) error) error

	// Close waits for running transactions and releases the store. A second Close returns nil.
	Close() error
}

// Reader reads one snapshot. It and every slice it returns are valid only until the function it was given to returns;
// callers copy what they keep and never write into a returned slice. A Reader is used by one goroutine at a time.
type Reader interface {
	// Get returns the value of key, or ErrNotFound. A stored empty value is returned as an empty slice with a nil error.
	Get(key []byte) ([]byte, error)

	// Scan yields the pairs with from <= key < to in byte order; a nil to means no upper bound. It yields a non-nil
	// error at most once, last. Writes made by the same transaction while it scans may or may not be seen; what was
	// there before and is not touched is seen exactly once.
	Scan(from, to []byte) iter.Seq2[Pair, error]
}

// Writer is a Reader that also writes. What it writes is seen by its own later reads.
type Writer interface {
	Reader

	// Put stores a copy of value under a copy of key. Keys are 1 to MaxKey bytes long, values up to MaxValue.
	Put(key, value []byte) error

	// Delete removes key; removing what is not there is not an error.
	Delete(key []byte) error
}

// Pair is one key with its value.
type Pair struct{ Key, Value []byte }

// Limits every store must honour; beyond them Put returns ErrTooLarge.
const (
	MaxKey   = 4 << 10  // bytes
	MaxValue = 64 << 20 // bytes
)

// Errors a store returns, by when they happen. Implementations wrap them with what they know.
var (
	ErrNotFound = errors.New("store: key not found")

	ErrEmptyKey = errors.New("store: a key has at least one byte")
	ErrTooLarge = errors.New("store: key or value is over the limit")

	ErrClosed  = errors.New("store: closed")
	ErrCommit  = errors.New("store: commit failed, its outcome is unknown")
	ErrDamaged = errors.New("store: damaged")
	ErrLocked  = errors.New("store: open already, in this or another process")
)
