package cdp_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
)

// Random people: every number of a forecast is that of a plain loop over them.
func TestForecastIsExact(t *testing.T) {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(1, 2))
	c := cdptest.New(t, cdptest.Options{})
	c.DefineProfile(cdp.Schema{"city": cdp.String, "age": cdp.Number, "vip": cdp.Boolean, "note": cdp.Text, "since": cdp.Datetime, "tags": cdp.StringList})
	c.Define(cdp.EventType{Name: "purchase", Attributes: cdp.Schema{"amount": cdp.Number}})
	people := map[string]cdp.Attrs{}
	spent := map[string]float64{}
	for i := range 300 {
		id := fmt.Sprint("u", i)
		a := cdp.Attrs{}
		for name, v := range map[string]any{"city": fmt.Sprint("c", r.IntN(40)*r.IntN(2)), "age": 18 + r.IntN(4), "vip": r.IntN(2) == 0, "note": fmt.Sprint("n", r.IntN(3)), "since": daysAgo(r.IntN(3))} {
			if r.IntN(5) > 0 {
				a[name] = v
			}
		}
		people[id] = a
		c.Knows(cdp.Identity{UserID: id, AnonymousID: "a" + id, Attributes: a}, cdp.Identity{AnonymousID: fmt.Sprint("v", i), Attributes: a})
		for range r.IntN(4) {
			amount := float64(r.IntN(50))
			spent[id] += amount
			c.Happens(cdp.Event{Name: "purchase", UserID: id, Attributes: cdp.Attrs{"amount": amount}})
		}
	}
	opt := &cdp.ForecastOptions{By: []string{"city", "age", "vip", "note", "since"}, Top: 7}
	f, err := c.Segments().Forecast(ctx, cdp.Segment{Where: `events.purchase.sum(e, e.amount) >= 40`}, opt)
	require.NoError(t, err)
	type pair struct{ members, population int }
	member := func(id string) bool { return spent[id] >= 40 }
	all := pair{}
	for id := range people {
		all.population++
		if member(id) {
			all.members++
		}
	}
	assert.Equal(t, all, pair{f.Count, f.Population})
	assert.InDelta(t, float64(all.members)/300, f.Share, 1e-12)
	assert.Equal(t, all.members, f.Members.Len())
	for i, by := range f.By {
		require.Equal(t, opt.By[i], by.Attribute)
		want := map[string]pair{}
		for id, a := range people {
			key := "absent"
			if v, ok := a[by.Attribute]; ok {
				key = fmt.Sprint(v)
			}
			p := want[key]
			p.population++
			if member(id) {
				p.members++
			}
			want[key] = p
		}
		assert.Equal(t, want["absent"], pair{by.Absent.Members, by.Absent.Population})
		delete(want, "absent")
		require.Len(t, by.Values, min(7, len(want)))
		for k, v := range by.Values {
			assert.Equal(t, want[fmt.Sprint(v.Value)], pair{v.Members, v.Population}, "%s %v", by.Attribute, v.Value)
			assert.InDelta(t, float64(v.Members)/float64(v.Population), v.Share, 1e-12)
			delete(want, fmt.Sprint(v.Value))
			if k > 0 {
				assert.LessOrEqual(t, v.Members, by.Values[k-1].Members)
			}
		}
		rest := pair{}
		for _, p := range want {
			assert.LessOrEqual(t, p.members, by.Values[len(by.Values)-1].Members)
			rest.members, rest.population = rest.members+p.members, rest.population+p.population
		}
		assert.Equal(t, rest, pair{by.Other.Members, by.Other.Population})
	}

	visitors, err := c.Segments().Forecast(ctx, cdp.Segment{Of: cdp.Visitors, Where: `true`}, nil)
	require.NoError(t, err)
	assert.Equal(t, pair{300, 300}, pair{visitors.Count, visitors.Population})
	assert.Empty(t, visitors.By)
}

func TestForecastRefuses(t *testing.T) {
	ctx := context.Background()
	c := cdptest.New(t, cdptest.Options{})
	c.DefineProfile(cdp.Schema{"city": cdp.String, "tags": cdp.StringList})
	by := func(names ...string) *cdp.ForecastOptions { return &cdp.ForecastOptions{By: names} }
	_, err := c.Segments().Forecast(ctx, cdp.Segment{Where: `true`}, by("citty"))
	require.EqualError(t, err, `cdp: ForecastOptions.By names "citty", which is no attribute of profiles (did you mean "city"?)`)
	_, err = c.Segments().Forecast(ctx, cdp.Segment{Where: `true`}, by("tags"))
	require.ErrorContains(t, err, `"tags", which is of type []string`)
	_, err = c.Segments().Forecast(ctx, cdp.Segment{Where: `true`}, by("city", "city"))
	require.EqualError(t, err, `cdp: ForecastOptions.By names "city" twice`)
	_, err = c.Segments().Forecast(ctx, cdp.Segment{Where: `true`}, &cdp.ForecastOptions{Top: -1})
	require.EqualError(t, err, `cdp: ForecastOptions.Top is -1: list a number of values, or 0 for 20`)
	_, err = c.Segments().Forecast(ctx, cdp.Segment{Where: `customer.citty == "Hue"`}, nil)
	require.EqualError(t, err, `segment: 1:10: unknown attribute "citty" of customer (did you mean "city"?)`)
	f, err := c.Segments().Forecast(ctx, cdp.Segment{Where: `true`}, by("city"))
	require.NoError(t, err)
	assert.Zero(t, f.Share)
}
