package main

import (
	"context"

	"github.com/embedcdp/cdp"
)

const reminderName = "cart-reminder"

// saveReminder saves "added to cart and not bought": an email after two hours, an SMS a day later, a message on the
// website two days after that. A purchase ends it at any point, and so does unsubscribing.
func saveReminder(ctx context.Context, c *cdp.Client) error {
	for _, t := range []cdp.Template{
		{
			Name: "cart-email", Event: cart,
			Subject: `{{ customer.first_name | "Hello" }}, your {{ event.product.name }} is waiting`,
			Text: "Hi {{ customer.first_name | \"there\" }},\n\n{{ event.product.name }} by {{ event.product.brand }} is still in your cart.\n" +
				"https://shop.example/cart\n\nNo more of these: {{ unsubscribe_url }}\n",
		},
		{Name: "cart-sms", Event: cart, Text: `{{ event.product.name }} is still in your cart: shop.example/cart`},
		{Name: "cart-inbox", Event: cart, Subject: "Still thinking about it?", Text: `{{ event.product.name }} is in your cart.`, URL: "https://shop.example/cart"},
	} {
		if err := c.Templates().Save(ctx, t); err != nil {
			return err
		}
	}
	return c.Journeys().Save(ctx, cdp.Journey{
		Name:    reminderName,
		Entry:   cdp.Entry{Event: cart},
		Reentry: "1d",
		Goals:   []cdp.Goal{{Name: "bought", Event: purchase}},
		Exits:   []cdp.Exit{{Event: "unsubscribed", Reason: "unsubscribed"}},
		Nodes: []cdp.Node{
			// The goal ends the journey wherever somebody stands: the delays wait for "not bought".
			cdp.Delay("two_hours", "2h", "known"),
			cdp.If("known", "three_days", cdp.Branch{Name: "customer", Where: `has(customer.email)`, Next: "email"}), // a visitor has no address
			cdp.Send("email", "email", "cart-email", "one_day"),
			cdp.Delay("one_day", "1d", "sms"),
			cdp.Send("sms", "sms", "cart-sms", "two_days"),
			cdp.Delay("two_days", "2d", "website"),
			cdp.Delay("three_days", "3d", "website"),
			cdp.Send("website", cdp.InboxChannel, "cart-inbox", "last_chance"),
			cdp.Delay("last_chance", "3d", "over"), // a purchase now still counts
			cdp.End("over", ""),
		},
	})
}
