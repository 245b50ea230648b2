package template

// This file splits a field into literal text and placeholders.

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/embedcdp/cdp/internal/value"
)

// part is literal text, or a placeholder.
type part struct {
	text string
	hole *placeholder
}

type placeholder struct {
	name         string // the expression, trimmed, for messages
	src          source
	defaultSrc   source // empty text: no default
	line, column int    // of the opening braces, from 1
	lines        int    // line breaks between the braces
	eval         func(Input) (value.Value, error)
	fallback     func(Input) (value.Value, error)
}

// source is an expression and where it begins in the field.
type source struct {
	text         string
	line, column int
}

func count(parts []part) int {
	n := 0
	for i := range parts {
		if parts[i].hole != nil {
			n++
		}
	}
	return n
}

// parse finds the placeholders. An expression ends at the first }} outside strings and brackets, so that CEL's own
// maps and texts may hold braces.
func parse(src string) ([]part, error) {
	if !utf8.ValidString(src) {
		return nil, fmt.Errorf("1:1: is not valid UTF-8")
	}
	var parts []part
	line, column := 1, 1
	move := func(s string) {
		if i := strings.LastIndexByte(s, '\n'); i >= 0 {
			line += strings.Count(s, "\n")
			column = 1
			s = s[i+1:]
		}
		column += utf8.RuneCountInString(s)
	}
	for src != "" {
		open := strings.Index(src, "{{")
		if open < 0 {
			return append(parts, part{text: src}), nil
		}
		if open > 0 {
			parts = append(parts, part{text: src[:open]})
			move(src[:open])
		}
		p := &placeholder{line: line, column: column}
		src = src[open+2:]
		column += 2
		end, pipe := scan(src)
		if end < 0 {
			return nil, fmt.Errorf("%d:%d: {{ has no }}", p.line, p.column)
		}
		inner := src[:end]
		if pipe < 0 {
			pipe = end
		}
		p.src = source{inner[:pipe], line, column}
		move(inner[:pipe])
		if pipe < end {
			move("|")
			p.defaultSrc = source{inner[pipe+1:], line, column}
			if strings.TrimSpace(p.defaultSrc.text) == "" {
				return nil, fmt.Errorf(`%d:%d: nothing follows the |; write a default, as in {{ customer.first_name | "there" }}`, line, column)
			}
			if _, second := scan(p.defaultSrc.text + "}}"); second >= 0 {
				return nil, fmt.Errorf("%d:%d: a placeholder has one default: there is a second |", p.line, p.column)
			}
			move(inner[pipe+1:])
		}
		p.name = strings.TrimSpace(p.src.text)
		if p.name == "" {
			return nil, fmt.Errorf("%d:%d: {{ }} is empty; write an expression between the braces", p.line, p.column)
		}
		p.lines = strings.Count(inner, "\n")
		parts = append(parts, part{hole: p})
		src = src[end+2:]
		column += 2
	}
	return parts, nil
}

// scan returns where the closing braces and the first top-level | of an expression are, -1 where there is none.
func scan(s string) (end, pipe int) {
	depth, pipe := 0, -1
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\'':
			n := scanString(s[i:], i > 0 && (s[i-1] == 'r' || s[i-1] == 'R'))
			if n < 0 {
				return -1, pipe
			}
			i += n - 1
		case '(', '[', '{':
			depth++
		case ')', ']':
			depth--
		case '}':
			if depth <= 0 && strings.HasPrefix(s[i:], "}}") {
				return i, pipe
			}
			depth--
		case '|':
			if strings.HasPrefix(s[i:], "||") {
				i++
			} else if depth <= 0 && pipe < 0 {
				pipe = i
			}
		}
	}
	return -1, pipe
}

// scanString returns the length of the CEL string literal s begins with, quotes included, or -1.
func scanString(s string, raw bool) int {
	quote := s[:1]
	if strings.HasPrefix(s, quote+quote+quote) {
		quote = s[:3]
	}
	for i := len(quote); i < len(s); i++ {
		switch {
		case s[i] == '\\' && !raw:
			i++
		case strings.HasPrefix(s[i:], quote):
			return i + len(quote)
		case s[i] == '\n' && len(quote) == 1:
			return -1
		}
	}
	return -1
}
