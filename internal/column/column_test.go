package column

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAbsentIsNotZeroOrEmpty(t *testing.T) {
	tb := New("t")
	f, i, b, d, y := tb.Add("f", Float64), tb.Add("i", Int64), tb.Add("b", Bool), tb.Add("d", Dict), tb.Add("y", Bytes)
	tb.Append()
	row := tb.Append()
	f.SetFloat(row, 0)
	i.SetInt(row, 0)
	b.SetBool(row, false)
	d.SetString(row, nil)
	y.SetBytes(row, []byte{})
	for _, tb := range []*Table{tb, reload(t, tb)} {
		for _, c := range tb.Columns() {
			require.False(t, c.Present(0), c.Name())
			require.True(t, c.Present(1), c.Name())
			require.False(t, c.Present(99), c.Name())
		}
		require.NotNil(t, tb.Column("y").Bytes(1))
		require.Empty(t, tb.Column("y").Bytes(1))
		require.Equal(t, uint32(1), tb.Column("d").Code(1))
	}
	require.Nil(t, tb.Column("none"))
}

func TestMistakesPanic(t *testing.T) {
	tb := New("t")
	f := tb.Add("f", Float64)
	d := tb.Add("d", Dict)
	tb.Append()
	row := tb.Append()
	require.PanicsWithValue(t, "column: column f row 0: of 2 rows only the last of a table, or any of a vector, may be set", func() { f.SetFloat(0, 1) })
	require.Panics(t, func() { f.SetFloat(2, 1) })
	require.Panics(t, func() { f.Grow(7) })
	require.PanicsWithValue(t, "column: column f is float64, not int64", func() { f.SetInt(row, 1) })
	require.Panics(t, func() { d.SetUint(row, 1) })
	require.PanicsWithValue(t, "column: column d has no code 1: its dictionary has 0 entries", func() { d.SetCode(row, 1) })
	require.PanicsWithValue(t, "column: table t: column f is float64 and cannot be added as dict", func() { tb.Add("f", Dict) })
	require.Same(t, f, tb.Add("f", Float64))
	require.Panics(t, func() { NewVector(Bytes).SetBytes(0, []byte("x")) })
	require.Panics(t, func() { NewVector(0) })

	y := tb.Add("y", Bytes)
	require.Panics(t, func() { y.SetBytes(row, make([]byte, MaxBytes+1)) })
	y.SetBytes(row, make([]byte, MaxBytes))
	require.Len(t, y.Bytes(row), MaxBytes)
}

// Bytes handed out before stay as they were.
func TestBytesStay(t *testing.T) {
	v := NewVector(Bytes)
	v.Grow(1)
	v.SetBytes(0, []byte("one"))
	one := v.Bytes(0)
	v.SetBytes(0, []byte("two"))
	require.Equal(t, "one", string(one))

	tb := New("t")
	y := tb.Add("y", Bytes)
	y.SetBytes(tb.Append(), []byte("first"))
	first := y.Bytes(0)
	_ = append(first, "overwrite"...)
	for range 1000 {
		y.SetBytes(tb.Append(), []byte("next"))
	}
	require.Equal(t, "first", string(first))
	require.Equal(t, "next", string(y.Bytes(1)))
}

// The format by hand, so that a change of it is seen. Only the checksum is computed, bit by bit.
func TestFormatByHand(t *testing.T) {
	tb := New("ev")
	at, amount, color, ok, note := tb.Add("at", Int64), tb.Add("amount", Float64), tb.Add("color", Dict), tb.Add("ok", Bool), tb.Add("note", Bytes)
	tb.Add("ref", Uint32)
	row := tb.Append()
	at.SetInt(row, 10)
	amount.SetFloat(row, 1.25)
	color.SetString(row, []byte("red"))
	note.SetBytes(row, []byte("hi"))
	row = tb.Append()
	at.SetInt(row, 13)
	color.SetString(row, []byte("red"))
	ok.SetBool(row, true)
	row = tb.Append()
	at.SetInt(row, 11)
	color.SetString(row, []byte("blue"))
	note.SetBytes(row, []byte(""))

	want := strings.Join([]string{
		"01", "02" + hexOf("ev"), "00", "03", "06", // format 1, table, chunk 0, 3 rows, 6 columns
		"02" + hexOf("at"), "02", "01", "01", "14", "02", "1c", // all present; packed from 10 in 2 bits: 0, 3, 1; deltas would be as long
		"06" + hexOf("amount"), "01", "02", "01", "02", "00", "fa01", // row 0 of bits; cents; all the same: 125
		"05" + hexOf("color"), "05", "00", "02", "03" + hexOf("red"), "04" + hexOf("blue"), "01", "01", "02", "01", "04", // packed from 1, 1 bit: 0,0,1
		"02" + hexOf("ok"), "04", "02", "02", "00", "04", // row 1; all the same: 2
		"04" + hexOf("note"), "06", "02", "05", "02", "04", "03", hexOf("hi"), // rows 0 and 2; lengths 2 and 0 as deltas
		"03" + hexOf("ref"), "03", "00", // nothing
	}, "")
	b, err := hex.DecodeString(want)
	require.NoError(t, err)
	b = binary.LittleEndian.AppendUint32(b, slowCRC32C(b))
	require.Equal(t, b, tb.EncodeChunk(nil, 0))
}

