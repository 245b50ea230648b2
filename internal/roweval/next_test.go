package roweval

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// Expressions whose answer depends on time in every way there is. $d is a duration, $n a small count, $u a calendar
// unit, $r a range.
var timed = []string{
	`events.view.within("$d").size() >= $n`,
	`events.view.within("$d").size() == $n`,
	`events.view.filter(e, e.seconds > 3).within("$d").sum(e, e.seconds) > 6`,
	`events.view.within("$d").exists(e, e.category == "shoes") || events.purchase.within("$d").size() > $n`,
	`!events.view.within("$d").exists(e, e.category == "shoes") && events.view.size() > $n`,
	`events.view.within("$d").avg(e, e.seconds) > 4`,
	`events.view.within("$d").last().category == "shoes"`,
	`events.view.within("$d").mostFrequent(e, e.category) == "shoes"`,
	`events.view.within("$d").countDistinct(e, e.category) >= 2`,
	`events.view.during("$r").size() >= $n`,
	`events.view.during("$r").size() == 0`,
	`events.view.during("$r").max(e, e.seconds) > 5`,
	`events.view.perDay(3).exists(n, n >= $n)`,
	`events.view.perDay(2).all(n, n >= 1)`,
	`events.view.perWeek(2) == [1, 2]`,
	`events.view.perMonth(2)[1] >= $n`,
	`events.view.since(ago("$d")).size() >= $n`,
	`events.view.until(ago("$d")).size() >= $n`,
	`events.view.since(now.startOf("$u")).size() >= $n`,
	`events.view.since(ago("$d")).until(ago("1h")).size() == $n`,
	`events.view.exists(e, now - e.time < duration("$d"))`,
	`events.view.exists(e, e.time - now >= duration("-48h"))`,
	`events.view.exists(e, duration("36h") == now - e.time)`,
	`events.view.filter(e, now - e.time > duration("$d") && e.time > ago("4d")).size() >= $n`,
	`events.view.exists(e, (now - e.time).getHours() == 30)`,
	`events.view.exists(e, (e.time - now).getHours() == -30)`,
	`events.view.max(e, now - e.time) > duration("$d")`,
	`events.view.min(e, e.time - now) < duration("-49h")`,
	`sequence(events.view, events.purchase, "$d")`,
	`sequence(events.view.within("$d"), events.purchase.within("$d"), "2d")`,
	`customer.last_seen < ago("$d")`,
	`customer.last_seen <= ago("$d")`,
	`ago("$d") > customer.last_seen`,
	`ago("$d") >= customer.last_seen`,
	`customer.last_seen + duration("$d") == now`,
	`customer.last_seen != now - duration("$d")`,
	`!(customer.last_seen + duration("$d") < now) || customer.missing > now`,
	`customer.missing > now || customer.last_seen < ago("$d")`,
	`now - customer.last_seen > duration("$d")`,
	`customer.last_seen - now > duration("-60h")`,
	`customer.birthday.anniversary() == now.startOf("day")`,
	`customer.birthday.anniversary() > now && customer.birthday.anniversary() < now + duration("$d")`,
	`customer.birthday.anniversary().startOf("month") == now.startOf("month")`,
	`now.startOf("$u") < customer.last_seen`,
	`now.startOf("$u") == ago("$d").startOf("$u")`,
	`now.getHours() >= 9 && now.getHours() < 17`,
	`now.getHours("Europe/Berlin") == 2`,
	`now.getDayOfWeek("Europe/Berlin") == 0 || now.getDate() == 1`,
	`now.getDayOfMonth("America/New_York") > 14 && now.getMonth() == 2`,
	`(now + duration("$d")).getDayOfYear("+05:00") % 3 == 0`,
	`customer.dates.exists(d, d > ago("$d"))`,
	`ago("$d") in customer.dates`,
	`(customer.vip ? now : customer.last_seen) > customer.dates[0]`,
	`[ago("$d"), customer.last_seen].exists(t, t > customer.dates[0])`,
	`int(customer.score) > 3 && events.view.within("$d").size() > 0`,
}

const grid = hour // every time in the test is a multiple, so answers change on it or a microsecond after

func fill(r *rand.Rand, template string) string {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	return strings.NewReplacer(
		"$d", pick("1h", "5h", "1d", "36h", "3d", "1w", "200h"), "$n", pick("0", "1", "2", "3"), "$u", pick("day", "week", "month", "quarter", "year"),
		"$r", pick("today", "yesterday", "this_week", "last_week", "last_7_days", "last_14_days", "last_30_days", "this_month", "last_month", "this_quarter", "last_quarter", "this_year", "all_time"),
	).Replace(template)
}

// somebody has a few events before start and a few to come.
func somebody(r *rand.Rand, start, span int64) *testPerson {
	moment := func() int64 { return start + (r.Int64N(2*span/grid)-span/grid)*grid }
	p := &testPerson{events: map[string][]Event{}, attrs: map[string]value.Value{
		"last_seen": value.Micros(moment()), "birthday": value.Micros(moment() - 20*365*day), "vip": value.Bool(r.IntN(2) == 0),
		"dates": value.ListOf([]value.Value{value.Micros(moment()), value.Micros(moment())}), "score": value.Num(5),
	}}
	for _, typ := range []string{"view", "purchase"} {
		for i := range r.IntN(6) {
			a := map[string]value.Value{}
			if r.IntN(4) > 0 {
				a["category"] = value.Str([]string{"shoes", "hats"}[r.IntN(2)])
				a["seconds"] = value.Num(float64(r.IntN(8)))
			}
			p.add(typ, testEvent{t: moment(), id: fmt.Sprint(typ, i), pos: uint64(r.IntN(1000)), attrs: a})
		}
	}
	return p
}

