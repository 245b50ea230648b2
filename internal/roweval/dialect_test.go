package roweval

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// Every form of the dialect with the answer worked out by hand for anna: y is true, n is false, e is an error, which
// is not a member.
func TestDialect(t *testing.T) {
	cases := []struct{ want, src string }{
		// attributes and absent values
		{"y", `customer.age == 34`},
		{"y", `visitor.age == 34`},
		{"y", `customer.vip`},
		{"y", `has(customer.age)`},
		{"y", `has(customer.address.street)`},
		{"n", `has(customer.address.zip)`},
		{"e", `customer.address.zip == "1"`},
		{"y", `customer.address.street == "Le Loi" || customer.address.zip == "1"`},
		{"y", `customer.address.zip == "1" || customer.age > 18`},
		{"n", `customer.address.zip == "1" && customer.age < 18`},
		{"e", `customer.address.zip == "1" && customer.age > 18`},
		{"e", `!(customer.address.zip == "1")`},
		{"e", `customer.pets.exists(p, p.kind == "bird" || p.age > 5)`}, // plain CEL over a list of the profile: the dog's age is absent
		{"y", `customer.pets.exists(p, p.age > 2)`},
		{"n", `customer.pets.all(p, p.age > 5)`},
		{"e", `customer.pets.filter(p, p.age > 2).size() == 1`},
		{"y", `"red" in customer.tags && !("green" in customer.tags)`},
		{"y", `customer.tags[0] == "red"`},
		{"e", `customer.tags[9] == "red"`},
		{"y", `customer.scores.sum(s, s) == 16`},
		{"y", `customer.favourite_store == "s1" && customer.favourite_store.city == "Hanoi"`},
		{"y", `has(customer.favourite_store.size)`},

		// numbers
		{"y", `customer.age in [18, 34]`},
		{"y", `34 in [customer.age]`},
		{"y", `customer.age + 1 == 35 && 1 + customer.age == 35 && customer.age - 4 == 30`},
		{"y", `customer.age != 33 && customer.age > -1 && -customer.age < 0`},
		{"y", `customer.age / 4 == 8.5`},
		{"y", `1 / 2 * customer.age == 17`}, // literals that meet a Number are Numbers
		{"y", `(customer.vip ? 1 : 2) + customer.score == 8.5`},
		{"y", `(customer.vip ? customer.score : 2) == 7.5`},
		{"y", `[1, 2, 34].exists(x, x == customer.age)`},
		{"y", `[1, 2, 34].exists(x, x == 34 && x == customer.age)`},
		{"y", `[1, 2].map(x, x * 2).exists(x, x == customer.age - 30)`},
		{"y", `events.purchase.size() == 5 && events.purchase.size() >= 4.5`},
		{"y", `events.purchase.size() == customer.scores[1]`},
		{"y", `customer.age / events.purchase.size() == 6.8`},
		{"y", `events.purchase.size() / 2 == 2`}, // counts are integers
		{"y", `customer.scores == [3, 5, 8]`},
		{"y", `int(customer.score) == 7 && double(events.purchase.size()) == 5.0 && string(customer.age) == "34"`},
		{"y", `customer.scores[1] == 5`},
		{"y", `customer.score * 0 == 0 && 7 % 4 == 3`},

		// strings
		{"y", `customer.name.contains("na") && customer.name.startsWith("An") && customer.name.endsWith("Tran")`},
		{"y", `customer.name.matches("^A.*n$") && !customer.name.matches("^B")`},
		{"y", `customer.name.lowerAscii() == "anna tran" && customer.city.upperAscii() == "HUE" && "  x ".trim() == "x"`},
		{"y", `customer.name.size() == 9 && customer.city + "!" == "Hue!"`},

		// events
		{"y", `events.purchase.size() == 5 && size(events.purchase) == 5`},
		{"y", `events.purchase.filter(e, e.category == "shoes").size() == 2`}, // p4 has no category: not an error
		{"y", `events.purchase.filter(e, e.category != "shoes").size() == 2`},
		{"y", `events.purchase.filter(e, !(e.category == "shoes")).size() == 2`},
		{"y", `events.purchase.filter(e, !has(e.category)).size() == 1`},
		{"y", `events.purchase.exists(e, e.amount >= 100)`},
		{"n", `events.purchase.exists(e, e.amount > 100)`},
		{"n", `events.purchase.all(e, e.amount > 0)`}, // p5 has no amount, which counts as false
		{"y", `events.purchase.all(e, e.source == "web")`},
		{"y", `events.purchase.exists_one(e, e.coupon)`},
		{"n", `events.purchase.exists_one(e, e.category == "shoes")`},
		{"y", `events.purchase.map(e, e.amount) == [10, 40, 25.5, 100]`},
		{"y", `events.purchase.map(e, e.category).exists(c, c == "hats")`},
		{"y", `events.purchase[0].id == "p1" && events.purchase.first().id == "p1" && events.purchase.last().id == "p5"`},
		{"e", `events.purchase.last().amount == 1`},
		{"y", `events.purchase.exists(e, e.time == timestamp("2026-02-10T08:00:00Z"))`},
		{"y", `events.purchase.exists(e, events.view.exists(v, v.category == e.category && v.time < e.time))`},
		{"n", `events.view.filter(v, v.seconds > 100).exists(v, true)`},
		{"y", `events.view.filter(v, v.seconds > 100).all(v, false)`},

		// line items inside events absorb too
		{"y", `events.purchase.exists(e, e.items.exists(i, i.category == "socks"))`},
		{"y", `events.purchase.filter(e, e.items.filter(i, i.category != "socks").size() == 1).size() == 1`},
		{"y", `events.purchase.sum(e, e.items.sum(i, i.quantity * i.price)) == 46`},
		{"y", `events.purchase.filter(e, !e.items.exists(i, i.category == "hats")).size() == 1`}, // only p4 has items at all

		// references
		{"y", `events.purchase.exists(e, e.product == "h1")`},
		{"y", `events.purchase.filter(e, e.product.brand == "old").size() == 2`}, // p1 precedes every version: the first later one
		{"n", `events.purchase.exists(e, e.product.brand == "new")`},
		{"y", `events.purchase.countDistinct(e, e.product) == 2`},
		{"y", `events.purchase.countDistinct(e, e.product.brand) == 1`},
		{"y", `events.purchase.exists(e, e.product.store.city == "Hanoi")`},
		{"y", `events.purchase.exists(e, e.product in ["h1", "h2"])`},
		{"y", `events.purchase.filter(e, has(e.product.brand)).size() == 2`},

		// aggregates
		{"y", `events.purchase.sum(e, e.amount) == 175.5`},
		{"y", `events.purchase.sum(e, e.amount) > 100`},
		{"y", `events.purchase.sum(e, 1) == 5`},
		{"y", `events.purchase.perMonth(3).sum(n, n) == 3 && events.purchase.perMonth(4).avg(n, n) == 0.75`}, // p1 in February, p2 and p3 in April
		{"y", `events.purchase.avg(e, e.amount) == 43.875`},                                                  // of the four that have one
		{"y", `events.purchase.min(e, e.amount) == 10 && events.purchase.max(e, e.amount) == 100`},
		{"y", `events.purchase.max(e, e.time) == timestamp("2026-05-15T09:00:00Z")`},
		{"y", `events.purchase.countDistinct(e, e.category) == 2`},
		{"y", `events.purchase.mostFrequent(e, e.category) == "hats"`}, // two each; the latest hats is the more recent
		{"y", `events.purchase.filter(e, e.time < ago("1d")).mostFrequent(e, e.category) == "shoes"`},
		{"y", `events.view.filter(v, false).size() == 0 && events.view.filter(v, false).sum(v, v.seconds) == 0`},
		{"y", `events.view.filter(v, false).countDistinct(v, v.category) == 0`},
		{"e", `events.view.filter(v, false).avg(v, v.seconds) < 1`},
		{"e", `events.view.filter(v, false).min(v, v.seconds) < 1`},
		{"e", `events.view.filter(v, false).max(v, v.seconds) < 1`},
		{"e", `events.view.filter(v, false).first().category == ""`},
		{"e", `events.view.filter(v, false).mostFrequent(v, v.category) == ""`},
		{"e", `events.add_to_cart.avg(c, customer.address.zip.size()) < 1`}, // every value absent
		{"y", `events.purchase.sum(e, e.amount) / events.purchase.size() == 35.1`},

		// windows
		{"y", `events.purchase.within("30d").size() == 2`}, // p3 is 30 days old to the microsecond: out
		{"y", `events.purchase.within("31d").size() == 3`},
		{"y", `events.purchase.within("1h").size() == 0 && events.purchase.within("61m").size() == 1`},
		{"y", `events.purchase.within("2592001s").size() == 3 && events.purchase.within("5w").size() == 3`},
		{"y", `events.purchase.filter(e, e.category == "shoes").within("31d").size() == 1`},
		{"y", `events.purchase.within("31d").filter(e, e.category == "shoes").size() == 1`},
		{"y", `events.purchase.since(ago("2d")).size() == 2`}, // p4 exactly: in
		{"y", `events.purchase.until(ago("2d")).size() == 3`}, // p4 exactly: out
		{"y", `events.purchase.since(timestamp("2026-04-01")).until(timestamp("2026-04-16T10:00:00Z")).size() == 2`},

		// sequences: v1 -5d, c1 -4d, v2 -2d-1h, p4 -2d, p5 -1h
		{"y", `sequence(events.view, events.add_to_cart, "7d")`},
		{"y", `sequence(events.view, events.add_to_cart, "1d")`},
		{"n", `sequence(events.view, events.add_to_cart, "23h")`},
		{"n", `sequence(events.add_to_cart, events.view, events.add_to_cart, "100d")`},
		{"y", `sequence(events.view, events.add_to_cart, events.view, events.purchase, "3d")`},
		{"n", `sequence(events.view, events.add_to_cart, events.view, events.purchase, "71h")`},
		{"y", `sequence(events.view, events.purchase, "1h")`}, // v2 then p4
		{"y", `sequence(events.view, events.view, "3d")`},
		{"n", `sequence(events.view, events.view, events.view, "100d")`},
		{"y", `sequence(events.view.filter(v, v.category == "hats"), events.purchase.filter(e, e.category == "hats"), "5d")`},

		// other segments
		{"y", `inSegment("vip") && !inSegment("regulars")`},

		// time
		{"y", `now == timestamp("2026-05-15T10:00:00Z")`},
		{"y", `customer.last_seen == ago("3d") && customer.last_seen < ago("71h")`},
		{"y", `now - customer.signup == duration("2400h") && now - customer.signup == duration("100d")`},
		{"y", `now.startOf("day") == timestamp("2026-05-14T17:00:00Z")`},
		{"y", `now.startOf("week") == timestamp("2026-05-10T17:00:00Z")`},
		{"y", `now.startOf("month") == timestamp("2026-04-30T17:00:00Z")`},
		{"y", `now.startOf("quarter") == timestamp("2026-03-31T17:00:00Z")`},
		{"y", `now.startOf("year") == timestamp("2025-12-31T17:00:00Z")`},
		{"y", `timestamp("2026-05-15") == now.startOf("day")`},
		{"y", `customer.birthday.anniversary() == now.startOf("day")`},
		{"y", `customer.birthday.anniversary().startOf("month") == now.startOf("month")`},
		{"y", `now.getHours() == 10 && now.getHours("Asia/Ho_Chi_Minh") == 17 && now.getHours("+09:30") == 19`},
		{"y", `now.getDayOfWeek() == 5 && now.getMonth() == 4 && now.getDate() == 15 && now.getFullYear() == 2026`},
		{"y", `customer.last_seen.getDate() == 12 && (now - customer.last_seen).getHours() == 72`},
		{"y", `ago("3d") + duration("3d") == now && duration("1h") + now > now`},
		{"y", `customer.dates.exists(d, d == ago("1d")) && ago("1d") in customer.dates`},
		{"e", `now - timestamp("1700-01-01T00:00:00Z") > duration("1h")`}, // more than a CEL duration holds
	}
	cat, in := shopCatalogue(), anna()
	for _, c := range cases {
		r := program(t, cat, person, c.src).Eval(in)
		got := "n"
		if r.Err != nil {
			got = "e"
		} else if r.True() {
			got = "y"
		}
		assert.Equal(t, c.want, got, "%s: %v", c.src, r.Err)
		assert.Greater(t, r.Next, in.Now, c.src)
	}
}

