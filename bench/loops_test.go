package main

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// naive are the loops as anybody would write them down first: straight from the question over the columns of the data set.

func naiveQ0(d *Data, c int) bool {
	return d.Age[c] != noAge && d.Age[c] >= 18 && d.Age[c] <= 35 && d.City[c] != noCity && cities[d.City[c]] == "Ho Chi Minh City"
}

func naiveQ1(d *Data, c int) bool {
	for i := range d.Time {
		age := now.UnixMicro() - d.Time[i]
		if int(d.Customer[i]) == c && eventNames[d.Type[i]] == "purchase" && categories[d.Category[i]] == "shoes" && age >= 0 && age < 30*day {
			return naiveQ0(d, c)
		}
	}
	return false
}

func naiveQ2(d *Data, c int) bool {
	n := 0
	for i := range d.Time {
		if int(d.Customer[i]) == c && eventNames[d.Type[i]] == "purchase" {
			n++
		}
	}
	return n >= 3 && naiveQ0(d, c)
}

// eventsOf are a customer's events of a type, in order of time.
func eventsOf(d *Data, c int, name string) (events []int) {
	for i := range d.Time {
		if int(d.Customer[i]) == c && eventNames[d.Type[i]] == name {
			events = append(events, i)
		}
	}
	return events
}

func naiveQ3(d *Data, c int) bool {
	carts, purchases := eventsOf(d, c, "add_to_cart"), eventsOf(d, c, "purchase")
	if len(carts) == 0 {
		return false
	}
	added := d.Time[carts[len(carts)-1]]
	for _, i := range purchases {
		if d.Time[i] >= added {
			return false
		}
	}
	return now.UnixMicro()-added < 3*day
}

func naiveQ5(d *Data, c int) bool {
	cents := 0
	for _, i := range eventsOf(d, c, "purchase") {
		cents += int(d.Cents[i])
	}
	return cents >= 150_00
}

func naiveQ8(d *Data, c int) bool {
	months := map[time.Month]bool{}
	for _, i := range eventsOf(d, c, "purchase") {
		months[time.UnixMicro(d.Time[i]).UTC().Month()] = true // all in 2026
	}
	return months[time.April] && months[time.May] && months[time.June]
}

func naiveQ9(d *Data, c int) bool {
	purchases := eventsOf(d, c, "purchase")
	counts := map[string]int{}
	most := 0
	for _, i := range purchases {
		counts[categories[d.Category[i]]]++
		most = max(most, counts[categories[d.Category[i]]])
	}
	for k := len(purchases) - 1; k >= 0; k-- { // of the most frequent the one bought last
		if category := categories[d.Category[purchases[k]]]; counts[category] == most {
			return category == "shoes" && d.Time[purchases[len(purchases)-1]] < now.UnixMicro()-60*day
		}
	}
	return false
}

// naiveQ6 tries every view with every cart and every purchase.
func naiveQ6(d *Data, c int) (level int) {
	times := map[string][]int64{}
	for i := range d.Time {
		if int(d.Customer[i]) == c {
			times[eventNames[d.Type[i]]] = append(times[eventNames[d.Type[i]]], d.Time[i])
		}
	}
	for _, v := range times["view"] {
		level = max(level, 1)
		for _, k := range times["add_to_cart"] {
			if k <= v || k > v+7*day {
				continue
			}
			level = max(level, 2)
			for _, p := range times["purchase"] {
				if p > k && p <= v+7*day {
					level = 3
				}
			}
		}
	}
	return level
}

// dataSets are small, dense enough that every question has members, and of sizes that are no multiples of 8 or 64.
func dataSets(t *testing.T, check func(t *testing.T, d *Data)) {
	for _, v := range []Variant{Uniform, Zipf, Merged} {
		for _, size := range []struct{ profiles, events int }{{1, 10}, {333, 9000}, {700, 6000}, {64, 2000}} {
			d := Generate(size.profiles, size.events, v)
			for c := 0; c < d.Profiles; c += 2 {
				d.City[c], d.Age[c] = 0, uint8(16+c/2%22) // 16 to 37: both sides of both bounds
			}
			t.Run(fmt.Sprintf("%s/%d", v, size.profiles), func(t *testing.T) { check(t, d) })
		}
	}
}

func TestSegmentLoops(t *testing.T) {
	found := map[string]int{}
	for _, q := range []struct {
		Question
		naive func(*Data, int) bool
	}{{q0, naiveQ0}, {q1, naiveQ1}, {q2, naiveQ2}, {q3, naiveQ3}, {q5, naiveQ5}, {q8, naiveQ8}, {q9, naiveQ9}} {
		t.Run(q.ID, func(t *testing.T) {
			dataSets(t, func(t *testing.T, d *Data) {
				m := NewMembers(d.Profiles)
				for i := range m {
					m[i] = ^uint64(0) // what a question finds there must not matter
				}
				l := NewLoops(d)
				q.Loop(l, m)
				counts := q.Loop(l, m) // nor what it leaves behind
				n := int64(0)
				for c := range d.Profiles {
					want := q.naive(d, c)
					if got := m.has(uint32(c)); got != want {
						t.Fatalf("customer %d: member %v, want %v", c, got, want)
					}
					if want {
						n++
					}
				}
				if !slices.Equal(counts, []int64{n}) {
					t.Fatalf("counts %v, want %d", counts, n)
				}
				found[q.ID] += int(n)
			})
		})
		if found[q.ID] < 5 {
			t.Errorf("%s: only %d members in all data sets: too few to compare", q.ID, found[q.ID])
		}
	}
}

