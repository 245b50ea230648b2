package exec

import (
	"runtime"

	"github.com/embedcdp/cdp/internal/parallel"
)

// itemsPerWorker is below what a second goroutine does not pay. Tests make it small.
var itemsPerWorker = 1 << 16

// maxWorkers is held down because each has arrays over all profile rows.
const maxWorkers = 4

// workersFor says how many goroutines so many items are worth.
func workersFor(items int) int {
	return max(1, min(items/itemsPerWorker, runtime.GOMAXPROCS(0), maxWorkers))
}

// inParallel splits 0..n into as many ranges as there are workers, in order, and waits for all.
func inParallel(n, workers int, do func(worker, from, to int)) {
	if workers <= 1 {
		do(0, 0, n)
		return
	}
	parallel.Do(workers, func(w int) { do(w, n*w/workers, n*(w+1)/workers) })
}

// letOthersIn is called between chunks: a question may take every core, and intake must not wait until the scheduler takes
// one away from it, which is after 10 ms.
func letOthersIn() { runtime.Gosched() }
