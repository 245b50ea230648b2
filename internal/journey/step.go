package journey

// This file is the stepper.

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/embedcdp/cdp/internal/value"
)

// Event is an event of the person that arrived.
type Event struct {
	Type string
	ID   string
	Time int64 // the event's own time, microseconds; it decides
	Data any   // passed to conditions as Moment.Event
}

// Person is what conditions are asked about besides the arriving event; it passes through unread.
type Person struct {
	Profile any // Moment.Person: the profile as of the step
	Trigger any // Moment.Trigger: the event that started the journey
}

// Result is what a step came to.
type Result struct {
	Enrolment Enrolment
	Effects   []Effect // in the order they happened
	Changed   bool     // false: nothing happened, the enrolment is as it was
	Ended     bool     // the person is out; the enrolment is only to be forgotten
	EndedAt   int64    // with Ended: for History.End
}

// Entrance is something that may start the journey: an event of the entry's type, or a flip of its segment.
// The caller has seen that it is this type or flip; Enter looks at the rest.
type Entrance struct {
	Row     uint32 // canonical row
	At      int64  // the event's time, or the flip's instant
	Trigger string // the event's id, or a stable word for the flip
	Key     string // KeyOf the entry's key attribute; "" where the entry has none
	History History
}

// Refusal says why somebody did not enter; "" means that they did.
type Refusal string

const (
	RefusedWhere    Refusal = "where"    // the entry's condition does not hold
	RefusedAudience Refusal = "audience" // not in the audience
	RefusedKey      Refusal = "key"      // the event lacks the key
	RefusedActive   Refusal = "active"   // inside already
	RefusedOnce     Refusal = "once"     // was inside before, and may be only once
	RefusedSoon     Refusal = "soon"     // left too short a time ago
)

// KeyOf returns an attribute's value as the key of an entry, "" when it is absent.
func KeyOf(v value.Value) string {
	if v.IsAbsent() {
		return ""
	}
	return v.String()
}

// Enter starts the journey for a person, or says why not.
func (j *Journey) Enter(in Entrance, p Person) (Result, Refusal) {
	if why := j.refuse(in, p); why != "" {
		return Result{}, why
	}
	r := run{j: j, p: p, out: Result{Changed: true, Enrolment: Enrolment{
		ID: newID(j.def.Name, in.Row, in.Trigger, in.Key), Journey: j.def.Name, Version: j.def.Version, Row: in.Row,
		Entered: in.At, Reached: in.At, Trigger: in.Trigger, Key: in.Key,
	}}}
	r.emit(EventEntered, in.At)
	r.from(j.def.Nodes[0].ID, in.At)
	return r.out, ""
}

func (j *Journey) refuse(in Entrance, p Person) Refusal {
	m := Moment{At: in.At, Person: p.Profile, Trigger: p.Trigger}
	h := in.History
	switch {
	case j.where != nil && !j.where(m):
		return RefusedWhere
	case j.def.Entry.Key != "" && in.Key == "":
		return RefusedKey
	case h.Active:
		return RefusedActive
	case j.once && h.Times > 0:
		return RefusedOnce
	case h.Times > 0 && in.At < h.Ended+j.again:
		return RefusedSoon
	case j.audience != nil && !j.audience(m):
		return RefusedAudience
	}
	return ""
}

// ErrNotMine is returned for an enrolment of another journey or version, or at a node the definition does not have.
var ErrNotMine = errors.New("the enrolment does not belong to this definition")

func (j *Journey) owns(e Enrolment) error {
	if e.Journey != j.def.Name || e.Version != j.def.Version || j.nodes[e.Node] == nil {
		return fmt.Errorf("journey %q version %d: enrolment %s is in %q version %d at node %q: %w",
			j.def.Name, j.def.Version, e.ID, e.Journey, e.Version, e.Node, ErrNotMine)
	}
	return nil
}

// OnEvent looks at an arrived event: goals, then exits, then the wait the person stands at.
//
// An event counts for goals and exits when its time is not before the entry, and for a wait when its time is after the
// wait was reached and not after its timeout. The event that started the enrolment never counts.
func (j *Journey) OnEvent(e Enrolment, ev Event, p Person) (Result, error) {
	if err := j.owns(e); err != nil {
		return Result{}, err
	}
	r := run{j: j, p: p, event: ev.Data, out: Result{Enrolment: e}}
	if ev.ID == e.Trigger || ev.Time < e.Entered {
		return r.out, nil
	}
	at := max(ev.Time, e.Reached)
	for i, g := range j.def.Goals {
		if g.Event == ev.Type && r.holds(j.goals[i], at) {
			r.goal(g.Name, at)
			return r.out, nil
		}
	}
	for i, x := range j.def.Exits {
		if (x.Event == ev.Type || x.Event == "") && r.holds(j.exits[i], at) {
			r.end(EventExited, at, x.Reason)
			return r.out, nil
		}
	}
	n := j.nodes[e.Node]
	if n.Type != Wait || ev.Time <= e.Reached || ev.Time > e.Due {
		return r.out, nil
	}
	for i, b := range n.Branches {
		if b.Event == ev.Type && r.holds(n.conds[i], ev.Time) {
			r.step(n, b.label(i), ev.Time)
			r.event = nil
			r.from(b.Next, ev.Time)
			break
		}
	}
	return r.out, nil
}

