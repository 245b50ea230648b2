package fold

import (
	"fmt"
	"slices"

	"github.com/embedcdp/cdp/internal/journey"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/value"
)

// outbox holds the messages that were decided on and not yet delivered. The fold puts them in; who sends them (package
// dispatch) reads them and reports each attempt's outcome as a record, which takes them out.
type outbox struct {
	byKey map[string]*Send
	order []*Send // oldest first; delivered ones stay until the next sweep
	done  int
}

// Send is one message to be sent.
type Send struct {
	Key      string
	Row      uint32 // the profile, canonical when it was queued
	Journey  string
	Version  uint32
	Node     string
	Channel  string
	Template string
	At       int64 // when the journey decided it
	Due      int64 // not to be tried before
	Attempt  int   // attempts made so far
	Depth    int   // how many steps from the record that began it

	trigger eventRef
	gone    bool
}

func (o *outbox) init() { o.byKey = map[string]*Send{} }

func (o *outbox) add(x *Send) {
	o.byKey[x.Key] = x
	o.order = append(o.order, x)
	x.trigger.pin(1)
}

// leave takes a message out; its place in the order is swept later.
func (o *outbox) leave(x *Send) {
	x.gone = true
	x.trigger.pin(-1)
	delete(o.byKey, x.Key)
	o.done++
}

func (o *outbox) remove(x *Send) {
	o.leave(x)
	if o.done > 64 && o.done > len(o.order)/2 {
		o.order = slices.DeleteFunc(o.order, func(x *Send) bool { return x.gone })
		o.done = 0
	}
}

// Reasons of message_suppressed.
const (
	SuppressedUnsubscribed = "unsubscribed"
	SuppressedNoConsent    = "no_consent"
	SuppressedCapped       = "capped"
)

// queueSend decides about one message, in this order: consent, then the portal's caps. What is not sent is an event
// with the reason; what is sent is in the outbox in the same commit.
func (s *State) queueSend(e *enrolment, row uint32, x journey.SendMessage) {
	fields := messageFields(e.Journey, e.Version, x.Node, x.Channel, x.Template, x.Key)
	if reason := s.holdBack(row, x.Channel); reason != "" {
		s.emit(MessageSuppressed, row, x.At, CauseTime, append(fields, value.Field{Name: "reason", Value: value.Str(reason)}))
		return
	}
	s.emit(MessageQueued, row, x.At, CauseTime, fields)
	s.journeys.outbox.add(&Send{Key: x.Key, Row: row, Journey: e.Journey, Version: e.Version, Node: x.Node,
		Channel: x.Channel, Template: x.Template, At: x.At, Due: x.At, Depth: s.batch.depth, trigger: e.trigger})
}

func messageFields(name string, version uint32, node, channel, template, key string) []value.Field {
	return []value.Field{
		{Name: "journey", Value: value.Str(name)}, {Name: "version", Value: value.Num(float64(version))}, {Name: "node", Value: value.Str(node)},
		{Name: "channel", Value: value.Str(channel)}, {Name: "template", Value: value.Str(template)}, {Name: "key", Value: value.Str(key)}}
}

// holdBack returns why nothing may be sent to a person on a channel now, or "".
func (s *State) holdBack(row uint32, channel string) string {
	granted, given := s.Consent(row, channel)
	if given && !granted {
		return SuppressedUnsubscribed
	}
	if !given && slices.Contains(s.Settings.OptIn, channel) {
		return SuppressedNoConsent
	}
	for _, c := range s.Settings.Caps {
		if (c.Channel == "" || c.Channel == channel) && s.queuedSince(row, c.Channel, s.Now-c.window) >= c.Max {
			return SuppressedCapped
		}
	}
	return ""
}

// Consent is the latest word of a person about a channel: an event that names it, or one that names none and means all.
func (s *State) Consent(row uint32, channel string) (granted, given bool) {
	var latest eventRef
	for _, name := range []string{ConsentGranted, Unsubscribed} {
		for _, e := range s.eventsOf(s.typeNamed[name], row) {
			ch := e.Attr("channel").Str
			if (ch == "" || ch == channel) && e.Time() <= s.Now && (latest.t == nil || byTime(latest, e) < 0) {
				latest, granted, given = e, name == ConsentGranted, true
			}
		}
	}
	return granted, given
}

// queuedSince counts the messages decided on after an instant, on one channel or on all: caps are event aggregates. When
// a message was decided on is when its event arrived; the event's own time is earlier where a late event led to it.
func (s *State) queuedSince(row uint32, channel string, after int64) int {
	n := 0
	for _, e := range s.eventsOf(s.typeNamed[MessageQueued], row) {
		if e.t.arrived.Int(e.i) > after && (channel == "" || e.Attr("channel").Str == channel) {
			n++
		}
	}
	return n
}

