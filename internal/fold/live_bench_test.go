package fold_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/value"
)

// shop is a portal under load: n people, uniform or with a busiest one who makes an eighth of the events.
type shop struct {
	s    *fold.State
	now  int64
	r    *rand.Rand
	zipf *rand.Zipf
	n    int
	id   int
	enc  record.Encoder
	took time.Duration // folding, without the making of records
}

func newShop(people int, zipf bool) *shop {
	sh := &shop{s: fold.New(), now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), r: rand.New(rand.NewPCG(1, 2)), n: people}
	if zipf {
		sh.zipf = rand.NewZipf(sh.r, 1.15, 1, uint64(people-1))
	}
	num, str := obj{"type": "number"}, obj{"type": "string"}
	for _, e := range []string{"view", "cart", "purchase"} {
		sh.define("event", e, obj{"name": e, "attributes": obj{"category": str, "amount": num}})
	}
	sh.define("profile", "", obj{"attributes": obj{"age": num, "city": str}})
	return sh
}

func (sh *shop) apply(sub []byte) {
	start := time.Now()
	v, err := sh.s.Apply(record.Batch{Position: sh.s.Position + 1, Now: sh.now, Digest: sh.s.Digest, Submissions: [][]byte{sub}})
	sh.took += time.Since(start)
	if err != nil {
		panic(err)
	}
	for _, x := range v[0] {
		if x.Code == fold.Rejected {
			panic(x.Reason)
		}
	}
}

func (sh *shop) define(kind, name string, def any) { sh.defineFlags(kind, name, def, 0) }

func (sh *shop) defineFlags(kind, name string, def any, flags byte) {
	body, err := json.Marshal(def)
	if err != nil {
		panic(err)
	}
	sh.enc.Begin(record.Head{Kind: record.KindDefine, Flags: flags, Name: kind, ID: name})
	sh.enc.Idents(0)
	sh.enc.Attrs(0)
	sh.enc.End(body)
	sh.apply(sh.enc.Submission(nil))
	sh.enc = record.Encoder{}
}

func (sh *shop) person() string {
	if sh.zipf != nil {
		return fmt.Sprint(sh.zipf.Uint64())
	}
	return fmt.Sprint(sh.r.IntN(sh.n))
}

func (sh *shop) everybody() {
	for i := 0; i < sh.n; {
		for end := min(sh.n, i+1000); i < end; i++ {
			sh.enc.Begin(record.Head{Kind: record.KindIdentify})
			sh.enc.Idents(1)
			sh.enc.Ident(fold.UserID, fmt.Sprint(i))
			sh.enc.Attrs(2)
			sh.enc.Attr("age", value.Num(float64(18+i%60)))
			sh.enc.Attr("city", value.Str([]string{"Hue", "Hanoi", "Berlin", "Lima"}[i%4]))
			sh.enc.End(nil)
		}
		sh.apply(sh.enc.Submission(nil))
		sh.enc = record.Encoder{}
	}
}

// events tracks n events in batches of 1,000 which are spread over a span of time.
func (sh *shop) events(n int, span time.Duration) {
	step := span.Microseconds() / int64(n/1000)
	for range n / 1000 {
		sh.now += step
		for range 1000 {
			name := "view"
			switch x := sh.r.IntN(10); {
			case x == 0:
				name = "purchase"
			case x < 4:
				name = "cart"
			}
			sh.id++
			sh.enc.Begin(record.Head{Kind: record.KindEvent, Name: name, Time: sh.now - sh.r.Int64N(step), ID: fmt.Sprint(sh.id)})
			sh.enc.Idents(1)
			sh.enc.Ident(fold.UserID, sh.person())
			sh.enc.Attrs(2)
			sh.enc.Attr("category", value.Str(fmt.Sprint("c", sh.r.IntN(12))))
			sh.enc.Attr("amount", value.Num(float64(sh.r.IntN(20000))/100))
			sh.enc.End(nil)
		}
		sh.apply(sh.enc.Submission(nil))
		sh.enc = record.Encoder{}
	}
}

func (sh *shop) flips() int {
	for _, t := range sh.s.Tables() {
		if t.Name() == "flips" {
			return t.Len()
		}
	}
	return 0
}

func (sh *shop) tick(d time.Duration) {
	sh.now += d.Microseconds()
	sh.enc.Begin(record.Head{Kind: record.KindTick})
	sh.enc.Idents(0)
	sh.enc.Attrs(0)
	sh.enc.End(nil)
	sh.apply(sh.enc.Submission(nil))
	sh.enc = record.Encoder{}
}

