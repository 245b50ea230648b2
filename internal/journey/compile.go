package journey

// This file checks a definition and turns it into a stepper. Every problem is reported, each with its place.

import (
	"errors"
	"fmt"
	"slices"

	"github.com/embedcdp/cdp/internal/schema"
)

// Scope says what a condition may name besides the profile.
type Scope struct {
	Trigger string // the type of the event that started the journey, named `event`; "" when a segment did
	Event   string // the type of the arriving event, named `e`; "" when none arrives
}

// Moment is what a condition is asked about. Person, Trigger and Event are the caller's own and pass through unread.
type Moment struct {
	At      int64 // the instant of the step, microseconds
	Person  any   // the profile as of the step
	Trigger any   // the event that started the journey
	Event   any   // the arriving event; nil when none arrives
}

// Condition answers a compiled expression. An expression that ends in an error (an absent value) answers false.
type Condition func(Moment) bool

// Hooks connect a definition to what exists around it. Compile is required. A list that is nil is not checked.
type Hooks struct {
	Compile    func(s Scope, src string) (Condition, error) // its errors say line:column first; they are kept as they are
	Events     func() []string                              // declared event types
	Attributes func(event string) []string                  // attributes of an event type
	Segments   func() []string
	Channels   func() []string
	Templates  func(channel string) []string
}

// Journey is a checked definition, ready to step. It is immutable and safe for concurrent use.
type Journey struct {
	def      *Def
	where    Condition // nil: always
	audience Condition // nil: everybody
	again    int64     // time between leaving and coming back; forever when once
	once     bool
	goals    []Condition // by goal; nil: always
	exits    []Condition // by exit; nil: always
	nodes    map[string]*node
}

type node struct {
	*Node
	stay  int64       // delay, wait: microseconds
	conds []Condition // by branch; nil: always
}

// Def returns the definition. It is not to be changed.
func (j *Journey) Def() *Def { return j.def }

// Reentry returns how long after leaving a person may come back, in microseconds, or that it is once.
func (j *Journey) Reentry() (again int64, once bool) { return j.again, j.once }

// Compile validates a definition and prepares it for stepping. It keeps d, which is not to be changed afterwards.
func Compile(d *Def, h Hooks) (*Journey, error) {
	c := compiler{def: d, hooks: h, out: &Journey{def: d, nodes: make(map[string]*node, min(len(d.Nodes), MaxNodes))}}
	if err := checkName(d.Name); err != nil {
		return nil, fmt.Errorf("journey %q: %w", d.Name, err)
	}
	c.limits()
	if len(c.errs) == 0 {
		c.header()
		c.ends()
		for i := range d.Nodes {
			c.node(&d.Nodes[i])
		}
		c.graph()
	}
	if len(c.errs) > 0 {
		return nil, errors.Join(c.errs...)
	}
	return c.out, nil
}

type compiler struct {
	def   *Def
	hooks Hooks
	out   *Journey
	errs  []error
}

// fail notes a problem; place is "" or ends in ": ".
func (c *compiler) fail(place, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("journey %q: %s%w", c.def.Name, place, fmt.Errorf(format, args...)))
}

func (c *compiler) limits() {
	d := c.def
	switch {
	case len(d.Nodes) == 0:
		c.fail("", "has no nodes; the shortest journey is one exit node")
	case len(d.Nodes) > MaxNodes:
		c.fail("", "has %d nodes, the limit is %d", len(d.Nodes), MaxNodes)
	case len(d.Goals) > MaxGoals:
		c.fail("", "has %d goals, the limit is %d", len(d.Goals), MaxGoals)
	case len(d.Exits) > MaxExits:
		c.fail("", "has %d exits, the limit is %d", len(d.Exits), MaxExits)
	}
}

