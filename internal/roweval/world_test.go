package roweval

import (
	"math"
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// A small world for the tests: a shop in Ho Chi Minh City (UTC+7, no summer time), weeks from Monday.

func at(s string) int64 {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t.UnixMicro()
}

const (
	second = int64(1e6)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// now in the tests is Friday 2026-05-15 10:00:00 UTC, 17:00 in Ho Chi Minh City.
var testNow = at("2026-05-15T10:00:00Z")

func shopCatalogue() *schema.Catalogue {
	loc, err := time.LoadLocation("Asia/Ho_Chi_Minh")
	if err != nil {
		panic(err)
	}
	num, str, bl, dt := schema.Attr{Type: schema.Number}, schema.Attr{Type: schema.String}, schema.Attr{Type: schema.Boolean}, schema.Attr{Type: schema.Datetime}
	line := schema.Attrs{"category": str, "price": num, "quantity": num}
	return &schema.Catalogue{
		Profile: schema.Attrs{
			"age": num, "score": num, "city": str, "name": str, "vip": bl, "birthday": dt, "signup": dt, "last_seen": dt,
			"scores": {Type: schema.NumberList}, "tags": {Type: schema.StringList}, "dates": {Type: schema.DatetimeList},
			"address":         {Type: schema.Object, Fields: schema.Attrs{"street": str, "zip": str}},
			"pets":            {Type: schema.ObjectList, Fields: schema.Attrs{"kind": str, "age": num}},
			"favourite_store": {Type: schema.String, Ref: "store"},
		},
		Events: map[string]*schema.EventType{
			"purchase": {Name: "purchase", Attributes: schema.Attrs{"category": str, "amount": num, "coupon": bl,
				"product": {Type: schema.String, Ref: "product"}, "items": {Type: schema.ObjectList, Fields: line}}},
			"view":        {Name: "view", Attributes: schema.Attrs{"category": str, "seconds": num}},
			"add_to_cart": {Name: "add_to_cart", Attributes: schema.Attrs{"category": str}},
		},
		Objects: map[string]*schema.ObjectType{
			"product": {Name: "product", Attributes: schema.Attrs{"brand": str, "price": num, "store": {Type: schema.String, Ref: "store"}}},
			"store":   {Name: "store", Attributes: schema.Attrs{"city": str, "size": num}},
		},
		Segments: map[string]bool{"vip": true, "regulars": true},
		Location: loc,
		Week:     time.Monday,
	}
}

type testEvent struct {
	t      int64
	id     string
	source string
	pos    uint64
	attrs  map[string]value.Value
}

func (e testEvent) Time() int64                  { return e.t }
func (e testEvent) ID() string                   { return e.id }
func (e testEvent) Source() string               { return e.source }
func (e testEvent) Position() uint64             { return e.pos }
func (e testEvent) Attr(name string) value.Value { return e.attrs[name] }

type testPerson struct {
	attrs    map[string]value.Value
	events   map[string][]Event
	segments map[string]bool
}

func (p *testPerson) Attr(name string) value.Value { return p.attrs[name] }
func (p *testPerson) Events(typ string) []Event    { return p.events[typ] }
func (p *testPerson) InSegment(name string) bool   { return p.segments[name] }

func (p *testPerson) add(typ string, e testEvent) {
	p.events[typ] = append(p.events[typ], e)
	sort.SliceStable(p.events[typ], func(i, j int) bool { return p.events[typ][i].Time() < p.events[typ][j].Time() })
}

func attrs(pairs ...any) map[string]value.Value {
	m := map[string]value.Value{}
	for i := 0; i < len(pairs); i += 2 {
		v, err := value.FromGo(pairs[i+1])
		if err != nil {
			panic(err)
		}
		m[pairs[i].(string)] = v
	}
	return m
}

type version struct {
	from  int64
	attrs map[string]value.Value
}

type testObjects map[string][]version // "type/id", oldest first

func (o testObjects) At(typ, id string, t int64) (func(string) value.Value, bool) {
	vs := o[typ+"/"+id]
	if len(vs) == 0 {
		return nil, false
	}
	best := vs[0]
	for _, v := range vs {
		if v.from <= t {
			best = v
		}
	}
	return func(name string) value.Value { return best.attrs[name] }, true
}

// anna is 34, from Hue, and bought five times.
func anna() Input {
	p := &testPerson{
		attrs: attrs("age", 34, "score", 7.5, "city", "Hue", "name", "Anna Tran", "vip", true,
			"birthday", time.Date(1992, 5, 15, 0, 0, 0, 0, time.UTC), "signup", time.UnixMicro(testNow-100*day),
			"last_seen", time.UnixMicro(testNow-3*day), "scores", []int{3, 5, 8}, "tags", []string{"red", "blue"},
			"dates", []time.Time{time.UnixMicro(testNow - day)},
			"address", map[string]any{"street": "Le Loi"}, "pets", []map[string]any{{"kind": "cat", "age": 3}, {"kind": "dog"}},
			"favourite_store", "s1"),
		events:   map[string][]Event{},
		segments: map[string]bool{"vip": true},
	}
	buy := func(id string, t int64, pos uint64, a ...any) {
		p.add("purchase", testEvent{t: t, id: id, source: "web", pos: pos, attrs: attrs(a...)})
	}
	items := []map[string]any{{"category": "shoes", "price": 20, "quantity": 2}, {"category": "socks", "price": 1.5, "quantity": 4}, {"price": 9}}
	buy("p1", at("2026-02-10T08:00:00Z"), 1, "category", "hats", "amount", 10, "product", "h1")
	buy("p2", at("2026-04-01T08:00:00Z"), 2, "category", "shoes", "amount", 40, "product", "h1")
	buy("p3", testNow-30*day, 3, "category", "shoes", "amount", 25.5)
	buy("p4", testNow-2*day, 4, "amount", 100, "coupon", true, "items", items)
	buy("p5", testNow-hour, 5, "category", "hats", "product", "gone")
	p.add("view", testEvent{t: testNow - 5*day, id: "v1", pos: 10, attrs: attrs("category", "hats", "seconds", 4)})
	p.add("view", testEvent{t: testNow - 2*day - hour, id: "v2", pos: 11, attrs: attrs("category", "shoes", "seconds", 6)})
	p.add("add_to_cart", testEvent{t: testNow - 4*day, id: "c1", pos: 12, attrs: attrs("category", "hats")})
	return Input{Person: p, Now: testNow, Objects: testObjects{
		"product/h1": {{at("2026-03-01T00:00:00Z"), attrs("brand", "old", "price", 5, "store", "s1")}, {at("2026-04-15T00:00:00Z"), attrs("brand", "new")}},
		"store/s1":   {{0, attrs("city", "Hanoi", "size", 3)}},
	}}
}

func program(t testing.TB, cat *schema.Catalogue, sc celenv.Scope, src string) *Program {
	t.Helper()
	e, err := celenv.Compile(cat, sc, src)
	require.NoError(t, err, src)
	p, err := New(e)
	require.NoError(t, err, src)
	return p
}

var person = celenv.Scope{Person: true}

const never = int64(math.MaxInt64)
