package fold_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/value"
)

// Tests that a segment built beside intake is what it would be if it were filled at once when its activation comes, and that
// it does not matter who found its members and when.

// twins are three states that fold the same history but for how segments are saved.
type twins struct {
	t      *testing.T
	r      *rand.Rand
	now    time.Time
	built  *fold.State // Find runs beside, at random moments
	replay *fold.State // Find runs inside the activation, as when the log is folded again
	plain  *fold.State // nothing is built: the definition comes where the activation takes effect in the others
	count  int
	bodies map[string][]byte // saved and not yet active, by name
	rounds int               // activations that asked for another round
	direct int               // activations that took effect
}

func newTwins(t *testing.T, seed uint64) *twins {
	w := &twins{t: t, r: rand.New(rand.NewPCG(seed, 7)), now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		built: fold.New(), replay: fold.New(), plain: fold.New(), bodies: map[string][]byte{}}
	num, str := obj{"type": "number"}, obj{"type": "string"}
	for _, e := range []string{"buy", "view"} {
		w.all(definition("event", e, obj{"name": e, "attributes": obj{"amount": num, "category": str}}, 0))
	}
	w.all(definition("profile", "", obj{"attributes": obj{"age": num}}, 0))
	return w
}

func definition(kind, name string, def any, flags byte) []byte {
	body, err := json.Marshal(def)
	if err != nil {
		panic(err)
	}
	if flags&record.FlagDelete != 0 {
		body = nil
	}
	return defining(kind, name, body, flags)
}

func defining(kind, name string, body []byte, flags byte) []byte {
	var e record.Encoder
	e.Begin(record.Head{Kind: record.KindDefine, Flags: flags, Name: kind, ID: name})
	e.Idents(0)
	e.Attrs(0)
	e.End(body)
	return e.Submission(nil)
}

func activation(name string, number int64) []byte {
	var e record.Encoder
	e.Begin(record.Head{Kind: record.KindActivate, Name: fold.DefSegment, ID: name, Time: number})
	e.Idents(0)
	e.Attrs(0)
	e.End(nil)
	return e.Submission(nil)
}

func (w *twins) apply(s *fold.State, subs ...[]byte) [][]fold.Verdict {
	w.t.Helper()
	v, err := s.Apply(record.Batch{Position: s.Position + 1, Now: w.now.UnixMicro(), Digest: s.Digest, Submissions: subs})
	require.NoError(w.t, err)
	return v
}

// both folds what must have the same outcome in the two that build.
func (w *twins) both(subs ...[]byte) [][]fold.Verdict {
	w.t.Helper()
	v := w.apply(w.built, subs...)
	require.Equal(w.t, v, w.apply(w.replay, subs...))
	require.Equal(w.t, w.built.Digest, w.replay.Digest)
	return v
}

func (w *twins) all(subs ...[]byte) {
	w.t.Helper()
	v := w.both(subs...)
	require.Equal(w.t, v, w.apply(w.plain, subs...))
}

// events are some records about few people: events now, late, from history and in the future, attributes, and merges.
func (w *twins) events() []byte {
	var e record.Encoder
	for range 1 + w.r.IntN(8) {
		w.count++
		at := w.now
		switch w.r.IntN(8) {
		case 0:
			at = at.Add(-time.Duration(w.r.IntN(100)) * time.Hour)
		case 1:
			at = at.Add(time.Duration(w.r.IntN(60)) * time.Hour)
		}
		flags := byte(0)
		if w.r.IntN(5) == 0 {
			flags = record.FlagImport
		}
		user, visitor := fmt.Sprint("u", w.r.IntN(14)), fmt.Sprint("a", w.r.IntN(20))
		identify := w.r.IntN(4) == 0
		head := record.Head{Kind: record.KindEvent, Flags: flags, Name: []string{"buy", "view"}[w.r.IntN(2)], Time: at.UnixMicro(), ID: fmt.Sprint("e", w.count)}
		if identify {
			head = record.Head{Kind: record.KindIdentify, Flags: flags}
		}
		e.Begin(head)
		switch w.r.IntN(5) {
		case 0:
			e.Idents(2)
			e.Ident(fold.UserID, user)
			e.Ident(fold.AnonymousID, visitor)
		case 1, 2:
			e.Idents(1)
			e.Ident(fold.AnonymousID, visitor)
		default:
			e.Idents(1)
			e.Ident(fold.UserID, user)
		}
		if identify {
			e.Attrs(1)
			e.Attr("age", value.Num(float64(15+w.r.IntN(10))))
		} else {
			e.Attrs(2)
			e.Attr("amount", value.Num(float64(w.r.IntN(50))))
			e.Attr("category", value.Str([]string{"shoes", "hats"}[w.r.IntN(2)]))
		}
		e.End(nil)
	}
	return e.Submission(nil)
}

var builtConditions = []string{
	`customer.age >= 18`,
	`customer.age >= 18 && events.buy.size() >= 2`,
	`events.buy.within("2d").size() >= 1`,
	`events.view.within("1d").size() >= 1 && events.buy.since(events.view.last().time).size() == 0`,
	`events.buy.size() == 0`,
	`!(events.view.within("12h").size() >= 2)`,
	`events.buy.filter(e, e.category == "shoes").within("3d").sum(e, e.amount) >= 40`,
	`events.view.perDay(2).all(n, n >= 1)`,
	`events.buy.during("today").size() >= 1 || customer.age > 20`,
	`sequence(events.view, events.buy, "1d")`,
	`events.buy.exists(e, e.amount * 2.0 > 60)`,
	`inSegment("s0") && events.view.size() >= 1`,
	`!inSegment("s1") && events.buy.within("2d").size() == 0`,
	`inSegment("s2") || inSegment("s1")`,
}

