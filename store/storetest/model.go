package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/embedcdp/cdp/store"
)

// model is the naive twin: a map, sorted when it is scanned.
type model map[string]string

func (m model) scan(from, to []byte) []string {
	got := []string{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k >= string(from) && (to == nil || k < string(to)) {
			got = append(got, k, m[k])
		}
	}
	return got
}

// testModel runs random transactions on the store and on the model. A seed that failed can be run again by its name.
func testModel(t *testing.T, e *env) {
	seeds, transactions := 4, 150
	if testing.Short() {
		seeds, transactions = 2, 60
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			s, m, r := e.open(t), model{}, newRandom(uint64(seed))
			defer func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			for i := range transactions {
				next := maps.Clone(m)
				abort := errors.New("abort")
				state := *r // fn may run again: it starts over from the same numbers and the same model
				err := s.Update(context.Background(), func(w store.Writer) error {
					*r = state
					clear(next)
					maps.Copy(next, m)
					for range r.below(30) {
						if err := step(r, w, next); err != nil {
							return err
						}
					}
					if r.below(5) == 0 {
						return abort
					}
					return nil
				})
				if err != nil && err != abort {
					t.Fatalf("transaction %d: %v", i, err)
				}
				if err == nil {
					m = next
				}
				if e.opts.Reopen != nil && r.below(20) == 0 {
					s = e.opts.Reopen(t, s)
				}
				view(t, s, func(v store.Reader) error {
					if got, err := all(v, nil, nil); err != nil || !equal(got, m.scan(nil, nil)) {
						t.Fatalf("broken rule: a store is a sorted map\n\tafter transaction %d (error %v) it holds %s, the model %s",
							i, err, show(got), show(m.scan(nil, nil)))
					}
					return nil
				})
			}
		})
	}
}

// step does one random operation on both and compares what they answer.
func step(r *random, w store.Writer, m model) error {
	key := randomKey(r)
	switch r.below(10) {
	case 0, 1, 2, 3:
		size := r.below(40)
		if r.below(20) == 0 {
			size = r.below(20_000)
		}
		value := make([]byte, size)
		r.fill(value)
		m[string(key)] = string(value)
		return w.Put(key, value)
	case 4, 5:
		delete(m, string(key))
		return w.Delete(key)
	case 6, 7:
		got, found, err := get(w, string(key))
		if want, there := m[string(key)]; err != nil || found != there || got != want {
			return fmt.Errorf("Get(%q) = %q, found %v, error %v; the model has %q, %v", key, short(got), found, err, short(want), there)
		}
		return nil
	case 8:
		to := randomKey(r)
		if r.below(4) == 0 {
			to = nil
		}
		got, err := all(w, key, to)
		if want := m.scan(key, to); err != nil || !equal(got, want) {
			return fmt.Errorf("Scan(%q, %q) gave %s, error %v; the model has %s", key, to, show(got), err, show(want))
		}
		return nil
	default: // delete a range from inside a loop over it
		limit := r.below(8)
		want := m.scan(key, nil)
		for p, err := range w.Scan(key, nil) {
			if err != nil {
				return err
			}
			if limit == 0 {
				break
			}
			limit--
			if len(want) == 0 || string(p.Key) != want[0] || string(p.Value) != want[1] {
				return fmt.Errorf("a loop that deletes from %q on came to %q; the model has %s", key, p.Key, show(want))
			}
			want = want[2:]
			k := slices.Clone(p.Key)
			delete(m, string(k))
			if err := w.Delete(k); err != nil {
				return err
			}
		}
		return nil
	}
}

// randomKey draws from few keys, so that operations meet, with many shared prefixes and extreme bytes.
func randomKey(r *random) []byte {
	const alphabet = "\x00\x01ab\xfe\xff"
	key := make([]byte, 1+r.below(3))
	for i := range key {
		key[i] = alphabet[r.below(len(alphabet))]
	}
	if r.below(30) == 0 {
		key = append(key, make([]byte, r.below(1000))...)
	}
	return key
}
