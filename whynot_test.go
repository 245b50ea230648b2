package cdp_test

import (
	"flag"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
)

var whyNotCases = flag.Int("whynot-cases", 90, "how many random cases TestWhyNotTurns asks; 30 with -short")

// TestWhyNotTurns asks about random conditions and people, the worlds of TestOracle, and makes every change that is proposed:
// those of the person to a copy of the naive person, about whom the naive interpreter is asked, and those of the condition by
// asking for who would be in the changed segment. Each turns the answer.
func TestWhyNotTurns(t *testing.T) {
	cases := *whyNotCases
	if testing.Short() {
		cases = min(cases, 30)
	}
	asked, found, pairs := 0, map[cdp.ChangeKind]int{}, 0
	none := 0
	for seed := uint64(1); asked < cases; seed++ {
		s := newOracleScript(seed, 25)
		c, w := s.play(t)
		for _, seg := range s.segments {
			for _, p := range w.people {
				if p.user == "" || asked == cases {
					continue
				}
				asked++
				got, err := c.Segments().WhyNot(t.Context(), seg.name, p.user)
				require.NoError(t, err)
				if seg.visitors {
					require.NotEmpty(t, got.Reason)
					require.Empty(t, got.Options)
					continue
				}
				require.Equal(t, w.member(seg, p, w.now), got.Member)
				if len(got.Options) == 0 {
					none++
				}
				for _, o := range got.Options {
					for _, change := range o.Changes {
						found[change.Kind]++
					}
					require.Len(t, o.Changes, len(got.Options[0].Changes))
					if len(o.Changes) == 2 {
						pairs++
					}
					require.NotEqual(t, got.Member, s.with(t, c, w, seg, p, o), "seed %d, %s of\n%s: %s\n%s\n%v", seed, p.user, seg.name, seg.term.text, got, p.attrs)
				}
			}
		}
		require.NoError(t, c.Close())
	}
	t.Logf("%d cases, none found for %d, pairs %d, changes %v", asked, none, pairs, found)
	assert.Less(t, none, asked*2/3)
	for _, kind := range []cdp.ChangeKind{cdp.ChangeCondition, cdp.ChangeAttribute, cdp.AddEvents, cdp.RemoveEvents} {
		assert.NotZero(t, found[kind], kind)
	}
	assert.NotZero(t, pairs)
}

// play lets all of a script happen.
func (s *oracleScript) play(t *testing.T) (*cdptest.Client, *naiveWorld) {
	c := cdptest.New(t, cdptest.Options{Start: time.UnixMicro(s.actions[0].at)})
	w := newNaiveWorld(s.schema)
	require.NoError(t, c.Portal().Save(t.Context(), cdp.Settings{TimeZone: s.schema.zone, WeekStart: strings.ToLower(s.schema.week.String())}))
	require.NoError(t, c.Objects().Define(t.Context(), cdp.ObjectType{Name: "thing", Attributes: publicKeys(s.schema.thing)}))
	c.DefineProfile(publicKeys(s.schema.profile))
	for _, e := range s.schema.events {
		c.Define(cdp.EventType{Name: e.name, Attributes: publicKeys(e.attrs)})
	}
	for _, a := range s.actions {
		require.NoError(t, a.do(c, w))
	}
	for _, seg := range s.segments {
		require.NoError(t, c.Segments().Save(t.Context(), seg.public()))
	}
	return c, w
}

// with is the answer after the changes of an option.
func (s *oracleScript) with(t *testing.T, c *cdptest.Client, w *naiveWorld, seg *naiveSegment, p *naivePerson, o cdp.Option) bool {
	if o.Where != "" {
		set, err := c.Segments().Preview(t.Context(), cdp.Segment{Where: o.Where})
		require.NoError(t, err)
		return slices.Contains(namesOf(t, set), name(p.user, p.anonymous))
	}
	q := *p
	q.attrs, q.events = maps.Clone(p.attrs), maps.Clone(p.events)
	for _, change := range o.Changes {
		switch change.Kind {
		case cdp.ChangeAttribute:
			if change.Value == nil {
				delete(q.attrs, change.Attribute)
			} else {
				q.attrs[change.Attribute] = naiveValue(change.Value)
			}
		case cdp.AddEvents:
			q.events[change.Event] = slices.Clone(q.events[change.Event])
			for i := range change.Count {
				q.add(change.Event, &naiveEvent{id: fmt.Sprint("more", i), at: change.Time.UnixMicro(), position: math.MaxInt - 1000 + i, attrs: naiveValues(change.Attributes)})
			}
		case cdp.RemoveEvents:
			q.events[change.Event] = slices.DeleteFunc(slices.Clone(q.events[change.Event]), func(e *naiveEvent) bool { return slices.Contains(change.IDs, e.id) })
		}
	}
	return w.member(seg, &q, w.now)
}
