package insight

import (
	"math"
	"math/bits"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
)

// This file computes the common funnel, in order and without a breakdown, without sorting the events by person.
//
// Events are dealt out to buckets of people that are next to each other, as one word each: time, person within the
// bucket, step. That is stable, so each step's words come in nearly the order of time. A bucket's steps are merged, and
// one pass over them keeps for each person the chains that have come to each step: of all chains at a step the one that
// started last has the longest left, so it is enough to keep that one. A bucket's words and people fit the processor's
// cache, where the whole data set's do not.
//
// Words do not tell the order of two steps of one person at one instant. Such people are rare; the general walk counts
// them.

const (
	bucketBits = 11 // people of a bucket: 2,048
	bucketSize = 1 << bucketBits

	neverStarted = math.MinInt64 / 2
	longestWait  = math.MaxInt64 / 4 // stands for no limit: longer than any span of words, less than the distance to neverStarted
)

// maxDealt bounds the words that are dealt out at a time: 128 MiB. More people than fit take several passes.
var maxDealt = 16 << 20

// dealer deals the events of a funnel out to buckets.
type dealer struct {
	q       *Funnel
	people  rowSet
	workers int
	parts   [][]part // by worker, then step

	least, most int64 // times
	base        int64
	stepBits    int
	words       []uint64
}

// part is a worker's share of one step's events.
type part struct {
	runs   Stream
	counts []int // words by bucket
	next   []int // where the next word of a bucket goes
}

// byBuckets computes the funnel, or reports that it cannot: the times span too much for a word, or many people have two
// steps at one instant.
func (q *Funnel) byBuckets() (*tally, error, bool) {
	if q.Order != "" && q.Order != Ordered || q.GroupName != nil || q.StrictIncrease || q.Reuse {
		return nil, nil, false
	}
	d := &dealer{q: q, people: newRowSet(q.People), workers: max(q.Workers, 1), least: math.MaxInt64, most: math.MinInt64}
	d.stepBits = bits.Len(uint(len(q.Steps) - 1))
	d.split()
	totals := d.count()
	if len(totals) == 0 {
		return newTally(q), nil, true
	}
	if span := uint64(d.most) - uint64(d.least); span>>(64-bucketBits-d.stepBits) != 0 {
		return nil, nil, false
	}
	d.base = d.least
	out := newTally(q)
	unclear := roaring.New()
	for from := 0; from < len(totals); {
		to, n := from, 0
		for to < len(totals) && (to == from || n+totals[to] <= maxDealt) {
			n += totals[to]
			to++
		}
		d.deal(from, to, n)
		for _, w := range d.walk(from, to, totals, n) {
			out.merge(w.out)
			unclear.AddMany(w.unclear)
		}
		from = to
	}
	d.words = nil
	if unclear.IsEmpty() {
		return out, nil, true
	}
	rest := *q
	rest.People = unclear
	part, err := rest.part(0, nobody)
	if err != nil {
		return nil, err, true
	}
	out.merge(part)
	return out, nil, true
}

// split gives each worker its share of each step.
func (d *dealer) split() {
	d.parts = make([][]part, d.workers)
	for w := range d.parts {
		d.parts[w] = make([]part, len(d.q.Steps))
	}
	for k, s := range d.q.Steps {
		for _, run := range s.Events {
			if run.Split == nil {
				d.parts[0][k].runs = append(d.parts[0][k].runs, run)
				continue
			}
			for w, chunks := range run.Split(d.workers) {
				d.parts[w][k].runs = append(d.parts[w][k].runs, Run{Chunks: chunks})
			}
		}
	}
}

// each runs fn for every worker at the same time.
func (d *dealer) each(fn func(w int)) {
	var wg sync.WaitGroup
	for w := 1; w < d.workers; w++ {
		wg.Go(func() { fn(w) })
	}
	fn(0)
	wg.Wait()
}

