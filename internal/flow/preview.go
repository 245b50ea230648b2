package flow

import (
	"context"
	"fmt"
	"io"

	"github.com/embedcdp/cdp/internal/value"
)

// Preview is what the first rows of the source become at each node.
type Preview struct {
	Nodes []NodePreview
	Dead  []DeadLetter // the first n of the rows that were read for it
	Rows  int64        // how many that were
}

// NodePreview holds a node's first rows. A row has one value for each column of the node; a destination has items as
// well, and its rows hold the attributes it writes.
type NodePreview struct {
	Node
	Rows  [][]value.Value
	Items []Item
}

// previewRows is how many rows of the source a preview reads at most to find rows that pass the filters.
const previewRows = 10_000

// Preview shows the first n rows of each node. It writes nothing. It reads on while a destination has fewer than n, up to
// 10,000 rows of the source.
func (f *Flow) Preview(ctx context.Context, n int) (Preview, error) {
	r, err := f.reader(ctx, nil)
	if err != nil {
		return Preview{}, fmt.Errorf("dataflow %q: source: %w", f.def.Name, err)
	}
	defer r.input().close()
	out := Preview{Nodes: make([]NodePreview, len(f.nodes))}
	for i := range f.nodes {
		out.Nodes[i].Node = f.nodes[i]
	}
	p := newPipeline(f, r, nil)
	p.watch = func(node int, row []value.Value, item *Item) { out.add(f, node, n, row, item) }
	var b Batch
	for out.Rows < previewRows && out.wants(f, n) {
		b.Items = b.Items[:0]
		err := p.next(&b)
		if err == io.EOF {
			break
		}
		if err != nil {
			return Preview{}, fmt.Errorf("dataflow %q: source: %w", f.def.Name, err)
		}
		out.Rows++
		if len(b.Dead) > n {
			b.Dead = b.Dead[:n]
		}
	}
	out.Dead = b.Dead
	return out, nil
}

func (o *Preview) wants(f *Flow, n int) bool {
	for _, d := range f.dests {
		if len(o.Nodes[d.node].Rows) < n {
			return true
		}
	}
	return false
}

func (o *Preview) add(f *Flow, node, n int, row []value.Value, item *Item) {
	at := &o.Nodes[node]
	if len(at.Rows) >= n {
		return
	}
	values := make([]value.Value, len(f.after[node]))
	for i, c := range f.after[node] {
		values[i] = row[c.slot]
	}
	at.Rows = append(at.Rows, values)
	if item != nil {
		at.Items = append(at.Items, *item)
	}
}
