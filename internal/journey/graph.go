package journey

// This file checks the shape of the graph: every way leads somewhere, every node is on a way, every way can end, and
// no way goes round without time passing.

import (
	"slices"
	"strings"

	"github.com/embedcdp/cdp/internal/schema"
)

// edge is one way out of a node; field is its name in messages.
type edge struct{ field, to string }

// edges returns the ways out of a node that name a node.
func (n *Node) edges() []edge {
	var out []edge
	for i := range n.Branches {
		out = append(out, edge{"branch " + n.Branches[i].label(i), n.Branches[i].Next})
	}
	out = append(out, edge{"next", n.Next}, edge{"else", n.Else})
	return slices.DeleteFunc(out, func(e edge) bool { return e.to == "" })
}

func (c *compiler) graph() {
	nodes := c.out.nodes
	ids := make([]string, 0, len(nodes))
	for i := range c.def.Nodes {
		ids = append(ids, c.def.Nodes[i].ID)
	}
	back := make(map[string][]string, len(nodes)) // node → those that lead to it
	var ended []string
	for i := range c.def.Nodes {
		n := &c.def.Nodes[i]
		for _, e := range n.edges() {
			if nodes[e.to] == nil {
				c.fail("node \""+n.ID+"\": ", "%s leads to %.80q, which is no node%s", e.field, e.to, schema.DidYouMean(e.to, ids))
			}
			back[e.to] = append(back[e.to], n.ID)
		}
		if n.Type == GoalNode || n.Type == ExitNode {
			ended = append(ended, n.ID)
		}
	}
	if len(c.errs) > 0 {
		return // what follows would only repeat it
	}
	reached := flood(ids[:1], func(id string) []string { return targets(nodes[id].Node) })
	ends := flood(ended, func(id string) []string { return back[id] })
	for _, id := range ids {
		if !reached[id] {
			c.fail("node \""+id+"\": ", "nothing leads here; connect it or remove it")
		} else if !ends[id] {
			c.fail("node \""+id+"\": ", "no way from here comes to an exit or a goal")
		}
	}
	if loop := c.instantLoop(ids); loop != nil {
		c.fail("node \""+loop[0]+"\": ", "a loop without a delay or a wait: %s", strings.Join(loop, " -> "))
	}
}

func targets(n *Node) []string {
	edges := n.edges()
	out := make([]string, len(edges))
	for i := range edges {
		out[i] = edges[i].to
	}
	return out
}

func flood(from []string, next func(string) []string) map[string]bool {
	seen := make(map[string]bool)
	todo := slices.Clone(from)
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !seen[id] {
			seen[id] = true
			todo = append(todo, next(id)...)
		}
	}
	return seen
}

// instantLoop returns a loop in which no node takes time, its first node repeated at the end, or nil.
func (c *compiler) instantLoop(ids []string) []string {
	state := make(map[string]int, len(ids)) // 0 new, 1 on the path, 2 done
	var path []string
	var visit func(id string) []string
	visit = func(id string) []string {
		n := c.out.nodes[id].Node
		if state[id] == 2 || n.Type == Delay || n.Type == Wait {
			return nil
		}
		if state[id] == 1 {
			return append(slices.Clone(path[slices.Index(path, id):]), id)
		}
		state[id] = 1
		path = append(path, id)
		for _, to := range targets(n) {
			if loop := visit(to); loop != nil {
				return loop
			}
		}
		path = path[:len(path)-1]
		state[id] = 2
		return nil
	}
	for _, id := range ids {
		if loop := visit(id); loop != nil {
			return loop
		}
	}
	return nil
}
