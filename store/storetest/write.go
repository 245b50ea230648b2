package storetest

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/embedcdp/cdp/store"
)

func testReadYourWrites(t *testing.T, e *env) {
	s := e.store(t)
	put(t, s, "a", "old", "b", "old", "c", "old")
	const rule = "what a Writer writes is seen by its own later reads"
	update(t, s, func(w store.Writer) error {
		for _, step := range []struct {
			do   func() error
			want []string
		}{
			{func() error { return w.Put([]byte("b"), []byte("new")) }, []string{"a", "old", "b", "new", "c", "old"}},
			{func() error { return w.Put([]byte("bb"), []byte("new")) }, []string{"a", "old", "b", "new", "bb", "new", "c", "old"}},
			{func() error { return w.Delete([]byte("a")) }, []string{"b", "new", "bb", "new", "c", "old"}},
			{func() error { return w.Delete([]byte("bb")) }, []string{"b", "new", "c", "old"}},
			{func() error { return w.Put([]byte("a"), []byte("again")) }, []string{"a", "again", "b", "new", "c", "old"}},
			{func() error { return w.Delete([]byte("nowhere")) }, []string{"a", "again", "b", "new", "c", "old"}},
			{func() error { return w.Put([]byte("b"), []byte("newer")) }, []string{"a", "again", "b", "newer", "c", "old"}},
		} {
			if err := step.do(); err != nil {
				return err
			}
			got, err := all(w, nil, nil)
			if err != nil {
				return err
			}
			if !equal(got, step.want) {
				broken(t, rule, "Scan gave %s, it should give %s", show(got), show(step.want))
			}
			for i := 0; i < len(step.want); i += 2 {
				if v, found, err := get(w, step.want[i]); err != nil || !found || v != step.want[i+1] {
					broken(t, rule, "Get(%q) = %q, found %v, error %v; it should be %q", step.want[i], v, found, err, step.want[i+1])
				}
			}
			if _, found, _ := get(w, "nowhere"); found {
				broken(t, rule, "Get found a key that was never put")
			}
		}
		return nil
	})
	holds(t, s, "a commit applies everything", "a", "again", "b", "newer", "c", "old")

	update(t, s, func(w store.Writer) error {
		for _, k := range []string{"a", "b", "c"} {
			if err := w.Delete([]byte(k)); err != nil {
				return err
			}
		}
		return nil
	})
	holds(t, s, "a store can be emptied")
	put(t, s, "z", "1")
	holds(t, s, "an emptied store can be filled again", "z", "1")
}

func testAbort(t *testing.T, e *env) {
	scribble := func(w store.Writer) {
		_ = w.Put([]byte("a"), []byte("changed"))
		_ = w.Put([]byte("new"), []byte("1"))
		_ = w.Delete([]byte("b"))
	}
	ctx := context.Background()

	t.Run("Error", func(t *testing.T) {
		s := e.store(t)
		put(t, s, "a", "1", "b", "2")
		mine := errors.New("mine")
		if err := s.Update(ctx, func(w store.Writer) error { scribble(w); return mine }); err != mine {
			broken(t, "fn's error aborts the transaction and is returned as it is", "Update returned %v", err)
		}
		if err := s.View(ctx, func(store.Reader) error { return mine }); err != mine {
			broken(t, "View returns fn's error", "View returned %v", err)
		}
		holds(t, s, "an aborted transaction leaves no trace", "a", "1", "b", "2")
	})

	t.Run("Panic", func(t *testing.T) {
		s := e.store(t)
		put(t, s, "a", "1", "b", "2")
		const rule = "a panic in fn goes through to the caller and rolls back"
		for _, value := range []any{"a string", errors.New("an error")} {
			if got := caught(func() { _ = s.Update(ctx, func(w store.Writer) error { scribble(w); panic(value) }) }); got != value {
				broken(t, rule, "Update panicked with %v, it should with %v", got, value)
			}
			if got := caught(func() { _ = s.View(ctx, func(store.Reader) error { panic(value) }) }); got != value {
				broken(t, rule, "View panicked with %v, it should with %v", got, value)
			}
		}
		bug := caught(func() {
			_ = s.Update(ctx, func(w store.Writer) error {
				scribble(w)
				var p *int
				*p = 1 // a bug of the caller's, not a fault of the store's
				return nil
			})
		})
		if _, ok := bug.(runtime.Error); !ok {
			broken(t, rule, "a nil dereference in fn came out as %v, it should be a runtime.Error", bug)
		}
		inScan := caught(func() {
			_ = s.Update(ctx, func(w store.Writer) error {
				for range w.Scan(nil, nil) {
					scribble(w)
					panic("in the loop")
				}
				return nil
			})
		})
		if inScan != "in the loop" {
			broken(t, rule, "a panic in a loop over Scan came out as %v", inScan)
		}
		holds(t, s, "an aborted transaction leaves no trace", "a", "1", "b", "2")
		put(t, s, "c", "3")
		holds(t, s, "after a panic in fn the store stays usable", "a", "1", "b", "2", "c", "3")
	})

	// t.FailNow inside fn ends its goroutine by Goexit: neither a return nor a panic.
	t.Run("Goexit", func(t *testing.T) {
		s := e.store(t)
		put(t, s, "a", "1", "b", "2")
		for _, run := range []func(){
			func() { _ = s.Update(ctx, func(w store.Writer) error { scribble(w); runtime.Goexit(); return nil }) },
			func() { _ = s.View(ctx, func(store.Reader) error { runtime.Goexit(); return nil }) },
		} {
			done := make(chan struct{})
			go func() { defer close(done); run() }()
			<-done
		}
		holds(t, s, "an aborted transaction leaves no trace", "a", "1", "b", "2")
		put(t, s, "c", "3")
		holds(t, s, "after runtime.Goexit in fn the store stays usable", "a", "1", "b", "2", "c", "3")
	})
}

// caught returns what f panics with.
func caught(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}
