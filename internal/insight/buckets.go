package insight

import (
	"iter"
	"math"
	"math/bits"
	"runtime"
	"slices"
	"sort"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/parallel"
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
	bucketBits = 11
	bucketSize = 1 << bucketBits
	maxStarts  = 16 // a power of two above MaxSteps

	neverStarted = math.MinInt64 / 2
	longestWait  = math.MaxInt64 / 4 // stands for no limit: longer than any span of words, less than the distance to neverStarted
)

// maxDealt bounds the words that are dealt out at a time: 128 MiB. More people than fit take several passes.
var maxDealt = 32 << 20

// dealtWords keeps the memory for the next funnel: to get it from the system costs a fifth of a funnel. The garbage
// collector takes what is not used.
var dealtWords sync.Pool // *[]uint64

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
	runs   []iter.Seq[Chunk]
	counts []int      // words by bucket
	ends   []end      // by bucket
	late   [][]uint64 // words that are lower than those before them, by bucket

	least, most int64 // times
}

// end is the end of what was dealt to a bucket.
type end struct {
	next int    // where the next word goes
	last uint64 // the last word: another that is lower is late
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
	words := d.words
	dealtWords.Put(&words)
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
		for w, runs := range s.Events.split(d.workers) {
			d.parts[w][k].runs = runs
		}
	}
}

// count counts the words of each bucket and finds the span of time.
func (d *dealer) count() (totals []int) {
	parallel.Do(d.workers, func(w int) {
		for k := range d.parts[w] {
			p := &d.parts[w][k]
			p.least, p.most = math.MaxInt64, math.MinInt64
			for _, run := range p.runs {
				for c := range run {
					if c.len() == 0 {
						continue
					}
					lo, hi := c.times()
					p.least, p.most = min(p.least, lo), max(p.most, hi)
					d.countChunk(p, &c, k)
				}
			}
		}
	})
	for w := range d.parts {
		for k := range d.parts[w] {
			p := &d.parts[w][k]
			d.least, d.most = min(d.least, p.least), max(d.most, p.most)
			for b, n := range p.counts {
				for b >= len(totals) {
					totals = append(totals, 0)
				}
				totals[b] += n
			}
		}
	}
	return totals
}

func (d *dealer) countChunk(p *part, c *Chunk, k int) {
	counts, all := p.counts, d.all(c, k)
	for i, person := range c.Person {
		if !all && !d.counts(c, i, k) {
			continue
		}
		b := int(person >> bucketBits)
		if b >= len(counts) {
			counts = append(counts, make([]int, b+1-len(counts))...)
		}
		counts[b]++
	}
	p.counts = counts
}

// all reports whether every event of the chunk counts.
func (d *dealer) all(c *Chunk, k int) bool {
	return c.Keep == nil && d.people == nil && (k > 0 || d.q.Range.all())
}

func (d *dealer) counts(c *Chunk, i, k int) bool {
	return c.kept(i) && d.people.has(c.Person[i]) && (k > 0 || d.q.Range.has(c.Time[i]))
}

// deal writes the words of the buckets [from, to): of each bucket step by step, of each step worker by worker.
func (d *dealer) deal(from, to, n int) {
	if cap(d.words) < n {
		if kept, ok := dealtWords.Get().(*[]uint64); ok && cap(*kept) >= n {
			d.words = *kept
		} else {
			d.words = make([]uint64, n)
		}
	}
	d.words = d.words[:n]
	at := 0
	for w := range d.parts {
		for k := range d.parts[w] {
			p := &d.parts[w][k]
			p.ends = make([]end, to-from)
		}
	}
	for b := from; b < to; b++ {
		for k := range d.q.Steps {
			for w := range d.parts {
				p := &d.parts[w][k]
				p.ends[b-from].next = at
				if b < len(p.counts) {
					at += p.counts[b]
				}
			}
		}
	}
	parallel.Do(d.workers, func(w int) {
		for k := range d.parts[w] {
			p := &d.parts[w][k]
			p.late = make([][]uint64, to-from)
			after := d.base
			for before := range w {
				after = max(after, d.parts[before][k].most+1)
			}
			for b := range p.ends {
				p.ends[b].last = uint64(after-d.base) << d.stepBits << bucketBits
			}
			for _, run := range p.runs {
				for c := range run {
					d.dealChunk(p, &c, k, from)
				}
			}
		}
	})
}

