package exec

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/identity"
	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// world keeps the same people twice: as plain values, which the oracle reads, and as columns, which the kernels read.
type world struct {
	cat    *schema.Catalogue
	now    int64
	people []*one   // by row
	whose  []uint32 // by row
	ask    Set      // canonical rows that are asked about

	attrs   map[string]*column.Column
	columns map[string]map[string]*column.Column
	stores  map[string]*column.Table
	objects map[string][]version // of products by id
	linked  bool
	asked   int // questions to the oracle
	is      func(row uint32) bool
}

type version struct {
	from int64
	v    map[string]value.Value // nil: deleted
}

// one is a profile row; that of a person who owns others reads theirs too.
type one struct {
	w        *world
	row      uint32
	attrs    map[string]value.Value
	segments map[string]bool
	events   map[string][]*event // of this row alone, in order of arrival
}

type event struct {
	t      int64
	seq    int
	source string
	attrs  map[string]value.Value
}

func (e *event) Time() int64                  { return e.t }
func (e *event) ID() string                   { return fmt.Sprint("e", e.seq) }
func (e *event) Source() string               { return e.source }
func (e *event) Attr(name string) value.Value { return e.attrs[name] }
func (e *event) Position() uint64             { return uint64(e.seq) }

func (o *one) Attr(name string) value.Value { return o.attrs[name] }
func (o *one) InSegment(name string) bool   { return o.segments[name] }
func (o *one) Events(typ string) []roweval.Event {
	var mine []*event
	for row, p := range o.w.people {
		if o.w.whose[row] == o.row {
			mine = append(mine, p.events[typ]...)
		}
	}
	sort.Slice(mine, func(i, j int) bool {
		if mine[i].t != mine[j].t {
			return mine[i].t < mine[j].t
		}
		return mine[i].seq < mine[j].seq
	})
	out := make([]roweval.Event, len(mine))
	for i := range mine {
		out[i] = mine[i]
	}
	return out
}

var declared = catalogue()

func catalogue() *schema.Catalogue {
	num, str, flag, at := schema.Attr{Type: schema.Number}, schema.Attr{Type: schema.String}, schema.Attr{Type: schema.Boolean}, schema.Attr{Type: schema.Datetime}
	hanoi, err := time.LoadLocation("Asia/Ho_Chi_Minh")
	if err != nil {
		panic(err)
	}
	return &schema.Catalogue{
		Location: hanoi, Week: time.Monday,
		Profile: schema.Attrs{"age": num, "city": str, "vip": flag, "signup": at, "birthday": at, "home": str, "tags": {Type: schema.StringList}, "sizes": {Type: schema.NumberList}, "dates": {Type: schema.DatetimeList}, "about": {Type: schema.Text}, "ghost": num},
		Events: map[string]*schema.EventType{
			"purchase": {Name: "purchase", Attributes: schema.Attrs{"category": str, "amount": num, "gift": flag, "due": at, "note": {Type: schema.Text}, "colors": {Type: schema.StringList}, "product": {Type: schema.String, Ref: "product"}}},
			"view":     {Name: "view", Attributes: schema.Attrs{"category": str}},
			"never":    {Name: "never", Attributes: schema.Attrs{"amount": num}},
		},
		Objects:  map[string]*schema.ObjectType{"product": {Name: "product", Attributes: schema.Attrs{"brand": str, "price": num, "new": flag, "launched": at}}},
		Segments: map[string]bool{"vip": true, "regulars": true},
	}
}

const (
	day  = int64(86400e6)
	noon = int64(1_780_000_000_000_000) // 2026-05-28T20:26:40Z
)

var (
	cities     = []string{"Hue", "Hanoi", "Da Nang", ""}
	categories = []string{"shoes", "hats", "bags"}
	amounts    = []float64{0, 1, 2, 3, 0.1, 0.2, -1, 1e16, 0.3}
)

// newWorld makes rows profile rows with so many events of each type.
func newWorld(r *rand.Rand, rows, events int) *world {
	w := &world{cat: declared, now: noon, attrs: map[string]*column.Column{}, columns: map[string]map[string]*column.Column{},
		stores: map[string]*column.Table{}, objects: map[string][]version{}, ask: NewSet(rows), linked: r.IntN(2) == 0}
	for name, attr := range w.cat.Profile {
		if name != "ghost" {
			w.attrs[name] = column.NewVector(kindOf(attr.Type))
		}
	}
	for row := range uint32(rows) {
		w.addRow(r, row)
	}
	w.addObjects(r)
	for _, typ := range []string{"purchase", "view"} {
		w.addEvents(r, typ, events)
	}
	return w
}

