package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// This file is the world outside: a shop, its products, and people who visit it. It knows nothing of the platform.

type product struct {
	id, name, category, brand string
	price                     int // VND
}

type person struct {
	id, name, email, phone, city string
	born                         int // year
	favourite                    string
	devices                      []string  // the anonymous ids their browsers got
	visits, buys                 float64   // chance of a visit a day; chance that a cart is bought
	joined                       time.Time // when they signed up; zero when they never did
}

// What people do.
const (
	view     = "view"
	cart     = "add_to_cart"
	purchase = "purchase"
	signUp   = "sign_up"
)

type act struct {
	id       string
	at       time.Time
	what     string
	who      *person
	device   string
	known    bool // logged in: the shop knows who it is
	product  *product
	quantity int
	coupon   string
}

// amount is what was paid; a coupon takes off a tenth.
func (a *act) amount() int {
	total := a.quantity * a.product.price
	if a.coupon != "" {
		total -= total / 10
	}
	return total
}

type shop struct {
	products []*product
	people   []*person
	acts     []*act // all days, in order of time
}

const (
	totalDays   = 120 // 1 February to 31 May 2026
	historyDays = 90  // what the old system knows; the rest happens live
)

// openingDay is midnight in the shop's time zone.
func openingDay(zone *time.Location) time.Time { return time.Date(2026, 2, 1, 0, 0, 0, 0, zone) }

// simulate makes up a shop: the same seed and size give the same one.
func simulate(seed uint64, people int, zone *time.Location) *shop {
	s := &shop{products: makeProducts(seed)}
	for i := range people {
		r := seeded(seed, uint64(i))
		p := makePerson(r, i)
		s.people = append(s.people, p)
		s.visitsOf(r, p, openingDay(zone))
	}
	slices.SortStableFunc(s.acts, func(a, b *act) int { return a.at.Compare(b.at) })
	for i, a := range s.acts {
		a.id = fmt.Sprintf("%s-%06d", a.what, i)
	}
	return s
}

// split cuts the acts in two at an instant.
func (s *shop) split(at time.Time) (before, after []*act) {
	i, _ := slices.BinarySearchFunc(s.acts, at, func(a *act, at time.Time) int {
		return cmp.Or(a.at.Compare(at), 1) // the first that is not before
	})
	return s.acts[:i], s.acts[i:]
}

var categories = []string{"shoes", "dresses", "shirts", "bags", "watches", "home"}

func makeProducts(seed uint64) []*product {
	r := seeded(seed, 1<<40)
	brands := []string{"Lotus", "Sao Mai", "Red River", "Delta", "Hoan"}
	var out []*product
	for c, category := range categories {
		for n := range 12 {
			brand := pick(r, brands)
			out = append(out, &product{
				id: fmt.Sprintf("%s%02d", category[:3], n+1), category: category, brand: brand,
				name:  fmt.Sprintf("%s %s %d", brand, strings.TrimSuffix(category, "s"), n+1),
				price: 1000 * (90 + 40*c + r.below(900)),
			})
		}
	}
	return out
}

func makePerson(r *random, i int) *person {
	family := []string{"Nguyen", "Tran", "Le", "Pham", "Hoang", "Phan", "Vu", "Dang", "Bui", "Do"}
	given := []string{"An", "Binh", "Chi", "Dung", "Giang", "Ha", "Khanh", "Lan", "Minh", "Nga", "Phuc", "Quynh", "Son", "Trang", "Yen"}
	cities := []string{"Ho Chi Minh City", "Ho Chi Minh City", "Ho Chi Minh City", "Ha Noi", "Ha Noi", "Da Nang", "Can Tho", "Hue"}
	p := &person{id: fmt.Sprintf("u%05d", i), city: pick(r, cities), born: 1966 + r.below(42), favourite: pick(r, categories)}
	if r.chance(0.2) {
		p.favourite = "shoes" // the shop is known for them
	}
	p.name = pick(r, given) + " " + pick(r, family)
	p.email = fmt.Sprintf("%s.%s@mail.example", strings.ToLower(strings.ReplaceAll(p.name, " ", ".")), p.id)
	p.phone = fmt.Sprintf("+8490%07d", i)
	if r.chance(0.02) {
		p.email = strings.Replace(p.email, "mail.example", "mial.example", 1) // a typing error, which will bounce
	}
	for n := range 1 + r.below(3) {
		p.devices = append(p.devices, fmt.Sprintf("anon-%05d-%d", i, n+1))
	}
	p.visits, p.buys = 0.03+0.08*float64(r.below(100))/100, 0.35
	if r.chance(0.12) {
		p.visits, p.buys = 0.5, 0.65 // a regular
	}
	return p
}

// visitsOf adds all that a person does. Each visit is over by midnight, and visits do not overlap.
func (s *shop) visitsOf(r *random, p *person, first time.Time) {
	var left *act // in the cart and not bought
	for day := range totalDays {
		start := first.AddDate(0, 0, day).Add(time.Duration(7*60+r.below(12*60)) * time.Minute)
		comesBack := left != nil && r.chance(0.2)
		if !comesBack && !r.chance(p.visits*season(start)) {
			continue
		}
		if left = s.visit(r, p, start, left); left == nil {
			continue
		}
		switch {
		case r.chance(0.15):
			left = s.visit(r, p, start.Add(3*time.Hour), left) // the same evening
		case r.chance(0.5):
			left = nil // forgotten
		}
	}
}

// season makes the shop grow from 70 to 110 percent, with a third more on weekends and a quiet week at Tet.
func season(at time.Time) float64 {
	f := 0.7 + 0.4*at.Sub(openingDay(at.Location())).Hours()/(24*totalDays)
	if d := at.Weekday(); d == time.Saturday || d == time.Sunday {
		f *= 1.33
	}
	if at.Month() == time.February && at.Day() >= 16 && at.Day() <= 20 {
		f *= 0.5
	}
	return f
}

// visit adds one visit of under an hour; it returns what stays in the cart. Somebody with a cart buys it first.
func (s *shop) visit(r *random, p *person, at time.Time, left *act) *act {
	device := p.devices[0]
	if r.chance(0.25) {
		device = pick(r, p.devices)
	}
	step := func(what string, item *product) *act {
		at = at.Add(time.Duration(20+r.below(300)) * time.Second)
		a := &act{at: at, what: what, who: p, device: device, known: !p.joined.IsZero() && what != view, product: item, quantity: 1}
		s.acts = append(s.acts, a)
		return a
	}
	join := func() {
		if p.joined.IsZero() {
			p.joined = step(signUp, nil).at
		}
	}
	buy := func(c *act) {
		join()
		b := step(purchase, c.product)
		b.quantity = c.quantity
		if r.chance(0.15) {
			b.coupon = pick(r, []string{"TET26", "WELCOME", "SUMMER"})
		}
	}
	if left != nil {
		buy(left)
		return nil
	}
	var item *product
	for range 1 + r.below(4) {
		if item = pick(r, s.products); r.chance(0.6) {
			item = s.inCategory(r, p.favourite)
		}
		step(view, item)
	}
	if r.chance(0.02) {
		join()
	}
	if !r.chance(p.buys) {
		return nil
	}
	c := step(cart, item)
	c.quantity = 1 + r.below(5)/3
	if r.chance(p.buys) {
		buy(c)
		return nil
	}
	return c
}

func (s *shop) inCategory(r *random, category string) *product {
	for {
		if item := pick(r, s.products); item.category == category {
			return item
		}
	}
}
