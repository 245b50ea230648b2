package live

import (
	"slices"
	"sort"

	"github.com/embedcdp/cdp/internal/celenv"
)

// calendarUnits are the last n complete calendar units, and the current one.
type calendarUnits struct {
	cal  celenv.Calendar
	unit string
	n    int

	// The starts of the units, and of the current one, looked up last; they hold for now in [seen, until).
	starts      []int64
	seen, until int64
}

// at looks the units up. What it returned before stays as it was.
func (u *calendarUnits) at(now int64) []int64 {
	if now < u.seen || now >= u.until {
		u.starts = u.cal.Starts(now, u.unit, u.n)
		u.seen, u.until = now, u.cal.Start(now, u.unit, 1)
	}
	return u.starts
}

// unitOf is the unit that holds an instant; -1 before the first.
func unitOf(starts []int64, t int64) int {
	return sort.Search(len(starts), func(i int) bool { return starts[i] > t }) - 1
}

// keptUnits are the counts of events by calendar unit, the current one too.
type keptUnits struct {
	typ    *Type
	units  *calendarUnits
	starts []int64
	counts []int
	n      int // all
	letsGo bool
	row    eventRow // all of them, if the limits of time let go of the oldest, not only the units
}

func (k *keptUnits) enter(_ *Person, event uint32) {
	k.count(event, 1)
	if k.letsGo {
		k.row.insert(k.typ, event)
	}
}

func (k *keptUnits) count(event uint32, by int) {
	if i := unitOf(k.starts, k.typ.Time.Int(event)); i >= 0 {
		k.counts[i] += by
		k.n += by
	}
}

func (k *keptUnits) leave(who *Person, from int64) {
	k.move(k.units.at(who.Now))
	k.row.drop(k.typ, from, func(event uint32) { k.count(event, -1) })
}

// move carries the counts of units that are still looked at over to their new places.
func (k *keptUnits) move(starts []int64) {
	if len(k.starts) > 0 && k.starts[0] == starts[0] {
		return
	}
	counts, n := make([]int, len(starts)), 0
	for i, start := range k.starts {
		if to, ok := slices.BinarySearch(starts, start); ok {
			counts[to] = k.counts[i]
			n += counts[to]
		}
	}
	k.starts, k.counts, k.n = starts, counts, n
}

func (k *keptUnits) size() int { return 128 + 16*len(k.starts) + k.row.size() }
