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
				got.canonical = canonical
			}
			if !equal(want, got) {
				t.Error("a frozen copy changed")
			}
		})
	}
	readers.Wait()
	require.Equal(t, pictureOf(g).canonical, g.Canonicals())
	require.Greater(t, g.Rows(), pageSize, "the test must fill more than one page")
}

func equal(a, b picture) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func TestCanonicalsOfNobodyLinked(t *testing.T) {
	g := New()
	g.NewRow()
	require.Nil(t, g.Canonicals())
}
