package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/embedcdp/cdp"
)

// liveDays lets the last days of the shop happen, hour by hour under the virtual clock. A product calls Track where
// things happen and has one goroutine in Run; here Tick does at each full hour what Run does all the time.
func liveDays(ctx context.Context, c *cdp.Client, w *world, out *page, acts []*act) error {
	out.line("%-8s %10s %10s %10s %10s", "", "events", "customers", "visitors", "letters")
	events := 0
	for hour := w.live.Add(time.Hour); !hour.After(w.end); hour = hour.Add(time.Hour) {
		n := 0
		for n < len(acts) && acts[n].at.Before(hour) {
			n++
		}
		w.clock.set(hour)
		if err := happen(ctx, c, w.words, acts[:n]); err != nil {
			return fmt.Errorf("%s: %w", hour, err)
		}
		acts = acts[n:]
		if err := c.Tick(ctx); err != nil {
			return err
		}
		if err := w.readMail(ctx, c); err != nil {
			return err
		}
		if events += n; hour.Weekday() == time.Saturday && hour.Hour() == 0 || hour.Equal(w.end) {
			customers, visitors, err := c.Profiles().Count(ctx)
			if err != nil {
				return err
			}
			out.line("%-8s %10d %10d %10d %10d", hour.Add(-time.Hour).Format("2 Jan"), events, customers, visitors, w.mail.count())
		}
	}
	return nil
}

// happen hands one hour of the shop to the platform.
func happen(ctx context.Context, c *cdp.Client, words vocabulary, acts []*act) error {
	var joining []cdp.Identity
	var events []cdp.Event
	for _, a := range acts {
		base := cdp.Event{ID: a.id, AnonymousID: a.device, Time: a.at, Source: "website"}
		if a.known {
			base.UserID = a.who.id
		}
		switch a.what {
		case signUp:
			joining = append(joining, identity(a))
		case view:
			events = append(events, words.views.Make(base, Visit{a.product.id, a.product.category}))
		case cart:
			events = append(events, words.carts.Make(base, Visit{a.product.id, a.product.category}))
		case purchase:
			events = append(events, words.purchases.Make(base, Purchase{
				Product: a.product.id, Category: a.product.category, Quantity: a.quantity, Amount: float64(a.amount()), Coupon: a.coupon}))
		}
	}
	if _, err := c.Identify(ctx, joining...); err != nil {
		return err
	}
	_, err := c.Track(ctx, events...)
	return err
}

// identity is what somebody tells when they sign up. The visitor of their browser becomes the customer, history and all.
func identity(a *act) cdp.Identity {
	p := a.who
	first, _, _ := strings.Cut(p.name, " ")
	return cdp.Identity{UserID: p.id, AnonymousID: a.device, Time: a.at, Attributes: cdp.Attrs{
		"first_name": first, "full_name": p.name, "email": p.email, "phone": p.phone, "city": p.city, "age": 2026 - p.born}}
}

// readMail lets one reader in twenty follow the unsubscribe link of a letter.
func (w *world) readMail(ctx context.Context, c *cdp.Client) error {
	for _, letter := range w.mail.collect() {
		h := fnv.New32a()
		h.Write([]byte(letter.ProfileID))
		if h.Sum32()%20 != 0 {
			continue
		}
		token := letter.UnsubscribeURL[strings.LastIndexByte(letter.UnsubscribeURL, '/')+1:]
		if err := c.Consents().UnsubscribeToken(ctx, token); errors.Is(err, cdp.ErrToken) {
			return fmt.Errorf("the link in the letter to %s does not work: %w", letter.To, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}
