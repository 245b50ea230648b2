package exec

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/plan"
)

// parts are conditions of every kind that has a kernel, and some that have none.
var parts = []string{
	`true`, `false`, `inSegment("vip")`, `inSegment("regulars")`, `customer.vip`, `has(customer.age)`, `has(customer.vip)`, `has(customer.ghost)`, `customer.ghost > 1`,
	`customer.age > 1`, `customer.age >= 2`, `1 < customer.age`, `customer.age == 2`, `customer.age != 2.0`, `customer.age <= 0`, `customer.age in [1, 3]`, `customer.age in []`, `customer.age < -0.0`,
	`customer.city == "Hue"`, `customer.city != "Hue"`, `customer.city < "Hanoi"`, `customer.city in ["Hue", ""]`, `customer.city.startsWith("H")`, `customer.city.contains("a")`, `customer.city == customer.home`,
	`customer.vip == false`, `customer.vip != true`, `customer.signup < timestamp("2026-05-26T20:26:40Z")`, `customer.signup in [timestamp("2026-05-26T20:26:40Z")]`, `customer.signup != customer.birthday`,
	`"red" in customer.tags`, `customer.age + 1 > 2`, `customer.age == customer.age`, `customer.signup > ago("3d")`, `customer.signup >= now.startOf("month")`, `now > timestamp("2026-05-26")`, `now - duration("1d") > ago("2d")`,

	`events.purchase.size() >= 1`, `events.purchase.size() == 0`, `events.view.size() < 2`, `2 > events.view.size()`, `events.purchase.size() != 1`, `events.purchase.size() in [0, 2]`, `events.never.size() == 0`, `events.purchase.size() > 2.5`, `events.purchase.size() > customer.age`,
	`events.purchase.sum(e, e.amount) > 2`, `events.purchase.sum(e, e.amount) >= 0`, `events.purchase.sum(e, e.amount) == 0.3`, `events.purchase.sum(e, e.amount) in [3, 0.6, 1]`, `events.never.sum(e, e.amount) == 0`, `events.purchase.filter(e, e.amount > 0).sum(e, e.amount) >= 1`,
	`events.purchase.avg(e, e.amount) > 1`, `events.purchase.avg(e, e.amount) == 1`, `events.never.avg(e, e.amount) == 0`, `events.purchase.sum(e, e.product.price) >= 2`, `events.purchase.sum(e, e.amount) > customer.age`, `events.purchase.avg(e, e.amount) <= events.purchase.max(e, e.product.price)`,
	`events.purchase.max(e, e.amount) <= 2`, `events.purchase.min(e, e.amount) < 1`, `events.purchase.min(e, e.due) < customer.signup`, `events.purchase.max(e, e.time) > ago("5d")`,
	`events.purchase.first().amount == 1`, `events.purchase.last().category == "shoes"`, `events.purchase.last().gift`, `events.purchase.last().product.brand == "Hue"`, `events.purchase.last().time > ago("4d")`, `events.purchase.first().time < customer.signup`, `events.view.last().source == ""`, `events.purchase.last().due > now`, `events.never.last().amount > 1`,
	`events.purchase.exists(e, e.amount > 1)`, `events.purchase.all(e, e.amount > 1)`, `events.purchase.exists_one(e, e.amount > 1)`, `events.view.exists(v, true)`, `events.purchase.all(e, has(e.amount))`, `events.never.all(e, false)`,
	`events.purchase.exists(e, !(e.amount > 1 && e.category == "hats"))`, `events.purchase.exists(e, e.source in ["", "web"] && e.gift)`, `events.purchase.exists(e, e.id == "e3")`, `events.purchase.exists(e, e.note == "x")`,
	`events.purchase.filter(e, e.product.brand == "Hue").size() >= 1`, `events.purchase.exists(e, e.product.new)`, `events.purchase.exists(e, has(e.product.brand) && !(e.product.price >= 1))`, `events.purchase.exists(e, e.product.launched < e.time)`, `events.purchase.exists(e, e.product.brand == customer.city)`,
	`events.purchase.exists(e, e.amount > customer.age)`, `events.purchase.exists(e, e.due > e.time)`, `events.purchase.exists(e, e.category != "hats" || e.amount == 3)`, `events.purchase.exists(e, e.time > ago("3d") || customer.vip)`, `events.purchase.exists(e, e.gift == customer.vip)`,
	`events.view.within("5d").size() > 0`, `events.view.within("5d").size() == 0`, `events.purchase.during("this_month").size() > 0`, `events.purchase.during("last_week").exists(e, e.amount > 0)`, `events.purchase.during("all_time").size() > 3`, `events.purchase.since(now.startOf("month")).size() >= 1`,
	`events.purchase.since(customer.signup).size() == 0`, `events.purchase.until(customer.signup).exists(e, e.amount > 0)`, `events.purchase.since(timestamp("2026-05-01")).until(ago("2d")).size() > 1`,
	`events.purchase.since(events.view.last().time).size() == 0`, `events.view.until(events.purchase.first().time).since(customer.signup).size() >= 1`, `events.view.since(events.purchase.within("3d").min(e, e.due)).all(v, v.category == "bags")`,
	`events.purchase.last().time > events.view.last().time`, `events.purchase.size() > events.view.size()`, `events.purchase.max(e, e.amount) == events.purchase.min(e, e.amount)`, `events.purchase.last().category == events.view.last().category`, `events.purchase.mostFrequent(e, e.category) == customer.city`,
	`events.purchase.filter(e, e.amount > 0).countDistinct(e, e.amount) < 2`, `events.purchase.countDistinct(e, e.category) >= 2`, `events.purchase.countDistinct(e, e.product.brand) == 2`, `events.purchase.countDistinct(e, e.source) > 1`, `events.purchase.countDistinct(e, e.time) == events.purchase.size()`, `events.never.countDistinct(e, e.amount) == 0`,
	`events.purchase.mostFrequent(e, e.category) == "shoes"`, `events.purchase.mostFrequent(e, e.amount) < 1`, `events.purchase.mostFrequent(e, e.gift)`, `events.purchase.within("30d").mostFrequent(e, e.due) > ago("3d")`, `events.never.mostFrequent(e, e.amount) == 1`, `events.view.mostFrequent(e, e.source) != "web"`,
	`events.purchase.perMonth(3).all(n, n >= 1)`, `events.view.perWeek(2).exists(n, n > 1)`, `events.purchase.perDay(9).exists_one(n, n == 2)`, `events.view.filter(v, v.category == "hats").perMonth(2).all(n, n < 1)`, `events.never.perMonth(2).all(n, n == 0)`, `events.purchase.perDay(70).all(n, n != 1)`, `events.purchase.perWeek(3).exists(n, 300 < n)`,
	`customer.age * 2.0 + 1 > 3`, `-customer.age < 0`, `customer.age / customer.age == 1`, `customer.age / customer.age != 1`, `1 / customer.age > 3`, `(customer.age - customer.age) / customer.age < 1`, `customer.age + 1 in [2, 4]`, `customer.age / 0.0 in [1]`, `customer.age + 1 == customer.ghost`, `customer.age > 3 - 1.5`, `customer.age + 1 > customer.age * 1.5`, `customer.age / 0.0 >= customer.age / -0.0`,
	`events.purchase.size() + customer.age > 3`, `events.purchase.sum(e, e.amount) / customer.age > 1`, `events.purchase.size() / 2 > 1`, `events.purchase.avg(e, e.amount) * 2 - events.purchase.max(e, e.amount) >= 0`, `(events.purchase.size() / 2) * customer.age == 3`, `customer.age + 1.0 > events.purchase.size()`,
	`events.purchase.exists(e, e.amount * 2.0 > 3)`, `events.purchase.exists(e, e.amount / e.amount != 1)`, `events.purchase.filter(e, !(e.amount + customer.age > 3)).size() > 1`, `events.purchase.all(e, e.amount - e.product.price < 1)`, `events.purchase.exists(e, e.amount + 1 in [2, 3])`,
	`events.purchase.sum(e, e.amount * 2) > 3`, `events.purchase.sum(e, e.amount * e.product.price) >= 1`, `events.purchase.avg(e, e.amount / e.product.price) > 1`, `events.purchase.max(e, e.amount / e.amount) == 1`, `events.purchase.min(e, e.amount - customer.age) < 0`, `events.purchase.mostFrequent(e, -e.amount) == 0`, `events.purchase.countDistinct(e, e.amount / 0.0) == 2`, `events.purchase.sum(e, e.amount * 1e300) > 1`, `events.purchase.filter(e, e.amount > 0).sum(e, e.amount * 1e308) > 1`,
	`events.purchase.map(e, e.amount).size() > 1`, `size(events.purchase.within("9d").map(e, e.product.price * 2.0)) == 1`, `2 in events.purchase.map(e, e.amount)`, `2.0 in events.purchase.map(e, e.amount * e.product.price)`, `"shoes" in events.purchase.map(e, e.category)`, `events.purchase.map(e, e.amount).exists(v, v > 2)`, `events.purchase.map(e, e.amount + customer.age).all(v, v > 0 || v == -1)`, `events.purchase.map(e, e.due).exists_one(v, v < now)`, `events.purchase.map(e, e.category).exists(c, true)`,
	`!("red" in customer.tags)`, `customer.tags.exists(t, t == "red" || t.startsWith("g"))`, `customer.tags.all(t, !(t in ["red", ""]) && t < "z")`, `customer.tags.exists_one(t, t.contains("e"))`, `size(customer.tags) > 1`, `customer.tags.size() != customer.age`, `has(customer.tags)`, `2 in customer.sizes`, `customer.sizes.exists(s, s > 1)`, `customer.sizes.all(s, true)`, `customer.dates.exists(d, d > ago("3d"))`, `timestamp("2026-05-26T20:26:40Z") in customer.dates`, `customer.dates.all(d, ago("7d") <= d)`, `customer.sizes.size() * customer.age > 2`, `customer.sizes.exists(s, s > customer.age)`, `"x" in customer.tags`,
	`customer.about == ""`, `customer.about.contains("tea")`, `!customer.about.endsWith("n tea")`, `customer.about in ["tea", "x"]`, `customer.about >= "tea"`, `has(customer.about)`, `customer.about == customer.city`,
	`events.purchase.exists(e, e.note.startsWith("y") || e.id in ["e2", "e9"])`, `events.purchase.all(e, e.note != "x")`, `events.purchase.exists(e, "red" in e.colors)`, `events.purchase.filter(e, !("red" in e.colors)).size() > 1`, `events.purchase.exists(e, e.colors.size() > 1 && !has(e.note))`, `events.purchase.exists(e, e.colors.all(c, c == "white"))`, `events.purchase.exists(e, "red" in customer.tags && e.amount > 1)`, `events.purchase.exists(e, size(customer.tags) > e.amount)`, `events.purchase.last().note == "x"`, `events.purchase.map(e, e.note).size() > 1`, `events.purchase.map(e, e.id).exists(i, i < "e3")`, `events.purchase.sum(e, e.colors.size() * e.amount) > 2`,
	`sequence(events.view, events.purchase, "5d")`, `sequence(events.purchase, events.purchase, events.view, "9d")`, `sequence(events.view.filter(v, v.category == "hats"), events.purchase.within("30d").filter(e, e.amount > customer.age), "1w")`,
	`sequence(events.view, events.never, "5d")`, `sequence(events.view.since(customer.signup), events.purchase.until(events.view.last().time), events.view.during("this_month"), "3d")`, `sequence(events.purchase.filter(e, e.gift), events.purchase, events.purchase.filter(e, !e.gift), events.view, events.view, "20d")`,
}

