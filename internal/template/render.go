package template

// This file holds how each field turns values into output.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/embedcdp/cdp/internal/value"
)

// buildText joins literals and values.
func buildText(c *Compiled, parts []part) (func([]value.Value) (string, error), error) {
	return func(values []value.Value) (string, error) {
		return join(parts, values, func(_ int, v value.Value) string { return show(v, c.loc) })
	}, nil
}

// buildLine is text in which line breaks and control characters become one space, so that no value can begin a new header.
func buildLine(c *Compiled, parts []part) (func([]value.Value) (string, error), error) {
	text, err := buildText(c, parts)
	return func(values []value.Value) (string, error) {
		s, err := text(values)
		return oneLine(s), err
	}, err
}

func oneLine(s string) string {
	var b strings.Builder
	space := false
	for _, r := range s {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			space = true
			continue
		}
		if space && r != ' ' {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// join writes parts with the escaped values; escape gets the placeholder's number.
func join(parts []part, values []value.Value, escape func(int, value.Value) string) (string, error) {
	var b strings.Builder
	n := 0
	for i := range parts {
		s := parts[i].text
		if parts[i].hole != nil {
			s = escape(n, values[n])
			n++
		}
		if b.Len()+len(s) > MaxOutput {
			return "", errTooLarge
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// buildData renders JSON: a placeholder inside a string is escaped text, elsewhere a value. The document is checked
// with stand-ins when it is saved; whatever values come, it stays valid.
func buildData(c *Compiled, parts []part) (func([]value.Value) (string, error), error) {
	inString := make([]bool, 0, len(parts))
	var sample strings.Builder
	inside, escaped := false, false
	for i := range parts {
		if parts[i].hole != nil {
			inString = append(inString, inside)
			if inside {
				sample.WriteByte('x') // no letter that can follow a backslash
			} else {
				sample.WriteString("null")
			}
			continue
		}
		for _, b := range []byte(parts[i].text) {
			switch {
			case escaped:
				escaped = false
			case inside && b == '\\':
				escaped = true
			case b == '"':
				inside = !inside
			}
		}
		sample.WriteString(parts[i].text)
	}
	var document json.RawMessage
	if err := json.Unmarshal([]byte(sample.String()), &document); err != nil {
		return nil, fmt.Errorf(`1:1: is not JSON (%w); a placeholder stands for a whole value, or inside a string`, err)
	}
	return func(values []value.Value) (string, error) {
		return join(parts, values, func(i int, v value.Value) string {
			if inString[i] {
				quoted := toJSON(show(v, c.loc))
				return quoted[1 : len(quoted)-1]
			}
			return toJSON(goValue(v, c.loc))
		})
	}, nil
}

func toJSON(x any) string {
	b, err := json.Marshal(x)
	if err != nil { // strings, finite numbers and what holds them always marshal
		return "null"
	}
	return string(b)
}

var errURL = errors.New("is no link that can be sent: use https, http, mailto, tel or the scheme of an app")

// buildURL escapes values by where they stand: in the path, or after ? or #. A value may be the beginning of the link, which
// then has to be http or https. It may not be part of the host.
func buildURL(c *Compiled, parts []part) (func([]value.Value) (string, error), error) {
	var escapes []func(string) string
	sample, before := "", ""
	for i := range parts {
		before += parts[i].text
		sample += parts[i].text
		if parts[i].hole == nil {
			continue
		}
		switch {
		case i == 0:
			escapes = append(escapes, strings.TrimSpace)
			sample += "https://x.example"
			continue
		case inHost(before, parts[0].hole != nil):
			p := parts[i].hole
			return nil, fmt.Errorf("%d:%d: a placeholder cannot be part of the scheme or the host; begin with it, or put a / before it", p.line, p.column)
		case strings.ContainsAny(before, "?#"):
			escapes = append(escapes, url.QueryEscape)
		default:
			escapes = append(escapes, url.PathEscape)
		}
		sample += "x"
	}
	if err := checkURL(sample); err != nil {
		return nil, fmt.Errorf("1:1: %w", err)
	}
	webOnly := parts[0].hole != nil
	return func(values []value.Value) (string, error) {
		s, err := join(parts, values, func(i int, v value.Value) string { return escapes[i](show(v, c.loc)) })
		if err != nil {
			return "", err
		}
		if err := checkURL(s); err != nil {
			return "", err
		}
		if lower := strings.ToLower(s); webOnly && !strings.HasPrefix(lower, "https://") && !strings.HasPrefix(lower, "http://") {
			return "", errURL
		}
		return s, nil
	}, nil
}

// inHost says whether what follows the literals before could change where the link leads.
func inHost(before string, afterValue bool) bool {
	if afterValue {
		return before == "" || !strings.ContainsRune("/?#", rune(before[0]))
	}
	scheme, rest, _ := strings.Cut(before, ":")
	host, isHost := strings.CutPrefix(rest, "//")
	return len(scheme) == len(before) || isHost && !strings.ContainsAny(host, "/?#")
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return errURL
	}
	switch strings.ToLower(u.Scheme) {
	case "", "javascript", "vbscript", "data", "file", "blob":
		return errURL
	case "http", "https":
		if u.Host == "" {
			return errURL
		}
	}
	return nil
}

// show prints a value for people: numbers without an exponent unless they are huge or tiny, datetimes as RFC 3339
// in the portal's time zone, arrays as a list with commas, objects as JSON.
func show(v value.Value, loc *time.Location) string {
	switch v.Kind {
	case value.String:
		return v.Str
	case value.Number:
		if a := math.Abs(v.Num); a != 0 && (a < 1e-6 || a >= 1e21) {
			return strconv.FormatFloat(v.Num, 'g', -1, 64)
		}
		return strconv.FormatFloat(v.Num, 'f', -1, 64)
	case value.Datetime:
		return time.UnixMicro(v.Time).In(loc).Format(time.RFC3339)
	case value.Boolean:
		return strconv.FormatBool(v.True())
	case value.List:
		items := make([]string, len(v.List))
		for i := range v.List {
			items[i] = show(v.List[i], loc)
		}
		return strings.Join(items, ", ")
	case value.Object:
		return toJSON(goValue(v, loc))
	}
	return ""
}

// goValue is v for encoding/json, datetimes as in show.
func goValue(v value.Value, loc *time.Location) any {
	switch v.Kind {
	case value.Datetime:
		return show(v, loc)
	case value.List:
		out := make([]any, len(v.List))
		for i := range v.List {
			out[i] = goValue(v.List[i], loc)
		}
		return out
	case value.Object:
		out := make(map[string]any, len(v.Fields))
		for _, f := range v.Fields {
			out[f.Name] = goValue(f.Value, loc)
		}
		return out
	}
	return v.Go()
}

// size is about how many bytes v prints to; it stops counting above limit.
func size(v value.Value, limit int) int {
	n := 8 + len(v.Str)
	for i := 0; i < len(v.List) && n <= limit; i++ {
		n += size(v.List[i], limit-n)
	}
	for i := 0; i < len(v.Fields) && n <= limit; i++ {
		n += len(v.Fields[i].Name) + size(v.Fields[i].Value, limit-n)
	}
	return n
}

// limited refuses output beyond MaxOutput.
type limited struct{ bytes.Buffer }

func (l *limited) Write(b []byte) (int, error) {
	if l.Len()+len(b) > MaxOutput {
		return 0, errTooLarge
	}
	return l.Buffer.Write(b)
}
