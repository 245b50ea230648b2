package plan

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

var update = flag.Bool("update", false, "write the golden file anew")

func catalogue() *schema.Catalogue {
	num, str := schema.Attr{Type: schema.Number}, schema.Attr{Type: schema.String}
	return &schema.Catalogue{
		Profile: schema.Attrs{"age": num, "city": str, "vip": {Type: schema.Boolean}, "signup": {Type: schema.Datetime}, "tags": {Type: schema.StringList}},
		Events: map[string]*schema.EventType{
			"purchase": {Name: "purchase", Attributes: schema.Attrs{"category": str, "amount": num}},
			"view":     {Name: "view"},
		},
		Segments: map[string]bool{"vip": true, "regulars": true},
	}
}

func compile(t *testing.T, cat *schema.Catalogue, src string) *celenv.Expr {
	t.Helper()
	e, err := celenv.Compile(cat, celenv.Scope{Person: true}, src)
	require.NoError(t, err, src)
	return e
}

var testStats = Stats{
	Rows:     1000,
	Segment:  func(name string) uint64 { return map[string]uint64{"vip": 20, "regulars": 300}[name] },
	HasEvent: func(typ string) uint64 { return map[string]uint64{"purchase": 100, "view": 900}[typ] },
}

// The plans of typical expressions, stage by stage, are in testdata/plans.txt. `go test -update` writes them anew.
func TestGoldenPlans(t *testing.T) {
	sources := []string{
		`customer.age >= 18 && customer.age <= 35 && customer.city == "Hue" && events.purchase.filter(e, e.category == "shoes").within("30d").size() >= 3`,
		`inSegment("regulars") && !inSegment("vip")`,
		`!(customer.age > 18 || customer.city in ["Hue", "Hanoi"]) && has(customer.signup)`,
		`!(has(customer.age) && 18 > customer.age)`,
		`customer.vip && !(!customer.vip)`,
		`true && (false || customer.vip) || false`,
		`customer.age > 18 || true`,
		`events.purchase.sum(e, e.amount) > 100 || events.view.exists(e, true)`,
		`events.purchase.size() == 0 && inSegment("vip")`,
		`!(events.purchase.within("30d").size() >= 1)`,
		`events.purchase.avg(e, e.amount) < 10 && !(events.view.all(v, v.source == "web"))`,
		`customer.signup < timestamp("2026-05-01") && "red" in customer.tags`,
		`customer.signup < ago("30d") && events.view.during("today").since(now.startOf("day")).size() > 0`,
		`(inSegment("regulars") && events.view.size() > 3 && inSegment("vip")) && (customer.age == 1 && events.purchase.exists(e, e.amount > 3))`,
		`customer.age + 1 > 3 || customer.vip ? inSegment("vip") : false`,
		`size(events.view) < 3`,
	}
	var b strings.Builder
	for _, src := range sources {
		logical := Logical(compile(t, catalogue(), src))
		simple := Simplify(logical)
		fmt.Fprintf(&b, "%s\n-- logical\n%s", src, logical)
		if simple.String() != logical.String() {
			fmt.Fprintf(&b, "-- simplified\n%s", simple)
		}
		fmt.Fprintf(&b, "-- physical\n%s\n", Build(simple, testStats))
	}
	const file = "testdata/plans.txt"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), b.String())
}

// world is a few hundred people, and the Source made of them by plain loops.
type world struct {
	people []*one
	kernel map[string]bool // attributes that have a kernel
}

type one struct {
	attrs    map[string]value.Value
	events   map[string][]roweval.Event
	segments map[string]bool
}

func (o *one) Attr(name string) value.Value      { return o.attrs[name] }
func (o *one) Events(typ string) []roweval.Event { return o.events[typ] }
func (o *one) InSegment(name string) bool        { return o.segments[name] }
func (w *world) All() *roaring.Bitmap            { return w.where(func(*one) bool { return true }) }
func (w *world) Segment(name string) *roaring.Bitmap {
	rows := w.where(func(o *one) bool { return o.segments[name] })
	rows.Add(uint32(len(w.people) + 5)) // a member who is not asked about
	return rows
}
func (w *world) HasEvent(typ string) *roaring.Bitmap {
	return w.where(func(o *one) bool { return len(o.events[typ]) > 0 })
}

