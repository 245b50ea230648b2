package chart

import (
	_ "embed"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/embedcdp/cdp/internal/insight/table"
)

// Page is a dashboard.
type Page struct {
	Title     string
	Subtitle  string
	Language  string         // of the texts, such as "en" or "vi"; default "en"
	Generated time.Time      // shown in Zone; the zero time is left out
	Zone      *time.Location // nil is UTC
	Thousands string         // as in Options
	Decimal   string

	Scores   []Scorecard // the row at the top
	Sections []Section
}

// Section is some charts below a heading.
type Section struct {
	Title  string
	Text   string
	Charts []Chart
}

//go:embed page.css
var pageCSS string

// pageRows is how many rows of a chart's table a page holds.
const pageRows = 500

// WriteHTML writes the page as one file. It loads nothing and runs no script: its policy forbids both, so that a name
// with markup in it can do nothing even if it were not escaped. Every chart is there twice, for a wide and a narrow
// card, and once more as a table. It is laid out for screens from 320 pixels up, light and dark, and for print.
func (p Page) WriteHTML(w io.Writer) error {
	h := &html{w: w, o: Options{Thousands: p.Thousands, Decimal: p.Decimal}.withDefaults()}
	lang := p.Language
	if lang == "" {
		lang = "en"
	}
	h.put(`<!DOCTYPE html>`+"\n"+`<html lang="`, escape(lang), `"><head><meta charset="utf-8">`,
		`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
		`<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer"><title>`, escape(p.Title), `</title><style>`, pageCSS, `</style></head><body>`, "\n")
	h.put(`<header><h1>`, escape(p.Title), `</h1>`)
	h.paragraph(p.Subtitle, "")
	h.put("</header>\n<main>\n")
	if len(p.Scores) > 0 {
		h.put(`<div class="scores">`, "\n")
		for _, s := range p.Scores {
			h.score(s)
		}
		h.put("</div>\n")
	}
	for _, s := range p.Sections {
		h.put(`<section>`)
		if s.Title != "" {
			h.put(`<h2>`, escape(s.Title), `</h2>`)
		}
		h.paragraph(s.Text, "lead")
		h.put(`<div class="grid">`, "\n")
		for _, c := range s.Charts {
			h.chart(c)
		}
		h.put("</div></section>\n")
	}
	h.put("</main>\n<footer>")
	if !p.Generated.IsZero() {
		zone := p.Zone
		if zone == nil {
			zone = time.UTC
		}
		t := p.Generated.In(zone)
		h.put(`Generated <time datetime="`, t.Format(time.RFC3339), `">`, escape(t.Format("2 January 2006, 15:04 MST")), `</time>`)
	}
	h.put("</footer>\n</body></html>\n")
	return h.err
}

// html writes until the first error. Charts are numbered, which keeps their ids apart.
type html struct {
	w   io.Writer
	o   Options
	n   int
	err error
}

func (h *html) put(parts ...string) {
	if h.err == nil {
		_, h.err = io.WriteString(h.w, strings.Join(parts, ""))
	}
}

func (h *html) paragraph(text, class string) {
	if text == "" {
		return
	}
	if class != "" {
		class = ` class="` + class + `"`
	}
	h.put(`<p`, class, `>`, escape(text), `</p>`)
}

func (h *html) score(s Scorecard) {
	h.n++
	h.put(`<div class="card score"><h3>`, escape(s.Title), `</h3><div class="value">`)
	if finite(s.Value) {
		number, unit := s.parts(h.o)
		h.put(escape(number))
		if unit != "" {
			h.put(` <span class="unit">`, escape(unit), `</span>`)
		}
	} else {
		h.put("–")
	}
	h.put(`</div>`)
	if change := s.change(h.o); change != "" {
		h.put(`<div class="change">`, escape(change), `</div>`)
	}
	if lo, hi, ok := extent([]Series{{Values: s.Spark}}, len(s.Spark)); ok {
		c := &canvas{Options: h.o}
		c.spark(s.Spark, lo, hi, 220, 40)
		h.put(`<svg viewBox="0 0 220 40" aria-hidden="true">`, c.b.String(), `</svg>`)
	}
	h.put("</div>\n")
}

func (h *html) chart(c Chart) {
	h.n++
	class := "card"
	if c.wide() {
		class += " wide"
	}
	h.put(`<figure class="`, class, `"><h3>`, escape(c.heading()), `</h3>`)
	if t, ok := c.(Table); ok {
		h.table(t.Data())
		h.put("</figure>\n")
		return
	}
	o := h.o
	o.bare = true
	full := o
	full.ID, full.Width, full.Font = "c"+strconv.Itoa(h.n), 560, 12.5
	if c.wide() {
		full.Width, full.Font = 1080, 12.5
	}
	phone := o
	phone.ID, phone.Width, phone.Font = "c"+strconv.Itoa(h.n)+"n", 310, 11.5
	h.put(`<div class="full">`, string(c.SVG(full)), `</div><div class="phone">`, string(c.SVG(phone)), `</div>`)
	h.put(`<details><summary>Show as table</summary>`)
	h.table(c.Data())
	h.put("</details></figure>\n")
}

func (h *html) table(t *table.Table) {
	if len(t.Rows) == 0 || len(t.Columns) == 0 {
		h.put(`<p class="none">`, noData, `</p>`)
		return
	}
	h.put(`<div class="scroll" tabindex="0"><table><thead><tr>`)
	class := make([]string, len(t.Columns))
	for k, c := range t.Columns {
		switch {
		case numeric(c.Kind):
			class[k] = ` class="n"`
		case c.Kind == table.Time:
			class[k] = ` class="when"`
		}
		h.put(`<th scope="col"`, class[k], `>`, escape(heading(c)), `</th>`)
	}
	h.put("</tr></thead><tbody>\n")
	for i, row := range t.Rows {
		if i == pageRows {
			break
		}
		h.put("<tr>")
		for k := range t.Columns {
			h.put(`<td`, class[k], `>`, escape(h.o.cell(row, k, t.Zone)), `</td>`)
		}
		h.put("</tr>\n")
	}
	h.put("</tbody></table></div>")
	if len(t.Rows) > pageRows {
		h.put(`<p class="note">`, escape(fmt.Sprintf("The first %d of %d rows. The CSV has all.", pageRows, len(t.Rows))), `</p>`)
	}
}
