package fold_test

import (
	"testing"
	"time"

	"github.com/embedcdp/cdp/internal/record"
)

// BenchmarkBuild tells what of building a segment over 1,000,000 people happens in the fold, where intake waits: the
// definition, which freezes the state, and the activation; and how long the search between them takes.
func BenchmarkBuild(b *testing.B) {
	sh := newShop(1_000_000, false)
	sh.everybody()
	sh.events(2_000_000, 90*24*time.Hour)
	ms := func(d time.Duration) float64 { return float64(d) / 1e6 }
	for _, c := range []struct{ name, where string }{
		{"attributes", `customer.age <= 40`},
		{"window", `events.purchase.within("30d").size() >= 1`},
		{"quiet", `events.view.size() >= 1 && events.view.within("30d").size() == 0`},
	} {
		b.Run(c.name, func(b *testing.B) {
			var define, find, activate time.Duration
			n, members := 0, uint64(0)
			for b.Loop() {
				sh.events(1000, time.Second) // as when intake goes on
				sh.took = 0
				sh.defineFlags("segment", "x", obj{"name": "x", "where": c.where}, record.FlagBuild)
				define += sh.took
				build := sh.s.BuildOf("x")
				start := time.Now()
				build.Find(nil)
				find += time.Since(start)
				sh.took = 0
				sh.apply(activation("x", build.Number))
				activate += sh.took
				set, _ := sh.s.Members("x")
				members = set.GetCardinality()
				sh.defineFlags("segment", "x", nil, record.FlagDelete)
				n++
			}
			b.ReportMetric(ms(define)/float64(n), "define-ms")
			b.ReportMetric(ms(find)/float64(n), "find-ms")
			b.ReportMetric(ms(activate)/float64(n), "activate-ms")
			b.ReportMetric(float64(members), "members")
		})
	}
}
