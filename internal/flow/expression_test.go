package flow

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

var exprColumns = []slotColumn{
	{Column{"n", schema.Number}, 0}, {Column{"s", schema.Text}, 1}, {Column{"at", schema.Datetime}, 2}, {Column{"ok", schema.Boolean}, 3},
	{Column{"who", schema.Object}, 4}, {Column{"tags", schema.StringList}, 5}, {Column{"gone", schema.Number}, 6},
	{Column{"gone_text", schema.Text}, 7}, {Column{"gone_at", schema.Datetime}, 8}, {Column{"not an identifier", schema.Text}, 9}}

func exprRow() []value.Value {
	row := make([]value.Value, 10)
	row[0], row[1], row[3] = value.Num(7), value.Str("Ann Lee"), value.Bool(true)
	row[2] = value.At(time.Date(2026, 2, 1, 23, 30, 0, 0, time.UTC)) // a Sunday
	row[4] = value.ObjectOf([]value.Field{{Name: "city", Value: value.Str("Huế")}})
	row[5] = value.ListOf([]value.Value{value.Str("a"), value.Str("b")})
	return row
}

func TestExpressions(t *testing.T) {
	for _, c := range []struct {
		src  string
		t    schema.Type
		want string
	}{
		{"n * 2", schema.Number, "14"}, {"n / 2", schema.Number, "3.5"}, {"int(n) % 4", schema.Number, "3"}, {"n ** 2", schema.Number, "49"},
		{"-n + 0.5", schema.Number, "-6.5"}, {"round(n / 3 * 100) / 100", schema.Number, "2.33"}, {"max(n, 9)", schema.Number, "9"},
		{"abs(-3) + floor(2.9) + ceil(0.1)", schema.Number, "6"}, {"len(s)", schema.Number, "7"}, {`indexOf(s, "Lee")`, schema.Number, "4"},
		{`float("2.5") + int("3")`, schema.Number, "5.5"}, {"int(-2.9)", schema.Number, "-2"},
		{`s + "!"`, schema.String, "Ann Lee!"}, {"upper(s)", schema.Text, "ANN LEE"}, {`split(s, " ")[1]`, schema.Text, "Lee"},
		{`s | lower() | trimSuffix("lee") | trim()`, schema.Text, "ann"}, {"string(n)", schema.Text, "7"}, {"string(1234567890123)", schema.Text, "1234567890123"},
		{"string(n * 1e20)", schema.Text, "700000000000000000000"}, {"string(at)", schema.Text, "2026-02-01T23:30:00Z"}, {"s[0:3]", schema.Text, "Ann"},
		{`n > 5 ? "many" : "few"`, schema.Text, "many"}, {`s startsWith "Ann" && ok`, schema.Boolean, "true"}, {`s in ["x", "Ann Lee"]`, schema.Boolean, "true"},
		{`"a" in tags`, schema.Boolean, "true"}, {"tags[1]", schema.Text, "b"}, {"who.city", schema.Text, "Huế"}, {"who?.zip", schema.Text, "absent"},
		{"who.zip", schema.Text, "absent"},
		{"year(at) * 100 + month(at)", schema.Number, "202602"}, {"day(at)", schema.Number, "1"}, {"hour(at)", schema.Number, "23"},
		{"weekday(at)", schema.Number, "0"}, {`format(at, "02.01.2006")`, schema.Text, "01.02.2026"}, {`at + duration("36h")`, schema.Datetime, "2026-02-03T11:30:00Z"},
		{`date("2026-05-01")`, schema.Datetime, "2026-05-01T00:00:00Z"}, {`date("3.5.2026", "2.1.2006")`, schema.Datetime, "2026-05-03T00:00:00Z"},
		{`at > date("2026-01-01")`, schema.Boolean, "true"},

		// Absent columns.
		{"gone", schema.Number, "absent"}, {"gone * 2", schema.Number, "absent"}, {"gone ?? 0", schema.Number, "0"}, {"n - (gone ?? 2)", schema.Number, "5"},
		{"gone == nil ? 1 : 2", schema.Number, "1"}, {"gone != nil", schema.Boolean, "false"}, {"ok ? n : gone", schema.Number, "7"},
		{"ok ? gone + 1 : n", schema.Number, "absent"}, {"gone > 1 || ok", schema.Boolean, "absent"}, {"ok || gone > 1", schema.Boolean, "true"},
		{`gone_text + "x"`, schema.Text, "absent"}, {`(gone_text ?? "none") + "x"`, schema.Text, "nonex"}, {"string(gone)", schema.Text, "absent"},
		{`gone_text contains "x"`, schema.Boolean, "false"}, {`ok ? gone_text startsWith "" : ok`, schema.Boolean, "false"}, {`gone_text in ["x"]`, schema.Boolean, "false"},
		{"ok ? string(gone) : s", schema.Text, "absent"}, {"ok ? year(gone_at) : n", schema.Number, "absent"},
	} {
		e, err := compileExpression(c.src, c.t, exprColumns)
		require.NoError(t, err, c.src)
		for range 2 {
			v, err := e.eval(exprRow())
			require.NoError(t, err, c.src)
			require.Equal(t, c.want, v.String(), c.src)
		}
	}
}

