package faultstore

import (
	"bytes"
	"iter"

	"github.com/embedcdp/cdp/store"
)

type reader struct {
	f      *Store
	r      store.Reader
	poison bool
	given  [][]byte // copies handed out, to be overwritten at the end
}

func (f *Store) wrap(r store.Reader) *reader {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &reader{f: f, r: r, poison: f.mu.poison}
}

func (t *reader) end() {
	for _, b := range t.given {
		for i := range b {
			b[i] = 0xDB
		}
	}
	t.given = nil
}

// give returns what the caller gets to see of b.
func (t *reader) give(b []byte) []byte {
	if !t.poison {
		return b
	}
	b = append([]byte{}, b...)
	t.given = append(t.given, b)
	return b
}

func (t *reader) Get(key []byte) ([]byte, error) {
	n, err := t.f.begin(Get, key)
	if err != nil {
		return nil, err
	}
	value, err := t.r.Get(key)
	if err != nil {
		return nil, err
	}
	if bit, ok := t.f.flip(n); ok && len(value) > 0 {
		value = bytes.Clone(value)
		bit %= len(value) * 8
		value[bit/8] ^= 1 << (bit % 8)
	}
	return t.give(value), nil
}

func (t *reader) Scan(from, to []byte) iter.Seq2[store.Pair, error] {
	return func(yield func(store.Pair, error) bool) {
		if _, err := t.f.begin(Scan, from); err != nil {
			yield(store.Pair{}, err)
			return
		}
		for p, err := range t.r.Scan(from, to) {
			if err != nil {
				yield(store.Pair{}, err)
				return
			}
			if _, err := t.f.begin(Next, p.Key); err != nil {
				yield(store.Pair{}, err)
				return
			}
			if !yield(store.Pair{Key: t.give(p.Key), Value: t.give(p.Value)}, nil) {
				return
			}
		}
		if _, err := t.f.begin(Next, nil); err != nil {
			yield(store.Pair{}, err)
		}
	}
}

type writer struct {
	*reader
	w store.Writer
}

func (t *writer) Put(key, value []byte) error {
	if _, err := t.f.begin(Put, key); err != nil {
		return err
	}
	return t.w.Put(key, value)
}

func (t *writer) Delete(key []byte) error {
	if _, err := t.f.begin(Delete, key); err != nil {
		return err
	}
	return t.w.Delete(key)
}
