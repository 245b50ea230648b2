package main

import "math/bits"

// q9: whose last purchase is older than 60 days, and who bought most often in one category. Of categories bought equally
// often the one bought last counts.

const (
	q9Category = 0
	q9Window   = 60 * day
)

var q9 = segment("q9", "no purchase for 60 days, mostly in one category",
	`events.purchase.last().time < ago("60d") && events.purchase.mostFrequent(e, e.category) == "shoes"`,
	q9SQL, loopQ9)

// q9SQL looks only at people with an old purchase in the category. That was quickest at 4 M events (43 ms; without looking
// for them first 90; leaving out who bought lately by an anti-join 58, both 48).
var q9SQL = `SELECT customer FROM (
		SELECT customer, category, count(*) n, max(time) latest FROM events
		WHERE name = 'purchase' AND customer IN (
			SELECT customer FROM events WHERE name = 'purchase' AND category = 'shoes' AND time < ` + sqlNow + ` - INTERVAL 60 DAY)
		GROUP BY customer, category)
	GROUP BY customer HAVING max(latest) < ` + sqlNow + ` - INTERVAL 60 DAY AND arg_max(category, (n, latest)) = 'shoes'`

// loopQ9 first marks who bought in the category before that time, and unmarks who bought since; the few that are left are
// looked at one by one.
func loopQ9(l *Loops, m Members) {
	clear(m)
	p := &l.purchases
	cut, end := searchTime(p.time, now.UnixMicro()-q9Window-1), searchTime(p.time, now.UnixMicro())
	for i, category := range p.category[:cut] {
		if category == q9Category {
			c := p.customer[i]
			m[c>>6] |= 1 << (c & 63)
		}
	}
	for _, c := range p.customer[cut:end] {
		m[c>>6] &^= 1 << (c & 63)
	}
	for w, left := range m {
		for ; left != 0; left &= left - 1 {
			k := bits.TrailingZeros64(left)
			c := w<<6 | k
			if mostFrequent(l.bought.category[l.bought.from[c]:l.bought.from[c+1]]) != q9Category {
				m[w] &^= 1 << k
			}
		}
	}
}

// mostFrequent is the category that comes most often, of those that come equally often the one that comes last.
func mostFrequent(purchases []uint8) (best uint8) {
	var counts [32]uint32
	most := uint32(0)
	for _, category := range purchases {
		counts[category&31]++
		if k := counts[category&31]; k >= most { // as often as the best so far, and later
			most, best = k, category
		}
	}
	return best
}