// Every operator of the product's list, in its CEL form.
func TestOperators(t *testing.T) {
	cases := []struct {
		operator string
		yes, no  string
	}{
		{"equal", `customer.city == "Hue"`, `customer.city == "Hanoi"`},
		{"not equal", `customer.city != "Hanoi"`, `customer.city != "Hue"`},
		{"before date", `customer.signup < timestamp("2026-05-01")`, `customer.signup < timestamp("2026-01-01")`},
		{"after date", `customer.signup > timestamp("2026-01-01")`, `customer.signup > timestamp("2026-05-01")`},
		{"between numbers", `customer.age >= 30 && customer.age <= 40`, `customer.age >= 35 && customer.age <= 40`},
		{"between dates", `customer.signup >= timestamp("2026-02-01") && customer.signup < timestamp("2026-02-28")`,
			`customer.signup >= timestamp("2026-03-01") && customer.signup < timestamp("2026-03-31")`},
		{"equal time ago (that day)", `customer.last_seen.startOf("day") == ago("3d").startOf("day")`, `customer.last_seen.startOf("day") == ago("2d").startOf("day")`},
		{"not equal time ago", `customer.last_seen.startOf("day") != ago("2d").startOf("day")`, `customer.last_seen.startOf("day") != ago("3d").startOf("day")`},
		{"before time ago", `customer.signup < ago("10d")`, `customer.last_seen < ago("10d")`},
		{"after time ago", `customer.last_seen > ago("10d")`, `customer.signup > ago("10d")`},
		{"exists", `has(customer.city)`, `has(customer.address.zip)`},
		{"not exists", `!has(customer.address.zip)`, `!has(customer.city)`},
		{"match any of", `customer.city in ["Hue", "Hanoi"]`, `customer.city in ["Hanoi"]`},
		{"match none of", `!(customer.city in ["Hanoi"])`, `!(customer.city in ["Hue", "Hanoi"])`},
		{"array matches any of", `customer.tags.exists(t, t in ["red"])`, `customer.tags.exists(t, t in ["green"])`},
		{"contains", `customer.name.contains("Tran")`, `customer.name.contains("Le")`},
		{"not contains", `!customer.name.contains("Le")`, `!customer.name.contains("Tran")`},
		{"starts with", `customer.name.startsWith("An")`, `customer.name.startsWith("Bo")`},
		{"not starts with", `!customer.name.startsWith("Bo")`, `!customer.name.startsWith("An")`},
		{"ends with", `customer.name.endsWith("Tran")`, `customer.name.endsWith("Le")`},
		{"not ends with", `!customer.name.endsWith("Le")`, `!customer.name.endsWith("Tran")`},
		{"greater", `customer.age > 33`, `customer.age > 34`},
		{"greater or equal", `customer.age >= 34`, `customer.age >= 35`},
		{"less", `customer.age < 35`, `customer.age < 34`},
		{"less or equal", `customer.age <= 34`, `customer.age <= 33`},
		{"and or not, nested", `!(customer.age < 30 || customer.city == "Hanoi") && (customer.vip || false)`, `!(customer.age < 30 || !(customer.city == "Hanoi" && customer.vip))`},
	}
	cat, in := shopCatalogue(), anna()
	for _, c := range cases {
		assert.True(t, program(t, cat, person, c.yes).Eval(in).True(), "%s: %s", c.operator, c.yes)
		r := program(t, cat, person, c.no).Eval(in)
		assert.NoError(t, r.Err, "%s: %s", c.operator, c.no)
		assert.False(t, r.True(), "%s: %s", c.operator, c.no)
	}
}

