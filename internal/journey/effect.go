package journey

// This file holds what a step asks the caller to do.

import (
	"github.com/embedcdp/cdp/internal/value"
)

// Effect is an Emit, a SendMessage or a Timer.
type Effect interface{ effect() }

// Emit adds an event to the person's timeline.
type Emit struct {
	Name       string
	At         int64         // the event's time
	Attributes []value.Field // sorted by name
}

// SendMessage asks for one message. The same visit of the same node always has the same key.
type SendMessage struct {
	Key      string // idempotency key, 32 hexadecimal digits
	At       int64
	Node     string
	Channel  string
	Template string
}

// Timer says when OnTimer is to be called; it is the returned enrolment's Due. An earlier timer of the enrolment is void.
type Timer struct{ At int64 }

func (Emit) effect()        {}
func (SendMessage) effect() {}
func (Timer) effect()       {}

// Names of the events a journey emits. Every one has the attributes journey, version, enrolment and trigger, and key
// where the entry has one; node from the first node on.
//
// An enrolment emits EventEntered once, first, and exactly one of EventFinished and EventExited, last.
const (
	EventEntered  = "journey_entered"
	EventStep     = "journey_step"     // a node was left: type, and branch where the node has several ways out
	EventGoal     = "goal_reached"     // goal
	EventExited   = "journey_exited"   // taken out, or came to an exit node with a reason: reason
	EventFinished = "journey_finished" // came to an exit node without a reason
)

// Reasons of journey_exited that the platform itself gives.
const (
	ReasonGoal = "goal" // a goal was reached; goal_reached comes just before
	ReasonLoop = "loop" // the guard against loops without time took the person out
)

// Branch names that the platform itself gives.
const (
	BranchElse    = "else"    // if: no branch held
	BranchTimeout = "timeout" // wait: no event came in time
)
