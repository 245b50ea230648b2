package flow

import (
	"io"
	"slices"

	"github.com/embedcdp/cdp/internal/value"
)

// pipeline takes rows one by one from the reader through the steps into the destinations. It works in one row of slots
// that is used again for each row, so a row costs the text of its record and the items made of it.
type pipeline struct {
	f       *Flow
	r       rowReader
	row     []value.Value
	slots   map[string]int // of the filter that runs
	column  func(name string) value.Value
	scratch []byte
	counts  []Count
	cursor  Cursor

	// watch, when set, is told about each row as it leaves a node.
	watch func(node int, row []value.Value, item *Item)
}

func newPipeline(f *Flow, r rowReader, from *Cursor) *pipeline {
	p := &pipeline{f: f, r: r, row: make([]value.Value, f.width)}
	p.column = func(name string) value.Value {
		if slot, ok := p.slots[name]; ok {
			return p.row[slot]
		}
		return value.Value{}
	}
	if from != nil {
		p.counts = slices.Clone(from.Nodes)
	} else {
		p.counts = make([]Count, len(f.nodes))
		for i, n := range f.nodes {
			p.counts[i].ID = n.ID
		}
	}
	p.cursor.Def = f.def.fingerprint()
	return p
}

// maxBatchBytes is how many bytes of the source a batch takes at most, give or take a row.
const maxBatchBytes = 2 << 20

// fill reads rows until the batch has size items and dead letters, or enough bytes, or the file ends. The cursor's Done
// tells the last batch.
func (p *pipeline) fill(size int) (Batch, error) {
	in := p.r.input()
	start := in.offset()
	var b Batch
	for len(b.Items)+len(b.Dead) < size && in.offset()-start < maxBatchBytes {
		err := p.next(&b)
		if err == io.EOF {
			p.cursor.Done = true
			break
		}
		if err != nil {
			return Batch{}, err
		}
	}
	p.cursor.mark(in)
	b.Cursor = p.cursor
	b.Cursor.Nodes = slices.Clone(p.counts)
	return b, nil
}

// next takes one row through.
func (p *pipeline) next(b *Batch) error {
	rec, err := p.r.next(p.row)
	if err != nil {
		return err
	}
	p.counts[0].In++
	if rec.reason != "" {
		p.reject(b, 0, rec, rec.reason)
		return nil
	}
	p.pass(0, nil)
	step := 0
	for node := 1; node <= len(p.f.def.Actions); node++ {
		p.counts[node].In++
		if step < len(p.f.steps) && p.f.steps[step].node == node {
			keep, problem := p.run(&p.f.steps[step])
			if problem != nil {
				p.reject(b, node, rec, problem.Error())
				return nil
			}
			if !keep {
				return nil
			}
			step++
		}
		p.pass(node, nil)
	}
	for i := range p.f.dests {
		d := &p.f.dests[i]
		p.counts[d.node].In++
		item, problem := d.item(p.row, rec, &p.scratch)
		if problem != "" {
			p.reject(b, d.node, rec, problem)
			continue
		}
		b.Items = append(b.Items, item)
		p.pass(d.node, &item)
	}
	return nil
}

func (p *pipeline) run(s *step) (keep bool, problem error) {
	if s.filter != nil {
		p.slots = s.slots
		return s.filter(p.column)
	}
	v, err := s.compute.eval(p.row)
	p.row[s.into] = v
	return true, err
}

func (p *pipeline) pass(node int, item *Item) {
	p.counts[node].Out++
	if p.watch != nil {
		p.watch(node, p.row, item)
	}
}

func (p *pipeline) reject(b *Batch, node int, rec record, reason string) {
	p.counts[node].Rejected++
	b.Dead = append(b.Dead, DeadLetter{Line: rec.line, Node: p.f.nodes[node].ID, Reason: reason, Row: deadText(rec.raw)})
}
