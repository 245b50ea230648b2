package main

import (
	"context"
	"time"

	"github.com/embedcdp/cdp"
)

// dataflows bring the old systems' files in. Conditions are CEL, computed columns are expr-lang; both are checked when
// the dataflow is saved or compiled, not when row 70,000 comes.
func dataflows(f files) []cdp.Dataflow {
	csv := func(path string, types map[string]string) cdp.Source {
		return cdp.Source{Type: "csv", Path: path, Types: types}
	}
	filter := func(where string) cdp.Action { return cdp.Action{Filter: &cdp.Filter{Where: where}} }
	add := func(column, kind, value string) cdp.Action {
		return cdp.Action{Add: &cdp.Add{Column: column, Type: kind, Value: value}}
	}
	number, web := map[string]string{"price": "number", "quantity": "number", "time": "datetime"}, map[string]string{"time": "datetime"}
	return []cdp.Dataflow{
		{
			Name: "products", Source: csv(f.products, map[string]string{"price": "number"}),
			Actions: []cdp.Action{add("tier", "string", `price >= 700000 ? "premium" : "standard"`)},
			Destinations: []cdp.Destination{{Objects: &cdp.ToObjects{Type: "product", ID: "id",
				Attributes: same("name", "category", "brand", "price", "tier")}}},
		},
		{
			Name: "customers", Source: csv(f.customers, map[string]string{"birth_year": "number"}),
			Actions: []cdp.Action{
				add("age", "number", `2026 - birth_year`),
				add("first_name", "string", `split(full_name, " ")[0]`),
			},
			Destinations: []cdp.Destination{{Profiles: &cdp.ToProfiles{UserID: "user_id",
				Attributes: same("first_name", "full_name", "email", "phone", "city", "age")}}},
		},
		{
			Name: "views", Source: csv(f.web, web),
			Actions:      []cdp.Action{filter(`event == "view" && !agent.contains("bot")`)},
			Destinations: []cdp.Destination{{Events: visits(view)}},
		},
		{
			Name: "carts", Source: csv(f.web, web),
			Actions:      []cdp.Action{filter(`event == "add_to_cart" && !agent.contains("bot")`)},
			Destinations: []cdp.Destination{{Events: visits(cart)}},
		},
		{
			Name: "orders", Source: csv(f.orders, number),
			Actions: []cdp.Action{
				filter(`status != "cancelled"`),
				add("amount", "number", `coupon == nil ? quantity * price : quantity * price * 9 / 10`),
			},
			// An order names the customer and the browser: the browser's visitor becomes the customer.
			Destinations: []cdp.Destination{{Events: &cdp.ToEvents{Name: purchase, ID: "order_id", Time: "time", UserID: "user_id", AnonymousID: "visitor",
				Attributes: same("product", "category", "quantity", "amount", "coupon")}}},
		},
	}
}

func visits(name string) *cdp.ToEvents {
	return &cdp.ToEvents{Name: name, ID: "event_id", Time: "time", UserID: "user_id", AnonymousID: "visitor", Attributes: same("product", "category")}
}

// same maps attributes to the columns of the same names.
func same(names ...string) map[string]string {
	out := map[string]string{}
	for _, n := range names {
		out[n] = n
	}
	return out
}

// importAll saves each dataflow, runs it, and shows what it did.
func importAll(ctx context.Context, c *cdp.Client, out *page, flows []cdp.Dataflow) error {
	out.line("%-12s %10s %10s %10s %10s %10s", "dataflow", "rows", "accepted", "filtered", "rejected", "seconds")
	for _, f := range flows {
		if err := c.Dataflows().Save(ctx, f); err != nil {
			return err
		}
		started := time.Now() // the platform measures in its own time, which is virtual here
		run, err := c.Dataflows().Run(ctx, f.Name, &cdp.RunOptions{Progress: out.progress(f.Name)})
		if err != nil {
			return err
		}
		p := run.Progress
		out.line("%-12s %10d %10d %10d %10d %10.2f", f.Name, p.Rows, p.Accepted, p.Filtered, p.Rejected, time.Since(started).Seconds())
	}
	return nil
}

// deadLetters shows the rows that could not be used: none is lost, each has its line and its reason.
func deadLetters(ctx context.Context, c *cdp.Client, out *page, flows []cdp.Dataflow) error {
	for _, f := range flows {
		letters, err := c.Dataflows().DeadLetters(ctx, f.Name, "")
		if err != nil {
			return err
		}
		for _, l := range letters {
			out.line("%s, line %d: %s", f.Name, l.Line, l.Reason)
			out.line("    %s", l.Row)
		}
	}
	return nil
}