// count counts the words of each bucket and finds the span of time.
func (d *dealer) count() (totals []int) {
	least, most := slices.Repeat([]int64{math.MaxInt64}, d.workers), slices.Repeat([]int64{math.MinInt64}, d.workers)
	d.each(func(w int) {
		lo, hi := int64(math.MaxInt64), int64(math.MinInt64)
		for k := range d.parts[w] {
			p := &d.parts[w][k]
			for _, run := range p.runs {
				for c := range run.Chunks {
					for i, person := range c.Person {
						if !d.counts(&c, i, k) {
							continue
						}
						b := int(person >> bucketBits)
						if b >= len(p.counts) {
							p.counts = append(p.counts, make([]int, b+1-len(p.counts))...)
						}
						p.counts[b]++
						lo, hi = min(lo, c.Time[i]), max(hi, c.Time[i])
					}
				}
			}
		}
		least[w], most[w] = lo, hi
	})
	d.least, d.most = slices.Min(least), slices.Max(most)
	for w := range d.parts {
		for k := range d.parts[w] {
			for b, n := range d.parts[w][k].counts {
				for b >= len(totals) {
					totals = append(totals, 0)
				}
				totals[b] += n
			}
		}
	}
	return totals
}

func (d *dealer) counts(c *Chunk, i, k int) bool {
	return c.kept(i) && d.people.has(c.Person[i]) && (k > 0 || d.q.Range.has(c.Time[i]))
}

// deal writes the words of the buckets [from, to): of each bucket step by step, of each step worker by worker.
func (d *dealer) deal(from, to, n int) {
	if cap(d.words) < n {
		d.words = make([]uint64, n)
	}
	d.words = d.words[:n]
	at := 0
	for w := range d.parts {
		for k := range d.parts[w] {
			p := &d.parts[w][k]
			p.next = make([]int, to-from)
		}
	}
	for b := from; b < to; b++ {
		for k := range d.q.Steps {
			for w := range d.parts {
				p := &d.parts[w][k]
				p.next[b-from] = at
				if b < len(p.counts) {
					at += p.counts[b]
				}
			}
		}
	}
	d.each(func(w int) {
		for k := range d.parts[w] {
			p := &d.parts[w][k]
			step := uint64(len(d.q.Steps) - 1 - k)
			for _, run := range p.runs {
				for c := range run.Chunks {
					for i, person := range c.Person {
						b := int(person>>bucketBits) - from
						if uint(b) >= uint(len(p.next)) || !d.counts(&c, i, k) {
							continue
						}
						word := uint64(c.Time[i]-d.base)<<bucketBits | uint64(person&(bucketSize-1))
						d.words[p.next[b]] = word<<d.stepBits | step
						p.next[b]++
					}
				}
			}
		}
	})
}

// walk counts the people of the buckets [from, to), each worker those of neighbouring buckets.
func (d *dealer) walk(from, to int, totals []int, n int) []*bucketWalk {
	walks := make([]*bucketWalk, d.workers)
	ends := make([]int, d.workers+1)
	ends[0] = from
	for w, b, sum := 0, from, 0; w < d.workers; w++ {
		for ; b < to && (w == d.workers-1 || sum < n*(w+1)/d.workers); b++ {
			sum += totals[b]
		}
		ends[w+1] = b
	}
	d.each(func(w int) {
		walks[w] = newBucketWalk(d)
		for b := ends[w]; b < ends[w+1]; b++ {
			if totals[b] > 0 {
				walks[w].bucket(b, from)
			}
		}
	})
	return walks
}

// bucketWalk counts the people of one bucket after the other.
//
// A person's state is a few int64: for each step but the last the times of the chain that has come there, from its first
// event on; then the times of the best chain and how many steps it has.
type bucketWalk struct {
	d       *dealer
	out     *tally
	unclear []uint32

	steps, stride, best int
	state               []int64
	isUnclear           [bucketSize]bool
	merged, spare       []uint64
}

func newBucketWalk(d *dealer) *bucketWalk {
	n := len(d.q.Steps)
	w := &bucketWalk{d: d, out: newTally(d.q), steps: n, best: n * (n - 1) / 2}
	w.stride = w.best + n + 1
	w.state = make([]int64, bucketSize*w.stride)
	return w
}

