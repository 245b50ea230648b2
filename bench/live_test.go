package main

import (
	"slices"
	"testing"
	"time"
)

// handMade is one customer's events, a day apart, the last of them on the day before now.
func handMade(types []uint8, category []uint8) *Data {
	d := &Data{Profiles: 1, Events: len(types), Type: types, Category: category, Customer: make([]uint32, len(types)), City: []uint8{3}}
	for i := range types {
		d.Time = append(d.Time, now.UnixMicro()-int64(len(types)-i)*day)
	}
	return d
}

func TestLiveSegmentsByHand(t *testing.T) {
	d := handMade([]uint8{purchase, view, purchase, purchase}, []uint8{1, 0, 0, 1}) // 4, 3, 2 and 1 days ago
	at := func(i int) int64 { return d.Time[i] }
	for _, c := range []struct {
		name string
		s    liveSegment
		size int64
		left string // when they leave, if ever
	}{
		{"two ever", liveSegment{what: purchase, category: -1, atLeast: 2, city: -1}, 1, ""},
		{"four ever", liveSegment{what: purchase, category: -1, atLeast: 4, city: -1}, 0, ""},
		{"two in 3 days", liveSegment{what: purchase, category: -1, window: 3, atLeast: 2, city: -1}, 1, "2026-07-02"},
		{"one in 3 days", liveSegment{what: purchase, category: -1, window: 3, atLeast: 1, city: -1}, 1, "2026-07-03"},
		{"three in 4 days: the first is just too old", liveSegment{what: purchase, category: -1, window: 4, atLeast: 3, city: -1}, 0, ""},
		{"of a category", liveSegment{what: purchase, category: 0, window: 7, atLeast: 1, city: -1}, 1, "2026-07-06"},
		{"two of a category", liveSegment{what: purchase, category: 0, window: 7, atLeast: 2, city: -1}, 0, ""},
		{"in their city", liveSegment{what: view, category: -1, atLeast: 1, city: 3}, 1, ""},
		{"in another city", liveSegment{what: view, category: -1, atLeast: 1, city: 4}, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.s.size(d, d.Events, at, now.UnixMicro()); got != c.size {
				t.Errorf("size is %d, want %d", got, c.size)
			}
			if c.s.window == 0 {
				return
			}
			left := ""
			if at, leaves := c.s.exits(d, now.AddDate(0, 0, 5).UnixMicro())[0]; leaves {
				left = time.UnixMicro(at).UTC().Format(time.DateOnly)
			}
			if left != c.left {
				t.Errorf("leaves at %q, want %q", left, c.left)
			}
		})
	}
}

func TestLiveSegmentsAreWhatTheyAreSaidToBe(t *testing.T) {
	all := liveSegments()
	if len(all) != 50 || len(windowSegments()) != 30 {
		t.Errorf("%d segments, %d with windows; want 50 and 30", len(all), len(windowSegments()))
	}
	for k, want := range map[int]string{
		0:  `events.purchase.filter(e, e.category == "shoes").within("30d").size() >= 1`,
		29: `events.view.within("7d").size() >= 10`,
		30: `events.purchase.size() >= 1`,
		49: `customer.city == "Hanoi" && events.add_to_cart.filter(e, e.category == "laptops").size() >= 1`,
	} {
		if got := all[k].where(); got != want {
			t.Errorf("segment %d is %s, want %s", k, got, want)
		}
	}
}

func TestJourneyEntriesByHand(t *testing.T) {
	// Category 1 on four days in a row: each time the day before is just over. Then twice at the same instant.
	d := handMade([]uint8{purchase, purchase, view, purchase, purchase}, []uint8{1, 1, 1, 1, 1})
	d.Time[4] = d.Time[3]
	if got := entries(d, d.Events, func(i int) int64 { return d.Time[i] }); !slices.Equal(got, []int64{0, 3, 0, 0, 0}) {
		t.Errorf("entries %v, want 3 of the second journey", got)
	}
	d.Time[1]-- // a microsecond before the first one's day is over
	if got := entries(d, 2, func(i int) int64 { return d.Time[i] }); !slices.Equal(got, []int64{0, 1, 0, 0, 0}) {
		t.Errorf("entries %v, want 1 of the second journey", got)
	}
}
