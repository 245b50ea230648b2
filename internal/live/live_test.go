package live_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/live"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

const (
	hour = int64(3600e6)
	day  = 24 * hour
)

// Conditions of every kind that is evaluated here, and some that are left to CEL. $d is a duration, $n a small count, $u a
// calendar unit, $r a range, $op a comparison.
var templates = []string{
	`events.view.within("$d").size() $op $n`,
	`events.view.size() $op $n`,
	`events.view.within("$d").size() in [$n, 3]`,
	`events.view.filter(e, e.seconds > 3).within("$d").sum(e, e.seconds) $op 6`,
	`events.view.within("$d").exists(e, e.category == "shoes") || events.buy.within("$d").size() > $n`,
	`!events.view.within("$d").exists(e, e.category == "shoes") && events.view.size() > $n`,
	`events.view.within("$d").all(e, e.seconds > $n)`,
	`!events.view.within("$d").all(e, e.seconds > $n || e.category == "hats")`,
	`events.view.during("$r").exists_one(e, !(e.seconds > $n))`,
	`events.view.within("$d").avg(e, e.seconds) $op 4`,
	`events.view.during("$r").min(e, e.seconds) $op $n`,
	`events.view.within("$d").max(e, e.time) < ago("1d")`,
	`events.view.within("$d").last().category == "shoes"`,
	`events.view.during("$r").first().category != events.buy.last().category`,
	`events.view.within("$d").mostFrequent(e, e.category) == "shoes"`,
	`!(events.view.during("$r").mostFrequent(e, e.seconds) > $n)`,
	`events.view.within("$d").countDistinct(e, e.category) $op 2`,
	`events.view.during("$r").size() $op $n`,
	`events.view.during("$r").size() $op events.view.during("$r").size()`,
	`events.view.perDay(3).exists(n, n >= $n)`,
	`events.view.perWeek(2).all(n, n $op $n)`,
	`events.view.perMonth(2).exists_one(n, n >= $n)`,
	`events.view.perWeek(2) == [1, 2]`,
	`events.view.since(ago("$d")).size() $op $n`,
	`events.view.until(ago("$d")).size() $op $n`,
	`events.view.until(ago("$d")).within("3d").size() $op $n`,
	`events.view.since(now.startOf("$u")).size() $op $n`,
	`events.view.until(now.startOf("$u")).within("$d").size() $op $n`,
	`events.view.since(customer.seen).size() $op $n`,
	`events.view.since(events.buy.last().time).size() $op $n`,
	`events.view.until(events.buy.within("$d").first().time).exists(e, e.seconds > 2)`,
	`events.view.until(customer.seen).size() $op $n`,
	`events.view.until(customer.seen).during("$r").size() $op $n`,
	`events.view.until(ago("$d")).until(customer.seen).max(e, e.seconds) $op $n`,
	`events.view.until(ago("1h")).until(events.buy.last().time).min(e, e.seconds) $op $n`,
	`events.view.since(timestamp("2026-03-27")).size() $op $n`,
	`events.view.filter(e, e.time > ago("$d")).size() $op $n`,
	`events.view.filter(e, e.time < ago("$d") && e.seconds > customer.age).size() $op $n`,
	`events.view.exists(e, now - e.time < duration("$d"))`,
	`sequence(events.view, events.buy, "$d")`,
	`sequence(events.view.within("3d"), events.view.filter(e, e.category == "shoes").within("3d"), events.buy.within("3d"), "$d")`,
	`!sequence(events.buy.since(events.view.first().time), events.view.since(events.view.first().time), "$d")`,
	`!sequence(events.view.within("$d"), events.buy.during("$r"), events.view, "2d")`,
	`sequence(events.view, events.view.filter(e, e.category == "shoes"), "$d")`,
	`events.buy.exists(e, e.product.brand == "nike" && e.product.price > $n)`,
	`events.buy.last().product.brand != "nike"`,
	`customer.seen $op ago("$d")`,
	`!(customer.seen + duration("$d") < now) || customer.missing > now`,
	`now.startOf("$u") < customer.seen`,
	`customer.age $op 30 && customer.city in ["Hue", "Hanoi"] && events.view.within("$d").size() $op $n`,
	`!(customer.city.startsWith("Hu") || has(customer.missing)) || events.view.during("$r").size() > 0`,
	`inSegment("vip") == false || events.view.within("$d").size() >= $n`,
	`inSegment("vip") && events.view.within("$d").size() >= $n`,
	`customer.vip && !(events.view.within("$d").last().time > ago("12h"))`,
	`events.view.exists(e, e.source == "web" && e.id != "view1")`,
}

