package exec

import (
	"math"
	"math/bits"
	"sort"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/plan"
)

// maxCells is how many counters a question about calendar units may take.
const maxCells = 1 << 28

// perUnit narrows rows by the counts of the last N complete calendar units. Where only nothing and something are told
// apart, a bit a unit is enough.
func (r *run) perUnit(n plan.Units, want bool, rows Set) bool {
	sc, ok := r.scan(n.Events, nil, rows)
	if !ok {
		return false
	}
	holds := func(count int) bool { return compares(n.Op, float64(count), []float64{n.Lit}) }
	if sc == nil {
		if n.Kind.Of(n.N*int(b2u(holds(0))), n.N) != want {
			clear(rows)
		}
		return true
	}
	starts := r.src.Calendar().Starts(r.now, n.Unit, n.N)
	sc.window.from, sc.window.to = max(sc.window.from, starts[0]), min(sc.window.to, starts[n.N])
	enough := fewest(max(1, math.Floor(n.Lit)+1), holds)
	switch {
	case enough == 1 && n.N <= 64:
		r.unitBits(sc, starts, n, holds, want, rows)
	case enough <= math.MaxUint8 && n.N*r.src.Rows() <= maxCells:
		unitCounts(r, sc, starts, n, uint8(enough), holds, want, rows)
	case enough < math.MaxUint32 && n.N*r.src.Rows() <= maxCells/4:
		unitCounts(r, sc, starts, n, uint32(enough), holds, want, rows)
	default:
		return false
	}
	return true
}

// unitOf finds the unit of each hit.
type unitOf struct {
	ev     *Events
	starts []int64
	unit   int
}

func (u *unitOf) of(t int64) int {
	if t < u.starts[u.unit] || t >= u.starts[u.unit+1] { // events come mostly in order, so it is mostly the same
		u.unit = sort.Search(len(u.starts), func(i int) bool { return u.starts[i] > t }) - 1
	}
	return u.unit
}

// unitBits keeps a bit for each of up to 64 units, in the narrowest form: it is written in no order, and what fits into a
// cache is several times as fast.
type unitBits[T uint8 | uint64] struct {
	unitOf
	seen []T // by row
}

func (u *unitBits[T]) take(h *hits, _ *scratch) {
	times := u.ev.Time.Ints(h.f.k)
	for i, row := range h.who {
		u.seen[row] |= 1 << u.of(times[h.at(i)])
	}
}

func (u *unitBits[T]) merge(o *unitBits[T]) {
	for row, b := range o.seen {
		u.seen[row] |= b
	}
}

func bitsOf[T uint8 | uint64](r *run, sc *scan, starts []int64) []T {
	sinks := sc.run(func() sink { return &unitBits[T]{unitOf{sc.ev, starts, 0}, make([]T, r.src.Rows())} })
	for _, s := range sinks[1:] {
		sinks[0].(*unitBits[T]).merge(s.(*unitBits[T]))
	}
	return sinks[0].(*unitBits[T]).seen
}

func (r *run) unitBits(sc *scan, starts []int64, n plan.Units, holds func(int) bool, want bool, rows Set) {
	without, with := -b2u(holds(0)), -b2u(holds(1)) // all ones where it holds
	every := uint64(1)<<n.N - 1
	met := func(b uint64) bool { return n.Kind.Of(bits.OnesCount64((b&with|^b&without)&every), n.N) == want }
	if n.N <= 8 {
		seen, table := bitsOf[uint8](r, sc, starts), make([]uint8, 256)
		for b := range table {
			table[b] = uint8(b2u(met(uint64(b))))
		}
		r.pass(rows, func(f *frame, _ *scratch, words []uint64) {
			b := seen[f.k*column.ChunkRows:][:f.n]
			for w := range words {
				words[w] &= codeWord(table, b[w*64:min(w*64+64, len(b))])
			}
		})
		return
	}
	seen := bitsOf[uint64](r, sc, starts)
	r.pass(rows, func(f *frame, _ *scratch, words []uint64) {
		Set(words).each(func(i uint32) {
			if !met(seen[f.k*column.ChunkRows+int(i)]) {
				words[i>>6] &^= 1 << (i & 63)
			}
		})
	})
}

type unitCounting[T uint8 | uint32] struct {
	unitOf
	n    []T
	most T
}

func (u *unitCounting[T]) take(h *hits, _ *scratch) {
	times, units := u.ev.Time.Ints(h.f.k), len(u.starts)-1
	for i, row := range h.who {
		cell := int(row)*units + u.of(times[h.at(i)])
		u.n[cell] += T(b2u(u.n[cell] < u.most))
	}
}

func unitCounts[T uint8 | uint32](r *run, sc *scan, starts []int64, n plan.Units, enough T, holds func(int) bool, want bool, rows Set) {
	sinks := sc.run(func() sink {
		return &unitCounting[T]{unitOf{sc.ev, starts, 0}, make([]T, r.src.Rows()*n.N), enough}
	})
	counts := sinks[0].(*unitCounting[T]).n
	for _, s := range sinks[1:] {
		for i, c := range s.(*unitCounting[T]).n {
			counts[i] = min(counts[i], enough-c) + c
		}
	}
	r.pass(rows, func(f *frame, _ *scratch, words []uint64) {
		Set(words).each(func(i uint32) {
			row, held := f.k*column.ChunkRows+int(i), 0
			for _, c := range counts[row*n.N : (row+1)*n.N] {
				held += int(b2u(holds(int(c))))
			}
			if n.Kind.Of(held, n.N) != want {
				words[i>>6] &^= 1 << (i & 63)
			}
		})
	})
}
