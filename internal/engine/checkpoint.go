package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/keyspace"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/store"
)

// checkpointer writes the state in pieces that ride along with commits:
//
//  1. a table's chunk is sealed (written once, for ever) some time after it is full: with a commit after every lookEvery events and
//     flips, of each table at least one, and as many bytes as the commit's batch has. That is more than what came meanwhile, so
//     that sealing keeps up with batches of any size; and the one deadline of a quiet second does not write what a segment's
//     thousands of flips have left;
//  2. when enough log has come since the last checkpoint, the state is frozen as of one batch (fold.Capture). A goroutine
//     encodes every table's partial last chunk and the manifest from that copy, and what it made rides along with later commits
//     in slices; the last one has the manifest's own key, which makes the checkpoint count. What is small is encoded and
//     written at once;
//     (It waits while a segment is being built: what that began with is in the log and nowhere else.)
//  3. two checkpoints are kept, and the log behind the older one is deleted, a few batches a commit;
//  4. chunks of events that retention had dropped before both checkpoints are written anew without their cells, a few a
//     commit: nobody needs them any more but a question that began before.
//
// A damaged newest checkpoint therefore costs the time to fold a longer tail, never data.
type checkpointer struct {
	since     int64          // log bytes since the last checkpoint
	sealed    map[string]int // full chunks of each table that are in the store
	looked    int64          // the state's sequence when full chunks were last looked for
	kept      []kept         // newest last, at most two
	trimmed   uint64         // the log up to here is deleted
	emptied   map[string]int // chunks of each table that have no cells in the store any more
	under     *capturing     // the checkpoint that is being made; nil when none is
	litter    *kept          // what one that was never finished left in the store
	owner     *guard         // holds as long as this engine is the one that writes checkpoints; nil when it is not
	overtaken bool           // it was, and another one is now
	after     []func()       // what the pieces under way mean once they are committed
	closeErr  error
}

const (
	trimPerCommit  = 32
	lookEvery      = 2048    // events and flips between looks for full chunks; a fraction of a chunk, so that one a look is enough
	sealedPerWrite = 4 << 20 // bytes of chunks in one transaction, when nobody waits
)

// piece returns what to write along with the next batch, which is in e.buf.
func (c *checkpointer) piece(e *Engine) (side []change) {
	c.after = nil
	mine := c.owns(e, c.since >= e.opt.CheckpointBytes)
	var own []change
	if mine {
		if own = c.clean(e); c.under != nil {
			own = append(own, c.next(e, max(partBytes, len(e.buf)))...)
		}
	}
	due := mine && c.under == nil && c.since >= e.opt.CheckpointBytes
	if due || e.state.Sequence-c.looked >= lookEvery {
		chunks, all := c.sealNext(e, max(1, len(e.buf)))
		side = append(side, chunks...)
		c.looked = e.state.Sequence
		if all && due && !e.state.Building() && e.state.Ready() == nil { // else the next event says what is wrong
			own = append(own, c.begin(e)...)
		}
	}
	if mine {
		own = append(append(own, c.trim(e)...), c.empty(e)...)
	}
	return append(side, c.guarded(own)...)
}

// wrote notes that a batch and the pieces with it are in the store.
func (c *checkpointer) wrote(batchBytes int) {
	c.since += int64(batchBytes)
	c.done()
}

// done notes that the pieces under way are in the store.
func (c *checkpointer) done() {
	for _, note := range c.after {
		note()
	}
	c.after = nil
}

// sealNext encodes full chunks that are not in the store yet, of each table until they are enough bytes. all says that none is
// left. (With one limit for all tables together, events that journeys made of events came faster than they were sealed, no
// checkpoint could begin, and the log was never trimmed.)
func (c *checkpointer) sealNext(e *Engine, enough int) (side []change, all bool) {
	all = true
	counts := map[string]int{}
	for _, t := range e.state.Tables() {
		k, size := c.sealed[t.Name()], 0
		for ; t.Full(k) && size < enough; k++ {
			for _, x := range e.chunk(t, k, 0) {
				x.gap = t.DroppedChunk(k) // another engine wrote it with the cells that its checkpoints refer to
				side = append(side, x)
				size += len(x.value)
			}
		}
		counts[t.Name()] = k
		all = all && !t.Full(k)
	}
	if side != nil {
		tables := e.state.Tables()
		c.after = append(c.after, func() {
			c.sealed = counts
			for _, t := range tables { // from now on what was written may be dropped from memory
				e.setSource(t)
				t.SetStored(counts[t.Name()])
			}
		})
	}
	return side, all
}

// setSource lets a table read its sealed chunks from the store again.
func (e *Engine) setSource(t *column.Table) {
	t.SetSource(e.cache, func(k int, read func([]byte) error) error { return e.readChunk(e.idle, t.Name(), k, 0, read) })
}

