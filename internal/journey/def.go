package journey

// This file holds the stored form of a journey: what its JSON may say.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/embedcdp/cdp/internal/schema"
)

// Def is a journey as it is saved. The first node is where everybody starts.
//
// A version is never changed once people are in it: saving again makes the next version, and those inside go on in theirs.
type Def struct {
	Name     string `json:"name"`               // letters, digits, _ and -, at most 64
	Version  uint32 `json:"version,omitempty"`  // given by who stores it, from 1
	Entry    Entry  `json:"entry"`              // what starts it
	Audience string `json:"audience,omitempty"` // CEL over the profile: who may enter; "" is everybody

	// Reentry says when a person who left may come back: "" as soon as they left, "once" never, or a duration since
	// they left, as "30d". It is counted for each key where the entry has one. Nobody is inside twice at a time
	// (with a key: for the same key).
	Reentry string `json:"reentry,omitempty"`

	Goals []Goal `json:"goals,omitempty"` // at most 2; the first reached ends the journey
	Exits []Exit `json:"exits,omitempty"` // at most 10
	Nodes []Node `json:"nodes"`           // at most 500
}

// Entry says what starts a journey: exactly one of Event, Entered and Left.
type Entry struct {
	Event   string `json:"event,omitempty"`   // an event of this type
	Where   string `json:"where,omitempty"`   // CEL over `event` and the profile; with Event only
	Key     string `json:"key,omitempty"`     // an attribute of the event, such as cart_id; with Event only
	Entered string `json:"entered,omitempty"` // entering this segment
	Left    string `json:"left,omitempty"`    // leaving this segment
}

// Goal is an event that is what the journey is for.
type Goal struct {
	Name  string `json:"name"`
	Event string `json:"event"`
	Where string `json:"where,omitempty"` // CEL over `e`, the arriving event, `event`, which started the journey, and the profile
}

// Exit takes a person out: an event (with Where), or a condition over the profile (When).
// When is looked at on every step, event and change of the profile, not by the passing of time alone.
type Exit struct {
	Event  string `json:"event,omitempty"`
	Where  string `json:"where,omitempty"` // as in Goal
	When   string `json:"when,omitempty"`  // CEL over `event` and the profile
	Reason string `json:"reason"`
}

// Type is what a node does.
type Type string

// Node types. Space is left for more: split (percent), update (an attribute), webhook, code, parallel. Each is a new
// Type, its fields in Node, one entry in the table shapes and one case in the stepper. One that needs an answer from outside
// (webhook, code) waits like Wait does, for an event that carries the answer.
const (
	Delay    Type = "delay" // stays for For, then Next
	Wait     Type = "wait"  // stays until the event of a branch, at most For, then Else
	If       Type = "if"    // the first branch whose Where holds, or Else
	Send     Type = "send"  // sends Template over Channel, then Next
	GoalNode Type = "goal"  // the goal is reached, the journey ends
	ExitNode Type = "exit"  // the journey ends: finished, or exited where it has a Reason
)

// Types lists every node type.
var Types = []Type{Delay, Wait, If, Send, GoalNode, ExitNode}

// Node is one step. Which fields it has follows from its type.
type Node struct {
	ID       string   `json:"id"`                 // letters, digits, _ and -, at most 64
	Type     Type     `json:"type"`               //
	For      string   `json:"for,omitempty"`      // delay, wait: how long, as "24h"
	Branches []Branch `json:"branches,omitempty"` // wait: at most 20 events; if: at most 20 conditions
	Channel  string   `json:"channel,omitempty"`  // send
	Template string   `json:"template,omitempty"` // send
	Goal     string   `json:"goal,omitempty"`     // goal: its name
	Reason   string   `json:"reason,omitempty"`   // exit
	Next     string   `json:"next,omitempty"`     // delay, send
	Else     string   `json:"else,omitempty"`     // if: no branch holds; wait: no event came in time
}