func (w *world) Attr(name string, op Op, lits []value.Value) (*roaring.Bitmap, bool) {
	if !w.kernel[name] {
		return nil, false
	}
	return w.where(func(o *one) bool {
		v := o.attrs[name]
		if v.IsAbsent() || op == Has {
			return !v.IsAbsent()
		}
		same := slices.ContainsFunc(lits, v.Equal)
		below := v.Num < lits0(lits).Num || v.Time < lits0(lits).Time || v.Str < lits0(lits).Str
		switch op {
		case Equal, In:
			return same
		case NotEqual, NotIn:
			return !same
		case Less:
			return below
		case LessEqual:
			return below || same
		case Greater:
			return !below && !same
		}
		return !below
	}), true
}

func lits0(lits []value.Value) value.Value {
	if len(lits) == 0 {
		return value.Value{}
	}
	return lits[0]
}

func (w *world) where(f func(*one) bool) *roaring.Bitmap {
	rows := roaring.New()
	for i, o := range w.people {
		if f(o) {
			rows.Add(uint32(i))
		}
	}
	return rows
}

type event struct {
	t      int64
	amount value.Value
}

func (e event) Time() int64                  { return e.t }
func (e event) ID() string                   { return "e" }
func (e event) Source() string               { return "web" }
func (e event) Attr(name string) value.Value { return map[string]value.Value{"amount": e.amount}[name] }

const now = int64(1_780_000_000_000_000)

func newWorld(r *rand.Rand, n int) *world {
	w := &world{kernel: map[string]bool{"age": true, "city": true, "vip": r.IntN(2) == 0, "signup": true}}
	for range n {
		o := &one{attrs: map[string]value.Value{}, events: map[string][]roweval.Event{}, segments: map[string]bool{}}
		set := func(name string, v value.Value) {
			if r.IntN(3) > 0 {
				o.attrs[name] = v
			}
		}
		set("age", value.Num(float64(r.IntN(4))))
		set("city", value.Str([]string{"Hue", "Hanoi"}[r.IntN(2)]))
		set("vip", value.Bool(r.IntN(2) == 0))
		set("signup", value.Micros(now-r.Int64N(10)*86400e6))
		set("tags", value.ListOf([]value.Value{value.Str("red")}))
		for _, s := range []string{"vip", "regulars"} {
			o.segments[s] = r.IntN(3) == 0
		}
		for _, typ := range []string{"purchase", "view"} {
			t := now - 20*86400e6
			for range max(0, r.IntN(5)-2) {
				t += r.Int64N(25 * 86400e6) // some lie in the future
				e := event{t: t}
				if r.IntN(3) > 0 {
					e.amount = value.Num(float64(r.IntN(4)))
				}
				o.events[typ] = append(o.events[typ], e)
			}
		}
		w.people = append(w.people, o)
	}
	return w
}

var leaves = []string{
	`true`, `false`, `inSegment("vip")`, `inSegment("regulars")`, `customer.vip`, `has(customer.age)`, `has(customer.vip)`,
	`customer.age > 1`, `customer.age >= 2`, `1 < customer.age`, `customer.age == 2`, `customer.age != 2.0`, `customer.age <= 0`, `customer.age in [1, 3]`, `customer.age in []`,
	`customer.city == "Hue"`, `customer.city != "Hue"`, `customer.vip == false`, `customer.signup < timestamp("2026-05-26T20:26:40Z")`,
	`"red" in customer.tags`, `customer.age + 1 > 2`, `customer.age == customer.age`, `customer.signup > ago("3d")`,
	`events.purchase.size() >= 1`, `events.purchase.size() == 0`, `events.view.size() < 2`, `2 > events.view.size()`, `events.purchase.size() != 1`,
	`events.purchase.sum(e, e.amount) > 2`, `events.purchase.sum(e, e.amount) >= 0`, `events.purchase.avg(e, e.amount) > 1`, `events.purchase.max(e, e.amount) <= 2`,
	`events.purchase.exists(e, e.amount > 1)`, `events.purchase.all(e, e.amount > 1)`, `events.purchase.exists_one(e, e.amount > 1)`, `events.view.within("5d").size() > 0`,
	`events.purchase.since(customer.signup).size() == 0`, `events.purchase.filter(e, e.amount > 0).countDistinct(e, e.amount) < 2`, `events.purchase.during("this_month").size() > 0`,
	`events.purchase.first().amount == 1`, `sequence(events.view, events.purchase, "5d")`,
}

