package exec

import (
	"cmp"
	"math"
	"slices"
)

// This file deals events out to buckets of people who are next to each other, so that what is kept for each of them fits a
// cache, and brings a bucket's events into order. Events come nearly in the order of time, so the few that are late are
// sorted apart, and all others only merged.

const (
	bucketBits = 11 // people of a bucket: 2,048
	bucketSize = 1 << bucketBits
	stepBits   = 4
	maxSteps   = 1 << stepBits
)

// stamp is an event: when it was, and in one word its position in the log, the steps after its own, and whose it is within
// the bucket. In the order (at, rest) one event that stands for several steps comes as the last of them first, so that it does
// not follow itself.
type stamp struct {
	at   int64
	rest uint64
}

func newStamp(at, seq int64, step int, row uint32) stamp {
	return stamp{at, uint64(seq)<<(stepBits+bucketBits) | uint64(maxSteps-1-step)<<bucketBits | uint64(row&(bucketSize-1))}
}

func (s stamp) person() int { return int(s.rest & (bucketSize - 1)) }
func (s stamp) step() int   { return maxSteps - 1 - int(s.rest>>bucketBits&(maxSteps-1)) }

func (s stamp) before(o stamp) bool { return s.at < o.at || s.at == o.at && s.rest < o.rest }

func compareStamps(a, b stamp) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.rest, b.rest))
}

// dealt are the events of several steps by bucket: of each step what each goroutine found, in their order.
type dealt struct {
	steps [][]*dealing
	rows  int
}

func (d *dealt) len() (n int) {
	for _, parts := range d.steps {
		for _, p := range parts {
			n += p.n
		}
	}
	return n
}

// dealing is the sink that deals out the events of one step.
type dealing struct {
	ev      *Events
	step    int
	who     Set
	n       int
	buckets []dealtTo
}

// dealtTo are the events of a bucket: those in order, and those that came after a later one.
type dealtTo struct{ inOrder, late []stamp }

// deal passes over the events of a step.
func (sc *scan) deal(step, rows int) []*dealing {
	sinks := sc.run(func() sink {
		return &dealing{ev: sc.ev, step: step, who: NewSet(rows), buckets: make([]dealtTo, (rows+bucketSize-1)/bucketSize)}
	})
	out := make([]*dealing, len(sinks))
	for i, s := range sinks {
		out[i] = s.(*dealing)
	}
	return out
}

func (d *dealing) take(h *hits, _ *scratch) {
	times, seqs := d.ev.Time.Ints(h.f.k), d.ev.Seq.Ints(h.f.k)
	d.n += len(h.who)
	for i, row := range h.who {
		j := h.at(i)
		d.who[row>>6] |= 1 << (row & 63)
		s, to := newStamp(times[j], seqs[j], d.step, row), &d.buckets[row>>bucketBits]
		if n := len(to.inOrder); n > 0 && s.before(to.inOrder[n-1]) {
			to.late = append(to.late, s)
			continue
		}
		to.inOrder = append(to.inOrder, s)
	}
}

// stampMerger brings buckets into order, one after the other in the same memory.
type stampMerger struct{ all, step, spare, late []stamp }

// bucket returns the events of a bucket in order, until the next call.
func (m *stampMerger) bucket(d *dealt, b int) []stamp {
	m.all, m.late = m.all[:0], m.late[:0]
	for k := len(d.steps) - 1; k >= 0; k-- { // from the last step, which has the fewest mostly
		m.step = m.step[:0]
		newest := stamp{at: math.MinInt64}
		for _, part := range d.steps[k] {
			of := &part.buckets[b]
			m.late = append(m.late, of.late...)
			first, _ := slices.BinarySearchFunc(of.inOrder, newest, compareStamps)
			m.late = append(m.late, of.inOrder[:first]...) // late in respect of the goroutine before
			if m.step = append(m.step, of.inOrder[first:]...); len(m.step) > 0 {
				newest = m.step[len(m.step)-1]
			}
		}
		m.merge(m.step)
	}
	slices.SortFunc(m.late, compareStamps)
	m.merge(m.late)
	return m.all
}

// merge takes an ordered list in. Which event comes next cannot be predicted, so there is no branch on it.
func (m *stampMerger) merge(b []stamp) {
	a := m.all
	switch {
	case len(b) == 0:
		return
	case len(a) == 0:
		m.all = append(a, b...)
		return
	}
	out := slices.Grow(m.spare[:0], len(a)+len(b))[:len(a)+len(b)]
	i, j, o := 0, 0, 0
	for i < len(a) && j < len(b) {
		from := [2]*stamp{&a[i], &b[j]}
		second := b2u(b[j].before(a[i]))
		out[o] = *from[second&1]
		i, j, o = i+1-int(second), j+int(second), o+1
	}
	copy(out[o+copy(out[o:], a[i:]):], b[j:])
	m.all, m.spare = out, a
}