// An event at each edge of each calendar range, and how many each range holds.
func TestRanges(t *testing.T) {
	starts := map[string][2]string{ // [from, to) in UTC for now = Friday 2026-05-15 17:00 at UTC+7
		"today":        {"2026-05-14T17:00:00Z", ""},
		"yesterday":    {"2026-05-13T17:00:00Z", "2026-05-14T17:00:00Z"},
		"this_week":    {"2026-05-10T17:00:00Z", ""},
		"last_week":    {"2026-05-03T17:00:00Z", "2026-05-10T17:00:00Z"},
		"last_7_days":  {"2026-05-07T17:00:00Z", "2026-05-14T17:00:00Z"},
		"last_14_days": {"2026-04-30T17:00:00Z", "2026-05-14T17:00:00Z"},
		"last_30_days": {"2026-04-14T17:00:00Z", "2026-05-14T17:00:00Z"},
		"this_month":   {"2026-04-30T17:00:00Z", ""},
		"last_month":   {"2026-03-31T17:00:00Z", "2026-04-30T17:00:00Z"},
		"this_quarter": {"2026-03-31T17:00:00Z", ""},
		"last_quarter": {"2025-12-31T17:00:00Z", "2026-03-31T17:00:00Z"},
		"this_year":    {"2025-12-31T17:00:00Z", ""},
		"all_time":     {"", ""},
	}
	assert.Len(t, starts, len(celenv.Ranges))
	cat := shopCatalogue()
	for name, bounds := range starts {
		p := program(t, cat, person, `events.view.during("`+name+`").size() == 1`)
		inside := func(instant int64) bool {
			who := &testPerson{events: map[string][]Event{}}
			who.add("view", testEvent{t: instant, id: "v"})
			return p.Eval(Input{Person: who, Now: testNow}).True()
		}
		if bounds[0] == "" {
			assert.True(t, inside(at("1971-01-01T00:00:00Z")), name)
			continue
		}
		assert.False(t, inside(at(bounds[0])-1), name)
		assert.True(t, inside(at(bounds[0])), name)
		if bounds[1] == "" {
			assert.True(t, inside(testNow), name)
			assert.False(t, inside(testNow+1), name)
			continue
		}
		assert.True(t, inside(at(bounds[1])-1), name)
		assert.False(t, inside(at(bounds[1])), name)
	}
}

