package main

import (
	"container/heap"
	"fmt"
	"iter"
	"math"
	"sort"
	"strconv"
	"time"
)

// This file makes the data set: customers, and what they did in 180 days. Everything is a hash of an index, so that the
// same sizes and variant give the same data on every machine and in any order of asking.

// Variant is how events fall on customers, and how they arrive.
type Variant string

const (
	Uniform Variant = "uniform" // every customer is as busy as any other
	Zipf    Variant = "zipf"    // rank r has a share of 1/r^1.1: of a million people the busiest has an eighth of the events
	Merged  Variant = "merged"  // uniform, but done by 3 visitors a customer; 5 % of links come after the events; 1 % of events are late
)

var allVariants = []Variant{Uniform, Zipf, Merged}

const (
	span           = 180 * day // microseconds that the events cover
	day      int64 = 24 * 3600 * 1e6
	visitors       = 3 // a customer, in the merged variant
	skus           = 5000
	noAge          = 0   // Customers.Age of the 3 % without
	noCity         = 127 // Customers.City of the 2 % without
)

// now is the instant all questions are asked for, just after the last event. It is the clock of the clients under test.
var now = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)

// begin is the instant before which nothing happened.
var begin = now.Add(-time.Duration(span) * time.Microsecond)

// Types of events, in the order of their codes.
const (
	view = iota
	cart
	purchase
)

var (
	eventNames = []string{"view", "add_to_cart", "purchase"}
	cities     = []string{"Ho Chi Minh City", "Hanoi", "Da Nang", "Hai Phong", "Can Tho", "Hue", "Nha Trang", "Vung Tau"}
	plans      = []string{"free", "basic", "plus", "business"}
	categories = []string{"shoes", "shirts", "trousers", "jackets", "dresses", "bags", "watches", "jewellery", "phones", "laptops",
		"audio", "cameras", "kitchen", "furniture", "garden", "toys", "books", "sports", "beauty", "grocery"}
)

// Data is the data set as columns. Index i of the customer columns is customer i; index i of the event columns is the
// i-th event in order of time. No two events have the same time.
type Data struct {
	Variant  Variant
	Profiles int
	Events   int

	Age    []uint8 // 16 to 75, or noAge
	City   []uint8 // index into cities, or noCity
	Plan   []uint8 // index into plans
	Signup []int64 // microseconds, within the 3 years before now

	Time     []int64  // microseconds
	Customer []uint32 // who did it
	Type     []uint8  // view 60 %, cart 30 %, purchase 10 %
	Category []uint8  // index into categories
	SKU      []uint16
	Cents    []uint16 // amount 0 to 99.99
}

// Streams of random numbers: one for each thing drawn, so that they do not depend on each other.
const (
	streamAge = iota + 1
	streamCity
	streamPlan
	streamSignup
	streamTime
	streamCustomer
	streamEvent
	streamID
	streamVisitor
	streamLate
	streamPeople
	streamFurther
)

// splitmix64 is the generator's finalizer of Steele, Lea, Flood 2014: a bijection that scatters its input.
func splitmix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// draw is the random number i of a stream.
func draw(stream, i int) uint64 { return splitmix64(uint64(i) ^ splitmix64(uint64(stream))) }

// below turns a random number into one of 0 to n-1.
func below(r uint64, n int) int { return int(r % uint64(n)) }

// Generate makes the data set.
func Generate(profiles, events int, v Variant) *Data {
	d := &Data{Variant: v, Profiles: profiles, Events: events,
		Age: make([]uint8, profiles), City: make([]uint8, profiles), Plan: make([]uint8, profiles), Signup: make([]int64, profiles),
		Time: make([]int64, events), Customer: make([]uint32, events), Type: make([]uint8, events), Category: make([]uint8, events),
		SKU: make([]uint16, events), Cents: make([]uint16, events)}
	d.customers()
	d.events()
	return d
}

func (d *Data) customers() {
	end := now.UnixMicro()
	for i := range d.Profiles {
		if r := draw(streamAge, i); r%100 >= 3 {
			d.Age[i] = uint8(16 + below(r>>8, 60))
		}
		d.City[i] = noCity
		if r := draw(streamCity, i); r%100 >= 2 {
			d.City[i] = uint8(below(r>>8, len(cities)))
		}
		d.Plan[i] = uint8(below(draw(streamPlan, i), len(plans)))
		d.Signup[i] = end - int64(below(draw(streamSignup, i), 3*365))*day - 1
	}
}

