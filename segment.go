package cdp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/fold"
)

// Segment is a group of people by a condition, kept right at every instant: people enter and leave it as events arrive
// and as time passes, and each entering and leaving is on their timeline.
type Segment struct {
	Name        string   `json:"name"`         // letters, digits and underscores
	Of          Of       `json:"of,omitempty"` // default: Customers
	Where       string   `json:"where"`        // CEL; see the package documentation
	Description string   `json:"description,omitempty"`
	Labels      []string `json:"labels,omitempty"`
	Owner       string   `json:"owner,omitempty"`
}

// Of says whom a segment is about.
type Of string

const (
	Customers Of = "customers" // people with a user id, with the history of all their visitors
	Visitors  Of = "visitors"  // people without one; a visitor that becomes a customer leaves
)

// Segments are the verbs of segments. Get them from [Client.Segments].
type Segments struct{ c *Client }

// Segments returns the verbs of segments.
func (c *Client) Segments() Segments { return Segments{c} }

// Save checks a segment, keeps it as a new version, and fills it: when Save returns, its members are right. The error is
// a *DefinitionError with the place in the condition when it does not compile.
//
// From 20,000 people or 400,000 events on, the members are found beside intake, which goes on meanwhile; until they are, the
// segment has the members of its older version, or none. When ctx ends before, or the client is closed, the segment is
// saved all the same, and its members are found without anybody waiting, at the latest after the next Open. A segment that
// follows references to objects is filled at once, and intake waits for it.
func (s Segments) Save(ctx context.Context, seg Segment) error {
	return s.c.save(ctx, "segments.save", fold.DefSegment, seg.Name, seg)
}

// Get returns a segment's current version.
func (s Segments) Get(ctx context.Context, name string) (Segment, error) {
	return get[Segment](ctx, s.c, "segments.get", fold.DefSegment, name)
}

// List returns all segments by name.
func (s Segments) List(ctx context.Context) ([]Segment, error) {
	return list[Segment](ctx, s.c, "segments.list", fold.DefSegment)
}

// Versions returns every version of a segment, oldest first.
func (s Segments) Versions(ctx context.Context, name string) ([]Version[Segment], error) {
	return versions[Segment](ctx, s.c, "segments.versions", fold.DefSegment, name)
}

// Remove deletes a segment; everybody leaves it. It is refused while another segment or a journey uses it.
func (s Segments) Remove(ctx context.Context, name string) error {
	return s.c.remove(ctx, "segments.remove", fold.DefSegment, name)
}

// Check compiles a condition and says what is wrong with it, without saving anything.
func (s Segments) Check(ctx context.Context, seg Segment) error {
	return s.c.check(ctx, "segments.check", fold.DefSegment, seg.Name, seg)
}

// Preview finds who would be in a segment now, without saving it: how many, and who. Nothing is written, and however
// long it takes, intake goes on meanwhile. It needs a name, for errors.
func (s Segments) Preview(ctx context.Context, seg Segment) (Set, error) {
	body, err := encode(fold.DefSegment, seg.Name, seg)
	if err != nil {
		return Set{}, err
	}
	p, err := s.preview(ctx, "segments.preview", seg, body)
	if err != nil {
		return Set{}, err
	}
	out := Set{c: s.c}
	err = s.c.engine.Compute(func() { out.rows = p.Members() })
	return out, err
}

// preview prepares a question about an unsaved segment; it is answered without holding up intake.
func (s Segments) preview(ctx context.Context, verb string, seg Segment, body []byte) (p *fold.Preview, err error) {
	var problem error
	err = s.c.read(ctx, verb, func(st *fold.State) {
		p, problem = st.PreviewSegment(seg.Name, body, max(st.Now, s.c.Now().UnixMicro()))
	})
	if err == nil && problem != nil {
		err = &DefinitionError{"segment", seg.Name, problem}
	}
	return p, err
}

// Count returns the number of members now.
func (s Segments) Count(ctx context.Context, name string) (int, error) {
	set, err := s.Set(ctx, name)
	if err != nil {
		return 0, err
	}
	return set.Len(), nil
}

// Contains says whether a customer is a member now.
func (s Segments) Contains(ctx context.Context, name, userID string) (bool, error) {
	var in, found bool
	var seg *roaring.Bitmap
	err := s.c.read(ctx, "segments.contains", func(st *fold.State) {
		row, ok := st.Find(fold.UserID, userID)
		found = ok
		if seg, _ = st.Members(name); seg != nil && ok {
			in = seg.Contains(row)
		}
	})
	switch {
	case err != nil:
		return false, err
	case seg == nil:
		return false, notFound("segment", name)
	case !found:
		return false, notFound("customer", userID)
	}
	return in, nil
}

// Members yields the members as of the call, in the order in which they were first seen. Profiles are read in pages, so
// a long loop never holds up intake; who leaves meanwhile is still yielded. The error, if any, comes last.
func (s Segments) Members(ctx context.Context, name string) iter.Seq2[Profile, error] {
	return func(yield func(Profile, error) bool) {
		set, err := s.Set(ctx, name)
		if err != nil {
			yield(Profile{}, err)
			return
		}
		s.c.profiles(ctx, set.rows, yield)
	}
}

