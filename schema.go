package cdp

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/schema"
)

// Attribute declares one attribute: its type and what else is known of it. Start from [Number], [String] and the others
// and add to it:
//
//	cdp.Schema{"amount": cdp.Number.Required(), "product": cdp.Ref("product"), "items": cdp.ListOf(cdp.Schema{"sku": cdp.String})}
type Attribute struct {
	Type    string `json:"type"`
	Must    bool   `json:"required,omitempty"`
	Refers  string `json:"ref,omitempty"`     // the object type whose ids it holds
	Fields  Schema `json:"fields,omitempty"`  // keys of an object or of line items
	Default any    `json:"default,omitempty"` // used when an event or object comes without it
	Display string `json:"display,omitempty"` // how to show it: "percent", "currency", "image", "link", a date style
}

// Schema declares attributes by name.
type Schema map[string]Attribute

// The types of attributes.
var (
	Number       = Attribute{Type: "number"}   // a finite double
	String       = Attribute{Type: "string"}   // at most 255 characters
	Text         = Attribute{Type: "text"}     // at most 30,000 characters
	Datetime     = Attribute{Type: "datetime"} // an instant, to the microsecond; given as time.Time or RFC 3339
	Boolean      = Attribute{Type: "boolean"}
	NumberList   = Attribute{Type: "[]number"}
	StringList   = Attribute{Type: "[]string"}
	DatetimeList = Attribute{Type: "[]datetime"}
)

// Ref is a String that holds the id of a business object: with Ref("product"), e.product.brand works in conditions.
func Ref(objectType string) Attribute {
	if objectType == "" {
		return Attribute{Type: "ref"} // which is no type: a definition with it is refused
	}
	return Attribute{Type: "string", Refers: objectType}
}

// Object has keys of its own.
func Object(keys Schema) Attribute { return Attribute{Type: "object", Fields: keys} }

// ListOf is an array of objects, such as the lines of a receipt.
func ListOf(keys Schema) Attribute { return Attribute{Type: "[]object", Fields: keys} }

// Required returns the attribute as one that must be there.
func (a Attribute) Required() Attribute { a.Must = true; return a }

// Or returns the attribute with a default.
func (a Attribute) Or(value any) Attribute { a.Default = value; return a }

// Policy says what happens to an attribute that nobody declared.
type Policy string

const (
	Strict Policy = "strict" // the event is rejected, kept with the reason, and can be replayed

	// Learn adds the attribute, with the type of its first value, when the record is accepted: a rejected one teaches nothing.
	// Event types and profiles learn until they have 500 attributes, declared ones counted; a record that would go beyond is
	// rejected. More can be declared.
	Learn Policy = "learn"
)

// EventType declares a type of event.
type EventType struct {
	Name       string `json:"name"`                 // letters, digits and underscores, at most 64
	Policy     Policy `json:"policy,omitempty"`     // default: Strict
	Attributes Schema `json:"attributes,omitempty"` // at most 1,994; with Learn, data adds no more once there are 500

	// Retention is how long events are kept: a whole number and s, m, h, d or w, at least "7d". Default: "" keeps all for ever.
	//
	// Events are dropped in blocks of 8,192 in order of arrival, when all of a block are older, by their own time and by their
	// arrival (and then up to 5.25 hours more, so that ids stay known for 7 days). So they are kept at least that long, and as
	// long as no other block of the type has come. A block whose events started journeys that people are still inside, or
	// of which messages are not sent yet, waits for these, and so do the blocks behind it. One event dated in the future holds
	// its block until it is old.
	//
	// What is dropped is gone from timelines, segments, reports and questions about the past, and from the file once two more
	// checkpoints are written; the texts of String attributes stay, each once. Members of segments that look further back are
	// found anew at that instant, among those whose events went: such flips have the cause "retention", start no journeys, and
	// the segment is limited (Segments.Limits). A shorter retention takes effect with the next tick; a longer one brings nothing back.
	Retention string `json:"retention,omitempty"`
}

// Events are the verbs of event types. Get them from [Client.Events].
type Events struct{ c *Client }

// Events returns the verbs of event types.
func (c *Client) Events() Events { return Events{c} }

// Define declares an event type, or changes it: attributes may be added, required or given defaults; their types stay. One may
// be left out as long as no event of the type was ever accepted and no version of a segment, journey, template or dataflow names the type.
//
// Of a type that the platform writes itself ([Events.System]), the Retention can be set, and nothing else. Journeys and caps go by
// some of these events, so they and a retention that is too short for them refuse each other: message_queued is kept for as long
// as any cap counts, journey_exited and journey_finished for as long as any Reentry says. Who was in a journey without a key is
// known also when journey_entered is gone; a Reentry of "once" for each key needs it for ever. What inbox_read says goes with
// the message. Consent is kept for ever.
//
// Flips go in the same way, when both segment_entered and segment_left have a Retention; the longer one holds for both. Who is a
// member now, and since when, stays known.
func (e Events) Define(ctx context.Context, t EventType) error {
	return e.c.save(ctx, "events.define", fold.DefEvent, t.Name, t)
}

