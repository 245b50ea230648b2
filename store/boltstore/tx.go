package boltstore

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

	bolt "go.etcd.io/bbolt"

	"github.com/embedcdp/cdp/store"
)

var errEnded = errors.New("boltstore: the transaction has ended; a Reader or Writer is valid only inside its function")

// tx is one transaction: a store.Reader, and a store.Writer if it writes.
type tx struct {
	s      *Store
	btx    *bolt.Tx
	bucket *bolt.Bucket
	write  bool
	ended  bool
	broken error // the first panic inside bbolt: this transaction must not commit
	writes int   // counts changes, so that a Scan knows when its cursor is no longer good
}

func (s *Store) begin(write bool) (*tx, error) {
	if err := s.blocked(write); err != nil {
		return nil, err
	}
	t := &tx{s: s, write: write}
	began := false
	err := guard(s.path, "begin", func() (err error) {
		t.btx, err = s.db.Begin(write)
		began = true
		return err
	})
	if err != nil {
		if !began {
			s.mu.Lock()
			s.mu.stuck = err
			s.mu.Unlock()
			return nil, err
		}
		return nil, fmt.Errorf("boltstore: begin on %s: %w", s.path, err)
	}
	err = t.guard("begin", func() error {
		if t.bucket = t.btx.Bucket(bucketName); t.bucket == nil {
			return damaged(s.path, "its bucket %q is missing", bucketName)
		}
		t.bucket.FillPercent = fillPercent
		return nil
	})
	if err != nil {
		t.rollback()
		return nil, err
	}
	return t, nil
}

// guard is guard for calls inside a transaction.
func (t *tx) guard(doing string, call func() error) error {
	broke := true
	err := guard(t.s.path, doing, func() error {
		err := call()
		broke = false
		return err
	})
	if broke && t.broken == nil {
		t.broken = err
	}
	return err
}

// rollback ends the transaction if it has not ended. It only works on memory.
func (t *tx) rollback() {
	if t.ended {
		return
	}
	t.ended = true
	if err := guard(t.s.path, "rollback", t.btx.Rollback); err != nil {
		t.s.mu.Lock()
		t.s.mu.stuck = err
		t.s.mu.Unlock()
	}
}

func (t *tx) commit() error {
	err := t.guard("commit", t.btx.Commit)
	if t.broken != nil { // bbolt's list of free pages may be wrong now
		t.rollback()
		t.s.mu.Lock()
		t.s.mu.readOnly = err
		t.s.mu.Unlock()
	}
	t.ended = true // bbolt has rolled back by itself when it returned an error
	if err != nil {
		return fmt.Errorf("boltstore: %s: %w: %w", t.s.path, store.ErrCommit, err)
	}
	return nil
}

func (t *tx) Get(key []byte) (value []byte, err error) {
	if t.ended {
		return nil, errEnded
	}
	err = t.guard("read", func() error {
		value = valueOf(t.bucket, key)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, store.ErrNotFound
	}
	return value, nil
}

// Scan moves a cursor. A write makes the cursor useless, so the loop then seeks its way back to where it was.
func (t *tx) Scan(from, to []byte) iter.Seq2[store.Pair, error] {
	return func(yield func(store.Pair, error) bool) {
		var (
			cursor *bolt.Cursor
			last   []byte // where the loop stands: a copy, since a write may move what p.Key points at
			writes int
			p      store.Pair
		)
		seek := func(key []byte) {
			cursor, writes = t.bucket.Cursor(), t.writes
			p.Key, p.Value = cursor.Seek(key)
		}
		for first := true; ; first = false {
			if t.ended {
				yield(store.Pair{}, errEnded)
				return
			}
			err := t.guard("scan", func() error {
				switch {
				case first:
					seek(from)
				case writes != t.writes:
					if seek(last); bytes.Equal(p.Key, last) {
						p.Key, p.Value = cursor.Next()
					}
				default:
					p.Key, p.Value = cursor.Next()
				}
				if p.Key != nil && p.Value == nil {
					p.Value = big(t.bucket, p.Key)
				}
				return nil
			})
			if err != nil {
				yield(store.Pair{}, err)
				return
			}
			if p.Key == nil || to != nil && bytes.Compare(p.Key, to) >= 0 {
				return
			}
			if t.write {
				last = append(last[:0], p.Key...)
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

func (t *tx) Put(key, value []byte) error {
	switch {
	case t.ended:
		return errEnded
	case len(key) == 0:
		return store.ErrEmptyKey
	case len(key) > store.MaxKey:
		return fmt.Errorf("boltstore: key of %d bytes, the limit is %d: %w", len(key), store.MaxKey, store.ErrTooLarge)
	case len(value) > store.MaxValue:
		return fmt.Errorf("boltstore: value of %d bytes, the limit is %d: %w", len(value), store.MaxValue, store.ErrTooLarge)
	}
	t.writes++
	value = append([]byte{}, value...) // bbolt copies the key, but keeps the value until the commit; never nil
	return t.guard("write", func() error { return setValue(t.bucket, key, value) })
}

func (t *tx) Delete(key []byte) error {
	if t.ended {
		return errEnded
	}
	t.writes++
	return t.guard("delete", func() error { return removeValue(t.bucket, key) })
}