func hexOf(s string) string { return hex.EncodeToString([]byte(s)) }

func slowCRC32C(b []byte) uint32 {
	crc := ^uint32(0)
	for _, x := range b {
		crc ^= uint32(x)
		for range 8 {
			crc = crc>>1 ^ 0x82f63b78*(crc&1)
		}
	}
	return ^crc
}

func sealed(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, slowCRC32C(b)) }

func TestLoadErrorsNameThePlace(t *testing.T) {
	tb := New("ev")
	d := tb.Add("color", Dict)
	for range ChunkRows + 1 {
		d.SetString(tb.Append(), []byte("red"))
	}
	first, second := tb.EncodeChunk(nil, 0), tb.EncodeChunk(nil, 1)

	require.ErrorContains(t, New("ev").LoadChunk(second), "table ev chunk 1 cannot follow 0 rows")
	require.ErrorContains(t, New("objects").LoadChunk(first), `table objects: this is a chunk of table "ev"`)
	other := New("ev")
	other.Add("color", Float64)
	require.ErrorContains(t, other.LoadChunk(first), "table ev chunk 0 column color: it is dict there and float64 in the table")
	require.Equal(t, 0, other.Len())

	for i := range first {
		bad := append([]byte{}, first...)
		bad[i] ^= 0x10
		require.ErrorIs(t, New("ev").LoadChunk(bad), ErrDamaged)
	}
	for n := range first {
		require.ErrorIs(t, New("ev").LoadChunk(first[:n]), ErrDamaged)
	}

	head := []byte("\x01\x02ev\x00\x02\x01\x05color\x05\x00\x01\x03red")
	require.NoError(t, New("ev").LoadChunk(sealed(append(append([]byte{}, head...), 1, intsSame, 2))))
	for tail, text := range map[string]string{
		"\x01\x00\x04":         "column color: row 0: 2 is outside 1..1", // a code past the dictionary
		"\x01\x07":             "column color: unknown form 7 of integers",
		"\x09":                 "column color: unknown form 9 of presence",
		"\x01\x00\x02\x00":     "1 bytes follow the last column",
		"\x01\x01\x02\x21\x00": "column color: integers of 33 bits",
		"\x03\x03\x00\x00":     "column color: 3 values in 2 rows",
		"\x03\x02\x00\x00":     "column color: row 0 after row 0 of 2",
		"":                     "column color: 0 bytes are left where 1 are needed",
	} {
		fresh := New("ev")
		err := fresh.LoadChunk(sealed(append(append([]byte{}, head...), tail...)))
		require.ErrorIs(t, err, ErrDamaged)
		require.ErrorContains(t, err, "table ev chunk 0")
		require.ErrorContains(t, err, text)
		require.Empty(t, fresh.Columns())
	}
	require.ErrorContains(t, New("ev").LoadChunk(sealed([]byte("\x02\x02ev\x00\x02\x00"))), "format 2")
	require.ErrorContains(t, New("ev").LoadChunk(sealed([]byte("\x01\x02ev\x00\x02\x01\x05color\x05\x00\x02\x01a\x01a\x01"))), `has "a" twice`)
	require.ErrorContains(t, New("ev").LoadChunk(sealed([]byte("\x01\x02ev\x00\x02\x02\x01a\x03\x00\x01a\x03\x00"))), "listed twice")
	require.ErrorContains(t, New("ev").LoadChunk(sealed([]byte("\x01\x02ev\x00\x02\x01\x01a\x02\x01\x00"+string(binary.AppendVarint(nil, math.MinInt64))))), "is outside")
}

