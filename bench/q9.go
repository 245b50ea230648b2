package main

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

func loopQ9(l *Loops, m Members) {
	clear(m)
	p := &l.bought
	cut := now.UnixMicro() - q9Window
	var counts [32]uint32
	for c := range l.Customers {
		from, to := p.from[c], p.from[c+1]
		if from == to || p.time[to-1] >= cut {
			continue
		}
		own := p.category[from:to]
		most, best := uint32(0), uint8(0)
		for _, category := range own {
			k := &counts[category&31]
			*k++
			if *k >= most { // as often as the best so far, and later
				most, best = *k, category
			}
		}
		for _, category := range own {
			counts[category&31] = 0
		}
		m[c>>6] |= uint64(b2i(best == q9Category)) << (c & 63)
	}
}
