package plan

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/schema"
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
		`!(events.purchase.last().time > customer.signup) && events.purchase.perMonth(3).all(n, n >= 1)`,
		`events.purchase.exists(e, e.id == "x") || events.purchase.filter(e, e.time > ago("3d") && e.amount > customer.age).size() > 1`,
		`sequence(events.view, events.purchase, "5d") || events.view.since(events.purchase.last().time).size() == 0`,
	}
	var b strings.Builder
	for _, src := range sources {
		logical := Logical(compile(t, catalogue(), src))
		simple := Simplify(logical)
		fmt.Fprintf(&b, "%s\n-- logical\n%s", src, logical)
		if simple.String() != logical.String() {
			fmt.Fprintf(&b, "-- simplified\n%s", simple)
		}
		physical := Build(simple, testStats)
		fmt.Fprintf(&b, "-- physical\n%s", physical)
		lasting := testStats
		lasting.Lasting, lasting.Future = true, func(string) bool { return false }
		if p := Build(simple, lasting); p.String() != physical.String() {
			fmt.Fprintf(&b, "-- lasting\n%s", p)
		}
		b.WriteString("\n")
	}
	const file = "testdata/plans.txt"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), b.String())
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
