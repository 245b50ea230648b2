package value

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The bytes are the log's format: this table may grow, and no line of it may change.
func TestBytes(t *testing.T) {
	for want, v := range map[string]Value{
		"00":                   {},
		"01000000000000f83f":   Num(1.5),
		"0203c3a978":           Str("éx"),
		"0200":                 Str(""),
		"030100000000000000":   Micros(1),
		"03ffffffffffffffff":   Micros(-1),
		"0400":                 Bool(false),
		"0401":                 Bool(true),
		"0500":                 ListOf(nil),
		"050204010201" + "78":  ListOf([]Value{Bool(true), Str("x")}),
		"0600":                 ObjectOf(nil),
		"06020161040101620401": ObjectOf([]Field{{"b", Bool(true)}, {"a", Bool(true)}}),
	} {
		require.Equal(t, want, hex.EncodeToString(Append(nil, v)), "%v", v)
		b, err := hex.DecodeString(want)
		require.NoError(t, err)
		got, rest, err := Decode(append(b, 7, 7))
		require.NoError(t, err, want)
		require.Equal(t, []byte{7, 7}, rest)
		require.True(t, got.Equal(v), want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	number := func(f float64) []byte {
		return binary.LittleEndian.AppendUint64([]byte{1}, math.Float64bits(f))
	}
	for what, b := range map[string][]byte{
		"nothing":                   {},
		"an unknown kind":           {7},
		"NaN":                       number(math.NaN()),
		"infinity":                  number(math.Inf(1)),
		"minus infinity":            number(math.Inf(-1)),
		"a boolean of 2":            {4, 2},
		"text that is not UTF-8":    {2, 1, 0xff},
		"a key that is not UTF-8":   {6, 1, 1, 0xff, 0},
		"a length beyond the end":   {2, 2, 'x'},
		"an enormous length":        {2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 'x'},
		"a length that never ends":  {2, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80},
		"an enormous count":         {5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0},
		"a count beyond the end":    {5, 3, 0, 0},
		"keys out of order":         {6, 2, 1, 'b', 0, 1, 'a', 0},
		"a key twice":               {6, 2, 1, 'a', 0, 1, 'a', 0},
		"six arrays in one another": {5, 1, 5, 1, 5, 1, 5, 1, 5, 1, 5, 1, 0},
	} {
		_, _, err := Decode(b)
		require.ErrorIs(t, err, ErrEncoding, what)
	}
}

// Every value that is cut short is refused, whatever its length.
func TestTruncated(t *testing.T) {
	whole := Append(nil, ObjectOf([]Field{{"a", ListOf([]Value{Num(1), Str("x"), Micros(3), Bool(true), {}})}, {"b", ObjectOf([]Field{{"c", Num(1)}})}}))
	for n := range whole {
		_, _, err := Decode(whole[:n])
		require.ErrorIs(t, err, ErrEncoding, "%d bytes", n)
		_, err = Skip(whole[:n])
		require.ErrorIs(t, err, ErrEncoding, "%d bytes", n)
	}
	for _, b := range [][]byte{nil, {1, 0, 0, 0, 0, 0, 0, 0, 0}, {6}, {6, 1}, {6, 1, 5, 'a'}, {6, 2, 1, 'a', 0}} {
		_, err := FieldOf(b, "z")
		require.ErrorIs(t, err, ErrEncoding, "% x", b)
	}
}

// Decoded strings are copies: the caller's buffer may be written again.
func TestDecodeCopies(t *testing.T) {
	b := Append(nil, ObjectOf([]Field{{"key", Str("text")}}))
	v, _, err := Decode(b)
	require.NoError(t, err)
	clear(b)
	require.Equal(t, "text", v.Field("key").Str)
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyValue(MaxDepth).Draw(t, "value")
		tail := rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "tail")
		b := append(Append(nil, v), tail...)
		got, rest, err := Decode(b)
		if err != nil || !got.Equal(v) || len(rest) != len(tail) {
			t.Fatalf("%v came back as %v with %d bytes left of %d (%v)", v, got, len(rest), len(tail), err)
		}
		rest, err = Skip(b)
		if err != nil || len(rest) != len(tail) {
			t.Fatalf("Skip of %v leaves %d bytes, want %d (%v)", v, len(rest), len(tail), err)
		}
		for _, f := range append(v.Fields, Field{Name: "not there"}) {
			got, err := FieldOf(b, f.Name)
			if v.Kind == Object && (err != nil || !got.Equal(f.Value)) {
				t.Fatalf("FieldOf %q of %v is %v, want %v (%v)", f.Name, v, got, f.Value, err)
			}
		}
	})
}

// anyValue draws values of every kind, objects with sorted and distinct keys.
func anyValue(depth int) *rapid.Generator[Value] {
	return rapid.Custom(func(t *rapid.T) Value {
		kinds := 6
		if depth == 0 {
			kinds = 4
		}
		switch rapid.IntRange(0, kinds).Draw(t, "kind") {
		case 1:
			return Value{Kind: Number, Num: rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64).Draw(t, "number")}
		case 2:
			return Value{Kind: String, Str: rapid.String().Draw(t, "string")}
		case 3:
			return Value{Kind: Datetime, Time: rapid.Int64().Draw(t, "micros")}
		case 4:
			return Bool(rapid.Bool().Draw(t, "boolean"))
		case 5:
			return Value{Kind: List, List: rapid.SliceOfN(anyValue(depth-1), 0, 4).Draw(t, "list")}
		case 6:
			names := rapid.SliceOfNDistinct(rapid.StringN(1, 6, 24), 0, 4, rapid.ID[string]).Draw(t, "keys")
			fields := make([]Field, len(names))
			for i, n := range names {
				fields[i] = Field{n, anyValue(depth-1).Draw(t, "field")}
			}
			return ObjectOf(fields)
		}
		return Value{}
	})
}

// Whatever the bytes, Decode, Skip and FieldOf agree and never panic.
func FuzzDecode(f *testing.F) {
	f.Add(Append(nil, Num(-0.5)))
	f.Add(Append(nil, Str("Việt Nam")))
	f.Add(Append(nil, Micros(math.MinInt64)))
	f.Add(Append(nil, ListOf([]Value{Bool(true), ListOf([]Value{{}})})))
	f.Add(Append(nil, ObjectOf([]Field{{"a", Num(1)}, {"b", ObjectOf([]Field{{"c", Str("x")}})}})))
	f.Add([]byte{6, 2, 1, 'b', 0, 1, 'a', 0})
	f.Add([]byte{5, 0xff, 0xff, 3, 5, 0xff, 0xff, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		FieldOf(b, "a")
		v, rest, err := Decode(b)
		skipped, skipErr := Skip(b)
		if err != nil {
			return
		}
		if skipErr != nil || len(skipped) != len(rest) {
			t.Fatalf("Decode leaves %d bytes, Skip %d (%v)", len(rest), len(skipped), skipErr)
		}
		again, left, err := Decode(Append(nil, v))
		if err != nil || len(left) != 0 || !again.Equal(v) {
			t.Fatalf("%v comes back as %v (%v)", v, again, err)
		}
		for _, field := range v.Fields {
			if got, err := FieldOf(b, field.Name); err != nil || !got.Equal(field.Value) {
				t.Fatalf("FieldOf %q is %v, want %v (%v)", field.Name, got, field.Value, err)
			}
		}
		_ = v.String()
	})
}