func TestPerUnits(t *testing.T) {
	who := &testPerson{events: map[string][]Event{}}
	for i, s := range []string{
		"2026-02-28T17:00:00Z", "2026-03-31T16:59:59Z", // March in Ho Chi Minh City
		"2026-04-15T00:00:00Z", "2026-04-30T16:59:59.999999Z", "2026-04-20T00:00:00Z", // April
		"2026-04-30T17:00:00Z",                         // May, the current month, is left out
		"2026-05-03T17:00:00Z", "2026-05-10T16:59:59Z", // the week before
		"2026-05-13T20:00:00Z", // yesterday
	} {
		who.add("view", testEvent{t: at(s), id: string(rune('a' + i))})
	}
	cat, in := shopCatalogue(), Input{Person: who, Now: testNow}
	for _, src := range []string{
		`events.view.perMonth(3) == [0, 2, 3]`,
		`events.view.perMonth(2).all(n, n >= 2)`,
		`!events.view.perMonth(2).all(n, n >= 3)`,
		`events.view.perMonth(6).exists(n, n >= 3)`,
		`events.view.perWeek(2) == [2, 2]`, // Monday 27 April to Sunday 3 May there has the last of April and the first of May
		`events.view.perDay(2) == [0, 1]`,
		`events.view.filter(v, false).perDay(2) == [0, 0]`,
	} {
		r := program(t, cat, person, src).Eval(in)
		assert.True(t, r.True(), "%s: %v", src, r.Err)
	}
	cat.Week = time.Sunday
	other := *cat
	assert.True(t, program(t, &other, person, `events.view.perWeek(2) == [2, 1]`).Eval(in).True())
	assert.True(t, program(t, &other, person, `now.startOf("week") == timestamp("2026-05-09T17:00:00Z")`).Eval(in).True())
}

