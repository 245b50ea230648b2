package value

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What callers may hand in, and the value they mean by it.
func TestFromGo(t *testing.T) {
	noon := time.Date(2026, 5, 1, 12, 0, 0, 123456789, time.FixedZone("", 7*3600))
	const noonMicros = 1777611600123456 // 2026-05-01T05:00:00.123456Z
	number := func(f float64) Value { return Value{Kind: Number, Num: f} }
	text := func(s string) Value { return Value{Kind: String, Str: s} }
	for _, c := range []struct {
		in   any
		want Value
	}{
		{nil, Value{}},
		{42, number(42)}, {int8(-8), number(-8)}, {int16(-16), number(-16)}, {int32(-32), number(-32)}, {int64(1 << 53), number(9007199254740992)},
		{uint(1), number(1)}, {uint8(255), number(255)}, {uint16(65535), number(65535)}, {uint32(math.MaxUint32), number(4294967295)}, {uint64(1 << 63), number(9223372036854775808)},
		{1.5, number(1.5)}, {float32(0.5), number(0.5)}, {math.MaxFloat64, number(math.MaxFloat64)}, {math.SmallestNonzeroFloat64, number(5e-324)},
		{json.Number("12.25"), number(12.25)},
		{"", text("")}, {"Việt Nam", text("Việt Nam")}, {"a\x00b", text("a\x00b")},
		{true, Value{Kind: Boolean, Num: 1}}, {false, Value{Kind: Boolean}},
		{noon, Value{Kind: Datetime, Time: noonMicros}},
		{time.Unix(0, 0), Value{Kind: Datetime}},
		{time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), Value{Kind: Datetime, Time: -62135596800000000}},
		{time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), Value{Kind: Datetime, Time: 253402300799999999}},
		{[]any{}, Value{Kind: List}},
		{[]any{1, nil, "x"}, Value{Kind: List, List: []Value{number(1), text("x")}}},
		{[]string{"b", "a"}, Value{Kind: List, List: []Value{text("b"), text("a")}}},
		{[]int{2}, Value{Kind: List, List: []Value{number(2)}}},
		{[]float64{.5}, Value{Kind: List, List: []Value{number(.5)}}},
		{[]time.Time{noon}, Value{Kind: List, List: []Value{{Kind: Datetime, Time: noonMicros}}}},
		{map[string]any{"b": 1, "a": nil, "B": "x"}, Value{Kind: Object, Fields: []Field{{"B", text("x")}, {"b", number(1)}}}},
		{map[string]string{"k": "v"}, Value{Kind: Object, Fields: []Field{{"k", text("v")}}}},
		{map[string]float64{"k": 1}, Value{Kind: Object, Fields: []Field{{"k", number(1)}}}},
		{[]map[string]any{{"k": true}}, Value{Kind: List, List: []Value{{Kind: Object, Fields: []Field{{"k", Value{Kind: Boolean, Num: 1}}}}}}},
		{Value{Kind: Datetime, Time: 5}, Value{Kind: Datetime, Time: 5}},
	} {
		got, err := FromGo(c.in)
		require.NoError(t, err, "%T %v", c.in, c.in)
		require.True(t, got.Equal(c.want), "%T %v: got %#v, want %#v", c.in, c.in, got, c.want)
	}
}

func TestFromGoRefuses(t *testing.T) {
	keys := func(n int) map[string]any {
		m := make(map[string]any, n)
		for i := range n {
			m[fmt.Sprint("k", i)] = i
		}
		return m
	}
	for _, c := range []struct {
		in   any
		want string
	}{
		{math.NaN(), "NaN is not a finite number"},
		{math.Inf(1), "+Inf is not a finite number"},
		{float32(math.Inf(-1)), "-Inf is not a finite number"},
		{json.Number("1e999"), `"1e999" is not a number`},
		{json.Number("NaN"), "NaN is not a finite number"},
		{json.Number("x"), `"x" is not a number`},
		{"a\xff", `"a\xff" is not valid UTF-8`},
		{strings.Repeat("x", 30001), "the text has 30001 characters, the limit is 30000"},
		{time.Date(0, 12, 31, 23, 59, 59, 0, time.UTC), "the year 0 is outside 1 to 9999"},
		{time.Date(1, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600)), "the year 0 is outside 1 to 9999"},
		{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "the year 10000 is outside 1 to 9999"},
		{make([]int, 10001), "the array has 10001 elements, the limit is 10000"},
		{keys(10001), "the object has 10001 keys, the limit is 10000"},
		{[]any{1, []any{math.NaN()}}, "element 1: element 0: NaN is not a finite number"},
		{map[string]any{"a": map[string]any{"b": "\xff"}}, `key "a": key "b": "\xff" is not valid UTF-8`},
		{map[string]any{"": 1}, `"" is no name for a key: 1 to 255 bytes of UTF-8`},
		{map[string]any{"\xff": 1}, `"\xff" is no name for a key: 1 to 255 bytes of UTF-8`},
		{map[string]any{strings.Repeat("k", 256): 1}, "is no name for a key"},
		{struct{}{}, "a struct {} is not a number, string, time, boolean, array or object"},
		{new(int), "a *int is not a number, string, time, boolean, array or object"},
		{complex(1, 1), "a complex128 is not a number, string, time, boolean, array or object"},
	} {
		_, err := FromGo(c.in)
		require.ErrorContains(t, err, c.want, "%T", c.in)
	}
}

