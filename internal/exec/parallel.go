package exec

import (
	"runtime"
	"sync"
)

// itemsPerWorker is below what a second goroutine does not pay. Tests make it small.
var itemsPerWorker = 1 << 18

// maxWorkers is held down because each has arrays over all profile rows.
const maxWorkers = 4

// workersFor says how many goroutines so many items are worth.
func workersFor(items int) int {
	return max(1, min(items/itemsPerWorker, runtime.GOMAXPROCS(0), maxWorkers))
}

// parallel splits 0..n into as many ranges as there are workers, in order, and waits for all.
func parallel(n, workers int, do func(worker, from, to int)) {
	if workers <= 1 {
		do(0, 0, n)
		return
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { do(w, n*w/workers, n*(w+1)/workers) })
	}
	wg.Wait()
}
