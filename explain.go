package cdp

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/roweval"
)

// Explanation says why somebody is in a segment or not. Its times are in the portal's time zone.
type Explanation struct {
	Segment string
	UserID  string
	At      time.Time
	Member  bool
	Since   time.Time // zero when not a member
	// NextFlip is when the answer changes if nothing more happens: no event, no attribute, no new version of an object, and no
	// change in the segments that the condition asks for by inSegment, which may change by time themselves. It is zero when the
	// answer does not change, or not at the next 256 instants at which it could.
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

// flipInstants is how many instants Explain tries for NextFlip.
const flipInstants = 256

// Explain says why a customer is in a segment or not: each sub-expression with its value and the ids of the events behind
// it, and when the answer changes by itself. Of somebody with hundreds of thousands of events it takes seconds; intake goes on
// meanwhile.
func (s Segments) Explain(ctx context.Context, name, userID string) (Explanation, error) {
	q, zone, err := s.askPerson(ctx, "segments.explain", name, userID)
	if err != nil {
		return Explanation{Segment: name, UserID: userID}, err
	}
	out := Explanation{Segment: name, UserID: userID, At: utc(q.Input().Now).In(zone)}
	if q.Since != 0 {
		out.Since = utc(q.Since).In(zone)
	}
	err = s.c.engine.Compute(func() {
		prog, in := q.Program(), q.Input()
		out.Root = explainNode(prog.Explain(in))
		out.Member = q.Population && prog.Eval(in).True()
		if at, ok := q.NextFlip(flipInstants, func() bool { return ctx.Err() != nil }); ok {
			out.NextFlip = utc(at).In(zone)
		}
	})
	return out, cmp.Or(err, ctx.Err())
}

// askPerson prepares a question about a customer and a saved segment; it is answered without holding up intake.
func (s Segments) askPerson(ctx context.Context, verb, name, userID string) (q *fold.PersonQuestion, zone *time.Location, err error) {
	var failed error
	err = s.c.read(ctx, verb, func(st *fold.State) {
		row, known := st.Find(fold.UserID, userID)
		var ok bool
		if q, ok = st.AskPerson(name, row, max(st.Now, s.c.Now().UnixMicro())); !ok {
			failed = notFound("segment", name)
		} else if !known {
			failed = notFound("customer", userID)
		}
		zone = st.Settings.Location()
	})
	return q, zone, cmp.Or(err, failed)
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

// ExplainPlan finds who would be in a segment now, as Preview does, and returns each step of it as text: how many people
// went in, how many were left, and how long it took. What no kernel answers is named.
func (s Segments) ExplainPlan(ctx context.Context, seg Segment) (string, error) {
	p, err := s.preview(ctx, "segments.explain_plan", seg)
	if err != nil {
		return "", err
	}
	var text string
	began := time.Now()
	err = s.c.engine.Compute(func() { text = p.Explain(func() time.Duration { return time.Since(began) }) })
	return text, err
}

func explainNode(n *roweval.Node) ExplainNode {
	out := ExplainNode{Source: strings.ReplaceAll(n.Text, "\n", " "), Value: n.Value, Events: n.Events}
	for _, child := range n.Children {
		out.Children = append(out.Children, explainNode(child))
	}
	return out
}

func drawExplanation(e Explanation) string {
	var b strings.Builder
	verdict := "is not in"
	if e.Member {
		verdict = "is in"
	}
	fmt.Fprintf(&b, "%s %s %q at %s", e.UserID, verdict, e.Segment, e.At.Format(explainTime))
	if !e.Since.IsZero() {
		fmt.Fprintf(&b, ", since %s", e.Since.Format(explainTime))
	}
	if e.NextFlip.IsZero() {
		b.WriteString("; time alone will not change that\n")
	} else {
		fmt.Fprintf(&b, "; if nothing happens this changes at %s\n", e.NextFlip.Format(explainTime))
	}
	drawNode(&b, e.Root, 1)
	return b.String()
}

const explainTime = "2006-01-02 15:04:05.999999 MST"

func drawNode(b *strings.Builder, n ExplainNode, depth int) {
	fmt.Fprintf(b, "%s%s  =  %s", strings.Repeat("  ", depth), n.Source, n.Value)
	if k := len(n.Events); k > 3 {
		fmt.Fprintf(b, " (… %s)", strings.Join(n.Events[k-3:], ", "))
	} else if k > 0 {
		fmt.Fprintf(b, " (%s)", strings.Join(n.Events, ", "))
	}
	b.WriteByte('\n')
	for _, child := range n.Children {
		drawNode(b, child, depth+1)
	}
}
