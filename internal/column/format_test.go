package column

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// testdata has two chunks in each format, of a table as fillFixture makes it. They must always load.
func fillFixture(tb *Table, rows int) {
	at, row, price := tb.Add("at", Int64), tb.Add("row", Uint32), tb.Add("price", Float64)
	gift, word, note := tb.Add("gift", Bool), tb.Add("word", Dict), tb.Add("note", Bytes)
	for n := range rows {
		i := tb.Append()
		at.SetInt(i, 1_700_000_000_000_000+int64(n)*250_000)
		row.SetUint(i, uint32(n/64+1))
		if n%3 != 0 {
			price.SetFloat(i, float64(n%16)/4)
		}
		gift.SetBool(i, n%2 == 0)
		word.SetString(i, fmt.Appendf(nil, "word %d", n/4000))
		if n%50 == 7 {
			note.SetBytes(i, fmt.Appendf(nil, "note %d", n))
		}
	}
}

func TestEveryFormatLoads(t *testing.T) {
	for version := range byte(formatVersion) {
		testFormatLoads(t, version+1)
	}
}

func testFormatLoads(t *testing.T, version byte) {
	want, got := New("fixture"), New("fixture")
	fillFixture(want, ChunkRows+100)
	for _, end := range []string{"", ".rest"} {
		b, err := os.ReadFile(fmt.Sprintf("testdata/chunk.v%d%s", version, end))
		require.NoError(t, err)
		require.Equal(t, version, b[0])
		require.NoError(t, got.LoadChunk(b))
	}
	require.Equal(t, want.Len(), got.Len())
	require.True(t, got.Column("at").Sorted(0))
	for i, c := range want.Columns() {
		g := got.Columns()[i]
		require.Equal(t, c.Name(), g.Name())
		for n := range uint32(want.Len()) {
			if c.Present(n) != g.Present(n) || c.Int(n) != g.Int(n) || c.Uint(n) != g.Uint(n) || c.Str(n) != g.Str(n) || string(c.Bytes(n)) != string(g.Bytes(n)) {
				t.Fatalf("%s row %d differs", c.Name(), n)
			}
			if v, ok := c.Bool(n); ok {
				w, _ := g.Bool(n)
				require.Equal(t, v, w)
			}
			if c.Kind() == Float64 && c.Present(n) {
				require.Equal(t, c.Float(n), g.Float(n))
			}
		}
	}
}
