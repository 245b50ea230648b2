package main

import (
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// This file has the instruments of the rows about time and memory: a clock to move, percentiles, resident memory.
// Processor time is in usage_unix.go.

// testClock is a client's clock: it stands where it is set, or runs from there. It is safe for concurrent use.
type testClock struct {
	at      atomic.Int64 // microseconds
	running atomic.Int64 // nanoseconds of the wall clock at which it began to run; 0 when it stands
}

func (c *testClock) set(t time.Time) { c.at.Store(t.UnixMicro()); c.running.Store(0) }
func (c *testClock) run()            { c.running.Store(time.Now().UnixNano()) }

func (c *testClock) now() time.Time {
	t := time.UnixMicro(c.at.Load())
	if from := c.running.Load(); from != 0 {
		t = t.Add(time.Duration(time.Now().UnixNano() - from))
	}
	return t.UTC()
}

// percentile is the smallest value that p percent of all are not above (nearest rank).
func percentile(x []float64, p float64) float64 {
	if len(x) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(x))
	return s[max(0, int(math.Ceil(p/100*float64(len(s))))-1)]
}

// residentAnonymous is this process's anonymous resident memory in bytes; ok is false where Linux's /proc is not there.
func residentAnonymous() (bytes int64, ok bool) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	return parseRssAnon(string(b))
}

func parseRssAnon(status string) (bytes int64, ok bool) {
	_, rest, ok := strings.Cut(status, "\nRssAnon:")
	if !ok {
		return 0, false
	}
	fields := strings.Fields(rest)
	if len(fields) < 2 || fields[1] != "kB" {
		return 0, false
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	return n << 10, err == nil
}
