package engine

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
)

// This file builds segments beside intake (fold/build.go): one goroutine finds the members of one version after the other that
// is on its way, and appends the record that lets it take effect. It needs not know who saved it. So what was on its way at
// a crash is built after the next Open; and where several processes share a store each builds, the first record counts
// and the others change nothing.

// builder is what the goroutine shares with the fold and with those who wait.
type builder struct {
	stopped chan struct{}
	work    chan struct{} // has room for one: a version may be on its way

	mu       sync.Mutex // guards what follows
	building bool       // after the last batch
	changed  chan struct{}
	failed   map[int64]failure // by a build's number
}

// failure is why a version is not built.
type failure struct {
	err   error
	retry bool // after the next batch
}

func (b *builder) init() {
	b.stopped, b.work, b.changed, b.failed = make(chan struct{}), make(chan struct{}, 1), make(chan struct{}), map[int64]failure{}
}

// look is called after each batch with whether versions are on their way, and wakes who is concerned.
func (b *builder) look(building bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !building && !b.building {
		return
	}
	b.building = building
	maps.DeleteFunc(b.failed, func(_ int64, f failure) bool { return f.retry })
	b.wake()
}

// wake wakes the goroutine and all who wait. The lock is held.
func (b *builder) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
	select {
	case b.work <- struct{}{}:
	default:
	}
}

func (b *builder) fail(number int64, f failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failed[number] = f
	b.wake()
}

func (b *builder) failure(number int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed[number].err
}

// next is what a version on its way will be waited for by.
func (b *builder) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// buildLoop builds until the engine stops.
func (e *Engine) buildLoop() {
	defer close(e.builder.stopped)
	for {
		select {
		case <-e.builder.work:
			for e.buildOne() {
			}
		case <-e.stop:
			return
		case <-e.stopped:
			return
		}
	}
}

// buildOne builds one version, or a round of it, and says whether there may be another.
func (e *Engine) buildOne() bool {
	b, number := e.nextBuild()
	if b == nil {
		return false
	}
	err := e.find(b)
	if e.Err() != nil {
		return false
	}
	if err != nil {
		e.opt.Log.Error("segment not built", "portal", e.opt.Portal, "segment", b.Segment, "error", err)
		e.builder.fail(number, failure{err, false})
		return true
	}
	if again, n := e.nextBuild(); again != b || n != number {
		return true // another was saved meanwhile, or another process was quicker
	}
	var enc record.Encoder
	enc.Begin(record.Head{Kind: record.KindActivate, Name: fold.DefSegment, ID: b.Segment, Time: number})
	enc.Idents(0)
	enc.Attrs(0)
	enc.End(nil)
	if _, err := e.Submit(e.idle, enc.Submission(nil)); err != nil {
		e.builder.fail(number, failure{err, true}) // such as a full disk
		return e.Err() == nil
	}
	return true
}

func (e *Engine) nextBuild() (b *fold.Build, number int64) {
	err := e.View(func(s *fold.State) {
		b = s.NextBuild(func(b *fold.Build) bool { return e.builder.failure(b.Number) != nil })
		if b != nil {
			number = b.Number
		}
	})
	if err != nil {
		return nil, 0
	}
	return b, number
}

// find finds a version's members. What the store does not give back is an error; a panic is a defect, and closes the client
// as it does in the fold.
func (e *Engine) find(b *fold.Build) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: portal %q: building segment %q: %v", ErrClosed, e.opt.Portal, b.Segment, p)
			e.fail(err)
		}
	}()
	return e.Compute(func() { b.Find(func() bool { return e.Err() != nil }) })
}

// Built waits until no version of a segment is on its way. An error says why it is not built: it is saved all the same, and
// is built when it is saved again or after the next Open.
func (e *Engine) Built(ctx context.Context, segment string) error {
	for {
		changed := e.builder.next()
		building, number := false, int64(0)
		if err := e.View(func(s *fold.State) {
			if b := s.BuildOf(segment); b != nil {
				building, number = true, b.Number
			}
		}); err != nil {
			return err
		}
		if !building {
			return nil
		}
		if err := e.builder.failure(number); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-e.stopped:
			return e.Err()
		}
	}
}

// Retry forgets why a segment could not be built, so that it is tried again.
func (e *Engine) Retry(segment string) {
	var number int64
	if e.View(func(s *fold.State) {
		if b := s.BuildOf(segment); b != nil {
			number = b.Number
		}
	}) == nil {
		e.builder.mu.Lock()
		defer e.builder.mu.Unlock()
		delete(e.builder.failed, number)
		e.builder.wake()
	}
}
