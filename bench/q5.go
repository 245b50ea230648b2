package main

// q5: who bought for at least 150 in all. Amounts are cents, so "at least 150" is written "at least 149.995", which no sum
// can meet: doubles added in another order may differ in their last bit, and nobody here is to be wrong by that.

var q5 = segment("q5", "sum of purchases >= 150",
	`events.purchase.sum(e, e.amount) >= 149.995`,
	`SELECT customer FROM events WHERE name = 'purchase' GROUP BY customer HAVING sum(amount) >= 149.995`, loopQ5)

func loopQ5(l *Loops, m Members) {
	clear(m)
	p := &l.bought
	for c := range l.Customers {
		sum := 0
		for _, cents := range p.cents[p.from[c]:p.from[c+1]] {
			sum += int(cents)
		}
		m[c>>6] |= uint64(b2i(sum >= 150_00)) << (c & 63)
	}
}