func (d *Data) events() {
	start := now.UnixMicro() - span
	step := span / int64(max(d.Events, 1))
	who := d.pick()
	for i := range d.Events {
		d.Time[i] = start + int64(i)*step + int64(below(draw(streamTime, i), int(step)))
		d.Customer[i] = uint32(who(draw(streamCustomer, i)))
		r := draw(streamEvent, i)
		switch k := r % 10; {
		case k < 6:
			d.Type[i] = view
		case k < 9:
			d.Type[i] = cart
		default:
			d.Type[i] = purchase
		}
		d.Category[i] = uint8(below(r>>8, len(categories)))
		d.SKU[i] = uint16(below(r>>20, skus))
		d.Cents[i] = uint16(below(r>>40, 10_000))
	}
}

// pick returns how a random number becomes a customer.
func (d *Data) pick() func(uint64) int {
	if d.Variant != Zipf {
		return func(r uint64) int { return below(r, d.Profiles) }
	}
	sums := make([]float64, d.Profiles)
	total := 0.0
	for rank := range sums {
		total += math.Pow(float64(rank+1), -1.1)
		sums[rank] = total
	}
	scatter := 2_654_435_761 // a prime beyond any number of profiles: rank to customer is a bijection
	return func(r uint64) int {
		u := float64(r>>11) / (1 << 53) * total
		rank := min(sort.SearchFloat64s(sums, u), d.Profiles-1)
		return (rank*scatter + 1) % d.Profiles
	}
}

// UserID is the id of customer i, AnonymousID that of one of its visitors, Email its address.
func UserID(i int) string         { return "c" + strconv.Itoa(10_000_000+i) }
func AnonymousID(i, k int) string { return "v" + strconv.Itoa(k) + strconv.Itoa(10_000_000+i) }
func Email(i int) string          { return "c" + strconv.Itoa(10_000_000+i) + "@example.com" }

// Index is the customer whose UserID this is.
func Index(userID string) (int, error) {
	n, err := strconv.Atoi(userID[min(1, len(userID)):])
	if err != nil || n < 10_000_000 {
		return 0, fmt.Errorf("%q is not the id of a customer of this data set", userID)
	}
	return n - 10_000_000, nil
}

// EventID is the id of event i: 16 bytes, without order, no two alike.
func EventID(i int) string {
	const digits = "0123456789abcdef"
	var b [16]byte
	r := draw(streamID, i)
	for k := range b {
		b[k] = digits[r>>60]
		r <<= 4
	}
	return string(b[:])
}

func SKU(n uint16) string { return "s" + strconv.Itoa(10_000+int(n)) }

// Visitor is which of its customer's visitors did event i (merged variant).
func (d *Data) Visitor(i int) int { return below(draw(streamVisitor, i), visitors) }

// LinkedLate says whether visitor k of a customer is linked only after all events (merged variant: 5 % are).
func (d *Data) LinkedLate(customer, k int) bool {
	return d.Variant == Merged && draw(streamLate, -1-customer*visitors-k)%100 < 5
}

// delay is how much later than it happened event i arrives, in microseconds: 1 % of a merged data set is up to 3 days late.
func (d *Data) delay(i int) int64 {
	if r := draw(streamLate, i); d.Variant == Merged && r%100 == 0 {
		return int64((r >> 8) % uint64(3*day))
	}
	return 0
}

// Arrivals yields the events' indexes in the order in which they arrive. Only the merged variant has late ones.
func (d *Data) Arrivals() iter.Seq[int] {
	return func(yield func(int) bool) {
		var waiting lateHeap
		for i := range d.Events {
			for len(waiting) > 0 && waiting[0].at <= d.Time[i] {
				if !yield(heap.Pop(&waiting).(late).event) {
					return
				}
			}
			if wait := d.delay(i); wait > 0 {
				heap.Push(&waiting, late{d.Time[i] + wait, i})
			} else if !yield(i) {
				return
			}
		}
		for len(waiting) > 0 {
			if !yield(heap.Pop(&waiting).(late).event) {
				return
			}
		}
	}
}

// late is an event on its way.
type late struct {
	at    int64 // when it arrives
	event int
}

type lateHeap []late

func (h lateHeap) Len() int           { return len(h) }
func (h lateHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h lateHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *lateHeap) Push(x any)        { *h = append(*h, x.(late)) }
func (h *lateHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
