package cdp_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
	"github.com/embedcdp/cdp/store/memstore"
)

// Of the changes of an attribute the one with the latest time counts, whether it sets or removes, in whatever order they come
// and for whichever profile of the person: by hand, and at random against a plain list.

// TestAttributeChangesByHand: u is a customer, d a visitor, "u 1@5" sets the attribute to 1 from day 5 on, "u -@5" removes it, and
// "link" says that d is u. One step comes a day, from day 20 on.
func TestAttributeChangesByHand(t *testing.T) {
	for _, x := range []struct {
		steps string
		now   any
		true  map[int]any // by day
	}{
		{"u 1@5, u -@10, u 2@7", nil, map[int]any{4: nil, 5: 1.0, 7: 2.0, 9: 2.0, 10: nil}},
		{"u 1@5, u 2@7, u -@10", nil, map[int]any{4: nil, 5: 1.0, 7: 2.0, 9: 2.0, 10: nil}},
		{"u -@10, u 2@7", nil, map[int]any{6: nil, 7: 2.0, 9: 2.0, 10: nil}},
		{"u -@10, u -@6, u 2@7, u 3@11", 3.0, map[int]any{6: nil, 7: 2.0, 10: nil, 11: 3.0}},
		{"u 1@5, u -@8, u -@12, u 2@10", nil, map[int]any{7: 1.0, 8: nil, 9: nil, 10: 2.0, 11: 2.0, 12: nil}},
		{"u 1@5, d 9@3, d -@10, link", nil, map[int]any{3: 9.0, 5: 1.0, 9: 1.0, 10: nil}},
		{"u 1@5, d 9@3, link, d -@10", nil, map[int]any{3: 9.0, 5: 1.0, 9: 1.0, 10: nil}},
		{"u 1@5, u -@10, d 9@7, link", nil, map[int]any{5: 1.0, 7: 9.0, 10: nil}},
		{"d -@10, u 1@5, link", nil, map[int]any{5: 1.0, 9: 1.0, 10: nil}},
		{"d -@10, u 1@5, link, d 2@11", 2.0, map[int]any{9: 1.0, 10: nil, 11: 2.0}},
		{"d -@4, u 1@5, link, u 2@3", 1.0, map[int]any{3: 2.0, 4: nil, 5: 1.0}},
		{"d -@10, link, u 1@5", nil, map[int]any{5: 1.0, 10: nil}},
		// At the same time the last one counts; where profiles are linked, the visitor's.
		{"u 1@5, u -@5", nil, map[int]any{4: nil, 5: nil}},
		{"u -@5, u 1@5", 1.0, map[int]any{4: nil, 5: 1.0}},
		{"d -@5, u 1@5, link", nil, map[int]any{5: nil}},
		{"d 2@5, u -@5, link", 2.0, map[int]any{5: 2.0}},
		// What is said again while it is current keeps its first time.
		{"u 1@5, u 1@10, u 2@7", 2.0, map[int]any{5: 1.0, 7: 2.0, 12: 2.0}},
		{"u 1@5, u -@6, u 1@10, u 2@7", 1.0, map[int]any{5: 1.0, 6: nil, 7: 2.0, 12: 1.0}},
	} {
		t.Run(x.steps, func(t *testing.T) {
			p := newAttributePortal(t)
			for i, step := range strings.Split(x.steps, ", ") {
				p.clock.Set(day(20 + i))
				if step == "link" {
					p.link("u", "d")
					continue
				}
				var who, value string
				var at int
				_, err := fmt.Sscan(strings.NewReplacer("@", " ").Replace(step), &who, &value, &at)
				require.NoError(t, err)
				var set any
				if value != "-" {
					set = float64(value[0] - '0')
				}
				p.change(who, day(at), set)
			}
			for _, when := range []string{"at present", "opened again", "opened once more"} {
				require.Equal(t, x.now, p.attribute(p.c.Profiles().Find(t.Context(), "user_id", "u")), when)
				in, err := p.c.Segments().Contains(t.Context(), "has", "u")
				require.NoError(t, err)
				require.Equal(t, x.now != nil, in, when)
				for on, want := range x.true {
					require.Equal(t, want, p.attribute(p.c.TrueAt(day(on)).Profile(t.Context(), "u")), "true on day %d, %s", on, when)
				}
				require.Equal(t, x.now, p.attribute(p.c.KnownAt(p.clock.Now()).Profile(t.Context(), "u")), "known, %s", when)
				p.reopen()
			}
		})
	}
}

