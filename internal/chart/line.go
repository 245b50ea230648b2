package chart

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/embedcdp/cdp/internal/insight/table"
)

// Line is one or more series over time.
type Line struct {
	Title  string
	Times  []int64        // microseconds since 1970 UTC, ascending
	Zone   *time.Location // of the labels; nil is UTC
	Series []Series
	Unit   string // of the values; "%" takes fractions and writes percent
}

func (l Line) SVG(o Options) []byte { return render(l, o) }
func (l Line) heading() string      { return l.Title }
func (l Line) wide() bool           { return false }

// Data has a row an instant and a column a series.
func (l Line) Data() *table.Table {
	t := &table.Table{Zone: l.Zone, Columns: []table.Column{{Name: "time", Kind: table.Time}}}
	for _, s := range l.Series {
		t.Columns = append(t.Columns, valueColumn(s.Name, l.Unit))
	}
	for i, us := range l.Times {
		row := []table.Cell{table.TimeCell(us)}
		for _, s := range l.Series {
			row = append(row, valueCell(s, i, l.Unit))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func valueColumn(name, unit string) table.Column {
	if unit == "%" {
		return table.Column{Name: name, Kind: table.Ratio}
	}
	return table.Column{Name: name, Kind: table.Number, Unit: unit}
}

func valueCell(s Series, i int, unit string) table.Cell {
	switch {
	case i >= len(s.Values):
		return table.Cell{}
	case unit == "%":
		return table.RatioCell(s.Values[i])
	}
	return table.NumberCell(s.Values[i])
}

func (l Line) draw(c *canvas) {
	n := len(l.Times)
	series, note := topSeries(l.Series, MaxSeries)
	lo, hi, ok := extent(series, n)
	if !ok {
		c.empty()
		return
	}
	if note != "" {
		c.notes = append(c.notes, note)
	}
	c.desc = l.describe(c.Options, series)
	c.legend(series, func(i int, x, y float64) {
		c.line(x, y, x+20, y, lineAttrs(i))
		c.marker(i, x+10, y, 3, "")
	})

	height := c.height
	if height == 0 {
		height = math.Min(c.Width*0.45, 240)
	}
	values := axisTicks(lo, hi, 4, true, l.Unit != "%" && allWhole(series, n))
	p := c.valueAxis(values, height, l.Unit)
	x := scale{float64(l.Times[0]), float64(l.Times[n-1]), p.left, p.right}
	if n > 1 {
		x.from, x.to = p.left+6, p.right-8
	}
	at := func(i int) float64 { return x.at(float64(l.Times[i])) }
	for i, s := range series {
		l.drawSeries(c, i, s, at, p.y)
	}
	c.timeAxis(timeLabels(l.Times, l.Zone), at, p)
}

func lineAttrs(i int) attrs {
	return attrs{"class", "s" + strconv.Itoa(i) + " l", "fill", "none", "stroke", palette[i], "stroke-width", "2", "stroke-dasharray", dashes[i], "stroke-linejoin", "round"}
}

// drawSeries draws the runs between gaps. Markers stand on every point where there is room, else on some; a point
// alone between gaps always has one, as it has no line.
func (l Line) drawSeries(c *canvas, i int, s Series, at func(int) float64, y scale) {
	d, open := "", false
	n := len(l.Times)
	every := max(1, n*14/int(c.Width))
	if n > 40 {
		every = max(every, n/10)
	}
	for k := range n {
		v := s.at(k)
		if !finite(v) {
			open = false
			continue
		}
		command := "M"
		if open {
			command = "L"
		}
		d += command + num(at(k)) + " " + num(y.at(v))
		open = true
	}
	c.path(d, lineAttrs(i), "")
	labels := timeLabels(l.Times, l.Zone)
	for k := range n {
		v := s.at(k)
		alone := (k == 0 || !finite(s.at(k-1))) && (k+1 == n || !finite(s.at(k+1)))
		if finite(v) && (alone || (k+i*every/MaxSeries)%every == 0) {
			when := labels[k].text
			if labels[k].within != "" {
				when += ", " + labels[k].within
			}
			c.marker(i, at(k), y.at(v), 3, s.Name+"\n"+when+": "+c.value(v, l.Unit))
		}
	}
}

// describe says in words what the picture shows.
func (l Line) describe(o Options, series []Series) string {
	labels := timeLabels(l.Times, l.Zone)
	full := func(i int) string { return labels[i].text + " " + labels[i].within }
	s := fmt.Sprintf("Line chart of %d series from %s to %s.", len(l.Series), full(0), full(len(labels)-1))
	for _, one := range series {
		lo, hi, ok := extent([]Series{one}, len(l.Times))
		if !ok {
			s += " " + one.Name + ": no data."
			continue
		}
		s += fmt.Sprintf(" %s: lowest %s, highest %s.", one.Name, o.value(lo, l.Unit), o.value(hi, l.Unit))
	}
	return s
}

// plot is the area between the axes.
type plot struct {
	left, right, top, bottom float64
	y                        scale
}

// valueAxis draws the grid and its labels and makes room for the plot.
func (c *canvas) valueAxis(values []float64, height float64, unit string) plot {
	labels := make([]string, len(values))
	width := 0.0
	for i, v := range values {
		labels[i] = c.short(v)
		if unit == "%" {
			labels[i] = c.number(v*100, 4) + "%"
		}
		width = math.Max(width, textWidth(labels[i], c.Font))
	}
	if unit != "" && unit != "%" {
		c.y += c.Font * 1.1
		c.text(0, c.y, truncate(unit, c.Font, c.Width/2), unit, attrs{"class", "m", "fill", muted})
	}
	c.y += c.Font * 0.9
	p := plot{left: width + 8, right: c.Width - 2, top: c.y, bottom: c.y + height}
	p.y = scale{values[0], values[len(values)-1], p.bottom, p.top}
	for i, v := range values {
		y := p.y.at(v)
		colour, class := hairs, "g"
		if v == 0 {
			colour, class = axis, "a"
		}
		c.line(p.left, y, p.right, y, attrs{"class", class, "stroke", colour})
		c.text(p.left-8, y+c.Font*0.35, labels[i], "", attrs{"text-anchor", "end", "class", "m", "fill", muted})
	}
	c.y = p.bottom
	return p
}

// timeAxis labels as many points as there is room for, and below them the date or year where it changes.
func (c *canvas) timeAxis(labels []timeLabel, at func(int) float64, p plot) {
	widest := 0.0
	within := false
	for _, l := range labels {
		widest = math.Max(widest, textWidth(l.text, c.Font))
		within = within || l.within != ""
	}
	c.y += c.Font * 1.5
	last, lastWithin, withinEnd := math.Inf(-1), "", math.Inf(-1)
	for i, l := range labels {
		x := at(i)
		// The outermost labels move inwards so that nothing is cut off.
		inside := func(half float64) float64 { return math.Max(half, math.Min(x, c.Width-half)) }
		mid := inside(textWidth(l.text, c.Font) / 2)
		if mid-last < widest+c.Font*0.8 {
			continue
		}
		last = mid
		c.line(x, p.bottom, x, p.bottom+4, attrs{"class", "a", "stroke", axis})
		c.text(mid, c.y, l.text, "", attrs{"text-anchor", "middle", "class", "m", "fill", muted})
		if half := textWidth(l.within, c.Font) / 2; l.within != lastWithin && inside(half)-half > withinEnd {
			c.text(inside(half), c.y+c.Font*1.25, l.within, "", attrs{"text-anchor", "middle", "class", "m", "fill", muted})
			lastWithin, withinEnd = l.within, inside(half)+half+c.Font*0.5
		}
	}
	if within {
		c.y += c.Font * 1.25
	}
	c.y += c.Font * 0.4
}