// The answer never changes before Next, found by asking at every instant at which anything can happen.
func TestNextAgainstEveryInstant(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	cats := map[string]*schema.Catalogue{}
	for _, zone := range []string{"UTC", "Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York"} {
		loc, err := time.LoadLocation(zone)
		require.NoError(t, err)
		c := shopCatalogue()
		c.Location = loc
		c.Profile["missing"] = schema.Attr{Type: schema.Datetime}
		cats[zone] = c
	}
	zones := []string{"UTC", "Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York"}
	starts := []string{"2026-03-25T00:00:00Z", "2026-10-20T00:00:00Z", "2026-12-28T00:00:00Z", "2028-02-26T00:00:00Z", "2026-03-05T00:00:00Z"}
	const span = 12 * day
	flips := 0
	for round := range 3 * len(timed) {
		src := fill(r, timed[round%len(timed)])
		start := at(starts[r.IntN(len(starts))])
		who := somebody(r, start, span)
		p := program(t, cats[zones[r.IntN(len(zones))]], person, src)

		var times, nexts []int64
		var answers []bool
		for now := start; now < start+span; now += grid {
			for _, instant := range []int64{now, now + 1} {
				res := p.Eval(Input{Person: who, Now: instant})
				require.Greater(t, res.Next, instant, src)
				times, nexts, answers = append(times, instant), append(nexts, res.Next), append(answers, res.True())
			}
		}
		change := never // the first change after times[i]
		for i := len(times) - 2; i >= 0; i-- {
			if answers[i+1] != answers[i] {
				change = times[i+1]
				flips++
			}
			require.LessOrEqual(t, nexts[i], change, "%s at %d: %v", src, times[i], who)
		}
	}
	assert.Greater(t, flips, 200, "the templates hardly ever change")
}

// Where the next instant is known by hand it is exact, to the microsecond.
func TestNextByHand(t *testing.T) {
	in := anna()
	cases := []struct {
		src  string
		next int64
	}{
		{`customer.age > 18`, never},
		{`events.view.size() > 0`, never},
		{`events.purchase.within("30d").size() > 0`, testNow + 28*day}, // p4 leaves
		{`events.purchase.within("31d").size() > 0`, testNow + day},    // p3 leaves
		{`events.purchase.within("1s").size() > 0`, never},             // nobody is in
		{`events.purchase.within("30d").exists(e, true) && false`, testNow + 28*day},
		{`false && events.purchase.within("30d").exists(e, true)`, never}, // not evaluated
		{`customer.last_seen < ago("4d")`, testNow + day + 1},
		{`customer.last_seen <= ago("4d")`, testNow + day},
		{`customer.last_seen < ago("3d")`, testNow + 1},
		{`customer.last_seen < ago("2d")`, never},
		{`customer.last_seen == ago("3d")`, testNow + 1},
		{`customer.last_seen > now`, never},
		{`now > customer.last_seen`, never},
		{`events.purchase.during("today").size() > 0`, at("2026-05-15T17:00:00Z")},
		{`events.purchase.during("this_year").size() > 0`, at("2026-12-31T17:00:00Z")},
		{`events.purchase.perMonth(2).exists(n, n > 1)`, at("2026-05-31T17:00:00Z")},
		{`events.purchase.during("all_time").size() > 0`, never},
		{`now.startOf("week") < customer.last_seen`, at("2026-05-17T17:00:00Z")},
		{`now.getHours() == 3`, at("2026-05-15T11:00:00Z")},
		{`now.getMinutes() == 3`, at("2026-05-15T10:01:00Z")},
		{`now.getDate("+09:30") == 3`, at("2026-05-15T14:30:00Z")},
		{`now.getFullYear() == 3`, at("2027-01-01T00:00:00Z")},
		{`now.getDayOfWeek("Pacific/Auckland") == 3`, at("2026-05-15T12:00:00Z")},
		{`customer.birthday.anniversary() < timestamp("2026-01-01")`, at("2026-12-31T17:00:00Z")},
		{`customer.last_seen.getHours() == 3`, never},
		{`now - ago("3d") == duration("3d")`, never},
		{`(now - customer.last_seen).getHours() == 72`, testNow + hour},
	}
	for _, c := range cases {
		assert.Equal(t, c.next, program(t, shopCatalogue(), person, c.src).Eval(in).Next, c.src)
	}
	in.Person.(*testPerson).add("view", testEvent{t: testNow + 5*minute, id: "later"})
	assert.Equal(t, testNow+5*minute, program(t, shopCatalogue(), person, `events.view.size() > 2`).Eval(in).Next)

	// Summer time in Berlin starts at 01:00 UTC on 29 March 2026 and ends at 01:00 UTC on 25 October.
	cat := shopCatalogue()
	cat.Location, _ = time.LoadLocation("Europe/Berlin")
	for now, next := range map[string]string{
		"2026-03-28T22:59:59Z": "2026-03-28T23:00:00Z",
		"2026-03-28T23:00:00Z": "2026-03-29T22:00:00Z", // 23 hours
		"2026-10-24T22:00:00Z": "2026-10-25T23:00:00Z", // 25 hours
	} {
		r := program(t, cat, person, `now.startOf("day") == customer.last_seen`).Eval(Input{Person: in.Person, Now: at(now)})
		assert.Equal(t, at(next), r.Next, now)
	}
}
