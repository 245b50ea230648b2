package storetest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/embedcdp/cdp/store"
)

func testLimits(t *testing.T, e *env) {
	s := e.store(t)
	longest := bytes.Repeat([]byte{'k'}, store.MaxKey)
	neighbour := append(bytes.Repeat([]byte{'k'}, store.MaxKey-1), 'l')
	update(t, s, func(w store.Writer) error {
		if err := w.Put(longest, []byte("at the limit")); err != nil {
			broken(t, "a key of MaxKey bytes is stored", "Put = %v", err)
		}
		if err := w.Put(neighbour, []byte("differs in the last byte")); err != nil {
			broken(t, "a key of MaxKey bytes is stored", "Put = %v", err)
		}
		if err := w.Put(append(longest, 'k'), []byte("v")); !errors.Is(err, store.ErrTooLarge) {
			broken(t, "a key over MaxKey bytes gives ErrTooLarge", "Put = %v", err)
		}
		if err := w.Put([]byte("v"), make([]byte, store.MaxValue+1)); !errors.Is(err, store.ErrTooLarge) {
			broken(t, "a value over MaxValue bytes gives ErrTooLarge", "Put = %v", err)
		}
		return nil
	})
	holds(t, s, "a refused Put leaves no trace and does not spoil its transaction",
		string(longest), "at the limit", string(neighbour), "differs in the last byte")
}

func testLargeValues(t *testing.T, e *env) {
	sizes := []int{100 << 10, 1 << 20, 16 << 20}
	if !testing.Short() {
		sizes = append(sizes, store.MaxValue)
	}
	s := e.store(t)
	for i, size := range sizes {
		want := make([]byte, size)
		newRandom(uint64(size)).fill(want)
		key := []byte{byte('a' + i)}
		update(t, s, func(w store.Writer) error { return w.Put(key, want) })
		view(t, s, func(r store.Reader) error {
			if got, err := r.Get(key); err != nil || !bytes.Equal(got, want) {
				broken(t, "a value up to MaxValue bytes is returned byte for byte", "Get of %d bytes gave %d bytes, equal %v, error %v",
					size, len(got), bytes.Equal(got, want), err)
			}
			return nil
		})
		// Replace it by a small one: what was large must not show through.
		put(t, s, string(key), "small")
	}
	n := 0
	view(t, s, func(r store.Reader) error {
		for p, err := range r.Scan(nil, nil) {
			if err != nil {
				return err
			}
			if string(p.Value) != "small" {
				broken(t, "a second Put replaces the value", "key %q holds %d bytes", p.Key, len(p.Value))
			}
			n++
		}
		return nil
	})
	if n != len(sizes) {
		broken(t, "a second Put replaces the value", "Scan yielded %d of %d pairs", n, len(sizes))
	}
}