// dealChunk writes the words of one chunk. Late ones go to lists of their own, so that all others of a bucket and step
// are in order.
func (d *dealer) dealChunk(p *part, c *Chunk, k, from int) {
	all, first := d.all(c, k), uint32(from)
	words, ends, base, stepBits, step := d.words, p.ends, d.base, d.stepBits&63, uint64(k)<<bucketBits
	times := c.Time[:len(c.Person)]
	for i, person := range c.Person {
		b := person>>bucketBits - first
		if uint(b) >= uint(len(ends)) || !all && !d.counts(c, i, k) {
			continue
		}
		word, e := uint64(times[i]-base)<<stepBits<<bucketBits|step|uint64(person&(bucketSize-1)), &ends[b]
		if word < e.last {
			p.late[b] = append(p.late[b], word)
			continue
		}
		words[e.next] = word
		e.next++
		e.last = word
	}
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
	parallel.Do(d.workers, func(w int) {
		walks[w] = newBucketWalk(d)
		for b := ends[w]; b < ends[w+1]; b++ {
			runtime.Gosched() // let others in who have less to do
			if totals[b] > 0 {
				walks[w].bucket(b, from)
			}
		}
	})
	return walks
}

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
			w.shares = append(w.shares, w.d.words[end-n:end])
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

// mergeWords merges two ordered lists into out. Which word comes next cannot be predicted, so there is no branch on it;
// and as each waits for the one before, the two halves are merged side by side.
func mergeWords(out, a, b []uint64) {
	half := (len(a) + len(b)) / 2
	i := half - sort.Search(min(half, len(b)), func(j int) bool { return half-j-1 < len(a) && a[half-j-1] <= b[j] })
	low, high := merger{out[:half], a[:i], b[:half-i]}, merger{out[half:], a[i:], b[half-i:]}
	for n := min(low.steps(), high.steps()); n > 0; n = min(low.steps(), high.steps()) {
		low1, low2, lowOut := low.a, low.b, low.out[:n]
		high1, high2, highOut := high.a, high.b, high.out[:n]
		i1, i2, j1, j2 := 0, 0, 0, 0
		for o := range lowOut {
			x, y := low1[i1], low2[i2]
			u, v := high1[j1], high2[j2]
			lowOut[o], highOut[o] = min(x, y), min(u, v)
			c, e := 0, 0
			if x <= y {
				c = 1
			}
			if u <= v {
				e = 1
			}
			i1 += c
			i2 += 1 - c
			j1 += e
			j2 += 1 - e
		}
		low.skip(i1, i2)
		high.skip(j1, j2)
	}
	low.finish()
	high.finish()
}

// merger is a merge under way.
type merger struct{ out, a, b []uint64 }

// steps is how many words can be written before a list may be at its end.
func (m *merger) steps() int { return min(len(m.a), len(m.b)) }

func (m *merger) skip(a, b int) { m.out, m.a, m.b = m.out[a+b:], m.a[a:], m.b[b:] }

func (m *merger) finish() {
	for len(m.a) > 0 && len(m.b) > 0 {
		i, j := 0, 0
		for o := range m.out[:m.steps()] {
			x, y := m.a[i], m.b[j]
			m.out[o] = min(x, y)
			c := 0
			if x <= y {
				c = 1
			}
			i += c
			j += 1 - c
		}
		m.skip(i, j)
	}
	copy(m.out, m.a)
	copy(m.out[len(m.a):], m.b)
}