// trim deletes a little of the log behind the older checkpoint.
func (c *checkpointer) trim(e *Engine) (side []change) {
	if len(c.kept) < 2 {
		return nil
	}
	to := min(c.kept[0].position, c.trimmed+trimPerCommit)
	for p := c.trimmed + 1; p <= to; p++ {
		side = append(side, change{key: e.keys.Log(p)})
	}
	if side != nil {
		c.after = append(c.after, func() { c.trimmed = to })
	}
	return side
}

// empty writes a few chunks anew whose rows both checkpoints say were dropped. What is left of them are the strings that they
// were the first to have. One that was written anew twice, after a crash, is the same. The log behind the checkpoints goes
// first, so that no engine folds what needs these rows.
func (c *checkpointer) empty(e *Engine) (side []change) {
	if len(c.kept) < 2 || c.trimmed < c.kept[0].position {
		return nil
	}
	dropped := c.kept[0].dropped // what the older one says holds for the newer one too
	var counts map[string]int
	n := 0
	for _, t := range e.state.Tables() {
		name := t.Name()
		to := min(dropped[name]/column.ChunkRows, c.emptied[name]+trimPerCommit-n)
		if c.emptied[name] >= to {
			continue
		}
		for k := c.emptied[name]; k < to; k++ {
			side = append(append(side, e.deletePartsOf(name, k, 0)...), e.chunk(t, k, 0)...)
			n++
		}
		if counts == nil {
			counts = maps.Clone(c.emptied)
		}
		counts[name] = to
	}
	if side != nil {
		c.after = append(c.after, func() { c.emptied = counts })
	}
	return side
}

// writeCheckpoint writes a whole checkpoint now. Only the committer calls it.
func (e *Engine) writeCheckpoint() error {
	c := &e.checkpoint
	if n := len(c.kept); n > 0 && c.kept[n-1].position == e.state.Position || e.state.Position == 0 {
		return nil
	}
	if e.state.Building() { // what a build began with is only in the log: the next Open folds it from there
		return nil
	}
	if err := e.state.Ready(); err != nil {
		return fmt.Errorf("%w: portal %q: %w", ErrDamaged, e.opt.Portal, err)
	}
	write := func(side []change) error {
		position := e.state.Position
		err := e.store.Update(e.idle, func(w store.Writer) error {
			end, err := e.end(w)
			if err != nil {
				return err
			}
			if end != position {
				return errLostRace // another process went on; its next checkpoint will do
			}
			return put(w, side)
		})
		if err == nil {
			c.done()
		}
		return err
	}
	if !c.owns(e, true) {
		return nil
	}
	for {
		side, _ := c.sealNext(e, sealedPerWrite)
		if side == nil {
			break
		}
		if err := write(side); err != nil {
			return ignoreLost(err)
		}
	}
	if u := c.under; u != nil && u.marked {
		c.litter = &u.kept
	}
	c.under = nil
	if err := write(c.guarded(append(c.clean(e), c.whole(e, e.state.Capture())...))); err != nil {
		return ignoreLost(err)
	}
	for side := c.trim(e); side != nil; side = c.trim(e) {
		if err := write(c.guarded(side)); err != nil {
			return ignoreLost(err)
		}
	}
	for side := c.empty(e); side != nil; side = c.empty(e) {
		if err := write(c.guarded(side)); err != nil {
			return ignoreLost(err)
		}
	}
	return nil
}

func ignoreLost(err error) error {
	if errors.Is(err, errLostRace) {
		return nil
	}
	return err
}

// load makes the state: from the newest checkpoint that is whole, else the older one, else the log from its start; then
// the rest of the log. Nobody else has the state yet, or the lock is held.
func (e *Engine) load(ctx context.Context) error {
	if err := e.checkFormat(ctx); err != nil {
		return err
	}
	for {
		newest := e.newest(ctx)
		err := e.loadOnce(ctx)
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, column.ErrDropped) || e.newest(ctx) == newest {
			return err
		}
		if e.state != nil { // another engine has written a checkpoint meanwhile, and deleted what was read here
			e.state.Stop()
			e.state = nil
		}
	}
}

// newest is the sequence of the newest checkpoint, 0 when there is none.
func (e *Engine) newest(ctx context.Context) (sequence uint64) {
	_ = e.store.View(ctx, func(r store.Reader) error { // what is wrong with the store is for others to say
		from, to := e.keys.Checkpoints()
		for p, err := range r.Scan(from, to) {
			if err != nil {
				return err
			}
			sequence, _ = e.keys.ParseCheckpoint(p.Key)
		}
		return nil
	})
	return sequence
}

