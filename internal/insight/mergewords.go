package insight

import (
	"sort"
)

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
