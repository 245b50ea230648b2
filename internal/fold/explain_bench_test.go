package fold_test

import (
	"testing"
	"time"

	"github.com/embedcdp/cdp/internal/fold"
)

// BenchmarkExplain tells how long explaining a person with 200,000 events holds the lock, which is the freezing, beside 200,000
// events of 20,000 others, and how long the answer takes after that, which held the lock as well before states could be frozen.
// intake-ms is the slowest batch of 1,000 events after a freeze: they copy what is shared with it.
func BenchmarkExplain(b *testing.B) {
	sh := newShop(1, false)
	sh.everybody()
	sh.events(200_000, 90*24*time.Hour)
	sh.n = 20_000
	sh.everybody()
	sh.events(200_000, 10*24*time.Hour)
	ms := func(d time.Duration) float64 { return float64(d) / 1e6 }
	for _, c := range []struct{ name, where string }{
		{"count", `events.view.filter(e, e.category == "c3").within("30d").size() >= 3`},
		{"sum", `events.view.sum(e, e.amount) > 100 && customer.age > 18`},
	} {
		b.Run(c.name, func(b *testing.B) {
			sh.define("segment", "x", obj{"name": "x", "where": c.where})
			row, _ := sh.s.Find(fold.UserID, "0")
			var locked, explained, next, batch time.Duration
			n := 0
			for b.Loop() {
				start := time.Now()
				q, _ := sh.s.AskPerson("x", row, sh.now)
				locked += time.Since(start)
				start = time.Now()
				q.Program().Explain(q.Input())
				explained += time.Since(start)
				start = time.Now()
				q.NextFlip(100, func() bool { return false })
				next += time.Since(start)
				sh.took = 0
				sh.events(1000, time.Second)
				batch = max(batch, sh.took)
				n++
			}
			b.ReportMetric(ms(locked)/float64(n), "locked-ms")
			b.ReportMetric(ms(explained)/float64(n), "explain-ms")
			b.ReportMetric(ms(next)/float64(n), "next-ms")
			b.ReportMetric(ms(batch), "intake-ms")
		})
	}
}
