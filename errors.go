package cdp

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/embedcdp/cdp/internal/engine"
	"github.com/embedcdp/cdp/store"
)

// Errors of opening.
var (
	// ErrDamaged: the file or store holds bytes that cannot be what was written. The message says where, and what can
	// be done.
	ErrDamaged = engine.ErrDamaged

	// ErrLocked: the file is open already, in this process or another. The message names the file.
	ErrLocked = store.ErrLocked
)

// Errors of any call.
var (
	// ErrClosed: the client was closed, or closed itself after a failed commit; the message then says which.
	ErrClosed = engine.ErrClosed

	// ErrOutcomeUnknown: the call ended while its commit was under way. The same event ids are safe to send again;
	// a definition that is there already makes no new version.
	ErrOutcomeUnknown = engine.ErrOutcomeUnknown

	// ErrNotFound: there is no definition, profile or object of that name.
	ErrNotFound = errors.New("cdp: not found")
)

// InvalidError is a value that can never be accepted, whatever is defined.
type InvalidError struct {
	What   string // the field, as in "event 3: UserID"
	Reason string
}

func (e *InvalidError) Error() string { return "cdp: " + e.What + " " + e.Reason }

// PastError is an instant that cannot be asked about ([Client.TrueAt], [Client.KnownAt]): it is in the future, or before
// anything that is kept.
type PastError struct {
	At          time.Time // the instant
	First, Last time.Time // what can be asked about, both included; all three in UTC
}

func (e *PastError) Error() string {
	at := e.At.Format(time.RFC3339Nano)
	if e.At.After(e.Last) {
		return fmt.Sprintf("cdp: %s is in the future and cannot be asked about: it is %s", at, e.Last.Format(time.RFC3339Nano))
	}
	return fmt.Sprintf("cdp: nothing is known of %s: the first that is kept is of %s; ask about that or later", at, e.First.Format(time.RFC3339Nano))
}

// DroppedError is a question about the past ([Client.TrueAt], [Client.KnownAt]) that looks for events which were there then and
// were dropped since, by the Retention of their type; or one for flips ([Segments.Flips], [Segments.Sizes]). Times are in UTC.
type DroppedError struct {
	Question  string    // who looks for them, as `segment "lapsed"`
	At        time.Time // the instant that is asked about; of flips the clock's
	Event     string    // the type of event
	From      time.Time // it looks for events from here on; the zero time is all
	Before    time.Time // events before may be gone
	Retention string    // of the type as it is now; "" is no longer any
}

func (e *DroppedError) Error() string {
	from, kept := "all events", "events of that type were dropped"
	if !e.From.IsZero() {
		from = "events from " + e.From.Format(time.RFC3339)
	}
	if e.Retention != "" {
		kept = "events of that type are kept for " + e.Retention
	}
	return fmt.Sprintf("cdp: %s at %s asks for %s of type %q, and some before %s are gone: %s; ask about a shorter window or a later instant, or raise Retention before events become so old",
		e.Question, e.At.Format(time.RFC3339), from, e.Event, e.Before.Format(time.RFC3339), kept)
}

// DefinitionError is a definition that was not saved. Its message starts with the kind and the name, then the place:
//
//	segment "regulars": 1:24: unknown attribute "categry" of event "purchase" (did you mean "category"?)
type DefinitionError struct {
	Kind, Name string
	Err        error
}

func (e *DefinitionError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("%s: %v", e.Kind, e.Err)
	}
	return fmt.Sprintf("%s %.256q: %v", e.Kind, e.Name, e.Err)
}

func (e *DefinitionError) Unwrap() error { return e.Err }

// RejectedError says that some of the events of a call were not accepted. The others were: see the result's verdicts.
// Rejected events are kept with their reasons (Events().Rejected) and can be replayed after the schema is mended.
type RejectedError struct {
	Verdicts []Verdict // of the rejected ones only
	Total    int       // how many the call had
}

func (e *RejectedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cdp: %d of %d rejected", len(e.Verdicts), e.Total)
	for i, v := range e.Verdicts {
		if i == 3 {
			fmt.Fprintf(&b, "; and %d more", len(e.Verdicts)-3)
			break
		}
		fmt.Fprintf(&b, "; %q: %s", v.ID, v.Reason)
	}
	return b.String()
}

func notFound(kind, name string) error { return fmt.Errorf("%w: %s %q", ErrNotFound, kind, name) }

// bareError is an error with another text.
type bareError struct {
	text string
	err  error
}

func (e *bareError) Error() string { return e.text }
func (e *bareError) Unwrap() error { return e.err }

// inside says where an error came up, and says "cdp: " once.
func inside(where string, err error) error {
	return &bareError{"cdp: " + where + ": " + bareText(err), err}
}

// bareText is what an error says without the "cdp: " in front, for one that goes on inside another.
func bareText(err error) string { return strings.TrimPrefix(err.Error(), "cdp: ") }
