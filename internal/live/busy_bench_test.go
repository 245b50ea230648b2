package live_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/live"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// busiest is one person whose events come one after another, with some that are late.
type busiest struct {
	now      int64
	r        *rand.Rand
	tab      *column.Table
	typ      *live.Type
	category *column.Column
	seconds  *column.Column
	cat      *schema.Catalogue
	busy     *live.Busy
}

const busiestStep = 78 * int64(1e6) // 200,000 events are 180 days

func newBusiest(events int) *busiest {
	b := &busiest{now: 1_760_000_000_000_000, r: rand.New(rand.NewPCG(1, 2)), tab: column.New("view"), cat: catalogue("UTC"), busy: live.NewBusy(64, 64<<20)}
	t := b.tab
	b.typ = &live.Type{Time: t.Add("$t", column.Int64), Seq: t.Add("$q", column.Int64), Source: t.Add("$source", column.Dict), ID: t.Add("$id", column.Bytes),
		Heads: column.NewVector(column.Uint32), Prev: column.NewVector(column.Uint32), Unordered: roaring.New(), Lates: map[uint32]uint32{}, Attr: t.Column}
	b.typ.Heads.Grow(1)
	b.category, b.seconds = t.Add("category", column.Dict), t.Add("seconds", column.Float64)
	for range events {
		b.arrive()
	}
	return b
}

func (b *busiest) arrive() {
	b.now += busiestStep
	i := b.tab.Append()
	b.typ.Time.SetInt(i, b.now)
	b.typ.Seq.SetInt(i, int64(i))
	b.category.SetString(i, fmt.Appendf(nil, "c%d", b.r.IntN(12)))
	b.seconds.SetFloat(i, float64(b.r.IntN(100_000)))
	b.typ.Prev.Grow(int(i) + 1)
	b.typ.Prev.SetUint(i, b.typ.Heads.Uint(0))
	b.typ.Heads.SetUint(0, i+1)
}

func (b *busiest) Busy() *live.Busy                   { return b.busy }
func (b *busiest) Attr(string) *column.Column         { return nil }
func (b *busiest) Type(string) *live.Type             { return b.typ }
func (b *busiest) Calendar() celenv.Calendar          { return celenv.CalendarOf(b.cat) }
func (b *busiest) InSegment(string) func(uint32) bool { return nil }
func (b *busiest) Part(cel string) (live.Part, error) {
	return nil, fmt.Errorf("%s is left to CEL", cel)
}
func (b *busiest) Object(_, _ string, _ int64, _ string) (none value.Value) { return none }

// BenchmarkBusiest asks about a person with 200,000 events as one more comes, for each shape of condition.
func BenchmarkBusiest(b *testing.B) {
	for _, shape := range [][2]string{
		{"exists", `events.view.exists(e, e.category == "none")`},
		{"count", `events.view.within("30d").size() >= 3`},
		{"count of few", `events.view.filter(e, e.category == "none").within("30d").size() >= 3`},
		{"all", `!events.view.within("30d").all(e, e.seconds < 1e6)`},
		{"exists_one", `events.view.within("30d").exists_one(e, e.category == "none")`},
		{"sum", `events.view.within("30d").sum(e, e.seconds) < 0`},
		{"avg", `events.view.avg(e, e.seconds) < 0`},
		{"min", `events.view.within("30d").min(e, e.seconds) < 0`},
		{"max", `events.view.max(e, e.seconds) < 0`},
		{"first", `events.view.within("30d").first().category == "none"`},
		{"last of few", `events.view.filter(e, e.category == "none").last().category == "none"`},
		{"countDistinct", `events.view.within("30d").countDistinct(e, e.seconds) < 0`},
		{"mostFrequent", `events.view.within("30d").mostFrequent(e, e.category) == "none"`},
		{"perDay", `events.view.perDay(30).all(n, n >= 100000)`},
		{"perMonth", `events.view.perMonth(3).all(n, n >= 100000)`},
		{"during", `events.view.during("last_month").sum(e, e.seconds) < 0`},
		{"since last", `events.view.since(events.view.filter(e, e.category == "c1").last().time).size() > 100000`},
		{"until", `events.view.until(ago("7d")).filter(e, e.category == "none").size() > 3`},
		{"sequence", `sequence(events.view.within("30d"), events.view.filter(e, e.category == "none").within("30d"), "7d")`},
	} {
		b.Run(shape[0], func(b *testing.B) {
			person := newBusiest(200_000)
			expr, err := celenv.Compile(person.cat, celenv.Scope{Person: true, Want: celenv.Bool}, shape[1])
			require.NoError(b, err)
			p, err := live.Compile(plan.Logical(expr), person)
			require.NoError(b, err)
			who := &live.Person{Rows: []uint32{0}, Now: person.now}
			p.Holds(who)
			for b.Loop() {
				person.arrive()
				who.Now = person.now
				p.Holds(who)
			}
			b.ReportMetric(float64(person.busy.Bytes()), "bytes/person")
		})
	}
}
