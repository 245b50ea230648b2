package main

// q5: who bought for at least 150 in all. Amounts are cents, so "at least 150" is written "at least 149.995", which no sum
// can meet: doubles added in another order may differ in their last bit, and nobody here is to be wrong by that.

var q5 = segment("q5", "sum of purchases >= 150",
	`events.purchase.sum(e, e.amount) >= 149.995`,
	`SELECT customer FROM events WHERE name = 'purchase' GROUP BY customer HAVING sum(amount) >= 149.995`, loopQ5)

// loopQ5 adds all amounts up once, in order of customers, and takes differences: how many purchases somebody has is nothing
// a processor could predict, and a loop for each person took four times as long. Differences survive that sums wrap.
func loopQ5(l *Loops, m Members) {
	p, sums := &l.bought, l.sums
	sum := uint32(0)
	for i, cents := range p.cents {
		sums[i] = sum
		sum += uint32(cents)
	}
	sums[len(p.cents)] = sum
	clear(m)
	before := sums[p.from[0]]
	for c, to := range p.from[1:] {
		after := sums[to]
		m[c>>6] |= uint64(b2i(after-before >= 150_00)) << (c & 63)
		before = after
	}
}
