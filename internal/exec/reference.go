package exec

import (
	"math"
	"sort"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/value"
)

// reference reads an attribute of the business object that each event refers to, as it was at the event's time. What the
// objects say is looked up once for each id that occurs, not once for each event.
type reference struct {
	of     value.Kind
	events *Events
	id     *column.Column      // Dict
	slot   []uint32            // by code of id: where its value is; 0 is absent, and several a history
	past   map[uint32]*history // by code
	nums   []float64           // by slot, of the kind it is
	times  []int64
	flags  []uint8
	codes  []uint32
	words  []string // behind codes
}

// history is an object with several versions: from which time on which slot holds.
type history struct {
	from  []int64
	slots []uint32
}

const several = math.MaxUint32

// newReference looks the objects up.
func newReference(src Source, ev *Events, id *column.Column, object, attr string, of value.Kind) *reference {
	dict := id.Dict()
	r := &reference{of: of, events: ev, id: id, slot: make([]uint32, dict.Len()+1), past: map[uint32]*history{}}
	known := map[string]uint32{}
	r.add(value.Value{}, known)
	for code := uint32(1); int(code) <= dict.Len(); code++ {
		name := dict.String(code)
		from := src.Versions(object, name)
		if len(from) == 0 {
			src.At(object, name, 0) // the source may want to know that somebody looks for it
			continue
		}
		slots := make([]uint32, len(from))
		for i, t := range from {
			if i == 0 {
				t-- // who looks before all versions sees the first of several that hold from one instant on
			}
			if get, ok := src.At(object, name, t); ok {
				slots[i] = r.add(get(attr), known)
			}
		}
		if r.slot[code] = slots[0]; len(slots) > 1 {
			r.slot[code], r.past[code] = several, &history{from, slots}
		}
	}
	return r
}

// add keeps a value and returns its slot; one of another kind is absent.
func (r *reference) add(v value.Value, known map[string]uint32) uint32 {
	num, time, flag, code := math.NaN(), int64(column.AbsentInt), uint8(0), uint32(0)
	if v.Kind == r.of {
		num, time, flag = v.Num, v.Time, 1+uint8(b2u(v.Num != 0))
		if r.of == value.String {
			if code = known[v.Str]; code == 0 {
				r.words = append(r.words, v.Str)
				code = uint32(len(r.words))
				known[v.Str] = code
			}
		}
	}
	r.nums, r.times, r.flags, r.codes = append(r.nums, num), append(r.times, time), append(r.flags, flag), append(r.codes, code)
	return uint32(len(r.nums) - 1)
}

func (r *reference) kind() value.Kind { return r.of }

func (r *reference) load(f *frame, b *block) {
	ids, when := r.id.Codes(f.k), r.events.Time.Ints(f.k)
	switch r.of {
	case value.Number:
		b.own.nums = room(b.own.nums, f.n)
		b.nums = follow(r, r.nums, ids, when, b.own.nums)
	case value.Datetime:
		b.own.times = room(b.own.times, f.n)
		b.times = follow(r, r.times, ids, when, b.own.times)
	case value.Boolean:
		b.own.flags = room(b.own.flags, f.n)
		b.flags = follow(r, r.flags, ids, when, b.own.flags)
	case value.String:
		b.own.codes = room(b.own.codes, f.n)
		b.codes = column.Codes{W: follow(r, r.codes, ids, when, b.own.codes)}
	}
}

func follow[T any](r *reference, values []T, ids column.Codes, when []int64, out []T) []T {
	switch {
	case ids.B != nil:
		followed(r, values, ids.B, when, out)
	case ids.H != nil:
		followed(r, values, ids.H, when, out)
	case ids.W != nil:
		followed(r, values, ids.W, when, out)
	}
	return out[:ids.Len()]
}

func followed[T any, C uint8 | uint16 | uint32](r *reference, values []T, ids []C, when []int64, out []T) {
	for i, id := range ids {
		slot := r.slot[id]
		if slot == several {
			slot = r.past[uint32(id)].at(when[i])
		}
		out[i] = values[slot]
	}
}

// at is the last version not after t, else the first.
func (h *history) at(t int64) uint32 {
	i := sort.Search(len(h.from), func(i int) bool { return h.from[i] > t })
	return h.slots[max(i, 1)-1]
}

func (r *reference) count() int     { return len(r.words) }
func (r *reference) emptyToo() bool { return false }
func (r *reference) text(code uint32) string {
	if code == 0 {
		return ""
	}
	return r.words[code-1]
}