var attributeSeeds = flag.Int("attribute-seeds", 4, "how many random histories TestAttributeChangesAgainstList runs; 1 with -short")

// TestAttributeChangesAgainstList changes an attribute of customers and visitors at random and links some of them. The oracle is
// the list of changes: a person's value is that of the latest of their rows' changes. No two have one time or one value, so
// there is no tie and nothing is said again.
func TestAttributeChangesAgainstList(t *testing.T) {
	seeds := *attributeSeeds
	if testing.Short() {
		seeds = 1
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			l := &changeList{attributePortal: newAttributePortal(t), r: rand.New(rand.NewPCG(seed, 29)), links: map[string]changeLink{}, came: map[string]time.Time{}}
			l.clock.Set(day(20))
			for n := range 150 {
				l.step()
				l.checkPresent()
				if n%5 == 4 {
					l.checkPast()
				}
				if n%25 == 24 {
					l.reopen()
					l.checkPresent()
					l.checkPast()
				}
			}
			t.Logf("%d answers compared, %d of them absent by a removal; %d links", l.compared, l.removed, len(l.links))
			require.Greater(t, l.compared, 5000)
			require.Greater(t, l.removed, 1000)
			require.Greater(t, len(l.links), 10)
		})
	}
}

// changeList is a client and the list that its answers are compared with.
type changeList struct {
	*attributePortal
	r       *rand.Rand
	changes []attributeChange
	links   map[string]changeLink // by visitor
	came    map[string]time.Time  // when a name was first told

	compared, removed int
}

type attributeChange struct {
	who      string
	at, came time.Time
	x        any // nil removes
}

type changeLink struct {
	user string
	came time.Time
}

func (l *changeList) step() {
	if l.r.IntN(3) > 0 {
		l.clock.Advance(time.Duration(1+l.r.IntN(600)) * time.Minute)
	}
	now := l.clock.Now()
	meets := func(name string) string {
		if _, ok := l.came[name]; !ok {
			l.came[name] = now
		}
		return name
	}
	user, visitor := fmt.Sprint("u", l.r.IntN(5)), fmt.Sprint("d", l.r.IntN(40))
	if _, linked := l.links[visitor]; !linked && l.r.IntN(6) == 0 {
		l.links[meets(visitor)] = changeLink{meets(user), now}
		l.link(user, visitor)
		return
	}
	c := attributeChange{who: meets(pick(l.r, user, visitor)), came: now}
	for c.at.IsZero() || slices.ContainsFunc(l.changes, func(o attributeChange) bool { return o.at.Equal(c.at) }) {
		c.at = now.Add(time.Duration(l.r.IntN(20*86400)-15*86400) * time.Second) // late, or ahead
	}
	if l.r.IntN(5) > 1 {
		c.x = float64(l.r.IntN(1000)) + float64(len(l.changes))/1024
	}
	l.changes = append(l.changes, c)
	l.change(c.who, c.at, c.x)
}

// view is what a question sees: the present, or a past instant.
type view struct {
	name      string
	at        time.Time
	true      bool // changes with a time not after at, all links
	known     bool // what had come by at
	find      func(kind, id string) (cdp.Profile, error)
	inSegment func(segment string) int
}

func (l *changeList) checkPresent() {
	l.check(view{name: "at present",
		find: func(kind, id string) (cdp.Profile, error) { return l.c.Profiles().Find(l.t.Context(), kind, id) },
		inSegment: func(segment string) int {
			n, err := l.c.Segments().Count(l.t.Context(), segment)
			require.NoError(l.t, err)
			return n
		}})
}

func (l *changeList) checkPast() {
	for range 3 {
		some := l.changes[l.r.IntN(len(l.changes))]
		instants := []time.Time{some.came, some.at, some.at.Add(-time.Microsecond), l.clock.Now()}
		for _, at := range instants {
			if at.After(l.clock.Now()) {
				continue
			}
			if earliest := slices.MinFunc(l.changes, func(a, b attributeChange) int { return a.at.Compare(b.at) }); !at.Before(earliest.at) {
				l.check(pastView(l.t, "true", l.c.TrueAt(at), at, true))
			}
			if !at.Before(day(20)) {
				l.check(pastView(l.t, "known", l.c.KnownAt(at), at, false))
			}
		}
	}
}

