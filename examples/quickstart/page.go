package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/embedcdp/cdp"
)

// page is what the story is printed on: numbered sections of indented lines, at most ten lines of one kind.
type page struct {
	w        io.Writer
	sections int
	started  time.Time
}

func newPage(w io.Writer) *page { return &page{w: w, started: time.Now()} }

func (p *page) section(title string) {
	p.sections++
	fmt.Fprintf(p.w, "\n%d. %s\n", p.sections, title)
}

func (p *page) line(format string, args ...any) {
	fmt.Fprintln(p.w, strings.TrimRight(fmt.Sprintf("   "+format, args...), " "))
}

// block prints text of several lines.
func (p *page) block(text string) {
	for l := range strings.Lines(text) {
		p.line("%s", strings.TrimRight(l, "\n"))
	}
}

// progress tells how far a long run is; a short one only speaks at its end, which is not repeated here.
func (p *page) progress(name string) func(cdp.Progress) {
	return func(at cdp.Progress) {
		if at.Total > 0 && at.Bytes < at.Total {
			p.line("%-12s %3.0f %% read, about %s left", name, 100*float64(at.Bytes)/float64(at.Total), at.Left.Round(time.Second))
		}
	}
}

// money writes an amount of VND.
func money(v float64) string { return thousands(int64(v)) + " VND" }

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
