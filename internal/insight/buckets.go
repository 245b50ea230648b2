package insight

import (
	"iter"
	"math"
	"math/bits"
	"runtime"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/parallel"
)

// This file computes the common funnel, in order and without a breakdown, without sorting the events by person.
//
// Events are dealt out to buckets of people that are next to each other, as one word each: time, step, person within the
// bucket. That is stable, so each step's words come in nearly the order of time. A bucket's steps are merged, and
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

// maxDealt bounds the words that are dealt out at a time: 256 MiB. More people than fit take several passes.
var maxDealt = 32 << 20

// dealtWords keeps the memory of a worker for the next funnel: to get it from the system costs a fifth of a funnel. The
// garbage collector takes what is not used.
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
	words       [][]uint64 // by worker: its share, bucket by bucket and of each step by step
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
	d.words = make([][]uint64, d.workers)
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
		d.deal(from, to)
		for _, w := range d.walk(from, to, totals, n) {
			out.merge(w.out)
			unclear.AddMany(w.unclear)
		}
		from = to
	}
	for _, words := range d.words {
		dealtWords.Put(&words)
	}
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

// deal writes the words of the buckets [from, to).
func (d *dealer) deal(from, to int) {
	parallel.Do(d.workers, func(w int) {
		d.makeRoom(w, from, to)
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
					d.dealChunk(p, &c, d.words[w], k, from)
				}
			}
		}
	})
}

// makeRoom gets the memory for a worker's words, and says where those of each step begin in each bucket. Each worker has its
// own, because new memory is zeroed by who asks for it.
func (d *dealer) makeRoom(w, from, to int) {
	for k := range d.parts[w] {
		d.parts[w][k].ends = make([]end, to-from)
	}
	n := 0
	for b := from; b < to; b++ {
		for k := range d.parts[w] {
			p := &d.parts[w][k]
			p.ends[b-from].next = n
			if b < len(p.counts) {
				n += p.counts[b]
			}
		}
	}
	if cap(d.words[w]) < n {
		if kept, ok := dealtWords.Get().(*[]uint64); ok && cap(*kept) >= n {
			d.words[w] = *kept
		} else {
			d.words[w] = make([]uint64, n)
		}
	}
	d.words[w] = d.words[w][:n]
}

// dealChunk writes the words of one chunk. Late ones go to lists of their own, so that all others of a bucket and step
// are in order.
func (d *dealer) dealChunk(p *part, c *Chunk, words []uint64, k, from int) {
	all, first := d.all(c, k), uint32(from)
	ends, base, stepBits, step := p.ends, d.base, d.stepBits&63, uint64(k)<<bucketBits
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
