package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/store"
)

// This file makes one checkpoint while batches go on. The state is frozen as of a batch; a goroutine encodes what is in no
// full chunk; what it made rides along with later commits in slices.
//
// Until the manifest is there the pieces are of no use, and if the process ends before, they are litter. So the first
// slice comes with a marker, under the key of checkpoint 0, that names them. Who finds a marker at Open deletes what it
// names.

// manifest is what is stored under a checkpoint's key, as JSON with a checksum.
type manifest struct {
	Sequence uint64         `json:"sequence"`
	State    *fold.Manifest `json:"state,omitempty"`
	// Parts says that this is only where the manifest is: in so many blocks of the table named parts.
	Parts int `json:"parts,omitempty"`
	// Tables are in a marker only: the rows of each table.
	Tables map[string]int `json:"tables,omitempty"`
	// Emptied is how many chunks of each table had no cells in the store any more, at least.
	Emptied map[string]int `json:"emptied,omitempty"`
}

const parts = "$manifest"

// Variables only for tests.
var (
	aside     = 10_000  // from so many entries on, encoding is done aside
	partBytes = 1 << 20 // of a manifest that is longer; and of a slice, where the batch it goes with is not larger
)

// kept is what is known of a checkpoint that is in the store.
type kept struct {
	sequence uint64
	position uint64
	tables   map[string]int // rows of each
	parts    int            // of the manifest
	dropped  map[string]int // rows that retention had taken, by table
}

// made is a checkpoint, encoded: what goes before the manifest's own key, and that.
type made struct {
	kept
	pieces   []change
	manifest change
}

// capturing is a checkpoint under way.
type capturing struct {
	encoded chan made // gets one
	since   int64     // log bytes that the checkpoint covers
	made
	marked bool // a marker in the store names what it leaves
}

// guard holds changes back once a key has another value than it should.
type guard struct {
	key, want []byte
	broken    bool
}

func (g *guard) holds(r store.Reader) (bool, error) {
	b, err := r.Get(g.key)
	if errors.Is(err, store.ErrNotFound) {
		b, err = nil, nil
	}
	g.broken = !bytes.Equal(b, g.want)
	return !g.broken, err
}

// begin starts a checkpoint as of now. One that is encoded quickly is returned whole.
func (c *checkpointer) begin(e *Engine) []change {
	captured := e.state.Capture()
	if captured.Entries() < aside {
		return c.whole(e, captured)
	}
	c.under = &capturing{encoded: make(chan made, 1), since: c.since}
	to, sequence, emptied := c.under.encoded, c.sequence(), maps.Clone(c.emptied)
	e.background.Go(func() { to <- e.encode(captured, sequence, emptied) })
	return nil
}

// sequence is the number of the next checkpoint.
func (c *checkpointer) sequence() uint64 {
	if n := len(c.kept); n > 0 {
		return c.kept[n-1].sequence + 1
	}
	return 1
}

// whole is a checkpoint in one piece.
func (c *checkpointer) whole(e *Engine, captured *fold.Capture) (side []change) {
	m := e.encode(captured, c.sequence(), maps.Clone(c.emptied))
	side = append(m.pieces, m.manifest, change{key: e.keys.Checkpoint(0)})
	return append(side, c.count(e, m.kept, c.since)...)
}

// count makes a checkpoint one of the two that are kept, and deletes the one that is no longer.
func (c *checkpointer) count(e *Engine, m kept, covers int64) (side []change) {
	all := append(c.kept[:len(c.kept):len(c.kept)], m)
	if len(all) > 2 {
		side = append(e.partsOf(all[0]), change{key: e.keys.Checkpoint(all[0].sequence)})
		all = all[1:]
	}
	c.after = append(c.after, func() { c.kept, c.since, c.under = all, c.since-covers, nil })
	return side
}

