// Package faultstore wraps any store and makes it fail on purpose, so that the code above can be tested against what
// disks and networks do.
//
//	s := faultstore.Wrap(memstore.New())
//	s.Fail(faultstore.Get, 3, errors.New("disk"))  // the third Get from now fails, once
//	s.FailCommit(1, faultstore.Lost)               // the next commit is not applied and reports store.ErrCommit
//	s.FailCommit(2, faultstore.Torn)               // the one after is applied, and reports store.ErrCommit all the same
//	s.FlipBit(1, 12)                               // the next Get returns its value with bit 12 flipped
//	s.Hook(func(op faultstore.Op, key []byte) {…}) // delay, block, count or cancel before any operation
//	s.Poison(true)                                 // slices are overwritten when their transaction ends
//
// Nothing is random: the same calls in the same order fail in the same way.
package faultstore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/embedcdp/cdp/store"
)

// Op is a kind of operation.
type Op int

// The kinds of operation, counted apart. Scan counts loops begun and Next the pairs they ask for, the end included.
const (
	View Op = iota
	Update
	Commit
	Get
	Scan
	Next
	Put
	Delete
	ops
)

func (o Op) String() string {
	if o < 0 || o >= ops {
		return fmt.Sprintf("op %d", int(o))
	}
	return [ops]string{"view", "update", "commit", "get", "scan", "next", "put", "delete"}[o]
}

// Outcome says what becomes of a commit that is made to fail.
type Outcome int

const (
	Lost Outcome = iota // nothing was applied
	Torn                // everything was applied, only the answer was lost
)

// ErrInjected is what injected failures wrap when the test gives no error of its own.
var ErrInjected = errors.New("faultstore: injected failure")

// Store is a store that can be told to fail. All methods are safe for concurrent use.
type Store struct {
	inner store.Store

	mu struct {
		sync.Mutex
		seen    [ops]int
		fail    [ops]map[int]error // by the value of seen at which to fail
		commits map[int]Outcome
		flips   map[int]int // bit to flip, by the value of seen[Get]
		hook    func(Op, []byte)
		poison  bool
	}
}

var _ store.Store = (*Store)(nil)

// Wrap returns a store that passes everything on to s until it is told otherwise. Close closes s.
func Wrap(s store.Store) *Store {
	f := &Store{inner: s}
	f.mu.commits = map[int]Outcome{}
	f.mu.flips = map[int]int{}
	for op := range f.mu.fail {
		f.mu.fail[op] = map[int]error{}
	}
	return f
}

// Inner returns the wrapped store.
func (f *Store) Inner() store.Store { return f.inner }

// Fail makes the n-th operation of a kind from now on (1 is the next) return err, or ErrInjected when err is nil. It
// fails once. The operation is not carried out. For commits see FailCommit.
func (f *Store) Fail(op Op, n int, err error) {
	if err == nil {
		err = fmt.Errorf("%w: %v", ErrInjected, op)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.fail[op][f.mu.seen[op]+n] = err
}

// FailCommit makes the n-th commit from now on (1 is the next) report an error that wraps store.ErrCommit and ErrInjected.
func (f *Store) FailCommit(n int, outcome Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.commits[f.mu.seen[Commit]+n] = outcome
}

// FlipBit makes the n-th Get from now on (1 is the next) return a copy of its value with one bit flipped. The bit is
// counted from the start of the value and wraps around its length; an empty value stays as it is.
func (f *Store) FlipBit(n, bit int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.flips[f.mu.seen[Get]+n] = bit
}

// Hook has fn called before every operation, on the goroutine that asks for it; key is nil where there is none. fn may
// block. A nil fn ends it.
func (f *Store) Hook(fn func(op Op, key []byte)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.hook = fn
}

// Poison makes transactions that begin from now on return copies, which are overwritten with 0xDB when the transaction
// ends: code that keeps a slice for too long then reads garbage in every run, not only on a bad day.
func (f *Store) Poison(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.poison = on
}

// Count returns how many operations of a kind there were, failed ones included.
func (f *Store) Count(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.seen[op]
}

// View passes on to the wrapped store.
func (f *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	if _, err := f.begin(View, nil); err != nil {
		return err
	}
	return f.inner.View(ctx, func(r store.Reader) error {
		t := f.wrap(r)
		defer t.end()
		return fn(t)
	})
}

// Update passes on to the wrapped store. A commit is counted once for every Update whose fn returned nil.
func (f *Store) Update(ctx context.Context, fn func(store.Writer) error) error {
	if _, err := f.begin(Update, nil); err != nil {
		return err
	}
	var (
		decided  bool // a store may run fn again: the commit is counted in the first run that gets there
		injected error
		outcome  Outcome
	)
	err := f.inner.Update(ctx, func(w store.Writer) error {
		t := &writer{reader: f.wrap(w), w: w}
		defer t.end()
		if err := fn(t); err != nil {
			return err
		}
		if !decided {
			decided = true
			outcome, injected = f.beginCommit()
		}
		if injected != nil && outcome == Lost {
			return injected
		}
		return nil
	})
	if err == nil && injected != nil {
		return injected
	}
	return err
}

// Close closes the wrapped store.
func (f *Store) Close() error { return f.inner.Close() }

// begin counts an operation, calls the hook and returns its number and the error it is to fail with.
func (f *Store) begin(op Op, key []byte) (n int, err error) {
	f.mu.Lock()
	f.mu.seen[op]++
	n = f.mu.seen[op]
	err = f.mu.fail[op][n]
	delete(f.mu.fail[op], n)
	hook := f.mu.hook
	f.mu.Unlock()
	if hook != nil {
		hook(op, key)
	}
	return n, err
}

func (f *Store) beginCommit() (Outcome, error) {
	n, err := f.begin(Commit, nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	outcome, planned := f.mu.commits[n]
	delete(f.mu.commits, n)
	if planned && err == nil {
		err = ErrInjected
	}
	if err != nil {
		err = fmt.Errorf("faultstore: commit %d: %w: %w", n, store.ErrCommit, err)
	}
	return outcome, err
}

// flip returns the bit to flip in the n-th Get.
func (f *Store) flip(n int) (bit int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	bit, ok = f.mu.flips[n]
	delete(f.mu.flips, n)
	return bit, ok
}
