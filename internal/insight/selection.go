package insight

import (
	"cmp"
	"math/bits"
	"slices"
)

// selectNth returns the value that would stand at place n if v were sorted, and reorders v so that nothing before n is
// greater and nothing after n is less. Quickselect by the median of three; where that goes badly it sorts what is left.
func selectNth[T cmp.Ordered](v []T, n int) T {
	lo, hi := 0, len(v)-1
	for budget := 2 * bits.Len(uint(len(v))); lo < hi; budget-- {
		if budget == 0 || hi-lo < 16 {
			slices.Sort(v[lo : hi+1])
			break
		}
		pivot := medianOfThree(v[lo], v[lo+(hi-lo)/2], v[hi])
		i, j := lo, hi
		for i <= j {
			for v[i] < pivot {
				i++
			}
			for v[j] > pivot {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i++
				j--
			}
		}
		switch {
		case n <= j:
			hi = j
		case n >= i:
			lo = i
		default:
			return v[n]
		}
	}
	return v[n]
}

func medianOfThree[T cmp.Ordered](a, b, c T) T {
	return max(min(a, b), min(max(a, b), c))
}
