package main

import (
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i) // 100 to 1
	}
	for _, c := range []struct {
		x    []float64
		p    float64
		want float64
	}{{nil, 99, 0}, {[]float64{7}, 50, 7}, {hundred, 99, 99}, {hundred, 50, 50}, {hundred, 100, 100}, {[]float64{3, 1, 2}, 50, 2}, {[]float64{3, 1, 2}, 99, 3}} {
		if got := percentile(c.x, c.p); got != c.want {
			t.Errorf("percentile %v of %d values is %v, want %v", c.p, len(c.x), got, c.want)
		}
	}
}

func TestParseRssAnon(t *testing.T) {
	if n, ok := parseRssAnon("Name:\tx\nVmRSS:\t   99 kB\nRssAnon:\t    1234 kB\nRssFile:\t 5 kB\n"); !ok || n != 1234<<10 {
		t.Errorf("got %d, %v", n, ok)
	}
	if _, ok := parseRssAnon("Name:\tx\n"); ok {
		t.Error("found a figure where there is none")
	}
}

func TestClockStandsWhereItIsSet(t *testing.T) {
	var c testClock
	c.set(now)
	if !c.now().Equal(now) || c.now().Location() != time.UTC {
		t.Errorf("clock is at %s", c.now())
	}
	c.run()
	later := c.now()
	if later.Before(now) || later.After(now.Add(time.Minute)) {
		t.Errorf("a running clock is at %s", later)
	}
}