func randomExpression(r *rand.Rand, depth int) string {
	if depth == 0 || r.IntN(5) == 0 {
		return parts[r.IntN(len(parts))]
	}
	a, b := randomExpression(r, depth-1), randomExpression(r, depth-1)
	switch r.IntN(7) {
	case 0, 1, 2:
		return "(" + a + " && " + b + ")"
	case 3, 4:
		return "(" + a + " || " + b + ")"
	}
	return "!(" + a + ")"
}

func compile(t testing.TB, w *world, src string) *celenv.Expr {
	t.Helper()
	e := compiled[src]
	if e == nil {
		var err error
		e, err = celenv.Compile(w.cat, celenv.Scope{Person: true, Want: celenv.Bool}, src)
		require.NoError(t, err, src)
		compiled[src] = e
	}
	return e
}

var compiled = map[string]*celenv.Expr{} // every world has the same catalogue

// check compares the plans of an expression, simplified or not, lasting or not, with the oracle asked about everybody.
func check(t *testing.T, w *world, src string) {
	t.Helper()
	expr := compile(t, w, src)
	w.is = w.oracle(t, expr)
	want := w.members(w.is)
	logical := plan.Logical(expr)
	for _, n := range []plan.Node{logical, plan.Simplify(logical)} {
		for _, lasting := range []bool{false, true} {
			physical := plan.Build(n, plan.Stats{Rows: uint64(w.Rows()), Lasting: lasting})
			got := Run(physical, w)
			require.Equal(t, want, append([]uint32{}, got.ToArray()...), "%s\n%s%s", src, n, physical)
		}
	}
}

