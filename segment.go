package cdp

import (
	"cmp"
	"context"
	"iter"

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
// a *DefinitionError with the place in the condition when it does not compile. Of cannot change while another segment or a
// journey uses it.
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
// long it takes, intake goes on meanwhile. It needs no name.
func (s Segments) Preview(ctx context.Context, seg Segment) (Set, error) {
	p, err := s.preview(ctx, "segments.preview", seg)
	if err != nil {
		return Set{}, err
	}
	out := Set{c: s.c}
	err = s.c.engine.Compute(func() { out.rows = p.Members() })
	return out, err
}

// preview prepares a question about an unsaved segment; it is answered without holding up intake.
func (s Segments) preview(ctx context.Context, verb string, seg Segment) (p *fold.Preview, err error) {
	def, err := unsaved(seg)
	if err != nil {
		return nil, err
	}
	var problem error
	err = s.c.read(ctx, verb, func(st *fold.State) {
		p, problem = st.PreviewSegment(def, max(st.Now, s.c.Now().UnixMicro()))
	})
	if err == nil && problem != nil {
		err = &DefinitionError{"segment", seg.Name, problem}
	}
	return p, err
}

// unsaved is a segment that is only asked about, as the engine wants it: with a name, which errors leave out. It is not
// stored, so it need not become JSON.
func unsaved(seg Segment) (*fold.SegmentDef, error) {
	if err := readable(fold.DefSegment, seg.Name, seg); err != nil {
		return nil, err
	}
	return &fold.SegmentDef{Name: cmp.Or(seg.Name, "preview"), Of: string(seg.Of), Where: seg.Where}, nil
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
