package column

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"slices"
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

	// presence and values, as in all formats where they are so few
	cells := map[string]string{
		"at":     "01" + "01" + "14" + "02" + "1c",                      // all present; packed from 10 in 2 bits: 0, 3, 1; deltas would be as long
		"amount": "02" + "01" + "02" + "00" + "fa01",                    // row 0 of bits; cents; all the same: 125
		"color":  "01" + "01" + "02" + "01" + "04",                      // packed from 1, 1 bit: 0, 0, 1
		"ok":     "02" + "02" + "00" + "04",                             // row 1; all the same: 2
		"note":   "02" + "05" + "02" + "04" + "03" + "00" + hexOf("hi"), // rows 0 and 2; lengths 2 and 0 as deltas; no digits
		"note1":  "02" + "05" + "02" + "04" + "03" + hexOf("hi"),        // the same in format 1
		"words":  "03" + hexOf("red") + "04" + hexOf("blue"),            // those new to the dictionary
	}
	block := func(name string) string { // as the directory lists it
		b := unhex(t, cells[name])
		return fmt.Sprintf("%02x", len(b)) + hex.EncodeToString(binary.LittleEndian.AppendUint32(nil, slowCRC32C(b)))
	}
	directory := strings.Join([]string{
		"02" + hexOf("ev"), "00", "03", "06", // table, chunk 0, 3 rows, 6 columns
		"02" + hexOf("at"), "02", "03", "14", "1a", "00", block("at"), // 3 present, 10 to 13, not sorted
		"06" + hexOf("amount"), "01", "01", "000000000000f43f", "000000000000f43f", block("amount"), // 1.25 to 1.25
		"05" + hexOf("color"), "05", "03", "00", "02", block("words"), block("color"), // 2 new after 0
		"02" + hexOf("ok"), "04", "01", block("ok"),
		"04" + hexOf("note"), "06", "02", block("note"),
		"03" + hexOf("ref"), "03", "00", // nothing
	}, "")
	want := sealed(append(binary.AppendUvarint([]byte{3}, uint64(len(directory)/2)), unhex(t, directory)...))
	require.Equal(t, append(want, unhex(t, cells["at"]+cells["amount"]+cells["words"]+cells["color"]+cells["ok"]+cells["note"])...), tb.EncodeChunk(nil, 0))

	old := sealed(unhex(t, strings.Join([]string{
		"01", "02" + hexOf("ev"), "00", "03", "06", // format 1, table, chunk 0, 3 rows, 6 columns
		"02" + hexOf("at"), "02", cells["at"],
		"06" + hexOf("amount"), "01", cells["amount"],
		"05" + hexOf("color"), "05", "00", "02", cells["words"], cells["color"],
		"02" + hexOf("ok"), "04", cells["ok"],
		"04" + hexOf("note"), "06", cells["note1"],
		"03" + hexOf("ref"), "03", "00",
	}, "")))
	loaded := New("ev")
	require.NoError(t, loaded.LoadChunk(old))
	require.Equal(t, tb.EncodeChunk(nil, 0), loaded.EncodeChunk(nil, 0), "what format 1 held")
}

