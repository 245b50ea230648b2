package main

import "time"

// q8: "at least once a month": a purchase in each of the last 3 complete calendar months.

var q8 = segment("q8", "a purchase in each of the last 3 months",
	`events.purchase.perMonth(3).all(n, n >= 1)`,
	`SELECT customer FROM events
		WHERE name = 'purchase' AND time >= date_trunc('month', `+sqlNow+`) - INTERVAL 3 MONTH AND time < date_trunc('month', `+sqlNow+`)
		GROUP BY customer HAVING bit_or(1 << month(time)::INTEGER) = 112`, // April, May, June; three semi-joined scans were as quick
	loopQ8)

// q8Starts are the first instants of the three months and of the one that has begun.
var q8Starts = [4]int64{q8Month(3), q8Month(2), q8Month(1), q8Month(0)}

func q8Month(back int) int64 {
	return time.Date(now.Year(), now.Month()-time.Month(back), 1, 0, 0, 0, 0, time.UTC).UnixMicro()
}

// loopQ8 marks the buyers of each month and keeps who is marked in all.
func loopQ8(l *Loops, m Members) {
	p := &l.purchases
	at := searchTime(p.time, q8Starts[0]-1)
	for k := range 3 {
		end := at + searchTime(p.time[at:], q8Starts[k+1]-1)
		bought := m
		if k > 0 {
			bought = l.members
		}
		clear(bought)
		for _, c := range p.customer[at:end] {
			bought[c>>6] |= 1 << (c & 63)
		}
		if k > 0 {
			for w := range m {
				m[w] &= bought[w]
			}
		}
		at = end
	}
}
