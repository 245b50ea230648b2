package cdp_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
)

// soldVersion is one version of a product in the plain world of TestObjectsThatComeLate.
type soldVersion struct {
	from         time.Time
	brand, maker string // "" when absent
	price        float64
	removed      bool
}

// soldWorld is all that happened, as plain lists.
type soldWorld struct {
	bought   map[string][]bought
	likes    map[string]string
	vip      map[string]bool
	products map[string][]soldVersion // in order of from, those of one instant in order of arrival
	makers   map[string][]soldVersion
}

// bought is one purchase.
type bought struct {
	product string
	at      time.Time
}

// bound is the version that a reference finds at an instant: the last not after it, else the first.
func bound(versions []soldVersion, at time.Time) (soldVersion, bool) {
	if len(versions) == 0 {
		return soldVersion{}, false
	}
	found := -1
	for i, v := range versions {
		if !v.from.After(at) {
			found = i
		}
	}
	if found < 0 {
		found = 0
	}
	return versions[found], !versions[found].removed
}

func (w *soldWorld) brand(product string, at time.Time) string {
	v, _ := bound(w.products[product], at)
	return v.brand
}

// soldSegments are conditions that follow references, answered by kernels, by the oracle and by both, and what they mean.
var soldSegments = []struct {
	where string
	means func(w *soldWorld, user string, upToNow []bought, now time.Time) bool
}{
	{`events.purchase.exists(e, e.product.brand == "Lotus")`, func(w *soldWorld, _ string, all []bought, _ time.Time) bool {
		return slices.ContainsFunc(all, func(b bought) bool { return w.brand(b.product, b.at) == "Lotus" })
	}},
	{`!events.purchase.exists(e, e.product.brand == "Lotus")`, func(w *soldWorld, _ string, all []bought, _ time.Time) bool {
		return !slices.ContainsFunc(all, func(b bought) bool { return w.brand(b.product, b.at) == "Lotus" })
	}},
	{`events.purchase.exists(e, has(e.product.brand))`, func(w *soldWorld, _ string, all []bought, _ time.Time) bool {
		return slices.ContainsFunc(all, func(b bought) bool { return w.brand(b.product, b.at) != "" })
	}},
	{`events.purchase.exists(e, !has(e.product.brand))`, func(w *soldWorld, _ string, all []bought, _ time.Time) bool {
		return slices.ContainsFunc(all, func(b bought) bool { return w.brand(b.product, b.at) == "" })
	}},
	{`events.purchase.sum(e, e.product.price) > 50`, func(w *soldWorld, _ string, all []bought, _ time.Time) bool {
		sum := 0.0
		for _, b := range all {
			v, _ := bound(w.products[b.product], b.at)
			sum += v.price
		}
		return sum > 50
	}},
	{`customer.vip == true && events.purchase.exists(e, e.product.brand == "Lotus")`, func(w *soldWorld, user string, all []bought, _ time.Time) bool {
		return w.vip[user] && slices.ContainsFunc(all, func(b bought) bool { return w.brand(b.product, b.at) == "Lotus" })
	}},
	{`events.purchase.within("3d").exists(e, e.product.brand == "Lotus")`, func(w *soldWorld, _ string, all []bought, now time.Time) bool {
		return slices.ContainsFunc(all, func(b bought) bool {
			return w.brand(b.product, b.at) == "Lotus" && b.at.After(now.Add(-72*time.Hour))
		})
	}},
	{`events.purchase.filter(e, e.product.brand + "" == "Lotus").size() / 2 >= 1`, func(w *soldWorld, _ string, all []bought, _ time.Time) bool {
		n := 0
		for _, b := range all {
			if w.brand(b.product, b.at) == "Lotus" {
				n++
			}
		}
		return n >= 2
	}},
	{`events.purchase.exists(e, e.product.maker.brand == "Hue")`, func(w *soldWorld, _ string, all []bought, _ time.Time) bool {
		return slices.ContainsFunc(all, func(b bought) bool {
			v, _ := bound(w.products[b.product], b.at)
			m, _ := bound(w.makers[v.maker], b.at)
			return m.brand == "Hue"
		})
	}},
	{`customer.likes.brand == "Lotus"`, func(w *soldWorld, user string, _ []bought, now time.Time) bool {
		return w.brand(w.likes[user], now) == "Lotus"
	}},
}

