package cdp_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
	"github.com/embedcdp/cdp/store/memstore"
)

// Questions about the past, by hand. The clock begins on day 1, at midnight; a test says what happens on which day and then
// asks about some of them.

func day(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }

// diary opens a client whose clock stands on day 1, with the event "buy" and a reference to products.
func diary(t *testing.T) *cdptest.Client {
	c := cdptest.New(t, cdptest.Options{Start: day(1)})
	require.NoError(t, c.Objects().Define(t.Context(), cdp.ObjectType{Name: "product", Attributes: cdp.Schema{"brand": cdp.String}}))
	c.DefineProfile(cdp.Schema{"city": cdp.String, "plan": cdp.String})
	c.Define(cdp.EventType{Name: "buy", Attributes: cdp.Schema{"amount": cdp.Number, "product": cdp.Ref("product")}})
	return c
}

// buy is an event of ann; the zero time is now.
func buy(id string, at time.Time) cdp.Event {
	return cdp.Event{ID: id, Name: "buy", UserID: "ann", Time: at, Attributes: cdp.Attrs{"amount": 10}}
}

func count(t *testing.T, p cdp.Past, segment string) int {
	t.Helper()
	n, err := p.Count(t.Context(), segment)
	require.NoError(t, err)
	return n
}

// tells are the ids of ann's purchases on the timeline, newest first.
func tells(t *testing.T, p cdp.Past) (ids []string) {
	t.Helper()
	list, err := p.Timeline(t.Context(), "ann", &cdp.TimelineOptions{Only: []string{"buy"}})
	require.NoError(t, err)
	for _, e := range list {
		ids = append(ids, e.ID)
	}
	return ids
}

func attributes(t *testing.T, p cdp.Past) cdp.Attrs {
	t.Helper()
	profile, err := p.Profile(t.Context(), "ann")
	require.NoError(t, err)
	return profile.Attributes
}

func TestPastLateEvent(t *testing.T) {
	c := diary(t)
	c.SaveSegment("two", `events.buy.within("3d").size() >= 2`)
	c.Clock.Set(day(5))
	c.Happens(buy("first", time.Time{}))
	c.Clock.Set(day(6))
	c.Happens(buy("second", time.Time{}))
	c.Clock.Set(day(20))
	c.Happens(buy("late", day(4)))

	require.Equal(t, []string{"first", "late"}, tells(t, c.TrueAt(day(5))))
	require.Equal(t, []string{"first"}, tells(t, c.KnownAt(day(5))))
	require.Equal(t, 1, count(t, c.TrueAt(day(5)), "two"), "days 4 and 5")
	require.Equal(t, 0, count(t, c.KnownAt(day(5)), "two"))
	require.Equal(t, 1, count(t, c.KnownAt(day(6)), "two"), "days 5 and 6")
	require.Equal(t, 1, count(t, c.TrueAt(day(8).Add(-time.Microsecond)), "two"), "the window has both until 3 days are over")
	require.Equal(t, 0, count(t, c.TrueAt(day(8)), "two"))
	require.Equal(t, 0, count(t, c.TrueAt(day(4)), "two"))
}

func TestPastFutureEvent(t *testing.T) {
	c := diary(t)
	c.SaveSegment("bought", `events.buy.size() > 0`)
	c.Happens(buy("booked", day(10)))
	c.Clock.Set(day(20))

	require.Equal(t, []string{"booked"}, tells(t, c.KnownAt(day(2))), "it was on the timeline already, dated ahead")
	require.Equal(t, 0, count(t, c.KnownAt(day(2)), "bought"), "but had not happened")
	require.Equal(t, 1, count(t, c.KnownAt(day(10)), "bought"))
	require.Empty(t, tells(t, c.TrueAt(day(2))))
	require.Equal(t, 0, count(t, c.TrueAt(day(2)), "bought"))
	require.Equal(t, 1, count(t, c.TrueAt(day(10)), "bought"))
}