func (c *compiler) header() {
	d, e := c.def, c.def.Entry
	kinds := 0
	for _, s := range []string{e.Event, e.Entered, e.Left} {
		if s != "" {
			kinds++
		}
	}
	if kinds != 1 {
		c.fail("entry: ", "name exactly one of event, entered and left (it has %d)", kinds)
	}
	if e.Event != "" {
		c.known("entry: ", "event type", e.Event, c.hooks.Events)
		if e.Key != "" && c.hooks.Attributes != nil {
			c.known("entry: key: ", "attribute", e.Key, func() []string { return c.hooks.Attributes(e.Event) })
		}
	} else if e.Where != "" || e.Key != "" {
		c.fail("entry: ", "where and key need an event; use audience for a condition over the profile")
	}
	for _, s := range []string{e.Entered, e.Left} {
		if s != "" {
			c.known("entry: ", "segment", s, c.hooks.Segments)
		}
	}
	c.out.where = c.compile("entry: where: ", Scope{Trigger: e.Event}, e.Where)
	c.out.audience = c.compile("audience: ", Scope{}, d.Audience)
	switch d.Reentry {
	case "":
	case "once":
		c.out.once = true
	default:
		stay, err := ParseDuration(d.Reentry)
		if err != nil {
			c.fail("reentry: ", `%w; or write "once"`, err)
		}
		c.out.again = stay
	}
}

func (c *compiler) ends() {
	trigger := c.def.Entry.Event
	var names []string
	for i, g := range c.def.Goals {
		place := fmt.Sprintf("goal %q: ", g.Name)
		if err := checkName(g.Name); err != nil {
			place = fmt.Sprintf("goal %d: ", i+1)
			c.fail(place+"name: ", "%w", err)
		}
		if slices.Contains(names, g.Name) {
			c.fail(place, "two goals have this name")
		}
		names = append(names, g.Name)
		c.event(place, g.Event)
		c.out.goals = append(c.out.goals, c.compile(place+"where: ", Scope{trigger, g.Event}, g.Where))
	}
	for i, x := range c.def.Exits {
		place := fmt.Sprintf("exit %d: ", i+1)
		c.reason(place, x.Reason)
		var cond Condition
		switch {
		case x.Event != "" && x.When != "":
			c.fail(place, "has an event and a when; make two exits of it")
		case x.Event != "":
			c.event(place, x.Event)
			cond = c.compile(place+"where: ", Scope{trigger, x.Event}, x.Where)
		case x.When == "":
			c.fail(place, "needs an event, or a when (a condition over the profile)")
		case x.Where != "":
			c.fail(place, "where needs an event; a condition over the profile goes into when")
		default:
			cond = c.compile(place+"when: ", Scope{Trigger: trigger}, x.When)
		}
		c.out.exits = append(c.out.exits, cond)
	}
}

// shapes says which fields each node type has; the rest must be empty.
var shapes = map[Type]struct{ stay, branches, send, goal, reason, next, els bool }{
	Delay:    {stay: true, next: true},
	Wait:     {stay: true, branches: true, els: true},
	If:       {branches: true, els: true},
	Send:     {send: true, next: true},
	GoalNode: {goal: true},
	ExitNode: {reason: true},
}

func (c *compiler) node(n *Node) {
	place := fmt.Sprintf("node %.80q: ", n.ID)
	if err := checkName(n.ID); err != nil {
		c.fail(place+"id: ", "%w", err)
		return
	}
	if c.out.nodes[n.ID] != nil {
		c.fail(place, "two nodes have this id")
		return
	}
	out := &node{Node: n}
	c.out.nodes[n.ID] = out
	shape, ok := shapes[n.Type]
	if !ok {
		c.fail(place, "unknown type %.80q%s", n.Type, schema.DidYouMean(string(n.Type), typeNames()))
		return
	}
	c.field(place, n, "for", n.For != "", shape.stay, true)
	c.field(place, n, "branches", len(n.Branches) > 0, shape.branches, true)
	c.field(place, n, "channel", n.Channel != "", shape.send, true)
	c.field(place, n, "template", n.Template != "", shape.send, true)
	c.field(place, n, "goal", n.Goal != "", shape.goal, true)
	c.field(place, n, "reason", n.Reason != "", shape.reason, false)
	c.field(place, n, "next", n.Next != "", shape.next, true)
	c.field(place, n, "else", n.Else != "", shape.els, true)
	if n.For != "" {
		stay, err := ParseDuration(n.For)
		if err != nil {
			c.fail(place+"for: ", "%w", err)
		}
		out.stay = stay
	}
	if n.Channel != "" && c.known(place, "channel", n.Channel, c.hooks.Channels) && n.Template != "" && c.hooks.Templates != nil {
		c.known(place, "template", n.Template, func() []string { return c.hooks.Templates(n.Channel) })
	}
	if n.Goal != "" {
		if err := checkName(n.Goal); err != nil {
			c.fail(place+"goal: ", "%w", err)
		}
	}
	if n.Reason != "" {
		c.reason(place, n.Reason)
	}
	if len(n.Branches) > MaxBranches {
		c.fail(place, "has %d branches, the limit is %d", len(n.Branches), MaxBranches)
		return
	}
	for i := range n.Branches {
		out.conds = append(out.conds, c.branch(n, i))
	}
}

