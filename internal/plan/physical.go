package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Stats are estimates that decide the order of work, never the answer. The zero Stats knows nothing.
type Stats struct {
	Rows     uint64
	Segment  func(name string) uint64 // members
	HasEvent func(typ string) uint64  // rows with an event of the type
}

// Physical is a plan that Run carries out: Root finds candidates, and where that is not exact the oracle decides each.
type Physical struct {
	Root     *Operator
	Fallback []string // the parts that only the oracle decides, in CEL; empty when no row needs it
}

// Operator finds rows. Its set holds at least the rows for which its part of the expression has the outcome asked for;
// an exact one holds no others.
type Operator struct {
	Kind     Kind
	Children []*Operator // of Intersect and Union
	Name     string      // segment or event type
	Attr     Predicate   // of an Attr
	Negated  bool        // Segment, and Kernel with Has: the rows that are not in it
	rows     uint64
}

// Kind is what an operator does.
type Kind uint8

const (
	None      Kind = iota // no row; exact
	All                   // every row; exact
	Anyone                // every row, since nothing is known: the oracle decides
	Segment               // members of a segment; exact
	HasEvent              // rows with any event of a type, which the part implies; not exact
	Kernel                // an attribute predicate by the caller's column; exact, and Anyone when there is no kernel for it
	Intersect             // exact when all children are
	Union                 // exact when all children are
)

// Build chooses the operators for a simplified plan.
func Build(n Node, stats Stats) Physical {
	b := builder{stats: stats}
	root := b.build(n, true)
	return Physical{Root: root, Fallback: b.fallback}
}

type builder struct {
	stats    Stats
	fallback []string
}

// build makes the operator for the rows where n is true, or those where it is false.
func (b *builder) build(n Node, want bool) *Operator {
	switch n := n.(type) {
	case Const:
		if bool(n) == want {
			return &Operator{Kind: All, rows: b.stats.Rows}
		}
		return &Operator{Kind: None}
	case Not:
		return b.build(n.Of, !want)
	case And:
		return b.combine(n.Of, want, want)
	case Or:
		return b.combine(n.Of, want, !want)
	case InSegment:
		op := &Operator{Kind: Segment, Name: string(n), Negated: !want, rows: b.estimate(b.stats.Segment, string(n))}
		if op.Negated {
			op.rows = b.stats.Rows - min(op.rows, b.stats.Rows)
		}
		return op
	case Predicate:
		if _, ok := n.Of.(Attr); ok {
			if !want {
				if op, ok := opposite[n.Op]; ok {
					n.Op, want = op, true
				}
			}
			return &Operator{Kind: Kernel, Attr: n, Negated: !want, rows: b.stats.Rows}
		}
		return b.narrow(n, n.Text, want)
	case Compare:
		return b.narrow(n, n.Text, want)
	case Quantifier:
		return b.narrow(n, n.Text, want)
	case Units:
		return b.narrow(n, n.Text, want)
	case Sequence:
		return b.narrow(n, n.Text, want)
	case Residual:
		b.fallback = append(b.fallback, n.Text)
	}
	return &Operator{Kind: Anyone, rows: b.stats.Rows}
}

// narrow finds the candidates of a condition over events: who has any event of a type, where somebody without one would
// not have the outcome asked for.
func (b *builder) narrow(n Node, text string, want bool) *Operator {
	b.fallback = append(b.fallback, text)
	need := map[bool]Outcome{true: IsTrue, false: IsFalse}[want]
	for _, typ := range typesOf(n) {
		if o := without(n, typ); o != need && o != isUnknown {
			return &Operator{Kind: HasEvent, Name: typ, rows: b.estimate(b.stats.HasEvent, typ)}
		}
	}
	return &Operator{Kind: Anyone, rows: b.stats.Rows}
}

func (b *builder) estimate(f func(string) uint64, name string) uint64 {
	if f == nil {
		return b.stats.Rows
	}
	return f(name)
}

// combine intersects or unites the parts. The smallest sets come first in an intersection, after the ladder of cost.
func (b *builder) combine(of []Node, want, intersect bool) *Operator {
	op := &Operator{Kind: Union}
	if intersect {
		op.Kind = Intersect
		op.rows = b.stats.Rows
	}
	for _, n := range of {
		c := b.build(n, want)
		op.Children = append(op.Children, c)
		if intersect {
			op.rows = min(op.rows, c.rows)
		} else {
			op.rows = min(op.rows+c.rows, b.stats.Rows)
		}
	}
	if intersect {
		slices.SortStableFunc(op.Children, func(x, y *Operator) int {
			if d := int(x.ladder()) - int(y.ladder()); d != 0 {
				return d
			}
			switch {
			case x.rows < y.rows:
				return -1
			case x.rows > y.rows:
				return 1
			}
			return 0
		})
	}
	return op
}

// ladder is the step of the cost ladder an operator stands on.
func (op *Operator) ladder() int {
	switch op.Kind {
	case None, All:
		return costConst
	case Segment, HasEvent:
		return costBitmap
	case Kernel:
		return costKernel
	case Anyone:
		return costRow
	}
	step := costConst
	for _, c := range op.Children {
		step = max(step, c.ladder())
	}
	return step
}

// String prints the operators, and what falls back to the oracle.
func (p Physical) String() string {
	var b strings.Builder
	if len(p.Fallback) > 0 {
		b.WriteString("row by row on the survivors, for\n")
		for _, f := range p.Fallback {
			fmt.Fprintf(&b, "  | %s\n", f)
		}
	}
	p.Root.print(&b, 0)
	return b.String()
}

func (op *Operator) print(b *strings.Builder, depth int) {
	fmt.Fprintf(b, "%s%s\n", strings.Repeat("  ", depth), op.line())
	for _, c := range op.Children {
		c.print(b, depth+1)
	}
}

func (op *Operator) line() string {
	not := ""
	if op.Negated {
		not = "not "
	}
	switch op.Kind {
	case None:
		return "nobody"
	case All:
		return "everybody"
	case Anyone:
		return "anybody (not narrowed)"
	case Segment:
		return fmt.Sprintf("bitmap: %sin segment %q", not, op.Name)
	case HasEvent:
		return "bitmap: has an event " + op.Name + " (candidates)"
	case Kernel:
		return "kernel: " + not + op.Attr.line()
	case Intersect:
		return "intersect"
	}
	return "union"
}