func TestPastAttributes(t *testing.T) {
	c := diary(t)
	c.SaveSegment("in_hue", `customer.city == "Hue"`)
	set := func(on, at int, city any) {
		c.Clock.Set(day(on))
		c.Knows(cdp.Identity{UserID: "ann", Time: day(at), Attributes: cdp.Attrs{"city": city}})
	}
	set(2, 2, "Hue")
	set(10, 10, "Hanoi")
	set(15, 5, "Vinh") // came late: what was true from day 5 on
	set(20, 20, nil)   // removed
	set(25, 25, "Hue")
	c.Clock.Set(day(28))

	for _, x := range []struct {
		day         int
		true, known any
	}{{2, "Hue", "Hue"}, {5, "Vinh", "Hue"}, {9, "Vinh", "Hue"}, {10, "Hanoi", "Hanoi"}, {16, "Hanoi", "Hanoi"}, {20, nil, nil}, {24, nil, nil}, {25, "Hue", "Hue"}} {
		require.Equal(t, x.true, attributes(t, c.TrueAt(day(x.day)))["city"], "true on day %d", x.day)
		require.Equal(t, x.known, attributes(t, c.KnownAt(day(x.day)))["city"], "known on day %d", x.day)
		for past, city := range map[cdp.Past]any{c.TrueAt(day(x.day)): x.true, c.KnownAt(day(x.day)): x.known} {
			in, err := past.Contains(t.Context(), "in_hue", "ann")
			require.NoError(t, err)
			require.Equal(t, city == "Hue", in, "day %d", x.day)
			require.Equal(t, city == "Hue", count(t, past, "in_hue") == 1, "day %d", x.day)
		}
	}
}

// TestPastAttributeSaidAgain: a value that is said again does not become newer, in the past as in the present. On day 1 it is
// known what will be from day 30 on; so all that comes then is late, and is kept whatever it says.
func TestPastAttributeSaidAgain(t *testing.T) {
	told := func(c *cdptest.Client, cities ...string) {
		for _, x := range cities {
			var at int
			var city string
			_, err := fmt.Sscan(x, &at, &city)
			require.NoError(t, err)
			c.Knows(cdp.Identity{UserID: "ann", Time: day(at), Attributes: cdp.Attrs{"city": city}})
		}
	}
	c := diary(t)
	c.Clock.Set(day(1))
	told(c, "30 Saigon", "10 Hue", "20 Hue", "15 Vinh")
	c.Clock.Set(day(40))
	other := diary(t)
	other.Clock.Set(day(25))
	told(other, "10 Hue", "20 Hue", "15 Vinh")
	p, err := other.Profiles().Get(t.Context(), "ann")
	require.NoError(t, err)
	require.Equal(t, cdp.Attrs{"city": "Vinh"}, p.Attributes)
	require.Equal(t, cdp.Attrs{"city": "Vinh"}, attributes(t, c.TrueAt(day(25))))
	require.Equal(t, cdp.Attrs{"city": "Saigon"}, attributes(t, c.TrueAt(day(30))))
}

func TestPastObjectRemoved(t *testing.T) {
	c := diary(t)
	c.SaveSegment("nike", `events.buy.exists(e, e.product.brand == "nike")`)
	_, err := c.Objects().Put(t.Context(), cdp.ObjectRecord{Type: "product", ID: "p", Attributes: cdp.Attrs{"brand": "nike"}})
	require.NoError(t, err)
	c.Clock.Set(day(5))
	bought := buy("b", time.Time{})
	bought.Attributes["product"] = "p"
	c.Happens(bought)
	_, err = c.Objects().Remove(t.Context(), "product", "p")
	require.NoError(t, err)
	c.Clock.Set(day(20))
	require.Equal(t, 0, count(t, c.KnownAt(day(5)), "nike"), "bought and removed at the same time")
	_, err = c.Objects().Put(t.Context(), cdp.ObjectRecord{Type: "product", ID: "p", Time: day(5), Attributes: cdp.Attrs{"brand": "nike"}})
	require.NoError(t, err)
	require.Equal(t, 0, count(t, c.KnownAt(day(19)), "nike"))
	require.Equal(t, 1, count(t, c.KnownAt(day(20)), "nike"))
	require.Equal(t, 1, count(t, c.TrueAt(day(5)), "nike"))
}

