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
	enough := max(1, math.Floor(n.Lit)+1)
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

type unitBits struct {
	unitOf
	seen []uint64 // by row, a bit a unit
}

func (u *unitBits) take(h *hits, _ *scratch) {
	times := u.ev.Time.Ints(h.f.k)
	for i, row := range h.who {
		u.seen[row] |= 1 << u.of(times[h.at(i)])
	}
}

func (r *run) unitBits(sc *scan, starts []int64, n plan.Units, holds func(int) bool, want bool, rows Set) {
	sinks := sc.run(func() sink { return &unitBits{unitOf{sc.ev, starts, 0}, make([]uint64, r.src.Rows())} })
	seen := sinks[0].(*unitBits).seen
	for _, s := range sinks[1:] {
		for row, b := range s.(*unitBits).seen {
			seen[row] |= b
		}
	}
	without, with := -b2u(holds(0)), -b2u(holds(1)) // all ones where it holds
	every := uint64(1)<<n.N - 1
	r.pass(rows, func(f *frame, _ *scratch, words []uint64) {
		Set(words).each(func(i uint32) {
			b := seen[f.k*column.ChunkRows+int(i)]
			if n.Kind.Of(bits.OnesCount64((b&with|^b&without)&every), n.N) != want {
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
