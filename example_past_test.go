package cdp_test

import (
	"context"
	"fmt"
	"time"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/memstore"
)

// cafe is a week in March: ann has breakfast every day, from Wednesday on as a customer; bob's receipt of Tuesday is sent in
// on Friday. The clock stands at Saturday noon.
func cafe(ctx context.Context) *cdp.Client {
	now := march(2)
	c, err := cdp.New(memstore.New(), cdp.Config{Now: func() time.Time { return now }})
	check(err)
	check(c.Events().Define(ctx, cdp.EventType{Name: "visit", Attributes: cdp.Schema{"spent": cdp.Number}}))
	check(c.Profiles().Define(ctx, cdp.Schema{"city": cdp.String}, cdp.Strict))
	check(c.Segments().Save(ctx, cdp.Segment{Name: "guests", Where: `events.visit.size() > 0`}))

	for ; now.Before(march(7)); now = now.AddDate(0, 0, 1) {
		visit := cdp.Event{Name: "visit", AnonymousID: "phone-1", Attributes: cdp.Attrs{"spent": 7}}
		if now.Equal(march(4)) { // she signs up
			visit.UserID = "ann"
			_, err := c.Identify(ctx, cdp.Identity{UserID: "ann", Attributes: cdp.Attrs{"city": "Hue"}})
			check(err)
		}
		if now.Equal(march(6)) {
			late := cdp.Event{Name: "visit", UserID: "bob", Time: march(3), Attributes: cdp.Attrs{"spent": 20}}
			_, err := c.Track(ctx, late)
			check(err)
			_, err = c.Identify(ctx, cdp.Identity{UserID: "ann", Attributes: cdp.Attrs{"city": "Hanoi"}})
			check(err)
		}
		_, err := c.Track(ctx, visit)
		check(err)
	}
	return c
}

// march is noon of a day of March 2026. The 2nd is a Monday.
func march(day int) time.Time { return time.Date(2026, 3, day, 12, 0, 0, 0, time.UTC) }

func ExampleClient_TrueAt() {
	ctx := context.Background()
	c := cafe(ctx)
	defer c.Close()

	past := c.TrueAt(march(3)) // Tuesday, by all that is known now
	n, err := past.Count(ctx, "guests")
	check(err)
	bob, err := past.Contains(ctx, "guests", "bob")
	check(err)
	fmt.Println(past.At().Weekday(), n, "customers had come; bob:", bob)

	past = c.TrueAt(march(5))
	ann, err := past.Profile(ctx, "ann")
	check(err)
	fmt.Println(past.At().Weekday(), ann.Attributes["city"])
	// Output:
	// Tuesday 2 customers had come; bob: true
	// Thursday Hue
}

func ExampleClient_KnownAt() {
	ctx := context.Background()
	c := cafe(ctx)
	defer c.Close()

	for _, day := range []int{3, 5, 6} {
		past := c.KnownAt(march(day)) // what was known then: on Tuesday nobody had signed up, on Thursday bob had not been heard of
		n, err := past.Count(ctx, "guests")
		check(err)
		fmt.Println(past.At().Weekday(), n)
	}
	_, err := c.KnownAt(march(8)).Count(ctx, "guests")
	fmt.Println(err)
	// Output:
	// Tuesday 0
	// Thursday 1
	// Friday 2
	// cdp: 2026-03-08T12:00:00Z is in the future and cannot be asked about: it is 2026-03-07T12:00:00Z
}

func ExamplePast_Members() {
	ctx := context.Background()
	c := cafe(ctx)
	defer c.Close()

	past := c.KnownAt(march(5))
	for p, err := range past.Members(ctx, "guests") {
		check(err)
		fmt.Println(p.UserID, p.Attributes["city"], "in guests since", p.Segments["guests"].Weekday())
	}

	// Who is a guest now and was not known to be one then?
	then, err := past.Set(ctx, "guests")
	check(err)
	now, err := c.Segments().Set(ctx, "guests")
	check(err)
	for p, err := range now.AndNot(then).Members(ctx) {
		check(err)
		fmt.Println("new:", p.UserID)
	}
	// Output:
	// ann Hue in guests since Wednesday
	// new: bob
}

func ExamplePast_Preview() {
	ctx := context.Background()
	c := cafe(ctx)
	defer c.Close()

	regulars := cdp.Segment{Name: "regulars", Where: `events.visit.within("3d").size() >= 3`}
	for day := 3; day <= 7; day++ {
		past := c.TrueAt(march(day))
		set, err := past.Preview(ctx, regulars)
		check(err)
		fmt.Print(set.Len(), " ")
	}
	// Output: 0 1 1 1 0
}

func ExamplePast_Timeline() {
	ctx := context.Background()
	c := cafe(ctx)
	defer c.Close()

	past := c.KnownAt(march(4))
	list, err := past.Timeline(ctx, "ann", &cdp.TimelineOptions{Only: []string{"visit", "segment_entered"}})
	check(err)
	for _, e := range list {
		fmt.Println(e.Time.Weekday(), e.Name)
	}

	// The day before she was a visitor.
	p, err := c.KnownAt(march(3)).Find(ctx, "anonymous_id", "phone-1")
	check(err)
	fmt.Printf("%q %v\n", p.UserID, p.Identifiers)
	past = c.TrueAt(march(3)) // we know better now
	p, err = past.Find(ctx, "anonymous_id", "phone-1")
	check(err)
	fmt.Printf("%q\n", p.UserID)
	// Output:
	// Wednesday segment_entered
	// Wednesday visit
	// Tuesday visit
	// Monday visit
	// "" map[anonymous_id:[phone-1]]
	// "ann"
}

func ExamplePast_Trend() {
	ctx := context.Background()
	c := cafe(ctx)
	defer c.Close()

	spent := cdp.Trend{Range: cdp.Between(march(2).Add(-12*time.Hour), march(5).Add(-12*time.Hour)),
		Series: []cdp.Series{{Event: "visit", Measure: cdp.Sum, Value: "spent"}}}
	for _, past := range []cdp.Past{c.KnownAt(march(4)), c.TrueAt(march(4))} {
		rep, err := past.Trend(ctx, spent)
		check(err)
		p := rep.Lines[0].Points
		fmt.Println(p[0].Value, p[1].Value, p[2].Value)
	}

	past := c.KnownAt(march(5))
	f, err := past.Funnel(ctx, cdp.Funnel{Steps: []cdp.Step{{Event: "visit"}, {Event: "visit"}}, Window: "1d"})
	check(err)
	fmt.Println(f.Steps[0].People, "came,", f.Steps[1].People, "again the day after")
	r, err := past.Retention(ctx, cdp.Retention{Start: cdp.Step{Event: "visit"}, Interval: cdp.Daily,
		Range: cdp.Between(march(2).Add(-12*time.Hour), march(5).Add(-12*time.Hour))})
	check(err)
	fmt.Println(r.Cohorts[0].Size, r.Cohorts[0].Returned)
	// Output:
	// 7 7 7
	// 7 27 7
	// 1 came, 1 again the day after
	// 1 [1 1 1]
}
