package whynot

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/schema"
)

// Cases of two changes of the same thing, by hand.
func TestPairsOfTheSame(t *testing.T) {
	cat := &schema.Catalogue{Events: map[string]*schema.EventType{"buy": {Name: "buy", Attributes: schema.Attrs{"kind": {Type: schema.String}, "amount": {Type: schema.Number}}}}}
	for _, c := range []struct {
		name, where string
		buys        []plainBuy
		events      int    // the least that two changes add and take
		edited      string // or a condition that is proposed
	}{
		{name: "added ones must not be of the kind of one that goes",
			where: `events.buy.within("6d").size() >= 3 && !events.buy.exists(e, e.kind == "a" && e.amount > 2)`,
			buys:  []plainBuy{{"b1", now - 8*day, "a", 3}}, events: 4},
		{name: "a number of events that two kinds make up together",
			where: `events.buy.size() == 3 && events.buy.exists(e, e.kind == "a") && events.buy.exists(e, e.kind == "b")`, events: 3},
		{name: "times that no comparison tells apart of a few",
			where: `events.buy.filter(e, e.kind == "a").size() >= 2 && events.buy.exists(e, e.kind == "c" && e.amount > 2) && !(events.buy.within("5d").size() >= 3)`, events: 3},
		{name: "both additions have ids of their own",
			where: `events.buy.countDistinct(e, e.id) == 2 && events.buy.exists(e, e.kind == "a") && events.buy.exists(e, e.kind == "b")`, events: 2},
		{name: "two literals of one comparison",
			where:  `events.buy.size() == 1 && events.buy.exists(e, e.kind == "a" && e.amount > 3)`,
			buys:   []plainBuy{{"b1", now - day, "b", 1}},
			edited: `events.buy.size() == 1 && events.buy.exists(e, e.kind == "b" && e.amount > 0)`, events: 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := searched(t, cat, c.where, plainPerson{buys: c.buys})
			require.True(t, got.Complete)
			require.NotEmpty(t, got.Options)
			require.Len(t, got.Options[0].Changes, 2, "no single change does it")
			require.Equal(t, c.events, leastEvents(got), "%+v", got)
			var edited []string
			for _, o := range got.Options {
				edited = append(edited, o.Where)
			}
			if c.edited != "" {
				require.Contains(t, edited, c.edited)
			}
		})
	}
}
