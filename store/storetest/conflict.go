package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/embedcdp/cdp/store"
)

// testConflict has many goroutines read and write the same key. A store may serialise them or run some again.
func testConflict(t *testing.T, e *env) {
	s := e.store(t)
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				err := s.Update(context.Background(), func(w store.Writer) error {
					n, err := number(w, "counter")
					if err != nil {
						return err
					}
					runtime.Gosched() // lets the others read as well, where the store does not keep them out
					return w.Put([]byte("counter"), []byte(fmt.Sprint(n+1)))
				})
				if err != nil {
					t.Errorf("Update: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	holds(t, s, "Updates commit as if they had not overlapped: no increment is lost, none counts twice",
		"counter", fmt.Sprint(writers*each))

	// The classic write skew: each of two transactions reads both keys and writes one. Serialisable means that the
	// second sees what the first wrote. Snapshot isolation alone would let both through.
	t.Run("WriteSkew", func(t *testing.T) {
		s := e.store(t)
		for round := range 20 {
			put(t, s, "x", "1", "y", "1")
			var wg sync.WaitGroup
			for _, mine := range []string{"x", "y"} {
				wg.Go(func() {
					err := s.Update(context.Background(), func(w store.Writer) error {
						x, err := number(w, "x")
						if err != nil {
							return err
						}
						y, err := number(w, "y")
						if err != nil || x+y < 2 {
							return err
						}
						runtime.Gosched()
						return w.Put([]byte(mine), []byte("0"))
					})
					if err != nil {
						t.Errorf("Update: %v", err)
					}
				})
			}
			wg.Wait()
			view(t, s, func(r store.Reader) error {
				x, err := number(r, "x")
				if err != nil {
					return err
				}
				y, err := number(r, "y")
				if err == nil && x+y != 1 {
					broken(t, "transactions are serialisable", "in round %d both of two exclusive writes went through", round)
				}
				return err
			})
		}
	})
}

var errLostRace = errors.New("the log does not end where expected")

// testCompareAndAppend does what the platform's log does: append at position n only if the log ends at n-1.
func testCompareAndAppend(t *testing.T, e *env) {
	s := e.store(t)
	const writers, each = 6, 15
	entry := func(n int) []byte { return []byte(fmt.Sprintf("log/%08d", n)) }
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		owns = map[int]string{} // position to what was acknowledged there
	)
	for id := range writers {
		wg.Go(func() {
			next := 0
			for i := 0; i < each; {
				text := fmt.Sprintf("writer %d entry %d", id, i)
				err := s.Update(context.Background(), func(w store.Writer) error {
					end := 0
					for p, err := range w.Scan(entry(next), []byte("log0")) {
						if err != nil {
							return err
						}
						if _, err := fmt.Sscanf(string(p.Key), "log/%d", &end); err != nil {
							return err
						}
						end++
					}
					if end > next {
						next = end
						return errLostRace
					}
					return w.Put(entry(next), []byte(text))
				})
				switch {
				case err == nil:
					mu.Lock()
					if other, taken := owns[next]; taken {
						broken(t, "a position is given to one writer", "position %d went to %q and to %q", next, other, text)
					}
					owns[next] = text
					mu.Unlock()
					next++
					i++
				case !errors.Is(err, errLostRace):
					t.Errorf("Update: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	want := []string{}
	for n := range writers * each {
		want = append(want, string(entry(n)), owns[n])
	}
	holds(t, s, "what was acknowledged at a position is there, and the log has no gaps", want...)
}
