package template

// This file renders HTML through html/template, which knows in what context each placeholder stands.

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/embedcdp/cdp/internal/value"
)

// conditional finds the comments by which mail clients are told apart. html/template would take them out.
var conditional = regexp.MustCompile(`<!--\[if [^\]>]{1,80}\]>(<!-->)?|<!--<!\[endif\]-->|<!\[endif\]-->|<!\[if [^\]>]{1,80}\]>|<!\[endif\]>`)

var errUnsafe = errors.New("a value is not safe where it stands: a link may begin with http, https or mailto, a style holds no code")

// unsafeMark is what html/template writes where it refuses a value.
const unsafeMark = "ZgotmplZ"

// page is what the Go template sees: values by placeholder, and conditional comments.
type page struct {
	V []shown
	C []template.HTML
}

// shown is a value as HTML and scripts see it: text, or JSON in a script.
type shown struct {
	v   value.Value
	loc *time.Location
}

func (s shown) String() string               { return show(s.v, s.loc) }
func (s shown) MarshalJSON() ([]byte, error) { return []byte(toJSON(goValue(s.v, s.loc))), nil }

func buildHTML(c *Compiled, parts []part) (func([]value.Value) (string, error), error) {
	src, comments, marked := goSource(parts)
	t, err := template.New("html").Parse(src)
	if err != nil {
		return nil, placeHTML(err)
	}
	// The first execution finds out the contexts; a template whose contexts are ambiguous fails here, when it is saved.
	sample := make([]shown, count(parts))
	for i := range sample {
		sample[i] = shown{value.Str("x"), c.loc}
	}
	if err := t.Execute(io.Discard, page{sample, comments}); err != nil {
		return nil, placeHTML(err)
	}
	return func(values []value.Value) (string, error) {
		in := make([]shown, len(values))
		for i, v := range values {
			in[i] = shown{v, c.loc}
		}
		var out limited
		if err := t.Execute(&out, page{in, comments}); err != nil {
			if errors.Is(err, errTooLarge) {
				err = errTooLarge
			}
			return "", err
		}
		if !marked && strings.Contains(out.String(), unsafeMark) {
			return "", errUnsafe
		}
		return out.String(), nil
	}, nil
}

// goSource writes the Go template: placeholder i becomes {{index .V i}}, followed inside the braces by as many line breaks
// as it had, so that lines keep their numbers. Literals hold no {{, since the first of them would be a placeholder.
func goSource(parts []part) (src string, comments []template.HTML, marked bool) {
	var b strings.Builder
	n := 0
	for i := range parts {
		if p := parts[i].hole; p != nil {
			fmt.Fprintf(&b, "{{index .V %d%s}}", n, strings.Repeat("\n", p.lines))
			n++
			continue
		}
		marked = marked || strings.Contains(parts[i].text, unsafeMark)
		b.WriteString(conditional.ReplaceAllStringFunc(parts[i].text, func(s string) string {
			comments = append(comments, template.HTML(s))
			return "{{index .C " + strconv.Itoa(len(comments)-1) + "}}"
		}))
	}
	return b.String(), comments, marked
}

// placeHTML gives an error of html/template a position in the field.
func placeHTML(err error) error {
	var e *template.Error
	if errors.As(err, &e) && e.Line > 0 {
		return fmt.Errorf("%d:1: %s", e.Line, strings.ReplaceAll(e.Description, "\n", " "))
	}
	return fmt.Errorf("1:1: %s", strings.ReplaceAll(err.Error(), "\n", " "))
}
