package main

import "testing"

func TestTicks(t *testing.T) {
	// user 100, nice 2, system 30, idle 5000, iowait 70, irq 4, softirq 5, steal 6, guest 7, guest_nice 8
	if got := busyTicks("cpu  100 2 30 5000 70 4 5 6 7 8\ncpu0 1 1 1 1 1 1 1 1 1 1\n"); got != 147 {
		t.Errorf("busy ticks are %d, want 147", got)
	}
	if got := selfTicks("42 (a (b) c) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9\n"); got != 300 {
		t.Errorf("own ticks are %d, want 300", got)
	}
	if got := selfTicks("42 (x)"); got != 0 {
		t.Errorf("own ticks of a short line are %d, want 0", got)
	}
}
