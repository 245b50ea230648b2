package cdp

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/embedcdp/cdp/internal/value"
	"github.com/embedcdp/cdp/internal/whynot"
)

// WhyNot is what would turn an answer: make a customer a member, or a member none.
type WhyNot struct {
	Segment string
	UserID  string
	At      time.Time // in the portal's time zone
	Member  bool      // as things are
	// Options are the ways that were found, each of as few changes as any: one, or two where no single one does it. There are at
	// most 12, and none where none was found.
	Options []Option
	// Complete is false when the search ended before it had tried all, as it does for people with very many events.
	Complete bool
	Reason   string // why nothing can be found, where that is known
}

// Option is changes that turn the answer when all are made.
type Option struct {
	Changes []Change
	Where   string // the segment's condition after them; "" when they leave it as it is
}

// Change is one change, as data; String says it in words.
type Change struct {
	Kind ChangeKind

	// ChangeCondition: To in the place of From, in a part of the condition. All as CEL; Option.Where is the whole.
	Part, From, To string

	// ChangeAttribute: of the profile. Nil is absent.
	Attribute  string
	Was, Value any

	// AddEvents: Count more events, each with these Attributes, at Time (UTC). RemoveEvents: those with IDs, Count of them.
	Event      string
	Count      int
	Attributes Attrs
	Time       time.Time
	IDs        []string

	words string
}

// ChangeKind says what a change is of.
type ChangeKind string

const (
	ChangeCondition ChangeKind = "condition"
	ChangeAttribute ChangeKind = "attribute"
	AddEvents       ChangeKind = "add_events"
	RemoveEvents    ChangeKind = "remove_events"
)

// String says the change in words: `2 more purchase with category = "shoes"`.
func (c Change) String() string { return c.words }

// WhyNot searches for the fewest changes that make a customer a member of a segment, or a member none.
//
// Tried one by one, and where no single one does it in pairs, which are either both of the person or both of the condition and
// of which each by itself changes what a comparison of the condition says:
//
//   - one more event of a type that the condition reads, then two alike, then three, or as many as a number in the condition
//     asks for; now, a day, 8 or 35 days ago; with the values that the condition names, those beside them, another, or none:
//     up to 8 values of an attribute and 32 kinds of event
//   - fewer of the last 20 events that each part of the condition lists: any single one, then the newest or the oldest
//   - another value of a profile attribute that the condition reads, the nearest 40 in order, or none
//   - another number, text, time or duration in the place of one that the condition compares with, the nearest 40 in order
//
// A pair may be of the same thing: new events of two kinds of one type, up to three of each, or some for those that go, the fewest
// first; and two values in one comparison, also where neither changes alone what it says.
//
// So of each event type it finds the fewest events, and of each attribute and literal the nearest value, among those tried: values
// come from the person, their newest 200 events and the condition. Segments that the condition asks for by inSegment follow
// changes of the person. Objects and lists of objects are not changed. None found means that none of these does it, not that
// there is none.
//
// The search holds nothing up. It took 0.5 to 17 ms for people with 10 events, 0.3 to 600 ms for 1,000, and up to 3.4 s for
// 100,000, of whom not all was tried (go test . -run '^$' -bench WhyNot). It is bounded by 20,000 evaluations of parts of the
// condition, fewer where a person has many events or a condition many loops.
func (s Segments) WhyNot(ctx context.Context, name, userID string) (WhyNot, error) {
	out := WhyNot{Segment: name, UserID: userID}
	q, zone, err := s.askPerson(ctx, "segments.why_not", name, userID)
	if err != nil {
		return out, err
	}
	out.At = utc(q.Input().Now).In(zone)
	if !q.Population {
		out.Reason, out.Complete = "the segment is of visitors, who have no user id", true
		return out, nil
	}
	var found whynot.Answer
	var problem error
	if err := s.c.engine.Compute(func() { found, problem = q.WhyNot(func() bool { return ctx.Err() != nil }) }); err != nil {
		return out, err
	}
	if problem != nil {
		return out, problem
	}
	out.Member, out.Complete = found.Member, found.Complete
	for _, o := range found.Options {
		option := Option{Where: o.Where}
		for _, c := range o.Changes {
			option.Changes = append(option.Changes, changeOf(c, q.Input().Now))
		}
		out.Options = append(out.Options, option)
	}
	return out, ctx.Err()
}

func changeOf(c whynot.Change, now int64) Change {
	switch c.Kind {
	case whynot.Literal:
		return Change{Kind: ChangeCondition, Part: c.Part, From: c.From, To: c.To,
			words: fmt.Sprintf("%s instead of %s in the condition's %s", c.To, c.From, c.Part)}
	case whynot.Attribute:
		out := Change{Kind: ChangeAttribute, Attribute: c.Name, Was: c.Was.Go(), Value: c.Value.Go()}
		out.words = fmt.Sprintf("%s = %s (now %s)", c.Name, written(c.Value), written(c.Was))
		return out
	case whynot.FewerEvents:
		return Change{Kind: RemoveEvents, Event: c.Name, Count: len(c.IDs), IDs: slices.Clone(c.IDs),
			words: fmt.Sprintf("%d fewer %s: without %s", len(c.IDs), c.Name, strings.Join(c.IDs, ", "))}
	}
	out := Change{Kind: AddEvents, Event: c.Name, Count: c.Count, Attributes: goAttrs(c.Attrs), Time: utc(c.Time)}
	out.words = fmt.Sprintf("%d more %s", c.Count, c.Name)
	var with []string
	for name, v := range c.Attrs {
		with = append(with, name+" = "+written(v))
	}
	if slices.Sort(with); len(with) > 0 {
		out.words += " with " + strings.Join(with, " and ")
	}
	if c.Time != now {
		out.words += " at " + out.Time.Format(explainTime)
	}
	return out
}

func written(v value.Value) string {
	if v.Kind == value.String {
		return fmt.Sprintf("%q", v.Str)
	}
	return v.String()
}

// String says what was found, a line an option.
func (w WhyNot) String() string {
	var b strings.Builder
	verdict := "is not in"
	if w.Member {
		verdict = "is in"
	}
	fmt.Fprintf(&b, "%s %s %q at %s", w.UserID, verdict, w.Segment, w.At.Format(explainTime))
	switch {
	case w.Reason != "":
		fmt.Fprintf(&b, ": %s\n", w.Reason)
	case len(w.Options) == 0 && w.Complete:
		b.WriteString("; none found: no change and no two changes that were tried turn that\n")
	case len(w.Options) == 0:
		b.WriteString("; none found, but not all was tried\n")
	default:
		b.WriteString("; any of these turns that\n")
	}
	for _, o := range w.Options {
		var all []string
		for _, c := range o.Changes {
			all = append(all, c.String())
		}
		fmt.Fprintf(&b, "  %s\n", strings.Join(all, ", and "))
	}
	return b.String()
}
