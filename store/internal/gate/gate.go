// Package gate is the life cycle that stores share: who may start, who waits, and when a store is closed.
//
// A gate lets any number of readers and one writer run, turns newcomers away after Shut, and lets Shut wait for those
// inside. Waiting for the writer's place ends when the context ends, which a mutex cannot offer.
package gate

import (
	"context"
	"sync"

	"github.com/embedcdp/cdp/store"
)

// Gate is ready to use after New. All methods are safe for concurrent use.
type Gate struct {
	writer chan struct{} // holds one token while a writer runs

	mu struct {
		sync.Mutex
		closed bool
	}
	inside  sync.WaitGroup // grows only under mu while not closed, so Shut may wait on it
	closing chan struct{}  // closed by Shut: wakes writers that still wait for their turn
}

// New returns an open gate.
func New() *Gate {
	return &Gate{writer: make(chan struct{}, 1), closing: make(chan struct{})}
}

// Enter admits a reader. A nil error obliges the caller to call Leave.
func (g *Gate) Enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.closed {
		return store.ErrClosed
	}
	g.inside.Add(1)
	return nil
}

// Leave ends what Enter began.
func (g *Gate) Leave() { g.inside.Done() }

// EnterWriter waits for the writer's place and admits a writer. A nil error obliges the caller to call LeaveWriter.
func (g *Gate) EnterWriter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case g.writer <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-g.closing:
		return store.ErrClosed
	}
	// Both cases may have been ready and select picks at random: look again.
	if err := g.Enter(ctx); err != nil {
		<-g.writer
		return err
	}
	return nil
}

// LeaveWriter ends what EnterWriter began.
func (g *Gate) LeaveWriter() {
	<-g.writer
	g.Leave()
}

// Shut turns newcomers away and waits until everyone inside has left. It reports whether this call was the first.
func (g *Gate) Shut() (first bool) {
	g.mu.Lock()
	first = !g.mu.closed
	g.mu.closed = true
	if first {
		close(g.closing)
	}
	g.mu.Unlock()
	g.inside.Wait()
	return first
}
