package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/store"
)

// This file keeps chunks of tables in the store. One whose texts and lists make it longer than a store's values may be is kept in
// parts: under its own key is how many they are, which is written first, so that whoever finds it can delete them all.

// maxPart is how many bytes of a chunk are one value. A variable only for tests.
var maxPart = store.MaxValue / 2

// inParts is the first byte of what is under the key of a chunk in parts; a chunk begins with its version. Their number follows.
const inParts = 0x80

// chunk returns what writes chunk k of a table; sequence is that of the checkpoint of a partial one, 0 for one that is full.
func (e *Engine) chunk(t *column.Table, k int, sequence uint64) []change {
	key, b := e.keys.Block(t.Name(), uint32(k), sequence), t.EncodeChunk(nil, k)
	if len(b) <= maxPart {
		return []change{{key: key, value: b}}
	}
	out := []change{{key: key}}
	for part := range slices.Chunk(b, maxPart) {
		out = append(out, change{key: e.part(t.Name(), k, sequence, len(out)-1), value: part})
	}
	out[0].value = binary.LittleEndian.AppendUint32([]byte{inParts}, uint32(len(out)-1))
	return out
}

func (e *Engine) part(table string, k int, sequence uint64, i int) []byte {
	return e.keys.Block(fmt.Sprintf("$part%d/%s", i, table), uint32(k), sequence)
}

func numberOfParts(b []byte) int {
	if len(b) == 5 && b[0] == inParts {
		return int(binary.LittleEndian.Uint32(b[1:]))
	}
	return 0
}

// deletePartsOf deletes the parts of a chunk that is about to be deleted or written anew. Where the store cannot be read, they stay
// and take room: the commit that follows says what is wrong with the store.
func (e *Engine) deletePartsOf(table string, k int, sequence uint64) (side []change) {
	n := 0
	_ = e.store.View(e.idle, func(r store.Reader) error {
		b, err := r.Get(e.keys.Block(table, uint32(k), sequence))
		n = numberOfParts(b)
		return err
	})
	for i := range n {
		side = append(side, change{key: e.part(table, k, sequence, i)})
	}
	return side
}

// readChunk calls read with a chunk; sequence is that of the checkpoint of a partial one, 0 for one that is full.
func (e *Engine) readChunk(ctx context.Context, table string, k int, sequence uint64, read func([]byte) error) error {
	return e.store.View(ctx, func(r store.Reader) error {
		b, err := get(r, e.keys.Block(table, uint32(k), sequence))
		if err != nil {
			return err
		}
		if n := numberOfParts(b); n > 0 {
			b = nil
			for i := range n {
				part, err := get(r, e.part(table, k, sequence, i))
				if err != nil {
					return fmt.Errorf("part %d of %d: %w", i+1, n, err)
				}
				b = append(b, part...)
			}
		}
		return read(b)
	})
}

func get(r store.Reader, key []byte) ([]byte, error) {
	b, err := r.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("%w: it is not there", column.ErrDamaged)
	}
	return b, err
}
