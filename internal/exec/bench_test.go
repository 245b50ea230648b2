package exec

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/plan"
)

// bulk is a world without plain values: many people, with a purchase or two each over 180 days in time order.
func bulk(rows, events int) *world {
	r := rand.New(rand.NewPCG(1, 1))
	w := &world{cat: declared, now: noon, attrs: map[string]*column.Column{}, columns: map[string]map[string]*column.Column{}, stores: map[string]*column.Table{}, ask: NewSet(rows)}
	w.people = make([]*one, rows)
	age, city := column.NewVector(column.Float64), column.NewVector(column.Dict)
	age.Grow(rows)
	city.Grow(rows)
	for row := range uint32(rows) {
		w.ask.Add(row)
		age.SetFloat(row, float64(16+r.IntN(60)))
		city.SetString(row, []byte("city "+strconv.Itoa(r.IntN(8))))
	}
	w.attrs["age"], w.attrs["city"] = age, city
	for _, typ := range []string{"purchase", "view"} {
		n := events / 10
		if typ == "view" {
			n = events * 3 / 10 // as many as additions to the cart
		}
		tab := column.New(typ)
		cols := map[string]*column.Column{"$t": tab.Add("$t", column.Int64), "$q": tab.Add("$q", column.Int64), "$row": tab.Add("$row", column.Uint32), "$source": tab.Add("$source", column.Dict),
			"category": tab.Add("category", column.Dict), "amount": tab.Add("amount", column.Float64)}
		for i := range n {
			at := tab.Append()
			cols["$t"].SetInt(at, w.now-180*day+int64(i)*(180*day/int64(n)))
			cols["$q"].SetInt(at, int64(i))
			cols["$row"].SetUint(at, uint32(r.IntN(rows)))
			cols["category"].SetString(at, []byte("category "+strconv.Itoa(r.IntN(20))))
			cols["amount"].SetFloat(at, float64(r.IntN(10000))/100)
		}
		w.columns[typ], w.stores[typ] = cols, tab
	}
	return w
}

// BenchmarkConditions are the questions of bench about segments, without compilation; q3 has views for additions to the
// cart. 1,000,000 people, 20,000,000 events in all.
func BenchmarkConditions(b *testing.B) {
	const q0 = `customer.age >= 18 && customer.age <= 35 && customer.city == "city 0"`
	w := bulk(1_000_000, 20_000_000)
	for _, q := range []struct{ id, where string }{
		{"q0", q0},
		{"q1", q0 + ` && events.purchase.filter(e, e.category == "category 0").within("30d").size() >= 1`},
		{"q2", q0 + ` && events.purchase.size() >= 3`},
		{"q3", `events.view.within("3d").size() >= 1 && events.purchase.since(events.view.last().time).size() == 0`},
		{"q5", `events.purchase.sum(e, e.amount) >= 150`},
		{"q8", `events.purchase.perMonth(3).all(n, n >= 1)`},
		{"q9", `events.purchase.last().time < ago("60d") && events.purchase.mostFrequent(e, e.category) == "category 3"`},
	} {
		expr, err := celenv.Compile(w.cat, celenv.Scope{Person: true, Want: celenv.Bool}, q.where)
		if err != nil {
			b.Fatal(err)
		}
		p := plan.Build(plan.Simplify(plan.Logical(expr)), plan.Stats{Rows: uint64(w.Rows())})
		b.Run(q.id, func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(float64(Run(p, w).GetCardinality()), "people")
			}
		})
	}
}
