package chart

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/insight/table"
)

// number as SVG knows it, in every attribute that holds coordinates.
var coordinates = regexp.MustCompile(`^-?\d+(\.\d+)?$`)

// requireSound checks what must hold of any picture: XML, only elements and attributes that draw, no script, nothing
// loaded, plain numbers, ids once each, a name and a description.
func requireSound(t *testing.T, doc []byte) {
	t.Helper()
	ids := map[string]bool{}
	allowed := map[string]bool{"svg": true, "title": true, "desc": true, "rect": true, "text": true, "line": true, "path": true, "circle": true, "defs": true, "pattern": true, "g": true}
	for i, e := range wellFormed(t, doc) {
		require.True(t, allowed[e.Name.Local], "element %s", e.Name.Local)
		for _, a := range e.Attr {
			require.False(t, strings.HasPrefix(a.Name.Local, "on"), "handler %s", a.Name.Local)
			require.NotContains(t, a.Name.Local, "href")
			switch a.Name.Local {
			case "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "font-size":
				if a.Value != "100%" {
					require.Regexp(t, coordinates, a.Value, "%s of %s", a.Name.Local, e.Name.Local)
				}
			case "d":
				require.NotRegexp(t, `[^MLHVZ0-9. -]`, a.Value)
			case "id":
				require.False(t, ids[a.Value], "id %q twice", a.Value)
				ids[a.Value] = true
			case "role":
				require.Equal(t, "img", a.Value)
			}
		}
		if i == 0 {
			require.Equal(t, "svg", e.Name.Local)
			require.Contains(t, fmt.Sprint(e.Attr), "aria-labelledby")
		}
	}
	require.NotContains(t, string(doc), "NaN")
	require.NotContains(t, string(doc), "Inf")
	require.Regexp(t, `<title id="[^"]+">[^<]+</title><desc id="[^"]+">[^<]+</desc>`, string(doc))
}

func TestEveryPictureIsSound(t *testing.T) {
	for _, s := range samples() {
		for _, o := range []Options{{}, {Width: 310, Font: 11.5, ID: `x"><script>`, bare: true}, {Width: 1080}, {Width: math.NaN(), Font: math.Inf(1)}} {
			requireSound(t, s.chart.SVG(o))
		}
	}
}

func TestTextIsLargeEnoughOnPhones(t *testing.T) {
	size := regexp.MustCompile(`font-size="([0-9.]+)"`)
	box := regexp.MustCompile(`viewBox="0 0 ([0-9.]+) `)
	smallest := func(doc string, shownAt float64) float64 {
		width, err := strconv.ParseFloat(box.FindStringSubmatch(doc)[1], 64)
		require.NoError(t, err)
		least := math.Inf(1)
		for _, m := range size.FindAllStringSubmatch(doc, -1) {
			f, err := strconv.ParseFloat(m[1], 64)
			require.NoError(t, err)
			least = math.Min(least, f*shownAt/width)
		}
		return least
	}
	for _, s := range samples() {
		require.GreaterOrEqual(t, smallest(string(s.chart.SVG(Options{})), 360), 10.0, "%s", s.name)
	}
	// A card on a page 360 pixels wide is 306 wide inside: margins of 12, padding of 14, borders of 1.
	var page bytes.Buffer
	require.NoError(t, samplePage().WriteHTML(&page))
	phones := regexp.MustCompile(`(?s)<div class="phone">(<svg.*?</svg>)`).FindAllStringSubmatch(page.String(), -1)
	require.NotEmpty(t, phones)
	for _, m := range phones {
		require.GreaterOrEqual(t, smallest(m[1], 306), 10.0)
	}
}

func TestEmptyChartsSayNoData(t *testing.T) {
	for _, c := range []Chart{Line{}, Bar{}, Funnel{}, Retention{}, Scorecard{Value: math.NaN()}, Table{}, Journey{},
		Line{Times: []int64{0}}, Line{Series: []Series{{"a", []float64{1}}}}, Line{Times: []int64{0}, Series: []Series{{"a", []float64{math.Inf(-1)}}}},
		Bar{Categories: []string{"a"}, Series: []Series{{}}}, Retention{Cohorts: []Cohort{{Name: "a"}}},
		Funnel{Steps: []FunnelStep{{"a", 0, ""}}}, Table{Table: &table.Table{Columns: []table.Column{{Name: "a"}}}}} {
		doc := c.SVG(Options{})
		requireSound(t, doc)
		require.Contains(t, string(doc), ">No data<", "%#v", c)
	}
}

