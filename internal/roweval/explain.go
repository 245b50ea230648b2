package roweval

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/value"
)

// Node explains one part of an expression.
type Node struct {
	Text     string      // the part as CEL
	Value    string      // what it is: a value, "3 events", "absent", or "error: …"
	Plain    value.Value // the value itself; absent for events and where there is none
	Events   []string    // with a list of events: their ids, oldest first, the newest 20 of more
	Children []*Node     // what it is made of; bodies of macros are not listed, since they have a value for every element
}

const explainedEvents = 20 // event ids named

// Explain evaluates every part of the expression on its own. It is for reading, not for speed.
func (p *Program) Explain(in Input) *Node {
	if in.Person != nil {
		in.Person = &remembered{Person: in.Person, events: map[string][]Event{}}
	}
	return p.explain(p.expr.Surface(), in)
}

// remembered is a person whose events are looked up once for all parts and instants of an explanation.
type remembered struct {
	Person
	events map[string][]Event
}

func (r *remembered) Events(typ string) []Event {
	list, ok := r.events[typ]
	if !ok {
		list = r.Person.Events(typ)
		r.events[typ] = list
	}
	return list
}

func (p *Program) explain(e ast.Expr, in Input) *Node {
	n := &Node{Text: p.expr.Text(e), Value: "not evaluated"}
	if part, ok := p.expr.Part(e.ID()); ok {
		n.Value, n.Plain, n.Events = p.show(part, in)
		if n.Value == "[]" && celenv.IsEventList(p.expr.Type(e.ID())) {
			n.Value = "0 events"
		}
	}
	for _, child := range parts(e) {
		n.Children = append(n.Children, p.explain(child, in))
	}
	return n
}

func (p *Program) show(part cel.Program, in Input) (shown string, plain value.Value, events []string) {
	out, r := p.run(part, in)
	switch {
	case errors.Is(r.Err, ErrAbsent):
		return "absent", plain, nil
	case r.Err != nil:
		return "error: " + r.Err.Error(), plain, nil
	}
	if l, ok := out.(traits.Lister); ok {
		if ids, ok := eventIDs(l); ok {
			n := len(ids)
			shown := fmt.Sprintf("%d events", n)
			if n == 1 {
				shown = "1 event"
			}
			return shown, plain, ids[max(0, n-explainedEvents):]
		}
	}
	if _, isRecord := out.(*record); !isRecord {
		plain, _ = fromCEL(out)
	}
	return text(out), plain, nil
}

func text(v ref.Val) string {
	if r, ok := v.(*record); ok {
		if r.ev != nil {
			return "event " + r.ev.ID()
		}
		return r.plain().String()
	}
	out, err := fromCEL(v)
	if err != nil {
		return "error: " + err.Error()
	}
	return out.String()
}

// eventIDs returns the ids of a list's events, when that is what it holds.
func eventIDs(l traits.Lister) (ids []string, ok bool) {
	for i := range int(l.Size().(types.Int)) {
		r, ok := l.Get(types.Int(i)).(*record)
		if !ok || r.ev == nil {
			return nil, false
		}
		ids = append(ids, r.ev.ID())
	}
	return ids, len(ids) > 0
}

// parts are the sub-expressions worth a line of their own.
func parts(e ast.Expr) []ast.Expr {
	var candidates []ast.Expr
	switch e.Kind() {
	case ast.SelectKind:
		if !e.AsSelect().IsTestOnly() {
			candidates = []ast.Expr{e.AsSelect().Operand()}
		}
	case ast.CallKind:
		c := e.AsCall()
		if c.IsMemberFunction() {
			candidates = append(candidates, c.Target())
		}
		if !c.IsMemberFunction() || !celenv.IsMacro(c.FunctionName()) {
			candidates = append(candidates, c.Args()...)
		}
	case ast.ListKind:
		candidates = e.AsList().Elements()
	}
	return slices.DeleteFunc(slices.Clone(candidates), func(e ast.Expr) bool {
		return e.Kind() == ast.LiteralKind || e.Kind() == ast.IdentKind && celenv.IsRoot(e.AsIdent()) ||
			e.Kind() == ast.ListKind && len(parts(e)) == 0
	})
}

// String prints the tree, a part a line, indented by depth.
func (n *Node) String() string {
	var b strings.Builder
	n.print(&b, 0)
	return b.String()
}

func (n *Node) print(b *strings.Builder, depth int) {
	fmt.Fprintf(b, "%s%s = %s", strings.Repeat("  ", depth), n.Text, n.Value)
	if len(n.Events) > 0 {
		fmt.Fprintf(b, ": %s", strings.Join(n.Events, ", "))
	}
	b.WriteByte('\n')
	for _, c := range n.Children {
		c.print(b, depth+1)
	}
}
