package cdp_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/embedcdp/cdp"
)

// buyers tracks purchases of three people: ann and bob bought shoes, bob and cem hats.
func buyers(ctx context.Context, c *cdp.Client) {
	buy := func(id, user, category string, amount float64, days int) cdp.Event {
		return cdp.Event{ID: id, Name: "purchase", UserID: user, Time: daysAgo(days), Attributes: cdp.Attrs{"category": category, "amount": amount}}
	}
	_, err := c.Track(ctx, buy("o1", "ann", "shoes", 50, 9), buy("o2", "bob", "shoes", 70, 5), buy("o3", "bob", "hats", 15, 2), buy("o4", "cem", "hats", 20, 1))
	check(err)
	check(c.Segments().Save(ctx, cdp.Segment{Name: "shoes", Where: `events.purchase.exists(e, e.category == "shoes")`}))
	check(c.Segments().Save(ctx, cdp.Segment{Name: "hats", Where: `events.purchase.exists(e, e.category == "hats")`}))
}

func ExampleSegments_Save() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	buyers(ctx, c)

	check(c.Segments().Save(ctx, cdp.Segment{Name: "big_spenders", Where: `events.purchase.within("30d").sum(e, e.amount) > 60`}))
	n, err := c.Segments().Count(ctx, "big_spenders")
	check(err)
	in, err := c.Segments().Contains(ctx, "big_spenders", "bob")
	check(err)
	fmt.Println(n, in)

	check(c.Segments().Save(ctx, cdp.Segment{Name: "big_spenders", Where: `events.purchase.within("30d").sum(e, e.amount) > 40`}))
	versions, err := c.Segments().Versions(ctx, "big_spenders")
	check(err)
	now, err := c.Segments().Get(ctx, "big_spenders")
	check(err)
	fmt.Println("version", len(versions), now.Where)

	check(c.Segments().Remove(ctx, "big_spenders"))
	all, err := c.Segments().List(ctx)
	check(err)
	for _, s := range all {
		fmt.Println(s.Name)
	}
	// Output:
	// 1 true
	// version 2 events.purchase.within("30d").sum(e, e.amount) > 40
	// hats
	// shoes
}

func ExampleSegments_Check() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	err := c.Segments().Check(ctx, cdp.Segment{Name: "shoes", Where: `events.purchase.exists(e, e.categry == "shoes")`})
	fmt.Println(err)
	// Output: segment "shoes": 1:29: unknown attribute "categry" of event "purchase" (did you mean "category"?)
}

func ExampleSegments_Members() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	buyers(ctx, c)
	for p, err := range c.Segments().Members(ctx, "shoes") {
		check(err)
		fmt.Println(p.UserID, "since", p.Segments["shoes"].Format(time.DateOnly))
	}
	// Output:
	// ann since 2026-03-10
	// bob since 2026-03-10
}

func ExampleSegments_Set() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	buyers(ctx, c)

	shoes, err := c.Segments().Set(ctx, "shoes")
	check(err)
	hats, err := c.Segments().Set(ctx, "hats")
	check(err)
	fmt.Println("both", shoes.And(hats).Len(), "either", shoes.Or(hats).Len())
	for p, err := range hats.AndNot(shoes).Members(ctx) {
		check(err)
		fmt.Println("only hats:", p.UserID)
	}
	// Output:
	// both 1 either 3
	// only hats: cem
}

func ExampleSegments_Explain() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	buyers(ctx, c)
	check(c.Segments().Save(ctx, cdp.Segment{Name: "warm", Where: `events.purchase.within("7d").size() > 0`}))
	for _, user := range []string{"ann", "bob"} {
		why, err := c.Segments().Explain(ctx, "warm", user)
		check(err)
		fmt.Println(user, why.Member, why.Root.Source, "is", why.Root.Value)
		if !why.NextFlip.IsZero() {
			fmt.Println("until", why.NextFlip.Format(time.DateTime))
		}
	}
	// Output:
	// ann false events.purchase.within("7d").size() > 0 is false
	// bob true events.purchase.within("7d").size() > 0 is true
	// until 2026-03-15 12:00:00
}

