package insight

import (
	"iter"
	"math/bits"

	"github.com/embedcdp/cdp/internal/parallel"
)

// This file reads the events of a trend with several workers, each a share of every run, and counts distinct people
// without sorting: the people of one time bucket are put in order by nothing, a bit for each of them and each group tells
// whether they were seen. Events come nearly in the order of time, so to deal them out to their time buckets is cheap, and
// the late ones need no special care.

// maxSeenBits bounds the bits of people and groups: 32 MiB each for the bucket at hand and for the whole range, a worker.
var maxSeenBits = 1 << 28

// shared reads a series with all workers, or returns nil where it cannot: people are not numbered below Rows or too many.
func (q Trend) shared(s Series, b *buckets, groups int, slots slotMap, people rowSet) *trendCells {
	if q.Rows == 0 || !s.Events.unsorted() || groups<<max(6, bits.Len32(q.Rows-1)) > maxSeenBits {
		return nil
	}
	workers := max(q.Workers, 1)
	parts := s.Events.split(workers)
	cells := make([]*trendCells, workers)
	parallel.Do(workers, func(w int) {
		cells[w] = newTrendCells(s, b, groups)
		cells[w].people = nil
		cells[w].readParts(s, parts[w], q.Range, people, slots)
	})
	var seen *peopleCount
	if s.has(People) {
		seen = newPeopleCount(b.len(), groups)
		d := &trendDealer{b: b, groups: groups, shift: max(6, bits.Len32(q.Rows-1)), cells: cells, parts: parts, out: seen.count}
		d.run(q.Range, people, slots)
	}
	out := cells[0]
	for _, c := range cells[1:] {
		out.merge(c)
	}
	out.people = seen
	out.total()
	if s.has(Median, Percentile) {
		out.sortKept()
	}
	return out
}

// unsorted says that no run comes in the order of people.
func (s Stream) unsorted() bool {
	for _, run := range s {
		if run.Sorted {
			return false
		}
	}
	return true
}

func (a *trendCells) readParts(s Series, parts []iter.Seq[Chunk], r Range, people rowSet, slots slotMap) {
	percentiles := s.has(Median, Percentile)
	valued := a.sums != nil || a.least != nil || a.most != nil || percentiles
	for _, chunks := range parts {
		for c := range chunks {
			a.locate(&c, r, people, slots)
			for _, cell := range a.cells {
				a.count[cell]++
			}
			if valued && c.Value != nil {
				a.measure(&c, percentiles)
			}
		}
	}
}

// merge adds what another worker has read; sums stay exact.
func (a *trendCells) merge(o *trendCells) {
	for cell, n := range o.count {
		a.count[cell] += n
	}
	for cell, sum := range o.sums {
		if sum == nil {
			continue
		}
		if a.sums[cell] == nil {
			a.sums[cell] = new(Sum)
		}
		a.sums[cell].Merge(sum)
		a.values[cell] += o.values[cell]
	}
	for cell, v := range o.least {
		a.least[cell] = min(a.least[cell], v)
	}
	for cell, v := range o.most {
		a.most[cell] = max(a.most[cell], v)
	}
	a.kept, a.keptCells = append(a.kept, o.kept...), append(a.keptCells, o.keptCells...)
}

// trendDealer counts distinct people.
type trendDealer struct {
	b      *buckets
	groups int
	shift  int           // a person of a group is number group<<shift | person
	cells  []*trendCells // by worker: how many events it has in each cell
	parts  [][]iter.Seq[Chunk]
	out    []int64 // by cell

	numbers []uint32
	next    [][]int // by worker and bucket: where the next number goes
}

func (d *trendDealer) run(r Range, people rowSet, slots slotMap) {
	workers := len(d.cells)
	totals := make([]int, d.b.len())
	for _, c := range d.cells {
		for cell, n := range c.count[:d.b.len()*d.groups] {
			totals[cell/d.groups] += int(n)
		}
	}
	now, whole := make([]rowSet, workers), make([]rowSet, workers)
	for w := range workers {
		words := (d.groups<<d.shift + 63) / 64
		now[w], whole[w] = make(rowSet, words), make(rowSet, words)
	}
	for from := 0; from < len(totals); {
		to, n := from, 0
		for to < len(totals) && (to == from || n+totals[to] <= maxDealt) {
			n += totals[to]
			to++
		}
		d.deal(from, to, n, r, people, slots)
		parallel.Do(workers, func(w int) {
			for b := from + (to-from)*w/workers; b < from+(to-from)*(w+1)/workers; b++ {
				end := d.next[workers-1][b-from]
				d.countBucket(b, d.numbers[end-totals[b]:end], now[w], whole[w])
			}
		})
		from = to
	}
	for _, set := range whole[1:] {
		for i, word := range set {
			whole[0][i] |= word
		}
	}
	all := d.out[d.b.len()*d.groups:]
	for i, word := range whole[0] {
		if word != 0 {
			all[i<<6>>d.shift] += int64(bits.OnesCount64(word))
		}
	}
}

// deal writes the numbers of the buckets [from, to).
func (d *trendDealer) deal(from, to, n int, r Range, people rowSet, slots slotMap) {
	if cap(d.numbers) < n {
		d.numbers = make([]uint32, n)
	}
	d.numbers = d.numbers[:n]
	d.next = make([][]int, len(d.cells))
	for w := range d.next {
		d.next[w] = make([]int, to-from)
	}
	at := 0
	for b := from; b < to; b++ {
		for w, c := range d.cells {
			d.next[w][b-from] = at
			for _, n := range c.count[b*d.groups : (b+1)*d.groups] {
				at += int(n)
			}
		}
	}
	part := Range{max(r.From, d.b.bounds[from]), min(r.To, d.b.bounds[to])}
	parallel.Do(len(d.cells), func(w int) {
		a, next, shift := d.cells[w], d.next[w], d.shift&31
		for _, chunks := range d.parts[w] {
			for c := range chunks {
				a.locate(&c, part, people, slots)
				at := 0
				for _, s := range a.inOne {
					rows, first := a.rows[at:s.to], uint32(s.bucket*d.groups)
					numbers := d.numbers[next[s.bucket-from]:][:len(rows)]
					for j, cell := range a.cells[at:s.to] {
						numbers[j] = (cell-first)<<shift | c.Person[rows[j]]
					}
					next[s.bucket-from] += len(rows)
					at = s.to
				}
			}
		}
	})
}

// countBucket counts the distinct numbers of one bucket. now is empty before and after.
func (d *trendDealer) countBucket(b int, numbers []uint32, now, whole rowSet) {
	count, shift := d.out[b*d.groups:(b+1)*d.groups], d.shift&31
	for _, n := range numbers {
		word, bit := &now[n>>6], n&63
		count[n>>shift] += int64(^*word >> bit & 1)
		*word |= 1 << bit
	}
	for _, n := range numbers {
		whole[n>>6] |= now[n>>6]
		now[n>>6] = 0
	}
}
