package chart

import (
	"fmt"
	"math"
	"strconv"

	"github.com/embedcdp/cdp/internal/insight/table"
)

// Bar compares categories. With several series each category has a bar of each.
type Bar struct {
	Title      string
	Categories []string
	Series     []Series
	Unit       string // of the values; "%" takes fractions and writes percent
	Horizontal bool   // one category a row. Upright bars whose names do not fit are drawn this way too.
}

func (b Bar) SVG(o Options) []byte { return render(b, o) }
func (b Bar) heading() string      { return b.Title }
func (b Bar) wide() bool           { return false }

// Data has a row a category and a column a series.
func (b Bar) Data() *table.Table {
	t := &table.Table{Columns: []table.Column{{Name: "category", Kind: table.Text}}}
	for _, s := range b.Series {
		t.Columns = append(t.Columns, valueColumn(s.Name, b.Unit))
	}
	for i, name := range b.Categories {
		row := []table.Cell{table.TextCell(name)}
		for _, s := range b.Series {
			row = append(row, valueCell(s, i, b.Unit))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// maxCategories is how many categories are drawn: the ones with the largest sums.
const maxCategories = 24

func (b Bar) draw(c *canvas) {
	var note string
	if b.Series, note = topSeries(b.Series, MaxSeries); note != "" {
		c.notes = append(c.notes, note)
	}
	b = b.largest(c)
	lo, hi, ok := extent(b.Series, len(b.Categories))
	if !ok {
		c.empty()
		return
	}
	c.desc = b.describe(c.Options)
	c.patterns(len(b.Series))
	c.legend(b.Series, func(i int, x, y float64) {
		c.bar(i, x+4, y-5, 14, 11, "")
	})
	if b.Horizontal || !b.fits(c) {
		b.drawRows(c, math.Min(lo, 0), math.Max(hi, 0))
		return
	}
	b.drawColumns(c, lo, hi)
}

// largest keeps the categories that matter most, in their order.
func (b Bar) largest(c *canvas) Bar {
	if len(b.Categories) <= maxCategories {
		return b
	}
	size := make([]float64, len(b.Categories))
	for i := range size {
		for _, s := range b.Series {
			if v := s.at(i); finite(v) {
				size[i] += math.Abs(v)
			}
		}
	}
	keep := largest(size, maxCategories)
	c.notes = append(c.notes, fmt.Sprintf("Showing the %d largest of %d categories.", maxCategories, len(b.Categories)))
	out := b
	out.Categories, out.Series = nil, make([]Series, len(b.Series))
	for _, i := range keep {
		out.Categories = append(out.Categories, b.Categories[i])
	}
	for k, s := range b.Series {
		out.Series[k].Name = s.Name
		for _, i := range keep {
			out.Series[k].Values = append(out.Series[k].Values, s.at(i))
		}
	}
	return out
}

func (b Bar) fits(c *canvas) bool {
	band := (c.Width - 5*c.Font) / float64(len(b.Categories))
	for _, name := range b.Categories {
		if textWidth(name, c.Font)+6 > band {
			return false
		}
	}
	return band/float64(len(b.Series)) > 4
}

func (b Bar) drawColumns(c *canvas, lo, hi float64) {
	height := math.Min(c.Width*0.45, 240)
	values := axisTicks(lo, hi, 4, false, b.Unit != "%" && allWhole(b.Series, len(b.Categories)))
	p := c.valueAxis(values, height, b.Unit)
	band := (p.right - p.left) / float64(len(b.Categories))
	one := math.Min(band*0.76/float64(len(b.Series)), 46)
	c.y += c.Font * 1.4
	for i, name := range b.Categories {
		mid := p.left + band*(float64(i)+0.5)
		x := mid - one*float64(len(b.Series))/2
		for k, s := range b.Series {
			if v := s.at(i); finite(v) {
				top, base := p.y.at(v), p.y.at(0)
				c.bar(k, x+one*float64(k)+0.5, math.Min(top, base), one-1, math.Abs(base-top), b.tip(c, name, s, v))
			}
		}
		c.text(mid, c.y, name, "", attrs{"text-anchor", "middle", "class", "m", "fill", muted})
	}
	c.y += c.Font * 0.4
}

// drawRows writes each value at the end of its bar, so it needs no axis.
func (b Bar) drawRows(c *canvas, lo, hi float64) {
	names, values := 0.0, 0.0
	for i, name := range b.Categories {
		names = math.Max(names, textWidth(name, c.Font))
		for _, s := range b.Series {
			values = math.Max(values, textWidth(b.label(c, s.at(i)), c.Font))
		}
	}
	names = math.Min(names, c.Width*0.34)
	left, right := names+10, c.Width-values-6
	if lo < 0 {
		left += values + 6 // negative values stand on the other side
	}
	x := scale{lo, hi, left, math.Max(right, left+20)}
	if lo == hi {
		x.hi = x.lo + 1
	}
	one := math.Max(c.Font*1.25, 13)
	gap := one * 0.55
	c.y += gap * 0.6
	for i, name := range b.Categories {
		block := one * float64(len(b.Series))
		c.text(names, c.y+block/2+c.Font*0.35, truncate(name, c.Font, names), name, attrs{"text-anchor", "end", "class", "t", "fill", ink})
		for k, s := range b.Series {
			v := s.at(i)
			y := c.y + one*float64(k)
			if !finite(v) {
				c.text(x.at(0)+5, y+one/2+c.Font*0.35, "–", "", attrs{"class", "m", "fill", muted})
				continue
			}
			from, to := x.at(math.Min(v, 0)), x.at(math.Max(v, 0))
			c.bar(k, from, y+1, math.Max(to-from, 0.75), one-2, b.tip(c, name, s, v))
			if v < 0 {
				c.text(from-5, y+one/2+c.Font*0.35, b.label(c, v), "", attrs{"text-anchor", "end", "class", "t", "fill", ink})
			} else {
				c.text(to+5, y+one/2+c.Font*0.35, b.label(c, v), "", attrs{"class", "t", "fill", ink})
			}
		}
		c.y += block + gap
	}
	c.line(x.at(0), c.y, x.at(0), c.y-float64(len(b.Categories))*(one*float64(len(b.Series))+gap), attrs{"class", "a", "stroke", axis})
}

func (b Bar) label(c *canvas, v float64) string {
	if b.Unit == "%" {
		return c.percent(v)
	}
	if a := math.Abs(v); a >= 1e7 {
		return c.short(v)
	}
	return c.number(v, decimalsFor(v))
}

func (b Bar) tip(c *canvas, category string, s Series, v float64) string {
	tip := category + ": " + c.value(v, b.Unit)
	if len(b.Series) > 1 {
		tip = s.Name + "\n" + tip
	}
	return tip
}

func (b Bar) describe(o Options) string {
	s := fmt.Sprintf("Bar chart of %d categories and %d series.", len(b.Categories), len(b.Series))
	for i, name := range b.Categories {
		if i == 8 {
			return s + " And more."
		}
		for _, one := range b.Series {
			s += " " + name
			if len(b.Series) > 1 {
				s += ", " + one.Name
			}
			s += ": " + o.value(one.at(i), b.Unit) + "."
		}
	}
	return s
}

// hatches are drawn over the bars of the second and later series.
var hatches = [MaxSeries]string{"", "M0 6L6 0", "M0 3H6", "M0 0L6 6", "M3 0V6", "M0 3H6M3 0V6", "M0 0L6 6M0 6L6 0"}

func (c *canvas) patterns(series int) {
	if series < 2 {
		return
	}
	c.b.WriteString("<defs>")
	for i := 1; i < series; i++ {
		c.b.WriteString(`<pattern id="` + escape(c.ID) + "-p" + strconv.Itoa(i) + `" width="6" height="6" patternUnits="userSpaceOnUse"><path d="` + hatches[i] + `" stroke="#ffffff" stroke-opacity="0.55" fill="none"/></pattern>`)
	}
	c.b.WriteString("</defs>")
}

// bar draws a bar of series i: its colour, and over it its hatching.
func (c *canvas) bar(i int, x, y, w, h float64, tip string) {
	c.rect(x, y, w, h, attrs{"class", "s" + strconv.Itoa(i) + " f", "fill", palette[i], "rx", "1.5"}, tip)
	if i > 0 {
		c.rect(x, y, w, h, attrs{"fill", "url(#" + c.ID + "-p" + strconv.Itoa(i) + ")", "pointer-events", "none"}, "")
	}
}

// Journey compares the nodes of a journey: a group of bars for each node.
type Journey struct {
	Title   string
	Metrics []string // such as sent, delivered, opened, clicked
	Nodes   []JourneyNode
	Unit    string
}

// JourneyNode is one node's values, one a metric; NaN where the channel does not know the metric.
type JourneyNode struct {
	Name   string
	Values []float64
}

func (j Journey) SVG(o Options) []byte { return render(j, o) }
func (j Journey) heading() string      { return j.Title }
func (j Journey) wide() bool           { return false }

// Data has a row a node and a column a metric.
func (j Journey) Data() *table.Table {
	t := j.bars().Data()
	t.Columns[0].Name = "node"
	return t
}

func (j Journey) draw(c *canvas) { j.bars().draw(c) }

func (j Journey) bars() Bar {
	b := Bar{Title: j.Title, Unit: j.Unit, Horizontal: true}
	for k, m := range j.Metrics {
		s := Series{Name: m}
		for _, n := range j.Nodes {
			v := math.NaN()
			if k < len(n.Values) {
				v = n.Values[k]
			}
			s.Values = append(s.Values, v)
		}
		b.Series = append(b.Series, s)
	}
	for _, n := range j.Nodes {
		b.Categories = append(b.Categories, n.Name)
	}
	return b
}
