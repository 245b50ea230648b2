package journey

// This file prints a definition as text, node after node, for people and for golden tests.

import (
	"fmt"
	"strings"
)

// String prints the journey: its head, then each node with its ways out.
func (d *Def) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "journey %s", d.Name)
	if d.Version > 0 {
		fmt.Fprintf(&b, " version %d", d.Version)
	}
	b.WriteByte('\n')
	switch {
	case d.Entry.Event != "":
		fmt.Fprintf(&b, "  enter on %s%s\n", d.Entry.Event, clause("where", d.Entry.Where))
	case d.Entry.Entered != "":
		fmt.Fprintf(&b, "  enter on entering segment %s\n", d.Entry.Entered)
	default:
		fmt.Fprintf(&b, "  enter on leaving segment %s\n", d.Entry.Left)
	}
	if d.Audience != "" {
		fmt.Fprintf(&b, "  audience %s\n", d.Audience)
	}
	one := "  one at a time a person"
	if d.Entry.Key != "" {
		one += " and " + d.Entry.Key
	}
	switch d.Reentry {
	case "":
		b.WriteString(one + ", again after leaving\n")
	case "once":
		b.WriteString(one + ", once\n")
	default:
		b.WriteString(one + ", again " + d.Reentry + " after leaving\n")
	}
	for _, g := range d.Goals {
		fmt.Fprintf(&b, "  goal %s on %s%s\n", g.Name, g.Event, clause("where", g.Where))
	}
	for _, x := range d.Exits {
		if x.When != "" {
			fmt.Fprintf(&b, "  exit %s when %s\n", x.Reason, x.When)
		} else {
			fmt.Fprintf(&b, "  exit %s on %s%s\n", x.Reason, x.Event, clause("where", x.Where))
		}
	}
	for i := range d.Nodes {
		d.Nodes[i].print(&b)
	}
	return b.String()
}

func (n *Node) print(b *strings.Builder) {
	fmt.Fprintf(b, "%s: ", n.ID)
	switch n.Type {
	case Delay:
		fmt.Fprintf(b, "delay %s -> %s\n", n.For, n.Next)
	case Send:
		fmt.Fprintf(b, "send %s by %s -> %s\n", n.Template, n.Channel, n.Next)
	case GoalNode:
		fmt.Fprintf(b, "goal %s\n", n.Goal)
	case ExitNode:
		fmt.Fprintf(b, "exit%s\n", clause("because", n.Reason))
	case Wait:
		fmt.Fprintf(b, "wait\n")
		for i, br := range n.Branches {
			fmt.Fprintf(b, "  %s: %s%s -> %s\n", br.label(i), br.Event, clause("where", br.Where), br.Next)
		}
		fmt.Fprintf(b, "  after %s -> %s\n", n.For, n.Else)
	case If:
		fmt.Fprintf(b, "if\n")
		for i, br := range n.Branches {
			fmt.Fprintf(b, "  %s: %s -> %s\n", br.label(i), br.Where, br.Next)
		}
		fmt.Fprintf(b, "  else -> %s\n", n.Else)
	default:
		fmt.Fprintf(b, "%s\n", n.Type)
	}
}

func clause(word, s string) string {
	if s == "" {
		return ""
	}
	return " " + word + " " + s
}
