package schema

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/parser"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/value"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "_", "_9", "Z", "purchase", "add_to_cart", "snake_Camel9", strings.Repeat("x", 64)} {
		require.NoError(t, CheckName("an attribute", name), name)
	}
	for _, name := range []string{"", "9a", "a-b", "a b", "a.b", "é", "a\x00", "\xff", "a\n", strings.Repeat("x", 65)} {
		require.ErrorContains(t, CheckName("an event type", name), "is no name for an event type: use letters, digits and underscores", "%q", name)
	}
	for _, word := range []string{"in", "true", "false", "null"} {
		require.EqualError(t, CheckName("an attribute", word), `"`+word+`" is a word of the expression language: choose another name for an attribute`)
	}
}

// CEL's own parser is the judge of what can be selected: every short name, whatever its bytes, that passes can be written after a dot.
func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"a", "_", "a1", "1a", "in", "true", "null", "as", "for", "has", "a-b", "é", "a b", "a//", "a()"} {
		f.Add(s)
	}
	p, err := parser.NewParser()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName("x", name) != nil {
			return
		}
		tree, problems := p.Parse(common.NewTextSource("e." + name))
		if len(problems.GetErrors()) > 0 || tree.Expr().Kind() != ast.SelectKind || tree.Expr().AsSelect().FieldName() != name {
			t.Fatalf("%q passes, but CEL cannot select it: %v", name, problems.GetErrors())
		}
	})
}

func TestCheck(t *testing.T) {
	good := Attrs{
		"number": {Type: Number, Required: true, Default: json.RawMessage(`-0.5`)},
		"string": {Type: String, Ref: "product", Default: json.RawMessage(`""`)},
		"text":   {Type: Text}, "boolean": {Type: Boolean, Default: json.RawMessage(`false`)},
		"at":      {Type: Datetime, Default: json.RawMessage(`"2026-05-01"`)},
		"numbers": {Type: NumberList, Default: json.RawMessage(`[]`)}, "strings": {Type: StringList}, "times": {Type: DatetimeList},
		"items": {Type: ObjectList, Fields: Attrs{"time": {Type: Number}, "size": {Type: Object, Fields: Attrs{"w": {Type: Number}}}}},
	}
	require.NoError(t, good.Check("event \"purchase\"", 0))
	require.NoError(t, Attrs(nil).Check("x", 0))
	require.Equal(t, []string{"at", "boolean", "items", "number", "numbers", "string", "strings", "text", "times"}, good.Names())

	deep := func(n int) Attr {
		a := Attr{Type: Number}
		for range n {
			a = Attr{Type: Object, Fields: Attrs{"k": a}}
		}
		return a
	}
	require.NoError(t, Attrs{"a": deep(2)}.Check("x", 0))
	for want, attrs := range map[string]Attrs{
		`x: "a b" is no name for an attribute: use letters, digits and underscores, not starting with a digit, at most 64`: {"a b": {Type: Number}},
		`x: attribute "time": every event has a time of its own; choose another name`:                                      {"time": {Type: Datetime}},
		`x: attribute "id": every event has a id of its own; choose another name`:                                          {"id": {Type: String}},
		`x: attribute "a": unknown type "nubmer" (did you mean "number"?)`:                                                 {"a": {Type: "nubmer"}},
		`x: attribute "a": unknown type ""`:                                                                                {"a": {}},
		`x: attribute "a": unknown type "[]boolean"`:                                                                       {"a": {Type: "[]boolean"}},
		`x: attribute "a": unknown type "[][]number"`:                                                                      {"a": {Type: "[][]number"}},
		`x: attribute "a": a number has no keys`:                                                                           {"a": {Type: Number, Fields: Attrs{"k": {Type: Number}}}},
		`x: attribute "a": a reference is a string, not a text`:                                                            {"a": {Type: Text, Ref: "product"}},
		`x: attribute "a": attribute "k": a string has no keys`:                                                            {"a": {Type: Object, Fields: Attrs{"k": {Type: String, Fields: Attrs{"l": {Type: Number}}}}}},
		`x: attribute "a": attribute "k": attribute "k": objects are nested deeper than 2`:                                 {"a": deep(3)},
		`x: attribute "a": default: null is no default`:                                                                    {"a": {Type: Number, Default: json.RawMessage(`null`)}},
		`x: attribute "a": default: is a string (1), declared is number`:                                                   {"a": {Type: Number, Default: json.RawMessage(`"1"`)}},
		`x: attribute "a": default: unexpected end of JSON input`:                                                          {"a": {Type: Number, Default: json.RawMessage(``)}},
	} {
		err := attrs.Check("x", 0)
		require.Error(t, err, want)
		require.True(t, strings.HasPrefix(err.Error(), want), "got %q, want %q", err, want)
	}
}