func randomExpression(r *rand.Rand, depth int) string {
	if depth == 0 || r.IntN(5) == 0 {
		return leaves[r.IntN(len(leaves))]
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

// Whatever the plan, its rows are those of the oracle asked about everybody.
func TestRunEqualsOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	cat := catalogue()
	asked, exact, everybody := 0, 0, 0
	for round := range 1500 {
		src := randomExpression(r, 1+round%4)
		expr := compile(t, cat, src)
		prog, err := roweval.New(expr)
		require.NoError(t, err)
		w := newWorld(r, 60)
		oracle := func(row uint32) bool {
			return prog.Eval(roweval.Input{Person: w.people[row], Now: now}).True()
		}
		want := roaring.New()
		for i := range w.people {
			if oracle(uint32(i)) {
				want.Add(uint32(i))
			}
		}
		plain := Logical(expr)
		for _, logical := range []Node{plain, Simplify(plain)} {
			calls := 0
			physical := Build(logical, Stats{Rows: 60})
			got := Run(physical, w, func(row uint32) bool { calls++; return oracle(row) })
			require.Equal(t, want.ToArray(), got.ToArray(), "%s\n%s%s", src, logical, physical)
			asked += calls
			everybody += len(w.people)
			if calls == 0 {
				exact++
			}
		}
	}
	t.Logf("the oracle was asked about %d of %d rows, not at all in %d of 3000 runs", asked, everybody, exact)
	assert.Less(t, asked, everybody*7/10)
	assert.Greater(t, exact, 500)
}

// A rule changes no outcome: each alone gives the same rows on both sides, errors staying errors.
func TestEachRuleKeepsTheOutcome(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	cat := catalogue()
	changed := map[string]int{}
	for range 3000 {
		n := Logical(compile(t, cat, randomExpression(r, 4)))
		outcomes := map[string]kleene{} // of each leaf, at random
		for _, rule := range rules {
			after := rule.apply(n)
			if after.String() != n.String() {
				changed[rule.name()]++
			}
			require.Equal(t, evaluate(r, n, outcomes), evaluate(r, after, outcomes), "%s\n%s->\n%s", rule.name(), n, after)
			n = after
		}
	}
	for _, rule := range rules {
		assert.Positive(t, changed[rule.name()], rule.name())
	}
}

type kleene int8 // -1 false, 0 error, 1 true

// evaluate is three-valued logic over random outcomes of the leaves; an attribute and its opposite share one.
func evaluate(r *rand.Rand, n Node, leaf map[string]kleene) kleene {
	switch n := n.(type) {
	case Const:
		if n {
			return 1
		}
		return -1
	case Not:
		return -evaluate(r, n.Of, leaf)
	case And:
		out := kleene(1)
		for _, c := range n.Of {
			out = min(out, evaluate(r, c, leaf))
		}
		return out
	case Or:
		out := kleene(-1)
		for _, c := range n.Of {
			out = max(out, evaluate(r, c, leaf))
		}
		return out
	case Predicate:
		switch n.Op {
		case NotEqual, GreaterEqual, LessEqual, NotIn:
			n.Op = opposite[n.Op]
			return -evaluate(r, n, leaf)
		}
		return recall(r, n.line(), leaf)
	}
	return recall(r, n.line(), leaf)
}

func recall(r *rand.Rand, line string, leaf map[string]kleene) kleene {
	if _, ok := leaf[line]; !ok {
		leaf[line] = kleene(r.IntN(3) - 1)
	}
	return leaf[line]
}
