package storetest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/embedcdp/cdp/store"
)

// testKeys stores the keys that trip encodings up: zero bytes, 0xff, keys that are prefixes of others.
func testKeys(t *testing.T, e *env) {
	s := e.store(t)
	sorted := []string{
		"\x00", "\x00\x00", "\x00\x01", "\x00\xff", "\x01", "a", "a\x00", "a\x00b", "aa", "a\xff", "a\xff\xff", "b",
		"k" + strings.Repeat("\x00", 300), "k" + strings.Repeat("x", 300), "k" + strings.Repeat("x", 301),
		"\xfe\xff", "\xff", "\xff\x00", "\xff\xff",
	}
	pairs := []string{}
	for _, k := range sorted {
		pairs = append(pairs, k, "value of "+k)
	}
	backwards := []string{}
	for i := len(sorted) - 1; i >= 0; i-- {
		backwards = append(backwards, sorted[i], "value of "+sorted[i])
	}
	put(t, s, backwards...)
	holds(t, s, "keys are any bytes, and their order is the order of bytes.Compare", pairs...)

	view(t, s, func(r store.Reader) error {
		for i, k := range sorted {
			if v, found, err := get(r, k); err != nil || !found || v != "value of "+k {
				broken(t, "Get finds every key that was put", "Get(%q) = %q, found %v, error %v", k, v, found, err)
			}
			if _, found, err := get(r, k+"\x00?"); err != nil || found {
				broken(t, "Get finds only the whole key", "Get(%q) found something, error %v", k+"\x00?", err)
			}
			got, err := all(r, []byte(k), nil)
			if err != nil {
				return err
			}
			if !equal(got, pairs[2*i:]) {
				broken(t, "from is inclusive", "Scan(%q, nil) gave %s", k, show(got))
			}
			if got, err = all(r, nil, []byte(k)); err != nil {
				return err
			}
			if !equal(got, pairs[:2*i]) {
				broken(t, "to is exclusive", "Scan(nil, %q) gave %s", k, show(got))
			}
		}
		return nil
	})

	t.Run("EmptyValue", func(t *testing.T) {
		s := e.store(t)
		update(t, s, func(w store.Writer) error {
			if err := w.Put([]byte("nil"), nil); err != nil {
				return err
			}
			if err := w.Put([]byte("empty"), []byte{}); err != nil {
				return err
			}
			return checkEmpty(t, w, "in the transaction that wrote it")
		})
		view(t, s, func(r store.Reader) error { return checkEmpty(t, r, "after the commit") })
	})

	t.Run("EmptyKey", func(t *testing.T) {
		s := e.store(t)
		put(t, s, "a", "1")
		for _, key := range [][]byte{nil, {}} {
			update(t, s, func(w store.Writer) error {
				if err := w.Put(key, []byte("v")); !errors.Is(err, store.ErrEmptyKey) {
					broken(t, "Put with an empty key returns ErrEmptyKey", "Put(%#v) = %v", key, err)
				}
				if _, err := w.Get(key); !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrEmptyKey) {
					broken(t, "an empty key is never found", "Get(%#v) = %v", key, err)
				}
				if err := w.Delete(key); err != nil && !errors.Is(err, store.ErrEmptyKey) {
					broken(t, "removing what is not there is not an error", "Delete(%#v) = %v", key, err)
				}
				return nil
			})
		}
		holds(t, s, "a refused Put leaves no trace", "a", "1")
	})
}

func checkEmpty(t *testing.T, r store.Reader, when string) error {
	const rule = "a stored empty value is returned as an empty slice with a nil error"
	for _, key := range []string{"nil", "empty"} {
		v, err := r.Get([]byte(key))
		if err != nil || v == nil || len(v) != 0 {
			broken(t, rule, "%s Get(%q) = %#v, %v", when, key, v, err)
		}
	}
	n := 0
	for p, err := range r.Scan(nil, nil) {
		if err != nil {
			return err
		}
		if !bytes.Equal(p.Value, nil) {
			broken(t, rule, "%s Scan gave %q=%q", when, p.Key, p.Value)
		}
		n++
	}
	if n != 2 {
		broken(t, rule, "%s Scan yielded %d of 2 pairs", when, n)
	}
	return nil
}
