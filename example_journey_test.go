package cdp_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/store/memstore"
)

func ExampleTemplates_Preview() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	check(c.Profiles().Define(ctx, cdp.Schema{"first_name": cdp.String}, cdp.Strict))
	_, err := c.Track(ctx, cdp.Event{Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"category": "hats & gloves"}})
	check(err)

	thanks := cdp.Template{Name: "thanks", Event: "purchase",
		Subject: `Thank you, {{ customer.first_name | "friend" }}`,
		HTML:    `<p>Your {{ event.category }} are on the way.</p>`}
	content, err := c.Templates().Preview(ctx, thanks, "ann")
	check(err)
	fmt.Println(content.Subject)
	fmt.Println(content.HTML)

	check(c.Templates().Save(ctx, thanks))
	all, err := c.Templates().List(ctx)
	check(err)
	fmt.Println(len(all), all[0].Name)
	// Output:
	// Thank you, friend
	// <p>Your hats &amp; gloves are on the way.</p>
	// 1 thanks
}

func ExampleTemplates_Save() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	fmt.Println(c.Templates().Save(ctx, cdp.Template{Name: "thanks", Event: "purchase", Text: "for {{ event.amout }}"}))

	check(c.Templates().Save(ctx, cdp.Template{Name: "thanks", Event: "purchase", Text: "for {{ event.amount }}"}))
	check(c.Templates().Save(ctx, cdp.Template{Name: "thanks", Event: "purchase", Text: "You paid {{ event.amount }}."}))
	now, err := c.Templates().Get(ctx, "thanks")
	check(err)
	versions, err := c.Templates().Versions(ctx, "thanks")
	check(err)
	fmt.Println(len(versions), now.Text)
	check(c.Templates().Remove(ctx, "thanks"))
	// Output:
	// template "thanks": text: 1:14: unknown attribute "amout" of event "purchase" (did you mean "amount"?)
	// 2 You paid {{ event.amount }}.
}

// A journey waits for an order; after an hour without one, a reminder is in the inbox.
func ExampleJourneys() {
	ctx := context.Background()
	now := noon
	c, err := cdp.New(memstore.New(), cdp.Config{Now: func() time.Time { return now }})
	check(err)
	defer c.Close()
	check(c.Events().Define(ctx, cdp.EventType{Name: "add_to_cart", Attributes: cdp.Schema{"item": cdp.String}}))
	check(c.Events().Define(ctx, cdp.EventType{Name: "order"}))
	check(c.Templates().Save(ctx, cdp.Template{Name: "reminder", Event: "add_to_cart",
		Subject: "Still interested?", Text: "Your {{ event.item }} is waiting.", URL: "https://shop.example/cart"}))
	check(c.Journeys().Save(ctx, cdp.Journey{
		Name:  "cart",
		Entry: cdp.Entry{Event: "add_to_cart"},
		Goals: []cdp.Goal{{Name: "ordered", Event: "order"}},
		Nodes: []cdp.Node{
			cdp.Wait("hour", "1h", "remind", cdp.Branch{Event: "order", Next: "done"}),
			cdp.Send("remind", cdp.InboxChannel, "reminder", "done"),
			cdp.End("done", ""),
		}}))

	_, err = c.Track(ctx, cdp.Event{Name: "add_to_cart", UserID: "ann", Attributes: cdp.Attrs{"item": "hat"}})
	check(err)
	inside, err := c.Journeys().Inside(ctx, "cart")
	check(err)
	fmt.Println(inside[0].UserID, "is at", inside[0].Node, "until", inside[0].Due.Format(time.TimeOnly))

	now = now.Add(time.Hour)
	check(c.Tick(ctx))
	messages, err := c.Inbox().List(ctx, "ann")
	check(err)
	fmt.Printf("%s: %s (%s)\n", messages[0].Title, messages[0].Body, messages[0].URL)

	check(c.Inbox().MarkRead(ctx, "ann", messages[0].Key))
	messages, err = c.Inbox().ListFor(ctx, "user_id", "ann")
	check(err)
	fmt.Println("read:", messages[0].Read)
	// Output:
	// ann is at hour until 13:00:00
	// Still interested?: Your hat is waiting. (https://shop.example/cart)
	// read: true
}

// thankYou opens a portal with a journey that sends a message for each purchase over a channel named "email".
func thankYou(cfg cdp.Config) *cdp.Client {
	ctx := context.Background()
	if cfg.Now == nil {
		cfg.Now = fixed
	}
	cfg.Channels = map[string]channel.Channel{"email": channel.Func(func(_ context.Context, m channel.Message) (channel.Receipt, error) {
		if strings.HasSuffix(m.To, "@mial.example") {
			return channel.Receipt{}, channel.Permanent(fmt.Errorf("no such domain"))
		}
		return channel.Receipt{}, nil // a product uses channel/email
	})}
	c, err := cdp.New(memstore.New(), cfg)
	check(err)
	check(c.Events().Define(ctx, cdp.EventType{Name: "purchase"}))
	check(c.Templates().Save(ctx, cdp.Template{Name: "thanks", Text: "Thank you!"}))
	check(c.Journeys().Save(ctx, cdp.Journey{Name: "thank_you", Entry: cdp.Entry{Event: "purchase"},
		Nodes: []cdp.Node{cdp.Send("mail", "email", "thanks", "end"), cdp.End("end", "")}}))
	return c
}