func (w *world) addRow(r *rand.Rand, row uint32) {
	o := &one{w: w, row: row, attrs: map[string]value.Value{}, events: map[string][]*event{}, segments: map[string]bool{}}
	set := func(name string, v value.Value) {
		if r.IntN(4) > 0 {
			o.attrs[name] = v
			if col := w.attrs[name]; col != nil {
				col.Grow(int(row) + 1)
				setCell(col, row, v)
			}
		}
	}
	set("age", value.Num([]float64{0, 1, 2, 3, 1.5, -1}[r.IntN(6)]))
	set("city", value.Str(cities[r.IntN(len(cities))]))
	set("home", value.Str(append(cities, "Hoi An")[r.IntN(5)]))
	set("vip", value.Bool(r.IntN(2) == 0))
	set("signup", value.Micros(w.now-r.Int64N(10)*day))
	set("birthday", value.Micros(w.now-r.Int64N(10)*day))
	list := func(of ...value.Value) value.Value {
		r.Shuffle(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
		return value.ListOf(of[:r.IntN(len(of)+1)])
	}
	set("tags", list(value.Str("red"), value.Str("green"), value.Str("")))
	set("sizes", list(value.Num(1), value.Num(2), value.Num(0), value.Num(2)))
	set("dates", list(value.Micros(w.now-2*day), value.Micros(w.now-7*day)))
	set("about", value.Str([]string{"", "tea", "green tea"}[r.IntN(3)]))
	if r.IntN(9) == 0 {
		set("tags", list(value.Str("red"), value.Num(1))) // declared anew since
		set("about", value.Num(1))
	}
	for _, s := range []string{"vip", "regulars"} {
		o.segments[s] = r.IntN(3) == 0
	}
	w.people = append(w.people, o)
	w.whose = append(w.whose, row)
	if w.linked && row > 0 && r.IntN(3) == 0 {
		w.whose[row] = w.whose[r.IntN(int(row))]
	} else if r.IntN(10) > 0 {
		w.ask.Add(row)
	}
}

func (w *world) addObjects(r *rand.Rand) {
	for id := range 6 {
		name := fmt.Sprint("p", id)
		for v := range r.IntN(4) {
			attrs := map[string]value.Value{}
			for attr, v := range map[string]value.Value{"brand": value.Str(cities[r.IntN(4)]), "price": value.Num(float64(r.IntN(4))), "new": value.Bool(r.IntN(2) == 0), "launched": value.Micros(w.now - r.Int64N(20)*day)} {
				if r.IntN(4) > 0 {
					attrs[attr] = v
				}
			}
			if r.IntN(6) == 0 {
				attrs = nil
			}
			from := w.now - int64(20-5*v)*day
			if v > 0 && r.IntN(3) == 0 {
				from = w.objects[name][v-1].from // two at one instant
			}
			w.objects[name] = append(w.objects[name], version{from, attrs})
		}
	}
}

func (w *world) addEvents(r *rand.Rand, typ string, n int) {
	tab := column.New(typ)
	cols := map[string]*column.Column{"$id": tab.Add("$id", column.Bytes), "$t": tab.Add("$t", column.Int64), "$q": tab.Add("$q", column.Int64), "$row": tab.Add("$row", column.Uint32), "$source": tab.Add("$source", column.Dict)}
	for name, attr := range w.cat.Events[typ].Attributes {
		cols[name] = tab.Add(name, kindOf(attr.Type))
	}
	for i := range n {
		row := uint32(r.IntN(len(w.people)))
		e := &event{seq: 2*i + len(w.stores), source: []string{"", "web", "app"}[r.IntN(3)], attrs: map[string]value.Value{}}
		e.t = w.now - 95*day + int64(i)*(100*day/int64(n)) + r.Int64N(3)*day/2 // mostly in order, the last in the future
		if r.IntN(20) == 0 {
			e.t = w.now - []int64{0, -1, 1, 3 * day, 5*day - 1}[r.IntN(5)] // late, at the edges
		}
		all := map[string]value.Value{"category": value.Str(categories[r.IntN(3)]), "amount": value.Num(amounts[r.IntN(len(amounts))]), "gift": value.Bool(r.IntN(2) == 0),
			"due": value.Micros(e.t + (r.Int64N(5)-2)*day), "note": value.Str([]string{"x", "", "yx"}[r.IntN(3)]), "colors": value.ListOf([]value.Value{value.Str([]string{"red", "blue"}[r.IntN(2)]), value.Str("white")}[:r.IntN(3)]), "product": value.Str(fmt.Sprint("p", r.IntN(8)))}
		at := tab.Append()
		cols["$t"].SetInt(at, e.t)
		cols["$q"].SetInt(at, int64(e.seq))
		cols["$id"].SetBytes(at, []byte(e.ID()))
		cols["$row"].SetUint(at, row)
		if e.source != "" {
			cols["$source"].SetString(at, []byte(e.source))
		}
		for _, name := range w.cat.Events[typ].Attributes.Names() {
			if r.IntN(4) > 0 {
				e.attrs[name] = all[name]
				if col := cols[name]; col != nil {
					setCell(col, at, all[name])
				}
			}
		}
		w.people[row].events[typ] = append(w.people[row].events[typ], e)
	}
	if n > 0 {
		w.columns[typ], w.stores[typ] = cols, tab
	}
}

func setCell(c *column.Column, i uint32, v value.Value) {
	switch c.Kind() {
	case column.Float64:
		c.SetFloat(i, v.Num)
	case column.Int64:
		c.SetInt(i, v.Time)
	case column.Bool:
		c.SetBool(i, v.Num != 0)
	case column.Dict:
		c.SetString(i, []byte(v.Str))
	case column.Bytes:
		c.SetBytes(i, value.Append(nil, v))
	}
}

// kindOf is the kind of column that keeps a type, as the fold has it.
func kindOf(t schema.Type) column.Kind {
	if k, ok := kinds[t]; ok {
		return k.column
	}
	return column.Bytes
}

// The world as a Source.

func (w *world) Rows() int   { return len(w.people) }
func (w *world) People() Set { return w.ask }
func (w *world) Canonical() identity.Canonicals {
	if !w.linked {
		return nil
	}
	var out identity.Canonicals
	for len(w.whose) > len(out)*len(out[0]) {
		page := new([len(out[0])]uint32)
		copy(page[:], w.whose[len(out)*len(page):])
		out = append(out, page)
	}
	return out
}
func (w *world) Segment(name string) *roaring.Bitmap {
	rows := roaring.New()
	for row, o := range w.people {
		if o.segments[name] {
			rows.Add(uint32(row))
		}
	}
	rows.Add(uint32(len(w.people) + 5)) // a member who is not asked about
	return rows
}
func (w *world) Attr(name string) *column.Column {
	if c := w.attrs[name]; c != nil {
		return c.Freeze() // as a question to a frozen state does: what is asked again is ranked
	}
	return nil
}
func (w *world) Events(typ string) *Events {
	if w.stores[typ] == nil {
		return nil
	}
	cols := w.columns[typ]
	return &Events{Rows: w.stores[typ].Len(), Time: cols["$t"], Seq: cols["$q"], ID: cols["$id"], Person: cols["$row"], Source: cols["$source"], Attr: func(name string) *column.Column { return cols[name] }}
}
func (w *world) Versions(_, id string) (from []int64) {
	for _, v := range w.objects[id] {
		from = append(from, v.from)
	}
	return from
}
func (w *world) At(_, id string, t int64) (func(string) value.Value, bool) {
	versions := w.objects[id]
	i := len(versions) - 1
	for i > 0 && versions[i].from > t {
		i--
	}
	if i < 0 || versions[i].v == nil {
		return nil, false
	}
	return func(name string) value.Value { return versions[i].v[name] }, true
}
func (w *world) Calendar() celenv.Calendar { return celenv.CalendarOf(w.cat) }
func (w *world) Now() int64                { return w.now }
func (w *world) True(row uint32) bool      { w.asked++; return w.is(row) }

// oracle makes the row-by-row answer of an expression.
func (w *world) oracle(t testing.TB, e *celenv.Expr) func(uint32) bool {
	prog, err := roweval.New(e)
	require.NoError(t, err)
	return func(row uint32) bool {
		return prog.Eval(roweval.Input{Person: w.people[row], Objects: w, Now: w.now}).True()
	}
}

// members asks the oracle about everybody.
func (w *world) members(is func(uint32) bool) []uint32 {
	out := []uint32{}
	w.ask.each(func(row uint32) {
		if is(row) {
			out = append(out, row)
		}
	})
	return slices.Clip(out)
}
