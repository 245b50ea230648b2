package live_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/live"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/roweval"
)

// diary is somebody whose events arrive one by one, on rows that become theirs and cease to be.
type diary struct {
	*somebody
	r      *rand.Rand
	now    int64
	seq    int64
	mine   []uint32
	byRow  [rows]map[string][]roweval.Event
	placed int // late events that were put in their place
}

func newDiary(r *rand.Rand, start int64, zone string) *diary {
	d := &diary{somebody: newSomebody(r, catalogue(zone), start, 12*day), r: r, now: start, mine: []uint32{0}}
	d.busy = live.NewBusy(r.IntN(4), 1<<30)
	for _, typ := range []string{"view", "buy"} {
		d.declare(typ)
	}
	for row := range d.byRow {
		d.byRow[row] = map[string][]roweval.Event{}
	}
	d.gather()
	return d
}

// gather makes the oracle's events: those of all rows that are theirs.
func (d *diary) gather() {
	clear(d.events)
	for _, typ := range []string{"view", "buy"} {
		for _, row := range d.mine {
			d.events[typ] = append(d.events[typ], d.byRow[row][typ]...)
		}
		slices.SortFunc(d.events[typ], func(a, b roweval.Event) int {
			if c := byTime(a, b); c != 0 {
				return c
			}
			return int(a.(event).seq - b.(event).seq)
		})
	}
}

// next lets something happen.
func (d *diary) next() {
	switch d.r.IntN(12) {
	case 0, 1:
		d.now += d.r.Int64N(20) * hour
	case 2:
		d.now += d.r.Int64N(1000)
	case 3:
		rows := [][]uint32{{0}, {0, 1}, {0, 1, 2}, {0, 2}}
		d.mine = rows[d.r.IntN(len(rows))]
	default:
		for range 1 + d.r.IntN(3) {
			d.arrives()
		}
	}
	d.gather()
}

func (d *diary) arrives() {
	at := d.now
	switch d.r.IntN(10) {
	case 0:
		at -= d.r.Int64N(4) * hour
	case 1:
		at -= d.r.Int64N(200) * hour
	case 2:
		at += d.r.Int64N(100) * hour
	}
	typ := []string{"view", "view", "buy"}[d.r.IntN(3)]
	row := uint32(d.r.IntN(rows))
	d.seq++
	e, i := d.happens(d.r, typ, at, d.seq)
	d.byRow[row][typ] = append(d.byRow[row][typ], e)
	d.link(d.types[typ], row, i)
}

// link enters an event into its row's list, late ones behind at most five others.
func (d *diary) link(t *live.Type, row, i uint32) {
	at, later := t.Time.Int(i), uint32(0)
	next := t.Heads.Uint(row)
	if !t.Unordered.Contains(row) {
		for range 5 {
			if next == 0 || t.Time.Int(next-1) <= at {
				break
			}
			later, next = next, t.Prev.Uint(next-1)
		}
		if next != 0 && t.Time.Int(next-1) > at {
			t.Unordered.Add(row)
			later, next = 0, t.Heads.Uint(row)
		}
	}
	t.Prev.SetUint(i, next)
	if later == 0 {
		t.Heads.SetUint(row, i+1)
		return
	}
	t.Prev.SetUint(later-1, i+1)
	t.Lates[row]++
	d.placed++
}

// What is kept for people with many events gives the oracle's answers, as events come in order, late, and dated in the
// future, time passes, and rows become theirs and cease to be. It is awaited no earlier than without, and never too late.
func TestBusyAgainstOracle(t *testing.T) {
	const rounds = 5
	kept, placed, flips := map[string]int{}, 0, 0
	for n, template := range templates {
		for round := range rounds {
			r := rand.New(rand.NewPCG(uint64(n), uint64(round)))
			start := time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC).UnixMicro()
			d := newDiary(r, start, []string{"UTC", "Europe/Berlin"}[r.IntN(2)])
			src := fill(r, template)
			prog := program(t, d.cat, src)
			p, err := live.Compile(plan.Logical(prog.Expr()), source{d.somebody, t})
			require.NoError(t, err)
			again, err := live.Compile(plan.Logical(prog.Expr()), source{d.somebody, t}) // shares what is kept
			require.NoError(t, err)
			who, was := &live.Person{}, false
			for range 150 {
				d.next()
				if r.IntN(40) == 0 {
					d.busy.Drop("view")
				}
				who.Rows, who.Now = d.mine, d.now
				ask := p
				if r.IntN(3) == 0 {
					ask = again
				}
				at := func(instant int64) bool {
					return prog.Eval(roweval.Input{Person: oracle{d.somebody}, Objects: oracle{d.somebody}, Now: instant}).True()
				}
				yes, next := ask.Holds(who)
				require.Equal(t, at(d.now), yes, "%s at %v: %+v", src, time.UnixMicro(d.now).UTC(), d.events)
				require.Greater(t, next, d.now, src)
				if until := min(next, d.now+40*day); until > d.now+1 {
					for _, instant := range []int64{until - 1, d.now + r.Int64N(until-d.now)} {
						require.Equal(t, yes, at(instant), "%s at %v, and not before %v: %+v", src, time.UnixMicro(d.now).UTC(), time.UnixMicro(next).UTC(), d.events)
					}
				}
				kept[template] += d.busy.Holders()
				if yes != was {
					flips++
				}
				was = yes
			}
			placed += d.placed
		}
	}
	for _, template := range templates {
		if kept[template] == 0 {
			t.Log("nothing is kept for", template)
		}
	}
	require.Greater(t, placed, 500)
	require.Greater(t, flips, 1000)
	require.Greater(t, len(kept), 25)
}

// Beyond the limit only the longest walks are spared, and what is counted as taken is what is there.
func TestBusyLimit(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	start := time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC).UnixMicro()
	d := newDiary(r, start, "UTC")
	d.busy = live.NewBusy(1, 20_000)
	var programs []*live.Program
	for k := range 100 {
		prog := program(t, d.cat, fmt.Sprintf(`events.view.within("%dh").sum(e, e.seconds) > 3`, 24*(1+k)))
		p, err := live.Compile(plan.Logical(prog.Expr()), source{d.somebody, t})
		require.NoError(t, err)
		programs = append(programs, p)
	}
	who, most := &live.Person{Rows: []uint32{0, 1, 2}}, 0
	for range 60 {
		d.arrives()
		d.now += hour
		who.Now = d.now
		for _, p := range programs {
			p.Holds(who)
			require.LessOrEqual(t, d.busy.Bytes(), 20_000)
			most = max(most, d.busy.Holders())
		}
	}
	require.Greater(t, most, 10)
	require.Greater(t, d.busy.Long(), 1)
	d.busy.Retain(slices.Values(programs[:1]))
	require.LessOrEqual(t, d.busy.Holders(), 1)
	d.busy.Drop("buy")
	d.busy.Drop("view")
	require.Zero(t, d.busy.Holders())
	require.Zero(t, d.busy.Bytes())
}
