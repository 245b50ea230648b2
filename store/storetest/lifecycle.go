package storetest

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/embedcdp/cdp/store"
)

func testContext(t *testing.T, e *env) {
	s := e.store(t)
	put(t, s, "a", "1")
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()

	ran := false
	if err := s.View(cancelled, func(store.Reader) error { ran = true; return nil }); !errors.Is(err, context.Canceled) || ran {
		broken(t, "View returns the context's error when ctx is done before fn starts", "View = %v, fn ran: %v", err, ran)
	}
	if err := s.Update(cancelled, func(store.Writer) error { ran = true; return nil }); !errors.Is(err, context.Canceled) || ran {
		broken(t, "Update looks at ctx before fn starts", "Update = %v, fn ran: %v", err, ran)
	}

	ctx, cancel := context.WithCancel(context.Background())
	err := s.Update(ctx, func(w store.Writer) error {
		cancel()
		return w.Put([]byte("a"), []byte("2"))
	})
	if !errors.Is(err, context.Canceled) {
		broken(t, "Update looks at ctx before the commit", "ctx was cancelled inside fn and Update returned %v", err)
	}
	if errors.Is(err, store.ErrCommit) {
		broken(t, "a cancelled Update that never began to commit has a known outcome", "it returned %v", err)
	}
	holds(t, s, "a cancelled Update leaves no trace", "a", "1")
	put(t, s, "a", "3")
	holds(t, s, "after a cancelled Update the store stays usable", "a", "3")
}

func testClose(t *testing.T, e *env) {
	ctx := context.Background()
	t.Run("Closed", func(t *testing.T) {
		s := e.open(t)
		put(t, s, "a", "1")
		if err := s.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		if err := s.Close(); err != nil {
			broken(t, "a second Close returns nil", "it returned %v", err)
		}
		ran := false
		if err := s.View(ctx, func(store.Reader) error { ran = true; return nil }); !errors.Is(err, store.ErrClosed) || ran {
			broken(t, "View returns ErrClosed after Close", "View = %v, fn ran: %v", err, ran)
		}
		if err := s.Update(ctx, func(store.Writer) error { ran = true; return nil }); !errors.Is(err, store.ErrClosed) || ran {
			broken(t, "Update returns ErrClosed after Close", "Update = %v, fn ran: %v", err, ran)
		}
	})

	t.Run("Waits", func(t *testing.T) {
		s := e.open(t)
		put(t, s, "a", "1")
		var left atomic.Bool
		closed := make(chan error)
		view(t, s, func(r store.Reader) error {
			go func() {
				err := s.Close()
				if !left.Load() {
					broken(t, "Close waits for running transactions", "it returned while a View was running")
				}
				closed <- err
			}()
			for range 1000 {
				runtime.Gosched() // let Close get as far as it can
			}
			if v, found, err := get(r, "a"); err != nil || !found || v != "1" {
				broken(t, "Close waits for running transactions", "a View running during Close read %q, found %v, error %v", v, found, err)
			}
			left.Store(true)
			return nil
		})
		if err := <-closed; err != nil {
			t.Errorf("Close: %v", err)
		}
	})

	t.Run("AfterTheTransaction", func(t *testing.T) {
		s := e.store(t)
		put(t, s, "a", "1")
		var kept store.Writer
		update(t, s, func(w store.Writer) error { kept = w; return nil })
		// What a kept Writer returns is undefined, but it must not reach the store.
		_ = caught(func() { _ = kept.Put([]byte("a"), []byte("late")) })
		_ = caught(func() { _ = kept.Delete([]byte("a")) })
		holds(t, s, "a Writer has no effect after its function returned", "a", "1")
	})
}

func testReopen(t *testing.T, e *env) {
	if e.opts.Reopen == nil {
		t.Skip("this store keeps nothing after Close: Options.Reopen is nil")
	}
	s := e.open(t)
	want := []string{"\x00", "zero", "a", "1", "b", "", "\xff\xff", string(make([]byte, 1<<20))}
	put(t, s, append([]string{"gone", "x"}, want...)...)
	update(t, s, func(w store.Writer) error { return w.Delete([]byte("gone")) })
	_ = s.Update(context.Background(), func(w store.Writer) error {
		_ = w.Put([]byte("never"), []byte("committed"))
		return errors.New("abort")
	})
	for range 3 {
		s = e.opts.Reopen(t, s)
		holds(t, s, "what was committed is there after the store is opened again, and nothing else", want...)
	}
	put(t, s, "c", "after")
	s = e.opts.Reopen(t, s)
	holds(t, s, "a store that was opened again can be written", append(want[:6:6], append([]string{"c", "after"}, want[6:]...)...)...)
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