func pastView(t *testing.T, name string, p cdp.Past, at time.Time, isTrue bool) view {
	return view{name: fmt.Sprintf("%s at %s", name, at), at: at, true: isTrue, known: !isTrue,
		find:      func(kind, id string) (cdp.Profile, error) { return p.Find(t.Context(), kind, id) },
		inSegment: func(segment string) int { return count(t, p, segment) }}
}

// check compares the attribute of everybody, and how many are in the segments.
func (l *changeList) check(v view) {
	members := map[string]int{}
	for name, came := range l.came {
		if v.known && came.After(v.at) {
			continue
		}
		kind := "user_id"
		if name[0] == 'd' {
			kind = "anonymous_id"
		}
		person := l.person(v, name)
		want, changed := l.latest(v, person)
		require.Equal(l.t, want, l.attribute(v.find(kind, name)), "%s, %s: %s", name, v.name, l.story(person))
		l.compared++
		if changed && want == nil {
			l.removed++
		}
		if x, ok := want.(float64); ok && person == name {
			switch {
			case name[0] == 'd':
				members["visitors"]++
			case x >= 500:
				members["high"]++
				members["has"]++
			default:
				members["has"]++
			}
		}
	}
	for _, segment := range []string{"has", "high", "visitors"} {
		require.Equal(l.t, members[segment], v.inSegment(segment), "members of %s, %s", segment, v.name)
	}
}

// person is the customer whom a name belongs to, or the name.
func (l *changeList) person(v view, name string) string {
	if link, ok := l.links[name]; ok && (!v.known || !link.came.After(v.at)) {
		return link.user
	}
	return name
}

func (l *changeList) latest(v view, person string) (x any, changed bool) {
	var last time.Time
	for _, c := range l.changes {
		if v.true && c.at.After(v.at) || v.known && c.came.After(v.at) || l.person(v, c.who) != person {
			continue
		}
		if c.at.After(last) {
			x, last, changed = c.x, c.at, true
		}
	}
	return x, changed
}

// story is what a person's rows were told, in order.
func (l *changeList) story(person string) string {
	var b strings.Builder
	for _, c := range l.changes {
		link := l.links[c.who]
		if c.who == person || link.user == person {
			fmt.Fprintf(&b, "\n  on %s: %s %v from %s, linked to %q on %s", c.came, c.who, c.x, c.at, link.user, link.came)
		}
	}
	return b.String()
}

// attributePortal is a client on a store, with one attribute x and who has it.
type attributePortal struct {
	t     *testing.T
	c     *cdp.Client
	clock *cdptest.Clock
	store *memstore.Store
}

func newAttributePortal(t *testing.T) *attributePortal {
	p := &attributePortal{t: t, clock: cdptest.NewClock(day(1)), store: memstore.New()}
	p.open()
	require.NoError(t, p.c.Profiles().Define(t.Context(), cdp.Schema{"x": cdp.Number}, cdp.Strict))
	for _, s := range []cdp.Segment{{Name: "has", Where: `has(customer.x)`}, {Name: "high", Where: `customer.x >= 500.0`}, {Name: "visitors", Where: `has(visitor.x)`, Of: cdp.Visitors}} {
		require.NoError(t, p.c.Segments().Save(t.Context(), s))
	}
	return p
}

func (p *attributePortal) open() {
	var err error
	p.c, err = cdp.New(p.store, cdp.Config{Now: p.clock.Now})
	require.NoError(p.t, err)
	p.t.Cleanup(func() { p.c.Close() })
}

func (p *attributePortal) reopen() {
	require.NoError(p.t, p.c.Close())
	p.open()
}

// change sets x of a customer, whose name begins with u, or of a visitor; nil removes it.
func (p *attributePortal) change(who string, at time.Time, x any) {
	id := cdp.Identity{UserID: who, Time: at, Attributes: cdp.Attrs{"x": x}}
	if who[0] != 'u' {
		id.UserID, id.AnonymousID = "", who
	}
	_, err := p.c.Identify(p.t.Context(), id)
	require.NoError(p.t, err)
}

func (p *attributePortal) link(user, visitor string) {
	_, err := p.c.Identify(p.t.Context(), cdp.Identity{UserID: user, AnonymousID: visitor})
	require.NoError(p.t, err)
}

func (p *attributePortal) attribute(profile cdp.Profile, err error) any {
	p.t.Helper()
	require.NoError(p.t, err)
	return profile.Attributes["x"]
}