// dropUnsubscribed takes out of the outbox what a person no longer wants.
func (s *State) dropUnsubscribed(row uint32) {
	for _, x := range s.journeys.outbox.order {
		if x.gone || s.ids.Canonical(x.Row) != row {
			continue
		}
		if granted, given := s.Consent(row, x.Channel); given && !granted {
			s.emit(MessageSuppressed, row, s.Now, CauseTime, append(messageFields(x.Journey, x.Version, x.Node, x.Channel, x.Template, x.Key),
				value.Field{Name: "reason", Value: value.Str(SuppressedUnsubscribed)}))
			s.journeys.outbox.leave(x)
		}
	}
}

// Results of a send, as outcome records name them.
const (
	ResultSent    = "sent"
	ResultRetry   = "retry"
	ResultBounced = "bounced" // the address does not work, or there is none
	ResultFailed  = "failed"  // given up: kept as a dead letter on the timeline
)

// outcome folds the result of one attempt. One for a message that is no longer in the outbox changes nothing: another
// attempt has decided it.
func (s *State) outcome(r *record.Record, names []string) Verdict {
	x := s.journeys.outbox.byKey[string(r.ID)]
	if x == nil {
		return Verdict{Code: Duplicate}
	}
	attrs := map[string]value.Value{}
	for _, a := range r.Attrs {
		v, _, err := value.Decode(a.Value)
		if err != nil {
			return Verdict{Code: Rejected, Reason: err.Error()}
		}
		attrs[names[a.Name]] = v
	}
	x.Attempt++
	s.batch.depth = x.Depth // a journey that starts with message_sent and sends must come to an end
	defer func() { s.batch.depth = 0 }()
	s.journeys.entries = 0
	row := s.ids.Canonical(x.Row)
	at := r.Time
	if at == 0 {
		at = s.Now
	}
	fields := append(messageFields(x.Journey, x.Version, x.Node, x.Channel, x.Template, x.Key),
		value.Field{Name: "attempt", Value: value.Num(float64(x.Attempt))})
	reason := value.Field{Name: "reason", Value: attrs["reason"]}
	switch result := names[r.Name]; result {
	case ResultSent:
		s.emit(MessageSent, row, at, CauseTime, append(fields, value.Field{Name: "receipt", Value: attrs["receipt"]}))
		if x.Channel == InboxChannel {
			s.emit(InboxMessage, row, at, CauseTime, append(fields[:6:6],
				value.Field{Name: "title", Value: attrs["title"]}, value.Field{Name: "body", Value: attrs["body"]},
				value.Field{Name: "html", Value: attrs["html"]}, value.Field{Name: "data", Value: attrs["data"]},
				value.Field{Name: "url", Value: attrs["url"]}))
		}
	case ResultRetry:
		x.Due = max(s.Now, attrs["again"].Time)
		s.emit(MessageRetried, row, at, CauseTime, append(fields, reason, value.Field{Name: "again", Value: value.Micros(x.Due)}))
		s.settle()
		return Verdict{}
	case ResultBounced:
		s.emit(MessageBounced, row, at, CauseTime, append(fields, reason))
	case ResultFailed:
		s.emit(MessageFailed, row, at, CauseTime, append(fields, reason))
	default:
		return Verdict{Code: Rejected, Reason: fmt.Sprintf("unknown result %q of a send", result)}
	}
	s.journeys.outbox.remove(x)
	s.settle()
	return Verdict{}
}

// InboxChannel is the channel whose messages the platform keeps itself, for the website to read.
const InboxChannel = "inbox"

// HasInboxMessage says whether a message is in a person's inbox.
func (s *State) HasInboxMessage(row uint32, key string) bool {
	for _, e := range s.eventsOf(s.typeNamed[InboxMessage], row) {
		if e.Attr("key").Str == key {
			return true
		}
	}
	return false
}

// Pending returns the messages that may be tried at an instant and that take agrees to, oldest first, and the next instant
// at which another one may.
func (s *State) Pending(now int64, take func(*Send) bool) (ready []Send, next int64, more bool) {
	for _, x := range s.journeys.outbox.order {
		switch {
		case x.gone:
		case x.Due <= now:
			if take(x) {
				ready = append(ready, *x)
			}
		case !more || x.Due < next:
			next, more = x.Due, true
		}
	}
	return ready, next, more
}

// Queued returns a message that is in the outbox.
func (s *State) Queued(key string) (Send, bool) {
	x := s.journeys.outbox.byKey[key]
	if x == nil {
		return Send{}, false
	}
	return *x, true
}

// PendingCount is the number of messages in the outbox.
func (s *State) PendingCount() int { return len(s.journeys.outbox.byKey) }