const at20260501 = 1777593600000000 // 2026-05-01T00:00:00Z, by date -d 2026-05-01Z +%s

func TestCoerce(t *testing.T) {
	list := func(v ...value.Value) value.Value { return value.Value{Kind: value.List, List: v} }
	object := func(f ...value.Field) value.Value { return value.Value{Kind: value.Object, Fields: f} }
	num, str, micros := value.Num, value.Str, value.Micros
	yes := value.Bool(true)
	items := Attrs{"sku": {Type: String, Required: true}, "qty": {Type: Number, Default: json.RawMessage(`1`)}, "at": {Type: Datetime}}
	for _, c := range []struct {
		attr Attr
		in   value.Value
		want value.Value
		err  string
	}{
		{attr: Attr{Type: Number}, in: num(-1), want: num(-1)},
		{attr: Attr{Type: Number}, in: str("1"), err: "is a string (1), declared is number"},
		{attr: Attr{Type: Number}, in: yes, err: "is a boolean (true), declared is number"},
		{attr: Attr{Type: Number}, in: value.Value{}, err: "declared is number"},
		{attr: Attr{Type: Boolean}, in: yes, want: yes},
		{attr: Attr{Type: Boolean}, in: num(1), err: "is a number (1), declared is boolean"},
		{attr: Attr{Type: String}, in: str(strings.Repeat("é", 255)), want: str(strings.Repeat("é", 255))},
		{attr: Attr{Type: String}, in: str(strings.Repeat("é", 256)), err: "has 256 characters, a string holds 255 (declare it as text to hold 30000)"},
		{attr: Attr{Type: String}, in: num(1), err: "is a number (1), declared is string"},
		{attr: Attr{Type: String}, in: micros(0), err: "is a datetime (1970-01-01T00:00:00Z), declared is string"},
		{attr: Attr{Type: Text}, in: str(strings.Repeat("é", 30000)), want: str(strings.Repeat("é", 30000))},
		{attr: Attr{Type: Text}, in: list(), err: "is a array ([]), declared is text"},
		{attr: Attr{Type: Datetime}, in: micros(-1), want: micros(-1)},
		{attr: Attr{Type: Datetime}, in: str("2026-05-01"), want: micros(at20260501)},
		{attr: Attr{Type: Datetime}, in: str("yesterday"), err: `"yesterday" is not a time (use RFC 3339`},
		{attr: Attr{Type: Datetime}, in: num(at20260501), err: "declared is datetime"},
		{attr: Attr{Type: NumberList}, in: list(), want: list()},
		{attr: Attr{Type: NumberList}, in: list(num(2), num(1)), want: list(num(2), num(1))},
		{attr: Attr{Type: NumberList}, in: list(num(2), str("1")), err: "element 1 is a string (1), declared is number"},
		{attr: Attr{Type: NumberList}, in: num(2), err: "is a number (2), declared is []number"},
		{attr: Attr{Type: StringList}, in: list(str("a")), want: list(str("a"))},
		{attr: Attr{Type: StringList}, in: list(str(strings.Repeat("x", 256))), err: "element 0 has 256 characters"},
		{attr: Attr{Type: DatetimeList}, in: list(str("2026-05-01"), micros(1)), want: list(micros(at20260501), micros(1))},
		{attr: Attr{Type: Object, Fields: items}, in: object(value.Field{Name: "at", Value: str("2026-05-01")}, value.Field{Name: "sku", Value: str("x")}),
			want: object(value.Field{Name: "at", Value: micros(at20260501)}, value.Field{Name: "qty", Value: num(1)}, value.Field{Name: "sku", Value: str("x")})},
		{attr: Attr{Type: Object, Fields: items}, in: object(), err: `lacks the required key "sku"`},
		{attr: Attr{Type: Object, Fields: items}, in: object(value.Field{Name: "skuu", Value: num(1)}, value.Field{Name: "sku", Value: str("x")}), err: `has an undeclared key "skuu" (did you mean "sku"?)`},
		{attr: Attr{Type: Object, Fields: items}, in: object(value.Field{Name: "qty", Value: yes}, value.Field{Name: "sku", Value: str("x")}), err: `key "qty" is a boolean (true), declared is number`},
		{attr: Attr{Type: Object}, in: object(), want: object()},
		{attr: Attr{Type: ObjectList, Fields: items}, in: list(object(value.Field{Name: "sku", Value: str("x")})),
			want: list(object(value.Field{Name: "qty", Value: num(1)}, value.Field{Name: "sku", Value: str("x")}))},
		{attr: Attr{Type: ObjectList, Fields: items}, in: list(object(value.Field{Name: "sku", Value: str("x")}), num(1)), err: "element 1 is a number (1), declared is object"},
	} {
		got, err := c.attr.Coerce(c.in)
		if c.err != "" {
			require.ErrorContains(t, err, c.err, "%s from %.60v", c.attr.Type, c.in)
			continue
		}
		require.NoError(t, err, "%s from %.60v", c.attr.Type, c.in)
		require.True(t, got.Equal(c.want), "%s: got %.200v, want %.200v", c.attr.Type, got, c.want)
	}
}

