// Package parallel runs the parts of one computation at the same time and waits for all of them.
package parallel

import "sync"

// Do calls part with 0 to n-1, each in a goroutine of its own but one in the caller's, and returns when all have. A panic
// in a part is raised again in the caller's goroutine, so whoever guards the call guards its parts; of several, one is.
func Do(n int, part func(i int)) {
	if n < 1 {
		return
	}
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		raised any // the panic of a part
	)
	guarded := func(i int) {
		defer func() {
			if p := recover(); p != nil {
				mu.Lock()
				raised = p
				mu.Unlock()
			}
		}()
		part(i)
	}
	for i := 1; i < n; i++ {
		wg.Go(func() { guarded(i) })
	}
	guarded(0)
	wg.Wait()
	if raised != nil {
		panic(raised)
	}
}
