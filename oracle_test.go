package cdp_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
)

var (
	oracleCases = flag.Int("cases", 2000, "how many random conditions TestOracle asks; 300 with -short")
	oracleSeed  = flag.Uint64("oracle-seed", 0, "the seed of TestOracle's first world; a failure prints its own")
)

// TestOracle asks random conditions about random people, and compares for every profile what Preview says (plans and
// kernels), what the saved segment says after events came one by one, and what a naive interpreter says that shares
// nothing with the library: now, after time has passed, and at the next flip that Explain foretells.
func TestOracle(t *testing.T) {
	const perWorld = 25
	cases := *oracleCases
	if testing.Short() {
		cases = min(cases, 300)
	}
	var total oracleCounts
	for seed := *oracleSeed; total.conditions < cases; seed++ {
		if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { // a test of its own lets go of its clients when it ends
			s := newOracleScript(seed, min(perWorld, cases-total.conditions))
			counts, problem := s.run(t, true)
			if problem != "" {
				small := s.shrink(t)
				_, problem = small.run(t, true)
				t.Fatalf("go test -run 'TestOracle$' -oracle-seed %d -cases %d\n%s\n%s", seed, perWorld, problem, small)
			}
			total.add(counts)
		}) {
			return
		}
	}
	t.Logf("%d conditions, %d answers of which %d true, %d members gained or lost with time, %d foretold flips", total.conditions, total.answers, total.yes, total.moved, total.flips)
	t.Logf("plans with kernels: %v", total.kernels)
	if total.conditions >= 2000 {
		for _, k := range oracleKernels {
			require.Positive(t, total.kernels[k.name], "no plan has a kernel for %s", k.name)
		}
	}
	require.Greater(t, total.yes, total.answers/20, "nearly nobody is a member: the conditions test nothing")
	require.Greater(t, total.flips, total.conditions/20)
}

// oracleKernels are kinds of kernels that the conditions must reach, by how a plan prints them.
var oracleKernels = []struct {
	name  string
	lines *regexp.Regexp
}{
	{"sequence", regexp.MustCompile(`scan: .*sequence in`)},
	{"arithmetic", regexp.MustCompile(`(kernel|scan): .*\(\S.* [-+*/] .*\)`)},
	{"elements", regexp.MustCompile(`(kernel|scan): .*element `)},
	{"length", regexp.MustCompile(`(kernel|scan): .*: length`)},
	{"id", regexp.MustCompile(`scan: .*e\.id `)},
}

type oracleCounts struct {
	conditions, answers, yes, moved, flips int
	kernels                                map[string]int
}

func (c *oracleCounts) add(d oracleCounts) {
	c.conditions, c.answers, c.yes, c.moved, c.flips = c.conditions+d.conditions, c.answers+d.answers, c.yes+d.yes, c.moved+d.moved, c.flips+d.flips
	if c.kernels == nil {
		c.kernels = map[string]int{}
	}
	for k, n := range d.kernels {
		c.kernels[k] += n
	}
}

// oracleScript is a world with its segments and what happens in it, as data.
type oracleScript struct {
	seed     uint64
	schema   *naiveSchema
	segments []*naiveSegment
	actions  []naiveAction
}

func newOracleScript(seed uint64, segments int) *oracleScript {
	r := rand.New(rand.NewPCG(seed, 11))
	s := &oracleScript{seed: seed, schema: newNaiveSchema(r)}
	s.actions = randomActions(r, s.schema)
	m := &termMaker{r: r, s: s.schema, deep: 3}
	for i := range segments {
		s.segments = append(s.segments, m.segment(fmt.Sprintf("s%d", i), slices.Clone(s.segments), s.actions[0].at))
	}
	return s
}

