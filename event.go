package cdp

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/value"
)

// Event is something a person did.
//
// It belongs to somebody: at least one of UserID, AnonymousID and Identifiers. An event with both a UserID and an
// AnonymousID also says that the visitor is this customer: the visitor's history becomes the customer's.
type Event struct {
	// ID makes the event idempotent: a second event of the same type with the same ID within the dedup window (7 days of
	// log time at least) is a duplicate and changes nothing, also after a restart. At most 255 bytes. Default: a new random one,
	// which the result returns.
	ID string

	// Name is the event type, as defined with Events().Define.
	Name string

	UserID      string            // the customer's id in your product
	AnonymousID string            // what the browser or app made up before anybody logged in
	Identifiers map[string]string // further identifiers by kind: "email", "phone", "device_id", or your own

	// Time is when it happened, to the microsecond. Late events keep their own time. Default: now.
	Time time.Time

	// Source is where the event comes from, such as "website" or "pos". At most 255 bytes.
	Source string

	// Attributes by name: numbers, strings, bools, time.Time, slices of these, and maps. Each must fit the event type.
	Attributes Attrs
}

// Attrs are attributes by name.
type Attrs = map[string]any

// Identity is what is newly known of a person: identifiers that belong together, and attributes.
type Identity struct {
	UserID      string
	AnonymousID string
	Identifiers map[string]string
	Time        time.Time // when it was so, to the microsecond. Default: now

	// Attributes by name; a nil value removes one. Of all changes the one with the latest Time counts, in whatever order they
	// come, whether it sets or removes, and also when it came for a visitor who was linked since; at the same time, the last to
	// come. One exception: a value that is said again while it is current keeps its first time. Set for Monday and again
	// for Friday, it loses to another that comes later for Wednesday. Saying a value again costs nothing; a removal is kept
	// each time, so do not remove each night what was never there.
	Attributes Attrs
}

// Status is what became of one event.
type Status string

const (
	Accepted  Status = "accepted"
	Duplicate Status = "duplicate" // its id was seen before: nothing changed
	Rejected  Status = "rejected"  // Reason says why
)

// Verdict answers one event.
type Verdict struct {
	ID     string // of the event, also when it was made here; the user id of an Identity
	Status Status
	Reason string // with Rejected
}

// Result answers a call with several events: Verdicts has one for each, in order.
type Result struct {
	Verdicts                       []Verdict
	Accepted, Duplicates, Rejected int
}

// Limits of one event.
const (
	MaxID         = 255     // bytes of an event id, source or name
	MaxIdentifier = 4096    // bytes of a user id, anonymous id or other identifier
	MaxEvent      = 1 << 20 // bytes of one event as encoded
	MaxBatch      = 100_000 // events in one call, which are 56 MiB together as encoded at most
)

// Track takes events as they happen. It returns when they are durable and folded, so that the caller reads its own
// writes: profiles, segments and journeys have moved.
//
// The error is a *RejectedError when some events were not accepted (the others were), wraps ErrOutcomeUnknown when the
// commit's fate is not known, and is any other error when nothing happened. Concurrent calls share commits; batches of
// about 1,000 events are quickest.
func (c *Client) Track(ctx context.Context, events ...Event) (Result, error) {
	if err := c.begin(ctx, "track"); err != nil {
		return Result{}, err
	}
	return c.events(ctx, events, 0)
}

// Import takes history: as Track does, but it never starts a journey, and segments are asked once at its end.
func (c *Client) Import(ctx context.Context, events ...Event) (Result, error) {
	if err := c.begin(ctx, "import"); err != nil {
		return Result{}, err
	}
	return c.events(ctx, events, record.FlagImport)
}

// Identify takes what is newly known of people. Its errors are Track's.
func (c *Client) Identify(ctx context.Context, people ...Identity) (Result, error) {
	if err := c.begin(ctx, "identify"); err != nil {
		return Result{}, err
	}
	return c.submit(ctx, len(people), func(e *record.Encoder, i int) (string, error) {
		return people[i].UserID, encodeIdentity(e, &people[i])
	})
}