func fill(r *rand.Rand, template string) string {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	out := template
	for strings.Contains(out, "$") {
		for _, x := range [][2]string{{"$d", pick("1h", "5h", "1d", "36h", "3d", "1w", "200h")}, {"$n", pick("0", "1", "2", "3")},
			{"$u", pick("day", "week", "month", "quarter", "year")}, {"$op", pick("==", "!=", "<", "<=", ">", ">=")},
			{"$r", pick("today", "yesterday", "this_week", "last_week", "last_7_days", "this_month", "last_month", "this_quarter", "this_year", "all_time")}} {
			out = strings.Replace(out, x[0], x[1], 1)
		}
	}
	return out
}

var num, str, dt = schema.Attr{Type: schema.Number}, schema.Attr{Type: schema.String}, schema.Attr{Type: schema.Datetime}

func catalogue(zone string) *schema.Catalogue {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		panic(err)
	}
	return &schema.Catalogue{
		Profile: schema.Attrs{"age": num, "city": str, "seen": dt, "missing": dt, "vip": {Type: schema.Boolean}},
		Events: map[string]*schema.EventType{
			"view": {Name: "view", Attributes: schema.Attrs{"category": str, "seconds": num}},
			"buy":  {Name: "buy", Attributes: schema.Attrs{"category": str, "product": {Type: schema.String, Ref: "product"}}},
		},
		Objects:  map[string]*schema.ObjectType{"product": {Name: "product", Attributes: schema.Attrs{"brand": str, "price": num}}},
		Segments: map[string]bool{"vip": true}, Location: loc, Week: time.Monday,
	}
}

// event is one for the oracle.
type event struct {
	t      int64
	id     string
	seq    int64
	source string
	attrs  map[string]value.Value
}

func (e event) Time() int64                  { return e.t }
func (e event) ID() string                   { return e.id }
func (e event) Source() string               { return e.source }
func (e event) Position() uint64             { return uint64(e.seq) }
func (e event) Attr(name string) value.Value { return e.attrs[name] }

// somebody is a person twice: as plain values for the oracle, and in columns. Their events are spread over three rows, of
// which some are kept in order and some are not.
type somebody struct {
	attrs  map[string]value.Value
	events map[string][]roweval.Event
	vip    bool

	columns map[string]*column.Column
	types   map[string]*live.Type
	tables  map[string]*column.Table
	cat     *schema.Catalogue
	busy    *live.Busy
}

type oracle struct{ p *somebody }

func (o oracle) Attr(name string) value.Value      { return o.p.attrs[name] }
func (o oracle) Events(typ string) []roweval.Event { return o.p.events[typ] }
func (o oracle) InSegment(string) bool             { return o.p.vip }

// At gives every product but p2: p1 is sold by nike.
func (o oracle) At(_, id string, _ int64) (func(string) value.Value, bool) {
	return func(name string) value.Value {
		switch {
		case name == "price":
			return value.Num(2)
		case id == "p1":
			return value.Str("nike")
		}
		return value.Value{}
	}, id != "p2"
}

// source implements live.Source for one person.
type source struct {
	*somebody
	t *testing.T
}

func (s source) Attr(name string) *column.Column    { return s.columns[name] }
func (s source) Type(name string) *live.Type        { return s.types[name] }
func (s source) Busy() *live.Busy                   { return s.busy }
func (s source) Calendar() celenv.Calendar          { return celenv.CalendarOf(s.cat) }
func (s source) InSegment(string) func(uint32) bool { return func(uint32) bool { return s.vip } }

func (s source) Object(typ, id string, at int64, attr string) value.Value {
	if get, ok := (oracle{s.somebody}).At(typ, id, at); ok {
		return get(attr)
	}
	return value.Value{}
}

func (s source) Part(cel string) (live.Part, error) {
	return part{s.somebody, program(s.t, s.cat, cel)}, nil
}

type part struct {
	p    *somebody
	prog *roweval.Program
}

func (p part) Events() []string { return p.prog.Expr().Deps().Events }

func (p part) Outcome(_ uint32, now int64) (plan.Outcome, int64) {
	r := p.prog.Eval(roweval.Input{Person: oracle{p.p}, Objects: oracle{p.p}, Now: now})
	switch {
	case r.Err != nil:
		return plan.IsError, r.Next
	case r.True():
		return plan.IsTrue, r.Next
	}
	return plan.IsFalse, r.Next
}

func program(t *testing.T, cat *schema.Catalogue, src string) *roweval.Program {
	expr, err := celenv.Compile(cat, celenv.Scope{Person: true, Want: celenv.Bool}, src)
	require.NoError(t, err, src)
	p, err := roweval.New(expr)
	require.NoError(t, err, src)
	return p
}

const rows = 3

