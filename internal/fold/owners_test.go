package fold_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/fold"
)

// Questions about people whose visitors are linked now and then count what a map of who did what counts, though whose
// the events of a full chunk are is kept from one question to the next. A state that was frozen before goes on with
// the links of its time.
func TestOwnersOfEvents(t *testing.T) {
	w := newWorld(t)
	w.define("event", "view", obj{"name": "view"})
	r := rand.New(rand.NewPCG(5, 6))
	const visitors, users = 600, 150
	did := map[string]int{} // by user or visitor: events
	owner := map[string]string{}
	n := 0
	views := func(visitor int, many int) {
		v := fmt.Sprintf("v%d", visitor)
		for range many {
			n++
			w.event("view", fmt.Sprint("e", n), "", v)
			if u := owner[v]; u != "" {
				v = u
			}
			did[v]++
		}
	}
	for range 3*column.ChunkRows + 100 {
		// Visitors are about for a while, so that a link does not concern every chunk.
		views(n/60+r.IntN(150), 1)
	}
	const atLeast = 40
	ask := func(s *fold.State) (customers, anonymous int) {
		for _, of := range []string{"customers", "visitors"} {
			p, err := s.PreviewSegment(&fold.SegmentDef{Name: "x", Where: fmt.Sprintf("events.view.size() >= %d", atLeast), Of: of}, w.now.UnixMicro())
			require.NoError(t, err)
			if n := int(p.Members().GetCardinality()); of == "customers" {
				customers = n
			} else {
				anonymous = n
			}
		}
		return customers, anonymous
	}
	want := func() (customers, anonymous int) {
		for who, n := range did {
			if n >= atLeast && who[0] == 'u' {
				customers++
			} else if n >= atLeast {
				anonymous++
			}
		}
		return customers, anonymous
	}
	type then struct {
		s                    *fold.State
		customers, anonymous int
	}
	var before []then
	kept, looked, changed := 0, 0, map[int]bool{}
	for round := range 60 {
		for range r.IntN(3) {
			v, u := fmt.Sprintf("v%d", r.IntN(visitors)), fmt.Sprintf("u%d", r.IntN(users))
			if owner[v] != "" {
				continue
			}
			w.now = w.now.Add(time.Second)
			n++
			w.event("view", fmt.Sprint("e", n), u, v)
			owner[v] = u
			did[u] += did[v] + 1
			delete(did, v)
		}
		if round%7 == 3 {
			views(r.IntN(visitors), 200)
		}
		if round == 40 {
			w.reload()
		}
		for k := range 3 {
			looked++
			if w.s.OwnersKept("view", k) {
				kept++
			}
		}
		wantCustomers, wantVisitors := want()
		for range 2 { // looked up, and kept
			customers, anonymous := ask(w.s)
			require.Equal(t, wantCustomers, customers, "round %d", round)
			require.Equal(t, wantVisitors, anonymous, "round %d", round)
		}
		changed[wantCustomers] = true
		before = append(before, then{w.s.Freeze(celenv.Deps{Events: []string{"view"}}, false), wantCustomers, wantVisitors})
		b := before[r.IntN(len(before))]
		customers, anonymous := ask(b.s)
		require.Equal(t, b.customers, customers)
		require.Equal(t, b.anonymous, anonymous)
	}
	require.Greater(t, len(changed), 10)
	require.Greater(t, kept, looked/4, "what was looked up must be kept where no link concerned the chunk")
	require.Less(t, kept, looked, "links must have concerned some chunk")
}
