package chart

import (
	"fmt"
	"math"
	"time"

	"github.com/embedcdp/cdp/internal/insight/table"
)

// Table shows rows as they are.
type Table struct {
	Title string
	Table *table.Table
}

func (t Table) SVG(o Options) []byte { return render(t, o) }
func (t Table) heading() string      { return t.Title }
func (t Table) wide() bool           { return len(t.Data().Columns) > 5 }

// Data is the table itself.
func (t Table) Data() *table.Table {
	if t.Table == nil {
		return &table.Table{}
	}
	return t.Table
}

func (t Table) draw(c *canvas) {
	data := t.Data()
	if len(data.Rows) == 0 || len(data.Columns) == 0 {
		c.empty()
		return
	}
	rows := data.Rows
	if len(rows) > rowsMax {
		rows = rows[:rowsMax]
		c.notes = append(c.notes, fmt.Sprintf("Showing the first %d of %d rows.", rowsMax, len(data.Rows)))
	}
	widths := t.widths(c, rows)
	shown, room := 0, c.Width
	for _, w := range widths {
		if shown > 0 && w > room {
			break
		}
		room -= w + c.Font
		shown++
	}
	if shown < len(widths) {
		c.notes = append(c.notes, fmt.Sprintf("Showing %d of %d columns.", shown, len(widths)))
	}
	extra := math.Max(0, room+c.Font) / float64(shown)
	c.desc = fmt.Sprintf("Table of %d rows and %d columns.", len(data.Rows), len(data.Columns))
	high := c.Font * 1.8
	line := func(text func(k int) string, a attrs, rule string) {
		x := 0.0
		for k := range shown {
			w := widths[k] + extra
			s := text(k)
			cut := truncate(s, c.Font, w)
			if numeric(data.Columns[k].Kind) {
				c.text(x+w, c.y+high*0.65, cut, s, append(attrs{"text-anchor", "end"}, a...))
			} else {
				c.text(x, c.y+high*0.65, cut, s, a)
			}
			x += w + c.Font
		}
		c.y += high
		c.line(0, c.y, c.Width, c.y, attrs{"class", "g", "stroke", rule})
	}
	line(func(k int) string { return heading(data.Columns[k]) }, attrs{"class", "m", "fill", muted, "font-weight", "600"}, axis)
	for _, row := range rows {
		line(func(k int) string { return c.cell(row, k, data.Zone) }, attrs{"class", "t", "fill", ink}, hairs)
	}
}

func (t Table) widths(c *canvas, rows [][]table.Cell) []float64 {
	data := t.Data()
	out := make([]float64, len(data.Columns))
	for k, col := range data.Columns {
		out[k] = textWidth(heading(col), c.Font)
		for _, row := range rows {
			out[k] = math.Max(out[k], textWidth(c.cell(row, k, data.Zone), c.Font))
		}
		out[k] = math.Min(out[k], c.Width*0.45)
	}
	return out
}

func heading(c table.Column) string {
	if c.Unit == "" {
		return c.Name
	}
	return c.Name + " (" + c.Unit + ")"
}

func numeric(k table.Kind) bool {
	return k == table.Integer || k == table.Number || k == table.Ratio || k == table.Duration
}

// cell writes a cell for people: separators, percent, short times and durations.
func (o Options) cell(row []table.Cell, k int, zone *time.Location) string {
	if k >= len(row) {
		return ""
	}
	cell := row[k]
	switch cell.Kind {
	case table.Text:
		return cell.Text
	case table.Integer:
		return o.number(float64(cell.Int), 0)
	case table.Number:
		return o.number(cell.Num, decimalsFor(cell.Num))
	case table.Ratio:
		return o.percent(cell.Num)
	case table.Time:
		if zone == nil {
			zone = time.UTC
		}
		t := time.UnixMicro(cell.Int).In(zone)
		if t.Hour()|t.Minute()|t.Second() == 0 {
			return t.Format(time.DateOnly)
		}
		return t.Format("2006-01-02 15:04")
	case table.Duration:
		return Duration(cell.Int)
	}
	return "–"
}

// Duration writes microseconds in the two largest units that matter, such as "2 d 3 h" or "1.5 s".
func Duration(micros int64) string {
	sign := ""
	s := float64(micros) / 1e6
	if s < 0 {
		sign, s = "−", -s
	}
	two := func(big, small float64, a, b string) string {
		n := math.Round(s / small)
		whole := math.Floor(n * small / big)
		rest := n - whole*big/small
		if rest == 0 {
			return fmt.Sprintf("%s%.0f %s", sign, whole, a)
		}
		return fmt.Sprintf("%s%.0f %s %.0f %s", sign, whole, a, rest, b)
	}
	switch {
	case s >= 86400:
		return two(86400, 3600, "d", "h")
	case s >= 3600:
		return two(3600, 60, "h", "min")
	case s >= 60:
		return two(60, 1, "min", "s")
	}
	return sign + fmt.Sprintf("%.3g s", s)
}