// Set returns the membership as of the call, for set operations and for reports about these people.
func (s Segments) Set(ctx context.Context, name string) (Set, error) {
	var rows *roaring.Bitmap
	err := s.c.read(ctx, "segments.set", func(st *fold.State) { rows, _ = st.Members(name) })
	if err != nil {
		return Set{}, err
	}
	if rows == nil {
		return Set{}, notFound("segment", name)
	}
	return Set{c: s.c, rows: rows}, nil
}

// Flip is one entering or leaving of a segment.
type Flip struct {
	UserID      string // of the person as they are known now; "" for a visitor
	AnonymousID string // the person's first one
	Time        time.Time
	Entered     bool   // false: left
	Cause       string // track, late (more than an hour after it happened), import, definition, merge, time, replay or retention
}

// Flips returns who entered and left a segment, in order, from since on.
func (s Segments) Flips(ctx context.Context, name string, since time.Time) ([]Flip, error) {
	var out []Flip
	known := false
	err := s.c.read(ctx, "segments.flips", func(st *fold.State) {
		_, known = st.Members(name)
		from := since.UnixMicro()
		for f := range st.Flips(name) {
			if since.IsZero() || f.At >= from {
				out = append(out, Flip{st.UserIDOf(f.Row), st.AnonymousIDOf(f.Row), utc(f.At), f.In, f.Cause})
			}
		}
	})
	if err == nil && !known {
		err = notFound("segment", name)
	}
	return out, err
}

// Set is a group of people at one moment, as a roaring bitmap. Its operations return new sets and are safe for
// concurrent use.
type Set struct {
	c    *Client
	rows *roaring.Bitmap
}

// Len returns the number of people.
func (a Set) Len() int {
	if a.rows == nil {
		return 0
	}
	return int(a.rows.GetCardinality())
}

// And returns the people in both, Or those in either, AndNot those in a and not in b.
func (a Set) And(b Set) Set    { return Set{a.client(b), roaring.And(a.bits(), b.bits())} }
func (a Set) Or(b Set) Set     { return Set{a.client(b), roaring.Or(a.bits(), b.bits())} }
func (a Set) AndNot(b Set) Set { return Set{a.client(b), roaring.AndNot(a.bits(), b.bits())} }

func (a Set) client(b Set) *Client {
	if a.c == nil {
		return b.c
	}
	return a.c
}

func (a Set) bits() *roaring.Bitmap {
	if a.rows == nil {
		return roaring.New()
	}
	return a.rows
}

// Members yields the people's profiles as they are now.
func (a Set) Members(ctx context.Context) iter.Seq2[Profile, error] {
	return func(yield func(Profile, error) bool) {
		if a.c == nil {
			return
		}
		if err := a.c.begin(ctx, "set.members"); err != nil {
			yield(Profile{}, err)
			return
		}
		a.c.profiles(ctx, a.rows, yield)
	}
}

// Explanation says why somebody is in a segment or not. Its times are in the portal's time zone.
type Explanation struct {
	Segment string
	UserID  string
	At      time.Time
	Member  bool
	Since   time.Time // zero when not a member
	// NextFlip is when the answer changes if nothing more happens; zero when it does not, or not at the next 256 instants
	// at which it could.
	NextFlip time.Time
	Root     ExplainNode
}

// ExplainNode is one sub-expression with its value.
type ExplainNode struct {
	Source   string   // as written
	Value    string   // printed; "absent" where there is none
	Events   []string // ids of the events it comes from, at most 20
	Children []ExplainNode
}

// String draws the explanation as an indented tree.
func (e Explanation) String() string { return drawExplanation(e) }

// Explain says why a customer is in a segment or not: each sub-expression with its value and the ids of the events behind
// it, and when the answer changes by itself.
func (s Segments) Explain(ctx context.Context, name, userID string) (Explanation, error) {
	out := Explanation{Segment: name, UserID: userID}
	var failed error
	err := s.c.read(ctx, "segments.explain", func(st *fold.State) {
		prog, ok := st.SegmentProgram(name)
		if !ok {
			failed = notFound("segment", name)
			return
		}
		row, ok := st.Find(fold.UserID, userID)
		if !ok {
			failed = notFound("customer", userID)
			return
		}
		in := st.InputOf(row)
		in.Now = max(in.Now, s.c.Now().UnixMicro())
		tree := prog.Explain(in)
		out.Root = explainNode(tree)
		zone := st.Settings.Location()
		out.At = utc(in.Now).In(zone)
		out.Member = prog.Eval(in).True() && st.Population(name, row)
		if since, in := st.Since(row)[name]; in {
			out.Since = utc(since).In(zone)
		}
		if tree.Flip != math.MaxInt64 {
			out.NextFlip = utc(tree.Flip).In(zone)
		}
	})
	return out, errors.Join(err, failed)
}

