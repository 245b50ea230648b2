package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/embedcdp/cdp/internal/celenv"
)

// Stats are what Build knows of the data. The estimates decide the order of work, never the answer; without them it knows
// nothing.
type Stats struct {
	Rows     uint64
	Segment  func(name string) uint64 // members
	HasEvent func(typ string) uint64  // rows with an event of the type

	// Lasting asks for a plan that narrows only by what time alone does not change, for a segment that is kept: who is no
	// candidate of it cannot become a member until something happens. Future tells whether there are events of a type
	// that are dated later than now; without it every type may have some.
	Lasting bool
	Future  func(typ string) bool
}

// Physical is a plan that package exec carries out: Root finds candidates, and where that is not exact the oracle decides
// about each.
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
	Of       Node        // of Kernel and Scan: what they decide
	Negated  bool        // Segment, Kernel, Scan: the rows for which it is false
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
	Kernel                // a condition about the profile by its columns; exact, and Anyone where a column does not keep what is declared
	Scan                  // a condition about events by their columns; likewise
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
		if op, ok := opposite[n.Op]; ok && !want && !isArith(n.Of) {
			n.Op = op
			return b.leaf(n, n.Text, true)
		}
		return b.leaf(n, n.Text, want)
	case Compare:
		if isArith(n.Left) || isArith(n.Right) {
			return b.leaf(n, n.Text, want)
		}
		if !want {
			n.Op = opposite[n.Op]
		}
		return b.leaf(n, n.Text, true)
	case Elements:
		return b.leaf(n, n.Text, want)
	case Quantifier:
		return b.leaf(n, n.Text, want)
	case Units:
		return b.leaf(n, n.Text, want)
	case Sequence:
		return b.leaf(n, n.Text, want)
	case Residual:
		b.fallback = append(b.fallback, n.Text.String())
	}
	return &Operator{Kind: Anyone, rows: b.stats.Rows}
}

// leaf takes a kernel where there is one.
func (b *builder) leaf(n Node, text celenv.Part, want bool) *Operator {
	if !covered(n) || b.stats.Lasting && moves(n, b.stats.Future) {
		return b.narrow(n, text, want)
	}
	op := &Operator{Kind: Kernel, Of: n, Negated: !want, rows: b.stats.Rows}
	if aboutEvents(n) {
		op.Kind = Scan
	}
	return op
}

// narrow finds the candidates of a condition over events: who has any event of a type, where somebody without one would
// not have the outcome asked for.
func (b *builder) narrow(n Node, text celenv.Part, want bool) *Operator {
	b.fallback = append(b.fallback, text.String())
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
	case Scan:
		return costEvents
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
	fmt.Fprintf(b, "%s%s\n", strings.Repeat("  ", depth), op.Line())
	for _, c := range op.Children {
		c.print(b, depth+1)
	}
}

// Line prints the operator without its children.
func (op *Operator) Line() string {
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
		return "kernel: " + not + op.Of.line()
	case Scan:
		return "scan: " + not + op.Of.line()
	case Intersect:
		return "intersect"
	}
	return "union"
}
