package cdp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
)

// A segment whose condition reads no clock is filled by kernels alone, unless an event of the future will enter by itself:
// then everybody whom it may concern is asked about, and changes at its instant.
func TestFillKnowsWhenItWillChange(t *testing.T) {
	start := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	c := cdptest.New(t, cdptest.Options{Start: start})
	c.Define(cdp.EventType{Name: "purchase", Attributes: cdp.Schema{"amount": cdp.Number}})
	c.DefineProfile(cdp.Schema{"city": cdp.String})
	buys := func(user string, at time.Time) cdp.Event {
		return cdp.Event{Name: "purchase", UserID: user, Time: at, Attributes: cdp.Attrs{"amount": 5}}
	}
	c.Knows(cdp.Identity{UserID: "cem", Attributes: cdp.Attrs{"city": "Hue"}})
	c.Happens(buys("ann", start), buys("bob", start), buys("bob", start.Add(-time.Hour)))

	const where = `events.purchase.size() >= 2`
	c.SaveSegment("before", where)
	c.ExpectMembers("before", "bob")
	c.SaveSegment("nothing", `events.purchase.size() == 0`)
	c.ExpectMembers("nothing", "cem")
	plan, err := c.Segments().Plan(t.Context(), "before")
	require.NoError(t, err)
	assert.NotContains(t, plan, "row by row")

	soon := start.Add(36 * time.Hour)
	c.Happens(buys("ann", soon), buys("cem", soon))
	c.SaveSegment("after", where)
	c.SaveSegment("never", `events.purchase.size() == 0`)
	plan, err = c.Segments().Plan(t.Context(), "after")
	require.NoError(t, err)
	assert.Contains(t, plan, "row by row")
	for _, name := range []string{"before", "after"} {
		c.ExpectMembers(name, "bob")
	}
	c.Advance(48 * time.Hour)
	for _, name := range []string{"before", "after"} {
		c.ExpectMembers(name, "ann", "bob")
		flips := flipsOf(t, c.Client, name, &cdp.FlipOptions{Since: start})
		last := flips[len(flips)-1]
		assert.Equal(t, "ann", last.UserID)
		assert.True(t, last.Time.Equal(soon), last.Time)
	}
	c.ExpectMembers("nothing")
	c.ExpectMembers("never")
	c.Happens(buys("ann", c.Clock.Now()), buys("cem", c.Clock.Now()))
	c.ExpectMembers("after", "ann", "bob", "cem")

	steps, err := c.Segments().ExplainPlan(t.Context(), cdp.Segment{Name: "idea", Where: where + ` && "x" in ["x", customer.city]`})
	require.NoError(t, err)
	assert.True(t, strings.Contains(steps, "rows in") && strings.Contains(steps, "no kernel: "), steps)
}
