package insight

import (
	"math/bits"
	"slices"
)

// bucketWalk counts the people of one bucket after the other.
//
// Times of a person's state are words without the person: of the event at hand, and of the starts of the chains that
// stand at each step. What is rarely needed lies apart: for each step between the first and the last the times, after its
// first event, of the chain that has come there; and the times of the best chain and how many it has.
type bucketWalk struct {
	d       *dealer
	out     *tally
	unclear []uint32

	steps      int
	starts     *[bucketSize * maxStarts]int64 // by person, 1<<startsBits each
	startsBits int
	chains     []int64 // by person
	chainLen   int
	best       int // where in a person's chains the best begins
	isUnclear  [bucketSize]bool
	late       []uint64
	memory     [2][]uint64 // for merging
	shares     [][]uint64
}

func newBucketWalk(d *dealer) *bucketWalk {
	n := len(d.q.Steps)
	w := &bucketWalk{d: d, out: newTally(d.q), steps: n, best: chainAt(n - 1)}
	w.chainLen = w.best + n + 1
	w.starts, w.startsBits = new([bucketSize * maxStarts]int64), bits.Len(uint(n))
	w.chains = make([]int64, bucketSize*w.chainLen)
	return w
}

// chainAt is where among a person's chains that at step k begins.
func chainAt(k int) int { return k * (k - 1) / 2 }

func (w *bucketWalk) bucket(b, from int) {
	w.reset()
	w.follow(w.merge(b, from))
	first := uint32(b) << bucketBits
	for p := range bucketSize {
		chains := w.chains[p*w.chainLen : (p+1)*w.chainLen]
		switch level := int(chains[w.chainLen-1]); {
		case w.isUnclear[p]:
			w.unclear = append(w.unclear, first+uint32(p))
		case level > 0:
			w.out.add(first+uint32(p), level, chains[w.best:w.best+level], 0)
		case w.starts[p<<w.startsBits+1] != neverStarted:
			w.out.add(first+uint32(p), 1, chains[w.best:w.best+1], 0)
		}
	}
}

func (w *bucketWalk) reset() {
	clear(w.isUnclear[:])
	for i := range bucketSize << w.startsBits {
		w.starts[i] = neverStarted
	}
	for at := w.chainLen - 1; at < len(w.chains); at += w.chainLen {
		w.chains[at] = 0
	}
}

// merge brings the bucket's words into order: the late ones first, then from the last step, which has the fewest, to the
// first. The workers' shares of a step follow each other, so what is there is cut where the next share begins.
func (w *bucketWalk) merge(b, from int) []uint64 {
	w.late = w.late[:0]
	for k := range w.steps {
		for i := range w.d.parts {
			w.late = append(w.late, w.d.parts[i][k].late[b-from]...)
		}
	}
	slices.Sort(w.late)
	merged := w.late
	for k := w.steps - 1; k >= 0; k-- {
		shares := w.inOrder(b, from, k)
		n := len(merged)
		for _, share := range shares {
			n += len(share)
		}
		out := slices.Grow(w.memory[k%2][:0], n)[:n]
		w.memory[k%2] = out
		for i, share := range shares {
			before := len(merged)
			if i+1 < len(shares) {
				before, _ = slices.BinarySearch(merged, shares[i+1][0])
			}
			n := before + len(share)
			mergeWords(out[:n], merged[:before], share)
			out, merged = out[n:], merged[before:]
		}
		copy(out, merged) // when there are no shares
		merged = w.memory[k%2]
	}
	return merged
}

// inOrder returns a step's words that are not late, by worker.
func (w *bucketWalk) inOrder(b, from, k int) [][]uint64 {
	w.shares = w.shares[:0]
	for i := range w.d.parts {
		p := &w.d.parts[i][k]
		if b >= len(p.counts) {
			continue
		}
		end := p.ends[b-from].next
		if n := p.counts[b] - len(p.late[b-from]); n > 0 {
			w.shares = append(w.shares, w.d.words[i][end-n:end])
		}
	}
	return w.shares
}

// follow passes over the bucket's words in order.
//
// starts[k+1] is when the chain at step k started, starts[0] the instant at hand: so every step does the same, it takes
// over the start of the step before, and a first step starts a chain. The types come in no order that a processor could
// predict, so that is done without a branch; what is rarer follows behind one.
func (w *bucketWalk) follow(words []uint64) {
	stepBits := w.d.stepBits & 63
	stepMask := uint64(1)<<stepBits - 1
	window := w.d.q.Window
	if window == 0 || window > longestWait>>stepBits {
		window = longestWait >> stepBits
	}
	window = window<<stepBits | int64(stepMask)
	var later [maxStarts]int64 // -1 for all steps but the first
	for k := 1; k < len(later); k++ {
		later[k] = -1
	}
	starts, startsBits := w.starts, w.startsBits&63
	for _, word := range words {
		p := int(word & (bucketSize - 1))
		word >>= bucketBits
		t, k := int64(word), int(word&stepMask)
		at := p << startsBits // by masks the compiler sees that all lies within
		here := &starts[at&(len(starts)-1)]
		if uint64(t^*here)-1 < stepMask { // the same instant, another step
			w.isUnclear[p] = true
		}
		*here = t
		start, to := starts[(at+k)&(len(starts)-1)], &starts[(at+k+1)&(len(starts)-1)]
		old := *to
		now := old
		if t-start <= window {
			now = start
		}
		*to = now
		if (now^old)&later[k&(maxStarts-1)] != 0 {
			w.moved(p, k, now>>stepBits, t>>stepBits)
		}
	}
}

// moved notes that another chain has come to person p's step k: it started at start, and the event is at t.
func (w *bucketWalk) moved(p, k int, start, t int64) {
	chains := w.chains[p*w.chainLen:][:w.chainLen]
	chain := chains[chainAt(k-1):][:k-1]
	if k < w.steps-1 {
		to := chains[chainAt(k):][:k]
		copy(to, chain)
		to[k-1] = t
	}
	level := &chains[w.chainLen-1]
	if int(*level) > k {
		return
	}
	*level = int64(k + 1)
	best := chains[w.best:][:k+1]
	best[0] = start
	copy(best[1:], chain)
	best[k] = t
}