func ExampleJourneys_Save() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	journey := cdp.Journey{Name: "hello", Entry: cdp.Entry{Event: "purchase"},
		Nodes: []cdp.Node{cdp.Delay("day", "24h", "ende"), cdp.End("end", "")}}
	fmt.Println(c.Journeys().Save(ctx, journey))

	journey.Nodes[0].Next = "end"
	check(c.Journeys().Save(ctx, journey))
	all, err := c.Journeys().List(ctx)
	check(err)
	versions, err := c.Journeys().Versions(ctx, "hello")
	check(err)
	hello, err := c.Journeys().Get(ctx, "hello")
	check(err)
	fmt.Println(len(all), len(versions), hello.Nodes[0].For)
	check(c.Journeys().Remove(ctx, "hello"))
	// Output:
	// journey "hello": node "day": next leads to "ende", which is no node (did you mean "end"?)
	// 1 1 24h
}

func ExampleMessages_History() {
	ctx := context.Background()
	c := thankYou(cdp.Config{})
	defer c.Close()
	_, err := c.Track(ctx,
		cdp.Event{Name: "purchase", UserID: "ann", Identifiers: map[string]string{"email": "ann@example.com"}},
		cdp.Event{Name: "purchase", UserID: "bob", Identifiers: map[string]string{"email": "bob@mial.example"}})
	check(err)
	pending, err := c.Messages().Pending(ctx)
	check(err)
	fmt.Println("pending:", pending)

	check(c.Tick(ctx)) // in a product Run is there
	history, err := c.Messages().History(ctx, "message_sent", "message_bounced")
	check(err)
	for _, m := range history {
		fmt.Printf("%s to %s %q\n", m.Event, m.UserID, m.Reason)
	}
	// Unordered output:
	// pending: 2
	// message_sent to ann ""
	// message_bounced to bob "no such domain"
}

func ExampleConsents() {
	ctx := context.Background()
	c := thankYou(cdp.Config{})
	defer c.Close()
	check(c.Portal().Save(ctx, cdp.Settings{OptIn: []string{"email"}})) // nobody is mailed who did not agree
	buy := func() {
		_, err := c.Track(ctx, cdp.Event{Name: "purchase", UserID: "ann"})
		check(err)
		check(c.Tick(ctx))
	}

	buy()
	check(c.Consents().Grant(ctx, "ann", "email"))
	buy()
	check(c.Consents().Unsubscribe(ctx, "ann", "")) // from every channel
	buy()

	allowed, err := c.Consents().Allowed(ctx, "ann", "email")
	check(err)
	fmt.Println("allowed now:", allowed)
	history, err := c.Messages().History(ctx, "message_sent", "message_suppressed")
	check(err)
	for _, m := range history {
		fmt.Printf("%s %q\n", m.Event, m.Reason)
	}
	// Output:
	// allowed now: false
	// message_suppressed "no_consent"
	// message_sent ""
	// message_suppressed "unsubscribed"
}

func ExampleConsents_UnsubscribeToken() {
	ctx := context.Background()
	c := thankYou(cdp.Config{Secret: []byte("32 random bytes, kept for years!")})
	defer c.Close()
	check(c.Portal().Save(ctx, cdp.Settings{UnsubscribeURL: "https://shop.example/unsubscribe?t={token}"}))

	// The handler of that link. Mail programs use POST; a GET may come from a scanner and must not unsubscribe anybody.
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			fmt.Fprint(w, `<form method="post"><button>Unsubscribe</button></form>`)
			return
		}
		if err := c.Consents().UnsubscribeToken(r.Context(), r.URL.Query().Get("t")); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}
	_ = handler

	fmt.Println(c.Consents().UnsubscribeToken(ctx, "made-up"))
	// Output: cdp: the unsubscribe token is not valid
}

func ExampleCap() {
	ctx := context.Background()
	now := noon
	c := thankYou(cdp.Config{Now: func() time.Time { return now }})
	defer c.Close()
	check(c.Portal().Save(ctx, cdp.Settings{Caps: []cdp.Cap{{Channel: "email", Max: 2, Per: "24h"}}}))

	for range 4 {
		_, err := c.Track(ctx, cdp.Event{Name: "purchase", UserID: "ann"})
		check(err)
		check(c.Tick(ctx))
		now = now.Add(10 * time.Hour)
	}
	history, err := c.Messages().History(ctx, "message_sent", "message_suppressed")
	check(err)
	for _, m := range history {
		fmt.Printf("%s %s %q\n", m.Time.Format("02 15:04"), m.Event, m.Reason)
	}
	// Output:
	// 10 12:00 message_sent ""
	// 10 22:00 message_sent ""
	// 11 08:00 message_suppressed "capped"
	// 11 18:00 message_sent ""
}
