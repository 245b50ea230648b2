package flow

import (
	"context"
	"fmt"
	"time"
)

// Batch is one commit: what came out of some rows, and the place behind them.
type Batch struct {
	Items  []Item
	Dead   []DeadLetter
	Cursor Cursor
}

// DeadLetter is a row that a node could not use. A row that several destinations refuse has one for each.
type DeadLetter struct {
	Line   int64  `json:"line"` // where the row begins in the source, from 1
	Node   string `json:"node"` // id of the node that refused it
	Reason string `json:"reason"`
	Row    string `json:"row"` // its text in UTF-8, at most MaxDeadText bytes
}

// Rejection says why the sink refused an item.
type Rejection struct {
	Item   int // index in Batch.Items
	Reason string
}

// Sink stores batches.
//
// Write stores the batch's items, dead letters and cursor in one commit, all or nothing. It may refuse single items, such
// as events that do not fit their schema: it keeps them in its own way, in the same commit, and reports them to be
// counted. After an error the run ends; whether the commit happened or not, the run is right when it goes on from the
// cursor that is stored. A batch may hold no item; the last one has Cursor.Done set.
//
// Write is called by one goroutine, a batch at a time, in order. The batch is the sink's to keep.
type Sink interface {
	Write(ctx context.Context, b Batch) ([]Rejection, error)
}

// RunOptions are the settings of a run. The zero value runs from the start without reporting.
type RunOptions struct {
	From      *Cursor          // the stored cursor of a run that stopped; nil starts at the first row
	BatchSize int              // items and dead letters of a batch; default 1,500
	Progress  func(Progress)   // called between batches by the goroutine that called Run, and once at the end
	Every     time.Duration    // least time between two calls of Progress; default 1 s
	Now       func() time.Time // clock for Progress; default time.Now
}

// Result is how far a run came. It is right also when Run returns an error.
type Result struct {
	Progress Progress
	Nodes    []Count      // as in Cursor, with everything the sink refused
	Cursor   *Cursor      // of the last batch the sink confirmed; nil when there was none and the run began at the start
	Refused  []DeadLetter // the first 20 items that the sink refused in this run, without the text of the row
}

const maxRefused = 20

// Run reads the source from options.From and writes it batch by batch into the sink, until the file ends, the sink
// fails, or ctx is done, which is looked at between batches. What was written before stays, and the run can go on from
// the stored cursor. A later batch is read and computed while an earlier one is written.
func (f *Flow) Run(ctx context.Context, sink Sink, options RunOptions) (Result, error) {
	result, err := f.run(ctx, sink, options)
	if err != nil {
		err = fmt.Errorf("dataflow %q: %w", f.def.Name, err)
	}
	return result, err
}

func (f *Flow) run(ctx context.Context, sink Sink, options RunOptions) (Result, error) {
	if options.BatchSize <= 0 {
		options.BatchSize = 1500
	}
	if from := options.From; from != nil {
		if err := f.checkCursor(from); err != nil {
			return Result{}, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := f.reader(ctx, options.From)
	if err != nil {
		return Result{Cursor: options.From}, fmt.Errorf("source: %w", err)
	}
	defer r.input().close()

	p := newPipeline(f, r, options.From)
	w := newWriter(f, sink, options, r.input().total)
	batches := make(chan filled)
	go produce(ctx, p, options.BatchSize, batches)
	err = w.drain(ctx, batches)
	cancel()
	for range batches { // wait until the reading goroutine has ended: it closes the channel
	}
	w.report(true)
	return w.result, err
}

// filled is a batch, or the error that ended the reading.
type filled struct {
	batch Batch
	err   error
}

// produce reads batches until the last one or an error. It owns the pipeline while it runs.
func produce(ctx context.Context, p *pipeline, size int, out chan<- filled) {
	defer close(out)
	for {
		b, err := p.fill(size)
		select {
		case out <- filled{b, err}:
		case <-ctx.Done():
			return
		}
		if err != nil || b.Cursor.Done {
			return
		}
	}
}

// writer gives batches to the sink and keeps the account of what it confirmed.
type writer struct {
	f       *Flow
	sink    Sink
	result  Result
	refused []int64 // by node, in this run
	meter   meter
}

func newWriter(f *Flow, sink Sink, options RunOptions, total int64) *writer {
	w := &writer{f: f, sink: sink, refused: make([]int64, len(f.nodes)), meter: newMeter(options, total)}
	w.result.Cursor = options.From
	if options.From != nil {
		w.result.Nodes = options.From.Nodes
	} else {
		w.result.Nodes = make([]Count, len(f.nodes))
		for i, n := range f.nodes {
			w.result.Nodes[i].ID = n.ID
		}
	}
	w.meter.start(w.result.Nodes, f)
	return w
}

func (w *writer) drain(ctx context.Context, batches <-chan filled) error {
	for next := range batches {
		if err := ctx.Err(); err != nil {
			return err
		}
		if next.err != nil {
			return fmt.Errorf("source: %w", next.err)
		}
		if err := w.write(ctx, next.batch); err != nil {
			return err
		}
		if next.batch.Cursor.Done {
			return nil
		}
		w.report(false)
	}
	return ctx.Err() // the reading goroutine left before the last batch
}

func (w *writer) write(ctx context.Context, b Batch) error {
	for node, n := range w.refused {
		b.Cursor.Nodes[node].Out -= n
		b.Cursor.Nodes[node].Rejected += n
	}
	cursor := b.Cursor
	nodes := append([]Count(nil), cursor.Nodes...)
	items := b.Items
	rejections, err := w.sink.Write(ctx, b)
	if err != nil {
		return fmt.Errorf("writing the rows before line %d: %w", cursor.Line, err)
	}
	for _, r := range rejections {
		if r.Item < 0 || r.Item >= len(items) {
			return fmt.Errorf("the sink refused item %d of a batch of %d", r.Item, len(items))
		}
		node := w.f.nodeOf(items[r.Item].Node)
		w.refused[node]++
		nodes[node].Out--
		nodes[node].Rejected++
		if it := items[r.Item]; len(w.result.Refused) < maxRefused {
			w.result.Refused = append(w.result.Refused, DeadLetter{Line: it.Line, Node: it.Node, Reason: r.Reason})
		}
	}
	w.result.Cursor, w.result.Nodes = &cursor, nodes
	return nil
}

func (f *Flow) nodeOf(id string) int {
	for _, d := range f.dests {
		if d.id == id {
			return d.node
		}
	}
	panic("flow: an item of no destination: " + id)
}

func (w *writer) report(last bool) {
	offset := int64(0)
	if w.result.Cursor != nil {
		offset = w.result.Cursor.Offset
	}
	w.result.Progress = w.meter.measure(w.result.Nodes, w.f, offset, last)
}
