package main

import "math/bits"

// q2: q0, and at least three purchases ever.

var q2 = segment("q2", "q0 and at least 3 purchases ever",
	q0Where+` && events.purchase.size() >= 3`,
	`SELECT customer FROM events
		WHERE name = 'purchase' AND customer IN (SELECT id FROM customers WHERE `+q0SQL+`)
		GROUP BY customer HAVING count(*) >= 3`,
	loopQ2)

func loopQ2(l *Loops, m Members) {
	loopQ0(l, m)
	counts := l.counts
	clear(counts)
	end := searchTime(l.purchases.time, now.UnixMicro())
	for _, c := range l.purchases.customer[:end] {
		if m.has(c) {
			counts[c] = min(counts[c]+1, 3)
		}
	}
	for w, left := range m {
		for ; left != 0; left &= left - 1 {
			if k := bits.TrailingZeros64(left); counts[w<<6|k] < 3 {
				m[w] &^= 1 << k
			}
		}
	}
}
