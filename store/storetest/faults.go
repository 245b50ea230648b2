package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/faultstore"
)

// testFaults makes operations fail half-way and checks that the store under them stays whole.
func testFaults(t *testing.T, e *env) {
	ctx := context.Background()
	setup := func(t *testing.T) *faultstore.Store {
		f := faultstore.Wrap(e.store(t))
		put(t, f, "a", "1", "b", "2", "c", "3")
		return f
	}
	// change is a transaction that touches everything.
	change := func(w store.Writer) error {
		if _, err := w.Get([]byte("a")); err != nil {
			return err
		}
		for p, err := range w.Scan(nil, nil) {
			if err != nil {
				return err
			}
			if err := w.Put(p.Key, []byte("changed")); err != nil {
				return err
			}
		}
		return w.Delete([]byte("b"))
	}
	const whole = "a transaction that failed leaves no trace, wherever it failed"

	t.Run("EveryOperation", func(t *testing.T) {
		f := setup(t)
		mine := errors.New("mine")
		for _, c := range []struct {
			op faultstore.Op
			n  int
		}{
			{faultstore.Update, 1}, {faultstore.Get, 1}, {faultstore.Scan, 1}, {faultstore.Next, 1}, {faultstore.Next, 3},
			{faultstore.Put, 1}, {faultstore.Put, 3}, {faultstore.Delete, 1},
		} {
			f.Fail(c.op, c.n, mine)
			if err := f.Update(ctx, change); err != mine {
				broken(t, "fn's error aborts the transaction and is returned as it is", "with %v %d failing Update returned %v", c.op, c.n, err)
			}
			holds(t, f, whole, "a", "1", "b", "2", "c", "3")
		}
		update(t, f, change)
		holds(t, f, "after failed transactions the store stays usable", "a", "changed", "c", "changed")
	})

	t.Run("LostCommit", func(t *testing.T) {
		f := setup(t)
		f.FailCommit(1, faultstore.Lost)
		if err := f.Update(ctx, change); !errors.Is(err, store.ErrCommit) || !errors.Is(err, faultstore.ErrInjected) {
			broken(t, "a failed commit wraps ErrCommit", "Update = %v", err)
		}
		holds(t, f, whole, "a", "1", "b", "2", "c", "3")
	})

	t.Run("TornCommit", func(t *testing.T) {
		f := setup(t)
		f.FailCommit(1, faultstore.Torn)
		if err := f.Update(ctx, change); !errors.Is(err, store.ErrCommit) {
			broken(t, "a failed commit wraps ErrCommit", "Update = %v", err)
		}
		holds(t, f, "the outcome of a failed commit may be that all was applied", "a", "changed", "c", "changed")
	})

	t.Run("RetryAppliesOnce", func(t *testing.T) {
		for _, outcome := range []faultstore.Outcome{faultstore.Lost, faultstore.Torn} {
			f := setup(t)
			f.FailCommit(1, outcome)
			appendOnce := func(w store.Writer) error { // asks before it writes, as the caller of a store must
				if _, found, err := get(w, "log/1"); err != nil || found {
					return err
				}
				return w.Put([]byte("log/1"), []byte("entry"))
			}
			if err := f.Update(ctx, appendOnce); !errors.Is(err, store.ErrCommit) {
				broken(t, "a failed commit wraps ErrCommit", "Update = %v", err)
			}
			update(t, f, appendOnce)
			holds(t, f, "compare-and-append may be repeated after an unknown outcome", "a", "1", "b", "2", "c", "3", "log/1", "entry")
		}
	})
}
