package exec

// tallies count how often each of a person's values occurs. Few people have many, so a short list is searched in order; it
// gets an index when it is long.
type tallies struct {
	list  []tally
	index map[uint64]int
}

type tally struct {
	key   uint64
	count int
	last  int64 // time of the latest occurrence
	place int   // of it in order of arrival
}

const shortList = 16

func (t *tallies) reset() {
	t.list = t.list[:0]
	clear(t.index)
}

func (t *tallies) of(key uint64) *tally {
	if len(t.list) <= shortList {
		for i := range t.list {
			if t.list[i].key == key {
				return &t.list[i]
			}
		}
	} else if i, ok := t.index[key]; ok {
		return &t.list[i]
	}
	t.list = append(t.list, tally{key: key})
	if t.index == nil {
		t.index = map[uint64]int{}
	}
	if len(t.list) == shortList+1 {
		for i := range t.list {
			t.index[t.list[i].key] = i
		}
	} else if len(t.list) > shortList {
		t.index[key] = len(t.list) - 1
	}
	return &t.list[len(t.list)-1]
}

func (t *tallies) distinct(keys []uint64) int {
	t.reset()
	for _, k := range keys {
		t.of(k)
	}
	return len(t.list)
}

// mostFrequent of equally frequent ones is that whose latest occurrence comes last by (time, arrival).
func (t *tallies) mostFrequent(keys []uint64, at []int64) uint64 {
	t.reset()
	for i, k := range keys {
		y := t.of(k)
		if y.count == 0 || at[i] >= y.last {
			y.last, y.place = at[i], i
		}
		y.count++
	}
	best := &t.list[0]
	for i := range t.list[1:] {
		y := &t.list[1+i]
		switch {
		case y.count != best.count:
			if y.count > best.count {
				best = y
			}
		case y.last > best.last || y.last == best.last && y.place > best.place:
			best = y
		}
	}
	return best.key
}