func TestManySeriesAreCutWithANote(t *testing.T) {
	var series []Series
	for i := range 50 {
		series = append(series, Series{fmt.Sprint("series ", i), []float64{float64(i % 10), 1}})
	}
	l := Line{Times: []int64{0, 3600e6}, Series: series}
	doc := string(l.SVG(Options{}))
	require.Contains(t, doc, "Showing the 7 largest of 50 series.")
	require.Contains(t, doc, ">series 9<")
	require.Contains(t, doc, ">series 49<")
	require.NotContains(t, doc, ">series 10<")
	require.Len(t, l.Data().Columns, 51, "the table has all")

	b := Bar{Categories: make([]string, 100), Series: []Series{{"a", make([]float64, 100)}}}
	for i := range b.Categories {
		b.Categories[i], b.Series[0].Values[i] = fmt.Sprint("c", i), float64(i)
	}
	doc = string(b.SVG(Options{}))
	require.Contains(t, doc, "Showing the 24 largest of 100 categories.")
	require.Contains(t, doc, ">c99<")
	require.NotContains(t, doc, ">c75<")
}

func TestLongNamesKeepTheirFullText(t *testing.T) {
	name := strings.Repeat("Người dùng đã đăng ký ", 20)
	doc := string(Bar{Categories: []string{name}, Series: []Series{{"n", []float64{1}}}}.SVG(Options{}))
	require.Contains(t, doc, "…</text>")
	require.Contains(t, doc, "<title>"+name+"</title>")
	require.LessOrEqual(t, textWidth(truncate(name, 12, 100), 12), 100.0)
	require.Equal(t, "short", truncate("short", 12, 100))
}

// TestNumbersCanBeReadOnEveryHeat asks for WCAG AA's 4.5 to 1 on every colour a cell may have.
func TestNumbersCanBeReadOnEveryHeat(t *testing.T) {
	rgb := func(hex string) (out [3]float64) {
		n, err := strconv.ParseUint(hex[1:], 16, 32)
		require.NoError(t, err)
		return [3]float64{float64(n >> 16), float64(n >> 8 & 255), float64(n & 255)}
	}
	require.InDelta(t, 21, contrast(rgb("#000000"), rgb("#ffffff")), 1e-9)
	require.InDelta(t, 4.48, contrast(rgb("#777777"), rgb("#ffffff")), 0.005) // WCAG's well-known near miss
	for i := range 1001 {
		fill, text := heat(float64(i) / 1000)
		require.GreaterOrEqual(t, contrast(rgb(fill), rgb(text)), 4.5, "%v: %s on %s", i, text, fill)
	}
	for _, f := range []float64{-1, 2, 1e300} {
		fill, _ := heat(f)
		require.Len(t, fill, 7)
	}
	require.GreaterOrEqual(t, contrast(rgb(muted), rgb("#ffffff")), 4.5)
	require.GreaterOrEqual(t, contrast(rgb(muted), rgb("#f5f6f8")), 4.5)
}

func TestNumbers(t *testing.T) {
	o := Options{}.withDefaults()
	for v, want := range map[float64]string{0: "0", 1234567.891: "1,234,567.89", -1234: "−1,234", 0.5: "0.5", -0.001: "0", 999: "999", 1000: "1,000",
		1e15: "1e15", -2.5e300: "−2.5e300", 5e-324: "4.94e-324", 0.1 + 0.2: "0.3"} {
		require.Equal(t, want, o.number(v, 2))
	}
	require.Equal(t, "–", o.number(math.NaN(), 2))
	require.Equal(t, "1.234.567,5", Options{Thousands: ".", Decimal: ","}.number(1234567.5, 2))
	for v, want := range map[float64]string{1500: "1,500", 15000: "15k", 2.5e6: "2.5M", 3e9: "3B", -4e12: "−4T", 0.25: "0.25"} {
		require.Equal(t, want, o.short(v))
	}
	for v, want := range map[float64]string{0: "0%", 1: "100%", 0.125: "12.5%", 0.00012: "0.01%", 0.99951: "99.95%", -0.5: "−50%"} {
		require.Equal(t, want, o.percent(v))
	}
	for v, want := range map[int64]string{0: "0 s", 1_500_000: "1.5 s", 90e6: "1 min 30 s", 3600e6: "1 h", 3599.9e6: "60 min", 93_600e6: "1 d 2 h", -90e6: "−1 min 30 s"} {
		require.Equal(t, want, Duration(v))
	}
}

