// Command bench measures the library against DuckDB, SQLite and hand-written loops, on the same data in one run, and
// checks that their answers are equal. See README.md.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		child(os.Args[2:])
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	b := &Bench{}
	profiles := flag.Int("profiles", 20_000, "number of customers")
	events := flag.Int("events", 400_000, "number of events")
	variant := flag.String("variant", string(Uniform), "how events fall on customers: uniform, zipf or merged; all: one after the other")
	only := flag.String("only", "", "run only these, such as q1,i3")
	asJSON := flag.Bool("json", false, "print one JSON object a line")
	dir := flag.String("dir", "", "where files are written (default: a temporary folder, removed at the end)")
	flag.IntVar(&b.Runs, "runs", 5, "how often each question is asked; the median counts")
	flag.StringVar(&b.Profiles, "pprof", "", "also write a CPU profile of the library for each bench into this folder")
	flag.DurationVar(&b.Soak, "soak", 0, "how long the row soak takes; 0 leaves it out")
	flag.Parse()

	variants := []Variant{Variant(*variant)}
	if *variant == "all" {
		variants = allVariants
	}
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q; all settings are flags", flag.Arg(0))
	case *profiles < 1 || *profiles > 100_000_000 || *events < 1 || *events > 1_000_000_000:
		return errors.New("-profiles takes 1 to 100,000,000 and -events 1 to 1,000,000,000")
	case !slices.Contains(allVariants, variants[0]):
		return fmt.Errorf("-variant %q: use uniform, zipf, merged or all", *variant)
	case b.Runs < 1:
		return errors.New("-runs must be at least 1")
	}
	if err := b.choose(*only); err != nil {
		return err
	}
	b.out = newPrinter(os.Stdout, *asJSON)
	for _, v := range variants {
		b.out.head(Head{Machine: machine(), Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH, Profiles: *profiles, Events: *events, Variant: string(v), Runs: b.Runs})
		one := *b
		if err := one.runVariant(ctx, *dir, *profiles, *events, v); err != nil {
			return err
		}
	}
	return b.out.end()
}

// runVariant makes one data set and measures on it, in a folder of its own that is removed at the end.
func (b *Bench) runVariant(ctx context.Context, dir string, profiles, events int, v Variant) error {
	remove, err := b.open(dir)
	if err != nil {
		return err
	}
	defer remove()
	b.Data = Generate(profiles, events, v)
	return b.run(ctx)
}

// open makes the folder for files. remove takes a temporary one away.
func (b *Bench) open(dir string) (remove func(), err error) {
	if b.Profiles != "" {
		if err := os.MkdirAll(b.Profiles, 0o755); err != nil {
			return nil, err
		}
	}
	parent := dir
	if parent != "" {
		if err := os.MkdirAll(parent, 0o755); err != nil {
			return nil, err
		}
	}
	b.Dir, err = os.MkdirTemp(parent, "bench-")
	if err != nil {
		return nil, err
	}
	return func() { os.RemoveAll(b.Dir) }, nil
}

// machine names the processor and how many cores this process may use.
func machine() string {
	model := "unknown processor"
	if f, err := os.Open(filepath.FromSlash("/proc/cpuinfo")); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if name, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d cores, %s", runtime.GOMAXPROCS(0), model)
}
