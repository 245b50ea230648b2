package cdp_test

import (
	"fmt"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
)

// Reports of the worlds of TestOracleOfChunks, with conditions on events, against plain loops over the naive people.

// report asks one report twice.
func (w *chunkWorld) report() {
	w.n.reports++
	[]func(){w.trend, w.funnel, w.retention}[w.r.IntN(3)]()
}

// chunkStep is some events of a type.
type chunkStep struct {
	typ   naiveType
	where string
	term  naiveTerm
}

func (w *chunkWorld) step() chunkStep {
	s := chunkStep{typ: pick(w.r, append(w.d.s.events, w.d.s.events[0])...), term: literalTerm("true", true)}
	if w.r.IntN(4) > 0 {
		s.term = w.where(s.typ, w.r.IntN(3))
		s.where = s.term.text
	}
	return s
}

func (s chunkStep) public() cdp.Step { return cdp.Step{Event: s.typ.name, Where: s.where} }

// of are the step's events of a person, in order of time and arrival.
func (s chunkStep) of(w *chunkWorld, p *naivePerson) (out []*naiveEvent) {
	f := &naiveFrame{w: w.w, p: p, now: w.w.now}
	for _, e := range p.events[s.typ.name] {
		if f.holds(e, s.term) {
			out = append(out, e)
		}
	}
	return out
}

// where is a condition on an event, which a report calls e.
func (w *chunkWorld) where(typ naiveType, depth int) naiveTerm {
	if depth > 0 {
		switch w.r.IntN(3) {
		case 0:
			return and(w.where(typ, depth-1), w.where(typ, depth-1))
		case 1:
			return or(w.where(typ, depth-1), w.where(typ, depth-1))
		}
		return not(w.where(typ, depth-1))
	}
	m := w.m
	m.seg = &naiveSegment{}
	m.subjects = []termSubject{{text: "e", attrs: typ.attrs, event: true, inEvent: true, get: func(f *naiveFrame) any { return f.vars[0] }}}
	switch w.r.IntN(6) {
	case 0:
		if t, ok := m.attribute("boolean"); ok {
			return t
		}
	case 1:
		return m.textTest(0)
	case 2:
		return comparison(m.str(0), pick(w.r, "==", "!="), literalText(pick(w.r, naiveTexts...)))
	case 3:
		return m.has()
	}
	return comparison(m.number(0), m.op(), m.number(0))
}

// trend counts events and people by day, week or month, and in all.
func (w *chunkWorld) trend() {
	s := w.step()
	unit, interval := "day", cdp.Daily
	switch w.r.IntN(3) {
	case 1:
		unit, interval = "week", cdp.Weekly
	case 2:
		unit, interval = "month", cdp.Monthly
	}
	from := w.w.now - w.r.Int64N(80*naiveDay)
	to := from + 1 + w.r.Int64N(50*naiveDay)
	type bucket struct{ count, people float64 }
	want := map[int64]*bucket{}
	var total bucket
	for at := w.w.schema.start(from, unit, 0); at < to; at = w.w.schema.start(at, unit, 1) {
		want[at] = &bucket{}
	}
	for _, p := range w.w.people {
		in := map[int64]bool{}
		for _, e := range s.of(w, p) {
			if e.at < from || to <= e.at {
				continue
			}
			at := w.w.schema.start(e.at, unit, 0)
			if want[at].count++; !in[at] {
				want[at].people++
			}
			if total.count++; len(in) == 0 {
				total.people++
			}
			in[at] = true
		}
	}
	for range 2 {
		got, err := w.c.Insights().Trend(w.t.Context(), cdp.Trend{Range: cdp.Between(time.UnixMicro(from), time.UnixMicro(to)), Interval: interval,
			Series: []cdp.Series{{Event: s.typ.name, Where: s.where}, {Event: s.typ.name, Where: s.where, Measure: cdp.People}}})
		about := fmt.Sprintf("-chunk-seed %d, after %d cases: %s of %s from %s to %s: %s", w.seed, w.n.cases-w.before, unit, s.typ.name, moment(from), moment(to), s.where)
		require.NoError(w.t, err, about)
		require.Equal(w.t, total, bucket{got.Lines[0].Total.Value, got.Lines[1].Total.Value}, about)
		require.Len(w.t, got.Starts, len(want), about)
		for i, start := range got.Starts {
			at := max(start.UnixMicro(), w.w.schema.start(start.UnixMicro(), unit, 0))
			require.Equal(w.t, *want[at], bucket{got.Lines[0].Points[i].Value, got.Lines[1].Points[i].Value}, "%s, %s", start, about)
		}
	}
}