func (c *Client) events(ctx context.Context, events []Event, flags byte) (Result, error) {
	return c.submit(ctx, len(events), func(e *record.Encoder, i int) (string, error) {
		id := events[i].ID
		if id == "" {
			id = rand.Text()
		}
		return id, encodeEvent(e, &events[i], id, flags, c.cfg.refuses(events[i].Name, events[i].Attributes["channel"]))
	})
}

var encoders = sync.Pool{New: func() any { return new(record.Encoder) }}

// submit encodes n records, hands what is well formed to the engine, and reads the verdicts. A record that encode refuses
// is rejected without being kept: it cannot be written down.
func (c *Client) submit(ctx context.Context, n int, encode func(e *record.Encoder, i int) (id string, err error)) (Result, error) {
	if n == 0 {
		return Result{}, nil
	}
	if n > MaxBatch {
		return Result{}, &InvalidError{What: "the call", Reason: fmt.Sprintf("has %d events; the limit is %d", n, MaxBatch)}
	}
	enc := encoders.Get().(*record.Encoder)
	enc.Reset()
	res := Result{Verdicts: make([]Verdict, n)}
	for i := range n {
		id, err := encode(enc, i)
		res.Verdicts[i].ID = id
		if err != nil {
			enc.Abandon()
			res.Verdicts[i].Status, res.Verdicts[i].Reason = Rejected, bareText(err)
		}
	}
	var verdicts []fold.Verdict
	if enc.Count() > 0 {
		submission := enc.Submission(make([]byte, 0, enc.Size()+64))
		encoders.Put(enc)
		var err error
		if verdicts, err = c.engine.Submit(ctx, submission); err != nil {
			return Result{}, err
		}
	}
	return res.with(verdicts)
}

// with adds the fold's verdicts, which answer the records that were well formed, in order.
func (r Result) with(verdicts []fold.Verdict) (Result, error) {
	next := 0
	for i := range r.Verdicts {
		v := &r.Verdicts[i]
		if v.Status == "" {
			v.Status, v.Reason = statuses[verdicts[next].Code], verdicts[next].Reason
			next++
		}
		switch v.Status {
		case Accepted:
			r.Accepted++
		case Duplicate:
			r.Duplicates++
		case Rejected:
			r.Rejected++
		}
	}
	if r.Rejected == 0 {
		return r, nil
	}
	rejected := make([]Verdict, 0, r.Rejected)
	for _, v := range r.Verdicts {
		if v.Status == Rejected {
			rejected = append(rejected, v)
		}
	}
	return r, &RejectedError{Verdicts: rejected, Total: len(r.Verdicts)}
}

var statuses = map[fold.Code]Status{fold.Accepted: Accepted, fold.Duplicate: Duplicate, fold.Rejected: Rejected}

// encodeEvent writes an event down; one that is refused, too, for it to be kept with the reason.
func encodeEvent(e *record.Encoder, ev *Event, id string, flags byte, refused string) error {
	if len(id) > MaxID || !utf8.ValidString(id) {
		return &InvalidError{What: "Event.ID", Reason: fmt.Sprintf("%.40q is not 1 to %d bytes of UTF-8", id, MaxID)}
	}
	if ev.Name == "" || len(ev.Name) > MaxID || !utf8.ValidString(ev.Name) {
		return &InvalidError{What: "Event.Name", Reason: fmt.Sprintf("%.40q is not 1 to %d bytes of UTF-8", ev.Name, MaxID)}
	}
	if len(ev.Source) > MaxID || !utf8.ValidString(ev.Source) {
		return &InvalidError{What: "Event.Source", Reason: fmt.Sprintf("%.40q is not at most %d bytes of UTF-8", ev.Source, MaxID)}
	}
	at, err := micros("Event.Time", ev.Time)
	if err != nil {
		return err
	}
	if refused != "" {
		flags |= record.FlagRefused
	}
	e.Begin(record.Head{Kind: record.KindEvent, Flags: flags, Name: ev.Name, Source: ev.Source, Time: at, ID: id})
	if err := encodeIdents(e, "Event", ev.UserID, ev.AnonymousID, ev.Identifiers); err != nil {
		return err
	}
	return encodeAttrs(e, "Event", ev.Attributes, refused)
}

