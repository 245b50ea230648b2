package exec

import (
	"math"
	"math/bits"
	"slices"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/value"
)

// This file keeps a time for each person of a few: memory for all profile rows takes longer to make and fill than to use.

// slots numbers the rows of a set without gaps.
type slots struct {
	rows   Set
	before []uint32 // how many rows are in the words before each
	n      int
}

func newSlots(rows Set) *slots {
	s := &slots{rows: rows.clone(), before: make([]uint32, len(rows))} // the caller's set narrows
	for i, w := range rows {
		s.before[i] = uint32(s.n)
		s.n += bits.OnesCount64(w)
	}
	return s
}

// of is the slot of a row that is in the set.
func (s *slots) of(row uint32) int {
	return int(s.before[row>>6]) + bits.OnesCount64(s.rows[row>>6]&(1<<(row&63)-1))
}

// personTimes is a time for each profile row, column.AbsentInt where there is none, or with slots for the rows of those
// only. Then it is absent for the others, and must not be asked for them one by one.
type personTimes struct {
	slots *slots // nil: at goes by row
	at    []int64
}

// newPersonTimes has all absent. slots may be nil.
func newPersonTimes(slots *slots, rows int) *personTimes {
	if slots != nil {
		rows = slots.n
	}
	p := &personTimes{slots, make([]int64, rows)}
	for i := range p.at {
		p.at[i] = column.AbsentInt
	}
	return p
}

func (p *personTimes) of(row uint32) *int64 {
	if p.slots == nil {
		return &p.at[row]
	}
	return &p.at[p.slots.of(row)]
}

// leaveOut takes from rows, which are among those it has, whoever has no time.
func (p *personTimes) leaveOut(rows Set) {
	if !slices.Contains(p.at, column.AbsentInt) {
		return
	}
	if p.slots == nil {
		rows.each(func(row uint32) { rows[row>>6] &^= b2u(p.at[row] == column.AbsentInt) << (row & 63) })
		return
	}
	next := 0
	for i, w := range p.slots.rows {
		for ; w != 0; w &= w - 1 {
			if p.at[next] == column.AbsentInt {
				rows[i] &^= w & -w
			}
			next++
		}
	}
}

// span is the first and the last time of rows, or of a few more.
func (p *personTimes) span(rows Set) (first, last int64) {
	first, last = math.MaxInt64, math.MinInt64
	if p.slots == nil {
		rows.each(func(row uint32) { first, last = min(first, p.at[row]), max(last, p.at[row]) })
		return first, last
	}
	for _, t := range p.at {
		if t != column.AbsentInt {
			first, last = min(first, t), max(last, t)
		}
	}
	return first, last
}

func (p *personTimes) kind() value.Kind { return value.Datetime }

func (p *personTimes) load(f *frame, b *block) {
	from := f.k * column.ChunkRows
	if p.slots == nil {
		b.times = p.at[from : from+f.n]
		return
	}
	b.own.times = room(b.own.times, f.n)
	b.times = b.own.times
	for i := range b.times {
		b.times[i] = column.AbsentInt
	}
	words := p.slots.rows[from/64 : (from+f.n+63)/64]
	at := p.at[p.slots.before[from/64]:]
	Set(words).each(func(i uint32) { b.times[i], at = at[0], at[1:] })
}