// encode makes a checkpoint's partial chunks and its manifest. It may run while the state goes on.
func (e *Engine) encode(captured *fold.Capture, sequence uint64, emptied map[string]int) made {
	m := made{kept: kept{sequence: sequence, tables: map[string]int{}}}
	for _, t := range captured.Tables {
		m.tables[t.Name()] = t.Len()
		if k := t.Chunks() - 1; k >= 0 && !t.Full(k) {
			m.pieces = append(m.pieces, e.chunk(t, k, sequence)...)
		}
	}
	state := captured.Manifest()
	m.position, m.dropped = state.Position, state.DroppedRows()
	b := marshal(manifest{Sequence: sequence, State: state, Emptied: emptied})
	if len(b) > partBytes {
		for ; len(b) > 0; m.parts++ {
			n := min(len(b), partBytes)
			m.pieces = append(m.pieces, change{key: e.keys.Block(parts, uint32(m.parts), sequence), value: record.Seal(b[:n:n], 0)})
			b = b[n:]
		}
		b = marshal(manifest{Sequence: sequence, Parts: m.parts})
	}
	m.manifest = change{key: e.keys.Checkpoint(sequence), value: record.Seal(b, 0)}
	return m
}

func marshal(m manifest) []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // these structs always marshal
	}
	return b
}

// next returns the slice of the checkpoint under way that goes with the next commit: nothing while it is not encoded, and
// at the end what makes it count.
func (c *checkpointer) next(e *Engine, enough int) (side []change) {
	u := c.under
	if u.manifest.key == nil {
		select {
		case u.made = <-u.encoded:
		default:
			return nil
		}
	}
	if !u.marked {
		marker := marshal(manifest{Sequence: u.sequence, Parts: u.parts, Tables: u.tables})
		side = append(side, change{key: e.keys.Checkpoint(0), value: record.Seal(marker, 0)})
		c.after = append(c.after, func() { u.marked = true })
	}
	n := 0
	for size := 0; n < len(u.pieces) && size < enough; n++ {
		size += len(u.pieces[n].value)
		side = append(side, u.pieces[n])
	}
	if n < len(u.pieces) {
		c.after = append(c.after, func() { u.pieces = u.pieces[n:] })
		return side
	}
	side = append(side, u.manifest, change{key: e.keys.Checkpoint(0)})
	return append(side, c.count(e, u.kept, u.since)...)
}

// clean deletes what a checkpoint that was never finished left.
func (c *checkpointer) clean(e *Engine) (side []change) {
	if c.litter == nil {
		return nil
	}
	c.after = append(c.after, func() { c.litter = nil })
	return append(e.partsOf(*c.litter), change{key: e.keys.Checkpoint(0)})
}

// partsOf deletes a checkpoint's partial chunks and the parts of its manifest.
func (e *Engine) partsOf(m kept) (side []change) {
	for name, rows := range m.tables {
		if rows%column.ChunkRows != 0 {
			k := rows / column.ChunkRows
			side = append(append(side, e.deletePartsOf(name, k, m.sequence)...), change{key: e.keys.Block(name, uint32(k), m.sequence)})
		}
	}
	for i := range m.parts {
		side = append(side, change{key: e.keys.Block(parts, uint32(i), m.sequence)})
	}
	return side
}

// readManifest reads the manifest under a checkpoint's key, and its parts where it is in parts.
func (e *Engine) readManifest(r store.Reader, value []byte) (*manifest, error) {
	b, err := record.Unseal(value)
	if err != nil {
		return nil, err
	}
	m := &manifest{}
	if err := json.Unmarshal(bytes.Clone(b), m); err != nil || m.Parts == 0 || m.Tables != nil {
		return m, err
	}
	var whole []byte
	for i := range m.Parts {
		b, err := r.Get(e.keys.Block(parts, uint32(i), m.Sequence))
		if err == nil {
			b, err = record.Unseal(b)
		}
		if err != nil {
			return nil, fmt.Errorf("part %d of %d: %w", i+1, m.Parts, err)
		}
		whole = append(whole, b...)
	}
	out := &manifest{Parts: m.Parts}
	return out, json.Unmarshal(whole, out)
}