func newSomebody(r *rand.Rand, cat *schema.Catalogue, start, span int64) *somebody {
	moment := func() int64 { return start + (r.Int64N(2*span/hour)-span/hour)*hour }
	p := &somebody{cat: cat, vip: r.IntN(2) == 0, events: map[string][]roweval.Event{}, columns: map[string]*column.Column{}, types: map[string]*live.Type{}, tables: map[string]*column.Table{},
		attrs: map[string]value.Value{"age": value.Num(float64(r.IntN(6))), "city": value.Str([]string{"Hue", "Lima"}[r.IntN(2)]), "vip": value.Bool(r.IntN(2) == 0)}}
	if r.IntN(3) > 0 {
		p.attrs["seen"] = value.Micros(moment())
	}
	for name, decl := range cat.Profile {
		c := column.NewVector(map[schema.Type]column.Kind{schema.Number: column.Float64, schema.String: column.Dict, schema.Datetime: column.Int64, schema.Boolean: column.Bool}[decl.Type])
		c.Grow(1)
		p.columns[name] = c
		switch v := p.attrs[name]; v.Kind {
		case value.Number:
			c.SetFloat(0, v.Num)
		case value.String:
			c.SetString(0, []byte(v.Str))
		case value.Datetime:
			c.SetInt(0, v.Time)
		case value.Boolean:
			c.SetBool(0, v.Num == 1)
		}
	}
	seq := int64(0)
	for _, typ := range []string{"view", "buy"} {
		p.addType(r, typ, moment, &seq)
	}
	return p
}

func (p *somebody) addType(r *rand.Rand, typ string, moment func() int64, seq *int64) {
	t := p.declare(typ)
	lists := make([][]uint32, rows)
	for range r.IntN(9) {
		*seq++
		row := r.IntN(rows)
		e, i := p.happens(r, typ, moment(), *seq)
		p.events[typ] = append(p.events[typ], e)
		lists[row] = append(lists[row], i)
	}
	slices.SortStableFunc(p.events[typ], byTime)
	for row, list := range lists {
		if r.IntN(3) > 0 {
			slices.SortStableFunc(list, func(a, b uint32) int { return cmp.Compare(t.Time.Int(a), t.Time.Int(b)) })
		} else {
			t.Unordered.Add(uint32(row))
		}
		for _, i := range list {
			t.Prev.SetUint(i, t.Heads.Uint(uint32(row)))
			t.Heads.SetUint(uint32(row), i+1)
		}
	}
}

func byTime(a, b roweval.Event) int { return cmp.Compare(a.Time(), b.Time()) }

func (p *somebody) declare(typ string) *live.Type {
	tab := column.New(typ)
	t := &live.Type{Time: tab.Add("$t", column.Int64), Seq: tab.Add("$q", column.Int64), Source: tab.Add("$source", column.Dict), ID: tab.Add("$id", column.Bytes),
		Heads: column.NewVector(column.Uint32), Prev: column.NewVector(column.Uint32), Unordered: roaring.New(), Lates: map[uint32]uint32{}, Attr: tab.Column}
	tab.Add("category", column.Dict)
	tab.Add("seconds", column.Float64)
	tab.Add("product", column.Dict)
	t.Heads.Grow(rows)
	p.types[typ], p.tables[typ] = t, tab
	return t
}

// happens makes an event, and writes its columns.
func (p *somebody) happens(r *rand.Rand, typ string, at, seq int64) (event, uint32) {
	t, tab := p.types[typ], p.tables[typ]
	i := tab.Append()
	e := event{t: at, id: fmt.Sprint(typ, i), seq: seq, attrs: map[string]value.Value{}}
	t.Prev.Grow(int(i) + 1)
	t.Time.SetInt(i, e.t)
	t.Seq.SetInt(i, e.seq)
	t.ID.SetBytes(i, []byte(e.id))
	if r.IntN(2) == 0 {
		e.source = "web"
		t.Source.SetString(i, []byte("web"))
	}
	if r.IntN(4) > 0 {
		c := []string{"shoes", "hats"}[r.IntN(2)]
		e.attrs["category"] = value.Str(c)
		tab.Column("category").SetString(i, []byte(c))
	}
	if typ == "view" && r.IntN(4) > 0 {
		s := float64(r.IntN(8))
		e.attrs["seconds"] = value.Num(s)
		tab.Column("seconds").SetFloat(i, s)
	}
	if typ == "buy" && r.IntN(4) > 0 {
		id := []string{"p1", "p2", "p3"}[r.IntN(3)]
		e.attrs["product"] = value.Str(id)
		tab.Column("product").SetString(i, []byte(id))
	}
	return e, i
}

