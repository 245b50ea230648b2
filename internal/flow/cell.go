package flow

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// parseCell reads a piece of text as a type. problem is "" when it fits. Space around numbers, times and booleans is
// ignored; text is kept as it stands.
//
//	number    digits with point and exponent: 12, -0.5, 1e6; no thousands separators, no hexadecimal, no NaN
//	datetime  RFC 3339, "2006-01-02 15:04:05" with or without fraction, "2006-01-02"; without an offset it is UTC
//	boolean   true/false, yes/no, 1/0 in any case
func parseCell(t schema.Type, s string) (v value.Value, problem string) {
	switch t {
	case schema.String, schema.Text:
		return parseText(t, s)
	case schema.Number:
		return parseNumber(strings.TrimSpace(s))
	case schema.Datetime:
		if micros, ok := schema.ParseTime(strings.TrimSpace(s)); ok {
			return value.Micros(micros), ""
		}
		return v, fmt.Sprintf("%.40q is not a time (use RFC 3339, as in 2026-05-01T09:30:00Z, or a date, as in 2026-05-01)", s)
	case schema.Boolean:
		switch strings.ToLower(strings.TrimSpace(s)) {
		case "true", "yes", "1":
			return value.Bool(true), ""
		case "false", "no", "0":
			return value.Bool(false), ""
		}
		return v, fmt.Sprintf("%.40q is not a boolean (use true or false)", s)
	}
	return v, fmt.Sprintf("no text can be read as %s", t)
}

func parseText(t schema.Type, s string) (v value.Value, problem string) {
	limit := value.MaxText
	if t == schema.String {
		limit = schema.MaxString
	}
	if len(s) > limit {
		if n := utf8.RuneCountInString(s); n > limit {
			return v, fmt.Sprintf("has %d characters, a %s holds %d", n, t, limit)
		}
	}
	return value.Str(s), ""
}

// parseNumber refuses an integer that a double cannot hold exactly: it would silently become another one.
func parseNumber(s string) (v value.Value, problem string) {
	integer := s != ""
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
		case i == 0 && (c == '-' || c == '+'):
		case c == '.', c == 'e', c == 'E', c == '-', c == '+':
			integer = false
		default:
			return v, notANumber(s)
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		if math.IsInf(f, 0) {
			return v, fmt.Sprintf("%.40q is too large for a number", s)
		}
		return v, notANumber(s)
	}
	if integer && len(s) > 15 && strconv.FormatFloat(f, 'f', -1, 64) != strings.TrimLeft(s, "+") {
		return v, fmt.Sprintf("%.40q has more digits than a number holds exactly: declare the column as string", s)
	}
	if f == 0 {
		f = 0 // -0 and 0 are one value
	}
	return value.Num(f), ""
}

func notANumber(s string) string {
	if strings.ContainsRune(s, ',') {
		return fmt.Sprintf("%.40q is not a number (write a decimal point and no thousands separator)", s)
	}
	return fmt.Sprintf("%.40q is not a number", s)
}