func TestPastObjects(t *testing.T) {
	c := diary(t)
	c.SaveSegment("nike", `events.buy.exists(e, e.product.brand == "nike")`)
	put := func(on, at int, brand string) {
		c.Clock.Set(day(on))
		_, err := c.Objects().Put(t.Context(), cdp.ObjectRecord{Type: "product", ID: "p", Time: day(at), Attributes: cdp.Attrs{"brand": brand}})
		require.NoError(t, err)
	}
	c.Clock.Set(day(3))
	bought := buy("b", time.Time{})
	bought.Attributes["product"] = "p"
	c.Happens(bought)
	put(5, 5, "puma")  // the first version, later than the purchase, which binds to it
	put(10, 2, "nike") // what it was before
	c.Clock.Set(day(20))

	for _, x := range []struct{ day, true, known int }{{3, 1, 0}, {6, 1, 0}, {10, 1, 1}} {
		require.Equal(t, x.true, count(t, c.TrueAt(day(x.day)), "nike"), "true on day %d", x.day)
		require.Equal(t, x.known, count(t, c.KnownAt(day(x.day)), "nike"), "known on day %d", x.day)
	}
	by := cdp.Trend{Range: cdp.Between(day(1), day(7)), Series: []cdp.Series{{Event: "buy", By: "product.brand"}}}
	for past, brand := range map[cdp.Past]string{c.KnownAt(day(6)): "puma", c.TrueAt(day(6)): "nike"} {
		rep, err := past.Trend(t.Context(), by)
		require.NoError(t, err)
		require.Len(t, rep.Lines, 1)
		require.Equal(t, brand, rep.Lines[0].Group)
	}
	rep, err := c.KnownAt(day(4)).Trend(t.Context(), by)
	require.NoError(t, err)
	for _, l := range rep.Lines {
		require.Equal(t, "(none)", l.Group, "no version had come")
	}
}

func TestPastVisitorBecomesCustomer(t *testing.T) {
	c := diary(t)
	c.SaveSegment("bought", `events.buy.size() > 0`)
	require.NoError(t, c.Segments().Save(t.Context(), cdp.Segment{Name: "browsing", Of: cdp.Visitors, Where: `events.buy.size() > 0`}))
	c.Clock.Set(day(2))
	c.Knows(cdp.Identity{AnonymousID: "phone", Attributes: cdp.Attrs{"city": "Hue"}})
	c.Happens(cdp.Event{ID: "early", Name: "buy", AnonymousID: "phone"})
	c.Clock.Set(day(3))
	c.Knows(cdp.Identity{UserID: "ann", Attributes: cdp.Attrs{"plan": "gold"}})
	c.Clock.Set(day(10))
	c.Knows(cdp.Identity{UserID: "ann", AnonymousID: "phone"}) // it was her
	c.Clock.Set(day(20))

	known, true_ := c.KnownAt(day(5)), c.TrueAt(day(5))
	require.Equal(t, []int{0, 1}, []int{count(t, known, "bought"), count(t, known, "browsing")})
	require.Equal(t, []int{1, 0}, []int{count(t, true_, "bought"), count(t, true_, "browsing")})
	require.Empty(t, tells(t, known))
	require.Equal(t, []string{"early"}, tells(t, true_))
	require.Equal(t, cdp.Attrs{"plan": "gold"}, attributes(t, known))
	require.Equal(t, cdp.Attrs{"plan": "gold", "city": "Hue"}, attributes(t, true_))

	phone, err := known.Find(t.Context(), "anonymous_id", "phone")
	require.NoError(t, err)
	require.Equal(t, cdp.Profile{Identifiers: map[string][]string{"anonymous_id": {"phone"}}, Attributes: cdp.Attrs{"city": "Hue"},
		Segments: map[string]time.Time{"browsing": day(2)}}, phone)
	phone, err = true_.Find(t.Context(), "anonymous_id", "phone")
	require.NoError(t, err)
	require.Equal(t, "ann", phone.UserID)
	require.Equal(t, map[string]time.Time{"bought": {}}, phone.Segments, "what is known now was not noted then")

	_, err = c.KnownAt(day(2)).Profile(t.Context(), "ann")
	require.ErrorIs(t, err, cdp.ErrNotFound, "nobody had heard of her")
	p, err := c.TrueAt(day(2)).Profile(t.Context(), "ann")
	require.NoError(t, err)
	require.Equal(t, cdp.Attrs{"city": "Hue"}, p.Attributes)
}