// With an absent column no function makes something up, whether or not the expression copes with nil elsewhere.
func TestEveryFunctionRefusesAbsent(t *testing.T) {
	for src, typ := range map[string]schema.Type{
		"abs(gone)": schema.Number, "ceil(gone)": schema.Number, "floor(gone)": schema.Number, "round(gone)": schema.Number, "float(gone)": schema.Number,
		"int(gone)": schema.Number, "max(gone, 1)": schema.Number, "min(1, gone)": schema.Number, "len(gone_text)": schema.Number,
		"upper(gone_text)": schema.Text, "lower(gone_text)": schema.Text, "trim(gone_text)": schema.Text, `trimPrefix(gone_text, "x")`: schema.Text,
		`trimSuffix(gone_text, "x")`: schema.Text, `indexOf(gone_text, "x")`: schema.Number, `lastIndexOf("x", gone_text)`: schema.Number,
		`hasPrefix(gone_text, "x")`: schema.Boolean, `hasSuffix("x", gone_text)`: schema.Boolean, `split(gone_text, "x")[0]`: schema.Text,
		"date(gone_text)": schema.Datetime, "string(gone)": schema.Text, "duration(gone_text) + at": schema.Datetime, "year(gone_at)": schema.Number,
		"month(gone_at)": schema.Number, "day(gone_at)": schema.Number, "hour(gone_at)": schema.Number, "weekday(gone_at)": schema.Number,
		`format(gone_at, "2006")`: schema.Text, "gone + 1": schema.Number, "-gone": schema.Number, "gone < 1": schema.Boolean,
	} {
		for _, form := range []string{src, "ok ? " + src + " : nil"} {
			e, err := compileExpression(form, typ, exprColumns)
			require.NoError(t, err, form)
			v, err := e.eval(exprRow())
			require.NoError(t, err, form)
			require.True(t, v.IsAbsent(), "%s gave %v", form, v)
		}
	}
}

func TestExpressionErrors(t *testing.T) {
	for _, c := range []struct {
		src  string
		t    schema.Type
		want string
	}{
		{"n + categry", schema.Number, `1:5: unknown column "categry"; the columns here are ["n" "s" "at" "ok" "who" "tags" "gone" "gone_text" "gone_at"]`},
		{"gone_tex + s", schema.Text, `1:1: unknown column "gone_tex" (did you mean "gone_text"?)`},
		{"n *", schema.Number, "1:3: unexpected token EOF"},
		{"n + s", schema.Number, "1:3: invalid operation: + (mismatched types float64 and string)"},
		{"s", schema.Number, "the expression gives a string, declared is number: use float(...)"},
		{"n", schema.Text, "the expression gives a number, declared is text: use string(...)"},
		{"s", schema.Datetime, "the expression gives a string, declared is datetime: use date(...)"},
		{"at - at", schema.Number, "the expression gives a duration, declared is number"},
		{"n > 1", schema.Number, "the expression gives a boolean, declared is number"},
		{"uper(s)", schema.Text, `1:1: the function uper is not available (did you mean "upper"?)`},
		{"at.Year()", schema.Number, "1:4: methods are not available"},
		{`at.Format("2006")`, schema.Text, "1:4: methods are not available"},
		{"$env.n", schema.Number, `unknown column "$env"`},
		{"now()", schema.Datetime, "1:1: the function now is not available"},
		{"s matches s", schema.Boolean, "1:3: the operator matches is not available"},
		{strings.Repeat("(", 4097), schema.Number, "has 4097 bytes, the limit is 4096"},
		{strings.Repeat("(", 4096), schema.Number, "unexpected token"},
	} {
		_, err := compileExpression(c.src, c.t, exprColumns)
		require.ErrorContains(t, err, c.want, c.src)
	}
}

