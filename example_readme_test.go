package cdp_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/store/memstore"
)

// These are the recipes of the README, word for word; a test compares them. So is must, which its first program shows.

func Example_cartReminder() {
	ctx := context.Background()
	email := channel.Func(func(ctx context.Context, m channel.Message) (channel.Receipt, error) {
		if m.To == "" {
			return channel.Receipt{}, channel.NoReceiver(fmt.Errorf("%s has no email", m.ProfileID))
		}
		fmt.Printf("to %s: %s\n", m.To, m.Text)
		return channel.Receipt{}, nil
	})
	clock := time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
	c, err := cdp.New(memstore.New(), cdp.Config{Now: func() time.Time { return clock }, Channels: map[string]channel.Channel{"email": email}})
	must(err)
	defer c.Close()

	must(c.Events().Define(ctx, cdp.EventType{Name: "add_to_cart", Attributes: cdp.Schema{"product": cdp.String}}))
	must(c.Events().Define(ctx, cdp.EventType{Name: "purchase"}))
	must(c.Templates().Save(ctx, cdp.Template{Name: "reminder", Event: "add_to_cart", Text: `Your {{ event.product | "cart" }} is waiting.`}))
	must(c.Journeys().Save(ctx, cdp.Journey{
		Name:  "cart_reminder",
		Entry: cdp.Entry{Event: "add_to_cart"},
		Goals: []cdp.Goal{{Name: "bought", Event: "purchase"}}, // whoever buys is out
		Nodes: []cdp.Node{
			cdp.Delay("pause", "3h", "remind"),
			cdp.Send("remind", "email", "reminder", "end"),
			cdp.End("end", ""),
		},
	}))

	_, err = c.Track(ctx, cdp.Event{Name: "add_to_cart", UserID: "ann", Identifiers: map[string]string{"email": "ann@example.com"},
		Attributes: cdp.Attrs{"product": "tea"}})
	must(err)

	clock = clock.Add(3 * time.Hour)
	must(c.Tick(ctx)) // a product starts c.Run(ctx) in a goroutine instead
	// Output: to ann@example.com: Your tea is waiting.
}

func Example_csvToChart() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "cdp")
	must(err)
	defer os.RemoveAll(dir)
	csv := filepath.Join(dir, "orders.csv")
	must(os.WriteFile(csv, []byte("id,at,who,total\no1,2026-01-10,ann,40\no2,2026-02-11,bob,25\no3,2026-02-20,ann,no idea\n"), 0o600))
	c, err := cdp.New(memstore.New(), cdp.Config{})
	must(err)
	defer c.Close()

	must(c.Events().Define(ctx, cdp.EventType{Name: "order", Attributes: cdp.Schema{"total": cdp.Number}}))
	must(c.Dataflows().Save(ctx, cdp.Dataflow{
		Name:   "orders",
		Source: cdp.Source{Type: "csv", Path: csv, Types: map[string]string{"at": "datetime", "total": "number"}},
		Actions: []cdp.Action{
			{Filter: &cdp.Filter{Where: `total > 0`}}},
		Destinations: []cdp.Destination{{Events: &cdp.ToEvents{
			Name: "order", ID: "id", Time: "at", UserID: "who", Attributes: map[string]string{"total": "total"}}}},
	}))
	run, err := c.Dataflows().Run(ctx, "orders", nil)
	must(err)
	dead, err := c.Dataflows().DeadLetters(ctx, "orders", run.ID)
	must(err)
	for _, d := range dead {
		fmt.Printf("line %d: %s\n", d.Line, d.Reason)
	}

	revenue, err := c.Insights().Trend(ctx, cdp.Trend{
		Title:    "Revenue",
		Range:    cdp.Between(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)),
		Interval: cdp.Monthly,
		Series:   []cdp.Series{{Event: "order", Measure: cdp.Sum, Value: "total", Unit: "USD"}},
	})
	must(err)
	svg, err := os.Create(filepath.Join(dir, "revenue.svg"))
	must(err)
	must(revenue.WriteSVG(svg))
	must(svg.Close())
	fmt.Println(revenue.Lines[0].Points)
	// Output:
	// line 4: source: column "total": "no idea" is not a number
	// [{40 true} {25 true}]
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
