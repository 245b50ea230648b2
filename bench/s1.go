package main

import (
	"context"
	"fmt"
	"os"

	"github.com/embedcdp/cdp"
)

// s1: what it costs that data grows: the same measured on a twentieth of the data set and on all of it. Intake is of
// further batches of 1,000 on top of what is there. Questions are segments asked as new, and reports; only the library is
// asked here, since all have answered already when their turn comes.

const s1Part = 20

func s1(ctx context.Context, b *Bench, emit func(Result)) error {
	part := Generate(max(b.Data.Profiles/s1Part, 1), max(b.Data.Events/s1Part, 1), b.Data.Variant)
	path, _, err := makeFile(ctx, b.Dir, "part.cdp", part)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	small, err := b.costs(ctx, path, part, nil)
	if err != nil {
		return err
	}
	full, err := b.copyOf(ctx, "full.cdp")
	if err != nil {
		return err
	}
	defer os.Remove(full)
	large, err := b.costs(ctx, full, b.Data, b.asked)
	if err != nil {
		return err
	}
	for i, s := range small {
		l := large[i]
		r := Result{Bench: "s1/" + s.id, What: s.what, CDPMs: l.ms, Value: new(l.ms / s.ms), Unit: "times the cost", Goal: s.goal,
			Note: fmt.Sprintf("%s ms with %s events", figure(s.ms), thousands(part.Events))}
		r.equal(true, "")
		r.equal(s.wrong+l.wrong == "", "%s%s", s.wrong, l.wrong)
		emit(r)
	}
	return nil
}

// cost is one thing's time.
type cost struct {
	id, what, goal string
	ms             float64
	wrong          string // how the answer differs; "" when it is right
}

// costs measures everything on a file. What is known of questions from before is not asked again.
func (b *Bench) costs(ctx context.Context, path string, d *Data, known map[string]float64) (out []cost, err error) {
	c, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	ten, err := q10(ctx, b, c, d)
	if err != nil {
		return nil, err
	}
	var loops *Loops
	for _, q := range Questions {
		one := cost{id: q.ID, what: "the time of " + q.ID, goal: fmt.Sprintf("<= %d times", s1Part)}
		var ok bool
		if one.ms, ok = known[q.ID]; !ok { // else it was asked and compared in this run
			if loops == nil {
				loops = NewLoops(d)
			}
			if one.ms, one.wrong, err = b.costOf(ctx, c, q, loops); err != nil {
				return nil, fmt.Errorf("%s: %w", q.ID, err)
			}
		}
		out = append(out, one)
	}
	out = append(out, cost{"q10", "the median of q10", "flat", ten.P50Ms, ten.difference})
	next := d.Events
	times, err := batchTimes(ctx, c, d.Profiles, &next)
	return append(out, cost{"intake", "a batch of 1,000, the median", "<= 1.2 times", median(times), ""}), err
}

// costOf is the median of a question's times, the library's alone, and how its answer differs from the loop's.
func (b *Bench) costOf(ctx context.Context, c *cdp.Client, q Question, loops *Loops) (took float64, wrong string, err error) {
	var times []float64
	var answer []int64
	for round := range b.Runs + 1 {
		took, err := timed(func() (err error) {
			answer, err = q.CDP(ctx, c, fmt.Sprintf("cost_%s_%d", q.ID, round))
			return err
		})
		if err != nil {
			return 0, "", err
		}
		if round > 0 { // the first is to warm up
			times = append(times, took)
		}
	}
	var r Result
	r.equalAnswers("cdp", answer, "the loop", q.Loop(loops, NewMembers(loops.Customers)))
	return median(times), r.difference, nil
}
