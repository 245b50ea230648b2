package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/embedcdp/cdp/internal/keyspace"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/store"
)

// errLostRace means that another process appended at the position first.
var errLostRace = errors.New("another process appended first")

// write appends a batch at a position, if the log ends just before it, with what else goes into the same transaction.
// This is compare-and-append, the only coordination that several processes need.
func (e *Engine) write(position uint64, batch []byte, side []change) error {
	return e.store.Update(e.idle, func(w store.Writer) error {
		end, err := e.end(w)
		if err != nil {
			return err
		}
		if end != position-1 {
			return errLostRace
		}
		if err := w.Put(e.keys.Log(position), batch); err != nil {
			return err
		}
		if err := w.Put(e.keys.Head(), sealed64(position)); err != nil {
			return err
		}
		return put(w, side)
	})
}

// formatVersion of everything in a store. A newer one is refused.
const formatVersion = 1

// checkFormat refuses a store written by a newer program, and marks a new one.
func (e *Engine) checkFormat(ctx context.Context) error {
	version := uint64(0)
	err := e.store.View(ctx, func(r store.Reader) error {
		b, err := r.Get(keyspace.Format())
		if err != nil {
			return err
		}
		if version, err = unseal64(b); err != nil {
			return fmt.Errorf("%w: the store's format version: %w; restore a backup", ErrDamaged, err)
		}
		return nil
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return e.store.Update(ctx, func(w store.Writer) error { return w.Put(keyspace.Format(), sealed64(formatVersion)) })
	case err != nil:
		return err
	case version > formatVersion:
		return fmt.Errorf("the store has format %d, and this program knows formats up to %d: use a newer version of it", version, formatVersion)
	}
	return nil
}

// change is one write beside the log: a nil value deletes. It is left out when its guard does not hold; nil always does. One that
// only fills a gap is left out when there is something under the key.
type change struct {
	key, value []byte
	guard      *guard
	gap        bool
}

func put(w store.Writer, side []change) error {
	var asked *guard // and whether it holds
	holds := true
	for _, c := range side {
		var err error
		if c.guard != asked {
			if asked, holds = c.guard, true; asked != nil {
				if holds, err = asked.holds(w); err != nil {
					return err
				}
			}
		}
		if !holds {
			continue
		}
		if c.gap {
			if _, err := w.Get(c.key); err == nil {
				continue
			} else if !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		if c.value == nil {
			err = w.Delete(c.key)
		} else {
			err = w.Put(c.key, c.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// end reads the position of the log's last batch, 0 when it is empty.
func (e *Engine) end(r store.Reader) (uint64, error) {
	b, err := r.Get(e.keys.Head())
	if errors.Is(err, store.ErrNotFound) {
		b, err = r.Get(e.keys.OldHead())
	}
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := unseal64(b)
	if err != nil {
		return 0, fmt.Errorf("%w: the end of the log of portal %q: %w; restore a backup", ErrDamaged, e.opt.Portal, err)
	}
	return n, nil
}

func sealed64(n uint64) []byte { return record.Seal(binary.LittleEndian.AppendUint64(nil, n), 0) }

func unseal64(b []byte) (uint64, error) {
	b, err := record.Unseal(b)
	if err != nil {
		return 0, err
	}
	if len(b) != 8 {
		return 0, record.ErrFormat
	}
	return binary.LittleEndian.Uint64(b), nil
}

// errTrimmed means that the log no longer has the next batch.
var errTrimmed = errors.New("the log does not have the next batch")

// catchUp gives every batch in the log after the state's position to apply, which folds it.
func (e *Engine) catchUp(ctx context.Context, apply func(record.Batch) error) error {
	for {
		var batches [][]byte
		first := e.state.Position + 1
		end, size := uint64(0), 0
		err := e.store.View(ctx, func(r store.Reader) (err error) {
			batches, size = batches[:0], 0
			if end, err = e.end(r); err != nil {
				return err
			}
			for p := first; p <= end && size < 16<<20; p++ {
				b, err := r.Get(e.keys.Log(p))
				if p == first && errors.Is(err, store.ErrNotFound) {
					return errTrimmed
				}
				if err != nil {
					return fmt.Errorf("%w: batch %d of portal %q's log (which ends at %d): %w; restore a backup", ErrDamaged, p, e.opt.Portal, end, err)
				}
				batches = append(batches, append([]byte(nil), b...))
				size += len(b)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for i, raw := range batches {
			b, err := record.DecodeBatch(raw)
			if err == nil && b.Position != first+uint64(i) {
				err = fmt.Errorf("it says it is batch %d", b.Position)
			}
			if err != nil {
				return fmt.Errorf("%w: batch %d of portal %q's log: %w; restore a backup", ErrDamaged, first+uint64(i), e.opt.Portal, err)
			}
			if err := apply(b); err != nil {
				return err
			}
			e.checkpoint.since += int64(len(raw))
		}
		if e.state.Position >= end {
			if e.state.Position > end {
				return fmt.Errorf("%w: portal %q's log ends at batch %d, but batch %d was folded before: the store lost its newest commits; restore a backup", ErrDamaged, e.opt.Portal, end, e.state.Position)
			}
			return nil
		}
	}
}
