package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/embedcdp/cdp"
)

// Bench is one run of the benchmark.
type Bench struct {
	Data     *Data
	Dir      string // for files
	Runs     int
	Profiles string // folder for CPU profiles; "" is none

	only map[string]bool
}

// run measures what was chosen and prints it. The error, if any, names what went wrong or whose answers differ.
func (b *Bench) run(ctx context.Context, out *printer) error {
	for _, in := range []struct {
		id  string
		run func(context.Context, *Bench) ([]Result, error)
	}{{"i1", i1}, {"i1", i1Two}, {"i3", i3}} {
		if !b.only[in.id] {
			continue
		}
		quiet := listen()
		results, err := in.run(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", in.id, err)
		}
		others := quiet.others()
		for _, r := range results {
			r.Others = others
			out.result(r)
		}
	}
	if slices.ContainsFunc(Questions, func(q Question) bool { return b.only[q.ID] }) {
		if err := b.questions(ctx, out); err != nil {
			return err
		}
	}
	return out.end()
}

// rig is everybody who answers questions, loaded with the same data.
type rig struct {
	b     *Bench
	cdp   *cdp.Client
	duck  *duckDB
	loops *Loops
	names int // segments saved so far
}

func (b *Bench) questions(ctx context.Context, out *printer) error {
	r := &rig{b: b}
	var err error
	if r.cdp, err = openCDP(ctx, b.Dir, "questions.cdp"); err != nil {
		return err
	}
	defer r.cdp.Close()
	start := time.Now()
	if err := Load(ctx, r.cdp, b.Data); err != nil {
		return err
	}
	took := time.Since(start)
	if r.duck, err = openDuckDB(ctx, b.Dir); err != nil {
		return err
	}
	defer r.duck.Close()
	start = time.Now()
	if err := r.duck.Load(ctx, b.Data); err != nil {
		return err
	}
	out.note("loaded in %.1f s (cdp, customers and events), %.1f s (duckdb %s, appender)", took.Seconds(), time.Since(start).Seconds(), r.duck.version)
	r.loops = NewLoops(b.Data)

	for _, q := range Questions {
		if !b.only[q.ID] {
			continue
		}
		results, err := r.ask(ctx, q)
		if err != nil {
			return fmt.Errorf("%s: %w", q.ID, err)
		}
		for _, res := range results {
			out.result(res)
		}
	}
	return nil
}

// ask asks everybody once to warm up, then Runs times in turns. A segment question gives two further results: saving it
// (compile, commit, fill), and reading the count of the saved one, which is kept up to date.
func (r *rig) ask(ctx context.Context, q Question) ([]Result, error) {
	res := Result{Bench: q.ID, What: q.What, Peer: "duckdb " + r.duck.version}
	res.equal(true, "")
	live := Result{Bench: q.ID + "/live", What: "the same, kept up to date", Peer: res.Peer}
	live.equal(true, "")
	saved := Result{Bench: q.ID + "/saved", What: "saved as a segment, durable", Peer: res.Peer}
	saved.equal(true, "")
	m := NewMembers(r.b.Data.Profiles)
	var times, savedTimes, liveTimes, peerTimes, loopTimes []float64
	quiet := listen()
	for round := range r.b.Runs + 1 {
		name := r.newName(q)
		var own, peer, loop []int64
		own, took, err := r.askCDP(ctx, q, name)
		if err != nil {
			return nil, err
		}
		savedTook, liveTook := 0.0, 0.0
		if q.Where != "" {
			var n int
			savedTook, err = timed(func() error { return r.cdp.Segments().Save(ctx, cdp.Segment{Name: name, Where: q.Where}) })
			if err != nil {
				return nil, err
			}
			liveTook, err = timed(func() (err error) { n, err = r.cdp.Segments().Count(ctx, name); return err })
			if err != nil {
				return nil, err
			}
			live.equal(int64(n) == own[0], "cdp counts %d when kept up to date and %d as new", n, own[0])
		}
		peerTook, err := timed(func() (err error) { peer, err = r.duck.Counts(ctx, q.SQL); return err })
		if err != nil {
			return nil, err
		}
		loopTook, _ := timed(func() error { loop = q.Loop(r.loops, m); return nil })
		if round == 0 { // to warm up, and to compare person by person
			if err := r.compareMembers(ctx, q, name, m, &res); err != nil {
				return nil, err
			}
		} else {
			times, savedTimes, liveTimes = append(times, took), append(savedTimes, savedTook), append(liveTimes, liveTook)
			peerTimes, loopTimes = append(peerTimes, peerTook), append(loopTimes, loopTook)
		}
		res.equal(slices.Equal(own, peer) && slices.Equal(own, loop), "cdp %v, duckdb %v, loop %v", own, peer, loop)
		if err := r.forget(ctx, q, name); err != nil {
			return nil, err
		}
		res.Answer = own
	}
	res.Others = quiet.others()
	live.Others, saved.Others = res.Others, res.Others
	if err := r.profileQuestion(ctx, q); err != nil {
		return nil, err
	}
	res.times(median(times), median(peerTimes), median(loopTimes))
	if q.Where == "" {
		return []Result{res}, nil
	}
	live.Answer, saved.Answer = res.Answer, res.Answer
	saved.times(median(savedTimes), median(peerTimes), median(loopTimes))
	live.times(median(liveTimes), median(peerTimes), median(loopTimes))
	return []Result{res, saved, live}, nil
}

