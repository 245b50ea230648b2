package main

// q1: q0, and at least one purchase in one category within the last 30 days.

const q1Category = 0

var q1 = segment("q1", "q0 and a purchase in one category in 30 days",
	q0Where+` && events.purchase.filter(e, e.category == "shoes").within("30d").size() >= 1`,
	`SELECT id FROM customers WHERE `+q0SQL+` AND id IN (
		SELECT customer FROM events
		WHERE time > `+sqlNow+` - INTERVAL 30 DAY AND time <= `+sqlNow+` AND name = 'purchase' AND category = 'shoes')`,
	loopQ1)

func loopQ1(l *Loops, m Members) {
	loopQ0(l, m)
	bought := NewMembers(l.Customers)
	p := &l.purchases
	first := searchTime(p.time, now.UnixMicro()-30*day)
	end := searchTime(p.time, now.UnixMicro())
	customers := p.customer[first:end]
	for i, category := range p.category[first:end] {
		if category == q1Category {
			c := customers[i]
			bought[c>>6] |= 1 << (c & 63)
		}
	}
	for w := range m {
		m[w] &= bought[w]
	}
}