// fifty saves 50 segments, 30 of them with windows.
func (sh *shop) fifty() {
	var where []string
	for i := range 12 { // windows
		where = append(where, fmt.Sprintf(`events.purchase.filter(e, e.category == "c%d").within("%dd").size() >= %d`, i, 7+i, 1+i%3))
	}
	for i := range 6 {
		where = append(where,
			fmt.Sprintf(`events.view.within("%dd").size() >= %d`, 1+i, 3+i),
			fmt.Sprintf(`events.purchase.within("%dd").sum(e, e.amount) > %d`, 5+5*i, 100*(i+1)),
			fmt.Sprintf(`customer.age > %d && events.cart.within("%dd").exists(e, e.amount > %d)`, 20+i, 2+i, 100+i))
	}
	for i := range 10 { // none
		where = append(where,
			fmt.Sprintf(`customer.age > %d && customer.city == "Hue"`, 20+i),
			fmt.Sprintf(`events.purchase.size() > %d && events.purchase.exists(e, e.category == "c%d")`, i, i))
	}
	for i, w := range where {
		sh.define("segment", fmt.Sprint("s", i), obj{"name": fmt.Sprint("s", i), "where": w})
	}
}

// five saves 5 journeys, which four events in ten enter, and flips.
func (sh *shop) five() {
	for i, e := range []obj{{"event": "purchase"}, {"event": "cart"}, {"entered": "s3"}, {"entered": "s14"}, {"left": "s20"}} {
		sh.define("journey", fmt.Sprint("j", i), obj{"name": fmt.Sprint("j", i), "entry": e, "nodes": []obj{
			{"id": "wait", "type": "delay", "for": "3d", "next": "end"}, {"id": "end", "type": "exit"}}})
	}
}

// BenchmarkIntake folds events without segments, with 50, with 5 journeys besides, and with a thousand that read other events.
func BenchmarkIntake(b *testing.B) {
	for _, people := range []int{20_000, 200_000} {
		for _, zipf := range []bool{false, true} {
			for _, segments := range []string{"none", "fifty", "fifty and journeys", "others"} {
				b.Run(fmt.Sprintf("people=%d/zipf=%v/segments=%s", people, zipf, segments), func(b *testing.B) {
					sh := newShop(people, zipf)
					sh.everybody()
					switch segments {
					case "fifty":
						sh.fifty()
					case "fifty and journeys":
						sh.fifty()
						sh.five()
					case "others": // a thousand segments whose events do not come
						sh.define("event", "other", obj{"name": "other"})
						for i := range 1000 {
							sh.define("segment", fmt.Sprint("o", i), obj{"name": fmt.Sprint("o", i), "where": fmt.Sprintf(`events.other.within("7d").size() > %d`, i%5)})
						}
					}
					sh.events(200_000, 20*24*time.Hour)
					sh.took = 0
					n := 0
					for b.Loop() {
						sh.events(100_000, 10*24*time.Hour)
						n += 100_000
					}
					b.ReportMetric(float64(n)/sh.took.Seconds(), "events/s")
					b.ReportMetric(float64(sh.took.Nanoseconds())/float64(n), "ns/event")
				})
			}
		}
	}
}

// People and events of BenchmarkFlips. What few people need fits the processor's caches; 1,000,000 and 5,000,000 does not.
var (
	flipPeople = flag.Int("flip-people", 200_000, "people of BenchmarkFlips")
	flipEvents = flag.Int("flip-events", 400_000, "events of BenchmarkFlips, a multiple of 1,000")
)

// BenchmarkFlips moves the clock by 30 days after which nobody is in any window.
func BenchmarkFlips(b *testing.B) {
	for b.Loop() {
		sh := newShop(*flipPeople, false)
		sh.everybody()
		sh.events(*flipEvents, 24*time.Hour)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range 5 {
			sh.define("segment", fmt.Sprint("w", i), obj{"name": fmt.Sprint("w", i), "where": fmt.Sprintf(`events.view.within("%dd").size() >= 1`, 5+5*i)})
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		flips := sh.flips()
		sh.took = 0
		sh.tick(30 * 24 * time.Hour)
		n := float64(sh.flips() - flips)
		b.ReportMetric(n, "flips")
		b.ReportMetric(float64(sh.took.Nanoseconds())/n, "ns/flip")
		b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/math.Max(n, 1), "bytes/pending-and-member-and-flip")
	}
}
