package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/embedcdp/cdp/store"
)

func testIsolation(t *testing.T, e *env) {
	t.Run("OneMoment", func(t *testing.T) {
		s := e.store(t)
		put(t, s, "a", "1", "b", "1", "gone", "1")
		const rule = "a View sees the state of one commit from its start to its end"
		view(t, s, func(r store.Reader) error {
			before, err := all(r, nil, nil)
			if err != nil {
				return err
			}
			scanned := []string{}
			for p, err := range r.Scan(nil, nil) {
				if err != nil {
					return err
				}
				if len(scanned) == 0 { // commit while the loop runs
					done := make(chan error)
					go func() { done <- overwrite(s) }()
					if err := <-done; err != nil {
						return fmt.Errorf("an Update beside a View: %w", err)
					}
				}
				scanned = append(scanned, string(p.Key), string(p.Value))
			}
			if !equal(scanned, before) {
				broken(t, rule, "a Scan during which another transaction committed gave %s, it should give %s", show(scanned), show(before))
			}
			if after, err := all(r, nil, nil); err != nil || !equal(after, before) {
				broken(t, rule, "after another commit it saw %s, before %s, error %v", show(after), show(before), err)
			}
			if v, found, err := get(r, "gone"); err != nil || !found || v != "1" {
				broken(t, rule, "Get of a key deleted meanwhile = %q, found %v, error %v", v, found, err)
			}
			return nil
		})
		holds(t, s, "a later View sees the newer commit", "a", "2", "b", "2", "new", "2")
	})

	t.Run("Uncommitted", func(t *testing.T) {
		s := e.store(t)
		put(t, s, "a", "1")
		update(t, s, func(w store.Writer) error {
			if err := w.Put([]byte("a"), []byte("2")); err != nil {
				return err
			}
			seen := make(chan error)
			go func() {
				seen <- s.View(context.Background(), func(r store.Reader) error {
					if v, _, err := get(r, "a"); err != nil || v != "1" {
						broken(t, "a View does not see what is not committed", "it saw %q, error %v", v, err)
					}
					return nil
				})
			}()
			return <-seen
		})
	})

	// Writers keep two accounts at a constant sum; readers must never see another.
	t.Run("Sum", func(t *testing.T) {
		s := e.store(t)
		put(t, s, "x", "500", "y", "500")
		var writers, readers sync.WaitGroup
		stop := make(chan struct{})
		for range 2 {
			readers.Go(func() {
				for {
					err := s.View(context.Background(), func(r store.Reader) error {
						x, err := number(r, "x")
						if err != nil {
							return err
						}
						y, err := number(r, "y")
						if err == nil && x+y != 1000 {
							broken(t, "a View sees the state of one commit", "two values written together add up to %d, not 1000", x+y)
						}
						return err
					})
					if err != nil {
						t.Errorf("View: %v", err)
						return
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		for i := range 2 {
			writers.Go(func() {
				for range 50 {
					err := s.Update(context.Background(), func(w store.Writer) error {
						x, err := number(w, "x")
						if err != nil {
							return err
						}
						if err := w.Put([]byte("x"), []byte(fmt.Sprint(x+1+i))); err != nil {
							return err
						}
						return w.Put([]byte("y"), []byte(fmt.Sprint(1000-x-1-i)))
					})
					if err != nil {
						t.Errorf("Update: %v", err)
						return
					}
				}
			})
		}
		writers.Wait()
		close(stop)
		readers.Wait()
	})
}

func overwrite(s store.Store) error {
	return s.Update(context.Background(), func(w store.Writer) error {
		for _, k := range []string{"a", "b", "new"} {
			if err := w.Put([]byte(k), []byte("2")); err != nil {
				return err
			}
		}
		return w.Delete([]byte("gone"))
	})
}

func number(r store.Reader, key string) (n int, err error) {
	v, found, err := get(r, key)
	if err != nil || !found {
		return 0, err
	}
	_, err = fmt.Sscan(v, &n)
	return n, err
}