// run plays the script and returns the first disagreement.
func (s *oracleScript) run(t testing.TB, flips bool) (n oracleCounts, problem string) {
	ctx := t.Context()
	c := cdptest.New(t, cdptest.Options{Start: time.UnixMicro(s.actions[0].at)})
	defer c.Close()
	w := newNaiveWorld(s.schema)
	require.NoError(t, c.Portal().Save(ctx, cdp.Settings{TimeZone: s.schema.zone, WeekStart: strings.ToLower(s.schema.week.String())}))
	require.NoError(t, c.Objects().Define(ctx, cdp.ObjectType{Name: "thing", Attributes: publicKeys(s.schema.thing)}))
	c.DefineProfile(publicKeys(s.schema.profile))
	for _, e := range s.schema.events {
		c.Define(cdp.EventType{Name: e.name, Attributes: publicKeys(e.attrs)})
	}
	n.conditions = len(s.segments)
	saved := false
	n.kernels = map[string]int{}
	members := map[string][]string{}
	for step, a := range s.actions {
		if err := a.do(c, w); err != nil {
			return n, fmt.Sprintf("step %d: %v", step, err)
		}
		if a.save {
			saved = true
			for _, seg := range s.segments {
				if err := c.Segments().Save(ctx, seg.public()); err != nil {
					return n, fmt.Sprintf("%s does not compile: %s: %v", seg.name, seg.term.text, err)
				}
				plan, err := c.Segments().Plan(ctx, seg.name)
				require.NoError(t, err)
				for _, k := range oracleKernels {
					if k.lines.MatchString(plan) {
						n.kernels[k.name]++
					}
				}
			}
		}
		if !saved {
			continue
		}
		for _, seg := range s.segments {
			want := w.members(seg)
			n.answers, n.yes = n.answers+len(w.people), n.yes+len(want)
			if a.tick && !slices.Equal(want, members[seg.name]) {
				n.moved++
			}
			members[seg.name] = want
			live, err := c.Segments().Set(ctx, seg.name)
			require.NoError(t, err)
			if got := namesOf(t, live); !slices.Equal(got, want) {
				return n, fmt.Sprintf("after step %d: %s\n%s: %s\nnaive  %v\nlive   %v", step, a, seg.name, seg.term.text, want, got)
			}
			if !a.save && !a.tick {
				continue
			}
			set, err := c.Segments().Preview(ctx, seg.public())
			require.NoError(t, err)
			if got := namesOf(t, set); !slices.Equal(got, want) {
				return n, fmt.Sprintf("after step %d: %s\n%s: %s\nnaive   %v\npreview %v", step, a, seg.name, seg.term.text, want, got)
			}
			if flips {
				found, problem := s.flip(t, c, w, seg)
				if n.flips += found; problem != "" {
					return n, fmt.Sprintf("after step %d: %s\n%s: %s\n%s", step, a, seg.name, seg.term.text, problem)
				}
			}
		}
	}
	return n, ""
}

func (seg *naiveSegment) public() cdp.Segment {
	of := cdp.Customers
	if seg.visitors {
		of = cdp.Visitors
	}
	return cdp.Segment{Name: seg.name, Of: of, Where: seg.term.text}
}

func (w *naiveWorld) members(seg *naiveSegment) []string {
	var out []string
	for _, p := range w.people {
		if w.member(seg, p, w.now) {
			out = append(out, name(p.user, p.anonymous))
		}
	}
	slices.Sort(out)
	return out
}

func namesOf(t testing.TB, set cdp.Set) []string {
	var out []string
	for p, err := range set.Members(t.Context()) {
		require.NoError(t, err)
		anonymous := ""
		if ids := p.Identifiers["anonymous_id"]; len(ids) > 0 {
			anonymous = ids[0]
		}
		out = append(out, name(p.UserID, anonymous))
	}
	slices.Sort(out)
	return out
}

