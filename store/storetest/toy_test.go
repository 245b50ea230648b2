package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/embedcdp/cdp/store"
)

// toy is the smallest store there can be, a map copied for every Update, with a defect of choice.
type toy struct {
	defect string
	writer sync.Mutex

	mu      sync.Mutex
	pairs   map[string][]byte
	running sync.WaitGroup
	closed  bool
}

func newToy(defect string) *toy { return &toy{defect: defect, pairs: map[string][]byte{}} }

func (s *toy) is(defect string) bool { return s.defect == defect }

func (s *toy) enter(ctx context.Context) (map[string][]byte, error) {
	if err := ctx.Err(); err != nil && !s.is("ignores the context before fn") {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && !s.is("can be used after Close") {
		return nil, store.ErrClosed
	}
	s.running.Add(1)
	return s.pairs, nil
}

func (s *toy) View(ctx context.Context, fn func(store.Reader) error) (err error) {
	pairs, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer s.running.Done()
	return fn(&toyTx{s: s, pairs: pairs, view: true})
}

func (s *toy) Update(ctx context.Context, fn func(store.Writer) error) (err error) {
	if !s.is("loses updates") {
		s.writer.Lock()
		defer s.writer.Unlock()
	}
	pairs, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer s.running.Done()
	t := &toyTx{s: s, pairs: maps.Clone(pairs)}
	if s.is("commits at once") {
		t.pairs = pairs
	}
	commit := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pairs = t.pairs
	}
	if s.is("commits after a panic") {
		defer commit()
	}
	if s.is("swallows panics") {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic: %v", v)
			}
		}()
	}
	if err := fn(t); err != nil {
		if s.is("commits after an error") {
			commit()
		}
		if s.is("wraps fn's error") {
			return fmt.Errorf("update: %w", err)
		}
		return err
	}
	if err := ctx.Err(); err != nil && !s.is("ignores the context before the commit") {
		return err
	}
	commit()
	t.ended = !s.is("writes after the end")
	if !t.ended {
		t.pairs = s.pairs
	}
	return nil
}

func (s *toy) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again && s.is("fails a second Close") {
		return errors.New("closed twice")
	}
	if !s.is("does not wait in Close") {
		s.running.Wait()
	}
	return nil
}

type toyTx struct {
	s     *toy
	pairs map[string][]byte
	view  bool
	ended bool
}

// now is the snapshot, or with one defect whatever is newest.
func (t *toyTx) now() map[string][]byte {
	if t.view && t.s.is("reads past its snapshot") {
		t.s.mu.Lock()
		defer t.s.mu.Unlock()
		return t.s.pairs
	}
	return t.pairs
}

func (t *toyTx) Get(key []byte) ([]byte, error) {
	v, ok := t.now()[string(key)]
	if !ok && t.s.is("has no ErrNotFound") {
		return nil, nil
	}
	if !ok {
		return nil, store.ErrNotFound
	}
	if len(v) == 0 && t.s.is("returns nil for an empty value") {
		return nil, nil
	}
	return v, nil
}

func (t *toyTx) Scan(from, to []byte) iter.Seq2[store.Pair, error] {
	return func(yield func(store.Pair, error) bool) {
		pairs := t.now()
		keys := slices.Sorted(maps.Keys(pairs))
		if t.s.is("is unordered") {
			slices.SortFunc(keys, func(a, b string) int { return len(a) - len(b) })
		}
		reused := make([]byte, 0, 4096)
		for i := 0; i < len(keys); i++ {
			k := keys[i]
			beyond := to != nil && k >= string(to)
			switch {
			case t.s.is("includes to"):
				beyond = to != nil && k > string(to)
			case t.s.is("takes an empty to for none"):
				beyond = len(to) > 0 && k >= string(to)
			}
			if k < string(from) || beyond || t.s.is("excludes from") && k == string(from) {
				continue
			}
			v, ok := pairs[k]
			if !ok {
				continue // deleted during the loop
			}
			key := []byte(k)
			if t.s.is("reuses the key's slice") {
				key = append(reused[:0], k...)
			}
			if !yield(store.Pair{Key: key, Value: v}, nil) {
				return
			}
			if _, still := pairs[k]; !still && t.s.is("skips after a delete") {
				i++
			}
			if t.s.is("repeats after a write") && !bytes.Equal(pairs[k], v) {
				i--
			}
		}
	}
}

func (t *toyTx) Put(key, value []byte) error {
	switch {
	case t.ended:
		return errors.New("ended")
	case len(key) == 0 && !t.s.is("takes an empty key"):
		return store.ErrEmptyKey
	case (len(key) > store.MaxKey || len(value) > store.MaxValue) && !t.s.is("has no limits"):
		return store.ErrTooLarge
	case len(key) > 1000 && t.s.is("refuses long keys"):
		return store.ErrTooLarge
	}
	if !t.s.is("keeps the caller's value") {
		value = append([]byte{}, value...)
	}
	if t.s.is("cuts long values") {
		value = value[:min(len(value), 1<<20-1)]
	}
	t.pairs[string(key)] = value
	return nil
}

func (t *toyTx) Delete(key []byte) error {
	if t.ended {
		return errors.New("ended")
	}
	if _, ok := t.pairs[string(key)]; !ok && t.s.is("cannot delete what is not there") {
		return store.ErrNotFound
	}
	if !t.s.is("does not delete") {
		delete(t.pairs, string(key))
	}
	return nil
}
