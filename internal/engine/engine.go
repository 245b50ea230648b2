// Package engine runs one portal: it owns the log, the state folded from it, and the goroutine that writes both.
//
// A caller encodes its records into a submission and hands it to [Engine.Submit]. One goroutine, the committer, takes
// what is waiting, makes it one batch, appends the batch to the log in one durable transaction, folds it, and answers
// every caller. Callers that come while a commit runs share the next one (group commit).
//
//	callers ─ submissions ─▶ committer: batch ─▶ store (durable) ─▶ fold ─▶ verdicts ─▶ callers
//	                             └ pieces of a checkpoint ride along in the same transactions
//
// Readers call [Engine.View]. While the disk writes a batch the fold already works on it, and the lock is held until both are
// done, so nobody sees what is not durable. A write that fails costs the time to load the state again (overlap.go).
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/keyspace"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/store"
)

// Errors of the engine, by when they happen.
var (
	ErrClosed         = errors.New("cdp: the client is closed")
	ErrOutcomeUnknown = errors.New("cdp: outcome unknown: the commit was under way; the same event ids are safe to send again")
	ErrDamaged        = store.ErrDamaged // one error for the caller, wherever the damage was seen
)

// Options of an engine.
type Options struct {
	Portal          string
	Now             func() time.Time
	CheckpointBytes int64 // log bytes between checkpoints; 0 = 64 MiB
	CacheBytes      int64 // memory for chunks of tables that can be read again; 0 = 256 MiB, negative = no bound
	Log             *slog.Logger
}

// Limits of one batch: what waits beyond them goes into the next.
const (
	maxBatchBytes = 4 << 20 // from here on a batch takes no further submission

	// MaxSubmission bounds one call, so that a batch, which is one value of the store, has room for it whatever came before.
	MaxSubmission = store.MaxValue - 2*maxBatchBytes
	queueLength   = 1024
)

// Engine is one portal, open. Its methods are safe for concurrent use.
type Engine struct {
	store store.Store
	keys  keyspace.Portal
	opt   Options

	queue   chan *request
	stop    chan struct{}
	stopped chan struct{}
	closing sync.Once
	closed  atomic.Pointer[error] // why nothing is accepted any more
	idle    context.Context       // ends with Close
	cancel  context.CancelFunc

	mu    sync.RWMutex // guards state
	state *fold.State

	cache      *column.Cache // of the chunks of every table
	checkpoint checkpointer
	buf        []byte
	background sync.WaitGroup
	id         uint64        // names it among the engines on the store
	contended  bool          // another process writes to this store too
	writing    atomic.Uint64 // the position of the batch that is being written, or was last

	changed chan struct{} // has room for one: something may have become due
	builder builder
}

// request is one caller's submission.
type request struct {
	submission []byte
	phase      atomic.Int32 // waiting, taken or cancelled
	done       chan struct{}
	verdicts   []fold.Verdict
	err        error
}

const (
	waiting   = 0
	taken     = 1
	cancelled = 2
)

