package fold_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/value"
)

// busyConditions have every kind of aggregate that is kept for people with many events.
var busyConditions = []string{
	`events.view.filter(e, e.category == "c1").within("3d").size() >= 3`,
	`events.view.within("2d").exists_one(e, e.category == "c2")`,
	`!events.view.within("1d").all(e, e.amount < 90)`,
	`events.view.within("5d").sum(e, e.amount) > 700`,
	`events.view.avg(e, e.amount) > 50`,
	`events.view.within("1d").min(e, e.amount) < 5`,
	`events.view.within("2d").max(e, e.amount) > 95`,
	`events.view.during("yesterday").first().category == "c1"`,
	`events.view.filter(e, e.category != "c0").last().amount > 50`,
	`events.view.within("2d").countDistinct(e, e.category) >= 4`,
	`events.view.within("4d").mostFrequent(e, e.category) == "c3"`,
	`events.view.perDay(3).all(n, n >= 2)`,
	`events.view.within("36h").perDay(2).exists(n, n >= 4)`,
	`events.view.until(ago("2d")).within("4d").size() > 5`,
	`events.view.since(events.cart.last().time).size() > 2`,
	`sequence(events.view.within("3d"), events.cart.within("3d"), "5h")`,
	`sequence(events.view, events.cart.filter(e, e.category == "c1"), events.view.filter(e, e.category == "c2"), "6h")`,
}

// What is kept changes nothing: a state that keeps, one that walks, and one that keeps and is loaded from a checkpoint now and
// then have the same flips, at the same instants, as people merge, events come late, in bulk and dated in the future.
func TestBusyChangesNothing(t *testing.T) {
	flips, kept := 0, 0
	for seed := range uint64(6) {
		undo := fold.KeepBusyFrom(1 << 30)
		walks := newWorld(t)
		undo()
		defer fold.KeepBusyFrom(int(seed % 4))()
		worlds := []*world{walks, newWorld(t), newWorld(t)}
		each := func(do func(w *world)) {
			for _, w := range worlds {
				do(w)
			}
			for _, w := range worlds[1:] {
				require.Equal(t, walks.s.Digest, w.s.Digest, "seed %d at %v", seed, walks.now)
			}
		}
		each(func(w *world) {
			for _, name := range []string{"view", "cart"} {
				w.define("event", name, obj{"name": name, "attributes": obj{"category": obj{"type": "string"}, "amount": obj{"type": "number"}}})
			}
			for k, where := range busyConditions {
				w.define("segment", fmt.Sprint("s", k), obj{"name": fmt.Sprint("s", k), "where": where})
			}
		})
		r, id := rand.New(rand.NewPCG(seed, 5)), 0
		for step := range 250 {
			submission := manyEvents(r, walks.now, &id)
			each(func(w *world) { w.apply(submission) })
			pass := time.Duration(r.IntN(150)) * time.Minute
			each(func(w *world) { w.tick(pass) })
			kept = max(kept, worlds[1].s.BusyBytes())
			if step%20 == 19 {
				worlds[2].reload()
			}
			if step == 120 {
				each(func(w *world) {
					w.define("segment", "s0", obj{"name": "s0", "where": `events.view.filter(e, e.category == "c2").within("2d").size() >= 2`})
				})
			}
		}
		flips += (&shop{s: walks.s}).flips()
	}
	require.Greater(t, flips, 1000)
	require.Greater(t, kept, 20_000)
}

// manyEvents is a submission of some events of three customers and their visitors, who become theirs.
func manyEvents(r *rand.Rand, now time.Time, id *int) []byte {
	var e record.Encoder
	flags, n := byte(0), 1+r.IntN(4)
	if r.IntN(15) == 0 {
		flags, n = record.FlagImport, 100
	}
	for range n {
		*id++
		at := now
		switch r.IntN(12) {
		case 0:
			at = at.Add(-time.Duration(r.IntN(120)) * time.Minute)
		case 1:
			at = at.Add(time.Duration(r.IntN(20)) * time.Hour)
		}
		if flags != 0 {
			at = at.Add(-time.Duration(r.IntN(10_000)) * time.Minute)
		}
		e.Begin(record.Head{Kind: record.KindEvent, Flags: flags, Name: []string{"view", "view", "cart"}[r.IntN(3)], Time: at.UnixMicro(), ID: fmt.Sprint(*id)})
		user, visitor := fmt.Sprint("u", r.IntN(3)), ""
		if r.IntN(30) == 0 {
			visitor = fmt.Sprint("v", r.IntN(12))
		} else if r.IntN(3) == 0 {
			user, visitor = "", fmt.Sprint("v", r.IntN(12))
		}
		switch {
		case user != "" && visitor != "":
			e.Idents(2)
			e.Ident(fold.UserID, user)
			e.Ident(fold.AnonymousID, visitor)
		case user != "":
			e.Idents(1)
			e.Ident(fold.UserID, user)
		default:
			e.Idents(1)
			e.Ident(fold.AnonymousID, visitor)
		}
		if r.IntN(8) == 0 {
			e.Attrs(0)
		} else {
			e.Attrs(2)
			e.Attr("category", value.Str(fmt.Sprint("c", r.IntN(5))))
			e.Attr("amount", value.Num(float64(r.IntN(1000))/10))
		}
		e.End(nil)
	}
	return e.Submission(nil)
}