// TestPastDefinitions: conditions, segments and attributes of today are asked, also where they are newer than the instant.
func TestPastDefinitions(t *testing.T) {
	c := diary(t)
	c.SaveSegment("good", `events.buy.size() >= 1`)
	c.Clock.Set(day(2))
	c.Happens(buy("a", time.Time{}))
	c.Clock.Set(day(5))
	c.Happens(buy("b", time.Time{}))
	past := c.KnownAt(day(3))
	require.Equal(t, 1, count(t, past, "good"))

	c.Clock.Set(day(10))
	c.SaveSegment("good", `events.buy.size() >= 2`)
	c.SaveSegment("better", `inSegment("good") && events.buy.sum(e, e.amount) > 15`)
	c.SaveSegment("gone", `true`)
	c.Define(cdp.EventType{Name: "refund"})
	c.SaveSegment("happy", `inSegment("good") || events.refund.size() == 0`)
	require.NoError(t, c.Segments().Remove(t.Context(), "gone"))
	c.Happens(cdp.Event{Name: "refund", UserID: "ann"})

	require.Equal(t, 0, count(t, past, "good"), "the same Past sees the new condition")
	require.Equal(t, 1, count(t, c.KnownAt(day(5)), "better"))
	require.Equal(t, 0, count(t, past, "better"))
	require.Equal(t, 1, count(t, past, "happy"), "no refund was there")
	_, err := past.Count(t.Context(), "gone")
	require.ErrorIs(t, err, cdp.ErrNotFound)
	p, err := c.KnownAt(day(5)).Profile(t.Context(), "ann")
	require.NoError(t, err)
	require.Equal(t, map[string]time.Time{"better": {}, "good": day(2), "happy": {}}, p.Segments)
}

// TestPastPresent: at this very instant both are the present, and stay so as more happens.
func TestPastPresent(t *testing.T) {
	c := diary(t)
	c.SaveSegment("bought", `events.buy.size() > 0`)
	for i, past := range []cdp.Past{c.KnownAt(day(1)), c.TrueAt(day(1))} {
		require.Equal(t, i, count(t, past, "bought"))
		c.Happens(cdp.Event{Name: "buy", UserID: fmt.Sprint("u", i)})
		require.Equal(t, i+1, count(t, past, "bought"), "what came at this instant counts")
	}
}

func TestPastJourney(t *testing.T) {
	c := diary(t)
	c.SaveTemplate(cdp.Template{Name: "hello", Text: "Hello."})
	c.SaveJourney(cdp.Journey{Name: "thanks", Entry: cdp.Entry{Event: "buy"},
		Nodes: []cdp.Node{cdp.Delay("wait", "3d", "send"), cdp.Send("send", "inbox", "hello", "end"), cdp.End("end", "")}})
	c.Clock.Set(day(2))
	c.Happens(buy("b", time.Time{}))
	c.Clock.Set(day(10))
	require.NoError(t, c.Tick(t.Context()))
	inside := []cdp.JourneyState{{UserID: "ann", Journey: "thanks", Version: 1, Entered: day(2)}}
	for _, past := range []cdp.Past{c.KnownAt(day(3)), c.TrueAt(day(3))} {
		p, err := past.Profile(t.Context(), "ann")
		require.NoError(t, err)
		require.Equal(t, inside, p.Journeys)
		list, err := past.Timeline(t.Context(), "ann", nil)
		require.NoError(t, err)
		require.Len(t, list, 2, "the purchase and the entry: nothing was sent yet")
	}
	p, err := c.KnownAt(day(6)).Profile(t.Context(), "ann")
	require.NoError(t, err)
	require.Empty(t, p.Journeys)
}