// field checks that a field is there where its type needs it, and not there where its type has none.
func (c *compiler) field(place string, n *Node, name string, given, has, needed bool) {
	switch {
	case given && !has:
		c.fail(place, "a node of type %s has no field %q", n.Type, name)
	case !given && has && needed && (name == "next" || name == "else"):
		c.fail(place, "the path ends here: %q names no node; let it lead to a node of type exit", name)
	case !given && has && needed:
		c.fail(place, "a node of type %s needs the field %q", n.Type, name)
	}
}

func (c *compiler) branch(n *Node, i int) Condition {
	b := n.Branches[i]
	place := fmt.Sprintf("node %q: ", n.ID)
	if len(n.Branches) > 1 {
		place += fmt.Sprintf("branch %d: ", i+1)
	}
	if b.Name != "" {
		if err := checkName(b.Name); err != nil {
			c.fail(place+"name: ", "%w", err)
		}
	}
	if b.Next == "" {
		c.fail(place, `the path ends here: "next" names no node; let it lead to a node of type exit`)
	}
	scope := Scope{Trigger: c.def.Entry.Event, Event: b.Event}
	switch {
	case n.Type == Wait:
		c.event(place, b.Event)
	case n.Type == If && b.Event != "":
		c.fail(place, "an if looks at no event; use a wait")
		scope.Event = ""
	case n.Type == If && b.Where == "":
		c.fail(place, `needs the field "where"`)
	}
	return c.compile(place+"where: ", scope, b.Where)
}

func (c *compiler) event(place, name string) {
	if name == "" {
		c.fail(place, `needs the field "event"`)
		return
	}
	c.known(place, "event type", name, c.hooks.Events)
}

func (c *compiler) reason(place, reason string) {
	if err := checkName(reason); err != nil {
		c.fail(place+"reason: ", "%w", err)
	} else if slices.Contains([]string{ReasonGoal, ReasonLoop}, reason) {
		c.fail(place+"reason: ", "%q is what the platform itself says; choose another word", reason)
	}
}

func (c *compiler) known(place, what, name string, names func() []string) bool {
	if names == nil {
		return true
	}
	all := names()
	if slices.Contains(all, name) {
		return true
	}
	c.fail(place, "unknown %s %.80q%s", what, name, schema.DidYouMean(name, all))
	return false
}

func (c *compiler) compile(place string, s Scope, src string) Condition {
	if src == "" {
		return nil
	}
	cond, err := c.hooks.Compile(s, src)
	if err != nil {
		c.fail(place, "%w", err)
	}
	return cond
}

func typeNames() []string {
	names := make([]string, len(Types))
	for i, t := range Types {
		names[i] = string(t)
	}
	return names
}

func checkName(s string) error {
	ok := s != "" && len(s) <= 64
	for i := 0; ok && i < len(s); i++ {
		b := s[i]
		ok = b == '_' || b == '-' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
	}
	if !ok {
		return fmt.Errorf("%.80q is no name: use letters, digits, _ and -, 1 to 64 of them", s)
	}
	return nil
}
