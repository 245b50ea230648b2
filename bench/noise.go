package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// noise measures how much of the machine other processes use meanwhile: figures taken beside a compiler are worth little.
// It reads Linux's /proc and knows nothing on other systems.
type noise struct {
	at        time.Time
	all, self int64 // processor time in ticks of 10 ms
	ok        bool
}

func listen() noise {
	n := noise{at: time.Now()}
	all, err1 := os.ReadFile("/proc/stat")
	self, err2 := os.ReadFile("/proc/self/stat")
	if err1 != nil || err2 != nil {
		return n
	}
	n.all, n.self, n.ok = busyTicks(string(all)), selfTicks(string(self)), true
	return n
}

// busyTicks adds up the first line of /proc/stat without idle time, waiting for disks, and guests (which user time holds).
func busyTicks(stat string) (sum int64) {
	line, _, _ := strings.Cut(stat, "\n")
	for i, f := range strings.Fields(line) {
		if i >= 1 && i <= 8 && i != 4 && i != 5 {
			n, _ := strconv.ParseInt(f, 10, 64)
			sum += n
		}
	}
	return sum
}

// selfTicks adds up user and system time of /proc/self/stat, the 14th and 15th field; the second one, the command in
// parentheses, may hold spaces.
func selfTicks(stat string) (sum int64) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	for _, f := range fields[11:13] {
		n, _ := strconv.ParseInt(f, 10, 64)
		sum += n
	}
	return sum
}

// others is how many processors other processes kept busy since n, on average.
func (n noise) others() float64 {
	end := listen()
	if !n.ok || !end.ok {
		return 0
	}
	ticks := (end.all - n.all) - (end.self - n.self)
	return max(0, float64(ticks)/100/end.at.Sub(n.at).Seconds())
}