// TestObjectsThatComeLate saves segments that follow references before and after the events, and puts the objects later, with
// times before and after the events: members are those that plain loops find, and those of a preview, at once after each step.
// A segment is filled by kernels, which look objects up too: who puts one that was missed then asks everybody again.
func TestObjectsThatComeLate(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() {
		seeds = 4
	}
	members, came := 0, 0
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 8))
		start := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
		c := cdptest.New(t, cdptest.Options{Start: start})
		maker := cdp.Ref("maker")
		require.NoError(t, c.Objects().Define(t.Context(), cdp.ObjectType{Name: "maker", Attributes: cdp.Schema{"brand": cdp.String}}))
		require.NoError(t, c.Objects().Define(t.Context(), cdp.ObjectType{Name: "product", Attributes: cdp.Schema{"brand": cdp.String, "price": cdp.Number, "maker": maker}}))
		c.Define(cdp.EventType{Name: "purchase", Attributes: cdp.Schema{"product": cdp.Ref("product")}})
		c.DefineProfile(cdp.Schema{"vip": cdp.Boolean, "likes": cdp.Ref("product")})
		w := &soldWorld{map[string][]bought{}, map[string]string{}, map[string]bool{}, map[string][]soldVersion{}, map[string][]soldVersion{}}
		users := []string{"ann", "bob", "cem", "dan"}
		for _, u := range users {
			c.Knows(cdp.Identity{UserID: u})
		}
		put := func(of map[string][]soldVersion, typ, id string, at time.Time, attrs cdp.Attrs) {
			v := soldVersion{from: at, removed: attrs == nil}
			if attrs == nil {
				_, err := c.Objects().Remove(t.Context(), typ, id)
				require.NoError(t, err)
			} else {
				v.brand, _ = attrs["brand"].(string)
				v.maker, _ = attrs["maker"].(string)
				v.price, _ = attrs["price"].(float64)
				_, err := c.Objects().Put(t.Context(), cdp.ObjectRecord{Type: typ, ID: id, Time: at, Attributes: attrs})
				require.NoError(t, err)
			}
			i := 0
			for i < len(of[id]) && !of[id][i].from.After(at) {
				i++
			}
			of[id] = slices.Insert(of[id], i, v)
		}
		saved := map[int]bool{}
		one := int(seed/2) % len(soldSegments) // half of the histories save one segment, so that none asks on behalf of another
		for step := range 60 {
			now := c.Clock.Now()
			when := now.Add(time.Duration(r.IntN(200)-170) * time.Hour)
			holds := when
			if seed%2 == 1 { // what is put holds from after all events
				when, holds = now.Add(-time.Duration(r.IntN(170))*time.Hour), now.Add(time.Duration(r.IntN(3))*time.Hour)
			}
			user, product, made := users[r.IntN(len(users))], fmt.Sprint("P", r.IntN(6)), fmt.Sprint("M", r.IntN(4))
			did := ""
			switch k := r.IntN(12); {
			case k < 4:
				did = fmt.Sprint(user, " buys ", product, " at ", when)
				c.Happens(cdp.Event{Name: "purchase", UserID: user, Time: when, Attributes: cdp.Attrs{"product": product}})
				w.bought[user] = append(w.bought[user], bought{product, when})
			case k < 6:
				attrs := cdp.Attrs{"price": float64(r.IntN(40)), "brand": []string{"Lotus", "Bamboo"}[r.IntN(2)], "maker": made}
				did = fmt.Sprint("put ", product, " from ", holds, attrs)
				came += b2i(len(w.products[product]) == 0)
				put(w.products, "product", product, holds, attrs)
			case k == 6:
				did = fmt.Sprint("put maker ", made, " from ", holds)
				put(w.makers, "maker", made, holds, cdp.Attrs{"brand": []string{"Hue", "Hanoi"}[r.IntN(2)]})
			case k == 7 && r.IntN(3) == 0:
				did = "remove " + product
				put(w.products, "product", product, now, nil)
			case k == 8:
				did = fmt.Sprint(user, " likes ", product)
				w.likes[user], w.vip[user] = product, r.IntN(2) == 0
				c.Knows(cdp.Identity{UserID: user, Attributes: cdp.Attrs{"likes": product, "vip": w.vip[user]}})
			case k == 9:
				c.Advance(time.Duration(1+r.IntN(30)) * time.Hour)
				did = "time passes"
			default:
				i := one
				if seed%2 == 0 {
					i = r.IntN(len(soldSegments))
				}
				did = "save " + soldSegments[i].where
				c.SaveSegment(fmt.Sprint("s", i), soldSegments[i].where)
				saved[i] = true
			}
			now = c.Clock.Now()
			for i, seg := range soldSegments {
				var want []string
				for _, u := range users {
					var upToNow []bought
					for _, b := range w.bought[u] {
						if !b.at.After(now) {
							upToNow = append(upToNow, b)
						}
					}
					if seg.means(w, u, upToNow, now) {
						want = append(want, u)
					}
				}
				set, err := c.Segments().Preview(t.Context(), cdp.Segment{Where: seg.where})
				require.NoError(t, err)
				require.Equal(t, want, namesOf(t, set), "preview, seed %d, step %d: %s\n%s", seed, step, did, seg.where)
				if !saved[i] {
					continue
				}
				members += len(want)
				got := []string(nil)
				for p, err := range c.Segments().Members(t.Context(), fmt.Sprint("s", i)) {
					require.NoError(t, err)
					got = append(got, p.UserID)
				}
				slices.Sort(got)
				require.Equal(t, want, got, "seed %d, step %d: %s\n%s", seed, step, did, seg.where)
			}
		}
		require.NoError(t, c.Close())
	}
	require.Greater(t, members, 500)
	require.Greater(t, came, 20)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
