package main

import (
	"cmp"
	"math/bits"
	"slices"
)

// This file lays the data out for the hand-written loops: bare slices in memory, as tight as anybody would make them for
// these questions, and no answer computed beforehand. Each question's loop stands beside its question.

// Loops are the slices that the loops run over.
type Loops struct {
	Customers int
	age, city []uint64 // a byte a customer, eight in a word, the first in the lowest byte

	all struct { // events in order of time
		time     []int64
		customer []uint32
		what     []uint8
	}
	purchases struct { // in order of time
		time     []int64
		customer []uint32
		category []uint8
	}

	bought struct { // purchases ordered by customer, then time; those of customer c are from[c] to from[c+1]-1
		from     []uint32
		category []uint8
		cents    []uint16
	}

	// journeys are all events ordered by customer, then time: time<<2 | type. Those of customer c are journeys[from[c]:from[c+1]].
	journeys []int64
	from     []uint32

	// Scratch, so that nobody measures the making of it: one a customer, with any content.
	counts  []uint8
	wide    []uint64
	sums    []uint32 // one a purchase, and one more
	members Members
}

// NewLoops lays out d.
func NewLoops(d *Data) *Loops {
	l := &Loops{Customers: d.Profiles, age: bytesAsWords(d.Age, noAge), city: bytesAsWords(d.City, noCity), counts: make([]uint8, d.Profiles),
		wide: make([]uint64, d.Profiles), members: NewMembers(d.Profiles)}
	l.all.time, l.all.customer, l.all.what = d.Time, d.Customer, d.Type
	for i, t := range d.Type {
		if t == purchase {
			l.purchases.time = append(l.purchases.time, d.Time[i])
			l.purchases.customer = append(l.purchases.customer, d.Customer[i])
			l.purchases.category = append(l.purchases.category, d.Category[i])
		}
	}
	l.from = starts(d.Customer, d.Profiles)
	l.journeys = make([]int64, d.Events)
	next := slices.Clone(l.from)
	for i, c := range d.Customer { // already in order of time
		l.journeys[next[c]] = d.Time[i]<<2 | int64(d.Type[i])
		next[c]++
	}
	l.orderPurchases(d)
	return l
}

// orderPurchases makes l.bought.
func (l *Loops) orderPurchases(d *Data) {
	b := &l.bought
	n := len(l.purchases.time)
	l.sums = make([]uint32, n+1)
	b.from = starts(l.purchases.customer, l.Customers)
	b.category, b.cents = make([]uint8, n), make([]uint16, n)
	next := slices.Clone(b.from)
	for i, c := range d.Customer {
		if d.Type[i] == purchase {
			b.category[next[c]], b.cents[next[c]] = d.Category[i], d.Cents[i]
			next[c]++
		}
	}
}

// starts is where each customer's rows begin once rows are ordered by customer, and where the last ones' end.
func starts(customer []uint32, customers int) []uint32 {
	from := make([]uint32, customers+1)
	for _, c := range customer {
		from[c+1]++
	}
	for c := range customers {
		from[c+1] += from[c]
	}
	return from
}

// bytesAsWords packs bytes below 128 into words and fills the last one up.
func bytesAsWords(b []uint8, fill uint8) []uint64 {
	words := make([]uint64, (len(b)+63)/64*8)
	for i := range len(words) * 8 {
		v := fill
		if i < len(b) {
			v = b[i]
		}
		words[i/8] |= uint64(v) << (i % 8 * 8)
	}
	return words
}

// Members is a set of customers: bit c%64 of word c/64.
type Members []uint64

// NewMembers returns an empty set with room for n customers.
func NewMembers(n int) Members { return make(Members, (n+63)/64) }

func (m Members) has(c uint32) bool { return m[c>>6]>>(c&63)&1 != 0 }

// Len counts the set.
func (m Members) Len() int64 {
	n := 0
	for _, w := range m {
		n += bits.OnesCount64(w)
	}
	return int64(n)
}

// firstDifference is a customer that is in one of two sets only.
func (m Members) firstDifference(o Members) (customer int, different bool) {
	for i := range m {
		if x := m[i] ^ o[i]; x != 0 {
			return i*64 + bits.TrailingZeros64(x), true
		}
	}
	return 0, false
}

// searchTime is the index of the first time after t.
func searchTime(times []int64, t int64) int {
	i, _ := slices.BinarySearchFunc(times, t+1, cmp.Compare[int64])
	return i
}
