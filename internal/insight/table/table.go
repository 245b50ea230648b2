// Package table is the one plain form in which reports and charts hand out their numbers: named, typed columns and rows
// of cells, written as CSV or JSON.
package table

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Kind is the type of a column or a cell.
type Kind string

const (
	Text     Kind = "text"
	Integer  Kind = "integer"
	Number   Kind = "number"
	Ratio    Kind = "ratio"    // a fraction: 0.25 is 25 %
	Time     Kind = "time"     // an instant, microseconds since 1970 UTC
	Duration Kind = "duration" // microseconds; written as seconds
)

// Column describes the cells below it.
type Column struct {
	Name string
	Kind Kind
	Unit string // such as "people" or "VND"; empty where there is none
}

// Cell is one value. The zero Cell is absent, which is not zero and not "".
type Cell struct {
	Kind Kind    // "" is absent
	Text string  // Text
	Int  int64   // Integer, Time, Duration
	Num  float64 // Number, Ratio
}

// Table is a result ready to be written. Every row has a cell for every column.
type Table struct {
	Columns []Column
	Rows    [][]Cell
	Zone    *time.Location // zone in which times are written; nil is UTC
}

func TextCell(s string) Cell         { return Cell{Kind: Text, Text: s} }
func IntegerCell(n int64) Cell       { return Cell{Kind: Integer, Int: n} }
func TimeCell(micros int64) Cell     { return Cell{Kind: Time, Int: micros} }
func DurationCell(micros int64) Cell { return Cell{Kind: Duration, Int: micros} }

// NumberCell is absent where f is not finite, because neither CSV nor JSON can say it.
func NumberCell(f float64) Cell { return finite(Number, f) }

// RatioCell is a fraction; absent where f is not finite.
func RatioCell(f float64) Cell { return finite(Ratio, f) }

func finite(k Kind, f float64) Cell {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Cell{}
	}
	return Cell{Kind: k, Num: f}
}

// IsAbsent reports whether the cell holds nothing.
func (c Cell) IsAbsent() bool { return c.Kind == "" }

// String writes the cell for machines: a period as decimal mark, no thousands separators, times in RFC 3339, durations
// in seconds, ratios as fractions, absent as "".
func (c Cell) String(zone *time.Location) string {
	switch c.Kind {
	case Text:
		return c.Text
	case Integer:
		return strconv.FormatInt(c.Int, 10)
	case Number, Ratio:
		return formatFloat(c.Num)
	case Time:
		if zone == nil {
			zone = time.UTC
		}
		return time.UnixMicro(c.Int).In(zone).Format(time.RFC3339Nano)
	case Duration:
		return seconds(c.Int)
	}
	return ""
}

func formatFloat(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return ""
	}
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// seconds writes microseconds as seconds without rounding.
func seconds(micros int64) string {
	sign, n := "", uint64(micros)
	if micros < 0 {
		sign, n = "-", -n
	}
	s := fmt.Sprintf("%s%d.%06d", sign, n/1e6, n%1e6)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// WriteCSV writes a header and the rows as RFC 4180 says: CRLF, and quotes where a field needs them. Times are RFC 3339,
// durations seconds, ratios fractions, absent cells empty; a column's unit follows its name in parentheses.
//
// Against formula injection, a text that begins with = + - @ (or their full-width forms), a tab, a carriage return or a
// line feed gets an apostrophe in front, so that a spreadsheet shows it and does not run it. Numbers are left alone.
func (t *Table) WriteCSV(w io.Writer) error {
	var b strings.Builder
	fields := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		fields[i] = guardFormula(c.heading())
	}
	csvRecord(&b, fields)
	for _, row := range t.Rows {
		fields = fields[:0]
		for _, c := range row {
			s := c.String(t.Zone)
			if c.Kind == Text {
				s = guardFormula(s)
			}
			fields = append(fields, s)
		}
		csvRecord(&b, fields)
		if b.Len() > 1<<16 {
			if _, err := io.WriteString(w, b.String()); err != nil {
				return err
			}
			b.Reset()
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (c Column) heading() string {
	unit := c.Unit
	if unit == "" && c.Kind == Duration {
		unit = "s"
	}
	if unit == "" {
		return c.Name
	}
	return c.Name + " (" + unit + ")"
}

func guardFormula(s string) string {
	if first, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return "'" + s
	}
	return s
}

func csvRecord(b *strings.Builder, fields []string) {
	for i, f := range fields {
		if i > 0 {
			b.WriteByte(',')
		}
		// A record of one empty field would be an empty line, which readers skip.
		if strings.ContainsAny(f, ",\"\r\n") || strings.TrimSpace(f) != f || f == "" && len(fields) == 1 {
			b.WriteByte('"')
			b.WriteString(strings.ReplaceAll(f, `"`, `""`))
			b.WriteByte('"')
		} else {
			b.WriteString(f)
		}
	}
	b.WriteString("\r\n")
}

// WriteJSON writes {"columns":[{"name","kind","unit"}],"rows":[[…]]} and a line feed. Numbers are JSON numbers, times RFC
// 3339 strings, durations seconds, ratios fractions, absent cells null. Text is as it is: JSON runs no formulas.
func (t *Table) WriteJSON(w io.Writer) error {
	type column struct {
		Name string `json:"name"`
		Kind Kind   `json:"kind"`
		Unit string `json:"unit,omitempty"`
	}
	doc := struct {
		Columns []column            `json:"columns"`
		Rows    [][]json.RawMessage `json:"rows"`
	}{make([]column, len(t.Columns)), make([][]json.RawMessage, len(t.Rows))}
	for i, c := range t.Columns {
		doc.Columns[i] = column(c)
	}
	for i, row := range t.Rows {
		doc.Rows[i] = make([]json.RawMessage, len(row))
		for j, c := range row {
			s := c.String(t.Zone)
			switch {
			case c.Kind == Text || c.Kind == Time:
				quoted, err := json.Marshal(s)
				if err != nil {
					return err
				}
				doc.Rows[i][j] = quoted
			case s == "":
				doc.Rows[i][j] = json.RawMessage("null")
			default:
				doc.Rows[i][j] = json.RawMessage(s)
			}
		}
	}
	return json.NewEncoder(w).Encode(doc)
}