func TestTicks(t *testing.T) {
	require.Equal(t, []float64{0, 200, 400, 600, 800}, ticks(0, 715, 4, true))
	require.Equal(t, []float64{0, 1, 2, 3}, ticks(0, 3, 4, true), "counts have no halves")
	require.Equal(t, []float64{0, 2, 4, 6}, ticks(5, 5, 4, true)[:4])
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		lo := r.NormFloat64() * math.Pow(10, float64(r.IntN(600)-300))
		hi := lo + r.ExpFloat64()*math.Pow(10, float64(r.IntN(600)-300))
		if r.IntN(20) == 0 {
			hi = lo
		}
		lo, hi = math.Max(lo, -1e300), math.Min(hi, 1e300)
		if lo > hi {
			continue
		}
		got := axisTicks(lo, hi, 4, r.IntN(2) == 0, r.IntN(2) == 0)
		require.GreaterOrEqual(t, len(got), 2, "%v %v", lo, hi)
		require.LessOrEqual(t, len(got), 20, "%v %v", lo, hi)
		s := scale{got[0], got[len(got)-1], 100, 0}
		require.True(t, s.at(lo) <= 101 && s.at(hi) >= -1, "%v %v outside %v", lo, hi, got)
		for i := 1; i < len(got); i++ {
			require.Greater(t, got[i], got[i-1])
		}
	}
}

func TestTimeLabels(t *testing.T) {
	at := func(s ...string) (out []int64) {
		for _, one := range s {
			v, err := time.Parse(time.RFC3339, one)
			require.NoError(t, err)
			out = append(out, v.UnixMicro())
		}
		return out
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	// Days of 23 and 25 hours are days still.
	require.Equal(t, []timeLabel{{"30 Mar", "2025"}, {"31 Mar", "2025"}}, timeLabels(at("2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z"), zone))
	require.Equal(t, []timeLabel{{"Dec", "2025"}, {"Jan", "2026"}}, timeLabels(at("2025-11-30T23:00:00Z", "2025-12-31T23:00:00Z"), zone))
	require.Equal(t, []timeLabel{{"22:00", "1 Mar 2025"}, {"23:00", "1 Mar 2025"}}, timeLabels(at("2025-03-01T22:00:00Z", "2025-03-01T23:00:00Z"), nil))
	require.Equal(t, []timeLabel{{"2024", ""}, {"2025", ""}}, timeLabels(at("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"), nil))
	require.Equal(t, []timeLabel{{"1 Mar 2025", ""}}, timeLabels(at("2025-03-01T00:00:00Z"), nil))
	require.Empty(t, timeLabels(nil, nil))
}

func TestHostileNamesStayText(t *testing.T) {
	var page bytes.Buffer
	p := samplePage()
	evil := `</style></title><script>alert(1)</script><img src=x onerror=alert(1)>`
	p.Title, p.Subtitle, p.Language = evil, evil, `en"><script>`
	p.Scores[0].Title, p.Scores[0].Unit, p.Scores[0].Against = evil, evil, evil
	p.Sections[0].Title, p.Sections[0].Text = evil, evil
	p.Sections[0].Charts = append(p.Sections[0].Charts,
		Line{Title: evil, Times: []int64{0, 1}, Unit: evil, Series: []Series{{evil, []float64{1, 2}}, {evil, []float64{1, 2}}}},
		Funnel{Title: evil, Unit: evil, Steps: []FunnelStep{{evil, 2, evil}, {evil, 1, evil}}},
		Retention{Title: evil, Period: evil, Cohorts: []Cohort{{evil, 3, []float64{1}}}},
		Table{Title: evil, Table: &table.Table{Columns: []table.Column{{Name: evil, Kind: table.Text, Unit: evil}}, Rows: [][]table.Cell{{table.TextCell(evil)}}}},
		Journey{Title: evil, Metrics: []string{evil, evil}, Nodes: []JourneyNode{{evil, []float64{1, 2}}}})
	require.NoError(t, p.WriteHTML(&page))
	html := page.String()
	for _, tag := range []string{"<script", "<img", "<svg onload", "<b>", "<u>"} {
		require.NotContains(t, html, tag)
	}
	require.Equal(t, 1, strings.Count(html, "</style>"))
	require.Regexp(t, `default-src 'none'`, html)
	for _, loads := range []string{"http-equiv=\"refresh\"", "src=", "href=", "@import", "url(http", "url(//"} {
		require.NotContains(t, strings.ReplaceAll(html, "src=x", ""), loads)
	}
}

func TestPageIdsAreUnique(t *testing.T) {
	var page bytes.Buffer
	require.NoError(t, samplePage().WriteHTML(&page))
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page.String(), -1) {
		require.False(t, seen[m[1]], "id %q twice", m[1])
		seen[m[1]] = true
	}
	require.NotEmpty(t, seen)
	require.NotContains(t, page.String(), "NaN")
}