// flip compares the flip that Explain foretells for one customer with the naive answers at every instant at which a
// change is likely: where events, times of the profile and days begin, and a window later or earlier.
func (s *oracleScript) flip(t testing.TB, c *cdptest.Client, w *naiveWorld, seg *naiveSegment) (found int, problem string) {
	customers := slices.DeleteFunc(slices.Clone(w.people), func(p *naivePerson) bool { return p.user == "" })
	if seg.elsewise || seg.visitors || len(customers) == 0 {
		return 0, ""
	}
	p := customers[int(w.now/1000)%len(customers)]
	why, err := c.Segments().Explain(t.Context(), seg.name, p.user)
	require.NoError(t, err)
	now := w.member(seg, p, w.now)
	if why.Member != now {
		return 0, fmt.Sprintf("Explain says %v of %s, who is %v", why.Member, p.user, now)
	}
	until := w.now + 40*naiveDay
	if !why.NextFlip.IsZero() {
		at := why.NextFlip.UnixMicro()
		if w.member(seg, p, at) == now {
			return 0, fmt.Sprintf("%s does not flip at %s as foretold", p.user, moment(at))
		}
		if w.member(seg, p, at-1) != now {
			return 0, fmt.Sprintf("%s flips before %s, for which it is foretold", p.user, moment(at))
		}
		until = min(until, at-1)
	} else if seg.hourly {
		return 0, "" // more instants than Explain tries
	}
	for _, at := range w.instants(seg, p, until) {
		if w.member(seg, p, at) != now {
			return 0, fmt.Sprintf("%s flips at %s, which is not foretold, but %s", p.user, moment(at), why.NextFlip)
		}
	}
	if why.NextFlip.IsZero() {
		return 0, ""
	}
	return 1, ""
}

func (w *naiveWorld) instants(seg *naiveSegment, p *naivePerson, until int64) (out []int64) {
	shifts := []int64{0}
	for _, s := range seg.spans {
		shifts = append(shifts, s, -s)
	}
	around := func(t int64) {
		for _, s := range shifts {
			for d := int64(-1); d <= 1; d++ {
				if at := t + s + d; w.now < at && at <= until {
					out = append(out, at)
				}
			}
		}
	}
	for _, events := range p.events {
		for _, e := range events {
			around(e.at)
		}
	}
	for _, v := range p.attrs {
		if t, ok := v.(naiveTime); ok {
			around(int64(t))
		}
	}
	for day := w.schema.start(w.now, "day", 1); day <= until; day = w.schema.start(day, "day", 1) {
		around(day)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// shrink leaves out segments, actions, events and attributes as long as something is still wrong.
func (s *oracleScript) shrink(t testing.TB) *oracleScript {
	small := *s
	try := func(change func(*oracleScript)) bool {
		without := small
		without.segments, without.actions = slices.Clone(small.segments), slices.Clone(small.actions)
		change(&without)
		_, problem := without.run(t, true)
		if problem != "" {
			small = without
		}
		return problem != ""
	}
	for i := len(small.segments) - 1; i >= 0; i-- {
		used := func(o *naiveSegment) bool { return slices.Contains(o.uses, small.segments[i].name) }
		if len(small.segments) > 1 && !slices.ContainsFunc(small.segments, used) {
			try(func(s *oracleScript) { s.segments = slices.Delete(s.segments, i, i+1) })
		}
	}
	for again := true; again; {
		again = false
		for i := len(small.actions) - 1; i > 0; i-- {
			if i < len(small.actions) && !small.actions[i].save && try(func(s *oracleScript) { s.actions = slices.Delete(s.actions, i, i+1) }) {
				again = true
				continue
			}
			for j := len(small.actions[min(i, len(small.actions)-1)].track) - 1; j > 0; j-- {
				again = try(func(s *oracleScript) {
					a := &s.actions[i]
					a.track = slices.Delete(slices.Clone(a.track), j, j+1)
				}) || again
			}
		}
	}
	try(func(s *oracleScript) {
		for i := range s.actions {
			s.actions[i] = s.actions[i].only(s.segments)
		}
	})
	return &small
}

func (s *oracleScript) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, zone %s, weeks from %s\n", s.seed, s.schema.zone, s.schema.week)
	for _, seg := range s.segments {
		fmt.Fprintf(&b, "segment %s (visitors %v): %s\n", seg.name, seg.visitors, seg.term.text)
	}
	for i, a := range s.actions {
		fmt.Fprintf(&b, "%3d %s\n", i, a)
	}
	return b.String()
}