// The answer is the oracle's at every instant at which anything can happen, and never changes before Next.
func TestAgainstOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	zones := []string{"UTC", "Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York"}
	starts := []string{"2026-03-25T00:00:00Z", "2026-10-20T00:00:00Z", "2026-12-28T00:00:00Z", "2028-02-26T00:00:00Z", "2026-03-05T00:00:00Z"}
	const span = 12 * day
	flips, notes, oracleNotes := 0, 0, 0
	for round := range 9 * len(templates) {
		src := fill(r, templates[round%len(templates)])
		from, err := time.Parse(time.RFC3339, starts[r.IntN(len(starts))])
		require.NoError(t, err)
		start := from.UnixMicro()
		cat := catalogue(zones[r.IntN(len(zones))])
		who := newSomebody(r, cat, start, span)
		prog := program(t, cat, src)
		p, err := live.Compile(plan.Logical(prog.Expr()), source{who, t})
		require.NoError(t, err, src)
		asked := &live.Person{Rows: []uint32{0, 1, 2}}
		var times, nexts []int64
		var answers []bool
		for now := start; now < start+span; now += hour {
			for _, instant := range []int64{now, now + 1} {
				asked.Now = instant
				want := prog.Eval(roweval.Input{Person: oracle{who}, Objects: oracle{who}, Now: instant})
				yes, next := p.Holds(asked)
				require.Equal(t, want.True(), yes, "%s at %v: %+v", src, time.UnixMicro(instant).UTC(), who.events)
				require.Greater(t, next, instant, src)
				times, nexts, answers = append(times, instant), append(nexts, next), append(answers, yes)
				if next != math.MaxInt64 {
					notes++
				}
				if want.Next != math.MaxInt64 {
					oracleNotes++
				}
			}
		}
		change := int64(math.MaxInt64)
		for i := len(times) - 2; i >= 0; i-- {
			if answers[i+1] != answers[i] {
				change = times[i+1]
				flips++
			}
			require.LessOrEqual(t, nexts[i], change, "%s at %v: %+v", src, time.UnixMicro(times[i]).UTC(), who.events)
		}
	}
	require.Greater(t, flips, 200, "the templates hardly ever change")
	require.Less(t, notes, oracleNotes, "fewer instants than the oracle's are awaited")
	t.Logf("%d flips; %d instants awaited, %d by the oracle", flips, notes, oracleNotes)
}

// What a part reads is watched: an event that passes none of the filters changes no answer.
func TestWatches(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	cat := catalogue("UTC")
	who := newSomebody(r, cat, 0, day)
	for src, want := range map[string]string{
		`events.view.size() > 1`: "view: any",
		`events.view.filter(e, e.seconds > 3).size() > 1 && events.buy.exists(e, e.category == "hats")`: "view: e.seconds > 3; buy: e.category == \"hats\"",
		`events.view.filter(e, e.time > ago("3d")).size() > 1`:                                          "view: any",
		`events.view.all(e, e.seconds > 3)`:                                                             "view: any",
		`events.view.since(events.buy.last().time).size() > 1`:                                          "buy: any; view: any",
		`events.view.perWeek(2) == [1, 2] || customer.age > 3`:                                          "view: any",
		`customer.age > 3`: "",
	} {
		p, err := live.Compile(plan.Logical(program(t, cat, src).Expr()), source{who, t})
		require.NoError(t, err)
		var got []string
		for _, w := range p.Watches() {
			filter := "any"
			if w.Filter != nil {
				filter = strings.TrimSpace(w.Filter.Key)
			}
			got = append(got, w.Type+": "+filter)
		}
		require.Equal(t, want, strings.Join(got, "; "), src)
	}
}

func TestNoAllocation(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	cat := catalogue("Europe/Berlin")
	start := time.Date(2026, 3, 25, 0, 0, 0, 0, time.UTC).UnixMicro()
	who := newSomebody(r, cat, start, 3*day)
	for _, src := range []string{
		`customer.age > 3 && customer.city == "Hue" || events.view.within("7d").size() >= 3`,
		`events.view.filter(e, e.category == "shoes").during("last_7_days").sum(e, e.seconds) > 3`,
		`events.view.mostFrequent(e, e.category) == "hats" && sequence(events.view, events.buy, "3d")`,
		`!events.view.perDay(3).all(n, n >= 1) || events.buy.last().time > ago("2d")`,
	} {
		p, err := live.Compile(plan.Logical(program(t, cat, src).Expr()), source{who, t})
		require.NoError(t, err)
		asked := &live.Person{Rows: []uint32{0, 1, 2}, Now: start}
		p.Holds(asked)
		require.Zero(t, testing.AllocsPerRun(100, func() { p.Holds(asked) }), src)
	}
}
