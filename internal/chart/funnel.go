package chart

import (
	"fmt"
	"math"

	"github.com/embedcdp/cdp/internal/insight/table"
)

// Funnel shows how many people reach each step.
type Funnel struct {
	Title string
	Steps []FunnelStep
	Unit  string // of the counts; default "people"
}

// FunnelStep is one step.
type FunnelStep struct {
	Name  string
	Count int64
	Note  string // such as "median 2 h after the step before"; may be empty
}

func (f Funnel) SVG(o Options) []byte { return render(f, o) }
func (f Funnel) heading() string      { return f.Title }
func (f Funnel) wide() bool           { return false }

func (f Funnel) unit() string {
	if f.Unit == "" {
		return "people"
	}
	return f.Unit
}

// Data has a row a step: count, share of the step before, share of the first step.
func (f Funnel) Data() *table.Table {
	t := &table.Table{Columns: []table.Column{{Name: "step", Kind: table.Text}, {Name: "count", Kind: table.Integer, Unit: f.unit()},
		{Name: "of previous", Kind: table.Ratio}, {Name: "of first", Kind: table.Ratio}, {Name: "note", Kind: table.Text}}}
	for k, s := range f.Steps {
		t.Rows = append(t.Rows, []table.Cell{table.TextCell(s.Name), table.IntegerCell(s.Count),
			table.RatioCell(f.share(k, max(k-1, 0))), table.RatioCell(f.share(k, 0)), table.TextCell(s.Note)})
	}
	return t
}

// share is NaN where the other step has nobody.
func (f Funnel) share(k, of int) float64 {
	return float64(f.Steps[k].Count) / float64(f.Steps[of].Count)
}

func (f Funnel) draw(c *canvas) {
	widest := int64(0)
	for _, s := range f.Steps {
		widest = max(widest, s.Count)
	}
	if widest <= 0 {
		c.empty()
		return
	}
	c.desc = fmt.Sprintf("Funnel of %d steps.", len(f.Steps))
	bar := c.Font * 1.7
	for k, s := range f.Steps {
		if k > 0 {
			f.between(c, k)
		}
		count := c.number(float64(s.Count), 0)
		total := c.percent(f.share(k, 0))
		c.y += c.Font * 1.25
		right := count + " " + f.unit()
		if k > 0 {
			right += " · " + total
		}
		room := c.Width - textWidth(right, c.Font) - c.Font
		name := fmt.Sprintf("%d. %s", k+1, s.Name)
		c.text(0, c.y, truncate(name, c.Font, room), name, attrs{"class", "t", "fill", ink, "font-weight", "600"})
		c.text(c.Width, c.y, right, "", attrs{"text-anchor", "end", "class", "t", "fill", ink})
		c.y += c.Font * 0.45
		w := c.Width * float64(s.Count) / float64(widest)
		c.rect(0, c.y, c.Width, bar, attrs{"class", "k", "fill", track, "rx", "3"}, "")
		c.rect(0, c.y, math.Max(w, 1.5), bar, attrs{"class", "s0 f", "fill", accent, "rx", "3"}, fmt.Sprintf("%s: %s %s, %s of the first step", s.Name, count, f.unit(), total))
		c.y += bar
		c.desc += fmt.Sprintf(" %s: %s %s, %s of the first step.", s.Name, count, f.unit(), total)
	}
}

// between writes how many went on from the step before.
func (f Funnel) between(c *canvas, k int) {
	c.y += c.Font * 1.35
	went := "↓ " + c.percent(f.share(k, k-1)) + " went on"
	if lost := f.Steps[k-1].Count - f.Steps[k].Count; lost > 0 {
		went += ", " + c.number(float64(lost), 0) + " dropped"
	}
	indent := c.Font * 0.4
	line := func(s string) {
		c.text(indent, c.y, truncate(s, c.Font, c.Width-indent), s, attrs{"class", "m", "fill", muted})
		c.y += c.Font * 0.45
	}
	note := f.Steps[k].Note
	if note == "" {
		line(went)
		return
	}
	if both := went + " · " + note; textWidth(both, c.Font) <= c.Width-indent {
		line(both)
		return
	}
	line(went)
	c.y += c.Font * 0.85
	indent += textWidth("↓ ", c.Font)
	line(note)
}
