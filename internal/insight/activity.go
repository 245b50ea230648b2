package insight

import (
	"iter"
	"math/bits"

	"github.com/embedcdp/cdp/internal/parallel"
)

// This file computes retention where coming back is the same as starting: then all that matters of a person is in which
// buckets they were active, a bit each, and the first of them is their cohort. No event's time is compared with another's.
// Each worker keeps its own bits: 8 bytes a person for up to 63 buckets.

// maxActivityBuckets bounds the bits to 128 bytes a person and worker.
const maxActivityBuckets = 1023

// activity is a person's bits in words: bit 0 for before the range, bit k+1 for bucket k.
type activity struct {
	words int
	bits  []uint64
}

func (q Retention) activity(b *buckets, periods int, people rowSet) *RetentionResult {
	workers := max(q.Workers, 1)
	all := make([]activity, workers)
	parts := q.Start.split(workers)
	parallel.Do(workers, func(w int) {
		all[w] = activity{words: (b.len() + 64) / 64}
		all[w].bits = make([]uint64, int(q.Rows)*all[w].words)
		for _, chunks := range parts[w] {
			for c := range chunks {
				if c.len() > 0 {
					q.mark(&all[w], &c, b)
				}
			}
		}
	})
	for _, a := range all[1:] {
		for i, word := range a.bits {
			all[0].bits[i] |= word
		}
	}
	r := q.cohorts(b, periods)
	for p := range q.Rows {
		if people.has(p) {
			r.count(all[0].bits[int(p)*all[0].words:][:all[0].words], q.Unbounded)
		}
	}
	if q.Unbounded {
		r.addLater()
	}
	return r
}

// mark sets the bits of one chunk, as many events at a time as lie in one bucket.
func (q Retention) mark(a *activity, c *Chunk, b *buckets) {
	for from := 0; from < c.len(); {
		bucket, to := b.stretch(c, from, q.Range)
		word, mask := (bucket+1)>>6, uint64(1)<<((bucket+1)&63)
		switch {
		case bucket == b.len():
		case c.Keep != nil:
			for i := from; i < to; i++ {
				if c.kept(i) {
					a.bits[int(c.Person[i])*a.words+word] |= mask
				}
			}
		case a.words == 1:
			for _, p := range c.Person[from:to] {
				a.bits[p] |= mask
			}
		default:
			for _, p := range c.Person[from:to] {
				a.bits[int(p)*a.words+word] |= mask
			}
		}
		from = to
	}
}

// count adds one person.
func (r *RetentionResult) count(words []uint64, unbounded bool) {
	first := -1
	for w, word := range words {
		if w == 0 && word&1 != 0 {
			return // started before the range
		}
		for ; word != 0; word &= word - 1 {
			bucket := w<<6 + bits.TrailingZeros64(word) - 1
			if first < 0 {
				first = bucket
				r.Cohorts[first].Size++
			}
			returned := r.Cohorts[first].Returned
			if k := bucket - first; !unbounded && k < len(returned) {
				returned[k]++
			}
		}
	}
	if first >= 0 && unbounded {
		last := len(words)<<6 - 2
		for w := len(words) - 1; w >= 0; w-- {
			if words[w] != 0 {
				last = w<<6 + bits.Len64(words[w]) - 2
				break
			}
		}
		returned := r.Cohorts[first].Returned
		returned[min(last-first, len(returned)-1)]++
	}
}

// split gives each worker its share of each run.
func (s Stream) split(workers int) [][]iter.Seq[Chunk] {
	parts := make([][]iter.Seq[Chunk], workers)
	for _, run := range s {
		if run.Split == nil {
			parts[0] = append(parts[0], run.Chunks)
			continue
		}
		for w, chunks := range run.Split(workers) {
			parts[w] = append(parts[w], chunks)
		}
	}
	return parts
}
