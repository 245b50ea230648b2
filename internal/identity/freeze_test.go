package identity

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// picture is everything that can be asked of a graph.
type picture struct {
	rows, customers, profiles int
	canonical                 []uint32
	isCustomer                []bool
	members                   [][]uint32
	ids                       [][]string
}

func pictureOf(g *Graph) picture {
	p := picture{rows: g.Rows(), customers: g.Customers(), profiles: g.Profiles()}
	for row := range uint32(g.Rows()) {
		p.canonical = append(p.canonical, g.Canonical(row))
		p.isCustomer = append(p.isCustomer, g.IsCustomer(row))
		p.members = append(p.members, slices.Collect(g.Members(row)))
		var ids []string
		for _, id := range g.Identifiers(row) {
			ids = append(ids, string(id.ID))
		}
		p.ids = append(p.ids, ids)
	}
	return p
}

// A frozen copy stays what it was while rows, identifiers and links come, and is read beside it without a race.
func TestFreeze(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	g := New()
	var readers sync.WaitGroup
	var res Resolution
	for step := range 40 {
		for range 300 {
			ids := []Identifier{{AnonymousID, fmt.Appendf(nil, "a%d", r.IntN(9000))}}
			if r.IntN(3) == 0 {
				ids = append(ids, Identifier{UserID, fmt.Appendf(nil, "u%d", r.IntN(4000))})
			}
			g.Resolve(ids, &res)
		}
		if step%8 != 0 {
			continue
		}
		want, frozen := pictureOf(g), g.Freeze()
		readers.Go(func() {
			got := pictureOf(frozen)
			if canonical := frozen.Canonicals(); canonical != nil {
				got.canonical = listOf(canonical, frozen.Rows())
			}
			if !equal(want, got) {
				t.Error("a frozen copy changed")
			}
			checkPeople(t, frozen)
		})
	}
	readers.Wait()
	require.Equal(t, pictureOf(g).canonical, listOf(g.Canonicals(), g.Rows()))
	require.Greater(t, g.Rows(), pageSize, "the test must fill more than one page")
}

func listOf(c Canonicals, rows int) (list []uint32) {
	for row := range uint32(rows) {
		list = append(list, c.Of(row))
	}
	return list
}

// checkPeople compares the sets of customers and visitors with what is known of each row.
func checkPeople(t *testing.T, g *Graph) {
	for _, visitors := range []bool{false, true} {
		words := g.People(visitors)
		if len(words) != (g.Rows()+63)/64 {
			t.Errorf("%d words for %d rows", len(words), g.Rows())
		}
		for row := range uint32(len(words) * 64) {
			want := int(row) < g.Rows() && g.Canonical(row) == row && g.IsCustomer(row) != visitors
			if in := words[row/64]>>(row%64)&1 != 0; in != want {
				t.Errorf("row %d of %d in the set of visitors=%v: %v, want %v", row, g.Rows(), visitors, in, want)
			}
		}
	}
}

func equal(a, b picture) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func TestCanonicalsOfNobodyLinked(t *testing.T) {
	g := New()
	g.NewRow()
	require.Nil(t, g.Canonicals())
}