// Branch is one way out of a wait or an if.
type Branch struct {
	Name  string `json:"name,omitempty"`  // for reports; "" is the branch's number, from 1
	Event string `json:"event,omitempty"` // wait
	Where string `json:"where,omitempty"` // wait: as in Goal, may be ""; if: CEL over `event` and the profile
	Next  string `json:"next"`
}

func (b Branch) label(i int) string {
	if b.Name != "" {
		return b.Name
	}
	return strconv.Itoa(i + 1)
}

// Limits of one definition.
const (
	MaxSource   = 1 << 20 // bytes of JSON
	MaxNodes    = 500
	MaxBranches = 20
	MaxGoals    = 2
	MaxExits    = 10
)

// Decode reads a definition from JSON. A field nobody knows is an error with a suggestion. It does not validate.
func Decode(b []byte) (*Def, error) {
	if len(b) > MaxSource {
		return nil, fmt.Errorf("journey: the definition has %d bytes, the limit is %d", len(b), MaxSource)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	def := new(Def)
	if err := d.Decode(def); err != nil {
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			if bare, err := strconv.Unquote(name); err == nil {
				return nil, fmt.Errorf("journey: unknown field %q%s", bare, schema.DidYouMean(bare, fieldNames))
			}
		}
		return nil, fmt.Errorf("journey: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("journey: something follows the definition; give one JSON object")
	}
	return def, nil
}

var fieldNames = []string{"name", "version", "entry", "audience", "reentry", "goals", "exits", "nodes", "event", "where", "key",
	"entered", "left", "when", "reason", "id", "type", "for", "branches", "channel", "template", "goal", "next", "else"}

const second = int64(1_000_000) // instants and durations are microseconds

var units = map[byte]int64{'s': second, 'm': 60 * second, 'h': 3600 * second, 'd': 86400 * second, 'w': 7 * 86400 * second}

const maxDuration = 3660 * 86400 * second

// ParseDuration reads a whole number and one of the units s m h d w and returns microseconds. A day is 24 hours.
func ParseDuration(s string) (int64, error) {
	bad := fmt.Errorf(`%.40q is not a duration: write a whole number and one of s m h d w, as "24h" or "3d"`, s)
	if len(s) < 2 || len(s) > 12 {
		return 0, bad
	}
	unit, ok := units[s[len(s)-1]]
	if !ok {
		return 0, bad
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("%q is longer than 3660 days", s)
	case err != nil:
		return 0, bad
	case n == 0:
		return 0, fmt.Errorf("%q is no time at all: a duration is longer than zero", s)
	case int64(n) > maxDuration/unit:
		return 0, fmt.Errorf("%q is longer than 3660 days", s)
	}
	return int64(n) * unit, nil
}

// Node returns the node with this id, or nil.
func (d *Def) Node(id string) *Node {
	for i := range d.Nodes {
		if d.Nodes[i].ID == id {
			return &d.Nodes[i]
		}
	}
	return nil
}

// Listens returns the event types that can end the wait at this node, each once, in the order of the branches.
// It is empty for nodes that are no wait.
func (d *Def) Listens(node string) []string {
	n := d.Node(node)
	if n == nil || n.Type != Wait {
		return nil
	}
	var types []string
	for i := range n.Branches {
		types = addOnce(types, n.Branches[i].Event)
	}
	return types
}

// Ends returns the event types of goals and exits, each once: they concern an enrolment at whatever node it stands.
func (d *Def) Ends() []string {
	var types []string
	for i := range d.Goals {
		types = addOnce(types, d.Goals[i].Event)
	}
	for i := range d.Exits {
		if d.Exits[i].Event != "" {
			types = addOnce(types, d.Exits[i].Event)
		}
	}
	return types
}

// WatchesProfile says whether an exit is a condition over the profile, so that OnChange has something to look at.
func (d *Def) WatchesProfile() bool {
	for i := range d.Exits {
		if d.Exits[i].When != "" {
			return true
		}
	}
	return false
}

func addOnce(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}
