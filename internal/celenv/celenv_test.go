package celenv

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/schema"
)

func shop() *schema.Catalogue {
	num, str, dt := schema.Attr{Type: schema.Number}, schema.Attr{Type: schema.String}, schema.Attr{Type: schema.Datetime}
	return &schema.Catalogue{
		Profile: schema.Attrs{"age": num, "city": str, "birthday": dt, "tags": {Type: schema.StringList}, "dates": {Type: schema.DatetimeList},
			"address": {Type: schema.Object, Fields: schema.Attrs{"zip": str}}, "store": {Type: schema.String, Ref: "store"}},
		Events: map[string]*schema.EventType{
			"purchase": {Name: "purchase", Attributes: schema.Attrs{"category": str, "amount": num, "product": {Type: schema.String, Ref: "product"},
				"items": {Type: schema.ObjectList, Fields: schema.Attrs{"price": num}}}},
			"view": {Name: "view"},
		},
		Objects:  map[string]*schema.ObjectType{"product": {Name: "product", Attributes: schema.Attrs{"brand": str}}, "store": {Name: "store", Attributes: schema.Attrs{"city": str}}},
		Segments: map[string]bool{"vip": true, "regulars": true},
	}
}

// What is wrong, where, and what to do about it.
func TestErrors(t *testing.T) {
	cases := []struct{ src, want string }{
		{`events.purchase.filter(e, e.categry == "shoes").size() >= 3`, `1:29: unknown attribute "categry" of event "purchase" (did you mean "category"?)`},
		{`customer.agee > 3`, `1:10: unknown attribute "agee" of customer (did you mean "age"?)`},
		{`has(customer.agee)`, `1:14: unknown attribute "agee" of customer (did you mean "age"?)`},
		{`customer.address.zap == ""`, `1:18: unknown attribute "zap" of customer.address (did you mean "zip"?)`},
		{`custmer.age > 3`, `1:1: unknown name "custmer" (did you mean "customer"?)`},
		{`customer.age > 3 &&` + "\n" + `  events.purchas.size() > 1`, `2:10: unknown event type "purchas" (did you mean "purchase"?)`},
		{`inSegment("vipp")`, `1:11: unknown segment "vipp" (did you mean "vip"?)`},
		{`inSegment(customer.city)`, `1:19: write the segment's name, as in inSegment("vip"), as a text in quotes`},
		{`events.purchase.exists(e, e.product.brnd == "")`, `1:37: unknown attribute "brnd" of object "product" (did you mean "brand"?)`},
		{`events.purchase.exists(e, e.items.price > 1)`, `1:35: a list has no attribute "price": take an element first, as in .last().price or .exists(e, e.price == …)`},
		{`events.purchase.amount > 3`, `1:17: a list has no attribute "amount": take an element first, as in .last().amount or .exists(e, e.amount == …)`},
		{`customer.age.x > 3`, `1:14: customer.age has no attributes of its own, so .x asks for nothing`},
		{`duration("87600000h") > duration("1h")`, `1:10: "87600000h" is longer than 36600 days`},
		{`duration("99999999999999999999h") > duration("1h")`, `1:10: "99999999999999999999h" is longer than 36600 days`},
		{`events.purchase.within("99999999999999999999d").size() > 1`, `1:24: "99999999999999999999d" is longer than 36600 days`},
		{`events.purchase.within("30x").size() > 1`, `1:24: "30x" is no duration: write a whole number and s, m, h, d or w, as in "30d"`},
		{`events.purchase.within("0d").size() > 1`, `1:24: "0d" is no time at all: a duration is at least 1s`},
		{`events.purchase.within("99999999d").size() > 1`, `1:24: "99999999d" is longer than 36600 days`},
		{`events.purchase.within(customer.city).size() > 1`, `1:32: write the duration, as in "30d", as a text in quotes`},
		{`events.purchase.during("this_mont").size() > 1`, `1:24: unknown range "this_mont" (did you mean "this_month"?)`},
		{`events.purchase.during("x").size() > 1`, `1:24: unknown range "x": known are today, yesterday, this_week, last_week, last_7_days, last_14_days, last_30_days, this_month, last_month, this_quarter, last_quarter, this_year, all_time`},
		{`customer.tags.within("3d").size() > 1`, `1:15: within is for a list of events, as in events.purchase.within("30d")`},
		{`events.purchase.map(e, e.amount).within("3d").size() > 1`, `1:34: within is for a list of events, as in events.purchase.within("30d")`},
		{`events.purchase.perMonth(0).exists(n, n > 1)`, `1:26: perMonth takes a whole number from 1 to 366, as in events.purchase.perMonth(6)`},
		{`events.purchase.perMonth(customer.age).exists(n, n > 1)`, `1:34: perMonth takes a whole number from 1 to 366, as in events.purchase.perMonth(6)`},
		{`sequence(events.view, "7d")`, `1:1: sequence takes 3 to 6 arguments, as in sequence(events.view, events.purchase, "7d")`},
		{`sequence(events.view, customer.tags, "7d")`, `1:31: a step of a sequence is a list of events, as in sequence(events.view, events.purchase, "7d")`},
		{`events.purchase.filtr(e, true).size() > 1`, `1:17: unknown function .filtr() (did you mean "filter"?)`},
		{`sze(events.view) > 1`, `1:1: unknown function sze() (did you mean "size"?)`},
		{`within(events.view, "3d").size() > 1`, `1:1: within is called on a value: write events.purchase.within("30d")`},
		{`customer.city.replace("a", "b") == ""`, `1:15: unknown function .replace()`},
		{`dyn(customer.age) == 1`, `1:1: unknown function dyn()`},
		{`object("product", "p").brand == ""`, `1:1: object() reads the current version of an object and is allowed only where evaluation is scheduled; here follow a reference instead, as in e.product.brand`},
		{`event.amount > 1`, `1:1: event is not known here: this expression is not started by an event`},
		{`customer.city.matches("[")`, "1:23: \"[\" is no pattern: error parsing regexp: missing closing ]: `[`"},
		{`customer.birthday < timestamp("May")`, `1:31: "May" is no time: write it as "2026-05-01T09:30:00Z", or a day as "2026-05-01"`},
		{`now.startOf("moth") < now`, `1:13: unknown unit "moth" (did you mean "month"?): known are day, week, month, quarter, year`},
		{`now.getSeconds() > 3`, `1:5: getSeconds of now changes all the time: compare times or durations as they are, as in now - customer.last_seen > duration("90s")`},
		{`string(now) == ""`, `1:1: string of now changes all the time: compare times as they are, as in customer.last_seen > ago("3d")`},
		{`int(now - customer.birthday) > 3`, `1:1: int of now changes all the time: compare times as they are, as in customer.last_seen > ago("3d")`},
		{`string(now.startOf("day")) + string(now.getHours()) == ""`, `1:1: string of now changes all the time: compare times as they are, as in customer.last_seen > ago("3d")`},
		{`customer.age in events.purchase.perWeek(3)`, `1:14: in does not go with (number, list(whole number)): compare the elements one by one, as in events.purchase.perDay(7).exists(n, n == customer.age)`},
		{`events.purchase.perWeek(3) == [customer.age]`, `1:28: == does not go with (list(whole number), list(number)): compare the elements one by one, as in events.purchase.perDay(7).exists(n, n == customer.age)`},
		{`customer.age > 1 ? "a" : 2`, `1:18: ? : does not go with (boolean, string, whole number)`},
		{`now.getHours("Mars") > 3`, `1:14: unknown time zone "Mars": write it as "Asia/Tokyo" or "+07:00"`},
		{`now.getHours("Local") > 3`, `1:14: unknown time zone "Local": write it as "Asia/Tokyo" or "+07:00"`},
		{`customer.city > 3`, `1:15: > does not go with (string, whole number)`},
		{`customer.city == 3`, `1:15: == does not go with (string, whole number)`},
		{`events.purchase.sum(e, e.category) > 3`, `1:17: sum does not go with (list(string))`},
		{`events.purchase.countDistinct(e, e.items) > 3`, `1:17: countDistinct does not go with (list(list(object items)))`},
		{`customer.age`, `1:1: the expression must be true or false, but it is a number`},
		{`customer.age == null`, `1:17: there is no null: has(customer.age) asks whether an attribute is there`},
		{`customer.age > 3u`, `1:16: write the number without the u`},
		{`events.view == events.view`, `1:13: compare attributes, not whole profiles, events or objects`},
		{`events.view.first() == events.view.last()`, `1:21: compare attributes, not whole profiles, events or objects`},
		{`customer.dates == [now]`, `1:16: compare the times of a list one by one, as in customer.dates.exists(d, d == …)`},
		{`events.view.exists(now, true)`, `1:20: "now" already has a meaning: choose another name for the element`},
		{`events.view.exists(e.x, true)`, `1:21: the first argument of exists names the element, as in events.purchase.exists(e, e.amount > 10)`},
		{`(events.view + events.view).size() > 1`, `1:14: lists of events cannot be joined, since their order would be lost`},
		{`{"a": 1}.exists(k, k == "a")`, `1:1: exists is for a list, not for {…}`},
		{`customer.city in ["a", true]`, `1:18: the elements here have several types: use one`},
		{`has(events.view)`, `1:12: a list of events is always there: write events.view.size() > 0`},
		{`customer.age >`, `1:15: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}`},
		{`  `, `1:1: the expression is empty`},
		{`customer.agee > 1 && events.buy.size() > 1`, `1:10: unknown attribute "agee" of customer (did you mean "age"?); 1:29: unknown event type "buy"`},
		{`customer.birthday.anniversary() == now.anniversary()`, `1:40: anniversary is of a date, as in customer.birthday.anniversary(), not of now`},
	}
	for _, c := range cases {
		_, err := Compile(shop(), Scope{Person: true}, c.src)
		if assert.Error(t, err, c.src) {
			assert.Equal(t, c.want, err.Error(), c.src)
		}
	}
	_, err := Compile(shop(), Scope{}, `customer.age > 1`)
	assert.EqualError(t, err, "1:1: customer is not known here: this expression is not about a person")
	_, err = Compile(shop(), Scope{Event: "purchas"}, `true`)
	assert.EqualError(t, err, `1:1: unknown event type "purchas" (did you mean "purchase"?)`)
	_, err = Compile(shop(), Scope{Person: true, Want: Any}, `now - customer.birthday`)
	assert.ErrorContains(t, err, "duration")
}

