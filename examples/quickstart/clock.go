package main

import (
	"sync"
	"time"
)

// clock is a virtual clock: time passes only when the story says so. A product leaves Config.Now empty and has the real one.
type clock struct {
	mu sync.Mutex // guards at
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}
