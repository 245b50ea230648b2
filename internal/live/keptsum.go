package live

import "github.com/embedcdp/cdp/internal/exactsum"

// keptSum is how many events there are, and the sum of a value of theirs. The sum is exact, so what is taken away leaves no
// trace.
type keptSum struct {
	typ    *Type
	of     reading // nil: only their number
	n      int
	sum    *exactsum.Sum
	letsGo bool
	row    eventRow // all of them, if the oldest are let go
}

func (k *keptSum) enter(who *Person, event uint32) {
	k.n++
	k.add(who, event, 1)
	if k.letsGo {
		k.row.insert(k.typ, event)
	}
}

func (k *keptSum) leave(who *Person, from int64) {
	k.row.drop(k.typ, from, func(event uint32) {
		k.n--
		k.add(who, event, -1)
	})
}

func (k *keptSum) add(who *Person, event uint32, sign float64) {
	if k.of != nil {
		who.event = event
		v, _ := k.of.get(who)
		k.sum.Add(sign * v.num)
	}
}

func (k *keptSum) size() int {
	if k.of == nil {
		return 64 + k.row.size()
	}
	return 64 + sumBytes + k.row.size()
}

const sumBytes = 552