func TestPastBadInstants(t *testing.T) {
	ctx := t.Context()
	empty := cdptest.New(t, cdptest.Options{Start: day(5)})
	var wrong *cdp.PastError
	_, err := empty.KnownAt(day(4)).Preview(ctx, cdp.Segment{Name: "x", Where: "true"})
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, cdp.PastError{At: day(4), First: day(5), Last: day(5)}, *wrong)
	set, err := empty.KnownAt(day(5)).Preview(ctx, cdp.Segment{Name: "x", Where: "true"})
	require.NoError(t, err)
	require.Zero(t, set.Len())

	c := diary(t)
	c.SaveSegment("s", "true")
	c.Clock.Set(day(10))
	_, err = c.Import(ctx, buy("old", day(-100)))
	require.NoError(t, err)
	for _, at := range []time.Time{{}, day(-101), day(11), day(10).Add(time.Microsecond), time.Unix(1<<40, 0), time.Unix(-1<<60, 0), time.Unix(1<<60, 0)} {
		for _, past := range []cdp.Past{c.TrueAt(at), c.KnownAt(at)} {
			for _, err := range verbsOf(ctx, past) {
				require.ErrorAs(t, err, &wrong, at)
				require.Equal(t, day(10), wrong.Last)
				require.Contains(t, err.Error(), map[bool]string{true: "is in the future", false: "nothing is known of"}[at.After(day(10))])
			}
		}
	}
	_, err = c.KnownAt(day(1).Add(-time.Second)).Count(ctx, "s")
	require.ErrorAs(t, err, &wrong, "the client was not there")
	require.Equal(t, day(1), wrong.First)
	require.Equal(t, 1, count(t, c.TrueAt(day(-100)), "s"))
	require.Equal(t, 0, count(t, c.KnownAt(day(1)), "s"))
	require.Equal(t, 0, count(t, c.KnownAt(day(10).Add(-1)), "s"), "cut off to the microsecond before")
	require.Equal(t, 1, count(t, c.KnownAt(day(10).Add(999)), "s"), "cut off to this microsecond")
	require.Equal(t, 1, count(t, c.KnownAt(day(10).In(time.FixedZone("east", 7*3600))), "s"))

	past := c.KnownAt(day(10))
	var def *cdp.DefinitionError
	_, err = past.Preview(ctx, cdp.Segment{Name: "x", Where: `customer.ctiy == "Hue"`})
	require.ErrorAs(t, err, &def)
	require.ErrorContains(t, err, `did you mean "city"?`)
	_, err = past.Trend(ctx, cdp.Trend{Series: []cdp.Series{{Event: "buy"}}})
	require.ErrorContains(t, err, "Range")
	_, err = past.Trend(ctx, cdp.Trend{Range: cdp.Between(day(1), day(2)), Series: []cdp.Series{{Event: "byu"}}})
	require.ErrorContains(t, err, `did you mean "buy"?`)
	_, err = past.Funnel(ctx, cdp.Funnel{Steps: []cdp.Step{{Event: "buy"}}, Segment: "none"})
	require.ErrorIs(t, err, cdp.ErrNotFound)
	_, err = past.Contains(ctx, "s", "bob")
	require.ErrorIs(t, err, cdp.ErrNotFound)
	require.Equal(t, 1, count(t, past, "s"), "errors leave nothing behind")
}

