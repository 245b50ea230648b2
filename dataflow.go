package cdp

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/flow"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// Dataflow moves rows from a source through actions to destinations, in batches, with bounded memory.
type Dataflow struct {
	Name         string        `json:"name"`
	Source       Source        `json:"source"`
	Actions      []Action      `json:"actions,omitempty"`
	Destinations []Destination `json:"destinations"` // each gets every row that is left
}

// Source says where rows come from. Lists and objects, such as line items, come from JSONL; a CSV cell holds one value. The columns of a CSV file are text unless Types says otherwise ("number",
// "datetime", "boolean", …); those of a JSONL file have the types that its first lines suggest.
type Source struct {
	ID      string            `json:"id,omitempty"`
	Type    string            `json:"type"`             // "csv" or "jsonl"
	Path    string            `json:"path,omitempty"`   // a local file, or what the opener takes
	Opener  string            `json:"opener,omitempty"` // a name in Config.Openers; "" opens local files
	Comma   string            `json:"comma,omitempty"`
	Columns []string          `json:"columns,omitempty"` // of a CSV file without a header line
	Types   map[string]string `json:"types,omitempty"`
	Null    *[]string         `json:"null,omitempty"` // CSV cells that mean absent. Default: the empty cell
}

// Action is one step on the way of a row: exactly one of its fields is set.
type Action struct {
	ID     string  `json:"id,omitempty"`
	Filter *Filter `json:"filter,omitempty"`
	Add    *Add    `json:"add,omitempty"`
	Select *Select `json:"select,omitempty"`
	Rename *Rename `json:"rename,omitempty"`
}

// Filter lets rows pass for which Where, CEL over the columns, is true; now is when the run began.
type Filter struct {
	Where string `json:"where"`
}

// Add computes a column; Value is an expr-lang expression over the columns, Type its type.
type Add struct {
	Column string `json:"column"`
	Type   string `json:"type"`
	Value  string `json:"value"`
}

// Select keeps the named columns, in this order. Rename gives columns new names, old to new.
type (
	Select struct {
		Columns []string `json:"columns"`
	}
	Rename struct {
		Columns map[string]string `json:"columns"`
	}
)

// Destination is where rows go: exactly one of its fields is set.
type Destination struct {
	ID       string      `json:"id,omitempty"`
	Events   *ToEvents   `json:"events,omitempty"`
	Profiles *ToProfiles `json:"profiles,omitempty"`
	Objects  *ToObjects  `json:"objects,omitempty"`
}

