package insight

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// benchStreams makes 2 M events of 100,000 people over 180 days: 60 % views, 30 % carts, 10 % purchases, each type in
// the given number of sorted tiers by time, pages of 4,096.
func benchStreams(people, events, tiers int) (streams [3]Stream) {
	r := rand.New(rand.NewPCG(15, 16))
	span := int64(180 * 86400e6)
	byType := [3][][]event{}
	for k := range byType {
		byType[k] = make([][]event, tiers)
	}
	for i := range events {
		k := [10]int{0, 0, 0, 0, 0, 0, 1, 1, 1, 2}[r.IntN(10)]
		t := r.Int64N(span)
		tier := int(t * int64(tiers) / span)
		byType[k][tier] = append(byType[k][tier], event{person: uint32(r.IntN(people)), time: t, pos: int64(i), group: uint32(r.IntN(20)), value: float64(r.IntN(10000)) / 100})
	}
	for k := range byType {
		for _, evs := range byType[k] {
			slices.SortFunc(evs, func(a, b event) int {
				if a.person != b.person {
					return int(a.person) - int(b.person)
				}
				return int(a.time - b.time)
			})
			var chunks []Chunk
			for c := range slices.Chunk(evs, 4096) {
				chunks = append(chunks, chunkOf(nil, c, columns{pos: true, group: true, value: true}, false))
			}
			streams[k] = append(streams[k], RunOf(true, chunks...))
		}
	}
	return streams
}

const benchEvents = 2_000_000

func BenchmarkFunnelAnyStart(b *testing.B) {
	for _, tiers := range []int{1, 6} {
		s := benchStreams(100_000, benchEvents, tiers)
		for _, c := range []struct {
			name    string
			times   bool
			workers int
		}{{"", false, 1}, {"/times+lists", true, 1}, {"/workers=2", false, 2}} {
			name := "tiers=" + strconv.Itoa(tiers) + c.name
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					q := Funnel{Steps: []Step{{"view", s[0]}, {"cart", s[1]}, {"buy", s[2]}}, Window: 7 * 86400e6, Times: c.times, Lists: c.times, Workers: c.workers, Rows: 100_000}
					if _, err := q.Run(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchEvents, "ns/event")
			})
		}
	}
}

func BenchmarkTrend(b *testing.B) {
	for _, tiers := range []int{1, 6} {
		s := benchStreams(100_000, benchEvents, tiers)
		all := slices.Concat(s[0], s[1], s[2])
		for _, c := range []struct {
			name     string
			stream   Stream
			measures []Measure
		}{
			{"count", all, []Measure{Count}}, {"count+people", s[0], []Measure{Count, People}}, {"sum", all, []Measure{Total}}, {"median", all, []Measure{Median}},
		} {
			b.Run(c.name+"/tiers="+strconv.Itoa(tiers), func(b *testing.B) {
				events := 0
				for _, run := range c.stream {
					for ch := range run.Chunks {
						events += ch.len()
					}
				}
				for b.Loop() {
					q := Trend{Calendar: Calendar{By: Day}, Range: Range{0, 180 * 86400e6}, Series: []Series{{Events: c.stream, Measures: c.measures,
						GroupName: func(c uint32) string { return strconv.Itoa(int(c)) }}}}
					if _, err := q.Run(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(events), "ns/event")
			})
		}
	}
}

func BenchmarkRetentionWeekly(b *testing.B) {
	s := benchStreams(100_000, benchEvents, 1)
	all := slices.Concat(s[0], s[1], s[2])
	for b.Loop() {
		if _, err := (Retention{Start: all, Return: all, Calendar: Calendar{By: Week}, Range: Range{0, 180 * 86400e6}}).Run(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchEvents, "ns/event")
}

func BenchmarkSum(b *testing.B) {
	var s Sum
	for b.Loop() {
		s.Add(12.34)
	}
}

// logStreams makes events as the platform keeps them: each type in order of arrival, which is that of time but for a few
// late ones, in chunks of 8,192.
func logStreams(people, events int) (streams [3]Stream) {
	r := rand.New(rand.NewPCG(17, 18))
	const rows = 8192
	var chunks [3][]Chunk
	span := int64(180 * 86400e6)
	for i := range events {
		k := [10]int{0, 0, 0, 0, 0, 0, 1, 1, 1, 2}[r.IntN(10)]
		if n := len(chunks[k]); n == 0 || len(chunks[k][n-1].Person) == rows {
			chunks[k] = append(chunks[k], Chunk{Person: make([]uint32, 0, rows), Time: make([]int64, 0, rows), Pos: make([]int64, 0, rows),
				Group: make([]uint32, 0, rows), Value: make([]float64, 0, rows)})
		}
		c := &chunks[k][len(chunks[k])-1]
		t := int64(float64(span) * float64(i) / float64(events))
		if r.IntN(100) == 0 {
			t = max(0, t-r.Int64N(86400e6))
		}
		c.Person, c.Time, c.Pos = append(c.Person, uint32(r.IntN(people))), append(c.Time, t), append(c.Pos, int64(i))
		c.Group, c.Value = append(c.Group, uint32(r.IntN(20))), append(c.Value, float64(r.IntN(10000))/100)
	}
	for k := range streams {
		streams[k] = Stream{RunOf(false, chunks[k]...)}
	}
	return streams
}

// BenchmarkLog is the full size: 20 M events of 1 M people.
func BenchmarkLog(b *testing.B) {
	const people, events = 1_000_000, 20_000_000
	s := logStreams(people, events)
	run := func(name string, workers int, report func(workers int) error) {
		b.Run(name+"/workers="+strconv.Itoa(workers), func(b *testing.B) {
			for b.Loop() {
				if err := report(workers); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
		})
	}
	for _, workers := range []int{1, 2} {
		run("funnel", workers, func(workers int) error {
			_, err := Funnel{Steps: []Step{{"view", s[0]}, {"cart", s[1]}, {"buy", s[2]}}, Window: 7 * 86400e6, Times: true, Lists: true, Workers: workers, Rows: people}.Run()
			return err
		})
		run("retention", workers, func(workers int) error {
			_, err := Retention{Start: slices.Concat(s[0], s[1], s[2]), Calendar: Calendar{By: Week}, Range: Range{0, 180 * 86400e6}, Workers: workers, Rows: people}.Run()
			return err
		})
		run("trend", workers, func(workers int) error {
			_, err := Trend{Calendar: Calendar{By: Day}, Range: Range{0, 180 * 86400e6}, Workers: workers, Rows: people, Series: []Series{
				{Events: s[2], Measures: []Measure{Count, People}, GroupName: func(c uint32) string { return strconv.Itoa(int(c)) }}}}.Run()
			return err
		})
	}
}
