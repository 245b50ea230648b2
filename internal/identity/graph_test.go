package identity

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// twin keeps only the history, and computes every answer from it.
type twin struct {
	rows  int
	ids   []attachment
	links [][2]uint32 // row's canonical, into's canonical at the time
}

type attachment struct {
	kind uint8
	id   string
	row  uint32
}

// group returns the members of each canonical row after all links.
func (tw *twin) group() map[uint32][]uint32 {
	groups := map[uint32][]uint32{}
	for row := range uint32(tw.rows) {
		groups[row] = []uint32{row}
	}
	for _, l := range tw.links {
		groups[l[1]] = append(groups[l[1]], groups[l[0]]...)
		delete(groups, l[0])
	}
	return groups
}

func (tw *twin) canonical(row uint32) uint32 {
	for c, members := range tw.group() {
		if slices.Contains(members, row) {
			return c
		}
	}
	panic("no group")
}

func (tw *twin) customer(canonical uint32) bool {
	return slices.ContainsFunc(tw.ids, func(a attachment) bool { return a.kind == UserID && a.row == canonical })
}

func (tw *twin) link(row, into uint32) error {
	from, to := tw.canonical(row), tw.canonical(into)
	switch {
	case from == to:
		return nil
	case tw.customer(from) && tw.customer(to):
		return ErrTwoCustomers
	case tw.customer(from):
		return ErrCustomerMoves
	}
	tw.links = append(tw.links, [2]uint32{from, to})
	return nil
}

func (tw *twin) attach(kind uint8, id string, row uint32) error {
	for _, a := range tw.ids {
		if a.kind == kind && a.id == id {
			return ErrTaken
		}
	}
	if kind == UserID {
		if c := tw.canonical(row); tw.customer(c) {
			return ErrTwoCustomers
		} else if c != row {
			return ErrCustomerMoves
		}
	}
	tw.ids = append(tw.ids, attachment{kind, id, row})
	return nil
}

func (tw *twin) check(t require.TestingT, g *Graph) {
	groups := tw.group()
	customers := 0
	for c, members := range groups {
		if tw.customer(c) {
			customers++
		}
		var ids []string
		for _, a := range tw.ids {
			if slices.Contains(members, a.row) {
				ids = append(ids, fmt.Sprint(a.kind, a.id))
			}
		}
		for _, m := range members {
			require.Equal(t, c, g.Canonical(m))
			require.Equal(t, tw.customer(c), g.IsCustomer(m))
			require.Equal(t, members, slices.Collect(g.Members(m)))
			var got []string
			for _, id := range g.Identifiers(m) {
				got = append(got, fmt.Sprint(id.Kind, string(id.ID)))
			}
			require.Equal(t, ids, got)
		}
	}
	for _, a := range tw.ids {
		row, ok := g.Find(a.kind, []byte(a.id))
		require.True(t, ok)
		require.Equal(t, a.row, row)
		_, ok = g.Find(a.kind, []byte(a.id+"x"))
		require.False(t, ok)
	}
	require.Equal(t, tw.rows, g.Rows())
	require.Equal(t, len(groups), g.Profiles())
	require.Equal(t, customers, g.Customers())
}

func TestGraphAgainstRecomputation(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g, tw := New(), &twin{}
		for range rapid.IntRange(0, 60).Draw(rt, "ops") {
			row := func() uint32 { return uint32(rapid.IntRange(0, tw.rows-1).Draw(rt, "row")) }
			switch op := rapid.IntRange(0, 5).Draw(rt, "op"); {
			case op < 2 || tw.rows == 0:
				require.Equal(rt, uint32(tw.rows), g.NewRow())
				tw.rows++
			case op < 4:
				kind, id, r := uint8(rapid.IntRange(0, 3).Draw(rt, "kind")), rapid.StringMatching("[ab]{1,3}").Draw(rt, "id"), row()
				require.Equal(rt, tw.attach(kind, id, r), g.Attach(kind, []byte(id), r))
			default:
				r, into := row(), row()
				require.Equal(rt, tw.link(r, into), g.Link(r, into))
			}
		}
		tw.check(rt, g)
	})
}

