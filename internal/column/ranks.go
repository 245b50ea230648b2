package column

import (
	"cmp"
	"math"
	"slices"
)

// This file keeps, beside a chunk of numbers of which few differ (ages, counts, ratings), which of them each row has in one
// byte instead of eight. A question then compares every different number once, and the rows by their bytes.

// maxRanks is how many numbers a byte tells apart, besides absent.
const maxRanks = math.MaxUint8

// ranked is a chunk of numbers: cell j is values[of[j]-1], or absent where of[j] is 0.
type ranked struct {
	values []float64 // sorted
	of     []uint8
}

// What is known of a chunk before there are ranks, and instead of them.
var (
	scannedOnce = new(ranked)
	tooMany     = new(ranked)
)

// Ranks returns the different numbers of chunk k of a Float64 vector in order, at most 255, and for each row there is 0 when
// it is absent or else the place of its number, from 1. ranks is nil when they are not known: in a vector that may still
// change, in a chunk with more numbers than that, and the first time that anybody asks for a chunk as it is, so that one which
// changes between any two questions is never ranked in vain. They take a byte a row until the chunk changes.
func (c *Column) Ranks(k int) (values []float64, ranks []uint8) {
	if !c.still || c.kind != Float64 || k < 0 || k >= len(c.chunks) {
		return nil, nil
	}
	s := c.chunks[k]
	cells := s.page.Load().floats
	if cells == nil {
		return nil, nil
	}
	r := s.ranked.Load()
	switch r {
	case nil:
		s.ranked.CompareAndSwap(nil, scannedOnce)
		return nil, nil
	case scannedOnce: // two at once come to the same result
		r = rank(cells)
		s.ranked.Store(r)
	}
	return r.values, first(r.of, c.ext.rowsIn(k))
}

// rank finds the different numbers by a hash table of their bits, and gives them their places when all are known.
func rank(cells []float64) *ranked {
	const size = 512
	var (
		keys   [size]uint64
		known  [size]uint8 // 0: free, else the number's place in order of appearance
		values []float64
		of     = make([]uint8, len(cells))
	)
	for i, v := range cells {
		if v != v {
			continue
		}
		bits := math.Float64bits(v)
		h := bits * 0x9e3779b97f4a7c15 >> 55
		for known[h] != 0 && keys[h] != bits {
			h = (h + 1) % size
		}
		if known[h] == 0 {
			if len(values) == maxRanks {
				return tooMany
			}
			values = append(values, v)
			keys[h], known[h] = bits, uint8(len(values))
		}
		of[i] = known[h]
	}
	order := make([]uint8, len(values))
	for i := range order {
		order[i] = uint8(i)
	}
	slices.SortFunc(order, func(a, b uint8) int { return cmp.Compare(values[a], values[b]) })
	sorted := make([]float64, len(values))
	var place [maxRanks + 1]uint8
	for i, o := range order {
		sorted[i], place[o+1] = values[o], uint8(i+1)
	}
	for i, p := range of {
		of[i] = place[p]
	}
	return &ranked{sorted, of}
}