// Plan returns how a segment's members are found, as text: what the condition says, then the operators, and what is left
// to row-by-row evaluation; then, where it differs, how they are found when it is saved, and its Limits. Nothing falls back in silence.
func (s Segments) Plan(ctx context.Context, name string) (string, error) {
	var text string
	known := false
	err := s.c.read(ctx, "segments.plan", func(st *fold.State) {
		var logical, physical, kept string
		if logical, physical, kept, known = st.PlanOf(name); known {
			text = logical + "\n" + physical
		}
		if kept != "" {
			text += "\nwhen saved, to know when each member changes by time\n" + kept
		}
		found, _ := s.limits(st, name)
		for _, l := range found {
			text += "\n" + l.String()
		}
	})
	if err == nil && !known {
		err = notFound("segment", name)
	}
	return text, err
}

// Limit says that a segment looks further back than the events of a type are kept: it sees those that are left.
type Limit struct {
	Event     string        // the type
	Retention string        // of the type; "" when it has none any more and events are gone all the same
	Reach     time.Duration // how far before now the condition looks at most; 0 is all time
}

func (l Limit) String() string {
	reach, kept := "all time", "some were dropped"
	if l.Reach > 0 {
		reach = "the last " + strings.TrimSuffix(strings.TrimSuffix(l.Reach.String(), "0s"), "0m")
	}
	if l.Retention != "" {
		kept = "kept for " + l.Retention
	}
	return fmt.Sprintf("limited: it looks at events %q of %s; events of that type are %s", l.Event, reach, kept)
}

// Limits returns where a segment, or one that it asks for, looks further back than events are kept ([EventType].Retention), by
// the definitions of now; none when it sees all that its condition asks for.
func (s Segments) Limits(ctx context.Context, name string) (out []Limit, err error) {
	known := false
	err = s.c.read(ctx, "segments.limits", func(st *fold.State) { out, known = s.limits(st, name) })
	if err == nil && !known {
		err = notFound("segment", name)
	}
	return out, err
}

func (s Segments) limits(st *fold.State, name string) (out []Limit, known bool) {
	found, known := st.LimitsOf(name, max(st.Now, s.c.Now().UnixMicro()))
	for _, l := range found {
		reach := time.Duration(0)
		if l.Reach < math.MaxInt64/1000 {
			reach = time.Duration(l.Reach) * time.Microsecond
		}
		out = append(out, Limit{l.Event, l.Retention, reach})
	}
	return out, known
}

// ExplainPlan finds who would be in a segment now, as Preview does, and returns each step of it as text: how many people
// went in, how many were left, and how long it took. What no kernel answers is named.
func (s Segments) ExplainPlan(ctx context.Context, seg Segment) (string, error) {
	body, err := encode(fold.DefSegment, seg.Name, seg)
	if err != nil {
		return "", err
	}
	p, err := s.preview(ctx, "segments.explain_plan", seg, body)
	if err != nil {
		return "", err
	}
	var text string
	began := time.Now()
	err = s.c.engine.Compute(func() { text = p.Explain(func() time.Duration { return time.Since(began) }) })
	return text, err
}

// save checks a definition, logs it, and waits until it has taken effect.
func (c *Client) save(ctx context.Context, verb, kind, name string, def any) error {
	if err := c.begin(ctx, verb); err != nil {
		return err
	}
	body, err := encode(kind, name, def)
	if err != nil {
		return err
	}
	return c.define(ctx, kind, name, body, 0)
}

// Version is one version of a definition.
type Version[T any] struct {
	Number int // from 1
	Saved  time.Time
	Def    T
}

func get[T any](ctx context.Context, c *Client, verb, kind, name string) (def T, err error) {
	var body []byte
	ok := false
	if err := c.read(ctx, verb, func(s *fold.State) { body, ok = s.BodyOf(kind, name) }); err != nil {
		return def, err
	}
	if !ok {
		return def, notFound(kind, name)
	}
	return def, json.Unmarshal(body, &def)
}

func list[T any](ctx context.Context, c *Client, verb, kind string) ([]T, error) {
	var bodies [][]byte
	if err := c.read(ctx, verb, func(s *fold.State) {
		for _, d := range s.Definitions(kind) {
			bodies = append(bodies, d.Body)
		}
	}); err != nil {
		return nil, err
	}
	out := make([]T, len(bodies))
	for i, b := range bodies {
		if err := json.Unmarshal(b, &out[i]); err != nil {
			return nil, fmt.Errorf("cdp: %s: %w", verb, err)
		}
	}
	return out, nil
}

func versions[T any](ctx context.Context, c *Client, verb, kind, name string) ([]Version[T], error) {
	var out []Version[T]
	var failed error
	if err := c.read(ctx, verb, func(s *fold.State) {
		d := s.Definition(kind, name)
		if d == nil {
			failed = notFound(kind, name)
			return
		}
		for n := 1; n <= d.Version; n++ {
			body, at, _ := s.VersionBody(d, n)
			v := Version[T]{Number: n, Saved: utc(at)}
			if err := json.Unmarshal(body, &v.Def); err != nil {
				failed = err
			}
			out = append(out, v)
		}
	}); err != nil {
		return nil, err
	}
	return out, failed
}

func utc(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// utcOrZero is the zero time for what is not known.
func utcOrZero(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return utc(micros)
}
