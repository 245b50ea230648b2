package fold

import (
	"strconv"

	"github.com/embedcdp/cdp/internal/journey"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// Event types that the platform writes itself, on the timeline of the person they happen to.
const (
	MessageQueued     = "message_queued"
	MessageSent       = "message_sent"
	MessageRetried    = "message_retried"
	MessageBounced    = "message_bounced"
	MessageFailed     = "message_failed"
	MessageSuppressed = "message_suppressed"
	InboxMessage      = "inbox_message"
	InboxRead         = "inbox_read"
	ConsentGranted    = "consent_granted"
	Unsubscribed      = "unsubscribed"

	// These two are kept as flips and shown as events.
	SegmentEntered = "segment_entered"
	SegmentLeft    = "segment_left"
)

// shownOnly says whether a name is one under which timelines show flips: there is no event type of it, and there can be none.
func shownOnly(name string) bool { return name == SegmentEntered || name == SegmentLeft }

func (s *State) defineSystemTypes() {
	str, num, txt, when := schema.Attr{Type: schema.String}, schema.Attr{Type: schema.Number}, schema.Attr{Type: schema.Text}, schema.Attr{Type: schema.Datetime}
	with := func(base schema.Attrs, more schema.Attrs) schema.Attrs {
		for k, v := range base {
			more[k] = v
		}
		return more
	}
	// What is different each time is a text, because the different values of strings are all kept in memory.
	step := schema.Attrs{"journey": str, "version": num, "enrolment": txt, "trigger": txt, "key": txt, "node": str}
	message := schema.Attrs{"journey": str, "version": num, "node": str, "channel": str, "template": str, "key": txt}
	for _, d := range []schema.EventType{
		{Name: journey.EventEntered, Attributes: step},
		{Name: journey.EventStep, Attributes: with(step, schema.Attrs{"type": str, "branch": str})},
		{Name: journey.EventGoal, Attributes: with(step, schema.Attrs{"goal": str})},
		{Name: journey.EventExited, Attributes: with(step, schema.Attrs{"reason": str})},
		{Name: journey.EventFinished, Attributes: step},
		{Name: MessageQueued, Attributes: message},
		{Name: MessageSent, Attributes: with(message, schema.Attrs{"receipt": txt, "attempt": num})},
		{Name: MessageRetried, Attributes: with(message, schema.Attrs{"reason": txt, "attempt": num, "again": when})},
		{Name: MessageBounced, Attributes: with(message, schema.Attrs{"reason": txt, "attempt": num})},
		{Name: MessageFailed, Attributes: with(message, schema.Attrs{"reason": txt, "attempt": num})},
		{Name: MessageSuppressed, Attributes: with(message, schema.Attrs{"reason": str})},
		{Name: InboxMessage, Attributes: with(message, schema.Attrs{"title": txt, "body": txt, "html": txt, "data": txt, "url": txt})},
		{Name: InboxRead, Attributes: schema.Attrs{"key": txt}},
		{Name: ConsentGranted, Attributes: schema.Attrs{"channel": str, "source_text": txt}},
		{Name: Unsubscribed, Attributes: schema.Attrs{"channel": str, "reason": txt}},
	} {
		d.System = true
		s.newEventType(&d).setDef(&d)
	}
	s.rebuildCatalogue()
}

// userMay are the system types that a caller's record may write, through verbs of their own.
var userMay = map[string]bool{InboxRead: true, ConsentGranted: true, Unsubscribed: true}

// emit writes a system event on a person's timeline.
func (s *State) emit(name string, row uint32, at int64, cause Cause, fields []value.Field) {
	t := s.typeNamed[name]
	b := &s.batch
	cells := make([]cell, 0, len(fields))
	for _, f := range fields {
		if c := t.cols[f.Name]; c != nil && !f.Value.IsAbsent() {
			if bytes, err := s.fit(c.decl, value.Append(nil, f.Value)); err == nil {
				cells = append(cells, cell{c, bytes})
			}
		}
	}
	b.spill = b.spill[:0]
	i := s.appendEvent(t, row, at, systemID(s.Sequence+1), "system", cells)
	s.stimulate(stimulus{kind: onEvent, typ: t, index: i, row: row, at: at, cause: cause})
}

// systemID is the id of an event that the platform writes: its place in the order of everything.
func systemID(seq int64) []byte { return strconv.AppendInt([]byte("cdp."), seq, 10) }