func TestTrendLoop(t *testing.T) {
	dataSets(t, func(t *testing.T, d *Data) {
		type key struct {
			date     string
			category string
		}
		purchases := map[key]int64{}
		buyers := map[key]map[uint32]bool{}
		for i := range d.Time {
			if eventNames[d.Type[i]] == "purchase" {
				k := key{time.UnixMicro(d.Time[i]).UTC().Format(time.DateOnly), categories[d.Category[i]]}
				purchases[k]++
				if buyers[k] == nil {
					buyers[k] = map[uint32]bool{}
				}
				buyers[k][d.Customer[i]] = true
			}
		}
		var want []int64
		for d := range 180 {
			for _, category := range categories {
				k := key{time.Date(2026, 1, 2+d, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), category}
				want = append(want, purchases[k], int64(len(buyers[k])))
			}
		}
		l := NewLoops(d)
		loopQ4(l) // what it leaves behind must not matter
		if got := loopQ4(l); !slices.Equal(got, want) {
			t.Errorf("cells %v, want %v", got, want)
		}
	})
}

func TestRetentionLoop(t *testing.T) {
	dataSets(t, func(t *testing.T, d *Data) {
		monday := time.Date(2025, 12, 29, 0, 0, 0, 0, time.UTC)
		want := make([]int64, 27*27)
		for c := range d.Profiles {
			weeks := map[int]bool{}
			first := -1
			for i := range d.Time {
				if int(d.Customer[i]) != c {
					continue
				}
				week := int(time.UnixMicro(d.Time[i]).UTC().Sub(monday).Hours() / (7 * 24))
				if first < 0 {
					first = week
				}
				weeks[week] = true
			}
			for week := range weeks {
				want[first*27+week-first]++
			}
		}
		if got := loopQ7(NewLoops(d)); !slices.Equal(got, want) {
			t.Errorf("cells %v, want %v", got, want)
		}
	})
}

func TestCellsPutRowsInPlace(t *testing.T) {
	cells := q4Cells([]int64{21, 5, 4, 0, 2, 1}) // the second day's second category, then the first of all
	if cells[42] != 5 || cells[43] != 4 || cells[0] != 2 || cells[1] != 1 || len(cells) != 7200 {
		t.Errorf("cells of the trend are %v", cells)
	}
	row := make([]int64, 1+27)
	row[0], row[1], row[3] = 26, 9, 7
	if cells = q7Cells(row); cells[26*27] != 9 || cells[26*27+2] != 7 || len(cells) != 729 {
		t.Errorf("cells of the retention are %v", cells)
	}
}

func TestFunnelLoop(t *testing.T) {
	dataSets(t, func(t *testing.T, d *Data) {
		var want [3]int64
		for c := range d.Profiles {
			for k := range naiveQ6(d, c) {
				want[k]++
			}
		}
		if got := q6.Loop(NewLoops(d), nil); !slices.Equal(got, want[:]) {
			t.Errorf("people by step %v, want %v", got, want)
		}
	})
}

func TestFunnelLoopAtTheEdgeOfItsWindow(t *testing.T) {
	at := func(types []uint8, times ...int64) []int64 {
		d := &Data{Profiles: 1, Events: len(times), Time: times, Type: types, Customer: make([]uint32, len(times)),
			Category: make([]uint8, len(times)), Cents: make([]uint16, len(times)), Age: make([]uint8, 1), City: make([]uint8, 1)}
		return loopQ6(NewLoops(d))
	}
	steps := []uint8{view, cart, purchase}
	for _, c := range []struct {
		name  string
		types []uint8
		times []int64
		want  []int64
	}{
		{"exactly seven days", steps, []int64{1000, 2000, 1000 + 7*day}, []int64{1, 1, 1}},
		{"a microsecond later", steps, []int64{1000, 2000, 1001 + 7*day}, []int64{1, 1, 0}},
		{"cart after the window", steps, []int64{1000, 1001 + 7*day, 1002 + 7*day}, []int64{1, 0, 0}},
		{"a later view helps", []uint8{view, cart, view, cart, purchase}, []int64{1000, 2000, 5 * day, 6 * day, 9 * day}, []int64{1, 1, 1}},
		{"a later view without its cart does not", []uint8{view, cart, view, purchase}, []int64{1000, 2000, 5 * day, 9 * day}, []int64{1, 1, 0}},
		{"bought first", []uint8{purchase, view, cart}, []int64{1, 2, 3}, []int64{1, 1, 0}},
		{"no view", []uint8{cart, purchase}, []int64{1, 2}, []int64{0, 0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := at(c.types, c.times...); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestMostFrequent(t *testing.T) {
	for _, c := range []struct {
		purchases []uint8
		want      uint8
	}{{[]uint8{4}, 4}, {[]uint8{1, 1, 2}, 1}, {[]uint8{2, 1, 1, 2}, 2}, {[]uint8{2, 2, 1, 1}, 1}, {[]uint8{1, 2, 3, 0, 19}, 19}} {
		if got := mostFrequent(c.purchases); got != c.want {
			t.Errorf("of %v the most frequent is %d, want %d", c.purchases, got, c.want)
		}
	}
}