// Cells that are digits of hexadecimal numbers take half the room, whatever their lengths; one other letter, and none does.
func TestHexadecimalBytes(t *testing.T) {
	for _, cells := range [][]string{{"00ff", "a1b", ""}, {"0123456789abcdef", "f"}, {"0", ""}, {"", ""}, {"00ff", "A1"}, {"00ff", "g"}} {
		tb := New("t")
		id := tb.Add("id", Bytes)
		for _, c := range cells {
			id.SetBytes(tb.Append(), []byte(c))
		}
		b := tb.EncodeChunk(nil, 0)
		got := New("t")
		require.NoError(t, got.LoadChunk(b))
		for i, c := range cells {
			require.Equal(t, c, string(got.Column("id").Bytes(uint32(i))))
		}
		require.Equal(t, strings.Trim(strings.Join(cells, ""), "0123456789abcdef") != "", bytes.Contains(b, []byte("00ff")) && len(cells[0]) == 4, cells)
	}
	tb := New("t")
	id := tb.Add("id", Bytes)
	for i := range 1000 {
		id.SetBytes(tb.Append(), fmt.Appendf(nil, "%016x", uint64(i)*0x9e3779b97f4a7c15))
	}
	require.Less(t, len(tb.EncodeChunk(nil, 0)), 1000*8+200)
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
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
	require.ErrorContains(t, New("ev").LoadChunk(sealed([]byte("\x05\x02ev\x00\x02\x00"))), "format 5, and formats 1 to 4 are known")

	// The third format, where every checksum fits and what is listed does not.
	listed := func(directory string, blocks ...string) []byte {
		b := []byte("\x03")
		for i, text := range blocks {
			sum := binary.LittleEndian.AppendUint32([]byte{byte(len(text))}, slowCRC32C([]byte(text)))
			directory = strings.Replace(directory, string(rune('A'+i)), string(sum), 1)
		}
		b = binary.AppendUvarint(b, uint64(len(directory)))
		b = sealed(append(b, directory...))
		return append(b, strings.Join(blocks, "")...)
	}
	red := "\x03red"
	require.NoError(t, New("ev").LoadChunk(listed("\x02ev\x00\x02\x01\x05color\x05\x02\x00\x01AB", red, "\x01\x00\x02")))
	for _, bad := range []struct {
		chunk []byte
		text  string
	}{
		{listed("\x02ev\x00\x02\x01\x05color\x05\x02\x00\x01AB", red, "\x01\x00\x04"), "row 0: 2 is outside 1..1"},
		{listed("\x02ev\x00\x02\x01\x05color\x05\x01\x00\x01AB", red, "\x01\x00\x02"), "2 values where the directory says 1"},
		{listed("\x02ev\x00\x02\x01\x05color\x05\x03\x00\x01AB", red, "\x01\x00\x02"), "3 values in 2 rows"},
		{listed("\x02ev\x00\x02\x01\x05color\x05\x02\x00\x01AB", red+"x", "\x01\x00\x02"), "1 bytes follow the last value"},
		{listed("\x02ev\x00\x02\x01\x05color\x05\x02\x00\x01AB", red, "\x01\x00\x02x"), "1 bytes follow the last value"},
		{listed("\x02ev\x00\x02\x01\x05color\x05\x02\x01\x01AB", red, "\x01\x00\x02"), "1 entries after 1 of the dictionary, which has 0"},
		{listed("\x02ev\x00\x02\x01\x05color\x05\x02\x00\x01A\x7f\x00\x00\x00\x00", red), "0 bytes are left where 127 are needed"},
	} {
		fresh := New("ev")
		err := fresh.LoadChunk(bad.chunk)
		require.ErrorIs(t, err, ErrDamaged)
		require.ErrorContains(t, err, "table ev chunk 0 column color")
		require.ErrorContains(t, err, bad.text)
		require.Empty(t, fresh.Columns())
	}
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

// FuzzLoadChunk tries chunks of the first format whose checksum fits.
func FuzzLoadChunk(f *testing.F) {
	b, err := os.ReadFile("testdata/chunk.v1.rest")
	require.NoError(f, err)
	f.Add(b[:len(b)-4])
	f.Add([]byte("\x01\x08purchase\x00\x02\x01\x05color\x05\x00\x01\x03red\x01\x00\x02"))
	f.Add([]byte("\x01\x08purchase\x00\x20\x01\x01f\x01\x03\x01\x00\x02\x02\x80\x04"))
	f.Add([]byte("\x01\x08purchase\x00\x20\x01\x01b\x06\x02\x01\x00\x00\x00\x00\x06abc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		tb := New("purchase")
		if tb.LoadChunk(b) == nil && len(b) < 4 {
			t.Fatal("a chunk without a checksum")
		}
		loadOrNot(t, sealed(b))
	})
}

// FuzzDirectory tries chunks of the third format whose directory has its checksum.
func FuzzDirectory(f *testing.F) {
	tb, fill := wideTable()
	for range 100 {
		fill()
	}
	b := tb.EncodeChunk(nil, 0)
	n, size := binary.Uvarint(b[1:])
	f.Add(b[1+size:1+size+int(n)], b[1+size+int(n)+4:])
	f.Fuzz(func(t *testing.T, directory, blocks []byte) {
		loadOrNot(t, append(sealed(append(binary.AppendUvarint([]byte{3}, uint64(len(directory))), directory...)), blocks...))
	})
}

// FuzzCells tries a column whose block has its checksum.
func FuzzCells(f *testing.F) {
	f.Add(byte(Int64), uint16(3), uint16(3), []byte("\x01\x01\x14\x02\x1c"))
	f.Add(byte(Float64), uint16(3), uint16(1), []byte("\x02\x01\x02\x00\xfa\x01"))
	f.Add(byte(Dict), uint16(3), uint16(3), []byte("\x01\x01\x02\x01\x04"))
	f.Add(byte(Bool), uint16(3), uint16(1), []byte("\x02\x02\x00\x04"))
	f.Add(byte(Bytes), uint16(3), uint16(2), []byte("\x02\x05\x02\x04\x03hi"))
	f.Add(byte(Bytes), uint16(300), uint16(300), append([]byte("\x01\x01\x02\x01"+strings.Repeat("\x55", 38)+"\x02\xd0\x01\x00\x00"), strings.Repeat("abc", 150)...))
	f.Add(byte(Int64), uint16(300), uint16(300), []byte("\x01\x04\xac\x02\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00"+strings.Repeat("\x02", 300)))
	f.Fuzz(func(t *testing.T, kind byte, rows, present uint16, cells []byte) {
		block := func(b []byte) []byte {
			dir := binary.AppendUvarint(nil, uint64(len(b)))
			if len(b) == 0 {
				return append(dir, 0, 0, 0, 0)
			}
			for piece := range slices.Chunk(b, 1024) {
				dir = binary.LittleEndian.AppendUint32(dir, slowCRC32C(piece))
			}
			return dir
		}
		words := []byte("\x03red\x04blue")
		d := binary.AppendUvarint([]byte("\x08purchase\x00"), uint64(rows))
		d = binary.AppendUvarint(append(d, "\x01\x01c"+string(rune(kind))...), uint64(present))
		if kind >= 128 {
			return // its rune is two bytes
		}
		if Kind(kind) == Dict {
			d = append(append(d, 0, 2), block(words)...)
		} else {
			words = nil
		}
		switch {
		case present == 0:
		case Kind(kind) == Int64:
			d = append(d, 0, 0, 0)
		case Kind(kind) == Float64:
			d = append(d, make([]byte, 16)...)
		}
		if present > 0 {
			d = append(d, block(cells)...)
		} else {
			cells = nil
		}
		b := sealed(append(binary.AppendUvarint([]byte{3}, uint64(len(d))), d...))
		b = append(append(b, words...), cells...)
		loadOrNot(t, b)
		lookUpAll(t, b)
	})
}

// loadOrNot loads a chunk that anybody may have made: either the table is as it was, or the chunk comes back.
func loadOrNot(t *testing.T, b []byte) {
	tb := New("purchase")
	if tb.LoadChunk(b) != nil {
		if tb.Len() != 0 || len(tb.Columns()) != 0 {
			t.Fatal("the table changed in spite of the error")
		}
		return
	}
	again := New("purchase")
	require.NoError(t, again.LoadChunk(tb.EncodeChunk(nil, 0)))
	if again.Len() != tb.Len() || len(again.Columns()) != len(tb.Columns()) {
		t.Fatal("a loaded chunk does not come back")
	}
	tb.Append()
}

// lookUpAll looks up every cell of a chunk that anybody may have made. Where the chunk loads they are those of the table; where
// it does not, nothing breaks.
func lookUpAll(t *testing.T, b []byte) {
	tb := New("purchase")
	loads := tb.LoadChunk(b) == nil
	r := &reader{table: "purchase", chunk: -1}
	r.open(b)
	_, rows, columns := r.head()
	for range columns {
		l := r.listing()
		if r.err != nil {
			return
		}
		for j := range rows {
			if l.present == 0 {
				break
			}
			got := r.cell(&l, j, 2)
			if loads {
				require.NoError(t, r.err)
				require.Equal(t, tb.Column(string(l.name)).Cell(uint32(j)), got, "row %d", j)
			} else if r.err != nil {
				r.err = nil
			}
		}
	}
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

func BenchmarkGetInt(b *testing.B) {
	tb, fill := wideTable()
	for range 100 * ChunkRows {
		fill()
	}
	c := tb.Column("at")
	var sum, i int64
	for b.Loop() {
		for range 1000 {
			i = (i*1103515245 + 12345) & (1<<19 - 1)
			sum += c.Int(uint32(i))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/get")
}

// Many rows at once are the same rows as one after the other, also across the ends of chunks.
func TestAppendMany(t *testing.T) {
	one, many := New("t"), New("t")
	for _, x := range []*Table{one, many} {
		x.Add("i", Int64)
		x.Add("u", Uint32)
		x.Add("b", Bool)
		x.Add("none", Uint32)
	}
	next := int64(1)
	for _, n := range []int{1, 5, 100, ChunkRows - 300, 3*ChunkRows + 7, 1, 0} {
		for range n {
			i := one.Append()
			one.Column("i").SetInt(i, next+int64(i))
			one.Column("u").SetUint(i, uint32(i)%7)
			one.Column("b").SetBool(i, i%3 == 0)
		}
		for left := n; left > 0; {
			from, count := many.AppendMany(left)
			ints, uints := many.Column("i").NewInts(from, count), many.Column("u").NewUints(from, count)
			for k := range uint32(count) {
				ints[k], uints[k] = next+int64(from+k), (from+k)%7
				many.Column("b").SetBool(from+k, (from+k)%3 == 0)
			}
			left -= count
		}
		require.Equal(t, one.Len(), many.Len())
		for k := range one.Chunks() {
			require.Equal(t, one.EncodeChunk(nil, k), many.EncodeChunk(nil, k), "chunk %d", k)
		}
	}
}

// The cells of a chunk that a frozen copy sees are copied before they are given out to be changed.
func TestOwnUints(t *testing.T) {
	v := NewVector(Uint32)
	v.Grow(ChunkRows + 10)
	v.SetUint(3, 30)
	f := v.Freeze()
	v.OwnUints(0)[3] = 31
	v.OwnUints(1)[9] = 7
	require.Equal(t, uint32(30), f.Uint(3))
	require.Equal(t, uint32(0), f.Uint(ChunkRows+9))
	require.Equal(t, uint32(31), v.Uint(3))
	require.Equal(t, uint32(7), v.Freeze().Uint(ChunkRows+9))
}
