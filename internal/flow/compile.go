package flow

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// Opener opens a source at its start. Reading from it must end when ctx does. A run resumes faster, and knows the
// source's size, when what it returns is an io.Seeker too. Compile, Preview and Run each open the source once.
type Opener func(ctx context.Context, path string) (io.ReadCloser, error)

// Predicate is a compiled filter. column gives the current row's value of a column; the predicate must not keep it. An
// error is a reason to make the row a dead letter; a condition over an absent value is no error but false.
type Predicate func(column func(name string) value.Value) (bool, error)

// Hooks is what a flow gets from the platform.
type Hooks struct {
	// Openers by name. "" opens sources that name no opener; without it these are local files.
	Openers map[string]Opener
	// CompileFilter compiles the where of a filter over typed columns. Columns whose names are no identifiers are left out.
	CompileFilter func(where string, columns schema.Attrs) (Predicate, error)
	// Catalogue, when given, must declare what destinations write.
	Catalogue *schema.Catalogue
}

// Column is one typed column at a node.
type Column struct {
	Name string      `json:"name"`
	Type schema.Type `json:"type"`
}

// Node is one node of a compiled flow with the columns it gives. A destination's columns are the attributes it writes.
type Node struct {
	ID      string   `json:"id"`
	Kind    string   `json:"kind"` // csv, jsonl, filter, add, select, rename, events, profiles, objects
	Columns []Column `json:"columns"`
}

// Flow is a compiled dataflow. It is used by one goroutine at a time.
type Flow struct {
	def    Def
	open   func(context.Context) (io.ReadCloser, error)
	nodes  []Node
	source []Column // columns of the source: the first slots of a row
	width  int      // slots of a row
	after  [][]slotColumn
	steps  []step
	dests  []destination
}

// slotColumn is a column and its place in the row. Select and rename only change this table; no value is moved.
type slotColumn struct {
	Column
	slot int
}

// step is a filter or an add. The other actions do nothing when rows run.
type step struct {
	node    int
	filter  Predicate
	slots   map[string]int // columns a filter may ask for
	compute *expression
	into    int // slot of the computed column
}

// Compile validates a definition, opens its source to learn the columns, types every node and compiles the expressions.
func Compile(ctx context.Context, def Def, hooks Hooks) (*Flow, error) {
	if err := def.Validate(); err != nil {
		return nil, err
	}
	f := &Flow{def: def}
	if err := f.compile(ctx, hooks); err != nil {
		return nil, fmt.Errorf("dataflow %q: %w", def.Name, err)
	}
	return f, nil
}

// Nodes returns the source, the actions and the destinations in order.
func (f *Flow) Nodes() []Node { return slices.Clone(f.nodes) }

func (f *Flow) compile(ctx context.Context, hooks Hooks) error {
	if err := f.compileSource(ctx, hooks); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	ids := f.def.nodeIDs()
	columns := make([]slotColumn, len(f.source))
	for i, c := range f.source {
		columns[i] = slotColumn{c, i}
	}
	f.width = len(columns)
	f.addNode(ids[0], f.def.Source.Type, columns)
	for i, a := range f.def.Actions {
		var err error
		if columns, err = f.compileAction(a, columns, hooks); err != nil {
			return fmt.Errorf("%s: %w", a.place(i), err)
		}
		f.addNode(ids[1+i], a.kind(), columns)
	}
	for i, d := range f.def.Destinations {
		dest, err := compileDestination(f.def, d, columns, hooks.Catalogue)
		if err != nil {
			return fmt.Errorf("%s: %w", d.place(i), err)
		}
		dest.node, dest.id = len(f.nodes), ids[1+len(f.def.Actions)+i]
		f.dests = append(f.dests, dest)
		f.addNode(dest.id, d.kind(), dest.columns())
	}
	return nil
}

func (f *Flow) addNode(id, kind string, columns []slotColumn) {
	n := Node{ID: id, Kind: kind, Columns: make([]Column, len(columns))}
	for i, c := range columns {
		n.Columns[i] = c.Column
	}
	f.nodes = append(f.nodes, n)
	f.after = append(f.after, columns)
}

func (f *Flow) compileSource(ctx context.Context, hooks Hooks) error {
	s := f.def.Source
	open := hooks.Openers[s.Opener]
	if open == nil {
		if s.Opener != "" {
			names := slices.Sorted(maps.Keys(hooks.Openers))
			return fmt.Errorf("no opener is registered as %q%s", s.Opener, schema.DidYouMean(s.Opener, names))
		}
		open = openFile
	}
	f.open = func(ctx context.Context) (io.ReadCloser, error) { return open(ctx, s.Path) }
	in, err := openInput(ctx, f.open, nil)
	if err != nil {
		return err
	}
	defer in.close()
	f.source, err = readColumns(in, s)
	return err
}