// Open loads the newest good checkpoint, folds the log behind it, and starts the committer.
func Open(ctx context.Context, st store.Store, opt Options) (*Engine, error) {
	keys, err := keyspace.For(opt.Portal)
	if err != nil {
		return nil, err
	}
	if opt.CheckpointBytes == 0 {
		opt.CheckpointBytes = 64 << 20
	}
	if opt.CacheBytes == 0 {
		opt.CacheBytes = 256 << 20
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{store: st, keys: keys, opt: opt, id: newID(), queue: make(chan *request, queueLength),
		stop: make(chan struct{}), stopped: make(chan struct{}), cache: column.NewCache(opt.CacheBytes), changed: make(chan struct{}, 1)}
	e.idle, e.cancel = context.WithCancel(context.Background())
	e.builder.init()
	if err := e.load(ctx); err != nil {
		e.cancel()
		if e.state != nil {
			e.state.Stop()
		}
		return nil, err
	}
	go e.commitLoop()
	go e.buildLoop()
	return e, nil
}

// Submit appends one submission to the log and returns the fold's verdict on each of its records, in order.
//
// When ctx ends before the commit began, nothing happened and ctx's error is returned. When it ends during the commit,
// the error is ErrOutcomeUnknown.
func (e *Engine) Submit(ctx context.Context, submission []byte) ([]fold.Verdict, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := e.Err(); err != nil {
		return nil, err
	}
	if len(submission) > MaxSubmission {
		return nil, fmt.Errorf("cdp: the call brings %d bytes, the limit is %d; send fewer at a time", len(submission), MaxSubmission)
	}
	r := &request{submission: submission, done: make(chan struct{})}
	select {
	case e.queue <- r:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.stopped:
		return nil, e.Err()
	}
	select {
	case <-r.done:
		return r.verdicts, r.err
	case <-ctx.Done():
		if r.phase.CompareAndSwap(waiting, cancelled) {
			return nil, ctx.Err()
		}
		select {
		case <-r.done: // it was decided already
			return r.verdicts, r.err
		default:
			return nil, fmt.Errorf("%w (%w)", ErrOutcomeUnknown, ctx.Err())
		}
	case <-e.stopped:
		select {
		case <-r.done:
			return r.verdicts, r.err
		default:
			return nil, e.Err()
		}
	}
}

// View runs fn on the state as of one batch. fn must not keep or change what it is shown, nor call the engine. Its error
// is why fn could not end, where the store did not give what fn wanted to read; it wraps ErrDamaged when that is damaged.
func (e *Engine) View(fn func(*fold.State)) (err error) {
	if err := e.Err(); err != nil {
		return err
	}
	defer func() { err = e.unreadable(err) }()
	defer column.Recover(&err)
	e.mu.RLock()
	defer e.mu.RUnlock()
	if err := e.Err(); err != nil { // a commit failed meanwhile: the state is not what is on disk
		return err
	}
	fn(e.state)
	return nil
}

// Compute runs fn on data that was frozen in View, without the lock. An error says that the store could not give the data
// back; a chunk that is not in memory is read from it when it is needed.
func (e *Engine) Compute(fn func()) (err error) {
	defer func() { err = e.unreadable(err) }()
	defer column.Recover(&err)
	fn()
	return nil
}

// unreadable is the engine's word for a column.LoadError.
func (e *Engine) unreadable(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrClosed): // while fn waited for the lock
		return err
	case e.idle.Err() != nil:
		return ErrClosed
	}
	where := ""
	if s, ok := e.store.(interface{ Path() string }); ok {
		where = " in " + s.Path()
	}
	if errors.Is(err, column.ErrDamaged) && !errors.Is(err, ErrDamaged) {
		return fmt.Errorf("%w: portal %q%s: %w", ErrDamaged, e.opt.Portal, where, err)
	}
	return fmt.Errorf("portal %q%s: %w", e.opt.Portal, where, err)
}

// Tick brings the state up to the clock where something is due before then, and up to the log where another process has
// appended to it, so that answers are right at any instant.
func (e *Engine) Tick(ctx context.Context) error {
	now := e.opt.Now().UnixMicro()
	end := uint64(0)
	err := e.store.View(ctx, func(r store.Reader) (err error) {
		end, err = e.end(r)
		return err
	})
	if err != nil {
		return cmp.Or(e.Err(), err)
	}
	var at int64
	var due, behind bool
	if err := e.View(func(s *fold.State) {
		at, due = s.NextDue()
		behind = end > max(s.Position, e.writing.Load())
	}); err != nil {
		return err
	}
	if !behind && (!due || at > now) {
		return e.Err()
	}
	_, err = e.Submit(ctx, tick)
	return err
}

var tick = func() []byte {
	var enc record.Encoder
	enc.Begin(record.Head{Kind: record.KindTick})
	enc.Idents(0)
	enc.Attrs(0)
	enc.End(nil)
	return enc.Submission(nil)
}()

// Changed receives after batches that may have brought something to do: a message to send, an earlier deadline.
func (e *Engine) Changed() <-chan struct{} { return e.changed }

// Err is why the engine accepts nothing any more, nil while it does.
func (e *Engine) Err() error {
	if err := e.closed.Load(); err != nil {
		return *err
	}
	return nil
}

// Close finishes what was accepted, writes a checkpoint so that the next Open is quick, and stops. Its error is that of
// the checkpoint: the log is safe either way. The store stays open; it is the caller's.
func (e *Engine) Close() error {
	e.closing.Do(func() {
		e.fail(ErrClosed)
		close(e.stop)
	})
	<-e.stopped
	e.cancel()
	<-e.builder.stopped
	return e.checkpoint.closeErr
}

// fail makes every later call return err; the first reason stays.
func (e *Engine) fail(err error) { e.closed.CompareAndSwap(nil, &err) }