// Coerce does not write into the value it was given: others hold it.
func TestCoerceLeavesItsInput(t *testing.T) {
	in := value.ObjectOf([]value.Field{{Name: "at", Value: value.Str("2026-05-01")}, {Name: "l", Value: value.ListOf([]value.Value{value.Str("2026-05-01")})}})
	before := value.Append(nil, in)
	_, err := Attr{Type: Object, Fields: Attrs{"at": {Type: Datetime}, "l": {Type: DatetimeList}, "a": {Type: Number, Default: json.RawMessage(`1`)}}}.Coerce(in)
	require.NoError(t, err)
	require.Equal(t, before, value.Append(nil, in))
}

func TestParseTime(t *testing.T) {
	for text, want := range map[string]int64{
		"2026-05-01":                          at20260501,
		"2026-05-01 09:30:15":                 at20260501 + 34215e6,
		"2026-05-01T09:30:15Z":                at20260501 + 34215e6,
		"2026-05-01T09:30:15.000001Z":         at20260501 + 34215e6 + 1,
		"2026-05-01T09:30:15.000001999Z":      at20260501 + 34215e6 + 1,
		"2026-05-01T07:00:00+07:00":           at20260501,
		"2026-04-30T14:30:00-09:30":           at20260501,
		"1970-01-01":                          0,
		"1969-12-31T23:59:59.999999Z":         -1,
		"2024-02-29":                          1709164800e6,
		"0001-01-01T00:00:00Z":                -62135596800e6,
		"9999-12-31T23:59:59.999999Z":         253402300799999999,
		"2026-05-01T09:30:15.123456789+00:00": at20260501 + 34215e6 + 123456,
	} {
		got, ok := ParseTime(text)
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "2026", "2026-5-1", "2026-02-29", "2026-13-01", "2026-05-01T", "2026-05-01T09:30", "2026-05-01T09:30:15",
		"2026-05-01T24:00:00Z", "2026-05-01T09:30:60Z", "01/05/2026", "2026-05-01 ", " 2026-05-01", "2026-05-01T09:30:15Zx", "0000-12-31", "0001-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01", "10000-01-01T00:00:00Z", "2026-05-01T09:30:15." + strings.Repeat("1", 30) + "Z"} {
		_, ok := ParseTime(text)
		require.False(t, ok, text)
	}
}

