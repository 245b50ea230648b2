package celenv

import (
	"fmt"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/schema"
)

// usual are expressions that the quick way must take.
var usual = []string{
	`true`, `customer.age > 18`, `18 < customer.age`, `customer.age == 18 || customer.age != 2.5`, `customer.age in [18, 19]`, `customer.city in ["Hue", "Hanoi"]`,
	`customer.age + 1 > 3 * 2`, `-customer.age < -1`, `!(customer.city == "Hue")`, `has(customer.age) && has(customer.address.zip)`, `customer.address.zip == "1"`,
	`customer.store.city == "Hue"`, `customer.store == "s1"`, `customer.tags.exists(t, t == "x")`, `customer.tags.size() == 3`, `size(customer.tags) > 3`,
	`customer.dates.exists(d, d > ago("3d"))`, `customer.birthday.anniversary() == now.startOf("day")`, `now - customer.birthday > duration("36h")`,
	`customer.birthday < timestamp("2026-05-01")`, `now.getHours("Asia/Tokyo") < 6`, `customer.birthday.getFullYear() == 1990`,
	`customer.city.startsWith("H") && customer.city.endsWith("e") && customer.city.contains("u") && customer.city.matches("^H.e$")`, `customer.city.lowerAscii().trim() == "hue"`,
	`events.view.size() >= 3`, `events.view.within("30d").size() > 2`, `events.purchase.filter(e, e.amount > 10 && e.category == "x").within("3d").size() >= 2`,
	`events.purchase.exists(e, e.product.brand == "x")`, `events.purchase.all(e, e.items.exists(i, i.price > 3))`, `events.purchase.exists_one(e, e.amount == 3)`,
	`events.purchase.sum(e, e.amount) > 100`, `events.purchase.avg(e, e.amount * 2) > 1`, `events.purchase.min(e, e.time) < now`, `events.purchase.max(e, e.items.size()) > 2`,
	`events.purchase.sum(e, e.items.size()) > 2`, `events.purchase.countDistinct(e, e.category) > 2`, `events.purchase.mostFrequent(e, e.category) == "x"`,
	`events.purchase.first().amount < events.purchase.last().amount`, `events.purchase.last().time > ago("3d")`, `events.view.during("last_week").size() == 0`,
	`events.view.since(now.startOf("month")).until(ago("1d")).size() > 0`, `events.view.perMonth(6).all(n, n >= 3)`, `events.view.perDay(2).exists(n, n >= 1.5)`,
	`sequence(events.view, events.purchase, "7d")`, `inSegment("vip") && !inSegment("regulars")`, `events.purchase.map(e, e.amount).exists(a, a > 3)`,
	`(customer.age > 3 ? 1 : 2.5) > 1`, `customer.age > 3 ? customer.city == "x" : false`, `events.view.size() / customer.age > 2`, `events.view.size() * 2 > customer.age`,
	`events.purchase.filter(e, e.category == customer.city).size() > 0`, `double(events.view.size()) > 0.5`, `int(customer.age) % 2 == 0`, `string(customer.age) == "3"`,
	`events.purchase.map(e, e.items.map(i, i.price)).size() > 1`, `events.purchase.map(e, 1).exists(n, n == customer.age)`, `[1, 2].exists(x, x == customer.age)`, `[1, 2.5].size() == 2`,
	`[1][0] == customer.age`, `customer.city + "x" == "y"`, `(customer.tags + ["x"]).size() > 2`, `customer.age in events.purchase.map(e, e.amount)`, `events.purchase.last().id == "x"`,
	`events.view.perWeek(3).max(n, n) != customer.age`, `events.view.perWeek(3)[0] == customer.age`, `events.view.perDay(3).exists(n, n == customer.age)`,
	`events.view.perMonth(2).first() * customer.age > 1`, `events.view.perDay(3).map(n, n + 1).min(m, m) == customer.age`, `events.view.perDay(3).sum(n, n) == customer.age`,
	`events.view.perDay(3).mostFrequent(n, n) == customer.age`, `events.view.perDay(3).countDistinct(n, n) == customer.age`, `events.view.perDay(3).filter(n, n > 1).last() == customer.age`,
	`events.view.perDay(3).map(n, n).exists(m, m == customer.age)`, `int(now.getHours()) > 3`, `string(now.getHours("Asia/Tokyo")) == "3"`,
	`[[1]][0][0] == customer.age`, `[[1], [2]].exists(l, l[0] == customer.age)`, `[[1]][0][0] + customer.age > 2`,
}

