package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/embedcdp/cdp/store/boltstore"
)

// m1: how large the data set is on disk: the file as it is after a clean close, and a compacted copy, beside DuckDB's
// file after a checkpoint. The file holds what is needed to know an event id again, too.

func m1(ctx context.Context, b *Bench, emit func(Result)) error {
	path, err := b.file(ctx)
	if err != nil {
		return err
	}
	duck, err := b.duck(ctx)
	if err != nil {
		return err
	}
	compacted := filepath.Join(b.Dir, "compacted.cdp")
	if err := compact(ctx, path, compacted); err != nil {
		return err
	}
	defer os.Remove(compacted)
	peer, err := fileSize(duck.path)
	if err != nil {
		return err
	}
	for _, f := range []struct{ id, what, path, goal string }{
		{"m1", "file after a clean close", path, ""},
		{"m1/compacted", "the same, compacted", compacted, "<= 1.5 times DuckDB's file"},
	} {
		size, err := fileSize(f.path)
		if err != nil {
			return err
		}
		r := Result{Bench: f.id, What: f.what, Value: new(size), Unit: "MB", Peer: "duckdb " + duck.version, PeerValue: new(peer), Ratio: peer / size, Goal: f.goal}
		if err := sameFile(ctx, b, f.path, &r); err != nil {
			return err
		}
		if f.id == "m1" {
			r.Note = "the event blocks alone cannot be told from the rest of the file from outside"
		}
		emit(r)
	}
	return nil
}

func compact(ctx context.Context, from, to string) error {
	st, err := boltstore.Open(from, nil)
	if err != nil {
		return err
	}
	defer st.Close()
	return st.Compact(ctx, to)
}

func fileSize(path string) (megabytes float64, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return float64(info.Size()) / 1e6, nil
}

// sameFile opens a file and counts what is in it.
func sameFile(ctx context.Context, b *Bench, path string, r *Result) error {
	c, err := openFile(path)
	if err != nil {
		return err
	}
	defer c.Close()
	counts, err := countsOf(ctx, c)
	if err != nil {
		return err
	}
	want := b.Data.counts(b.Data.Events)
	want[len(eventNames)] = int64(b.Data.Profiles) // also those who did nothing
	r.equalAnswers(path, counts, "the data set", want)
	return nil
}
