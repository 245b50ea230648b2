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
	variant := flag.String("variant", string(Uniform), "how events fall on customers: uniform, zipf or merged")
	only := flag.String("only", "", "run only these, such as q1,i3")
	asJSON := flag.Bool("json", false, "print one JSON object a line")
	dir := flag.String("dir", "", "where files are written (default: a temporary folder, removed at the end)")
	flag.IntVar(&b.Runs, "runs", 5, "how often each question is asked; the median counts")
	flag.StringVar(&b.Profiles, "pprof", "", "also write a CPU profile of the library for each bench into this folder")
	flag.Parse()

	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q; all settings are flags", flag.Arg(0))
	case *profiles < 1 || *profiles > 100_000_000 || *events < 1 || *events > 1_000_000_000:
		return errors.New("-profiles takes 1 to 100,000,000 and -events 1 to 1,000,000,000")
	case !slices.Contains([]Variant{Uniform, Zipf, Merged}, Variant(*variant)):
		return fmt.Errorf("-variant %q: use uniform, zipf or merged", *variant)
	case b.Runs < 1:
		return errors.New("-runs must be at least 1")
	}
	if err := b.choose(*only); err != nil {
		return err
	}
	remove, err := b.open(*dir)
	if err != nil {
		return err
	}
	defer remove()

	out := newPrinter(os.Stdout, *asJSON)
	out.head(Head{Machine: machine(), Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH, Profiles: *profiles, Events: *events, Variant: *variant, Runs: b.Runs})
	b.Data = Generate(*profiles, *events, Variant(*variant))
	return b.run(ctx, out)
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

// choose takes the benches named in only, or all.
func (b *Bench) choose(only string) error {
	b.only = map[string]bool{}
	known := []string{"i1", "i3"}
	for _, q := range Questions {
		known = append(known, q.ID)
	}
	for _, id := range strings.Split(only, ",") {
		id = strings.TrimSpace(id)
		switch {
		case id == "" && only == "":
			for _, k := range known {
				b.only[k] = true
			}
		case slices.Contains(known, id):
			b.only[id] = true
		default:
			return fmt.Errorf("-only %q: there is no bench %q; there are %s", only, id, strings.Join(known, ", "))
		}
	}
	return nil
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