// Expressions that would be costly only to compile are refused or done quickly.
func TestHostileText(t *testing.T) {
	begin := time.Now()
	nested := strings.Repeat("customer.age > 1 ? ", 120) + "true" + strings.Repeat(" : false", 120)
	for _, src := range []string{
		strings.Repeat("(", 5000) + "true" + strings.Repeat(")", 4000),
		strings.Repeat("!", 9000) + "true",
		strings.Repeat("[", 4000),
		nested,
		"true" + strings.Repeat(" || true", 1200),
		"1 + 1.5 == " + strings.Repeat("(1 + ", 90) + "1" + strings.Repeat(")", 90),
		strings.Repeat("events.view.filter(e, ", 60) + "true" + strings.Repeat(").size() > 0", 60),
		strings.Repeat("a", 20000),
		"\x00\xff",
		`customer.city.matches("` + strings.Repeat("(a{1,50}){1,20}", 20) + `")`,
	} {
		_, _ = Compile(shop(), Scope{Person: true}, src)
	}
	assert.Less(t, time.Since(begin), 3*time.Second)
	_, err := Compile(shop(), Scope{Person: true}, `customer.city.matches("(a{1,50}){1,20}")`)
	assert.ErrorContains(t, err, "regex")
	_, err = Compile(shop(), Scope{Person: true}, strings.Repeat(" ", MaxSource+1))
	assert.EqualError(t, err, "1:1: the expression has 10001 bytes, the limit is 10000")
}

