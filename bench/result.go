package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
)

// Head says what was measured where.
type Head struct {
	Machine  string `json:"machine"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Profiles int    `json:"profiles"`
	Events   int    `json:"events"`
	Variant  string `json:"variant"`
	Runs     int    `json:"runs"`
}

// Result is one line. Times are medians in milliseconds; what was not measured is left out.
type Result struct {
	Bench      string  `json:"bench"`
	What       string  `json:"-"`
	CDPMs      float64 `json:"cdp_ms"`
	Peer       string  `json:"peer,omitempty"`
	PeerMs     float64 `json:"peer_ms,omitempty"`
	Ratio      float64 `json:"ratio,omitempty"` // peer / cdp; of intake by events a second
	LimitMs    float64 `json:"limit_ms,omitempty"`
	OverLimit  float64 `json:"over_limit,omitempty"` // cdp / limit
	Events     int     `json:"events,omitempty"`
	CDPPerS    float64 `json:"cdp_per_s,omitempty"`
	PeerEvents int     `json:"peer_events,omitempty"`
	PeerPerS   float64 `json:"peer_per_s,omitempty"`
	CommitUs   float64 `json:"commit_us,omitempty"` // median commit of one small value on the same disk
	Answer     []int64 `json:"answer,omitempty"`
	Others     float64 `json:"others"` // processors that other processes kept busy meanwhile; far from 0 the figures are worth little
	Equal      bool    `json:"equal"`

	compared   bool
	difference string
}

// equal notes one comparison of answers. The result is equal when all were; the first difference is kept.
func (r *Result) equal(same bool, format string, args ...any) {
	if !r.compared {
		r.compared, r.Equal = true, true
	}
	if !same && r.Equal {
		r.Equal, r.difference = false, fmt.Sprintf(format, args...)
	}
}

func (r *Result) times(cdp, peer, limit float64) {
	r.CDPMs, r.PeerMs, r.LimitMs = cdp, peer, limit
	r.Ratio, r.OverLimit = peer/cdp, cdp/limit
}

// printer writes results as a table or as JSON lines.
type printer struct {
	w       io.Writer
	json    bool
	results []Result
}

func newPrinter(w io.Writer, json bool) *printer { return &printer{w: w, json: json} }

func (p *printer) head(h Head) {
	if p.json {
		p.line(h)
		return
	}
	fmt.Fprintf(p.w, "%s; %s %s; %s customers, %s events, %s; medians of %d\n", h.Machine, h.Go, h.OS, thousands(h.Profiles), thousands(h.Events), h.Variant, h.Runs)
}

// note tells what is no result: a line of the table, or standard error beside JSON.
func (p *printer) note(format string, args ...any) {
	w := p.w
	if p.json {
		w = os.Stderr
	}
	fmt.Fprintf(w, format+"\n", args...)
}

func (p *printer) result(r Result) {
	p.results = append(p.results, r)
	switch {
	case p.json:
		p.line(r)
	case r.Events > 0:
		p.intake(r)
	default:
		if len(p.results) == 1 || p.results[len(p.results)-2].Events > 0 {
			p.row("", "question", "cdp ms", "peer ms", "ratio", "loop ms", "over", "equal", "others", "answer")
		}
		p.row(r.Bench, r.What, figure(r.CDPMs), figure(r.PeerMs), figure(r.Ratio), figure(r.LimitMs), figure(r.OverLimit), yes(r.Equal), fmt.Sprintf("%.2f", r.Others), strings.Trim(fmt.Sprint(r.Answer), "[]"))
	}
}

func (p *printer) row(id, what, cdp, peer, ratio, limit, over, equal, others, answer string) {
	fmt.Fprintf(p.w, "%-8s %-50s %9s %9s %8s %9s %8s  %-5s  %6s  %s\n", id, what, cdp, peer, ratio, limit, over, equal, others, answer)
}

func (p *printer) intake(r Result) {
	fmt.Fprintf(p.w, "%-8s %-30s %s events: %s/s", r.Bench, r.What, thousands(r.Events), thousands(int(r.CDPPerS)))
	if r.Peer != "" {
		fmt.Fprintf(p.w, "; %s, %s events: %s/s; ratio %s", r.Peer, thousands(r.PeerEvents), thousands(int(r.PeerPerS)), figure(r.Ratio))
	}
	if r.CommitUs > 0 {
		fmt.Fprintf(p.w, "; a small commit takes %.0f µs here", r.CommitUs)
	}
	fmt.Fprintf(p.w, "; equal: %s; others: %.2f\n", yes(r.Equal), r.Others)
}

// end sums up, and returns an error when answers differed.
func (p *printer) end() error {
	var logs, n, worst float64
	var differ []error
	for _, r := range p.results {
		if !r.Equal {
			differ = append(differ, fmt.Errorf("%s: the answers differ: %s", r.Bench, r.difference))
		}
		if r.LimitMs > 0 && !strings.Contains(r.Bench, "/") {
			logs, n, worst = logs+math.Log(r.Ratio), n+1, max(worst, r.OverLimit)
		}
	}
	if n > 0 {
		p.note("geometric mean of the questions' ratios: %s; farthest over its loop: %s", figure(math.Exp(logs/n)), figure(worst))
	}
	return errors.Join(differ...)
}

func (p *printer) line(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a figure that is no number: a defect of this program
	}
	fmt.Fprintf(p.w, "%s\n", b)
}

// figure prints three significant digits.
func figure(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	case x >= 1:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.4f", x)
}

func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "NO"
}
