package engine

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"

	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/store"
)

// This file lets one of the engines on a store write checkpoints, and trim the log and empty chunks behind them. Any may
// append and fold; but two that each kept their own account of which checkpoints there are would delete what the other needs.
//
// Who opened last owns it: an engine takes it when its first checkpoint is due. Everything that it writes then is guarded by the
// key that says so (change.guard). Who finds that it was taken away stops, and takes it again only when its new owner has closed.
// An owner that was killed leaves the key behind; so whoever opens next takes it, whoever had it.

// owns says whether this engine writes checkpoints. Where it does not, and wants to, it tries to.
func (c *checkpointer) owns(e *Engine, wants bool) bool {
	if c.owner != nil && c.owner.broken {
		*c = checkpointer{since: c.since, sealed: c.sealed, looked: c.looked, emptied: c.emptied, trimmed: c.trimmed, overtaken: true}
	}
	if c.owner == nil && wants {
		c.claim(e)
	}
	return c.owner != nil
}

// claim makes this engine the owner. What it knows of checkpoints may be old by then and is read again. A store that does not
// let it leaves things as they are: the batch that follows says what is wrong with the store.
func (c *checkpointer) claim(e *Engine) {
	key, id := e.keys.Owner(), record.Seal(binary.LittleEndian.AppendUint64(nil, e.id), 0)
	claimed := false
	var now checkpointer
	err := e.store.Update(e.idle, func(w store.Writer) error {
		claimed = false
		_, err := w.Get(key)
		if err == nil && c.overtaken {
			return nil
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if end, err := e.end(w); err != nil || end != e.state.Position {
			return err // this engine's state is behind what others did
		}
		now = checkpointer{}
		manifests, first, _, err := now.manifestsIn(w, e)
		if err != nil {
			return err
		}
		now.know(manifests, first)
		claimed = true
		return w.Put(key, id)
	})
	if err == nil && claimed {
		c.kept, c.litter, c.trimmed, c.emptied = now.kept, now.litter, now.trimmed, now.emptied
		c.owner, c.overtaken = &guard{key: key, want: id}, false
	}
}

// release lets another engine own it.
func (c *checkpointer) release(e *Engine) {
	if c.owner != nil && !c.owner.broken {
		// Where this fails the key stays, as after a kill.
		_ = e.store.Update(e.idle, func(w store.Writer) error {
			return put(w, []change{{key: c.owner.key, guard: c.owner}})
		})
	}
}

// guarded holds changes back once another engine owns the checkpoints.
func (c *checkpointer) guarded(side []change) []change {
	for i := range side {
		side[i].guard = c.owner
	}
	return side
}

// newID names an engine among those on a store.
func newID() uint64 { return rand.Uint64() | 1 }