type brokenWriter struct{}

var errBroken = errors.New("disk full")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteErrorsComeBack(t *testing.T) {
	require.ErrorIs(t, samplePage().WriteHTML(brokenWriter{}), errBroken)
	require.ErrorIs(t, WriteSVG(brokenWriter{}, Bar{}, Options{}), errBroken)
	require.NoError(t, Page{}.WriteHTML(&bytes.Buffer{}))
}

func TestDataOfEveryChartIsRectangular(t *testing.T) {
	for _, s := range samples() {
		data := s.chart.Data()
		for _, row := range data.Rows {
			require.Len(t, row, len(data.Columns), "%s", s.name)
		}
		var csv, js bytes.Buffer
		require.NoError(t, data.WriteCSV(&csv))
		require.NoError(t, data.WriteJSON(&js))
		require.True(t, json.Valid(js.Bytes()))
		require.NotContains(t, csv.String()+js.String(), "NaN")
	}
}

// FuzzPictures feeds names and numbers of any kind; every picture must stay sound.
func FuzzPictures(f *testing.F) {
	f.Add("name", 1.5, -2.0, int64(0), uint8(3))
	f.Add("\x00<&>\"'", math.NaN(), math.Inf(1), int64(math.MaxInt64), uint8(0))
	f.Add("\u202ertl", math.MaxFloat64, -math.MaxFloat64, int64(math.MinInt64), uint8(200))
	f.Add("tiny", 5e-324, -5e-324, int64(-1), uint8(1))
	f.Fuzz(func(t *testing.T, name string, a, b float64, micros int64, n uint8) {
		values := make([]float64, n)
		times := make([]int64, n)
		names := make([]string, n)
		cells := make([][]table.Cell, n)
		for i := range values {
			values[i] = a + b*float64(i)
			times[i] = micros/2 + int64(i)*(micros/512)
			names[i] = name + strconv.Itoa(i)
			cells[i] = []table.Cell{table.TextCell(name), table.NumberCell(a), table.TimeCell(micros), table.DurationCell(micros)}
		}
		series := []Series{{name, values}, {name, values[:n/2]}}
		for _, c := range []Chart{
			Line{Title: name, Times: times, Series: series, Unit: name}, Bar{Title: name, Categories: names, Series: series, Unit: "%"},
			Bar{Categories: names, Series: series, Horizontal: true}, Funnel{Title: name, Steps: []FunnelStep{{name, micros, name}, {name, micros / 3, name}}},
			Retention{Title: name, Period: name, Cohorts: []Cohort{{name, micros, values}}},
			Scorecard{Title: name, Value: a, Previous: b, Against: name, Unit: name, Spark: values},
			Table{Title: name, Table: &table.Table{Columns: []table.Column{{Name: name, Kind: table.Text}, {Kind: table.Number}, {Kind: table.Time}, {Kind: table.Duration}}, Rows: cells}},
		} {
			doc := c.SVG(Options{})
			wellFormed(t, doc)
			for _, bad := range []string{`"NaN`, " NaN", `"Inf`, "+Inf", "-Inf"} {
				if !strings.Contains(name, strings.Trim(bad, `" +-`)) {
					require.NotContains(t, string(doc), bad)
				}
			}
		}
	})
}
