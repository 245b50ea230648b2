package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// Bench is one run of the benchmark over one data set.
type Bench struct {
	Data     *Data
	Dir      string // for files
	Runs     int
	Profiles string // folder for CPU profiles; "" is none
	Soak     time.Duration

	only  map[string]bool
	out   *printer
	files files
	asked map[string]float64 // ms of questions already asked of the whole data set
}

// rows are all that can be measured, in order. One function may measure several rows that share what they need; it leaves
// out what was not chosen.
var rows = []struct {
	ids []string
	run func(ctx context.Context, b *Bench, emit func(Result)) error
}{
	{[]string{"i1", "i2"}, intakeInTurns},
	{[]string{"i1"}, i1Two},
	{[]string{"i3"}, i3},
	{[]string{"i4"}, i4},
	{[]string{"i5"}, i5},
	{[]string{"q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9", "q10"}, questions},
	{[]string{"t1", "t2"}, windows},
	{[]string{"t3"}, t3},
	{[]string{"m1"}, m1},
	{[]string{"m2", "m3"}, opened},
	{[]string{"m4"}, m4},
	{[]string{"m5"}, m5},
	{[]string{"s1"}, s1},
	{[]string{"soak"}, soak},
}

// run measures what was chosen and prints it. The error, if any, names what went wrong; answers that differ are the
// printer's to tell.
func (b *Bench) run(ctx context.Context) (err error) {
	b.asked = map[string]float64{}
	defer func() {
		if closed := b.files.close(); err == nil {
			err = closed
		}
	}()
	for _, row := range rows {
		if !slices.ContainsFunc(row.ids, func(id string) bool { return b.only[id] }) {
			continue
		}
		quiet := listen()
		err := row.run(ctx, b, func(r Result) {
			if !r.heard {
				r.listened(quiet)
			}
			r.Variant = string(b.Data.Variant)
			b.out.result(r)
		})
		if err != nil {
			return fmt.Errorf("%s, %s: %w", strings.Join(row.ids, " "), b.Data.Variant, err)
		}
	}
	return nil
}

// choose takes the rows named in only, or all.
func (b *Bench) choose(only string) error {
	b.only = map[string]bool{}
	var known []string
	for _, row := range rows {
		for _, id := range row.ids {
			if !slices.Contains(known, id) {
				known = append(known, id)
			}
		}
	}
	if only == "" {
		only = strings.Join(known, ",")
	}
	for _, id := range strings.Split(only, ",") {
		id = strings.TrimSpace(id)
		if !slices.Contains(known, id) {
			return fmt.Errorf("-only %q: there is no row %q; there are %s", only, id, strings.Join(known, ", "))
		}
		b.only[id] = true
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
