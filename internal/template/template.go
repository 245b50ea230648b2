// Package template renders messages: text with placeholders that are CEL expressions.
//
//	Hi {{ customer.first_name | "there" }}, {{ event.product.name }} is waiting.
//
// What stands after a single | is used where the value is absent. Without it an absent value is a [*ContentError],
// and the message is not sent: nobody gets "Hi ,". [Unsubscribe] is a placeholder of its own.
//
// Every field escapes what placeholders bring in its own way: HTML by context (text, attribute, URL, script, style:
// html/template), JSON by whether the placeholder stands inside a string, a URL by part, subject and title by taking out
// line breaks. Plain text is taken as it is.
//
// The package knows no CEL: a hook compiles expressions. A Compiled is immutable and safe for concurrent use.
package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// Template is a message as it is saved. Empty fields are not rendered; at least one is not empty.
type Template struct {
	Name    string `json:"name"`
	Version uint32 `json:"version,omitempty"`
	Channel string `json:"channel,omitempty"` // the channel it is for; the caller checks it
	Event   string `json:"event,omitempty"`   // the event type that `event` is; "" when expressions use the profile alone

	Subject string `json:"subject,omitempty"` // one line
	Title   string `json:"title,omitempty"`   // one line
	Text    string `json:"text,omitempty"`
	HTML    string `json:"html,omitempty"`
	Data    string `json:"data,omitempty"` // JSON; a placeholder is a value, or part of a string
	URL     string `json:"url,omitempty"`  // where a click leads
}

// Content is a rendered template.
type Content struct {
	Subject, Title, Text, HTML, URL string
	Data                            []byte
}

// Limits of one template.
const (
	MaxSource       = 256 << 10 // bytes of all fields together
	MaxPlaceholders = 500
	MaxOutput       = 1 << 20 // bytes of each rendered field
)

// Unsubscribe is the placeholder for Input.UnsubscribeURL.
const Unsubscribe = "unsubscribe_url"

// Eval gives an expression's value; absent, or an error, where it has none.
type Eval func(data any) (value.Value, error)

// Hooks connect templates to CEL.
type Hooks struct {
	// Compile compiles one expression. Its error begins with "line:column: " in the expression, counted from 1 in
	// characters; further problems follow after "; " or a line break in the same form. The places are translated to
	// those in the template.
	Compile func(src string) (Eval, error)

	Location *time.Location // the time zone datetimes are printed in; nil is UTC
}

// Input is what one message is rendered from.
type Input struct {
	Data           any    // passed to Eval unread
	UnsubscribeURL string // "" counts as absent
}

// ErrContent is what every [*ContentError] is.
var ErrContent = errors.New("the message has no content")

// ContentError says why a template could not be rendered for somebody. Another person's message may well be rendered.
type ContentError struct {
	Template, Field string
	Placeholder     string // the expression, "" when it is the field as a whole
	Line, Column    int    // of the placeholder
	Err             error
}

func (e *ContentError) Error() string {
	if e.Placeholder == "" {
		return fmt.Sprintf("template %q: %s: %v", e.Template, e.Field, e.Err)
	}
	return fmt.Sprintf("template %q: %s: %d:%d: {{ %s }}: %v", e.Template, e.Field, e.Line, e.Column, e.Placeholder, e.Err)
}

func (e *ContentError) Unwrap() error        { return e.Err }
func (e *ContentError) Is(target error) bool { return target == ErrContent }

var (
	errAbsent   = errors.New(`has no value; give a default, as in {{ customer.first_name | "there" }}`)
	errNoLink   = errors.New("has no value: set the portal's unsubscribe URL (Settings.UnsubscribeURL) and a secret to sign it with (Config.Secret); visitors without a user id get no link")
	errTooLarge = fmt.Errorf("is longer than %d bytes", MaxOutput)
)

// Compiled is a checked template.
type Compiled struct {
	name   string
	loc    *time.Location
	fields []compiledField
}

type compiledField struct {
	name   string
	parts  []part
	render func(values []value.Value) (string, error)
	set    func(*Content, string)
}

// Decode reads a template from JSON. A field nobody knows is an error with a suggestion. It does not compile.
func Decode(b []byte) (*Template, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	t := new(Template)
	if err := d.Decode(t); err != nil {
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			name, _ = strconv.Unquote(name)
			return nil, fmt.Errorf("template: unknown field %q%s", name, schema.DidYouMean(name, fieldNames))
		}
		return nil, fmt.Errorf("template: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("template: something follows the template; give one JSON object")
	}
	return t, nil
}

var fieldNames = []string{"name", "version", "channel", "event", "subject", "title", "text", "html", "data", "url"}