// Get returns an event type, with what it has learned. It knows those that the platform writes itself too.
func (e Events) Get(ctx context.Context, name string) (EventType, error) {
	system, err := e.System(ctx)
	if i := slices.IndexFunc(system, func(t EventType) bool { return t.Name == name }); i >= 0 {
		return system[i], nil
	}
	if err != nil {
		return EventType{}, err
	}
	return get[EventType](ctx, e.c, "events.get", fold.DefEvent, name)
}

// List returns all event types by name, without those the platform writes itself.
func (e Events) List(ctx context.Context) ([]EventType, error) {
	system, err := e.System(ctx)
	if err != nil {
		return nil, err
	}
	all, err := list[EventType](ctx, e.c, "events.list", fold.DefEvent)
	return slices.DeleteFunc(all, func(t EventType) bool {
		return t.Name == fold.SegmentEntered || t.Name == fold.SegmentLeft || slices.ContainsFunc(system, func(s EventType) bool { return s.Name == t.Name })
	}), err
}

// System returns the event types that the platform writes itself: what happens to a person in journeys, with messages and
// with consent. They can be used wherever events can.
//
// The entries segment_entered and segment_left of timelines are not among them, because memberships are not kept as events: conditions ask with
// inSegment, journeys start by Entry.Entered and Entry.Left, and [Segments.Flips] and [Segments.Sizes] tell when. TimelineOptions.Only takes
// the two names; nobody else can define or track them, but a Retention can be set.
func (e Events) System(ctx context.Context) ([]EventType, error) {
	var out []EventType
	err := e.c.read(ctx, "events.system", func(s *fold.State) {
		for _, t := range s.SystemTypes() {
			out = append(out, EventType{Name: t.Name, Attributes: publicSchema(t.Attributes), Retention: t.Retention})
		}
	})
	return out, err
}

func publicSchema(attrs schema.Attrs) Schema {
	out := Schema{}
	for name, a := range attrs {
		out[name] = Attribute{Type: string(a.Type), Must: a.Required, Refers: a.Ref, Fields: publicSchema(a.Fields), Display: a.Display}
	}
	return out
}

// Count returns how many events of a type there are.
func (e Events) Count(ctx context.Context, name string) (n int, err error) {
	known := false
	err = e.c.read(ctx, "events.count", func(s *fold.State) {
		_, known = s.EventTable(name)
		n = s.EventCount(name)
	})
	if err == nil && !known {
		err = notFound("event", name)
	}
	return n, err
}

// RejectedEvent is an event that was not accepted. It is kept, and can be replayed.
type RejectedEvent = fold.RejectedEvent

// Rejected returns the events that were not accepted and not replayed since, oldest first.
func (e Events) Rejected(ctx context.Context) (out []RejectedEvent, err error) {
	err = e.c.read(ctx, "events.rejected", func(s *fold.State) { out = s.RejectedEvents(false) })
	return out, err
}

// Replay tries the rejected events of one type again, or all when name is "". Those accepted now count as history: they
// start no journey. It returns how many were accepted and how many are left.
func (e Events) Replay(ctx context.Context, name string) (accepted, left int, err error) {
	if err := e.c.begin(ctx, "events.replay"); err != nil {
		return 0, 0, err
	}
	var enc record.Encoder
	enc.Begin(record.Head{Kind: record.KindReplay, Name: name})
	if len(e.c.cfg.Channels) == 0 {
		enc.Idents(0)
	} else { // what was refused for its channel is taken only if that is there now
		channels := e.c.cfg.channelNames()
		enc.Idents(len(channels))
		for _, ch := range channels {
			enc.Ident("channel", ch)
		}
	}
	enc.Attrs(0)
	enc.End(nil)
	verdicts, err := e.c.engine.Submit(ctx, enc.Submission(nil))
	if err != nil {
		return 0, 0, err
	}
	return verdicts[0].Replayed, verdicts[0].Left, nil
}

// profileDef is the stored form of the schema of profiles.
type profileDef struct {
	Policy     Policy `json:"policy,omitempty"`
	Attributes Schema `json:"attributes,omitempty"`
}

// Define declares the attributes of profiles, as customer.NAME and visitor.NAME in conditions. Attributes declared before
// stay; a new policy replaces the old one. With [Learn], an Identify adds attributes until there are 500, and one that would go
// beyond is rejected whole.
func (p Profiles) Define(ctx context.Context, attributes Schema, policy Policy) error {
	if err := p.c.begin(ctx, "profiles.define"); err != nil {
		return err
	}
	def := profileDef{Policy: policy, Attributes: Schema{}}
	var before []byte
	if err := p.c.engine.View(func(s *fold.State) { before, _ = s.BodyOf(fold.DefProfile, "") }); err != nil {
		return err
	}
	if before != nil {
		var old profileDef
		if err := json.Unmarshal(before, &old); err != nil {
			return err
		}
		for name, a := range old.Attributes {
			def.Attributes[name] = a
		}
	}
	for name, a := range attributes {
		def.Attributes[name] = a
	}
	return p.c.save(ctx, "profiles.define", fold.DefProfile, "", def)
}

// Schema returns the declared attributes of profiles, with what was learned.
func (p Profiles) Schema(ctx context.Context) (Schema, error) {
	def, err := get[profileDef](ctx, p.c, "profiles.schema", fold.DefProfile, "")
	if errors.Is(err, ErrNotFound) {
		return Schema{}, nil
	}
	return def.Attributes, err
}
