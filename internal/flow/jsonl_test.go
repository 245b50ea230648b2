package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// jsonSales has the rows of salesText, a row a line.
func jsonSales(rows int) string {
	var b strings.Builder
	for i := range rows {
		switch i % 4 {
		case 2:
			fmt.Fprintf(&b, `{"user":"u%d","sku":"s%d","quantity":"two"}`+"\r\n", i, i)
		default:
			fmt.Fprintf(&b, `{"user":"u%d","sku":"s%d","quantity":2,"price":1.5,"at":"2026-01-02","ok":%v}`+"\n", i, i, i%4 != 1)
		}
	}
	return b.String()
}

func jsonPeople(types map[string]schema.Type) Def {
	def := people(types)
	def.Source.Type = "jsonl"
	return def
}

func TestJSONLBadInput(t *testing.T) {
	long := strings.Repeat("x", MaxRecord)
	for _, c := range []struct {
		name, text string
		n          schema.Type
		items      []string
		dead       []string
	}{
		{"clean", "{\"id\":\"a\",\"n\":1}\n\n{\"n\":2,\"id\":\"b\",\"else\":[1]}\r\n", schema.Number, []string{"1 a 1", "3 b 2"}, nil},
		{"mark, no break at the end", "\xef\xbb\xbf{\"id\":\"a\",\"n\":1}", schema.Number, []string{"1 a 1"}, nil},
		{"null and missing", `{"id":"a","n":null}` + "\n" + `{"id":"b"}`, schema.Number, []string{"1 a absent", "2 b absent"}, nil},
		{"no objects", "[1]\n\"x\"\nnull\n{\"id\":\"a\"}\n{\"id\":\n{} {}\n", schema.Number, []string{"4 a absent"}, []string{
			"1: is no JSON object: found array", "2: is no JSON object: found string", "3: is no JSON object: found null", "5: is no JSON object: unexpected end of JSON input",
			"6: is no JSON object: invalid character '{' after top-level value"}},
		{"other types", `{"id":"a","n":"1"}` + "\n" + `{"id":"b","n":true}` + "\n" + `{"id":"c","n":12345678901234567}` + "\n" + `{"id":"d","n":1e400}`, schema.Number, nil, []string{
			`1: column "n": is a string ("1"), declared is number`, `2: column "n": is a boolean (true), declared is number`,
			`3: column "n": "12345678901234567" has more digits than a number holds exactly: declare the column as string`,
			`4: column "n": "1e400" is too large for a number`}},
		{"long ids as text", `{"id":12345678901234567,"n":"1"}` + "\n" + `{"id":"b","n":1.50}`, schema.String, []string{"1 12345678901234567 1", "2 b 1.50"}, nil},
		{"times", `{"id":"a","n":"2026-01-02"}` + "\n" + `{"id":"b","n":17}`, schema.Datetime, []string{"1 a 2026-01-02T00:00:00Z"},
			[]string{`2: column "n": is a number (17), declared is datetime`}},
		{"nested", `{"id":"a","n":{"x":[1,"b",{"c":null}]}}` + "\n" + `{"id":"b","n":[1]}` + "\n" + `{"id":"c","n":{"a":{"b":{"c":{"d":{"e":1}}}}}}`, schema.Object,
			[]string{`1 a {"x":[1,"b",{}]}`}, []string{`2: column "n": is a array ([1]), declared is object`,
				`3: column "n": key "a": key "b": key "c": key "d": key "e": arrays and objects are nested deeper than 4`}},
		{"lists", `{"id":"a","n":[1,2]}` + "\n" + `{"id":"b","n":[1,"x"]}`, schema.NumberList, []string{`1 a [1,2]`},
			[]string{`2: column "n": element 1 is a string (x), declared is number`}},
		{"invalid UTF-8", "{\"id\":\"\xff\"}\n{\"id\":\"b\"}", schema.Number, []string{"2 b absent"}, []string{"1: is not valid UTF-8: save the file as UTF-8"}},
		{"long line", "{\"id\":\"a\"}\n{\"id\":\"" + long + "\"}\n{\"id\":\"c\"}", schema.Number, []string{"1 a absent", "3 c absent"}, []string{"2: is longer than 1 MiB"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := run(t, jsonPeople(map[string]schema.Type{"id": schema.Text, "n": c.n}), c.text)
			require.Equal(t, append([]string{}, c.items...), pairs(s.items))
			require.Equal(t, append([]string{}, c.dead...), lines(s.dead))
		})
	}
}

