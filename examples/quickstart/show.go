package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/embedcdp/cdp"
)

// This file prints what the platform knows.

func showDefinitions(ctx context.Context, c *cdp.Client, out *page) error {
	events, err := c.Events().List(ctx)
	if err != nil {
		return err
	}
	for _, t := range events {
		out.line("event    %-12s %s", t.Name, attributes(t.Attributes))
	}
	objects, err := c.Objects().Types(ctx)
	if err != nil {
		return err
	}
	for _, t := range objects {
		out.line("object   %-12s %s", t.Name, attributes(t.Attributes))
	}
	schema, err := c.Profiles().Schema(ctx)
	if err != nil {
		return err
	}
	out.line("profile  %-12s %s", "", attributes(schema))
	s, err := c.Portal().Settings(ctx)
	if err != nil {
		return err
	}
	out.line("portal   %s; %s", s.TimeZone, caps(s.Caps))
	return nil
}

func attributes(s cdp.Schema) string { return strings.Join(slices.Sorted(maps.Keys(s)), ", ") }

func caps(list []cdp.Cap) string {
	var parts []string
	for _, k := range list {
		parts = append(parts, fmt.Sprintf("at most %d %s in %s", k.Max, cmp.Or(k.Channel, "messages"), k.Per))
	}
	return strings.Join(parts, ", ")
}

func showWhere(ctx context.Context, c *cdp.Client, out *page) error {
	for _, s := range segments {
		n, err := c.Segments().Count(ctx, s.Name)
		if err != nil {
			return err
		}
		out.line("%-18s %5d members   %s", s.Name, n, s.Description)
		out.line("    %s", strings.TrimPrefix(s.Where, young+" && "))
	}
	out.line("    all: %s", young)
	j, err := c.Journeys().Get(ctx, reminderName)
	if err != nil {
		return err
	}
	var steps []string
	for _, n := range j.Nodes {
		switch n.Type {
		case "delay":
			steps = append(steps, "wait "+n.For)
		case "send":
			steps = append(steps, n.Channel)
		}
	}
	out.line("%-18s on %s, until a %s: %s", j.Name, j.Entry.Event, j.Goals[0].Event, strings.Join(steps, ", "))
	return nil
}

// timeline prints the end of somebody's timeline: what they did and, marked with *, what the platform did.
func timeline(ctx context.Context, c *cdp.Client, out *page, userID string, zone *time.Location) error {
	p, err := c.Profiles().Get(ctx, userID)
	if err != nil {
		return err
	}
	out.line("%s, %v, %v", userID, p.Attributes["full_name"], p.Attributes["city"])
	ledger, err := c.Profiles().Ledger(ctx, userID)
	if err != nil {
		return err
	}
	for _, l := range ledger[:min(len(ledger), 3)] {
		out.line("   %s", l.Reason)
	}
	out.line("")
	out.line("The last 15 things on the timeline (* is the platform's):")
	events, err := c.Profiles().Timeline(ctx, userID, &cdp.TimelineOptions{Limit: 15})
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(events) {
		mark := " "
		if e.System {
			mark = "*"
		}
		out.line("%s %s %-18s %s", e.Time.In(zone).Format("02 Jan 15:04:05"), mark, e.Name, brief(e))
	}
	return nil
}

// brief says the interesting part of an event.
func brief(e cdp.TimelineEvent) string {
	var parts []string
	for _, name := range []string{"segment", "journey", "node", "type", "branch", "goal", "channel", "template", "title", "reason", "product", "category", "coupon"} {
		if v, ok := e.Attributes[name]; ok && (name != "title" || e.Name == "inbox_message") {
			parts = append(parts, fmt.Sprint(v))
		}
	}
	if v, ok := e.Attributes["amount"].(float64); ok {
		parts = append(parts, money(v))
	}
	return strings.Join(parts, ", ")
}

// showMessages groups what became of every message.
func showMessages(ctx context.Context, c *cdp.Client, out *page, w *world) (map[string]int, error) {
	history, err := c.Messages().History(ctx)
	if err != nil {
		return nil, err
	}
	type group struct{ event, channel, reason string }
	groups, total := map[group]int{}, map[string]int{}
	for _, m := range history {
		groups[group{m.Event, m.Channel, m.Reason}]++
		total[m.Event]++
	}
	order := slices.SortedFunc(maps.Keys(groups), func(a, b group) int {
		return cmp.Or(cmp.Compare(rank(a.event), rank(b.event)), cmp.Compare(a.channel, b.channel), cmp.Compare(groups[b], groups[a]))
	})
	for _, g := range order {
		out.line("%-19s %-6s %6d  %s", g.event, g.channel, groups[g], g.reason)
	}
	inside, err := c.Journeys().Inside(ctx, reminderName)
	if err != nil {
		return nil, err
	}
	out.line("")
	out.line("The SMS gateway took %d requests; %d people are inside the journey now.", w.sms.count(), len(inside))
	return total, nil
}

func rank(event string) int {
	return slices.Index([]string{"message_queued", "message_sent", "message_retried", "message_bounced", "message_failed", "message_suppressed"}, event)
}
