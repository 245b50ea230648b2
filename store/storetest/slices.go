package storetest

import (
	"bytes"
	"testing"

	"github.com/embedcdp/cdp/store"
)

// testSlices checks who owns bytes and for how long. A store may overwrite what it returned once the transaction ends.
func testSlices(t *testing.T, e *env) {
	t.Run("PutCopies", func(t *testing.T) {
		s := e.store(t)
		update(t, s, func(w store.Writer) error {
			key, value := []byte("key-1"), bytes.Repeat([]byte("v"), 1000)
			if err := w.Put(key, value); err != nil {
				return err
			}
			copy(key, "XXXXX")
			clear(value)
			small := []byte("key-2")
			if err := w.Put(small, small); err != nil {
				return err
			}
			copy(small, "YYYYY")
			return nil
		})
		holds(t, s, "Put stores a copy of value under a copy of key; the caller may reuse both at once",
			"key-1", string(bytes.Repeat([]byte("v"), 1000)), "key-2", "key-2")
	})

	t.Run("DeleteArgument", func(t *testing.T) {
		s := e.store(t)
		put(t, s, "a", "1", "b", "2")
		update(t, s, func(w store.Writer) error {
			key := []byte("a")
			if err := w.Delete(key); err != nil {
				return err
			}
			key[0] = 'b'
			return nil
		})
		holds(t, s, "Delete does not keep its argument", "b", "2")
	})

	t.Run("ValidUntilTheEnd", func(t *testing.T) {
		s := e.store(t)
		for i := range 50 {
			put(t, s, string(rune('A'+i)), string(bytes.Repeat([]byte{byte('A' + i)}, 2000)))
		}
		const rule = "a returned slice stays right until the function returns"
		check := func(r store.Reader) error {
			var pairs []store.Pair // kept without a copy
			for p, err := range r.Scan(nil, nil) {
				if err != nil {
					return err
				}
				pairs = append(pairs, p)
			}
			first, err := r.Get([]byte("A"))
			if err != nil {
				return err
			}
			for i, p := range pairs {
				want := byte('A' + i)
				if !bytes.Equal(p.Key, []byte(string(rune(want)))) || !bytes.Equal(p.Value, bytes.Repeat([]byte{want}, 2000)) {
					broken(t, rule, "pair %d of a finished Scan became %q=%q", i, p.Key, short(string(p.Value)))
				}
			}
			if !bytes.Equal(first, bytes.Repeat([]byte{'A'}, 2000)) {
				broken(t, rule, "a value from Get became %q", short(string(first)))
			}
			return nil
		}
		view(t, s, check)
		update(t, s, func(w store.Writer) error { return check(w) })

		// Slices from before a write, looked at after it, when the write does not touch their keys.
		update(t, s, func(w store.Writer) error {
			b, err := w.Get([]byte("B"))
			if err != nil {
				return err
			}
			for _, k := range []string{"A", "C", "D"} {
				if err := w.Put([]byte(k), make([]byte, 3000)); err != nil {
					return err
				}
			}
			if err := w.Delete([]byte("E")); err != nil {
				return err
			}
			if !bytes.Equal(b, bytes.Repeat([]byte{'B'}, 2000)) {
				broken(t, rule, "a value from Get became %q after writes to other keys", short(string(b)))
			}
			return nil
		})
	})
}
