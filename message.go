package cdp

import (
	"context"
	"strconv"
	"time"

	"github.com/embedcdp/cdp/internal/fold"
)

// InboxChannel is the name of the smart inbox: its messages are kept by the platform for your website or app to read.
const InboxChannel = fold.InboxChannel

// Inbox are the verbs of the smart inbox. Get them from [Client.Inbox].
type Inbox struct{ c *Client }

// Inbox returns the verbs of the smart inbox.
func (c *Client) Inbox() Inbox { return Inbox{c} }

// InboxMessage is one message in a person's inbox.
type InboxMessage struct {
	Key     string
	Time    time.Time
	Title   string // the template's subject
	Body    string // plain text
	HTML    string // escaped where it was filled in
	Data    string // JSON
	URL     string // where a click leads
	Journey string
	Read    bool
}

// List returns the messages in a customer's inbox, newest first, at most 100.
func (i Inbox) List(ctx context.Context, userID string) ([]InboxMessage, error) {
	return i.ListFor(ctx, fold.UserID, userID)
}

// ListFor returns the messages in the inbox of the person an identifier belongs to, such as an anonymous id.
func (i Inbox) ListFor(ctx context.Context, kind, id string) ([]InboxMessage, error) {
	var out []InboxMessage
	found := false
	err := i.c.read(ctx, "inbox.list", func(s *fold.State) {
		row, ok := s.Find(kind, id)
		if found = ok; !ok {
			return
		}
		read := map[string]bool{}
		for _, e := range s.Timeline(row, []string{fold.InboxRead}, 10_000, 0, 0) {
			read[e.Attrs["key"].Str] = true
		}
		for _, e := range s.Timeline(row, []string{fold.InboxMessage}, 100, 0, 0) {
			a := e.Attrs
			out = append(out, InboxMessage{Key: a["key"].Str, Time: utc(e.At), Title: a["title"].Str, Body: a["body"].Str,
				HTML: a["html"].Str, Data: a["data"].Str, URL: a["url"].Str, Journey: a["journey"].Str, Read: read[a["key"].Str]})
		}
	})
	if err == nil && !found {
		err = notFound("profile "+kind, id)
	}
	return out, err
}

// MarkRead marks a message in a customer's inbox as read. Marking it twice changes nothing.
func (i Inbox) MarkRead(ctx context.Context, userID, key string) error {
	there := false
	err := i.c.read(ctx, "inbox.mark_read", func(s *fold.State) {
		row, ok := s.Find(fold.UserID, userID)
		there = ok && s.HasInboxMessage(row, key)
	})
	if err != nil {
		return err
	}
	if !there { // an event about somebody else's message would use up its id
		return notFound("message in the inbox of "+strconv.Quote(userID), key)
	}
	_, err = i.c.events(ctx, []Event{{ID: "read." + key, Name: fold.InboxRead, UserID: userID, Attributes: Attrs{"key": key}}}, 0)
	return err
}

// Messages are the verbs of the outbox. Get them from [Client.Messages].
type Messages struct{ c *Client }

// Messages returns the verbs of the outbox.
func (c *Client) Messages() Messages { return Messages{c} }

// Pending returns how many messages were decided on and are not delivered yet.
func (m Messages) Pending(ctx context.Context) (n int, err error) {
	err = m.c.read(ctx, "messages.pending", func(s *fold.State) { n = s.PendingCount() })
	return n, err
}

// MessageEvent is what became of a message: message_queued, message_sent, message_retried, message_bounced (the address
// does not work), message_failed (given up: the dead letter) or message_suppressed (with the reason).
type MessageEvent struct {
	Event    string
	Time     time.Time
	UserID   string
	Key      string
	Journey  string
	Node     string
	Channel  string
	Template string
	Attempt  int
	Reason   string
}

// History returns what became of messages, oldest first; only events with these names, or all when none is given.
func (m Messages) History(ctx context.Context, only ...string) ([]MessageEvent, error) {
	var out []MessageEvent
	err := m.c.read(ctx, "messages.history", func(s *fold.State) {
		for row, e := range s.MessageEvents(only) {
			a := e.Attrs
			out = append(out, MessageEvent{Event: e.Name, Time: utc(e.At), UserID: s.UserIDOf(row), Key: a["key"].Str, Journey: a["journey"].Str,
				Node: a["node"].Str, Channel: a["channel"].Str, Template: a["template"].Str, Attempt: int(a["attempt"].Num), Reason: a["reason"].Str})
		}
	})
	return out, err
}