// verbsOf calls every verb with arguments that would do, and returns the errors.
func verbsOf(ctx context.Context, p cdp.Past) []error {
	one := func(_ any, err error) error { return err }
	trend := cdp.Trend{Range: cdp.Between(day(1), day(2)), Series: []cdp.Series{{Event: "buy"}}}
	step := cdp.Step{Event: "buy"}
	out := []error{one(p.Count(ctx, "s")), one(p.Contains(ctx, "s", "ann")), one(p.Set(ctx, "s")), one(p.Preview(ctx, cdp.Segment{Name: "x", Where: "true"})),
		one(p.Profile(ctx, "ann")), one(p.Find(ctx, "user_id", "ann")), one(p.Timeline(ctx, "ann", nil)), one(p.Trend(ctx, trend)),
		one(p.Funnel(ctx, cdp.Funnel{Steps: []cdp.Step{step}})), one(p.Retention(ctx, cdp.Retention{Start: step, Range: trend.Range}))}
	for _, err := range p.Members(ctx, "s") {
		return append(out, err)
	}
	return append(out, errors.New("Members yielded nothing"))
}

// TestPastConcurrently asks one Past from several goroutines while more comes in, and lets go in the middle of a loop.
func TestPastConcurrently(t *testing.T) {
	clock := cdptest.NewClock(day(1))
	c, err := cdp.New(memstore.New(), cdp.Config{Now: clock.Now})
	require.NoError(t, err)
	defer c.Close()
	ctx := t.Context()
	require.NoError(t, c.Profiles().Define(ctx, cdp.Schema{"n": cdp.Number}, cdp.Strict))
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "buy"}))
	require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "s", Where: `events.buy.size() > 0 && customer.n > 0`}))
	grow := func(from, to int) {
		for i := from; i < to; i++ {
			id := fmt.Sprint("u", i)
			_, err := c.Identify(ctx, cdp.Identity{UserID: id, Attributes: cdp.Attrs{"n": 1}})
			require.NoError(t, err)
			_, err = c.Track(ctx, cdp.Event{Name: "buy", UserID: id})
			require.NoError(t, err)
		}
	}
	grow(0, 300)
	clock.Set(day(5))
	past := c.KnownAt(day(2))
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 5 {
				n, err := past.Count(ctx, "s")
				if err != nil || n != 300 {
					t.Errorf("Count: %d, %v", n, err)
				}
				seen := 0
				for p, err := range past.Members(ctx, "s") {
					if err != nil || p.Attributes["n"] != 1.0 {
						t.Errorf("Members: %v, %v", p, err)
					}
					if in, err := past.Contains(ctx, "s", p.UserID); !in || err != nil {
						t.Errorf("Contains: %v, %v", in, err)
					}
					if seen++; seen == 260 {
						break
					}
				}
			}
		})
	}
	grow(300, 600)
	wait.Wait()
	require.Equal(t, 600, count(t, c.TrueAt(day(5)), "s"))
}

// Before anybody was there, reports are of nobody.
func TestReportsOfNobody(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{Start: noon})
	c.Define(cdp.EventType{Name: "visit"})
	c.Advance(48 * time.Hour)
	c.Happens(cdp.Event{Name: "visit", UserID: "ann"})
	rng, then := cdp.Between(daysAgo(30), noon.Add(72*time.Hour)), c.KnownAt(noon.Add(24*time.Hour))
	f, err := then.Funnel(t.Context(), cdp.Funnel{Range: rng, Steps: []cdp.Step{{Event: "visit"}, {Event: "visit"}}, Window: "1d"})
	require.NoError(t, err)
	require.Len(t, f.Steps, 2)
	require.Zero(t, f.Steps[0].People)
	r, err := then.Retention(t.Context(), cdp.Retention{Range: rng, Start: cdp.Step{Event: "visit"}, Interval: cdp.Weekly})
	require.NoError(t, err)
	for _, cohort := range r.Cohorts {
		require.Zero(t, cohort.Size)
	}
}
