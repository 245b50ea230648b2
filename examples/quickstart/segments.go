package main

import (
	"context"
	"time"

	"github.com/embedcdp/cdp"
)

// young is the part of the condition that all three segments have.
const young = `customer.age >= 18 && customer.age <= 35 && customer.city == "Ho Chi Minh City"`

// shoePurchases are the purchases it is about.
const shoePurchases = `events.purchase.filter(e, e.category == "shoes")`

// segments are "customers aged 18 to 35 in Ho Chi Minh City who purchased at least 3 times a month in a category". The
// sentence can mean three things, and each has its own form.
var segments = []cdp.Segment{
	{
		Name: "shoes_30_days", Description: "in the last 30 days, to the second",
		Where: young + ` && ` + shoePurchases + `.within("30d").size() >= 3`,
	},
	{
		Name: "shoes_some_month", Description: "in at least one of the last 6 calendar months",
		Where: young + ` && ` + shoePurchases + `.perMonth(6).exists(n, n >= 3)`,
	},
	{
		Name: "shoes_every_month", Description: "in each of the last 3 calendar months",
		Where: young + ` && ` + shoePurchases + `.perMonth(3).all(n, n >= 3)`,
	},
}

func saveSegments(ctx context.Context, c *cdp.Client) error {
	for _, s := range segments {
		if err := c.Segments().Save(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func countSegments(ctx context.Context, c *cdp.Client) (map[string]int, error) {
	counts := map[string]int{}
	for _, s := range segments {
		n, err := c.Segments().Count(ctx, s.Name)
		if err != nil {
			return nil, err
		}
		counts[s.Name] = n
	}
	return counts, nil
}

// showSegments prints how many are in each segment, before the live days and after them.
func showSegments(ctx context.Context, c *cdp.Client, out *page, since time.Time, before map[string]int) (map[string]int, error) {
	after, err := countSegments(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, s := range segments {
		out.line("%-18s %5d then, %5d now   %s", s.Name, before[s.Name], after[s.Name], s.Description)
	}
	out.line("")
	changes := map[string]int{}
	for f, err := range c.Segments().Flips(ctx, segments[0].Name, &cdp.FlipOptions{Since: since}) {
		if err != nil {
			return nil, err
		}
		if f.Entered && f.Cause == "track" {
			changes["entered"]++
		} else if !f.Entered {
			changes[f.Cause]++
		}
	}
	out.line("%s on the live days: %d entered with a purchase, %d left because time passed, each at its own second",
		segments[0].Name, changes["entered"], changes["time"])
	return after, nil
}

// explainOne prints why one person is in the first segment, and when that ends if nothing happens. It takes the member who
// was sent most: their timeline has most to tell.
func explainOne(ctx context.Context, c *cdp.Client, out *page) (userID string, err error) {
	sent, err := c.Messages().History(ctx, "message_sent")
	if err != nil {
		return "", err
	}
	messages := map[string]int{}
	for _, m := range sent {
		messages[m.UserID]++
	}
	for p, err := range c.Segments().Members(ctx, segments[0].Name) {
		if err != nil {
			return "", err
		}
		if userID == "" || messages[p.UserID] > messages[userID] {
			userID = p.UserID
		}
	}
	for p, err := range c.Profiles().All(ctx, cdp.Customers) {
		if err != nil {
			return "", err
		}
		if userID != "" {
			break
		}
		userID = p.UserID // a small shop may have no member: anybody can be explained
	}
	why, err := c.Segments().Explain(ctx, segments[0].Name, userID)
	if err != nil {
		return "", err
	}
	out.block(why.String())
	return userID, nil
}
