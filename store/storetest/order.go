package storetest

import (
	"fmt"
	"testing"

	"github.com/embedcdp/cdp/store"
)

func testOrder(t *testing.T, e *env) {
	s := e.store(t)
	const rule = "Scan yields the pairs with from <= key < to in byte order"

	holds(t, s, "a new store is empty")
	put(t, s, "b", "2", "a", "1", "d", "4", "c", "3")
	holds(t, s, rule, "a", "1", "b", "2", "c", "3", "d", "4")

	for _, c := range []struct {
		from, to []byte
		want     string
	}{
		{nil, nil, "a1b2c3d4"},
		{[]byte{}, nil, "a1b2c3d4"},
		{[]byte("b"), nil, "b2c3d4"},
		{nil, []byte("c"), "a1b2"},
		{[]byte("b"), []byte("d"), "b2c3"},
		{[]byte("aa"), []byte("ca"), "b2c3"},
		{[]byte("b"), []byte("b"), ""},
		{[]byte("c"), []byte("b"), ""},
		{[]byte("e"), nil, ""},
		{nil, []byte{}, ""}, // nothing is smaller than the empty key; only nil means no bound
	} {
		view(t, s, func(r store.Reader) error {
			pairs, err := all(r, c.from, c.to)
			if err != nil {
				return err
			}
			got := ""
			for _, p := range pairs {
				got += p
			}
			if got != c.want {
				broken(t, rule, "Scan(%#v, %#v) gave %q, it should give %q", c.from, c.to, got, c.want)
			}
			return nil
		})
	}

	t.Run("Many", func(t *testing.T) { // enough for several pages and levels
		s := e.store(t)
		const n = 20_000
		key := func(i int) string { return fmt.Sprintf("k%08d", i) }
		update(t, s, func(w store.Writer) error {
			for i := range n {
				at := i * 7919 % n // 7919 is prime to n: every key once, out of order
				if err := w.Put([]byte(key(at)), []byte(fmt.Sprint(at))); err != nil {
					return err
				}
			}
			return nil
		})
		view(t, s, func(r store.Reader) error {
			i := 0
			for p, err := range r.Scan(nil, nil) {
				if err != nil {
					return err
				}
				if string(p.Key) != key(i) || string(p.Value) != fmt.Sprint(i) {
					broken(t, rule, "pair %d of %d is %q=%q, it should be %q=%q", i, n, p.Key, p.Value, key(i), fmt.Sprint(i))
					return nil
				}
				i++
			}
			if i != n {
				broken(t, rule, "Scan ended after %d of %d pairs", i, n)
			}
			return nil
		})
	})

	t.Run("EarlyBreak", func(t *testing.T) {
		view(t, s, func(r store.Reader) error {
			for range 3 { // a loop that was left must not disturb the next
				first := ""
				for p, err := range r.Scan([]byte("b"), nil) {
					if err != nil {
						return err
					}
					first = string(p.Key)
					break
				}
				if first != "b" {
					broken(t, "a loop over Scan may be left early and begun again", "the first key was %q, it should be \"b\"", first)
				}
			}
			seq := r.Scan(nil, nil) // the same sequence may be ranged over twice
			for range 2 {
				n := 0
				for _, err := range seq {
					if err != nil {
						return err
					}
					n++
				}
				if n != 4 {
					broken(t, "a sequence from Scan starts anew each time it is ranged over", "it yielded %d of 4 pairs", n)
				}
			}
			return nil
		})
	})

	t.Run("Nested", func(t *testing.T) {
		view(t, s, func(r store.Reader) error {
			n := 0
			for outer, err := range r.Scan(nil, nil) {
				if err != nil {
					return err
				}
				for inner, err := range r.Scan(outer.Key, nil) {
					if err != nil {
						return err
					}
					if string(inner.Key) < string(outer.Key) {
						broken(t, rule, "inside a loop at %q a second Scan gave %q", outer.Key, inner.Key)
					}
					n++
				}
			}
			if n != 4+3+2+1 {
				broken(t, "two loops over Scan do not disturb each other", "nested loops saw %d pairs, not 10", n)
			}
			return nil
		})
	})
}
