package chart

import (
	"fmt"
	"math"
	"strconv"

	"github.com/embedcdp/cdp/internal/insight/table"
)

// Retention is a heat table: a row a cohort, a column a period.
type Retention struct {
	Title   string
	Period  string // such as "week"; columns are named "week 0", "week 1", ...
	Cohorts []Cohort
}

// Cohort is one row. Rates are fractions; NaN, or a shorter row, is what cannot be known yet.
type Cohort struct {
	Name  string
	Size  int64
	Rates []float64
}

func (r Retention) SVG(o Options) []byte { return render(r, o) }
func (r Retention) heading() string      { return r.Title }
func (r Retention) wide() bool           { return r.periods() > 8 }

func (r Retention) periods() int {
	n := 0
	for _, c := range r.Cohorts {
		n = max(n, len(c.Rates))
	}
	return n
}

// Data has a row a cohort: size, then the rate of each period.
func (r Retention) Data() *table.Table {
	t := &table.Table{Columns: []table.Column{{Name: "cohort", Kind: table.Text}, {Name: "size", Kind: table.Integer, Unit: "people"}}}
	for k := range r.periods() {
		t.Columns = append(t.Columns, table.Column{Name: r.Period + " " + strconv.Itoa(k), Kind: table.Ratio})
	}
	for _, c := range r.Cohorts {
		row := []table.Cell{table.TextCell(c.Name), table.IntegerCell(c.Size)}
		for k := range r.periods() {
			if k < len(c.Rates) {
				row = append(row, table.RatioCell(c.Rates[k]))
			} else {
				row = append(row, table.Cell{})
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func (r Retention) draw(c *canvas) {
	periods := r.periods()
	if len(r.Cohorts) == 0 || periods == 0 {
		c.empty()
		return
	}
	names, sizes := 0.0, textWidth("People", c.Font)
	for _, row := range r.Cohorts {
		names = math.Max(names, textWidth(row.Name, c.Font))
		sizes = math.Max(sizes, textWidth(c.number(float64(row.Size), 0), c.Font))
	}
	names = math.Min(names, c.Width*0.3)
	left := names + sizes + c.Font*1.6
	cell := math.Max(textWidth("100", c.Font)+6, math.Min((c.Width-left)/float64(periods), 84))
	shown := min(periods, max(1, int((c.Width-left)/cell)))
	if shown < periods {
		cell = (c.Width - left) / float64(shown)
		c.notes = append(c.notes, fmt.Sprintf("Showing %d of %d periods.", shown, periods))
	}
	c.notes = append([]string{"Percent of the cohort, by " + r.Period + " after the first."}, c.notes...)
	rows := r.Cohorts
	if len(rows) > rowsMax {
		rows = rows[len(rows)-rowsMax:]
		c.notes = append(c.notes, fmt.Sprintf("Showing the newest %d of %d cohorts.", rowsMax, len(r.Cohorts)))
	}
	c.desc = r.describe(c.Options)

	high := c.Font * 1.75
	c.y += c.Font * 1.2
	c.text(names+sizes+c.Font*0.8, c.y, "People", "", attrs{"text-anchor", "end", "class", "m", "fill", muted})
	for k := range shown {
		c.text(left+cell*(float64(k)+0.5), c.y, strconv.Itoa(k), "", attrs{"text-anchor", "middle", "class", "m", "fill", muted})
	}
	c.y += c.Font * 0.5
	for _, row := range rows {
		base := c.y + high/2 + c.Font*0.35
		c.text(0, base, truncate(row.Name, c.Font, names), row.Name, attrs{"class", "t", "fill", ink})
		c.text(names+sizes+c.Font*0.8, base, c.number(float64(row.Size), 0), "", attrs{"text-anchor", "end", "class", "m", "fill", muted})
		for k := range min(shown, len(row.Rates)) {
			rate := row.Rates[k]
			if !finite(rate) {
				continue
			}
			fill, text := heat(rate)
			x := left + cell*float64(k)
			c.rect(x+0.75, c.y+0.75, cell-1.5, high-1.5, attrs{"fill", fill, "rx", "2.5"}, fmt.Sprintf("%s, %s %d: %s", row.Name, r.Period, k, c.percent(rate)))
			c.text(x+cell/2, base, strconv.Itoa(int(math.Round(math.Max(-9999, math.Min(9999, rate*100))))), "", attrs{"text-anchor", "middle", "fill", text, "pointer-events", "none"})
		}
		c.y += high
	}
}

// heat gives the colour of a rate, from pale to dark blue, and the colour of text that can be read on it.
func heat(rate float64) (fill, text string) {
	f := math.Sqrt(math.Max(0, math.Min(1, rate))) // most rates are small: give them more of the scale
	stops := [][3]float64{{240, 245, 250}, {158, 202, 225}, {8, 69, 128}}
	at := f * 2
	i := min(int(at), 1)
	at -= float64(i)
	var rgb [3]float64
	for k := range rgb {
		rgb[k] = math.Round(stops[i][k] + (stops[i+1][k]-stops[i][k])*at)
	}
	fill = fmt.Sprintf("#%02x%02x%02x", int(rgb[0]), int(rgb[1]), int(rgb[2]))
	if contrast(rgb, [3]float64{255, 255, 255}) > contrast(rgb, [3]float64{}) {
		return fill, "#ffffff"
	}
	return fill, "#000000"
}

// contrast is the ratio of WCAG 2.
func contrast(a, b [3]float64) float64 {
	la, lb := luminance(a), luminance(b)
	return (math.Max(la, lb) + 0.05) / (math.Min(la, lb) + 0.05)
}

func luminance(rgb [3]float64) float64 {
	weights := [3]float64{0.2126, 0.7152, 0.0722}
	l := 0.0
	for k, v := range rgb {
		v /= 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		l += weights[k] * v
	}
	return l
}

func (r Retention) describe(o Options) string {
	s := fmt.Sprintf("Retention of %d cohorts over %d periods.", len(r.Cohorts), r.periods())
	for i, c := range r.Cohorts {
		if i == 3 {
			return s + " And more."
		}
		s += fmt.Sprintf(" %s: %s people", c.Name, o.number(float64(c.Size), 0))
		if len(c.Rates) > 1 {
			s += fmt.Sprintf(", %s after one %s", o.percent(c.Rates[1]), r.Period)
		}
		s += "."
	}
	return s
}
