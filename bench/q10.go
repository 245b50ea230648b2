package main

import (
	"context"
	"fmt"
	"time"

	"github.com/embedcdp/cdp"
)

// q10: the profile of one person with their 100 newest events, for 10,000 random people, one after the other. All are
// asked once before, to warm up. The events of 100 of them are compared with the data set.

const (
	q10People   = 10_000
	q10Newest   = 100
	q10Compared = 100
)

func q10(ctx context.Context, b *Bench, c *cdp.Client, d *Data) (*Result, error) {
	r := &Result{Bench: "q10", What: "a profile with its 100 newest events", Goal: "p99 <= 1 ms"}
	quiet := listen()
	var times []float64
	for warm := range 2 {
		stop := func() {}
		if warm == 1 {
			stop = b.profile("q10")
		}
		times = times[:0]
		for i := range q10People {
			id := UserID(below(draw(streamPeople, i), d.Profiles))
			start := time.Now()
			p, err := c.Profiles().Get(ctx, id)
			if err != nil {
				return nil, err
			}
			events, err := c.Profiles().Timeline(ctx, id, &cdp.TimelineOptions{Limit: q10Newest})
			if err != nil {
				return nil, err
			}
			times = append(times, ms(time.Since(start)))
			if warm == 0 && i < q10Compared {
				d.compareProfile(r, p, events)
			}
		}
		stop()
	}
	r.P50Ms, r.P99Ms = percentile(times, 50), percentile(times, 99)
	r.listened(quiet)
	return r, nil
}

// compareProfile compares a person, and their newest events in order, with the data set.
func (d *Data) compareProfile(r *Result, p cdp.Profile, got []cdp.TimelineEvent) {
	c, err := Index(p.UserID)
	if err != nil {
		r.equal(false, "%v", err)
		return
	}
	plan, _ := p.Attributes["plan"].(string)
	city, _ := p.Attributes["city"].(string)
	r.equal(plan == plans[d.Plan[c]] && (city == "") == (d.City[c] == noCity) && (city == "" || city == cities[d.City[c]]),
		"customer %s: attributes are %v", p.UserID, p.Attributes)
	at := 0
	for i := d.Events - 1; i >= 0 && at < q10Newest; i-- {
		if int(d.Customer[i]) != c {
			continue
		}
		same := at < len(got) && got[at].ID == EventID(i) && got[at].Name == eventNames[d.Type[i]] && got[at].Time.UnixMicro() == d.Time[i] &&
			got[at].Attributes["category"] == categories[d.Category[i]] && got[at].Attributes["sku"] == SKU(d.SKU[i]) &&
			got[at].Attributes["amount"] == float64(d.Cents[i])/100
		if at++; !same {
			r.equal(false, "customer %s: %s should be event %s", p.UserID, place(got, at), EventID(i))
			return
		}
	}
	r.equal(at == len(got), "customer %s: cdp has %d events among the newest, the data set %d", p.UserID, len(got), at)
}

// place describes the n-th newest event, from 1.
func place(events []cdp.TimelineEvent, n int) string {
	if n > len(events) {
		return fmt.Sprintf("newest event %d is missing and", n)
	}
	return fmt.Sprintf("newest event %d is %s %s and", n, events[n-1].Name, events[n-1].ID)
}
