package main

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"time"

	"github.com/embedcdp/cdp"
)

// This file brings the data into the library under test, through its public API only.

// openCDP opens a new file with the schema of the data set. Its clock stands at the instant of the questions.
func openCDP(ctx context.Context, dir, name string) (*cdp.Client, error) {
	return openWith(ctx, dir, name, cdp.Config{Now: func() time.Time { return now }})
}

func reopenCDP(dir, name string) (*cdp.Client, error) { return openFile(filepath.Join(dir, name)) }

func openFile(path string) (*cdp.Client, error) {
	return cdp.Open(path, cdp.Config{Now: func() time.Time { return now }})
}

// openWith opens a new file with the schema of the data set and a Config of the caller's.
func openWith(ctx context.Context, dir, name string, cfg cdp.Config) (*cdp.Client, error) {
	c, err := cdp.Open(filepath.Join(dir, name), cfg)
	if err != nil {
		return nil, err
	}
	if err := define(ctx, c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func define(ctx context.Context, c *cdp.Client) error {
	profile := cdp.Schema{"age": cdp.Number, "city": cdp.String, "plan": cdp.String, "signup": cdp.Datetime}
	if err := c.Profiles().Define(ctx, profile, cdp.Strict); err != nil {
		return err
	}
	for _, name := range eventNames {
		attrs := cdp.Schema{"category": cdp.String, "sku": cdp.String, "amount": cdp.Number}
		if err := c.Events().Define(ctx, cdp.EventType{Name: name, Attributes: attrs}); err != nil {
			return err
		}
	}
	return nil
}

// Event is event i as the library takes it.
func (d *Data) Event(i int) cdp.Event {
	e := cdp.Event{ID: EventID(i), Name: eventNames[d.Type[i]], Time: time.UnixMicro(d.Time[i]).UTC(),
		Attributes: cdp.Attrs{"category": categories[d.Category[i]], "sku": SKU(d.SKU[i]), "amount": float64(d.Cents[i]) / 100}}
	if customer := int(d.Customer[i]); d.Variant == Merged {
		e.AnonymousID = AnonymousID(customer, d.Visitor(i))
	} else {
		e.UserID = UserID(customer)
	}
	return e
}

// Identity is customer i with all that is known of them.
func (d *Data) Identity(i int) cdp.Identity {
	attrs := cdp.Attrs{"plan": plans[d.Plan[i]], "signup": time.UnixMicro(d.Signup[i]).UTC()}
	if d.Age[i] != noAge {
		attrs["age"] = int(d.Age[i])
	}
	if d.City[i] != noCity {
		attrs["city"] = cities[d.City[i]]
	}
	return cdp.Identity{UserID: UserID(i), Identifiers: map[string]string{"email": Email(i)}, Attributes: attrs}
}

// links yields the links of visitors to customers that are made before the events, or after them.
func (d *Data) links(late bool) iter.Seq[cdp.Identity] {
	return func(yield func(cdp.Identity) bool) {
		if d.Variant != Merged {
			return
		}
		for i := range d.Profiles {
			for k := range visitors {
				if d.LinkedLate(i, k) == late && !yield(cdp.Identity{UserID: UserID(i), AnonymousID: AnonymousID(i, k)}) {
					return
				}
			}
		}
	}
}

// Load brings the whole data set in: customers, the links made in time, events in the order of their arrival as
// history, the late links.
func Load(ctx context.Context, c *cdp.Client, d *Data) error {
	events := func(yield func(cdp.Event) bool) {
		for i := range d.Arrivals() {
			if !yield(d.Event(i)) {
				return
			}
		}
	}
	if err := loadCustomers(ctx, c, d); err != nil {
		return err
	}
	if err := inBatches(ctx, d.links(false), c.Identify); err != nil {
		return fmt.Errorf("load links: %w", err)
	}
	if err := inBatches(ctx, events, c.Import); err != nil {
		return fmt.Errorf("load events: %w", err)
	}
	if err := inBatches(ctx, d.links(true), c.Identify); err != nil {
		return fmt.Errorf("load late links: %w", err)
	}
	return nil
}

func loadCustomers(ctx context.Context, c *cdp.Client, d *Data) error {
	customers := func(yield func(cdp.Identity) bool) {
		for i := range d.Profiles {
			if !yield(d.Identity(i)) {
				return
			}
		}
	}
	if err := inBatches(ctx, customers, c.Identify); err != nil {
		return fmt.Errorf("load customers: %w", err)
	}
	return nil
}

// inBatches hands items over, 10,000 at a time. Whatever is not accepted is an error.
func inBatches[T any](ctx context.Context, items iter.Seq[T], take func(context.Context, ...T) (cdp.Result, error)) error {
	batch := make([]T, 0, 10_000)
	flush := func() error {
		res, err := take(ctx, batch...)
		if err == nil && res.Accepted != len(batch) {
			err = fmt.Errorf("%d of %d accepted, %d duplicates", res.Accepted, len(batch), res.Duplicates)
		}
		batch = batch[:0]
		return err
	}
	for item := range items {
		if batch = append(batch, item); len(batch) == cap(batch) {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// MembersOf returns the members of a segment as customers' indexes.
func MembersOf(ctx context.Context, c *cdp.Client, name string, customers int) (Members, error) {
	m := NewMembers(customers)
	for p, err := range c.Segments().Members(ctx, name) {
		if err != nil {
			return nil, err
		}
		i, err := Index(p.UserID)
		if err != nil {
			return nil, err
		}
		m[i>>6] |= 1 << (i & 63)
	}
	return m, nil
}