// commitLoop is the committer. It alone writes the store and the state.
func (e *Engine) commitLoop() {
	defer func() {
		if e.state != nil { // it is nil when it could not be loaded again
			e.state.Stop()
		}
		e.background.Wait()
		close(e.stopped)
	}()
	for {
		select {
		case r := <-e.queue:
			e.commit(e.gather(r))
		case <-e.stop:
			e.drainAndClose()
			return
		}
		if e.failed() {
			return
		}
	}
}

// drainAndClose commits what was accepted before Close, then writes the last checkpoint.
func (e *Engine) drainAndClose() {
	for !e.failed() {
		select {
		case r := <-e.queue:
			e.commit(e.gather(r))
			continue
		default:
			e.checkpoint.closeErr = e.writeCheckpoint()
			e.checkpoint.release(e)
		}
		return
	}
}

// failed says whether the engine was closed by a failure: the state is then of no use.
func (e *Engine) failed() bool { return e.Err() != nil && !e.ClosedWell() }

// gather takes what else is waiting, up to a batch's limits.
func (e *Engine) gather(first *request) []*request {
	batch := make([]*request, 0, 8)
	size := 0
	take := func(r *request) {
		if r.phase.CompareAndSwap(waiting, taken) {
			batch = append(batch, r)
			size += len(r.submission)
		}
	}
	take(first)
	for size < maxBatchBytes {
		select {
		case r := <-e.queue:
			take(r)
		default:
			return batch
		}
	}
	return batch
}

// commit appends the requests as one batch and folds it. Losing the race for the position to another process means
// folding what that one wrote, and trying again with the same submissions.
func (e *Engine) commit(batch []*request) {
	if len(batch) == 0 {
		return
	}
	subs := make([][]byte, len(batch))
	for i, r := range batch {
		subs[i] = r.submission
	}
	verdicts, err := e.append(subs)
	for i, r := range batch {
		if r.err = err; err == nil {
			r.verdicts = verdicts[i]
		}
		close(r.done)
	}
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// append makes the submissions one batch of the log and folds it.
func (e *Engine) append(subs [][]byte) ([][]fold.Verdict, error) {
	for {
		b := record.Batch{Position: e.state.Position + 1, Digest: e.state.Digest, Submissions: subs,
			Now: max(e.state.Now, e.opt.Now().UnixMicro())}
		e.buf = record.AppendBatch(e.buf[:0], b)
		side := e.checkpoint.piece(e)
		e.writing.Store(b.Position)
		verdicts, err := e.writeAndFold(b, side)
		if err == nil {
			e.checkpoint.wrote(len(e.buf))
			return verdicts, nil
		}
		e.writing.Store(0)
		if errors.Is(err, errLostRace) {
			e.contended = true
			if err = e.catchUp(e.idle, e.foldLocked); errors.Is(err, errTrimmed) || errors.Is(err, column.ErrDropped) {
				e.mu.Lock()
				if err = e.reload(); err != nil { // others were so far ahead that they have trimmed what is missing here, or emptied chunks
					e.fail(fmt.Errorf("%w: the state could not be loaded again: %w", ErrClosed, err))
				}
				e.mu.Unlock()
			}
			if err == nil {
				continue
			}
		}
		return nil, e.broken(err)
	}
}

// broken decides what a failed append means. A store that says it did not commit changed nothing, and the next batch
// may succeed (a full disk can be emptied); an unknown outcome closes the client, because the log may be ahead of the state.
func (e *Engine) broken(err error) error {
	var bug *foldError
	switch {
	case errors.Is(err, store.ErrCommit):
		e.failUnknown(err)
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	case errors.As(err, &bug) || errors.Is(err, ErrDamaged):
		e.fail(fmt.Errorf("%w: %w", ErrClosed, err))
	}
	return err
}

// failUnknown closes the client after a commit of which nobody knows whether it is on disk.
func (e *Engine) failUnknown(err error) {
	e.fail(fmt.Errorf("%w after a commit failed: %w: %w; open it again to see what was kept", ErrClosed, ErrOutcomeUnknown, err))
}

// foldError is a batch that is in the log and could not be folded.
type foldError struct{ err error }

func (f *foldError) Error() string { return f.err.Error() }
func (f *foldError) Unwrap() error { return f.err }

// Done is closed when the engine has stopped.
func (e *Engine) Done() <-chan struct{} { return e.stopped }

// ClosedWell says whether the engine was closed by Close and not by a failure.
func (e *Engine) ClosedWell() bool {
	err := e.closed.Load()
	return err != nil && *err == ErrClosed
}