func TestAnniversary(t *testing.T) {
	cat := shopCatalogue()
	cases := []struct{ born, now, want string }{
		{"1992-02-29T00:00:00Z", "2026-05-15T10:00:00Z", "2026-02-27T17:00:00Z"}, // the 28th in a common year
		{"1992-02-29T00:00:00Z", "2028-05-15T10:00:00Z", "2028-02-28T17:00:00Z"},
		{"1992-12-31T00:00:00Z", "2026-12-31T17:00:00Z", "2027-12-30T17:00:00Z"}, // it is 2027 there
		{"1992-12-31T20:00:00Z", "2026-05-15T10:00:00Z", "2025-12-31T17:00:00Z"}, // an instant: 1 January there
	}
	for _, c := range cases {
		who := &testPerson{attrs: map[string]value.Value{"birthday": value.Micros(at(c.born))}}
		r := program(t, cat, person, `customer.birthday.anniversary() == timestamp("`+c.want+`")`).Eval(Input{Person: who, Now: at(c.now)})
		assert.True(t, r.True(), "%v", c)
	}
}

func TestEventVariableAndFreeVariables(t *testing.T) {
	cat, in := shopCatalogue(), anna()
	in.Event = in.Person.Events("purchase")[3]
	r := program(t, cat, celenv.Scope{Person: true, Event: "purchase"}, `event.amount == 100 && event.items.exists(i, i.category == "socks") && customer.age == 34`).Eval(in)
	assert.True(t, r.True(), "%v", r.Err)

	columns := celenv.Scope{Vars: schema.Attrs{"price": {Type: "number"}, "now": {Type: "string"}, "customer": {Type: "string"}, "gone": {Type: "string"}}}
	row := Input{Vars: func(name string) value.Value {
		return attrs("price", 3, "now", "yes", "customer", "c1")[name]
	}}
	r = program(t, cat, columns, `price * 2 == 6 && now == "yes" && customer == "c1"`).Eval(row)
	assert.True(t, r.True(), "%v", r.Err)
	r = program(t, cat, columns, `gone == ""`).Eval(row)
	assert.ErrorIs(t, r.Err, ErrAbsent)

	any := celenv.Scope{Person: true, Want: celenv.Any}
	for src, want := range map[string]value.Value{
		`customer.name + "!"`:                   value.Str("Anna Tran!"),
		`events.purchase.size()`:                value.Num(5),
		`customer.tags`:                         value.ListOf([]value.Value{value.Str("red"), value.Str("blue")}),
		`events.add_to_cart.first().time`:       value.Micros(testNow - 4*day),
		`{"Hue": 1, "Hanoi": 2}[customer.city]`: value.Num(1),
		`now`:                                   value.Micros(testNow),
		`customer.vip ? "dear " + customer.name : "you"`: value.Str("dear Anna Tran"),
	} {
		r := program(t, cat, any, src).Eval(in)
		assert.NoError(t, r.Err, src)
		assert.True(t, want.Equal(r.Value), "%s: %v", src, r.Value)
	}
	assert.Equal(t, testNow+1, program(t, cat, any, `now`).Eval(in).Next)
}

// A value that is not of the declared type, as after an attribute was declared anew, is absent and no crash.
func TestValueOfAnotherTypeIsAbsent(t *testing.T) {
	who := &testPerson{attrs: attrs("age", "old", "scores", []string{"a"}, "address", 3, "birthday", true)}
	for _, src := range []string{`customer.age > 1`, `customer.scores.exists(s, s > 1)`, `customer.address.zip == ""`, `customer.birthday < now`} {
		r := program(t, shopCatalogue(), person, src).Eval(Input{Person: who, Now: testNow})
		assert.ErrorIs(t, r.Err, ErrAbsent, src)
	}
}