// What is read can be printed and is read again as the same instant.
func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-05-01", "2026-05-01 09:30:15", "2026-05-01T09:30:15.25+07:00", "0001-01-01", "9999-12-31T23:59:59.999999Z", "2026-05-01T09:30:15,5Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		micros, ok := ParseTime(s)
		if !ok {
			return
		}
		printed := time.UnixMicro(micros).UTC().Format(time.RFC3339Nano)
		if again, ok := ParseTime(printed); !ok || again != micros {
			t.Fatalf("%q is %d, printed %s, read again %d (%v)", s, micros, printed, again, ok)
		}
	})
}

func TestInfer(t *testing.T) {
	for _, c := range []struct {
		in   any
		want Attr
	}{
		{1, Attr{Type: Number}},
		{true, Attr{Type: Boolean}},
		{time.Unix(0, 0), Attr{Type: Datetime}},
		{"2026-05-01", Attr{Type: String}},
		{strings.Repeat("é", 255), Attr{Type: String}},
		{strings.Repeat("é", 256), Attr{Type: Text}},
		{[]any{1, "x"}, Attr{Type: NumberList}},
		{[]string{"x"}, Attr{Type: StringList}},
		{[]time.Time{time.Unix(0, 0)}, Attr{Type: DatetimeList}},
		{map[string]any{}, Attr{Type: Object, Fields: Attrs{}}},
		{map[string]any{"a": 1, "bad key": 1, "none": []any{}}, Attr{Type: Object, Fields: Attrs{"a": {Type: Number}}}},
		{[]map[string]any{{"a": 1, "l": []any{}}, {"b": "x", "a": "y", "l": []any{1}}},
			Attr{Type: ObjectList, Fields: Attrs{"a": {Type: Number}, "b": {Type: String}, "l": {Type: NumberList}}}},
	} {
		v, err := value.FromGo(c.in)
		require.NoError(t, err)
		got, ok := Infer(v)
		require.True(t, ok)
		require.Equal(t, c.want, got, "%.60v", c.in)
	}
	for _, none := range []any{nil, []any{}, []any{true}, []any{[]any{1}}} {
		v, err := value.FromGo(none)
		require.NoError(t, err)
		_, ok := Infer(v)
		require.False(t, ok, "%v", none)
	}
}

// Stored definitions keep their JSON form.
func TestJSON(t *testing.T) {
	e := EventType{Name: "purchase", Policy: Learn, Attributes: Attrs{
		"items": {Type: ObjectList, Fields: Attrs{"sku": {Type: String, Required: true, Ref: "product"}}},
		"n":     {Type: Number, Default: json.RawMessage(`1`), Display: "Number"},
	}}
	const want = `{"name":"purchase","policy":"learn","attributes":{"items":{"type":"[]object","fields":{"sku":{"type":"string","required":true,"ref":"product"}}},"n":{"type":"number","default":1,"display":"Number"}}}`
	b, err := json.Marshal(e)
	require.NoError(t, err)
	require.Equal(t, want, string(b))
	var back EventType
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, e, back)
}

func TestElem(t *testing.T) {
	for typ, want := range map[Type]Type{NumberList: Number, StringList: String, DatetimeList: Datetime, ObjectList: Object, Number: "", Object: "", "[]": "", "": ""} {
		require.Equal(t, want, typ.Elem(), "%q", typ)
	}
	require.Len(t, Types, 10)
}