func (e *Engine) loadOnce(ctx context.Context) error {
	c := &e.checkpoint
	manifests, first, problems, err := c.readManifests(ctx, e)
	if err != nil {
		return err
	}
	c.know(manifests, first)
	found := c.kept
	c.sealed, c.emptied = map[string]int{}, map[string]int{}
	end := uint64(0)
	if err := e.store.View(ctx, func(r store.Reader) (err error) { end, err = e.end(r); return err }); err != nil {
		return err
	}
	for i := len(manifests) - 1; i >= 0 && e.state == nil; i-- {
		s, err := e.loadCheckpoint(ctx, manifests[i])
		if err == nil && end > manifests[i].State.Position {
			err = s.Ready() // the rest of the log needs all of it at once, and an older checkpoint may be whole
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("checkpoint %d: %w", manifests[i].Sequence, err))
			e.opt.Log.Warn("checkpoint not usable, trying an older one", "portal", e.opt.Portal, "checkpoint", manifests[i].Sequence, "error", err)
			continue
		}
		e.state, c.kept = s, found[:i+1]
		for name, rows := range found[i].tables {
			c.sealed[name] = rows / column.ChunkRows
		}
		maps.Copy(c.emptied, manifests[i].Emptied)
	}
	if e.state == nil {
		if first > 1 {
			return fmt.Errorf("%w: portal %q has no usable checkpoint, and its log before batch %d was trimmed: %w; restore a backup", ErrDamaged, e.opt.Portal, first, errors.Join(problems...))
		}
		e.state = fold.New()
	}
	err = e.catchUp(ctx, func(b record.Batch) error { _, err := e.fold(b); return err })
	if errors.Is(err, errTrimmed) {
		err = fmt.Errorf("%w: batch %d of portal %q's log (which ends at %d) is not there; restore a backup", ErrDamaged, e.state.Position+1, e.opt.Portal, end)
	}
	return err
}

// know keeps an account of the checkpoints in the store, and of what was deleted behind them.
func (c *checkpointer) know(manifests []*manifest, first uint64) {
	c.kept, c.emptied, c.trimmed = nil, map[string]int{}, first-1
	for _, m := range manifests {
		c.kept = append(c.kept, kept{m.Sequence, m.State.Position, m.State.Tables, m.Parts, m.State.DroppedRows()})
		c.emptied = m.Emptied
	}
	if c.emptied == nil {
		c.emptied = map[string]int{}
	}
}

// readManifests reads all manifests that are whole, oldest first, and the first position the log still has.
func (c *checkpointer) readManifests(ctx context.Context, e *Engine) (out []*manifest, first uint64, problems []error, err error) {
	err = e.store.View(ctx, func(r store.Reader) error {
		out, first, problems, err = c.manifestsIn(r, e)
		return err
	})
	return out, first, problems, err
}

func (c *checkpointer) manifestsIn(r store.Reader, e *Engine) (out []*manifest, first uint64, problems []error, err error) {
	from, to := e.keys.Checkpoints()
	for p, err := range r.Scan(from, to) {
		if err != nil {
			return nil, 0, nil, err
		}
		m, err := e.readManifest(r, p.Value)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("manifest: %w", err))
		case m.Tables != nil:
			c.litter = &kept{sequence: m.Sequence, tables: m.Tables, parts: m.Parts}
		case m.State == nil:
			problems = append(problems, errors.New("manifest: it is empty"))
		default:
			out = append(out, m)
		}
	}
	first = 1
	for p, err := range r.Scan(e.keys.Log(0), e.keys.Log(^uint64(0))) {
		if err != nil {
			return nil, 0, nil, err
		}
		first, err = e.keys.ParseLog(p.Key)
		return out, first, problems, err
	}
	end, err := e.end(r)
	if end > 0 {
		first = end + 1 // all trimmed, or lost
	}
	return out, first, problems, err
}

func (e *Engine) loadCheckpoint(ctx context.Context, m *manifest) (*fold.State, error) {
	return fold.Load(m.State, func(table string, k int, read func([]byte) error) error {
		sequence := uint64(0)
		if (k+1)*column.ChunkRows > m.State.Tables[table] {
			sequence = m.Sequence
		}
		return e.readChunk(ctx, table, k, sequence, read)
	}, e.setSource)
}

// Portals returns the names of the portals in a store, in order.
func Portals(ctx context.Context, st store.Store) (names []string, err error) {
	err = st.View(ctx, func(r store.Reader) error {
		names = names[:0]
		from, to := keyspace.Portals()
		for {
			found := false
			for p, err := range r.Scan(from, to) {
				if err != nil {
					return err
				}
				name, next, err := keyspace.PortalOf(p.Key)
				if err != nil {
					return fmt.Errorf("%w: %w", ErrDamaged, err)
				}
				names, from, found = append(names, name), next, true
				break
			}
			if !found {
				return nil
			}
		}
	})
	return names, err
}
