package chart

import (
	"encoding/xml"
	"math"
	"strconv"
	"strings"
)

// canvas builds one SVG document. y is where the next thing goes.
type canvas struct {
	Options
	b     strings.Builder
	y     float64
	desc  string   // alternative text
	notes []string // what was cut
}

// render draws c from title to notes.
func render(c Chart, o Options) []byte {
	cv := &canvas{Options: o.withDefaults()}
	title := c.heading()
	width, pad := cv.Width, 0.0
	if !cv.bare { // a page's card has its own padding
		pad = cv.Font
		cv.Width -= 2 * pad
	}
	if !cv.bare && title != "" {
		size := cv.Font * 1.15
		cv.y += size * 1.25
		cv.text(0, cv.y, truncate(title, size, cv.Width), title, attrs{"font-size", num(size), "font-weight", "600", "class", "t", "fill", ink})
		cv.y += cv.Font * 0.7
	}
	c.draw(cv)
	for _, n := range cv.notes {
		cv.y += cv.Font * 1.4
		cv.text(0, cv.y, truncate(n, cv.Font, cv.Width), n, attrs{"class", "m", "fill", muted})
		cv.y += cv.Font * 0.3
	}
	height := math.Ceil(cv.y + 2 + 1.4*pad)
	desc := strings.TrimSpace(cv.desc + " " + strings.Join(cv.notes, " "))
	if title == "" {
		title = "Chart"
	}

	var doc strings.Builder
	doc.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ` + num(width) + " " + num(height) + `" width="` + num(width) + `" height="` + num(height) +
		`" role="img" aria-labelledby="` + escape(cv.ID) + `-t ` + escape(cv.ID) + `-d" font-family="system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif" font-size="` + num(cv.Font) +
		`" style="max-width:100%;height:auto">`)
	doc.WriteString(`<title id="` + escape(cv.ID) + `-t">` + escape(title) + `</title><desc id="` + escape(cv.ID) + `-d">` + escape(desc) + `</desc>`)
	if !cv.bare {
		doc.WriteString(`<rect width="100%" height="100%" fill="#ffffff"/><g transform="translate(` + num(pad) + " " + num(pad/2) + `)">`)
	}
	doc.WriteString(cv.b.String())
	if !cv.bare {
		doc.WriteString("</g>")
	}
	doc.WriteString("</svg>\n")
	return []byte(doc.String())
}

// attrs are names and values in turn. Values are escaped.
type attrs []string

func (a attrs) String() string {
	var b strings.Builder
	for i := 0; i+1 < len(a); i += 2 {
		if a[i+1] != "" {
			b.WriteString(" " + a[i] + `="` + escape(a[i+1]) + `"`)
		}
	}
	return b.String()
}

// text draws s at the baseline; full, where it differs, is what the reader gets on pointing at it.
func (c *canvas) text(x, y float64, s, full string, a attrs) {
	c.b.WriteString(`<text x="` + num(x) + `" y="` + num(y) + `"` + a.String() + `>`)
	if full != s && full != "" {
		c.b.WriteString(`<title>` + escape(full) + `</title>`)
	}
	c.b.WriteString(escape(s) + `</text>`)
}

func (c *canvas) rect(x, y, w, h float64, a attrs, tip string) {
	c.b.WriteString(`<rect x="` + num(x) + `" y="` + num(y) + `" width="` + num(math.Max(w, 0)) + `" height="` + num(math.Max(h, 0)) + `"` + a.String())
	c.close("rect", tip)
}

func (c *canvas) line(x1, y1, x2, y2 float64, a attrs) {
	c.b.WriteString(`<line x1="` + num(x1) + `" y1="` + num(y1) + `" x2="` + num(x2) + `" y2="` + num(y2) + `"` + a.String() + `/>`)
}

func (c *canvas) path(d string, a attrs, tip string) {
	if d == "" {
		return
	}
	c.b.WriteString(`<path d="` + d + `"` + a.String())
	c.close("path", tip)
}

func (c *canvas) close(name, tip string) {
	if tip == "" {
		c.b.WriteString("/>")
		return
	}
	c.b.WriteString(`><title>` + escape(tip) + `</title></` + name + `>`)
}

// marker draws the i-th series' sign. Signs differ in shape, so they tell series apart without colour.
func (c *canvas) marker(i int, x, y, r float64, tip string) {
	colour := palette[i%MaxSeries]
	class := "s" + strconv.Itoa(i%MaxSeries)
	p := func(dx, dy float64) string { return num(x+dx*r) + " " + num(y+dy*r) }
	solid := attrs{"class", class + " f", "fill", colour}
	stroke := attrs{"class", class + " l", "fill", "none", "stroke", colour, "stroke-width", "1.8"}
	switch i % MaxSeries {
	case 0:
		c.b.WriteString(`<circle cx="` + num(x) + `" cy="` + num(y) + `" r="` + num(r) + `"` + solid.String())
		c.close("circle", tip)
	case 1:
		c.path("M"+p(-.9, -.9)+"L"+p(.9, -.9)+"L"+p(.9, .9)+"L"+p(-.9, .9)+"Z", solid, tip)
	case 2:
		c.path("M"+p(0, -1.2)+"L"+p(1.1, .9)+"L"+p(-1.1, .9)+"Z", solid, tip)
	case 3:
		c.path("M"+p(0, -1.3)+"L"+p(1.3, 0)+"L"+p(0, 1.3)+"L"+p(-1.3, 0)+"Z", solid, tip)
	case 4:
		c.path("M"+p(0, 1.2)+"L"+p(1.1, -.9)+"L"+p(-1.1, -.9)+"Z", solid, tip)
	case 5:
		c.path("M"+p(-1, -1)+"L"+p(1, 1)+"M"+p(1, -1)+"L"+p(-1, 1), stroke, tip)
	default:
		c.path("M"+p(-1.2, 0)+"L"+p(1.2, 0)+"M"+p(0, -1.2)+"L"+p(0, 1.2), stroke, tip)
	}
}

// legend draws the series' signs and names in as many rows as they need.
func (c *canvas) legend(series []Series, sample func(i int, x, y float64)) {
	if len(series) < 2 {
		return
	}
	const mark = 28
	gap, row := c.Font*1.1, c.Font*1.55
	x := 0.0
	c.y += row * 0.75
	for i, s := range series {
		name := truncate(s.Name, c.Font, c.Width*0.6-mark)
		w := mark + textWidth(name, c.Font)
		if x > 0 && x+w > c.Width {
			x = 0
			c.y += row
		}
		sample(i, x, c.y-c.Font*0.35)
		c.text(x+mark, c.y, name, s.Name, attrs{"class", "t", "fill", ink})
		x += w + gap
	}
	c.y += row * 0.55
}

// empty draws the chart of nothing.
func (c *canvas) empty() {
	h := math.Max(c.Font*7, 90)
	c.rect(0, c.y, c.Width, h, attrs{"class", "k", "fill", track, "rx", "6"}, "")
	c.text(c.Width/2, c.y+h/2+c.Font*0.35, noData, "", attrs{"text-anchor", "middle", "class", "m", "fill", muted})
	c.y += h
	c.desc = noData + "."
}

// num writes a coordinate: two decimals, and never anything but a number.
func num(f float64) string {
	if !finite(f) {
		return "0"
	}
	s := strconv.FormatFloat(f, 'f', 2, 64)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "-0" {
		return "0"
	}
	return s
}

// escape makes s safe as text and as an attribute in SVG and HTML; what XML cannot hold becomes U+FFFD.
func escape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return ""
	}
	return b.String()
}