// OnTimer moves on a person whose due instant has come. A now before it is a timer that was replaced: nothing happens.
// The step's instant is the due instant, even when now is later.
func (j *Journey) OnTimer(e Enrolment, now int64, p Person) (Result, error) {
	if err := j.owns(e); err != nil {
		return Result{}, err
	}
	r := run{j: j, p: p, out: Result{Enrolment: e}}
	if e.Due == 0 || now < e.Due {
		return r.out, nil
	}
	n := j.nodes[e.Node]
	switch n.Type {
	case Delay:
		r.step(n, "", e.Due)
		r.from(n.Next, e.Due)
	case Wait:
		r.step(n, BranchTimeout, e.Due)
		r.from(n.Else, e.Due)
	}
	return r.out, nil
}

// OnChange looks at the exits that are conditions over the profile, after an attribute of the person changed.
func (j *Journey) OnChange(e Enrolment, now int64, p Person) (Result, error) {
	if err := j.owns(e); err != nil {
		return Result{}, err
	}
	r := run{j: j, p: p, out: Result{Enrolment: e}}
	r.exitWhen(max(now, e.Reached))
	return r.out, nil
}

// maxInstant bounds the nodes one input may run through. Validation leaves no loop without time, so only a definition
// that was never validated comes near.
const maxInstant = 1000

// run is one step in progress.
type run struct {
	j     *Journey
	p     Person
	event any
	out   Result
}

// from reaches node id and goes on until time must pass or the journey ends.
func (r *run) from(id string, at int64) {
	e := &r.out.Enrolment
	for range maxInstant {
		n := r.j.nodes[id]
		e.Node, e.Reached, e.Due = id, at, 0
		e.Steps++
		if n.Type != GoalNode && r.exitWhen(at) {
			return
		}
		switch n.Type {
		case Delay, Wait:
			e.Due = at + n.stay
			r.out.Changed = true
			r.out.Effects = append(r.out.Effects, Timer{e.Due})
			return
		case If:
			branch, next := BranchElse, n.Else
			for i, b := range n.Branches {
				if r.holds(n.conds[i], at) {
					branch, next = b.label(i), b.Next
					break
				}
			}
			r.step(n, branch, at)
			id = next
		case Send:
			r.step(n, "", at)
			r.out.Effects = append(r.out.Effects, SendMessage{Key: e.sendKey(), At: at, Node: id, Channel: n.Channel, Template: n.Template})
			id = n.Next
		case GoalNode:
			r.step(n, "", at)
			r.goal(n.Goal, at)
			return
		case ExitNode:
			r.step(n, "", at)
			if n.Reason == "" {
				r.end(EventFinished, at, "")
			} else {
				r.end(EventExited, at, n.Reason)
			}
			return
		}
	}
	r.end(EventExited, at, ReasonLoop)
}

func (r *run) holds(c Condition, at int64) bool {
	return c == nil || c(Moment{At: at, Person: r.p.Profile, Trigger: r.p.Trigger, Event: r.event})
}

// exitWhen takes the person out where an exit's condition over the profile holds.
func (r *run) exitWhen(at int64) bool {
	for i, x := range r.j.def.Exits {
		if x.When != "" && r.holds(r.j.exits[i], at) {
			r.end(EventExited, at, x.Reason)
			return true
		}
	}
	return false
}

func (r *run) goal(name string, at int64) {
	r.emit(EventGoal, at, value.Field{Name: "goal", Value: value.Str(name)})
	r.end(EventExited, at, ReasonGoal)
}

func (r *run) end(event string, at int64, reason string) {
	if reason == "" {
		r.emit(event, at)
	} else {
		r.emit(event, at, value.Field{Name: "reason", Value: value.Str(reason)})
	}
	r.out.Enrolment.Due = 0
	r.out.Changed, r.out.Ended, r.out.EndedAt = true, true, at
}

func (r *run) step(n *node, branch string, at int64) {
	r.out.Changed = true
	fields := []value.Field{{Name: "type", Value: value.Str(string(n.Type))}}
	if branch != "" {
		fields = append(fields, value.Field{Name: "branch", Value: value.Str(branch)})
	}
	r.emit(EventStep, at, fields...)
}

func (r *run) emit(name string, at int64, more ...value.Field) {
	e := &r.out.Enrolment
	fields := append(make([]value.Field, 0, 8),
		value.Field{Name: "journey", Value: value.Str(e.Journey)},
		value.Field{Name: "version", Value: value.Num(float64(e.Version))},
		value.Field{Name: "enrolment", Value: value.Str(e.ID.String())},
		value.Field{Name: "trigger", Value: value.Str(e.Trigger)})
	if e.Key != "" {
		fields = append(fields, value.Field{Name: "key", Value: value.Str(e.Key)})
	}
	if e.Node != "" {
		fields = append(fields, value.Field{Name: "node", Value: value.Str(e.Node)})
	}
	fields = append(fields, more...)
	slices.SortFunc(fields, func(a, b value.Field) int { return strings.Compare(a.Name, b.Name) })
	r.out.Effects = append(r.out.Effects, Emit{Name: name, At: at, Attributes: fields})
}
