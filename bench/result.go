package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
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
	Bench      string   `json:"bench"`
	Variant    string   `json:"variant,omitempty"`
	What       string   `json:"-"`
	CDPMs      float64  `json:"cdp_ms,omitempty"`
	Peer       string   `json:"peer,omitempty"`
	PeerMs     float64  `json:"peer_ms,omitempty"`
	Ratio      float64  `json:"ratio,omitempty"` // peer / cdp; of intake by events a second
	LimitMs    float64  `json:"limit_ms,omitempty"`
	OverLimit  float64  `json:"over_limit,omitempty"` // cdp / limit
	Events     int      `json:"events,omitempty"`
	CDPPerS    float64  `json:"cdp_per_s,omitempty"`
	PeerEvents int      `json:"peer_events,omitempty"`
	PeerPerS   float64  `json:"peer_per_s,omitempty"`
	CommitUs   float64  `json:"commit_us,omitempty"` // median commit of one small value on the same disk
	P50Ms      float64  `json:"p50_ms,omitempty"`
	P99Ms      float64  `json:"p99_ms,omitempty"`
	Value      *float64 `json:"value,omitempty"` // what the row is about, where that is none of the above
	PeerValue  *float64 `json:"peer_value,omitempty"`
	Unit       string   `json:"unit,omitempty"` // of the values
	Goal       string   `json:"goal,omitempty"` // where it is not a ratio
	Note       string   `json:"note,omitempty"` // what a reader must know of the figures
	Answer     []int64  `json:"answer,omitempty"`
	Others     float64  `json:"others"` // processors that other processes kept busy meanwhile; far from 0 the figures are worth little
	Equal      bool     `json:"equal"`

	heard      bool // Others is known
	compared   bool
	difference string
}

// listened notes what others did since quiet.
func (r *Result) listened(quiet noise) { r.Others, r.heard = quiet.others(), true }

// answer keeps an answer to print: all of it when it is short, else its length and sum.
func (r *Result) answer(x []int64) {
	if r.Answer = x; len(x) > 8 {
		sum := int64(0)
		for _, v := range x {
			sum += v
		}
		r.Answer = []int64{int64(len(x)), sum}
	}
}

// equalAnswers compares answers and notes the first place where they differ.
func (r *Result) equalAnswers(who string, a []int64, other string, b []int64) {
	if len(a) != len(b) {
		r.equal(false, "%s has %d numbers, %s %d", who, len(a), other, len(b))
		return
	}
	for i := range a {
		if a[i] != b[i] {
			r.equal(false, "number %d of %d: %s has %d, %s %d", i+1, len(a), who, a[i], other, b[i])
			return
		}
	}
	r.equal(true, "")
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

// Summary is the last line about a variant: the geometric mean of the ratios of its questions, those asked as new.
type Summary struct {
	Summary      string  `json:"summary"`
	Variant      string  `json:"variant,omitempty"`
	Questions    int     `json:"questions"`
	GeomeanRatio float64 `json:"geomean_ratio"`
	FarthestOver float64 `json:"farthest_over_limit"`
	Equal        bool    `json:"equal"` // all rows of the variant
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
	case r.LimitMs > 0:
		if n := len(p.results); n == 1 || p.results[n-2].LimitMs == 0 {
			p.row("", "question", "cdp ms", "peer ms", "ratio", "loop ms", "over", "equal", "others", "answer")
		}
		p.row(r.Bench, r.What, figure(r.CDPMs), figure(r.PeerMs), figure(r.Ratio), figure(r.LimitMs), figure(r.OverLimit), yes(r.Equal), fmt.Sprintf("%.2f", r.Others), strings.Trim(fmt.Sprint(r.Answer), "[]"))
		if r.Note != "" {
			fmt.Fprintf(p.w, "%-10s %s\n", "", r.Note)
		}
	default:
		p.figures(r)
	}
}

func (p *printer) row(id, what, cdp, peer, ratio, limit, over, equal, others, answer string) {
	fmt.Fprintf(p.w, "%-10s %-48s %9s %9s %8s %9s %8s  %-5s  %6s  %s\n", id, what, cdp, peer, ratio, limit, over, equal, others, answer)
}

// figures prints a row that is no question: whatever it has.
func (p *printer) figures(r Result) {
	var parts []string
	part := func(is bool, format string, args ...any) {
		if is {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	part(r.CDPPerS > 0, "%s events: %s/s", thousands(r.Events), thousands(int(r.CDPPerS)))
	if r.Value != nil {
		part(true, "%s %s", figure(*r.Value), r.Unit)
	}
	part(r.P99Ms > 0, "p50 %s ms, p99 %s ms", figure(r.P50Ms), figure(r.P99Ms))
	part(r.CDPMs > 0 && r.CDPPerS == 0, "in %s ms", figure(r.CDPMs))
	part(r.PeerPerS > 0, "%s, %s events: %s/s", r.Peer, thousands(r.PeerEvents), thousands(int(r.PeerPerS)))
	if r.PeerValue != nil {
		part(true, "%s: %s %s", r.Peer, figure(*r.PeerValue), r.Unit)
	}
	part(r.Ratio > 0, "ratio %s", figure(r.Ratio))
	part(r.CommitUs > 0, "a small commit takes %.0f µs here", r.CommitUs)
	part(r.Goal != "", "goal: %s", r.Goal)
	part(true, "equal: %s", yes(r.Equal))
	part(true, "others: %.2f", r.Others)
	part(r.Note != "", "%s", r.Note)
	fmt.Fprintf(p.w, "%-10s %-48s %s\n", r.Bench, r.What, strings.Join(parts, "; "))
}

// end sums up by variant, and returns an error when answers differed.
func (p *printer) end() error {
	var differ []error
	for _, r := range p.results {
		if !r.Equal {
			differ = append(differ, fmt.Errorf("%s: the answers differ: %s", strings.TrimSpace(r.Bench+" "+r.Variant), r.difference))
		}
	}
	for _, s := range p.summaries() {
		if p.json {
			p.line(s)
			continue
		}
		p.note("%s: geometric mean of the ratios of %d questions: %s; farthest over its loop: %s", s.Variant, s.Questions, figure(s.GeomeanRatio), figure(s.FarthestOver))
	}
	return errors.Join(differ...)
}

// summaries has one for each variant of which questions were asked.
func (p *printer) summaries() (out []Summary) {
	for _, r := range p.results {
		if len(out) == 0 || out[len(out)-1].Variant != r.Variant {
			out = append(out, Summary{Summary: "questions", Variant: r.Variant, Equal: true})
		}
		s := &out[len(out)-1]
		s.Equal = s.Equal && r.Equal
		if r.LimitMs > 0 && !strings.Contains(r.Bench, "/") {
			s.Questions++
			s.GeomeanRatio += math.Log(r.Ratio)
			s.FarthestOver = max(s.FarthestOver, r.OverLimit)
		}
	}
	for i := range out {
		s := &out[i]
		s.GeomeanRatio = math.Exp(s.GeomeanRatio / float64(max(s.Questions, 1)))
	}
	return slices.DeleteFunc(out, func(s Summary) bool { return s.Questions == 0 })
}

func (p *printer) line(v any) {
	e := json.NewEncoder(p.w)
	e.SetEscapeHTML(false) // goals have < in them
	if err := e.Encode(v); err != nil {
		panic(err) // a figure that is no number: a defect of this program
	}
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
