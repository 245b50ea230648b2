package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/embedcdp/cdp"
)

// This file asks everybody the questions.

// rig is everybody who answers questions, loaded with the same data.
type rig struct {
	b     *Bench
	cdp   *cdp.Client
	duck  *duckDB
	loops *Loops
	names int // segments saved so far
}

// questions asks what was chosen of q0 to q10.
func questions(ctx context.Context, b *Bench, emit func(Result)) error {
	return b.withCopy(ctx, "questions.cdp", func(c *cdp.Client, _ *testClock) error { return (&rig{b: b, cdp: c}).askAll(ctx, emit) })
}

func (r *rig) askAll(ctx context.Context, emit func(Result)) (err error) {
	b := r.b
	var profiles *Result
	if b.only["q10"] { // before any segment leaves its traces on timelines
		if profiles, err = q10(ctx, b, r.cdp, b.Data); err != nil {
			return fmt.Errorf("q10: %w", err)
		}
	}
	if slices.ContainsFunc(Questions, func(q Question) bool { return b.only[q.ID] }) {
		if r.duck, err = b.duck(ctx); err != nil {
			return err
		}
		r.loops = NewLoops(b.Data)
	}
	for _, q := range Questions {
		if !b.only[q.ID] {
			continue
		}
		results, err := r.ask(ctx, q)
		if err != nil {
			return fmt.Errorf("%s: %w", q.ID, err)
		}
		for _, res := range results {
			emit(res)
		}
	}
	if profiles != nil {
		emit(*profiles)
	}
	return nil
}

// ask asks everybody once to warm up, then Runs times in turns. A segment question gives two further results: saving it
// (compile, commit, fill), and reading the count of the saved one, which is kept up to date.
func (r *rig) ask(ctx context.Context, q Question) ([]Result, error) {
	res := Result{Bench: q.ID, What: q.What, Note: q.Note, Peer: "duckdb " + r.duck.version}
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
		if q.Cells != nil {
			peer = q.Cells(peer)
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
		res.equalAnswers("cdp", own, "duckdb", peer)
		res.equalAnswers("cdp", own, "the loop", loop)
		if err := r.forget(ctx, q, name); err != nil {
			return nil, err
		}
		res.answer(own)
	}
	res.listened(quiet)
	live.Others, live.heard, saved.Others, saved.heard = res.Others, true, res.Others, true
	if err := r.profileQuestion(ctx, q); err != nil {
		return nil, err
	}
	res.times(median(times), median(peerTimes), median(loopTimes))
	r.b.asked[q.ID] = res.CDPMs
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
		if _, err := q.CDP(ctx, r.cdp, r.newName(q)); err != nil { // as it comes, with the garbage it makes
			return err
		}
	}
	return nil
}