// funnel follows every chain: each step's event after that of the step before, none later than the window allows.
func (w *chunkWorld) funnel() {
	steps := make([]chunkStep, 2+w.r.IntN(2))
	q := cdp.Funnel{}
	for i := range steps {
		steps[i] = w.step()
		q.Steps = append(q.Steps, steps[i].public())
	}
	days := pick(w.r, 1, 3, 7, 30)
	q.Window = strconv.Itoa(days) + "d"
	want := make([]int, len(steps))
	for _, p := range w.w.people {
		lists := make([][]*naiveEvent, len(steps))
		for i := range steps {
			lists[i] = steps[i].of(w, p)
		}
		for n := range steps {
			if naiveSequence(lists[:n+1], int64(days)*naiveDay, nil, nil) {
				want[n]++
			}
		}
	}
	w.n.reached += want[len(want)-1]
	for range 2 {
		got, err := w.c.Insights().Funnel(w.t.Context(), q)
		about := fmt.Sprintf("-chunk-seed %d, after %d cases: %+v", w.seed, w.n.cases-w.before, q)
		require.NoError(w.t, err, about)
		for i := range steps {
			require.Equal(w.t, want[i], got.Steps[i].People, "step %d, %s", i, about)
			require.Equal(w.t, want[i], got.Steps[i].Reached.Len(), "step %d, %s", i, about)
		}
	}
}

// retention takes each person's first event and the periods that later ones lie in.
func (w *chunkWorld) retention() {
	start, back := w.step(), w.step()
	if w.r.IntN(2) == 0 {
		back = start
	}
	q := cdp.Retention{Start: start.public(), Return: back.public(), Interval: pick(w.r, cdp.Daily, cdp.Weekly)}
	unit := string(q.Interval)
	from := w.w.schema.start(w.w.now-(20+w.r.Int64N(50))*naiveDay, unit, 0)
	to := w.w.schema.start(from, unit, 6)
	q.Range = cdp.Between(time.UnixMicro(from), time.UnixMicro(to))
	period := func(at int64) (n int) {
		for w.w.schema.start(from, unit, n+1) <= at {
			n++
		}
		return n
	}
	var size [6]int
	var returned [6][6]int
	for _, p := range w.w.people {
		starts := start.of(w, p)
		if len(starts) == 0 || starts[0].at < from || to <= starts[0].at {
			continue
		}
		cohort := period(starts[0].at)
		size[cohort]++
		in := map[int]bool{}
		for _, e := range back.of(w, p) {
			if starts[0].at <= e.at && e.at < to {
				in[period(e.at)-cohort] = true
			}
		}
		for k := range in {
			returned[cohort][k]++
		}
	}
	for range 2 {
		got, err := w.c.Insights().Retention(w.t.Context(), q)
		about := fmt.Sprintf("-chunk-seed %d, after %d cases: %+v", w.seed, w.n.cases-w.before, q)
		require.NoError(w.t, err, about)
		require.Len(w.t, got.Cohorts, 6, about)
		for i, c := range got.Cohorts {
			require.Equal(w.t, size[i], c.Size, "cohort %d, %s", i, about)
			require.Len(w.t, c.Returned, 6-i, about)
			require.Equal(w.t, returned[i][:6-i], c.Returned, "cohort %d, %s", i, about)
		}
	}
}