// Just at the limits everything goes in, and comes back from its binary form.
func TestFromGoAtTheLimits(t *testing.T) {
	keys := make(map[string]any, MaxList)
	for i := range MaxList {
		keys[fmt.Sprint("k", i)] = i
	}
	for name, in := range map[string]any{
		"text of one-byte characters":  strings.Repeat("x", MaxText),
		"text of four-byte characters": strings.Repeat("😀", MaxText),
		"array":                        make([]int, MaxList),
		"object":                       keys,
		"key":                          map[string]any{strings.Repeat("k", 255): 1},
		"arrays in arrays":             nestedArrays(MaxDepth, 1),
		"arrays in arrays, an empty one innermost": nestedArrays(MaxDepth, []any{}),
	} {
		v, err := FromGo(in)
		require.NoError(t, err, name)
		back, rest, err := Decode(Append(nil, v))
		require.NoError(t, err, name)
		require.Empty(t, rest, name)
		require.True(t, back.Equal(v), name)
	}
}

func nestedArrays(depth int, innermost any) any {
	for range depth {
		innermost = []any{innermost}
	}
	return innermost
}

func TestFromGoDepth(t *testing.T) {
	object := func(depth int) any {
		var x any = 1
		for range depth {
			x = map[string]any{"k": x}
		}
		return x
	}
	for _, deep := range []any{nestedArrays(5, 1), object(5), nestedArrays(1000, 1)} {
		_, err := FromGo(deep)
		require.ErrorContains(t, err, "arrays and objects are nested deeper than 4")
	}
	_, err := FromGo(object(4))
	require.NoError(t, err)
}

// -0 and 0 are one value: equal, and the same bytes.
func TestNegativeZero(t *testing.T) {
	for _, in := range []any{math.Copysign(0, -1), float32(math.Copysign(0, -1)), json.Number("-0")} {
		v, err := FromGo(in)
		require.NoError(t, err)
		require.False(t, math.Signbit(v.Num), "%T keeps its sign", in)
		require.Equal(t, []byte{1, 0, 0, 0, 0, 0, 0, 0, 0}, Append(nil, v))
	}
}

func TestGoAndBack(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 123000, time.UTC)
	in := map[string]any{"n": 1.5, "s": "x", "b": true, "t": at, "l": []any{1.0, "y"}, "o": map[string]any{"k": false}}
	v, err := FromGo(in)
	require.NoError(t, err)
	require.Equal(t, in, v.Go())
	require.Nil(t, Value{}.Go())
	require.Equal(t, at, v.Field("t").Go())
}

func TestString(t *testing.T) {
	for want, v := range map[string]Value{
		"absent":                      {},
		"1.5":                         Num(1.5),
		"plain":                       Str("plain"),
		"true":                        Bool(true),
		"2026-05-01T00:00:00.000001Z": Micros(1777593600000001),
		`[1,"x"]`:                     ListOf([]Value{Num(1), Str("x")}),
		`{"a":1,"b":false}`:           ObjectOf([]Field{{"b", Bool(false)}, {"a", Num(1)}}),
	} {
		require.Equal(t, want, v.String())
	}
	require.NotPanics(t, func() { _ = ListOf([]Value{Micros(math.MinInt64)}).String() })
	require.Equal(t, "array", List.String())
	require.Equal(t, "kind 9", Kind(9).String())
}

func TestFieldAndEqual(t *testing.T) {
	o := ObjectOf([]Field{{"c", Num(3)}, {"a", Num(1)}, {"b", Num(2)}})
	require.Equal(t, 1.0, o.Field("a").Num)
	require.Equal(t, 2.0, o.Field("b").Num)
	require.Equal(t, 3.0, o.Field("c").Num)
	for _, name := range []string{"", "A", "aa", "d"} {
		require.True(t, o.Field(name).IsAbsent(), name)
	}
	require.True(t, Str("x").Field("x").IsAbsent())
	different := []Value{{}, Num(0), Num(1), Str(""), Str("0"), Micros(0), Micros(1), Bool(false), Bool(true), ListOf(nil),
		ListOf([]Value{Num(0)}), ListOf([]Value{Num(0), Num(0)}), ObjectOf(nil), ObjectOf([]Field{{"a", Num(0)}}),
		ObjectOf([]Field{{"b", Num(0)}}), ObjectOf([]Field{{"a", Num(1)}})}
	for i, v := range different {
		for j, w := range different {
			require.Equal(t, i == j, v.Equal(w), "%v and %v", v, w)
		}
	}
	require.True(t, Bool(true).True())
	require.False(t, Bool(false).True())
	require.False(t, Num(1).True())
}
