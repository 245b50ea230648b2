// Package memstore is the reference store: everything in memory, nothing kept after Close.
//
// The pairs live in a B+tree whose nodes are shared between commits and copied before they change (tree.go). A commit
// is one pointer store, a snapshot is one pointer load, and a View costs a running Update nothing.
package memstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/internal/gate"
)

// Store is an in-memory store.Store. Several clients may share one. Updates run one after another, Views beside them.
type Store struct {
	gate *gate.Gate
	root atomic.Pointer[node]
}

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	s := &Store{gate: gate.New()}
	s.root.Store(&node{})
	return s
}

// View runs fn on the newest commit.
func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	if err := s.gate.Enter(ctx); err != nil {
		return err
	}
	defer s.gate.Leave()
	t := &reader{root: s.root.Load()}
	defer t.end()
	return fn(t)
}

// Update runs fn once and publishes what it wrote. It never returns store.ErrCommit.
func (s *Store) Update(ctx context.Context, fn func(store.Writer) error) error {
	if err := s.gate.EnterWriter(ctx); err != nil {
		return err
	}
	defer s.gate.LeaveWriter()
	t := &writer{reader: reader{root: s.root.Load()}, edit: new(edit)}
	defer t.end()
	if err := fn(t); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.root.Store(t.root)
	return nil
}

// Close waits for running transactions and drops the data.
func (s *Store) Close() error {
	if s.gate.Shut() {
		s.root.Store(&node{})
	}
	return nil
}

var errEnded = errors.New("memstore: the transaction has ended; a Reader or Writer is valid only inside its function")

type reader struct {
	root  *node
	ended bool
}

func (t *reader) end() { t.ended = true }

func (t *reader) Get(key []byte) ([]byte, error) {
	if t.ended {
		return nil, errEnded
	}
	value, ok := t.root.get(key)
	if !ok {
		return nil, store.ErrNotFound
	}
	return value, nil
}

func (t *reader) Scan(from, to []byte) iter.Seq2[store.Pair, error] {
	return func(yield func(store.Pair, error) bool) {
		if t.ended {
			yield(store.Pair{}, errEnded)
			return
		}
		t.root.scan(from, to, yield)
	}
}

type writer struct {
	reader
	edit *edit // the nodes that carry it belong to this transaction and may be changed in place
}

// Scan runs over the tree as it is when the loop begins. Taking a new edit gives every node up, so that writes made
// during the loop copy what the loop still walks over.
func (t *writer) Scan(from, to []byte) iter.Seq2[store.Pair, error] {
	return func(yield func(store.Pair, error) bool) {
		t.edit = new(edit)
		t.reader.Scan(from, to)(yield)
	}
}

func (t *writer) Put(key, value []byte) error {
	switch {
	case t.ended:
		return errEnded
	case len(key) == 0:
		return store.ErrEmptyKey
	case len(key) > store.MaxKey:
		return fmt.Errorf("memstore: key of %d bytes, the limit is %d: %w", len(key), store.MaxKey, store.ErrTooLarge)
	case len(value) > store.MaxValue:
		return fmt.Errorf("memstore: value of %d bytes, the limit is %d: %w", len(value), store.MaxValue, store.ErrTooLarge)
	}
	left, right := t.root.put(t.edit, bytes.Clone(key), append([]byte{}, value...))
	t.root = left
	if right != nil {
		t.root = &node{edit: t.edit, keys: [][]byte{nil, right.keys[0]}, kids: []*node{left, right}}
	}
	return nil
}

func (t *writer) Delete(key []byte) error {
	if t.ended {
		return errEnded
	}
	if _, ok := t.root.get(key); !ok {
		return nil // and nothing is copied
	}
	t.root = t.root.del(t.edit, key)
	for len(t.root.kids) == 1 {
		t.root = t.root.kids[0]
	}
	return nil
}
