package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/embedcdp/cdp"
)

// m2 and m3: a process that only opens the file of the data set and answers: its memory with 50 segments saved (m2), the
// time until its first answer after a clean close (m3), and after kill -9 in the middle of intake (m3/kill). The files are
// in the system's cache.

const killAfter = 2 * time.Second // of intake

func opened(ctx context.Context, b *Bench, emit func(Result)) error {
	segments := liveSegments()
	path, err := b.copyOf(ctx, "segments.cdp")
	if err != nil {
		return err
	}
	defer os.Remove(path)
	if err := withSegments(ctx, path, segments); err != nil {
		return err
	}
	seen, err := answerOf(ctx, path, len(segments))
	if err != nil {
		return err
	}
	var sizes []int64
	for _, s := range segments {
		sizes = append(sizes, s.size(b.Data, b.Data.Events, func(i int) int64 { return b.Data.Time[i] }, now.UnixMicro()))
	}
	if b.only["m2"] {
		r := Result{Bench: "m2", What: "memory (RssAnon) with 50 segments", Goal: "<= 1 GiB at 20 M events", Unit: "MiB"}
		r.equalAnswers("members of the segments: cdp", seen.Sizes, "a plain loop", sizes)
		r.Note = "with the default CacheBytes of 256 MiB"
		if seen.RssAnon > 0 {
			r.Value = new(float64(seen.RssAnon) / (1 << 20))
			r.Note = fmt.Sprintf("%s MiB after a garbage collection; ", figure(float64(seen.Freed)/(1<<20))) + r.Note
		} else {
			r.Note = "this system does not tell it; " + r.Note
		}
		emit(r)
	}
	if !b.only["m3"] {
		return nil
	}
	r := Result{Bench: "m3", What: "open to first answer, closed cleanly", CDPMs: seen.AnswerMs, Goal: "<= 1 s", Note: "with 50 segments"}
	want := b.Data.counts(b.Data.Events)
	want[len(eventNames)] = int64(b.Data.Profiles)
	r.equalAnswers("events by type, customers, events: cdp", seen.Counts, "the data set", want)
	emit(r)
	return m3Kill(ctx, b, emit)
}

// withSegments saves segments in a file and closes it.
func withSegments(ctx context.Context, path string, segments []liveSegment) error {
	c, err := cdp.Open(path, cdp.Config{Now: func() time.Time { return now }})
	if err != nil {
		return err
	}
	err = saveSegments(ctx, c, segments)
	if closed := c.Close(); err == nil {
		err = closed
	}
	return err
}

// m3Kill kills a child while it takes events as fast as it can. What it acknowledged must be there, and at most one batch
// more.
func m3Kill(ctx context.Context, b *Bench, emit func(Result)) error {
	path, err := b.copyOf(ctx, "killed.cdp")
	if err != nil {
		return err
	}
	defer os.Remove(path)
	next, err := killedIntake(ctx, path, b.Data.Profiles, b.Data.Events, killAfter)
	if err != nil {
		return err
	}
	seen, err := answerOf(ctx, path, 0)
	if err != nil {
		return err
	}
	r := Result{Bench: "m3/kill", What: "open to first answer, killed at full intake", CDPMs: seen.AnswerMs, Goal: "<= 10 s",
		Note: fmt.Sprintf("no segments; killed after %s further events", thousands(next-b.Data.Events))}
	there := int(seen.Counts[len(seen.Counts)-1])
	r.equal(there == next || there == next+batchSize, "%d events are there; acknowledged were %d", there, next)
	emit(r)
	return nil
}
