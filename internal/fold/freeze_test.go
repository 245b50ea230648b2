package fold_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/value"
)

// busy applies one random record: an event of somebody, perhaps with a visitor that is linked by it, an attribute or an
// object.
func (w *world) busy(r *rand.Rand, i int) {
	var e record.Encoder
	user, visitor := fmt.Sprintf("u%d", r.IntN(40)), fmt.Sprintf("v%d", r.IntN(400))
	w.now = w.now.Add(time.Minute)
	switch r.IntN(10) {
	case 0:
		e.Begin(record.Head{Kind: record.KindIdentify, Time: w.now.UnixMicro()})
		e.Idents(1)
		e.Ident(fold.UserID, user)
		e.Attrs(2)
		e.Attr("city", value.Str([]string{"Hue", "Hanoi"}[r.IntN(2)]))
		e.Attr("age", value.Num(float64(r.IntN(60))))
	case 1:
		e.Begin(record.Head{Kind: record.KindObject, Name: "product", ID: fmt.Sprintf("p%d", r.IntN(5)), Time: w.now.Add(-time.Hour * time.Duration(r.IntN(3))).UnixMicro()})
		e.Idents(0)
		e.Attrs(1)
		e.Attr("brand", value.Str([]string{"x", "y"}[r.IntN(2)]))
	default:
		e.Begin(record.Head{Kind: record.KindEvent, Name: "buy", ID: fmt.Sprintf("e%d", i), Time: w.now.UnixMicro()})
		both := r.IntN(5) == 0
		e.Idents(1 + map[bool]int{true: 1}[both])
		if r.IntN(2) == 0 || both {
			e.Ident(fold.UserID, user)
		} else {
			e.Ident(fold.AnonymousID, visitor)
		}
		if both {
			e.Ident(fold.AnonymousID, visitor)
		}
		e.Attrs(2)
		e.Attr("product", value.Str(fmt.Sprintf("p%d", r.IntN(5))))
		e.Attr("amount", value.Num(float64(r.IntN(100))))
	}
	e.End(nil)
	v := w.apply(e.Submission(nil))
	require.Equal(w.t, fold.Accepted, v[0].Code, v[0].Reason)
}

// A frozen state gives the answers of its moment, while the state it was taken of goes on.
func TestFreeze(t *testing.T) {
	w := newWorld(t)
	w.define("object", "product", obj{"name": "product", "attributes": obj{"brand": obj{"type": "string"}}})
	w.define("profile", "", obj{"attributes": obj{"city": obj{"type": "string"}, "age": obj{"type": "number"}}})
	w.define("event", "buy", obj{"name": "buy", "attributes": obj{"product": obj{"type": "string", "ref": "product"}, "amount": obj{"type": "number"}}})
	w.define("segment", "big", obj{"name": "big", "where": `events.buy.sum(e, e.amount) > 500`})
	conditions := []string{
		`customer.city == "Hue" && customer.age > 20`,
		`events.buy.filter(e, e.amount > 50).within("10h").size() >= 2`,
		`events.buy.exists(e, e.product.brand == "x")`,
		`!inSegment("big") && events.buy.last().amount > 30`,
		`sequence(events.buy, events.buy, "5m")`,
	}
	everything := celenv.Deps{Events: []string{"buy"}, Attrs: []string{"age", "city"}, Segments: []string{"big"}, Objects: []string{"product"}}
	answers := func(s *fold.State, now int64) (out [][]uint32) {
		for _, where := range conditions {
			for _, of := range []string{"customers", "visitors"} {
				p, err := s.PreviewSegment(&fold.SegmentDef{Name: "x", Where: where, Of: of}, now)
				require.NoError(t, err)
				out = append(out, p.Members().ToArray())
			}
		}
		return out
	}
	r := rand.New(rand.NewPCG(3, 4))
	var readers sync.WaitGroup
	some := 0
	for i := range 12_000 {
		w.busy(r, i)
		if i%1500 != 700 {
			continue
		}
		now := w.now.UnixMicro()
		want, frozen := answers(w.s, now), w.s.Freeze(everything, true)
		for _, rows := range want {
			some += len(rows)
		}
		for range 2 {
			readers.Go(func() {
				if got := answers(frozen, now); !slices.EqualFunc(want, got, slices.Equal[[]uint32]) {
					t.Errorf("a frozen state changed its answers: %v, they were %v", got, want)
				}
			})
		}
	}
	readers.Wait()
	require.Positive(t, some)
}