// unusual are right too; the checker gets them.
var unusual = []string{`[] == [1]`, `{"a": 1}["a"] == 2`, `customer.tags == []`, `[[1.5]][0][0] == customer.age`, `((((((((((((((((((((((((((true))))))))))))))))))))))))))`,
	`[[], [1]].size() == 2`, `{"a": 1.5}["a"] == customer.age`}

// What the quick way compiles is what cel-go's parser and checker make of it, node by node with types and overloads.
func TestQuickAgrees(t *testing.T) {
	cat := shop()
	for _, c := range conditions {
		assert.True(t, agree(t, cat, Scope{Person: true}, c.src), "%s is not taken", c.src)
	}
	for _, src := range usual {
		assert.True(t, agree(t, cat, Scope{Person: true, Want: Any}, src), "%s is not taken", src)
	}
	for _, src := range unusual {
		agree(t, cat, Scope{Person: true}, src)
		_, err := Compile(cat, Scope{Person: true}, src)
		require.NoError(t, err, src)
	}
	agree(t, cat, Scope{Event: "purchase", Arriving: "purchase"}, `e.amount == event.amount`)
	agree(t, cat, Scope{Vars: schema.Attrs{"n": {Type: schema.Number}, "o": {Type: schema.Object, Fields: schema.Attrs{"k": {Type: schema.String}}}}}, `n > 1 && o.k == "x"`)
}

// agree compares both ways and says whether the quick one answered.
func agree(t *testing.T, cat *schema.Catalogue, sc Scope, src string) bool {
	env, err := environment(cat, sc)
	require.NoError(t, err)
	fast, ok := quick(cat, sc, env, src)
	if !ok {
		return false
	}
	slow, err := thorough(cat, sc, env, src)
	require.NoError(t, err, src)
	require.Equal(t, printed(slow.typed().checked), printed(fast.typed().checked), src)
	require.Equal(t, slow.Text(slow.surface), fast.Text(fast.surface), src)
	require.Equal(t, slow.deps, fast.deps, src)
	require.Equal(t, ids(slow), ids(fast), src)
	return true
}

// printed writes every node with its type and overloads.
func printed(a *ast.AST) string { return printedPart(a, a.Expr()) }

func printedPart(a *ast.AST, e ast.Expr) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n(%v", a.GetType(e.ID()))
	if r := a.ReferenceMap()[e.ID()]; r != nil {
		fmt.Fprintf(&b, " %s%v %v", r.Name, r.OverloadIDs, r.Value)
	}
	all := func(es ...ast.Expr) {
		for _, e := range es {
			b.WriteString(printedPart(a, e))
		}
	}
	switch e.Kind() {
	case ast.LiteralKind:
		fmt.Fprintf(&b, " %T %v", e.AsLiteral(), e.AsLiteral())
	case ast.IdentKind:
		b.WriteString(" " + e.AsIdent())
	case ast.SelectKind:
		fmt.Fprintf(&b, " .%s %v", e.AsSelect().FieldName(), e.AsSelect().IsTestOnly())
		all(e.AsSelect().Operand())
	case ast.CallKind:
		c := e.AsCall()
		b.WriteString(" " + c.FunctionName())
		if c.IsMemberFunction() {
			all(c.Target())
		}
		all(c.Args()...)
	case ast.ListKind:
		all(e.AsList().Elements()...)
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			all(entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		fmt.Fprintf(&b, " for %s %s", c.IterVar(), c.AccuVar())
		all(c.IterRange(), c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result())
	}
	b.WriteString(")")
	return b.String()
}

// ids says, node by node of the surface, which have a value of their own in the rewritten tree.
func ids(e *Expr) (own []bool) {
	checked := e.typed().checked.IDs()
	ast.PreOrderVisit(e.surface, ast.NewExprVisitor(func(n ast.Expr) { own = append(own, checked[n.ID()]) }))
	return own
}

// An attribute may have the name of an event type.
func TestAttributeNamedLikeEventType(t *testing.T) {
	str := schema.Attr{Type: schema.String}
	cat := &schema.Catalogue{Events: map[string]*schema.EventType{
		"order": {Name: "order", Attributes: schema.Attrs{"refund": str}}, "refund": {Name: "refund"}}}
	sc := Scope{Event: "order", Arriving: "order"}
	env, err := environment(cat, sc)
	require.NoError(t, err)
	for _, compile := range []func(*schema.Catalogue, Scope, *cel.Env, string) (*Expr, error){
		thorough, func(cat *schema.Catalogue, sc Scope, _ *cel.Env, src string) (*Expr, error) {
			return Compile(cat, sc, src)
		}} {
		_, err = compile(cat, sc, env, `event.refund == "x" && e.refund == "x"`)
		require.NoError(t, err)
	}
}
