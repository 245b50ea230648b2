package identity

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBefore lets people come and be linked, keeps a picture after each event, and compares with the graph of then that the
// later graph gives, for everybody and for each group alone.
func TestBefore(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	g := New()
	var res Resolution
	type then struct {
		picture
		links int
		last  Identifier
	}
	var links [][2]uint32
	var last Identifier
	past := []then{{pictureOf(g), 0, last}}
	for range 400 {
		ids := []Identifier{{AnonymousID, fmt.Appendf(nil, "a%d", r.IntN(60))}}
		if r.IntN(3) == 0 {
			ids = append(ids, Identifier{UserID, fmt.Appendf(nil, "u%d", r.IntN(30))})
		}
		if r.IntN(3) == 0 {
			ids = append(ids, Identifier{2, fmt.Appendf(nil, "e%d", r.IntN(30))})
		}
		g.Resolve(ids, &res)
		for _, s := range res.Steps {
			switch s.Do {
			case DoAttach:
				last = s.Identifier
			case DoLink:
				links = append(links, [2]uint32{s.Row, s.Into})
			}
		}
		past = append(past, then{pictureOf(g), len(links), last})
	}
	require.Greater(t, len(links), 20)
	for i, want := range past {
		b := g.Before(want.rows, want.last, nil)
		for _, l := range links[:want.links] {
			require.NoError(t, b.Link(l[0], l[1]))
		}
		require.True(t, equal(want.picture, pictureOf(b)), "after event %d", i)
		checkPeople(t, b)
		for n := range 60 {
			id := fmt.Appendf(nil, "a%d", n)
			row, ok := b.Find(AnonymousID, id)
			was := false
			for _, ids := range want.ids {
				for _, x := range ids {
					was = was || x == string(id)
				}
			}
			require.Equal(t, was, ok)
			if !ok || i%20 != 0 {
				continue
			}
			only := want.members[row]
			one := g.Before(g.Rows(), want.last, only)
			for _, l := range links[:want.links] {
				if want.canonical[l[0]] == want.canonical[row] {
					require.NoError(t, one.Link(l[0], l[1]))
				}
			}
			require.Equal(t, want.canonical[row], one.Canonical(row))
			require.Equal(t, want.isCustomer[row], one.IsCustomer(row))
			require.Equal(t, b.Identifiers(row), one.Identifiers(row))
		}
	}
}
