package cdp

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/schema"
)

// Journey moves people through steps: wait, decide, send. The first node is where everybody starts.
//
// Saving again makes a new version; those inside go on in theirs.
type Journey struct {
	Name     string `json:"name"` // letters, digits, _ and -, at most 64
	Entry    Entry  `json:"entry"`
	Audience string `json:"audience,omitempty"` // CEL over the profile: who may enter; "" is everybody

	// Reentry says when a person who left may come back: "" as soon as they left, "once" never, or a duration since they
	// left, as "30d". Nobody is inside twice at a time (with an entry key: for the same key).
	Reentry string `json:"reentry,omitempty"`

	Goals []Goal `json:"goals,omitempty"` // at most 2; the first reached ends the journey
	Exits []Exit `json:"exits,omitempty"` // what takes people out early; at most 10
	Nodes []Node `json:"nodes"`
}

// Entry says what starts a journey: exactly one of Event, Entered and Left. Only what happens starts journeys, never
// history: imports, definitions and replays move segments without messaging anybody about the past.
type Entry struct {
	Event   string `json:"event,omitempty"`   // an event of this type, at most an hour late
	Where   string `json:"where,omitempty"`   // CEL over `event` and the profile; with Event
	Key     string `json:"key,omitempty"`     // an attribute of the event, such as cart_id: once at a time for each value
	Entered string `json:"entered,omitempty"` // entering this segment
	Left    string `json:"left,omitempty"`    // leaving this segment
}

// Goal is an event that is what the journey is for. Where is CEL over `e`, the event that arrives, `event`, the one that
// started the journey, and the profile.
type Goal struct {
	Name  string `json:"name"`
	Event string `json:"event"`
	Where string `json:"where,omitempty"`
}

// Exit takes a person out: on an event (with Where as in Goal), or when a condition over the profile holds (When).
type Exit struct {
	Event  string `json:"event,omitempty"`
	Where  string `json:"where,omitempty"`
	When   string `json:"when,omitempty"`
	Reason string `json:"reason"`
}

// Node is one step; make it with [Delay], [Wait], [If], [Send], [GoalReached] or [End].
type Node struct {
	ID       string   `json:"id"`
	Type     string   `json:"type"`
	For      string   `json:"for,omitempty"`
	Branches []Branch `json:"branches,omitempty"`
	Channel  string   `json:"channel,omitempty"`
	Template string   `json:"template,omitempty"`
	Goal     string   `json:"goal,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Next     string   `json:"next,omitempty"`
	Else     string   `json:"else,omitempty"`
}

// Branch is one way out of a wait or an if.
type Branch struct {
	Name  string `json:"name,omitempty"`  // for reports; default: its number
	Event string `json:"event,omitempty"` // of a wait: the event that takes this way
	Where string `json:"where,omitempty"` // of an if: CEL over the profile and `event`; of a wait: over `e` as well
	Next  string `json:"next"`
}

// Delay stays for a time, such as "24h" or "3d", then goes on.
func Delay(id, duration, next string) Node {
	return Node{ID: id, Type: "delay", For: duration, Next: next}
}

// Wait stays until the event of a branch happens, at most for a time; then it goes to otherwise.
func Wait(id, atMost, otherwise string, branches ...Branch) Node {
	return Node{ID: id, Type: "wait", For: atMost, Branches: branches, Else: otherwise}
}

// If takes the first branch whose condition holds, or goes to otherwise. At most 20 branches.
func If(id, otherwise string, branches ...Branch) Node {
	return Node{ID: id, Type: "if", Branches: branches, Else: otherwise}
}

// Send sends a template over a channel, then goes on at once: delivery is the outbox's.
func Send(id, channel, template, next string) Node {
	return Node{ID: id, Type: "send", Channel: channel, Template: template, Next: next}
}

// GoalReached ends the journey as a success.
func GoalReached(id, goal string) Node { return Node{ID: id, Type: "goal", Goal: goal} }

// End ends the journey: as finished, or as exited when a reason is given.
func End(id, reason string) Node { return Node{ID: id, Type: "exit", Reason: reason} }

// Journeys are the verbs of journeys. Get them from [Client.Journeys].
type Journeys struct{ c *Client }

// Journeys returns the verbs of journeys.
func (c *Client) Journeys() Journeys { return Journeys{c} }

// Save checks a journey (every path ends, every condition compiles, every template is there) and makes it the version that
// people enter from now on. The error is a *DefinitionError that names the node and the place.
func (j Journeys) Save(ctx context.Context, def Journey) error {
	if err := j.c.begin(ctx, "journeys.save"); err != nil {
		return err
	}
	if err := j.c.knowsChannels(def); err != nil {
		return err
	}
	return j.c.save(ctx, "journeys.save", fold.DefJourney, def.Name, def)
}

// Get returns a journey's current version.
func (j Journeys) Get(ctx context.Context, name string) (Journey, error) {
	return get[Journey](ctx, j.c, "journeys.get", fold.DefJourney, name)
}

// List returns all journeys by name.
func (j Journeys) List(ctx context.Context) ([]Journey, error) {
	return list[Journey](ctx, j.c, "journeys.list", fold.DefJourney)
}

// Versions returns every version of a journey, oldest first.
func (j Journeys) Versions(ctx context.Context, name string) ([]Version[Journey], error) {
	return versions[Journey](ctx, j.c, "journeys.versions", fold.DefJourney, name)
}

// Remove ends a journey: nobody enters any more, and who is inside exits with the reason "removed".
func (j Journeys) Remove(ctx context.Context, name string) error {
	return j.c.remove(ctx, "journeys.remove", fold.DefJourney, name)
}

// JourneyState is where a person stands inside a journey.
type JourneyState struct {
	UserID      string // "" for a visitor
	AnonymousID string
	Journey     string
	Version     int
	Node        string
	Key         string
	Entered     time.Time
	Since       time.Time // at this node
	Due         time.Time // when it goes on by itself
}

// Inside returns who is inside a journey now, in order of entry.
func (j Journeys) Inside(ctx context.Context, name string) ([]JourneyState, error) {
	var out []JourneyState
	known := false
	err := j.c.read(ctx, "journeys.inside", func(s *fold.State) {
		_, known = s.BodyOf(fold.DefJourney, name)
		for _, e := range s.Enrolments(name, 0, false) {
			out = append(out, journeyState(s, e))
		}
	})
	if err == nil && !known {
		err = notFound("journey", name)
	}
	return out, err
}

func journeyState(s *fold.State, e fold.EnrolmentView) JourneyState {
	return JourneyState{UserID: s.UserIDOf(e.Row), AnonymousID: s.AnonymousIDOf(e.Row), Journey: e.Journey, Version: int(e.Version),
		Node: e.Node, Key: e.Key, Entered: utcOrZero(e.Entered), Since: utcOrZero(e.Reached), Due: utcOrZero(e.Due)}
}

// knowsChannels refuses a journey that sends over a channel nobody gave: the fold cannot know, channels are Go values.
func (c *Client) knowsChannels(def Journey) error {
	known := c.cfg.channelNames()
	for _, n := range def.Nodes {
		if n.Type == "send" && !slices.Contains(known, n.Channel) {
			return &DefinitionError{"journey", def.Name, fmt.Errorf("node %q: unknown channel %q%s; register it in Config.Channels", n.ID, n.Channel, schema.DidYouMean(n.Channel, known))}
		}
	}
	return nil
}
