package storetest

import (
	"fmt"
	"testing"

	"github.com/embedcdp/cdp/store"
)

// testIterateWhileWriting changes the store under a running loop.
func testIterateWhileWriting(t *testing.T, e *env) {
	const n = 3000 // several pages
	key := func(i int) string { return fmt.Sprintf("%06d", i) }
	fill := func(t *testing.T) store.Store {
		s := e.store(t)
		update(t, s, func(w store.Writer) error {
			for i := range n {
				if err := w.Put([]byte(key(i)), []byte("before")); err != nil {
					return err
				}
			}
			return nil
		})
		return s
	}
	const rule = "what was there before and is not touched is seen exactly once"

	// Each change is made while the loop stands at pair i. touched names the keys that it changes.
	for _, c := range []struct {
		name    string
		change  func(w store.Writer, i int) error
		touched func(i int) bool // of the keys that were there before
		left    int              // pairs at the end
	}{
		{"DeleteCurrent", func(w store.Writer, i int) error { return w.Delete([]byte(key(i))) },
			func(int) bool { return false }, 0}, // it is seen before it goes
		{"DeletePrevious", func(w store.Writer, i int) error {
			if i == 0 {
				return nil
			}
			return w.Delete([]byte(key(i - 1)))
		}, func(int) bool { return false }, 1},
		{"DeleteEverySecondAhead", func(w store.Writer, i int) error {
			if i%2 == 1 {
				return nil
			}
			return w.Delete([]byte(key(i + 1)))
		}, func(i int) bool { return i%2 == 1 }, n / 2},
		{"OverwriteCurrent", func(w store.Writer, i int) error { return w.Put([]byte(key(i)), make([]byte, 300)) },
			func(int) bool { return false }, n},
		{"InsertBehind", func(w store.Writer, i int) error { return w.Put([]byte(key(i)+"+"), []byte("new")) },
			func(int) bool { return false }, 2 * n},
		{"InsertBefore", func(w store.Writer, i int) error { return w.Put([]byte("!"+key(i)), []byte("new")) },
			func(int) bool { return false }, 2 * n},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fill(t)
			update(t, s, func(w store.Writer) error {
				seen := make([]int, n)
				last := ""
				for p, err := range w.Scan([]byte("0"), nil) {
					if err != nil {
						return err
					}
					k := string(p.Key)
					if k <= last {
						broken(t, "Scan yields keys in byte order, also while the transaction writes", "%q came after %q", k, last)
						return nil
					}
					last = k
					if len(k) != 6 {
						continue // written by this loop; it may be seen or not
					}
					i := 0
					if _, err := fmt.Sscanf(k, "%d", &i); err != nil {
						return err
					}
					seen[i]++
					if err := c.change(w, i); err != nil {
						return err
					}
				}
				for i, times := range seen {
					if times != 1 && !(times == 0 && c.touched(i)) {
						broken(t, rule, "key %q was seen %d times", key(i), times)
						return nil
					}
				}
				return nil
			})
			view(t, s, func(r store.Reader) error {
				got, err := all(r, nil, nil)
				if len(got)/2 != c.left {
					broken(t, "writes made inside a loop over Scan are applied", "%d pairs are left, it should be %d", len(got)/2, c.left)
				}
				return err
			})
		})
	}
}