func openFile(_ context.Context, path string) (io.ReadCloser, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory: name one file", path)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// readColumns finds the source's columns from its definition and the start of the file.
func readColumns(in *input, s Source) ([]Column, error) {
	if s.Type == "jsonl" {
		return newJSONLReader(in, nil).columnsOf(s.Types)
	}
	names := s.Columns
	if len(names) == 0 {
		var err error
		if names, err = newCSVReader(in, s).header(); err != nil {
			return nil, err
		}
	}
	columns := make([]Column, len(names))
	for i, n := range names {
		t := s.Types[n]
		if t == "" {
			t = schema.Text
		}
		columns[i] = Column{n, t}
	}
	for _, n := range slices.Sorted(maps.Keys(s.Types)) {
		if !slices.Contains(names, n) {
			return nil, fmt.Errorf("types: %w", unknownColumn(n, names))
		}
	}
	return columns, nil
}

// reader opens the source for a run at the cursor, or at its first row.
func (f *Flow) reader(ctx context.Context, from *Cursor) (rowReader, error) {
	in, err := openInput(ctx, f.open, from)
	if err != nil {
		return nil, err
	}
	if f.def.Source.Type == "jsonl" {
		return newJSONLReader(in, f.source), nil
	}
	r := newCSVReader(in, f.def.Source)
	r.columns = f.source
	if len(f.def.Source.Columns) == 0 && (from == nil || from.Offset == 0) {
		columns, err := readColumns(in, f.def.Source)
		if err == nil && !slices.Equal(columns, f.source) {
			err = fmt.Errorf("the columns of the file changed since the dataflow was compiled; compile it again")
		}
		if err != nil {
			in.close()
			return nil, err
		}
	}
	return r, nil
}

// compileAction adds the action's step and returns the columns behind it.
func (f *Flow) compileAction(a Action, columns []slotColumn, hooks Hooks) ([]slotColumn, error) {
	switch {
	case a.Filter != nil:
		return columns, f.compileFilter(a.Filter, columns, hooks)
	case a.Add != nil:
		if _, ok := findColumn(columns, a.Add.Column); ok {
			return nil, fmt.Errorf("the column %q is already there: choose another name, or rename the old one first", a.Add.Column)
		}
		e, err := compileExpression(a.Add.Value, a.Add.Type, columns)
		if err != nil {
			return nil, fmt.Errorf("value: %w", err)
		}
		added := slotColumn{Column{a.Add.Column, a.Add.Type}, f.width}
		f.steps = append(f.steps, step{node: len(f.nodes), compute: e, into: f.width})
		f.width++
		return append(slices.Clone(columns), added), nil
	case a.Select != nil:
		kept := make([]slotColumn, len(a.Select.Columns))
		for i, name := range a.Select.Columns {
			c, err := needColumn(columns, name)
			if err != nil {
				return nil, err
			}
			kept[i] = c
		}
		return kept, nil
	default:
		return renameColumns(a.Rename.Columns, columns)
	}
}

func (f *Flow) compileFilter(a *Filter, columns []slotColumn, hooks Hooks) error {
	if hooks.CompileFilter == nil {
		return fmt.Errorf("no filter language is registered")
	}
	attrs, slots := schema.Attrs{}, map[string]int{}
	for _, c := range columns {
		if schema.CheckName("a column", c.Name) == nil {
			attrs[c.Name] = schema.Attr{Type: c.Type}
			slots[c.Name] = c.slot
		}
	}
	p, err := hooks.CompileFilter(a.Where, attrs)
	if err != nil {
		return fmt.Errorf("where: %w", err)
	}
	f.steps = append(f.steps, step{node: len(f.nodes), filter: p, slots: slots})
	return nil
}

func renameColumns(names map[string]string, columns []slotColumn) ([]slotColumn, error) {
	renamed, after := slices.Clone(columns), make([]string, len(columns))
	for _, old := range slices.Sorted(maps.Keys(names)) {
		if _, err := needColumn(columns, old); err != nil {
			return nil, err
		}
	}
	for i := range renamed {
		if name, ok := names[renamed[i].Name]; ok {
			renamed[i].Name = name
		}
		after[i] = renamed[i].Name
	}
	return renamed, checkColumns(after)
}

func findColumn(columns []slotColumn, name string) (slotColumn, bool) {
	for _, c := range columns {
		if c.Name == name {
			return c, true
		}
	}
	return slotColumn{}, false
}

func needColumn(columns []slotColumn, name string) (slotColumn, error) {
	c, ok := findColumn(columns, name)
	if ok {
		return c, nil
	}
	known := make([]string, len(columns))
	for i := range columns {
		known[i] = columns[i].Name
	}
	return c, unknownColumn(name, known)
}