func TestDeps(t *testing.T) {
	e, err := Compile(shop(), Scope{Person: true}, `customer.age > 1 && customer.store.city == "Hue" && inSegment("vip") &&
		events.purchase.exists(e, e.product.brand == "x") && events.view.size() > 0`)
	require.NoError(t, err)
	assert.Equal(t, Deps{Events: []string{"purchase", "view"}, Attrs: []string{"age", "store"}, Segments: []string{"vip"},
		Objects: []string{"product", "store"}}, e.Deps())
	for src, timed := range map[string]bool{
		`customer.age > 1`: false, `events.view.during("all_time").size() > 1`: false, `customer.birthday.startOf("day") < timestamp("2026-01-01")`: false,
		`events.view.within("1d").size() > 1`: true, `customer.birthday < now`: true, `customer.birthday > ago("1d")`: true,
		`events.view.during("today").size() > 1`: true, `events.view.perDay(2).exists(n, n > 1)`: true,
		`customer.birthday.anniversary() < timestamp("2026-01-01")`: true,
	} {
		e, err := Compile(shop(), Scope{Person: true}, src)
		require.NoError(t, err)
		assert.Equal(t, timed, e.Deps().Now, src)
	}
}

// The surface prints as it was written, up to spacing.
func TestText(t *testing.T) {
	src := `customer.age in [18, 19] && events.purchase.filter(e, e.product.brand == "x").within("30d").size() >= 3 || has(customer.city)`
	e, err := Compile(shop(), Scope{Person: true}, src)
	require.NoError(t, err)
	assert.Equal(t, src, e.Text(e.Surface()))
}

