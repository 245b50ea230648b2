package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/embedcdp/cdp/internal/value"
)

// The tests' expressions: customer.x, event.x, a string in quotes, true, a number, boom (an error), text in r"…".
// Data is map[string]value.Value by path.
func compileTest(src string) (Eval, error) {
	s := strings.TrimSpace(src)
	lead := src[:strings.Index(src, s)]
	line, column := 1+strings.Count(lead, "\n"), len(lead)-strings.LastIndex(lead, "\n")
	switch {
	case regexp.MustCompile(`^r?("[^"]*"|'[^']*')$`).MatchString(s):
		return constant(value.Str(strings.Trim(s, `r"'`))), nil
	case regexp.MustCompile(`^\d+$`).MatchString(s):
		var f float64
		fmt.Sscan(s, &f)
		return constant(value.Num(f)), nil
	case s == "boom":
		return func(any) (value.Value, error) { return value.Value{}, errors.New("division by zero") }, nil
	case regexp.MustCompile(`^(customer|event)\.[a-z_.]+$`).MatchString(s) && !strings.Contains(s, "unknown"):
		return func(data any) (value.Value, error) { return data.(map[string]value.Value)[s], nil }, nil
	}
	return nil, fmt.Errorf("%d:%d: unknown attribute %q (did you mean \"name\"?)", line, column, s)
}

func constant(v value.Value) Eval { return func(any) (value.Value, error) { return v, nil } }

var saigon = time.FixedZone("ICT", 7*3600)