// Compile checks a template. Its error has a line for every problem, each with its field, line and column.
func Compile(t *Template, h Hooks) (*Compiled, error) {
	if h.Location == nil {
		h.Location = time.UTC
	}
	c := &Compiled{name: t.Name, loc: h.Location}
	sources := []struct {
		name, src string
		build     func(*Compiled, []part) (func([]value.Value) (string, error), error)
		set       func(*Content, string)
	}{
		{"subject", t.Subject, buildLine, func(out *Content, s string) { out.Subject = s }},
		{"title", t.Title, buildLine, func(out *Content, s string) { out.Title = s }},
		{"text", t.Text, buildText, func(out *Content, s string) { out.Text = s }},
		{"html", t.HTML, buildHTML, func(out *Content, s string) { out.HTML = s }},
		{"data", t.Data, buildData, func(out *Content, s string) { out.Data = []byte(s) }},
		{"url", t.URL, buildURL, func(out *Content, s string) { out.URL = s }},
	}
	size, placeholders := 0, 0
	for _, f := range sources {
		size += len(f.src)
	}
	switch {
	case size == 0:
		return nil, fmt.Errorf("template %q: is empty; write a text, an html, a data or another field", t.Name)
	case size > MaxSource:
		return nil, fmt.Errorf("template %q: has %d bytes, the limit is %d", t.Name, size, MaxSource)
	}
	var errs []error
	for _, f := range sources {
		if f.src == "" {
			continue
		}
		parts, err := parse(f.src)
		if err == nil {
			placeholders += count(parts)
			if placeholders > MaxPlaceholders {
				return nil, fmt.Errorf("template %q: has more than %d placeholders", t.Name, MaxPlaceholders)
			}
			err = compileParts(parts, h)
		}
		field := compiledField{name: f.name, parts: parts, set: f.set}
		if err == nil {
			field.render, err = f.build(c, parts)
		}
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				errs = append(errs, fmt.Errorf("template %q: %s: %s", t.Name, f.name, line))
			}
			continue
		}
		c.fields = append(c.fields, field)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return c, nil
}

// Render renders for one person. The error is a [*ContentError].
func (c *Compiled) Render(in Input) (Content, error) {
	var out Content
	for i := range c.fields {
		f := &c.fields[i]
		values, err := c.values(f, in)
		if err != nil {
			return Content{}, err
		}
		s, err := f.render(values)
		if err != nil {
			return Content{}, &ContentError{Template: c.name, Field: f.name, Err: err}
		}
		f.set(&out, s)
	}
	return out, nil
}

// values evaluates a field's placeholders in order.
func (c *Compiled) values(f *compiledField, in Input) ([]value.Value, error) {
	values := make([]value.Value, 0, len(f.parts))
	for i := range f.parts {
		p := f.parts[i].hole
		if p == nil {
			continue
		}
		v, err := p.value(in)
		if err == nil && size(v, MaxOutput) > MaxOutput {
			err = errTooLarge
		}
		if err != nil {
			return nil, &ContentError{Template: c.name, Field: f.name, Placeholder: p.name, Line: p.line, Column: p.column, Err: err}
		}
		values = append(values, v)
	}
	return values, nil
}

func (p *placeholder) value(in Input) (value.Value, error) {
	v, err := p.eval(in)
	if (err != nil || v.IsAbsent()) && p.fallback != nil {
		v, err = p.fallback(in)
	}
	switch {
	case err == nil && v.IsAbsent() && p.name == Unsubscribe:
		return v, errNoLink
	case err != nil:
		return v, fmt.Errorf("%w: %w", errAbsent, err)
	case v.IsAbsent():
		return v, errAbsent
	}
	return v, nil
}

func compileParts(parts []part, h Hooks) error {
	var errs []error
	for i := range parts {
		p := parts[i].hole
		if p == nil {
			continue
		}
		var err error
		if p.eval, err = compileExpr(p.src, h); err != nil {
			errs = append(errs, translate(err, p.src))
		}
		if p.defaultSrc.text != "" {
			if p.fallback, err = compileExpr(p.defaultSrc, h); err != nil {
				errs = append(errs, translate(err, p.defaultSrc))
			}
		}
	}
	return errors.Join(errs...)
}

func compileExpr(s source, h Hooks) (func(Input) (value.Value, error), error) {
	if strings.TrimSpace(s.text) == Unsubscribe {
		return func(in Input) (value.Value, error) {
			if in.UnsubscribeURL == "" {
				return value.Value{}, nil
			}
			return value.Str(in.UnsubscribeURL), nil
		}, nil
	}
	eval, err := h.Compile(s.text)
	if err != nil {
		return nil, err
	}
	return func(in Input) (value.Value, error) { return eval(in.Data) }, nil
}

// position begins an error's text, or another problem in the same text.
var position = regexp.MustCompile(`(?:^|; |\n)(\d{1,6}):(\d{1,6}): `)

// translate moves the positions in err, which are in s, to where s stands in the template: one line for each.
func translate(err error, s source) error {
	text := err.Error()
	found := position.FindAllStringSubmatchIndex(text, -1)
	if len(found) == 0 || found[0][0] > 0 {
		return fmt.Errorf("%d:%d: %s", s.line, s.column, text)
	}
	var lines []string
	for i, m := range found {
		end := len(text)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		line, _ := strconv.Atoi(text[m[2]:m[3]])
		column, _ := strconv.Atoi(text[m[4]:m[5]])
		if line == 1 {
			column += s.column - 1
		}
		lines = append(lines, fmt.Sprintf("%d:%d: %s", line+s.line-1, column, text[m[1]:end]))
	}
	return errors.New(strings.Join(lines, "\n"))
}