func TestExpressionRowErrors(t *testing.T) {
	for _, c := range []struct {
		src  string
		t    schema.Type
		want string
	}{
		{"n / 0", schema.Number, "the result +Inf is not a finite number"}, {"int(n) % 0", schema.Number, "integer divide by zero"},
		{"int(n * 1e300)", schema.Number, "is too large for int"}, {"float(s)", schema.Number, "float(Ann Lee)"},
		{"date(s)", schema.Datetime, `"Ann Lee" is not a time`}, {"who.city", schema.Number, "the result is a string (Huế), declared is number"},
		{"tags[5]", schema.Text, "index out of range"}, {`split(s, " ")[2]`, schema.Text, "index out of range"},
		{"s + s", schema.String, "has 400 characters, a string holds 255"},
	} {
		e, err := compileExpression(c.src, c.t, exprColumns)
		require.NoError(t, err, c.src)
		row := exprRow()
		if c.t == schema.String {
			row[1] = value.Str(strings.Repeat("x", 200))
		}
		_, err = e.eval(row)
		require.ErrorContains(t, err, c.want, c.src)
	}
}

// Everything known to take memory or time out of proportion is an error when the flow is saved, and costs little.
func TestExpressionBombs(t *testing.T) {
	nested := "s"
	for range 12 {
		nested = "[" + nested + "," + nested + "]"
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, src := range []string{
		"repeat(s, 999999)", `replace(s, "a", s)`, `join([s, s], s)`, "toJSON([s])", "let a = s + s; let b = a + a; let c = b + b; c",
		"let a = [s, s]; let b = [a, a]; string(b)", "map(1..999999, s)", "reduce(1..9, #acc + #acc, s)", "filter(tags, # == s)", "sum(1..1000000)",
		"1..1000000", "s matches \"(a{1000}){1000}\"", "$env", "concat(tags, tags)", "flatten([tags])", "fromJSON(s)", "toBase64(s)", "groupBy(tags, #)",
		"sort(tags)", "any(1..1000000, false)", strings.Repeat("s+", 300) + "s", nested, "string(" + nested + ")", "s; s",
	} {
		_, err := compileExpression(src, schema.Text, exprColumns)
		require.Error(t, err, src)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20))

	// The longest sum of the longest texts is bounded by the expression's length, and too long for a value.
	e, err := compileExpression(strings.Repeat("s+", 90)+"s", schema.Text, exprColumns)
	require.NoError(t, err)
	row := exprRow()
	row[1] = value.Str(strings.Repeat("x", value.MaxText))
	_, err = e.eval(row)
	require.ErrorContains(t, err, "the text has 2730000 characters, the limit is 30000")
}

func FuzzExpression(f *testing.F) {
	for _, s := range []string{"n * 2", `split(s, " ")[1]`, "who.city", "gone ?? 0", "let a = s; a", `date(s, "2006")`, "tags[-1]", "{a: 1}.a", "1..3", "s?.x", "`x` + s", "n in tags ? 1 : 2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		for _, typ := range []schema.Type{schema.Number, schema.Text, schema.Boolean} {
			e, err := compileExpression(src, typ, exprColumns)
			if err != nil {
				return
			}
			if v, err := e.eval(exprRow()); err == nil && !v.IsAbsent() {
				_, err = schema.Attr{Type: typ}.Coerce(v)
				require.NoError(t, err)
			}
		}
	})
}