// The steps of Resolve rebuild the graph, in their order and also as three tables.
func TestStepsRebuildTheGraph(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := New()
		var steps []Step
		var res Resolution
		for range rapid.IntRange(1, 40).Draw(rt, "events") {
			var ids []Identifier
			for range rapid.IntRange(1, 4).Draw(rt, "ids") {
				id := Identifier{uint8(rapid.IntRange(0, 4).Draw(rt, "kind")), []byte{'a' + byte(rapid.IntRange(0, 4).Draw(rt, "id"))}}
				if id.Kind == AnonymousID && slices.ContainsFunc(ids, func(other Identifier) bool { return other.Kind == AnonymousID }) {
					continue // of two, the one that was known stops being the strongest once the other is known too
				}
				ids = append(ids, id)
			}
			rows := g.Rows()
			g.Resolve(ids, &res)
			require.Equal(rt, res.Created, int(res.Row) >= rows)
			steps = append(steps, res.Steps...)

			again := slices.Clone(res.Conflicts)
			row := res.Row
			g.Resolve(ids, &res)
			require.Equal(rt, row, res.Row)
			require.Empty(rt, res.Steps, "the same event again changes nothing")
			require.Equal(rt, again, res.Conflicts)
		}
		replay := func(want ...Do) *Graph {
			g := New()
			for _, s := range steps {
				switch {
				case !slices.Contains(want, s.Do):
				case s.Do == DoNewRow:
					require.Equal(rt, s.Row, g.NewRow())
				case s.Do == DoAttach:
					require.NoError(rt, g.Attach(s.Identifier.Kind, s.Identifier.ID, s.Row))
				case s.Do == DoLink:
					require.NoError(rt, g.Link(s.Row, s.Into))
				}
			}
			return g
		}
		requireSame(rt, g, replay(DoNewRow, DoAttach, DoLink))
		slices.SortStableFunc(steps, func(a, b Step) int { return int(a.Do) - int(b.Do) })
		requireSame(rt, g, replay(DoNewRow, DoAttach, DoLink))
	})
}

func requireSame(t require.TestingT, want, got *Graph) {
	require.Equal(t, want.Rows(), got.Rows())
	require.Equal(t, []int{want.Customers(), want.Profiles()}, []int{got.Customers(), got.Profiles()})
	for row := range uint32(want.Rows()) {
		require.Equal(t, slices.Collect(want.Members(row)), slices.Collect(got.Members(row)))
		require.Equal(t, want.Identifiers(row), got.Identifiers(row))
		require.Equal(t, want.IsCustomer(row), got.IsCustomer(row))
	}
}

// Enough identifiers that segments split many times and arena blocks fill up.
func TestManyIdentifiers(t *testing.T) {
	g := New()
	name := func(i int) []byte { return fmt.Appendf(nil, "%d%s", i, strings.Repeat("x", i%97)) }
	const n = 50_000
	for i := range n {
		require.NoError(t, g.Attach(uint8(2+i%3), name(i), g.NewRow()))
	}
	for i := range n {
		if row, ok := g.Find(uint8(2+i%3), name(i)); !ok || row != uint32(i) {
			t.Fatalf("identifier %d: row %d, %v", i, row, ok)
		}
		if _, ok := g.Find(uint8(2+(i+1)%3), name(i)); ok {
			t.Fatalf("identifier %d is found under another kind", i)
		}
	}
	require.Error(t, g.Attach(2, nil, 0))
	require.Error(t, g.Attach(2, make([]byte, MaxID+1), 0))
	require.NoError(t, g.Attach(2, make([]byte, MaxID), 0))
	require.Panics(t, func() { g.Canonical(n) })

	var res Resolution
	ids := []Identifier{{2, name(0)}, {3, name(1)}}
	g.Resolve(ids, &res)
	require.Zero(t, testing.AllocsPerRun(100, func() { g.Resolve(ids, &res) }))
}

// population attaches a user id and an email to each customer, and an anonymous id to each of three visitors of which two are linked.
func population(customers int) *Graph {
	g := New()
	var id []byte
	for i := range customers {
		row := g.NewRow()
		id = fmt.Appendf(id[:0], "user-%08d", i)
		must(g.Attach(UserID, id, row))
		id = fmt.Appendf(id[:0], "person.%08d@example.com", i)
		must(g.Attach(2, id, row))
		for j := range 3 {
			visitor := g.NewRow()
			must(g.Attach(AnonymousID, anonymous(&id, i*3+j), visitor))
			if j < 2 {
				must(g.Link(visitor, row))
			}
		}
	}
	return g
}

func anonymous(b *[]byte, i int) []byte {
	*b = fmt.Appendf((*b)[:0], "0190b5a2-c3d4-7%03d-8f60-%012d", i%1000, i)
	return *b
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func BenchmarkBuild(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var g *Graph
	for b.Loop() {
		g = population(1_000_000)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	ids := 5e6
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/ids, "ns/id")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(g.Rows()), "bytes/row")
	b.ReportMetric(float64(len(g.ids.blocks))*blockSize/float64(g.Rows()), "id-bytes/row")
	runtime.KeepAlive(g)
}

func BenchmarkFind(b *testing.B) {
	g := population(1_000_000)
	names := make([][]byte, 1<<16)
	for i := range names {
		names[i] = slices.Clone(anonymous(new([]byte), rand.IntN(3_000_000)))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, ok := g.Find(AnonymousID, names[i&(1<<16-1)]); !ok {
			b.Fatal("lost")
		}
		i++
	}
}