func (w *bucketWalk) bucket(b, from int) {
	w.merge(b, from)
	w.follow()
	first := uint32(b) << bucketBits
	for p := range bucketSize {
		s := w.state[p*w.stride+w.best : (p+1)*w.stride]
		switch level := int(s[w.steps]); {
		case w.isUnclear[p]:
			w.unclear = append(w.unclear, first+uint32(p))
		case level > 0:
			w.out.add(first+uint32(p), level, s[:level], 0)
		}
	}
}

// merge brings the bucket's words into order, from the last step, which has the fewest, to the first.
func (w *bucketWalk) merge(b, from int) {
	w.merged = w.merged[:0]
	for k := w.steps - 1; k >= 0; k-- {
		end := w.d.parts[w.d.workers-1][k].next[b-from]
		n := 0
		for _, parts := range w.d.parts {
			if p := &parts[k]; b < len(p.counts) {
				n += p.counts[b]
			}
		}
		words := w.d.words[end-n : end]
		w.spare = sortNearly(words, w.spare)
		if len(w.merged) == 0 {
			w.merged = append(w.merged, words...)
			continue
		}
		w.spare = slices.Grow(w.spare[:0], len(w.merged)+n)[:len(w.merged)+n]
		mergeWords(w.spare, w.merged, words)
		w.merged, w.spare = w.spare, w.merged
	}
}

// follow passes over the bucket's words in order.
func (w *bucketWalk) follow() {
	clear(w.isUnclear[:])
	clear(w.state)
	for at := 0; at < len(w.state); at += w.stride {
		for k, start := 0, at; k < w.steps-1; k++ {
			w.state[start] = neverStarted
			start += k + 1
		}
	}
	window := w.d.q.Window
	if window == 0 || window > longestWait {
		window = longestWait
	}
	last, stepBits := w.steps-1, w.d.stepBits
	previous := ^uint64(0)
	for _, word := range w.merged {
		who := word >> stepBits
		p, t := int(who&(bucketSize-1)), int64(who>>bucketBits)
		k := last - int(word&(1<<stepBits-1))
		if who == previous>>stepBits && word != previous {
			w.isUnclear[p] = true
		}
		previous = word
		s := w.state[p*w.stride : (p+1)*w.stride]
		if k == 0 {
			s[0] = t
			if s[w.stride-1] == 0 {
				s[w.stride-1], s[w.best] = 1, t
			}
			continue
		}
		chain := s[k*(k-1)/2:][:k]
		if t-chain[0] > window {
			continue
		}
		if k < last {
			if to := s[k*(k+1)/2:][:k+1]; to[0] != chain[0] { // else the same chain came here earlier
				copy(to, chain)
				to[k] = t
			}
		}
		if int(s[w.stride-1]) <= k {
			s[w.stride-1] = int64(k + 1)
			copy(s[w.best:], chain)
			s[w.best+k] = t
		}
	}
}

// mergeWords merges two ordered lists into out. Which word comes next cannot be predicted, so there is no branch on it.
func mergeWords(out, a, b []uint64) {
	i, j, o := 0, 0, 0
	for i < len(a) && j < len(b) {
		x, y := a[i], b[j]
		out[o] = min(x, y)
		o++
		c := 0
		if x <= y {
			c = 1
		}
		i += c
		j += 1 - c
	}
	o += copy(out[o:], a[i:])
	copy(out[o:], b[j:])
}

// sortNearly sorts words of which most are in order: those below the greatest before them are taken out, sorted, and
// merged again. It returns the scratch memory, which may have grown.
func sortNearly(words, spare []uint64) []uint64 {
	i := 1
	for i < len(words) && words[i-1] <= words[i] {
		i++
	}
	if i >= len(words) {
		return spare
	}
	spare = spare[:0]
	kept, top := i, words[i-1]
	for _, x := range words[i:] {
		if x < top {
			spare = append(spare, x)
			continue
		}
		top = x
		words[kept] = x
		kept++
	}
	slices.Sort(spare)
	for at, late := len(words)-1, len(spare)-1; late >= 0; at-- {
		if kept > 0 && words[kept-1] > spare[late] {
			kept--
			words[at] = words[kept]
			continue
		}
		words[at] = spare[late]
		late--
	}
	return spare
}
