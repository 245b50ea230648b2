package chart

import (
	"fmt"
	"math"
	"strings"

	"github.com/embedcdp/cdp/internal/insight/table"
)

// Scorecard is one number, how it compares with an earlier one, and how it came about.
type Scorecard struct {
	Title    string
	Value    float64   // NaN is no data
	Unit     string    // "%" takes a fraction and writes percent
	Previous float64   // what to compare with; used where Against is set
	Against  string    // such as "the week before"; empty is no comparison
	Spark    []float64 // a small line without axes; may be empty
}

func (s Scorecard) SVG(o Options) []byte { return render(s, o) }
func (s Scorecard) heading() string      { return s.Title }
func (s Scorecard) wide() bool           { return false }

// Data is one row.
func (s Scorecard) Data() *table.Table {
	row := Series{Values: []float64{s.Value, s.Previous}}
	t := &table.Table{Columns: []table.Column{{Name: "measure", Kind: table.Text}, valueColumn("value", s.Unit)}}
	cells := []table.Cell{table.TextCell(s.Title), valueCell(row, 0, s.Unit)}
	if s.Against != "" {
		t.Columns = append(t.Columns, valueColumn(s.Against, s.Unit))
		cells = append(cells, valueCell(row, 1, s.Unit))
	}
	t.Rows = [][]table.Cell{cells}
	return t
}

func (s Scorecard) draw(c *canvas) {
	if !finite(s.Value) {
		c.empty()
		return
	}
	size := c.Font * 2.4
	value := s.text(c.Options)
	for size > c.Font && textWidth(value, size) > c.Width {
		size *= 0.92
	}
	c.y += size
	c.text(0, c.y, truncate(value, size, c.Width), value, attrs{"font-size", num(size), "font-weight", "600", "class", "t", "fill", ink})
	c.desc = value + "."
	if change := s.change(c.Options); change != "" {
		c.y += c.Font * 1.6
		c.text(0, c.y, truncate(change, c.Font, c.Width), change, attrs{"class", "m", "fill", muted})
		c.desc += " " + change + "."
	}
	c.y += c.Font * 0.6
	if lo, hi, ok := extent([]Series{{Values: s.Spark}}, len(s.Spark)); ok {
		c.spark(s.Spark, lo, hi, c.Width, c.Font*2.6)
	}
}

func (s Scorecard) text(o Options) string {
	if a := math.Abs(s.Value); s.Unit != "%" && a >= 1e9 {
		return withUnit(o.short(s.Value), s.Unit)
	}
	return o.value(s.Value, s.Unit)
}

// parts are the number and its unit, for a page that writes the unit smaller.
func (s Scorecard) parts(o Options) (number, unit string) {
	if s.Unit == "%" || s.Unit == "" {
		return s.text(o), ""
	}
	return strings.TrimSuffix(s.text(o), " "+s.Unit), s.Unit
}

func withUnit(s, unit string) string {
	if unit == "" {
		return s
	}
	return s + " " + unit
}

// change says by how much and which way, in signs and words; percentages differ by points.
func (s Scorecard) change(o Options) string {
	if s.Against == "" || !finite(s.Previous) || !finite(s.Value) {
		return ""
	}
	diff := s.Value - s.Previous
	sign := "▲ +"
	switch {
	case diff == 0:
		return "no change from " + s.Against
	case diff < 0:
		sign = "▼ −"
	}
	if s.Unit == "%" {
		return fmt.Sprintf("%s%s points from %s", sign, o.number(math.Abs(diff)*100, 1), s.Against)
	}
	if s.Previous == 0 {
		return fmt.Sprintf("%s%s from 0 in %s", sign, o.number(math.Abs(diff), decimalsFor(diff)), s.Against)
	}
	return fmt.Sprintf("%s%s from %s", sign, o.percent(math.Abs(diff/s.Previous)), s.Against)
}

// spark draws values between gaps, the last one with a dot.
func (c *canvas) spark(values []float64, lo, hi, width, height float64) {
	s := Series{Values: values}
	x := scale{0, float64(max(len(values)-1, 1)), 3, width - 4}
	y := scale{lo, hi, c.y + height - 4, c.y + 4}
	d, open, last := "", false, -1
	for i := range values {
		v := s.at(i)
		if !finite(v) {
			open = false
			continue
		}
		if open {
			d += "L"
		} else {
			d += "M"
		}
		d += num(x.at(float64(i))) + " " + num(y.at(v))
		open, last = true, i
	}
	c.path(d, attrs{"class", "s0 l", "fill", "none", "stroke", accent, "stroke-width", "1.8", "stroke-linejoin", "round"}, "")
	c.marker(0, x.at(float64(last)), y.at(s.at(last)), 2.6, "")
	c.y += height
}
