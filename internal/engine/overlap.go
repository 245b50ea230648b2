package engine

import (
	"errors"
	"fmt"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/store"
)

// This file is how the disk and the fold work on a batch at the same time. A commit waits for the disk as long as the fold
// computes, and one after the other they would each leave a core idle.
//
// The fold needs nothing of the write but that it succeeds. So it starts with it, under the lock, and the lock is given
// back when both have ended: readers see a batch when it is durable and folded, as ever. When the write fails, the state has
// gone too far; it is thrown away and loaded again from the store, before anybody sees it. That is dear and rare: a full
// disk, or another process that won the race for the position. A process that lost that race once knows that it is
// not alone, and from then on writes first and folds after.

// writeAndFold makes a batch durable and folds it. An error means that the state is as it was before.
func (e *Engine) writeAndFold(b record.Batch, side []change) ([][]fold.Verdict, error) {
	if e.contended {
		if err := e.write(b.Position, e.buf, side); err != nil {
			return nil, err
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.fold(b)
	}
	durable := make(chan error, 1)
	go func() { durable <- e.write(b.Position, e.buf, side) }()
	e.mu.Lock()
	defer e.mu.Unlock()
	verdicts, err := e.fold(b)
	if failed := <-durable; failed != nil {
		if errors.Is(failed, store.ErrCommit) {
			e.failUnknown(failed)
		} else if err := e.reload(); err != nil {
			e.fail(fmt.Errorf("%w: after a write failed (%w) the state could not be loaded again: %w", ErrClosed, failed, err))
		}
		return nil, failed
	}
	return verdicts, err
}

// reload throws the state away and makes it from the store. The lock is held.
func (e *Engine) reload() error {
	e.state.Stop()
	e.state, e.checkpoint = nil, checkpointer{owner: e.checkpoint.owner, overtaken: e.checkpoint.overtaken}
	return e.load(e.idle)
}

// foldLocked folds a batch that is in the log already.
func (e *Engine) foldLocked(b record.Batch) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, err := e.fold(b)
	return err
}

// fold folds a batch; the lock is held. A panic in the fold is a defect: it closes the client and names the batch.
func (e *Engine) fold(b record.Batch) (verdicts [][]fold.Verdict, err error) {
	defer func() {
		if p := recover(); p != nil {
			if load, ok := p.(*column.LoadError); ok {
				err = &foldError{fmt.Errorf("folding batch %d: %w", b.Position, e.unreadable(load))}
				return
			}
			err = &foldError{fmt.Errorf("portal %q: folding batch %d: %v", e.opt.Portal, b.Position, p)}
			e.opt.Log.Error("fold panicked", "portal", e.opt.Portal, "batch", b.Position, "panic", p)
		}
	}()
	if verdicts, err = e.state.Apply(b); err != nil {
		if errors.Is(err, column.ErrDamaged) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil, &foldError{fmt.Errorf("portal %q: %w", e.opt.Portal, err)}
	}
	e.builder.look(e.state.Building())
	return verdicts, nil
}