func TestEnvironmentsAreSharedAndForgotten(t *testing.T) {
	count := func() (n int) {
		envs.Range(func(any, any) bool { n++; return true })
		return n
	}
	before := count()
	cat := shop()
	first, err := Compile(cat, Scope{Person: true}, `true`)
	require.NoError(t, err)
	second, err := Compile(cat, Scope{}, `false`)
	require.NoError(t, err)
	assert.Same(t, first.typed().env, second.typed().env)
	runtime.KeepAlive(cat)
	for i := 0; i < 200 && count() > before; i++ {
		cat, first, second = nil, nil, nil
		runtime.GC()
		runtime.Gosched()
	}
	assert.LessOrEqual(t, count(), before)
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{`customer.age in [1, 2.5]`, `events.purchase.filter(e, e.product.brand == "x").within("3d").size() > 1`, `[1].exists(x, x == customer.age)`,
		`now.startOf("day") - ago("3d") > duration("1h")`, `{"a": 1}["a"] == 2`, `sequence(events.view, events.view, "1d")`, `events.view.perMonth(3) == [1, 2, 3]`} {
		f.Add(s)
	}
	for _, s := range append(usual, unusual...) {
		f.Add(s)
	}
	cat := shop()
	f.Fuzz(func(t *testing.T, src string) {
		for _, sc := range []Scope{{Person: true}, {Person: true, Event: "purchase", Want: Any}} {
			e, err := Compile(cat, sc, src)
			if err != nil {
				var ce *Error
				require.ErrorAs(t, err, &ce)
				require.Positive(t, ce.Line)
				require.Positive(t, ce.Column)
				continue
			}
			_, err = e.Program()
			require.NoError(t, err, src)
			e.Text(e.Surface())
			agree(t, cat, sc, src)
		}
	})
}