func TestJSONLColumns(t *testing.T) {
	text := `{"id":1,"n":"x","tags":["a"],"who":{"city":"Huế"},"ok":true}` + "\nbroken\n" + `{"id":"A2","items":[{"sku":"a"}],"at":"2026-01-01","n":null}` + "\n"
	f := compile(t, jsonPeople(map[string]schema.Type{"at": schema.Datetime, "never": schema.Number}), memory(text))
	require.Equal(t, []Column{{"at", schema.Datetime}, {"id", schema.Text}, {"items", schema.ObjectList}, {"n", schema.Text},
		{"never", schema.Number}, {"ok", schema.Boolean}, {"tags", schema.StringList}, {"who", schema.Object}}, f.Nodes()[0].Columns)

	_, err := Compile(context.Background(), jsonPeople(nil), hooksFor(memory("")))
	require.ErrorContains(t, err, "source: the first 100 lines have no keys: declare the columns in types")
}

func TestJSONLEmptyFile(t *testing.T) {
	s, result := run(t, jsonPeople(map[string]schema.Type{"id": schema.Text, "n": schema.Number}), "")
	require.Empty(t, s.items)
	require.Equal(t, 1, s.writes, "the last batch says that the run is done")
	require.True(t, result.Cursor.Done)
}

// What encoding/json makes of an object is what the reader takes apart, values byte by byte.
func checkFields(t require.TestingT, line []byte) {
	var want map[string]json.RawMessage
	wrong := json.Unmarshal(line, &want)
	fields, problem := jsonFields(nil, line)
	require.Equal(t, wrong != nil || want == nil, problem != "", "%q: %v: %s", line, wrong, problem)
	if problem != "" {
		return
	}
	got := map[string]json.RawMessage{}
	for _, f := range fields {
		got[string(f.key)] = f.value
	}
	require.Equal(t, want, got, "%q", line)
}

func TestJSONFieldsTwin(t *testing.T) {
	piece := rapid.SampledFrom([]string{"{", "}", "[", "]", ",", ":", `"a"`, `"b\"}"`, "1", "-2.5e3", "true", "null", " ", "\t", `"\u00e9,"`, `{"x":[1,{}]}`, `"k":`})
	rapid.Check(t, func(t *rapid.T) {
		pairs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return rapid.SampledFrom([]string{`"a"`, ` "b\"}" `, `"\u00e9"`, `""`}).Draw(t, "key") + ":" +
				rapid.SampledFrom([]string{"1", " -2.5e3 ", "true", "null", `"x,}"`, `"\\"`, `[1, [], {"q":"]"}]`, " {} ", `{"a":{"b":[{}]}}`}).Draw(t, "value")
		}), 0, 4).Draw(t, "pairs")
		checkFields(t, []byte(" { "+strings.Join(pairs, ",")+" } "))
		checkFields(t, []byte(strings.Join(rapid.SliceOfN(piece, 1, 12).Draw(t, "pieces"), "")))
	})
}

func FuzzJSONL(f *testing.F) {
	for _, s := range []string{`{"id":"a","n":1}`, "{\"id\":\"a\",\"o\":{\"x\":[1]}}\r\n\n[]", `{"l":[{"a":null}],"t":"2026-01-01","b":false}`, "{\"id\":\"\\ud800\"}", "null\n{"} {
		f.Add(s)
	}
	columns := []Column{{"b", schema.Boolean}, {"id", schema.String}, {"l", schema.ObjectList}, {"n", schema.Number}, {"o", schema.Object}, {"t", schema.Datetime}}
	f.Fuzz(func(t *testing.T, text string) {
		in, err := openInput(context.Background(), func(ctx context.Context) (io.ReadCloser, error) { return memory(text)(ctx, "") }, nil)
		if err != nil {
			return
		}
		r := newJSONLReader(in, columns)
		for line := range bytes.Lines([]byte(text)) {
			if utf8.Valid(line) && len(bytes.TrimSpace(line)) > 0 {
				checkFields(t, line)
			}
		}
		row, line := make([]value.Value, len(columns)), int64(0)
		for {
			rec, err := r.next(row)
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			require.Greater(t, rec.line, line)
			line = rec.line
			for i, v := range row {
				if rec.reason == "" && !v.IsAbsent() {
					back, rest, err := value.Decode(value.Append(nil, v))
					require.NoError(t, err, columns[i].Name)
					require.Empty(t, rest)
					require.True(t, v.Equal(back))
				}
			}
		}
		require.LessOrEqual(t, line, int64(strings.Count(text, "\n")+1))
	})
}