func TestNothingAllocatedPerRow(t *testing.T) {
	tb, fill := wideTable()
	for range 2 * ChunkRows {
		fill()
	}
	require.Zero(t, testing.AllocsPerRun(1000, fill))
	word := []byte("word 1")
	color := tb.Column("color")
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if _, ok := color.Dict().Lookup(word); !ok || color.Str(77) == "" {
			panic("not found")
		}
	}))
}

// wideTable returns a table of 8 columns as a shop's purchases have them, and a function that appends a row.
func wideTable() (*Table, func()) {
	tb := New("purchase")
	at, row, id := tb.Add("at", Int64), tb.Add("row", Uint32), tb.Add("id", Bytes)
	amount, count, color, shop, gift := tb.Add("amount", Float64), tb.Add("count", Float64), tb.Add("color", Dict), tb.Add("shop", Dict), tb.Add("gift", Bool)
	words := make([][]byte, 64)
	for i := range words {
		words[i] = fmt.Appendf(nil, "word %d", i)
	}
	ids := []byte("0190b5a2c3d4e5f60718293a4b5c6d7e")
	n := uint64(1)
	return tb, func() {
		n = n*6364136223846793005 + 1442695040888963407
		x := n >> 20
		i := tb.Append()
		at.SetInt(i, 1.7e15+int64(i)*300_000+int64(x%100_000))
		row.SetUint(i, uint32(x%1_000_000))
		id.SetBytes(i, ids[:16])
		amount.SetFloat(i, float64(x%100_000)/100)
		count.SetFloat(i, float64(x%10))
		color.SetString(i, words[x%64])
		shop.SetString(i, words[x%16])
		gift.SetBool(i, x%8 == 0)
	}
}

func FuzzLoadChunk(f *testing.F) {
	tb, fill := wideTable()
	for range 100 {
		fill()
	}
	b := tb.EncodeChunk(nil, 0)
	f.Add(b[:len(b)-4])
	f.Add([]byte("\x01\x08purchase\x00\x02\x01\x05color\x05\x00\x01\x03red\x01\x00\x02"))
	f.Add([]byte("\x01\x08purchase\x00\x20\x01\x01f\x01\x03\x01\x00\x02\x02\x80\x04"))
	f.Add([]byte("\x01\x08purchase\x00\x20\x01\x01b\x06\x02\x01\x00\x00\x00\x00\x06abc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		tb := New("purchase")
		if tb.LoadChunk(b) == nil && len(b) < 4 {
			t.Fatal("a chunk without a checksum")
		}
		tb = New("purchase")
		if tb.LoadChunk(sealed(b)) != nil {
			if tb.Len() != 0 || len(tb.Columns()) != 0 {
				t.Fatal("the table changed in spite of the error")
			}
			return
		}
		again := reload(t, tb)
		if again.Len() != tb.Len() || len(again.Columns()) != len(tb.Columns()) {
			t.Fatal("a loaded chunk does not come back")
		}
		tb.Append()
	})
}

func BenchmarkAppendRow8Columns(b *testing.B) {
	_, fill := wideTable()
	b.ReportAllocs()
	for b.Loop() {
		fill()
	}
}

func BenchmarkEncodeChunk(b *testing.B) {
	tb, fill := wideTable()
	for range ChunkRows {
		fill()
	}
	dst := tb.EncodeChunk(nil, 0)
	b.ReportMetric(float64(len(dst))/ChunkRows, "bytes/row")
	for b.Loop() {
		dst = tb.EncodeChunk(dst[:0], 0)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/ChunkRows, "ns/row")
	b.ReportMetric(float64(len(dst))/ChunkRows, "bytes/row")
}

func BenchmarkLoadChunk(b *testing.B) {
	tb, fill := wideTable()
	for range ChunkRows {
		fill()
	}
	src := tb.EncodeChunk(nil, 0)
	for b.Loop() {
		if err := New("purchase").LoadChunk(src); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/ChunkRows, "ns/row")
}

func BenchmarkScanFloats(b *testing.B) {
	tb, fill := wideTable()
	for range 100 * ChunkRows {
		fill()
	}
	c := tb.Column("amount")
	var sum float64
	for b.Loop() {
		for k := range tb.Chunks() {
			for _, v := range c.Floats(k) {
				if v > 500 {
					sum++
				}
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(tb.Len()), "ns/row")
}
