package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/embedcdp/cdp"
)

// This file keeps the data set as files, the library's and DuckDB's: each is made when it is first needed, and used by
// all that measure something on it. What changes the file works on a copy.

type files struct {
	cdp  string
	duck *duckDB
}

// file is the whole data set in the library's file, closed.
func (b *Bench) file(ctx context.Context) (string, error) {
	if b.files.cdp != "" {
		return b.files.cdp, nil
	}
	path, took, err := makeFile(ctx, b.Dir, "data.cdp", b.Data)
	if err != nil {
		return "", err
	}
	b.out.note("loaded into cdp in %.1f s, customers, events and the closing checkpoint", took.Seconds())
	b.files.cdp = path
	return path, nil
}

func makeFile(ctx context.Context, dir, name string, d *Data) (path string, took time.Duration, err error) {
	c, err := openCDP(ctx, dir, name)
	if err != nil {
		return "", 0, err
	}
	start := time.Now()
	err = Load(ctx, c, d)
	if closed := c.Close(); err == nil {
		err = closed
	}
	return filepath.Join(dir, name), time.Since(start), err
}

// duck is the whole data set in DuckDB's file, open.
func (b *Bench) duck(ctx context.Context) (*duckDB, error) {
	if b.files.duck != nil {
		return b.files.duck, nil
	}
	duck, err := openDuckDB(ctx, b.Dir, "peer.duckdb")
	if err != nil {
		return nil, err
	}
	b.files.duck = duck
	start := time.Now()
	if err := duck.Load(ctx, b.Data); err != nil {
		return nil, err
	}
	b.out.note("loaded into duckdb %s in %.1f s, by its appender", duck.version, time.Since(start).Seconds())
	return duck, nil
}

// close closes what is open.
func (f *files) close() error {
	if f.duck == nil {
		return nil
	}
	err := f.duck.Close()
	f.duck = nil
	return err
}

// copyOf copies the file of the data set, for those who change it.
func (b *Bench) copyOf(ctx context.Context, name string) (string, error) {
	from, err := b.file(ctx)
	if err != nil {
		return "", err
	}
	to := filepath.Join(b.Dir, name)
	return to, copyFile(from, to)
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	if closed := dst.Close(); err == nil {
		err = closed
	}
	return err
}

// withCopy opens a copy of the data set's file for fn, with a clock that fn moves, and removes it afterwards.
func (b *Bench) withCopy(ctx context.Context, name string, fn func(*cdp.Client, *testClock) error) error {
	path, err := b.copyOf(ctx, name)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	clock := &testClock{}
	clock.set(now)
	c, err := cdp.Open(path, cdp.Config{Now: clock.now})
	if err != nil {
		return err
	}
	defer c.Close()
	return fn(c, clock)
}