// Each part alone, and its contrary, over worlds of several sizes.
func TestEachPartEqualsOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range [][2]int{{0, 0}, {1, 3}, {40, 0}, {70, 150}, {130, 600}} {
		for range 2 {
			w := newWorld(r, size[0], max(size[1], 0)*min(size[0], 1))
			for _, src := range parts {
				check(t, w, src)
				check(t, w, "!("+src+")")
			}
		}
	}
}

// Whatever the expression, its rows are those of the oracle asked about everybody.
func TestRunEqualsOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var w *world
	for round := range 1000 {
		if round%20 == 0 {
			w = newWorld(r, 1+r.IntN(150), 1+r.IntN(500))
		}
		check(t, w, randomExpression(r, 1+round%4))
	}
}

// Several chunks of events, several goroutines.
func TestManyChunks(t *testing.T) {
	few := itemsPerWorker
	defer func() { itemsPerWorker = few }()
	itemsPerWorker = 1000
	r := rand.New(rand.NewPCG(5, 6))
	w := newWorld(r, 200, 3*8192+100)
	for i, src := range parts {
		if !testing.Short() || i%6 == 0 {
			check(t, w, src)
		}
	}
	for range 25 {
		check(t, w, randomExpression(r, 2))
	}
}

// What one part finds out about who has an event spares the next one a look, whatever their order and the window each looks
// at. Two goroutines, so that parts of each are joined; windows that begin in the middle of chunks.
func TestWhatIsKnownOfEvents(t *testing.T) {
	few := itemsPerWorker
	defer func() { itemsPerWorker = few }()
	itemsPerWorker = 1000
	r := rand.New(rand.NewPCG(9, 10))
	about := []string{`events.purchase.last().time < ago("4d")`, `events.purchase.last().time >= ago("9d")`, `events.purchase.first().time > ago("20d")`,
		`events.purchase.mostFrequent(e, e.category) == "shoes"`, `events.purchase.mostFrequent(e, e.category) in ["hats", "bags"]`,
		`events.purchase.within("5d").size() == 0`, `events.purchase.size() >= 1`, `events.purchase.exists(e, e.amount > 1)`, `events.purchase.sum(e, e.amount) > 2`}
	for round := range 12 {
		w := newWorld(r, 50+r.IntN(4000), 100+round*2000)
		for range 6 {
			r.Shuffle(len(about), func(i, j int) { about[i], about[j] = about[j], about[i] })
			op := []string{" && ", " && ", " || "}[r.IntN(3)]
			check(t, w, about[0]+op+about[1]+" && "+about[2])
		}
	}
}

// noNumber are aggregates of what divides 0 by 0, for which the oracle is asked after all.
var noNumber = map[string]bool{`events.purchase.avg(e, e.amount / e.product.price) > 1`: true, `events.purchase.max(e, e.amount / e.amount) == 1`: true, `events.purchase.countDistinct(e, e.amount / 0.0) == 2`: true}

// The oracle is not asked where every part has a kernel.
func TestKernelsAskNobody(t *testing.T) {
	w := newWorld(rand.New(rand.NewPCG(7, 8)), 100, 300)
	odd := 0
	for _, src := range parts {
		expr := compile(t, w, src)
		p := plan.Build(plan.Simplify(plan.Logical(expr)), plan.Stats{})
		w.asked, w.is = 0, w.oracle(t, expr)
		Run(p, w)
		if noNumber[src] {
			odd += w.asked
		} else if len(p.Fallback) == 0 {
			assert.Zero(t, w.asked, "%s\n%s", src, p)
		} else {
			assert.Positive(t, w.asked, "%s\n%s", src, p)
		}
	}
	assert.Positive(t, odd, "nothing divided 0 by 0")
}