func encodeIdentity(e *record.Encoder, p *Identity) error {
	at, err := micros("Identity.Time", p.Time)
	if err != nil {
		return err
	}
	e.Begin(record.Head{Kind: record.KindIdentify, Time: at})
	if err := encodeIdents(e, "Identity", p.UserID, p.AnonymousID, p.Identifiers); err != nil {
		return err
	}
	return encodeAttrs(e, "Identity", p.Attributes, "")
}

// micros checks a time; the zero time is 0, which the fold reads as now.
func micros(what string, t time.Time) (int64, error) {
	if t.IsZero() {
		return 0, nil
	}
	if err := value.CheckTime(t); err != nil {
		return 0, &InvalidError{What: what, Reason: err.Error()}
	}
	if us := t.UnixMicro(); us != 0 {
		return us, nil
	}
	return 1, nil // 1970-01-01 itself: 0 means now
}

func encodeIdents(e *record.Encoder, what, user, anonymous string, others map[string]string) error {
	n := len(others)
	if user != "" {
		n++
	}
	if anonymous != "" {
		n++
	}
	if n == 0 {
		return &InvalidError{What: what, Reason: "belongs to nobody: give a UserID, an AnonymousID or another identifier"}
	}
	e.Idents(n)
	one := func(kind, id string) error {
		if id == "" || len(id) > MaxIdentifier || !utf8.ValidString(id) {
			return &InvalidError{What: what + " identifier " + kind, Reason: fmt.Sprintf("%.40q is not 1 to %d bytes of UTF-8", id, MaxIdentifier)}
		}
		e.Ident(kind, id)
		return nil
	}
	if user != "" {
		if err := one(fold.UserID, user); err != nil {
			return err
		}
	}
	if anonymous != "" {
		if err := one(fold.AnonymousID, anonymous); err != nil {
			return err
		}
	}
	for _, kind := range byStrength(others) {
		id := others[kind]
		if kind == fold.UserID || kind == fold.AnonymousID || len(kind) > 64 || !utf8.ValidString(kind) {
			return &InvalidError{What: what + ".Identifiers", Reason: fmt.Sprintf("names the kind %.40q: user and anonymous ids have fields of their own, and a kind has at most 64 bytes", kind)}
		}
		if err := one(kind, id); err != nil {
			return err
		}
	}
	return nil
}

// byStrength orders kinds of identifiers: those that belong to one person first.
func byStrength(ids map[string]string) []string {
	if len(ids) == 0 {
		return nil
	}
	order := []string{fold.Email, fold.Phone}
	return slices.SortedFunc(maps.Keys(ids), func(a, b string) int {
		rank := func(kind string) int {
			if i := slices.Index(order, kind); i >= 0 {
				return i
			}
			if kind == fold.DeviceID {
				return len(order) + 1 // devices are shared
			}
			return len(order)
		}
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
}

func encodeAttrs(e *record.Encoder, what string, attrs Attrs, body string) error {
	e.Attrs(len(attrs))
	for name, x := range attrs {
		if name == "" || len(name) > MaxID || !utf8.ValidString(name) {
			return &InvalidError{What: what + ".Attributes", Reason: fmt.Sprintf("has the name %.40q, which is not 1 to %d bytes of UTF-8", name, MaxID)}
		}
		v, err := value.FromGo(x)
		if err != nil {
			return &InvalidError{What: fmt.Sprintf("attribute %q", name), Reason: err.Error()}
		}
		e.Attr(name, v)
	}
	if e.RecordSize() > MaxEvent {
		return &InvalidError{What: what, Reason: fmt.Sprintf("has more than %d bytes", MaxEvent)}
	}
	e.End([]byte(body))
	return nil
}
