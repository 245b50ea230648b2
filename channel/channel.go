// Package channel is the seam between the platform and what delivers a message to a person.
//
// A channel is an interface of one method. The platform calls it at least once for each message, always with the same
// [Message.Key]; a channel, or the service behind it, that honours the key delivers exactly once.
//
// Channels that ship: [github.com/embedcdp/cdp/channel/email] (SMTP) and [github.com/embedcdp/cdp/channel/webhook]
// (Standard Webhooks). The smart inbox needs no channel: its messages are kept by the platform itself.
package channel

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Channel delivers messages. Send is called from several goroutines at a time.
//
// A nil error means the message was taken for delivery. An error is read with [Classify]: plain errors are temporary and
// the send is tried again with back-off under the same key; [Permanent], [NoReceiver] and [Throttled] say otherwise.
type Channel interface {
	Send(ctx context.Context, m Message) (Receipt, error)
}

// Func makes a Channel of a function. Like any channel that needs an address, it returns [NoReceiver] when Message.To is
// empty; a nil error means that the message was sent.
type Func func(ctx context.Context, m Message) (Receipt, error)

// Send calls f.
func (f Func) Send(ctx context.Context, m Message) (Receipt, error) { return f(ctx, m) }

// Message is one rendered message to one person.
type Message struct {
	Key       string // idempotency key: the same on every attempt, unique per message
	Portal    string // the portal it is sent for
	Channel   string // the name under which the channel is registered
	ProfileID string // the customer id, or the anonymous id of a visitor
	Journey   string // the journey that sends it
	Node      string // the journey's node
	Template  string // the template it was rendered from
	// To is the address. On a channel named "email" it is the person's attribute or identifier "email"; on "sms", "whatsapp",
	// "viber" and "zalo" their "phone"; on any other channel it is empty, and the channel finds its own way by ProfileID.
	// It is also empty when the person has none: a channel that needs an address then returns NoReceiver.
	To      string
	Subject string    // email subject, or title
	Text    string    // plain text body
	HTML    string    // HTML body, already escaped; empty when there is none
	URL     string    // where a click on the message leads; empty when there is no one place
	Data    []byte    // JSON body for machine receivers; empty when there is none
	Time    time.Time // when the platform decided to send, UTC
	Attempt int       // 1 for the first

	// UnsubscribeURL is where the receiver can take back consent with one click (RFC 8058); empty when not configured.
	UnsubscribeURL string
}

// Receipt is what the service answered.
type Receipt struct {
	ID string // the service's own id of the message, if it gave one
}

// Result is what an error of a Send means.
type Result int

const (
	Sent      Result = iota // no error
	Retry                   // temporary: try again later
	Throttle                // temporary: try again after the time the service asked for
	Hard                    // permanent: this address does not work (hard bounce)
	Missing                 // the person has no address on this channel
	Cancelled               // the caller's context ended; nothing is known of the message
)

// Error is a failed send with its meaning.
type Error struct {
	Result Result
	After  time.Duration // with Throttle: how long to wait
	Err    error
}

func (e *Error) Error() string { return fmt.Sprint(e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// Permanent marks err as final: the send is a hard bounce and is not tried again.
func Permanent(err error) error { return &Error{Result: Hard, Err: err} }

// NoReceiver says that the person has no address on this channel.
func NoReceiver(err error) error { return &Error{Result: Missing, Err: err} }

// Throttled says that the service asked to wait for d before the next attempt.
func Throttled(err error, d time.Duration) error { return &Error{Result: Throttle, After: d, Err: err} }

// Classify reads what an error returned by Send means, and how long the service asked to wait.
func Classify(err error) (Result, time.Duration) {
	var e *Error
	switch {
	case err == nil:
		return Sent, 0
	case errors.As(err, &e):
		return e.Result, e.After
	case errors.Is(err, context.Canceled):
		return Cancelled, 0
	default:
		return Retry, 0
	}
}