func (r *rig) askCDP(ctx context.Context, q Question, name string) (counts []int64, took float64, err error) {
	took, err = timed(func() (err error) { counts, err = q.CDP(ctx, r.cdp, name); return err })
	return counts, took, err
}

// newName is one that no segment had before, so that nothing known of another helps.
func (r *rig) newName(q Question) string {
	r.names++
	return fmt.Sprintf("%s_%d", q.ID, r.names)
}

// forget removes the segment of a question, so that the next question is not slowed down by it.
func (r *rig) forget(ctx context.Context, q Question, name string) error {
	if q.Where == "" {
		return nil
	}
	return r.cdp.Segments().Remove(ctx, name)
}

// compareMembers compares the members of a segment person by person.
func (r *rig) compareMembers(ctx context.Context, q Question, name string, loop Members, res *Result) error {
	if q.Where == "" {
		return nil
	}
	own, err := MembersOf(ctx, r.cdp, name, r.b.Data.Profiles)
	if err != nil {
		return err
	}
	peer, err := r.duck.Members(ctx, q.MembersSQL, r.b.Data.Profiles)
	if err != nil {
		return err
	}
	for _, other := range []struct {
		name string
		m    Members
	}{{"duckdb", peer}, {"the loop", loop}} {
		if c, different := own.firstDifference(other.m); different {
			res.equal(false, "customer %s: a member by cdp %v, by %s %v", UserID(c), own.has(uint32(c)), other.name, other.m.has(uint32(c)))
		}
	}
	return nil
}

// profileQuestion asks the library again for two seconds under the profiler, outside all measurements.
func (r *rig) profileQuestion(ctx context.Context, q Question) error {
	if r.b.Profiles == "" {
		return nil
	}
	defer r.b.profile(q.ID)()
	for start := time.Now(); time.Since(start) < 2*time.Second; {
		if _, _, err := r.askCDP(ctx, q, r.newName(q)); err != nil {
			return err
		}
	}
	return nil
}

// profile starts a CPU profile, if they are asked for, and returns what ends it.
func (b *Bench) profile(name string) (stop func()) {
	if b.Profiles == "" {
		return func() {}
	}
	f, err := os.Create(filepath.Join(b.Profiles, name+".pprof"))
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: no CPU profile:", err)
		return func() {}
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}
}

// timed runs fn after a garbage collection, so that nobody pays for another's garbage, and returns milliseconds.
func timed(fn func() error) (float64, error) {
	runtime.GC()
	start := time.Now()
	err := fn()
	return ms(time.Since(start)), err
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

func perSecond(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }

func median(x []float64) float64 {
	s := slices.Sorted(slices.Values(x))
	if len(s) == 0 {
		return 0
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