// save begins to build a segment, perhaps in the midst of a batch. It is refused when it names a segment that is not there, or
// in a circle.
func (w *twins) save() {
	w.t.Helper()
	name := fmt.Sprint("s", w.r.IntN(4))
	def := obj{"name": name, "where": builtConditions[w.r.IntN(len(builtConditions))]}
	if w.r.IntN(4) == 0 {
		def["of"] = "visitors"
	}
	body, _ := json.Marshal(def)
	before, after := w.events(), w.events()
	v := w.both(before, defining("segment", name, body, record.FlagBuild), after)
	w.apply(w.plain, before, after)
	if v[1][0].Code == fold.Accepted {
		require.NotNil(w.t, w.built.BuildOf(name))
		w.bodies[name] = body
	}
}

func (w *twins) remove() {
	w.t.Helper()
	name := fmt.Sprint("s", w.r.IntN(4))
	del := definition("segment", name, nil, record.FlagDelete)
	if w.both(del)[0][0].Code == fold.Accepted {
		delete(w.bodies, name)
		if w.plain.Definition("segment", name) != nil {
			require.Equal(w.t, fold.Accepted, w.apply(w.plain, del)[0][0].Code)
		}
	}
}

func (w *twins) find() {
	if b := w.built.NextBuild(func(*fold.Build) bool { return false }); b != nil {
		b.Find(func() bool { return w.r.IntN(3) == 0 }) // stopped, or not: it can be called again
	}
}

// activate lets a version take effect, in the midst of a batch.
func (w *twins) activate() {
	w.t.Helper()
	names := w.built.SegmentNames()
	if len(names) == 0 {
		return
	}
	name := names[w.r.IntN(len(names))]
	b := w.built.BuildOf(name)
	if b == nil {
		require.Equal(w.t, fold.Duplicate, w.both(activation(name, 1))[0][0].Code)
		return
	}
	require.Equal(w.t, fold.Duplicate, w.both(activation(name, b.Number-1))[0][0].Code)
	before, after, tick := w.events(), w.events(), activation("", 0)
	verdict := w.both(before, activation(name, b.Number), after)[1][0].Code
	switch again := w.built.BuildOf(name); {
	case verdict == fold.Duplicate: // it waits for another
		require.Same(w.t, b, again)
		w.apply(w.plain, before, tick, after)
	case again != nil:
		require.Same(w.t, b, again)
		w.rounds++
		w.apply(w.plain, before, tick, after)
	default:
		w.direct++
		v := w.apply(w.plain, before, defining("segment", name, w.bodies[name], 0), after)
		require.Equal(w.t, fold.Accepted, v[1][0].Code, v[1][0].Reason)
		delete(w.bodies, name)
	}
}

// same compares the two that build in everything, and with the plain one members and flips.
func (w *twins) same() {
	w.t.Helper()
	require.Equal(w.t, w.built.Fingerprint(), w.replay.Fingerprint())
	for _, name := range w.built.SegmentNames() {
		members, _ := w.built.Members(name)
		if w.plain.Definition("segment", name) == nil {
			require.Zero(w.t, members.GetCardinality(), name)
			continue
		}
		plain, _ := w.plain.Members(name)
		require.Equal(w.t, plain.ToArray(), members.ToArray(), name)
		require.Equal(w.t, flipsOf(w.plain, name), flipsOf(w.built, name), name)
	}
}

// flipsOf lists a segment's flips. Of the causes that are asked about at the end of a batch the first that any segment watches
// is kept for a person and type, so a version that is on its way can change which one it is.
func flipsOf(s *fold.State, name string) (flips []fold.Flip) {
	for f := range s.FlipLog(name).From(0) {
		f.Index = 0
		if f.Cause == "late" {
			f.Cause = "import"
		}
		flips = append(flips, f)
	}
	return flips
}

func TestBuildAgainstFillingAtOnce(t *testing.T) {
	defer fold.SetAskedAtOnce(8)()
	rounds, activated, flips := 0, 0, 0
	for seed := range uint64(*buildSeeds) {
		w := newTwins(t, seed)
		for range 60 {
			w.now = w.now.Add(time.Duration(w.r.IntN(16*3600)) * time.Second / time.Duration(1+w.r.IntN(8)))
			switch w.r.IntN(12) {
			case 0, 1, 2:
				w.save()
			case 3, 4, 5, 6:
				w.activate()
			case 7:
				w.find()
				w.remove()
			case 8:
				zone := []string{"UTC", "Asia/Ho_Chi_Minh", "America/Lima"}[w.r.IntN(3)]
				w.all(definition("portal", "", obj{"time_zone": zone}, 0))
			default:
				w.all(w.events())
			}
			w.find()
			w.all(activation("", 0)) // a record that changes nothing: time passes for all three
			w.same()
		}
		for range 20 { // what is still to happen by time alone
			w.now = w.now.Add(7 * time.Hour)
			w.all(activation("", 0))
			w.same()
		}
		for _, name := range w.plain.SegmentNames() {
			flips += len(slices.Collect(w.plain.FlipLog(name).From(0)))
		}
		rounds, activated = rounds+w.rounds, activated+w.direct
	}
	t.Logf("%d activations, %d rounds before one, %d flips", activated, rounds, flips)
	require.Greater(t, activated, 2**buildSeeds)
	require.Greater(t, rounds, *buildSeeds/2)
}

var buildSeeds = flag.Int("build-seeds", 60, "histories of TestBuildAgainstFillingAtOnce")