func compile(t testing.TB, tpl Template) *Compiled {
	t.Helper()
	tpl.Name = "cart"
	c, err := Compile(&tpl, Hooks{Compile: compileTest, Location: saigon})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func render(t testing.TB, tpl Template, data map[string]value.Value) Content {
	t.Helper()
	out, err := compile(t, tpl).Render(Input{Data: data, UnsubscribeURL: "https://shop.example/u?t=a&b=1"})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func vals(v value.Value) map[string]value.Value { return map[string]value.Value{"customer.x": v} }

func TestEveryField(t *testing.T) {
	out := render(t, Template{
		Subject: `Hi {{ customer.first_name | "there" }}`,
		Title:   `{{customer.first_name|'you'}}!`,
		Text:    "Hi {{ customer.first_name | \"there\" }}, {{ event.product.name }} is waiting.\n{{ unsubscribe_url }}",
		HTML:    `<p>Hi {{ customer.first_name | "there" }}</p><a href="{{ unsubscribe_url }}">no more</a>`,
		Data:    `{"name": {{ customer.first_name | "there" }}, "text": "Hi {{ customer.first_name | "there" }}", "n": {{ customer.n }}}`,
		URL:     `https://shop.example/p/{{ event.product.name }}?who={{ customer.first_name | "no one" }}`,
	}, map[string]value.Value{"event.product.name": value.Str("Big Boots"), "customer.n": value.Num(3)})
	want := Content{
		Subject: "Hi there",
		Title:   "you!",
		Text:    "Hi there, Big Boots is waiting.\nhttps://shop.example/u?t=a&b=1",
		HTML:    `<p>Hi there</p><a href="https://shop.example/u?t=a&amp;b=1">no more</a>`,
		URL:     `https://shop.example/p/Big%20Boots?who=no+one`,
		Data:    []byte(`{"name": "there", "text": "Hi there", "n": 3}`),
	}
	if out.Subject != want.Subject || out.Title != want.Title || out.Text != want.Text || out.HTML != want.HTML ||
		out.URL != want.URL || !bytes.Equal(out.Data, want.Data) {
		t.Errorf("got  %+v\nwant %+v", out, want)
	}
}

func TestHTMLEscaping(t *testing.T) {
	const script = `<script>alert(1)</script>`
	for _, c := range []struct{ src, in, want string }{
		{`<p>{{customer.x}}</p>`, script, `<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>`},
		{`<p>{{customer.x}}</p>`, `a & b`, `<p>a &amp; b</p>`},
		{`<p title="{{customer.x}}">`, `" onclick="alert(1)`, `<p title="&#34; onclick=&#34;alert(1)">`},
		{`<p title='{{customer.x}}'>`, `' onclick='alert(1)`, `<p title='&#39; onclick=&#39;alert(1)'>`},
		{`<p title={{customer.x}}>`, `a onclick=alert(1)`, `<p title=a&#32;onclick&#61;alert(1)>`},
		{`<a href="{{customer.x}}">`, `https://a.example/?q=a b&c="`, `<a href="https://a.example/?q=a%20b&amp;c=%22">`},
		{`<a href="/p?q={{customer.x}}">`, `a&b=c"`, `<a href="/p?q=a%26b%3dc%22">`},
		{`<script>var a = {{customer.x}};</script>`, `</script><script>alert(1)//`,
			`<script>var a = "\u003c/script\u003e\u003cscript\u003ealert(1)//";</script>`},
		{`<script>var a = "{{customer.x}}";</script>`, `";alert(1)//`, `<script>var a = "\u0022;alert(1)\/\/";</script>`},
		{`<p onclick="f({{customer.x}})">`, `");alert(1)//`, `<p onclick="f(&#34;\&#34;);alert(1)//&#34;)">`},
		{`<p style="color: {{customer.x}}">`, `red`, `<p style="color: red">`},
		{`<textarea>{{customer.x}}</textarea>`, `</textarea>` + script, `<textarea>&lt;/textarea&gt;&lt;script&gt;alert(1)&lt;/script&gt;</textarea>`},
		{`<!--[if mso]><b>{{customer.x}}</b><![endif]-->`, script, `<!--[if mso]><b>&lt;script&gt;alert(1)&lt;/script&gt;</b><![endif]-->`},
		{`<!--[if !mso]><!--><i>{{customer.x}}</i><!--<![endif]-->`, `<`, `<!--[if !mso]><!--><i>&lt;</i><!--<![endif]-->`},
		{`<p>{{customer.x}}<!-- note --></p>`, `{{index .V 0}}`, `<p>{{index .V 0}}</p>`},
	} {
		if got := render(t, Template{HTML: c.src}, vals(value.Str(c.in))).HTML; got != c.want {
			t.Errorf("%s with %s\n got %s\nwant %s", c.src, c.in, got, c.want)
		}
	}
}

func TestHTMLUnsafeValuesAreNotSent(t *testing.T) {
	for src, in := range map[string]string{
		`<a href="{{customer.x}}">`:                  `javascript:alert(1)`,
		`<a href=" {{customer.x}} ">`:                `JaVaScRiPt:alert(1)`,
		`<img src="{{customer.x}}">`:                 `data:text/html,<script>alert(1)</script>`,
		`<a href='{{customer.x}}'>`:                  `vbscript:x`,
		`<p style="color: {{customer.x}}">`:          `expression(alert(1))`,
		`<style>p { color: {{customer.x}} }</style>`: `red } body { display: none`,
	} {
		out, err := compile(t, Template{HTML: src}).Render(Input{Data: vals(value.Str(in))})
		if !errors.Is(err, ErrContent) || !strings.Contains(err.Error(), "not safe") || out.HTML != "" {
			t.Errorf("%s with %s: %q %v", src, in, out.HTML, err)
		}
	}
}

func TestValuesInScriptsAreValues(t *testing.T) {
	list := value.ListOf([]value.Value{value.Num(1), value.Str("a")})
	if got := render(t, Template{HTML: `<script>f({{customer.x}})</script>`}, vals(list)).HTML; got != `<script>f([1,"a"])</script>` {
		t.Error(got)
	}
	if got := render(t, Template{HTML: `<script>f({{customer.x}})</script>`}, vals(value.Num(2))).HTML; !regexp.MustCompile(`^<script>f\( ?2 ?\)</script>$`).MatchString(got) {
		t.Error(got)
	}
	if got := render(t, Template{HTML: `<p>{{customer.x}}</p>`}, vals(list)).HTML; got != `<p>1, a</p>` {
		t.Error(got)
	}
}

func TestNoLineBreaksInHeaders(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\nBcc: eve@x.example": "Hi a Bcc: eve@x.example",
		"a\nb\n\n\nc":             "Hi a b c",
		"a\u2028b\u0085c\x00d":    "Hi a b c d",
		"\n":                      "Hi",
		"a \r\n b":                "Hi a  b",
	} {
		out := render(t, Template{Subject: "Hi {{customer.x}}", Title: "Hi {{customer.x}}\n"}, vals(value.Str(in)))
		if out.Subject != want || out.Title != want {
			t.Errorf("%q gave subject %q and title %q, want %q", in, out.Subject, out.Title, want)
		}
	}
}

func TestValuesAsText(t *testing.T) {
	noon := value.At(time.Date(2026, 5, 1, 5, 0, 0, 0, time.UTC))
	for _, c := range []struct {
		in   value.Value
		want string
	}{
		{value.Num(42), "42"}, {value.Num(42.5), "42.5"}, {value.Num(0), "0"}, {value.Num(-0.25), "-0.25"}, {value.Num(0.1), "0.1"},
		{value.Num(1234567890123), "1234567890123"}, {value.Num(1e20), "100000000000000000000"}, {value.Num(1e21), "1e+21"},
		{value.Num(0.000001), "0.000001"}, {value.Num(1e-7), "1e-07"}, {value.Num(math.MaxFloat64), "1.7976931348623157e+308"},
		{value.Bool(true), "true"}, {value.Bool(false), "false"}, {value.Str(""), ""}, {value.Str("Đà Nẵng"), "Đà Nẵng"},
		{noon, "2026-05-01T12:00:00+07:00"},
		{value.ListOf([]value.Value{value.Str("a"), value.Num(2), noon}), "a, 2, 2026-05-01T12:00:00+07:00"},
		{value.ObjectOf([]value.Field{{Name: "b", Value: value.Num(1)}, {Name: "a", Value: noon}}), `{"a":"2026-05-01T12:00:00+07:00","b":1}`},
	} {
		if got := render(t, Template{Text: "[{{customer.x}}]"}, vals(c.in)).Text; got != "["+c.want+"]" {
			t.Errorf("%v: got %s, want %s", c.in, got, c.want)
		}
	}
}

func TestAbsentValues(t *testing.T) {
	for src, want := range map[string]string{
		"{{customer.x}}":              `template "cart": text: 1:3: {{ customer.x }}: has no value; give a default`,
		"{{ boom }}":                  `template "cart": text: 1:3: {{ boom }}: has no value; give a default, as in {{ customer.first_name | "there" }}: division by zero`,
		"{{ customer.x | event.y }}":  `{{ customer.x }}: has no value`,
		"{{unsubscribe_url}}":         `{{ unsubscribe_url }}: has no value: set the portal's unsubscribe URL`,
		"{{ customer.x | boom\n\n }}": `1:3: {{ customer.x }}: has no value`,
	} {
		_, err := compile(t, Template{Text: "é " + src}).Render(Input{Data: map[string]value.Value{}})
		var content *ContentError
		if !errors.As(err, &content) || !errors.Is(err, ErrContent) || !strings.Contains(err.Error(), want) || content.Field != "text" {
			t.Errorf("%s: %v", src, err)
		}
	}
	for src, want := range map[string]string{
		`{{ customer.x | "none" }}`:             "none",
		`{{ boom | "none" }}`:                   "none",
		`{{ customer.x | 0 }}`:                  "0",
		`{{ customer.x | "" }}`:                 "",
		`{{ customer.x | "a | b" }}`:            "a | b",
		`{{ customer.x | "}}" }}`:               "}}",
		`{{ "{{" }}x{{ '}}' }}`:                 "{{x}}",
		`{{ unsubscribe_url | "ask us" }}`:      "ask us",
		`{{ customer.x | unsubscribe_url | 1}}`: "",
	} {
		tpl := Template{Name: "cart", Text: src}
		c, err := Compile(&tpl, Hooks{Compile: compileTest})
		if strings.Count(src, " | ") == 2 && !strings.Contains(src, `"a`) {
			if err == nil || !strings.Contains(err.Error(), "second |") {
				t.Errorf("%s: %v", src, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if out, err := c.Render(Input{Data: map[string]value.Value{}}); err != nil || out.Text != want {
			t.Errorf("%s: got %q %v, want %q", src, out.Text, err, want)
		}
	}
	// A blank is a value.
	if out := render(t, Template{Text: `[{{ customer.x | "none" }}]`}, vals(value.Str(""))); out.Text != "[]" {
		t.Error(out.Text)
	}
}

func TestErrorsHavePlaces(t *testing.T) {
	for _, c := range []struct {
		tpl  Template
		want string
	}{
		{Template{Text: `Hi {{ unknown }}`}, `template "cart": text: 1:7: unknown attribute "unknown" (did you mean "name"?)`},
		{Template{Text: "é\nçé {{unknown}}"}, `text: 2:6: unknown`},
		{Template{Text: "{{ customer.x |\n  unknown }}"}, `text: 2:3: unknown`},
		{Template{Text: "{{\n\n unknown }} {{ unknown2 }}"}, `text: 3:2: unknown attribute "unknown" (did you mean "name"?)` + "\n" + `template "cart": text: 3:16: unknown`},
		{Template{Text: "a {{ customer.x"}, `text: 1:3: {{ has no }}`},
		{Template{Text: `{{ "a }}`}, `text: 1:1: {{ has no }}`},
		{Template{Text: "{{ }}"}, `text: 1:1: {{ }} is empty`},
		{Template{Text: "{{ customer.x | }}"}, `text: 1:16: nothing follows the |`},
		{Template{Text: "a\xffb"}, `is not valid UTF-8`},
		{Template{}, `template "cart": is empty`},
		{Template{Subject: "{{", HTML: "{{"}, "subject: 1:1: {{ has no }}\ntemplate \"cart\": html: 1:1: {{ has no }}"},
		{Template{HTML: "<p>\n{{ customer.x\n}}\n<a {{customer.y}}=\"\n<b"}, `html: `},
		{Template{HTML: "<script>\nvar x = `{{customer.x}"}, `html: 2:10: {{ has no }}`},
		{Template{Data: `{"a": {{customer.x}}`}, `data: 1:1: is not JSON`},
		{Template{Data: `{ {{customer.x}}: 1}`}, `is not JSON`},
		{Template{Data: `{"a": {{customer.x}}{{customer.x}} }`}, `is not JSON`},
		{Template{Data: `{"a": -{{customer.x}} }`}, `is not JSON`},
		{Template{Data: `{"a": "\{{customer.x}}"}`}, `is not JSON`},
		{Template{Data: `{"a": "\u00{{customer.x}}"}`}, `is not JSON`},
		{Template{URL: `javascript:alert(1)`}, `url: 1:1: is no link`},
		{Template{URL: `/p/1`}, `url: 1:1: is no link`},
		{Template{URL: `https:///p`}, `url: 1:1: is no link`},
		{Template{URL: `https://shop{{customer.x}}/p`}, `url: 1:13: a placeholder cannot be part of the scheme or the host`},
		{Template{URL: `{{customer.x}}{{customer.y}}`}, `url: 1:15: a placeholder cannot be part of the scheme or the host`},
		{Template{URL: `java{{customer.x}}:alert(1)`}, `url: 1:5: a placeholder cannot be part of the scheme or the host`},
	} {
		c.tpl.Name = "cart"
		if _, err := Compile(&c.tpl, Hooks{Compile: compileTest}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v\n got %v\nwant %s", c.tpl, err, c.want)
		}
	}
}

func TestURL(t *testing.T) {
	for _, c := range []struct{ src, in, want string }{
		{`https://shop.example/p/{{customer.x}}`, `../a?b#c`, `https://shop.example/p/..%2Fa%3Fb%23c`},
		{`https://shop.example/?a={{customer.x}}&b=1`, `x&b=2#c`, `https://shop.example/?a=x%26b%3D2%23c&b=1`},
		{`https://shop.example?a={{customer.x}}`, `1`, `https://shop.example?a=1`},
		{`{{customer.x}}`, ` https://other.example/a?b=c `, `https://other.example/a?b=c`},
		{`{{customer.x}}/p?from={{customer.x}}`, `http://o.example`, `http://o.example/p?from=http%3A%2F%2Fo.example`},
		{`shop://product/{{customer.x}}`, `a b`, `shop://product/a%20b`},
		{`tel:{{customer.x}}`, `+84 123`, `tel:+84%20123`},
		{`{{customer.x}}`, `javascript:alert(1)`, ``},
		{`{{customer.x}}`, `shop://a`, ``},
		{`{{customer.x}}`, ``, ``},
		{`{{customer.x}}/p`, `/p`, ``},
		{`{{customer.x}}/p`, `https:`, ``},
	} {
		out, err := compile(t, Template{URL: c.src}).Render(Input{Data: vals(value.Str(c.in))})
		if c.want == "" && !errors.Is(err, ErrContent) || c.want != "" && err != nil || out.URL != c.want {
			t.Errorf("%s with %q: got %q %v, want %q", c.src, c.in, out.URL, err, c.want)
		}
	}
}

func TestBombs(t *testing.T) {
	hooks := Hooks{Compile: compileTest}
	if _, err := Compile(&Template{Name: "b", Text: strings.Repeat("a", MaxSource), Subject: "s"}, hooks); err == nil || !strings.Contains(err.Error(), "the limit is") {
		t.Error(err)
	}
	if _, err := Compile(&Template{Name: "b", Text: strings.Repeat("{{customer.x}}", 300), HTML: strings.Repeat("{{customer.x}}", 201)}, hooks); err == nil || !strings.Contains(err.Error(), "more than 500 placeholders") {
		t.Error(err)
	}
	many := strings.Repeat("{{customer.x}}", 100)
	long := value.Str(strings.Repeat("<", 30000))
	for name, tpl := range map[string]Template{"text": {Text: many}, "subject": {Subject: many}, "html": {HTML: many},
		"data": {Data: `"` + many + `"`}, "url": {URL: "https://x.example/" + many}} {
		_, err := compile(t, tpl).Render(Input{Data: vals(long)})
		if !errors.Is(err, ErrContent) || !strings.Contains(err.Error(), name+": is longer than 1048576 bytes") {
			t.Errorf("%s: %v", name, err)
		}
	}
	list := make([]value.Value, 10000)
	for i := range list {
		list[i] = long
	}
	_, err := compile(t, Template{Text: "{{customer.x}}"}).Render(Input{Data: vals(value.ListOf(list))})
	if !errors.Is(err, ErrContent) || !strings.Contains(err.Error(), "{{ customer.x }}: is longer than") {
		t.Error(err)
	}
}

func TestDecode(t *testing.T) {
	tpl, err := Decode([]byte(`{"name": "a", "version": 2, "channel": "email", "event": "view", "subject": "s", "html": "<p>"}`))
	if err != nil || *tpl != (Template{Name: "a", Version: 2, Channel: "email", Event: "view", Subject: "s", HTML: "<p>"}) {
		t.Errorf("%+v %v", tpl, err)
	}
	b, _ := json.Marshal(tpl)
	if again, err := Decode(b); err != nil || *again != *tpl {
		t.Errorf("%+v %v", again, err)
	}
	if _, err := Decode([]byte(`{"subjct": "s"}`)); err == nil || !strings.Contains(err.Error(), `unknown field "subjct" (did you mean "subject"?)`) {
		t.Error(err)
	}
	if _, err := Decode([]byte(`{} {}`)); err == nil {
		t.Error("two documents were accepted")
	}
}

// Whatever the template and the value, what renders as data is JSON, and nothing panics.
func FuzzData(f *testing.F) {
	f.Add(`{"a": "x {{customer.x}}", "b": {{customer.x}}}`, "a\"b\\\n</script>\u2028")
	f.Add(`["\\{{customer.x}}"]`, `"`)
	f.Add(`"\"{{customer.x}}\"{{ customer.x | "}}" }}"`, `\`)
	f.Add(`{{customer.x}}`, "\xff")
	f.Fuzz(func(t *testing.T, src, in string) {
		c, err := Compile(&Template{Name: "f", Data: src}, Hooks{Compile: compileTest})
		if err != nil {
			return
		}
		out, err := c.Render(Input{Data: vals(value.Str(in))})
		if err == nil && !json.Valid(out.Data) {
			t.Errorf("%s with %q gave %s", src, in, out.Data)
		}
	})
}

// Whatever the template and the value, a value in HTML text brings no tag, and in a header no line break.
func FuzzHTML(f *testing.F) {
	f.Add(`<p>{{customer.x}}</p>`, `<script>`)
	f.Add(`<a href="{{customer.x}}" style='{{customer.x}}'>`, `javascript:x`)
	f.Add("<!--[if mso]>{{customer.x}}<![endif]--> {{{ customer.x }}} }} {", "\r\n<b")
	f.Fuzz(func(t *testing.T, src, in string) {
		c, err := Compile(&Template{Name: "f", HTML: src, Subject: src, URL: ""}, Hooks{Compile: compileTest})
		if err != nil {
			return
		}
		out, err := c.Render(Input{Data: vals(value.Str(in))})
		if err == nil && strings.ContainsAny(out.Subject, "\r\n\x00") {
			t.Errorf("%q with %q gave the subject %q", src, in, out.Subject)
		}
		plain, err := Compile(&Template{Name: "f", HTML: `<p title="{{customer.x}}">{{customer.x}}</p>`}, Hooks{Compile: compileTest})
		if err != nil {
			t.Fatal(err)
		}
		if out, err = plain.Render(Input{Data: vals(value.Str(in))}); err == nil && (strings.Count(out.HTML, "<") != 2 || strings.Count(out.HTML, `"`) != 2) {
			t.Errorf("%q came through as %s", in, out.HTML)
		}
	})
}

func TestTranslate(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"1:4: one", "5:14: one"},
		{"1:4: one; 2:4: two; three", "5:14: one\n6:4: two; three"},
		{"1:4: one\n3:1: two", "5:14: one\n7:1: two"},
		{"no place", "5:11: no place"},
		{"what; 1:1: place", "5:11: what; 1:1: place"},
	} {
		if got := translate(errors.New(c.in), source{line: 5, column: 11}).Error(); got != c.want {
			t.Errorf("%q became %q, want %q", c.in, got, c.want)
		}
	}
}

func TestParseExpressions(t *testing.T) {
	for src, want := range map[string]string{
		`{{ {"a": {"b": 1}}.a.b }}!`:            ` {"a": {"b": 1}}.a.b `,
		`{{ a || b | c }}!`:                     ` a || b `,
		`{{ f(x | y) }}!`:                       ` f(x | y) `,
		`{{ [1].exists(x, x == "|}}") }}!`:      ` [1].exists(x, x == "|}}") `,
		`{{ r"\" + '}}' }}!`:                    ` r"\" + '}}' `,
		`{{ "\"}}" }}!`:                         ` "\"}}" `,
		"{{ '''it's\n}}''' | \"\"\"a\"\"\" }}!": " '''it's\n}}''' ",
	} {
		parts, err := parse(src)
		if err != nil || len(parts) != 2 || parts[0].hole == nil || parts[0].hole.src.text != want || parts[1].text != "!" {
			t.Errorf("%s: %+v %v", src, parts, err)
		}
	}
}
