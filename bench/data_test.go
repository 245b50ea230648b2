package main

import (
	"slices"
	"testing"
)

func TestSplitmix64(t *testing.T) {
	// The first outputs of the reference generator seeded with 1234567: its state before output k is seed + k·gamma.
	want := []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821}
	for k, w := range want {
		if got := splitmix64(1234567 + uint64(k)*0x9e3779b97f4a7c15); got != w {
			t.Errorf("output %d is %d, want %d", k, got, w)
		}
	}
}

func TestSameDataEachTime(t *testing.T) {
	for _, v := range []Variant{Uniform, Zipf, Merged} {
		a, b := Generate(500, 20_000, v), Generate(500, 20_000, v)
		for name, same := range map[string]bool{
			"age": slices.Equal(a.Age, b.Age), "city": slices.Equal(a.City, b.City), "plan": slices.Equal(a.Plan, b.Plan),
			"signup": slices.Equal(a.Signup, b.Signup), "time": slices.Equal(a.Time, b.Time), "customer": slices.Equal(a.Customer, b.Customer),
			"type": slices.Equal(a.Type, b.Type), "category": slices.Equal(a.Category, b.Category), "sku": slices.Equal(a.SKU, b.SKU),
			"cents": slices.Equal(a.Cents, b.Cents), "arrivals": slices.Equal(slices.Collect(a.Arrivals()), slices.Collect(b.Arrivals())),
		} {
			if !same {
				t.Errorf("%s: %s differs between two runs", v, name)
			}
		}
	}
}

// A change of the generator changes every figure ever measured with it. These
// are its sums, computed by a program in another language from the description.
func TestDataIsWhatItWas(t *testing.T) {
	d := Generate(1000, 10_000, Uniform)
	var age, customer, cents, category int
	for i := range d.Age {
		age += int(d.Age[i])
	}
	for i := range d.Time {
		customer += int(d.Customer[i])
		cents += int(d.Cents[i])
		category += int(d.Category[i])
	}
	got := []int{age, customer, cents, category, int(d.Time[0]), int(d.Time[9999])}
	want := []int{45237, 5025307, 49911136, 94712, 1767313468719669, 1782863007524747}
	if !slices.Equal(got, want) {
		t.Errorf("sums of the data set are %v, were %v", got, want)
	}
	if id := EventID(0); id != "4442e4266c0ac966" {
		t.Errorf("the id of event 0 is %s", id)
	}
}

func TestShares(t *testing.T) {
	const profiles, events = 50_000, 300_000
	d := Generate(profiles, events, Uniform)
	near := func(what string, n, of int, want float64) {
		t.Helper()
		if got := float64(n) / float64(of); got < want*0.95-0.0005 || got > want*1.05+0.0005 {
			t.Errorf("share of %s is %.4f, want about %.4f", what, got, want)
		}
	}
	count := func(b []uint8, v uint8) (n int) {
		for _, x := range b {
			if x == v {
				n++
			}
		}
		return n
	}
	near("customers without age", count(d.Age, noAge), profiles, 0.03)
	near("customers aged 16", count(d.Age, 16), profiles, 0.97/60)
	near("customers aged 75", count(d.Age, 75), profiles, 0.97/60)
	near("customers without city", count(d.City, noCity), profiles, 0.02)
	near("customers in a city", count(d.City, 3), profiles, 0.98/8)
	near("views", count(d.Type, view), events, 0.6)
	near("carts", count(d.Type, cart), events, 0.3)
	near("purchases", count(d.Type, purchase), events, 0.1)
	near("a category", count(d.Category, 19), events, 0.05)
	if slices.Max(d.Cents) != 9999 || slices.Min(d.Cents) != 0 || slices.Max(d.SKU) != skus-1 {
		t.Error("amounts should reach from 0 to 99.99 and article numbers to 4,999")
	}
	if slices.Max(d.Age) != 75 {
		t.Error("the oldest should be 75")
	}
}

func TestTimesRiseWithinTheSpan(t *testing.T) {
	d := Generate(10, 5000, Uniform)
	end := now.UnixMicro()
	for i, at := range d.Time {
		if at < end-span || at >= end || i > 0 && at <= d.Time[i-1] {
			t.Fatalf("event %d: time %d is outside the span or not after the event before", i, at)
		}
	}
}

func TestEventIDsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for i := range 100_000 {
		id := EventID(i)
		if len(id) != 16 || seen[id] {
			t.Fatalf("id %q of event %d has not 16 bytes or is there twice", id, i)
		}
		seen[id] = true
	}
}

func TestZipfBusiestPerson(t *testing.T) {
	// The shares of 1,000 ranks at s = 1.1 add up to 5.5728 (sum of r^-1.1): the first has 17.9 %, the second 8.4 %.
	d := Generate(1000, 200_000, Zipf)
	counts := make([]int, 1000)
	for _, c := range d.Customer {
		counts[c]++
	}
	slices.Sort(counts)
	for _, c := range []struct{ n, low, high int }{{counts[999], 35_000, 37_000}, {counts[998], 16_100, 17_500}} {
		if c.n < c.low || c.n > c.high {
			t.Errorf("a busy person has %d events, want %d to %d", c.n, c.low, c.high)
		}
	}
}

func TestArrivalsOfTheMergedVariant(t *testing.T) {
	d := Generate(100, 50_000, Merged)
	order := slices.Collect(d.Arrivals())
	seen := make([]bool, d.Events)
	late, latest, before := 0, int64(0), int64(0)
	for _, i := range order {
		if seen[i] {
			t.Fatalf("event %d arrives twice", i)
		}
		seen[i] = true
		arrives := d.Time[i] + d.delay(i)
		if arrives < before {
			t.Fatalf("event %d arrives before one that came earlier", i)
		}
		before = arrives
		if d.Time[i] < latest {
			late++
		}
		latest = max(latest, d.Time[i])
	}
	if len(order) != d.Events || late < 400 || late > 600 {
		t.Errorf("%d events arrive and %d are late; want %d and about 500", len(order), late, d.Events)
	}
	if linked := len(slices.Collect(d.links(true))); linked < 5 || linked > 30 {
		t.Errorf("%d of 300 visitors are linked late, want about 15", linked)
	}
	if total := len(slices.Collect(d.links(true))) + len(slices.Collect(d.links(false))); total != 300 {
		t.Errorf("there are %d links, want 300", total)
	}
}