// ToEvents makes each row an event of the type Name. Its other fields name columns; Attributes maps attribute to column.
// Without ID, ids follow from the dataflow, the source, the line and the row, so that a second run makes duplicates, not
// second events.
type ToEvents struct {
	Name        string            `json:"name"`
	ID          string            `json:"id,omitempty"`
	Time        string            `json:"time"`
	UserID      string            `json:"user_id,omitempty"`
	AnonymousID string            `json:"anonymous_id,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
}

// ToProfiles makes each row an update of a customer's attributes.
type ToProfiles struct {
	UserID     string            `json:"user_id"`
	Attributes map[string]string `json:"attributes"`
}

// ToObjects makes each row a business object of the type.
type ToObjects struct {
	Type       string            `json:"type"`
	ID         string            `json:"id"`
	Attributes map[string]string `json:"attributes"`
}

// Opener opens a source by name. What it returns may be an io.Seeker too: runs then go on faster, and know their length.
type Opener func(ctx context.Context, path string) (io.ReadCloser, error)

// Dataflows are the verbs of dataflows. Get them from [Client.Dataflows].
type Dataflows struct{ c *Client }

// Dataflows returns the verbs of dataflows.
func (c *Client) Dataflows() Dataflows { return Dataflows{c} }

// Save checks a dataflow as far as that can be done without its source, and keeps it as a new version.
func (d Dataflows) Save(ctx context.Context, def Dataflow) error {
	if err := d.c.begin(ctx, "dataflows.save"); err != nil {
		return err
	}
	body, _, err := decodeFlow(def)
	if err != nil {
		return err
	}
	return d.c.define(ctx, fold.DefDataflow, def.Name, body, 0)
}

func decodeFlow(def Dataflow) ([]byte, flow.Def, error) {
	body, err := encode(fold.DefDataflow, def.Name, def)
	if err != nil {
		return nil, flow.Def{}, err
	}
	f, err := flow.Decode(body)
	if err != nil {
		return nil, f, bare("dataflow", def.Name, err)
	}
	return body, f, nil
}

// bare makes a DefinitionError of an error that already begins with the kind and the name.
func bare(kind, name string, err error) error {
	return &DefinitionError{kind, name, &bareError{trimPlace(err.Error(), kind, name), err}}
}

// Get returns a dataflow's current version.
func (d Dataflows) Get(ctx context.Context, name string) (Dataflow, error) {
	return get[Dataflow](ctx, d.c, "dataflows.get", fold.DefDataflow, name)
}

// List returns all dataflows by name.
func (d Dataflows) List(ctx context.Context) ([]Dataflow, error) {
	return list[Dataflow](ctx, d.c, "dataflows.list", fold.DefDataflow)
}

// Remove deletes a dataflow; what it brought stays.
func (d Dataflows) Remove(ctx context.Context, name string) error {
	return d.c.remove(ctx, "dataflows.remove", fold.DefDataflow, name)
}

// NodePreview is a node's typed columns and its first rows.
type NodePreview struct {
	ID      string
	Kind    string
	Columns []Column
	Rows    [][]any
}

// Column is one typed column.
type Column struct{ Name, Type string }

// Preview shows what the first n rows become at each node. It writes nothing.
func (d Dataflows) Preview(ctx context.Context, def Dataflow, n int) ([]NodePreview, error) {
	if err := d.c.begin(ctx, "dataflows.preview"); err != nil {
		return nil, err
	}
	f, err := d.compile(ctx, def, d.c.cfg.Now())
	if err != nil {
		return nil, err
	}
	p, err := f.Preview(ctx, n)
	if err != nil {
		return nil, err
	}
	var out []NodePreview
	for _, node := range p.Nodes {
		v := NodePreview{ID: node.ID, Kind: node.Kind}
		for _, c := range node.Columns {
			v.Columns = append(v.Columns, Column{c.Name, string(c.Type)})
		}
		for _, row := range node.Rows {
			cells := make([]any, len(row))
			for i := range row {
				cells[i] = row[i].Go()
			}
			v.Rows = append(v.Rows, cells)
		}
		out = append(out, v)
	}
	return out, nil
}

// compile makes a dataflow ready to run; filters read `now` as the one instant at which the run began.
func (d Dataflows) compile(ctx context.Context, def Dataflow, now time.Time) (*flow.Flow, error) {
	_, fd, err := decodeFlow(def)
	if err != nil {
		return nil, err
	}
	hooks := flow.Hooks{Openers: map[string]flow.Opener{}}
	for name, open := range d.c.cfg.Openers {
		hooks.Openers[name] = flow.Opener(open)
	}
	if err := d.c.engine.View(func(s *fold.State) { hooks.Catalogue = s.Catalogue }); err != nil {
		return nil, err
	}
	hooks.CompileFilter = func(where string, columns schema.Attrs) (flow.Predicate, error) {
		expr, err := celenv.Compile(hooks.Catalogue, celenv.Scope{Vars: columns, Want: celenv.Bool}, where)
		if err != nil {
			return nil, err
		}
		prog, err := roweval.New(expr)
		if err != nil {
			return nil, err
		}
		return func(column func(string) value.Value) (bool, error) {
			return prog.Eval(roweval.Input{Vars: column, Now: now.UnixMicro()}).True(), nil
		}, nil
	}
	f, err := flow.Compile(ctx, fd, hooks)
	if err != nil {
		return nil, bare("dataflow", def.Name, err)
	}
	return f, nil
}

// Progress is how far a run is.
type Progress struct {
	Rows     int64         // read
	Accepted int64         // events, profiles and objects that were taken, duplicates among them
	Rejected int64         // rows in the dead letter, and events that did not fit
	Filtered int64         // left out by filters
	Bytes    int64         // read
	Total    int64         // bytes of the source; 0 when unknown
	Rate     float64       // rows a second
	Left     time.Duration // estimate; 0 when unknown
	Elapsed  time.Duration

	Duplicates int64 // events that were there already, by type and id
}

// progressOf adds to the engine's progress what only the fold knows.
func progressOf(p flow.Progress, duplicates int64) Progress {
	return Progress{p.Rows, p.Accepted, p.Rejected, p.Filtered, p.Bytes, p.Total, p.Rate, p.Left, p.Elapsed, duplicates}
}

// RunOptions say how to run a dataflow.
type RunOptions struct {
	Progress func(Progress) // called about once a second, and at the end
	Resume   bool           // go on with the last run that did not come to its end, where it stopped; else begin a new one
}

// FlowRun is one run of a dataflow.
type FlowRun struct {
	ID       string
	Flow     string
	State    string // running (or killed), done, cancelled, failed
	Started  time.Time
	Updated  time.Time
	Progress Progress
	Nodes    []NodeCount
}

// NodeCount is what a node did: rows in, rows out, rows rejected.
type NodeCount struct {
	ID                string
	In, Out, Rejected int64
}

// flowState is what the log keeps of a run: the cursor, and counts for the history.
type flowState struct {
	Cursor   flow.Cursor `json:"cursor"`
	Progress Progress    `json:"progress"`
	Now      int64       `json:"now"` // when it began: what filters read as now, also after it was resumed
}

// Run runs a saved dataflow to its end. Each batch of rows, its dead letters and the place behind it are one commit, so
// that a run which was killed or cancelled loses nothing and, resumed, doubles nothing. What it brings counts as history
// and starts no journey. It returns the run also with an error.
func (d Dataflows) Run(ctx context.Context, name string, opt *RunOptions) (FlowRun, error) {
	if opt == nil {
		opt = &RunOptions{}
	}
	def, err := d.Get(ctx, name)
	if err != nil {
		return FlowRun{}, err
	}
	sink := &flowSink{c: d.c, flow: name, run: rand.Text(), now: d.c.cfg.Now()}
	ro := flow.RunOptions{} // progress is about this machine: it is measured with the real clock
	if opt.Resume {
		last, ok, err := d.unfinished(ctx, name)
		if err != nil {
			return FlowRun{}, err
		}
		if ok {
			var st flowState
			if err := json.Unmarshal(last.Body, &st); err != nil {
				return FlowRun{}, err
			}
			sink.run, sink.now, ro.From = last.Run, utc(st.Now), &st.Cursor
			sink.duplicates = st.Progress.Duplicates
		}
	}
	f, err := d.compile(ctx, def, sink.now)
	if err != nil {
		return FlowRun{}, err
	}
	ro.Progress = func(p flow.Progress) {
		sink.progress = progressOf(p, sink.duplicates)
		if opt.Progress != nil {
			opt.Progress(sink.progress)
		}
	}
	res, err := f.Run(ctx, sink, ro)
	sink.progress = progressOf(res.Progress, sink.duplicates)
	state := "done"
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		state = "cancelled"
	case err != nil:
		state = "failed"
	}
	if res.Cursor != nil {
		// The run's own context may have ended; its history is still worth writing.
		if e := sink.close(context.WithoutCancel(ctx), state, *res.Cursor); err == nil && e != nil {
			err = fmt.Errorf("dataflow %q: %w", name, e)
		}
	}
	runs, e := d.Runs(context.WithoutCancel(ctx), name)
	if e == nil {
		for _, r := range runs {
			if r.ID == sink.run {
				return r, err
			}
		}
	}
	return FlowRun{ID: sink.run, Flow: name, State: state, Progress: sink.progress}, err
}

func (d Dataflows) unfinished(ctx context.Context, name string) (last fold.FlowRun, ok bool, err error) {
	err = d.c.read(ctx, "dataflows.run", func(s *fold.State) {
		for _, r := range s.FlowRuns(name) {
			if r.State != "done" && (!ok || r.Updated > last.Updated) {
				last, ok = r, true
			}
		}
	})
	return last, ok, err
}

// Runs returns the history of a dataflow, newest first.
func (d Dataflows) Runs(ctx context.Context, name string) ([]FlowRun, error) {
	var runs []fold.FlowRun
	known := false
	if err := d.c.read(ctx, "dataflows.runs", func(s *fold.State) {
		runs, known = s.FlowRuns(name), knowsFlow(s, name)
	}); err != nil {
		return nil, err
	}
	if !known {
		return nil, notFound(fold.DefDataflow, name)
	}
	slices.SortStableFunc(runs, func(a, b fold.FlowRun) int { return int(min(max(b.Started-a.Started, -1), 1)) })
	out := make([]FlowRun, len(runs))
	for i, r := range runs {
		var st flowState
		if err := json.Unmarshal(r.Body, &st); err != nil {
			return nil, inside("dataflows.runs", err)
		}
		out[i] = FlowRun{ID: r.Run, Flow: r.Flow, State: r.State, Started: utc(r.Started), Updated: utc(r.Updated), Progress: st.Progress}
		for _, n := range st.Cursor.Nodes {
			out[i].Nodes = append(out[i].Nodes, NodeCount{n.ID, n.In, n.Out, n.Rejected})
		}
	}
	return out, nil
}

// knowsFlow says whether there is a dataflow of that name, or was one that ran.
func knowsFlow(s *fold.State, name string) bool {
	_, there := s.BodyOf(fold.DefDataflow, name)
	return there || len(s.FlowRuns(name)) > 0
}

// DeadLetter is a row that a dataflow could not use.
type DeadLetter struct {
	Run    string
	Time   time.Time
	Line   int64 // of the source, from 1
	Reason string
	Row    string // its text, at most 4 KiB
}

// DeadLetters returns the rows a dataflow could not use, in order: of one run, or of all when run is "".
func (d Dataflows) DeadLetters(ctx context.Context, name, run string) ([]DeadLetter, error) {
	var out []DeadLetter
	known := false
	err := d.c.read(ctx, "dataflows.dead_letters", func(s *fold.State) {
		known = knowsFlow(s, name)
		for _, l := range s.DeadLetters(name, run) {
			out = append(out, DeadLetter{l.Run, utc(l.At), l.Line, l.Reason, l.Row})
		}
	})
	if err == nil && !known {
		err = notFound(fold.DefDataflow, name)
	}
	return out, err
}

// flowSink writes a flow's batches into the log, each as one submission.
type flowSink struct {
	c         *Client
	flow, run string
	now       time.Time // when the run began
	progress  Progress

	duplicates int64 // in this run so far
	enc        record.Encoder
}

// Write implements flow.Sink.
func (k *flowSink) Write(ctx context.Context, b flow.Batch) ([]flow.Rejection, error) {
	k.enc.Reset()
	for i := range b.Items {
		k.item(&b.Items[i])
	}
	for _, l := range b.Dead {
		k.enc.Begin(record.Head{Kind: record.KindDead, Name: k.flow, Time: l.Line, ID: k.run})
		k.enc.Idents(0)
		k.enc.Attrs(1)
		k.enc.Attr("reason", value.Str(l.Node+": "+l.Reason))
		k.enc.End([]byte(l.Row))
	}
	state := "running"
	if b.Cursor.Done {
		state = "done"
	}
	if err := k.cursor(state, b.Cursor); err != nil {
		return nil, err
	}
	// A commit that ctx cuts off may have happened all the same. The run would then note an older place than it reached.
	verdicts, err := k.c.engine.Submit(context.WithoutCancel(ctx), k.enc.Submission(nil))
	if err != nil {
		return nil, err
	}
	var refused []flow.Rejection
	for i := range b.Items {
		switch v := verdicts[i]; v.Code {
		case fold.Rejected:
			refused = append(refused, flow.Rejection{Item: i, Reason: v.Reason})
		case fold.Duplicate:
			k.duplicates++
		}
	}
	return refused, nil
}

func (k *flowSink) item(it *flow.Item) {
	e := &k.enc
	head := record.Head{Flags: record.FlagImport, Name: it.Name, Source: k.flow, Time: it.Time, ID: it.ID}
	refused := ""
	switch it.Kind {
	case flow.Event:
		head.Kind = record.KindEvent
		if refused = k.c.cfg.refuses(it.Name, it.Attributes.Field("channel").Str); refused != "" {
			head.Flags |= record.FlagRefused
		}
	case flow.Profile:
		head.Kind = record.KindIdentify
	case flow.Object:
		head.Kind = record.KindObject
	}
	e.Begin(head)
	n := 0
	for _, id := range []string{it.UserID, it.AnonymousID} {
		if id != "" {
			n++
		}
	}
	e.Idents(n)
	if it.UserID != "" {
		e.Ident(fold.UserID, it.UserID)
	}
	if it.AnonymousID != "" {
		e.Ident(fold.AnonymousID, it.AnonymousID)
	}
	e.Attrs(len(it.Attributes.Fields))
	for _, f := range it.Attributes.Fields {
		e.Attr(f.Name, f.Value)
	}
	e.End([]byte(refused))
}

func (k *flowSink) cursor(state string, c flow.Cursor) error {
	body, err := json.Marshal(flowState{c, k.progress, k.now.UnixMicro()})
	if err != nil {
		return err
	}
	k.enc.Begin(record.Head{Kind: record.KindProgress, Name: k.flow, Source: state, ID: k.run})
	k.enc.Idents(0)
	k.enc.Attrs(0)
	k.enc.End(body)
	return nil
}

// close writes how a run ended.
func (k *flowSink) close(ctx context.Context, state string, c flow.Cursor) error {
	k.enc.Reset()
	if err := k.cursor(state, c); err != nil {
		return err
	}
	_, err := k.c.engine.Submit(ctx, k.enc.Submission(nil))
	return err
}
