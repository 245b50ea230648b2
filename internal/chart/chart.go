// Package chart draws reports as SVG and writes dashboards as one HTML file that needs no network.
//
// It has its own small data model and knows nothing of how the numbers were made. Plain data goes in, bytes come out;
// the same data give the same bytes. A value that is not finite is a gap; one beyond 1e300 is drawn there. Whatever is
// too much to show (series, categories, rows, periods, long names) is cut with a note, and Data still has all of it.
//
// Colours are Okabe and Ito's, which people with colour-blindness tell apart, and never the only cue: lines differ in
// dash and marker, bars in hatching, and numbers are written.
package chart

import (
	"io"
	"math"
	"strconv"

	"github.com/embedcdp/cdp/internal/insight/table"
)

// Chart is one picture with its numbers.
type Chart interface {
	// SVG draws the chart as a document of its own, which can also stand within HTML.
	SVG(Options) []byte
	// Data is what the chart shows and what it had to cut, for a table, CSV or JSON.
	Data() *table.Table

	heading() string
	draw(*canvas)
	wide() bool // needs the full width of a page
}

// Options of a drawing. The zero Options suit a file that is looked at by itself, down to the width of a phone.
type Options struct {
	Width     float64 // units of the view box; default 480. The picture scales to the width it is given.
	Font      float64 // size of text in the same units; default 13.5, which is 10 pixels when 480 become 360
	ID        string  // prefix of ids; must differ between pictures in one HTML page; default "c"
	Thousands string  // separator; default ","
	Decimal   string  // mark; default "."

	bare   bool    // without title: the page has it
	height float64 // of the plot; 0 is the chart's own
}

func (o Options) withDefaults() Options {
	if !(o.Width >= 200 && o.Width <= 10_000) {
		o.Width = 480
	}
	if !(o.Font >= 6 && o.Font <= 60) {
		o.Font = 13.5
	}
	if o.ID == "" {
		o.ID = "c"
	}
	if o.Thousands == "" {
		o.Thousands = ","
	}
	if o.Decimal == "" {
		o.Decimal = "."
	}
	return o
}

// WriteSVG writes c's drawing to w.
func WriteSVG(w io.Writer, c Chart, o Options) error {
	_, err := w.Write(c.SVG(o))
	return err
}

// Series is one named row of values, as long as the chart's axis; NaN is a gap.
type Series struct {
	Name   string
	Values []float64
}

// MaxSeries is how many series a chart shows. Of more, the ones with the largest sums of magnitudes are shown.
const MaxSeries = 7

// palette is Okabe and Ito 2008 without yellow, which white paper swallows.
var palette = [MaxSeries]string{"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"}

var dashes = [MaxSeries]string{"", "7 3", "2 3", "9 3 2 3", "5 2", "12 4", "1 2"}

const (
	ink     = "#1d2530" // text
	muted   = "#5b6573" // secondary text; 5.9:1 on white
	hairs   = "#e3e7ec" // grid
	axis    = "#9aa3af"
	track   = "#eef1f5" // the empty part of a bar
	accent  = "#0072B2"
	noData  = "No data"
	rowsMax = 60 // rows of a picture; Data has all
)

// topSeries picks what is shown, in the given order, and says what is not.
func topSeries(all []Series, n int) ([]Series, string) {
	if len(all) <= n {
		return all, ""
	}
	size := make([]float64, len(all))
	for i, s := range all {
		for _, v := range s.Values {
			if finite(v) {
				size[i] += math.Min(math.Abs(v), 1e300)
			}
		}
	}
	shown := make([]Series, 0, n)
	for _, i := range largest(size, n) {
		shown = append(shown, all[i])
	}
	return shown, "Showing the " + strconv.Itoa(n) + " largest of " + strconv.Itoa(len(all)) + " series."
}

// largest returns the indices of the n largest sizes in ascending order of index; ties go to the lower index.
func largest(size []float64, n int) []int {
	var out []int
	for i, s := range size {
		rank := 0
		for j, o := range size {
			if o > s || o == s && j < i {
				rank++
			}
		}
		if rank < n {
			out = append(out, i)
		}
	}
	return out
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// at is value i of s; missing ones are gaps.
func (s Series) at(i int) float64 {
	if i < len(s.Values) && finite(s.Values[i]) {
		return math.Max(-1e300, math.Min(1e300, s.Values[i]))
	}
	return math.NaN()
}

// extent is the range of all finite values; false where there are none.
func extent(series []Series, n int) (lo, hi float64, ok bool) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, s := range series {
		for i := range n {
			if v := s.at(i); finite(v) {
				lo, hi, ok = math.Min(lo, v), math.Max(hi, v), true
			}
		}
	}
	return lo, hi, ok
}