func ExampleSegments_Flips() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	buyers(ctx, c)
	_, err := c.Track(ctx, cdp.Event{Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"category": "hats"}})
	check(err)

	var position uint64 // kept by whoever reads the feed, beside what it did with it
	for f, err := range c.Segments().Flips(ctx, "hats", nil) {
		check(err)
		fmt.Println(f.UserID, f.Entered, f.Cause)
		position = f.Position
	}
	_, err = c.Track(ctx, cdp.Event{Name: "purchase", UserID: "dan", Attributes: cdp.Attrs{"category": "hats"}})
	check(err)
	fmt.Println("later:")
	for f, err := range c.Segments().Flips(ctx, "hats", &cdp.FlipOptions{After: position}) {
		check(err)
		fmt.Println(f.UserID, f.Entered, f.Cause)
	}
	// Output:
	// bob true definition
	// cem true definition
	// ann true track
	// later:
	// dan true track
}

func ExampleSegments_Plan() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	check(c.Profiles().Define(ctx, cdp.Schema{"city": cdp.String}, cdp.Strict))
	check(c.Segments().Save(ctx, cdp.Segment{Name: "regulars",
		Where: `customer.city in ["Hue", "Hanoi"] && events.purchase.within("30d").size() >= 3`}))
	plan, err := c.Segments().Plan(ctx, "regulars")
	check(err)
	fmt.Println(plan)
	// Output:
	// and
	//   attr city in ["Hue", "Hanoi"]
	//   events purchase within 30d: size >= 3
	//
	// intersect
	//   kernel: attr city in ["Hue", "Hanoi"]
	//   scan: events purchase within 30d: size >= 3
	//
	// when saved, to know when each member changes by time
	// row by row on the survivors, for
	//   | events.purchase.within("30d").size() >= 3
	// intersect
	//   bitmap: has an event purchase (candidates)
	//   kernel: attr city in ["Hue", "Hanoi"]
}

func ExampleSegments_ExplainPlan() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	buyers(ctx, c)
	steps, err := c.Segments().ExplainPlan(ctx, cdp.Segment{Name: "idea", Where: `events.purchase.exists(e, e.category == "hats")`})
	check(err)
	line, _, _ := strings.Cut(steps, " out, ")
	fmt.Println(line) // and the time it took
	// Output: scan: events purchase: exists (e.category == "hats"): 3 rows in, 2
}

func ExampleSegments_Preview() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	buyers(ctx, c)
	who, err := c.Segments().Preview(ctx, cdp.Segment{Name: "idea", Where: `events.purchase.sum(e, e.amount) >= 50`})
	check(err)
	fmt.Println(who.Len(), "people, and nothing was saved")
	// Output: 2 people, and nothing was saved
}

func ExampleSegments_WhyNot() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	buyers(ctx, c)
	check(c.Segments().Save(ctx, cdp.Segment{Name: "regulars", Where: `events.purchase.size() >= 2`}))
	why, err := c.Segments().WhyNot(ctx, "regulars", "cem")
	check(err)
	for _, o := range why.Options {
		fmt.Println(o.Changes[0])
	}
	// Output:
	// 1 more purchase
	// 1 instead of 2 in the condition's events.purchase.size() >= 2
}

func ExampleSegments_Forecast() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	buyers(ctx, c)
	f, err := c.Segments().Forecast(ctx, cdp.Segment{Where: `events.purchase.size() >= 2`}, nil)
	check(err)
	fmt.Println(f.Count, "of", f.Population)
	// Output: 1 of 3
}

func ExampleSegments_Overlap() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	buyers(ctx, c)
	o, err := c.Segments().Overlap(ctx, "shoes", "hats")
	check(err)
	for _, r := range o.Regions {
		fmt.Println(r.In, r.People)
	}
	// Output:
	// [shoes] 1
	// [hats] 1
	// [shoes hats] 1
}

func ExampleSegments_Sizes() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	buyers(ctx, c)
	sizes, err := c.Segments().Sizes(ctx, "hats", &cdp.SizeOptions{By: cdp.Monthly})
	check(err)
	for _, b := range sizes.Buckets {
		fmt.Println(b.Start.Format(time.DateOnly), b.Members, b.Entered, b.Left)
	}
	// Output: 2026-03-10 2 2 0
}
