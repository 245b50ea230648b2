package column

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Every cell that is looked up in the bytes of a chunk is the one that was written, in every form of encoding.
func TestLookUpAgainstSliceOfMaps(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var kept shelf
		tb := New("events")
		tb.SetSource(NewCache(0), kept.read)
		tw := &twin{dicts: map[string][]string{}}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		var columns []*Column
		var sources []*source
		var fill []int64
		for i, kind := range allKinds {
			columns = append(columns, tb.Add(fmt.Sprint("c", i), kind))
			sources = append(sources, &source{style: rapid.IntRange(0, 41).Draw(rt, "style")})
			fill = append(fill, rapid.SampledFrom([]int64{1, 30, 500, 999, 1000}).Draw(rt, "present of 1000"))
		}
		for range ChunkRows + 1 {
			row := tb.Append()
			tw.rows = append(tw.rows, map[string]any{})
			for i, c := range columns {
				if r.Int64N(1000) < fill[i] {
					tw.set(c, row, sources[i].draw(c.Kind(), r.Int64N))
				}
			}
		}
		kept.store(tb)
		order := r.Perm(len(columns)) // not always that of the directory
		asked := make([]*Column, len(columns))
		for i, x := range order {
			asked[i] = columns[x]
		}
		cells := make([]Cell, len(asked))
		for range 300 {
			row := uint32(r.IntN(ChunkRows))
			for i, c := range asked {
				cells[i] = Cell{kind: unread}
				if c.chunks[0].page.Load() != nil { // nothing was ever there
					cells[i] = Cell{}
				}
			}
			before := kept.reads.Load()
			tb.src.lookUp(row, asked, cells)
			require.Equal(rt, before+1, kept.reads.Load(), "one look for all columns")
			for i, c := range asked {
				want, there := tw.rows[row][c.Name()]
				require.NoError(rt, sameCell(c, cells[i], want, there), "%s row %d", c.Kind(), row)
			}
			require.Equal(rt, cells, tb.Cells(row, asked, nil))
		}
	})
}

func sameCell(c *Column, cell Cell, want any, there bool) error {
	var got any
	switch c.Kind() {
	case Float64:
		got = cell.Float()
	case Int64:
		got = cell.Int()
	case Uint32:
		got = cell.Uint()
	case Bool:
		got, _ = cell.Bool()
	case Dict:
		got = c.Dict().String(cell.Code())
	case Bytes:
		got = cell.Bytes()
	}
	if cell.Present() != there || there && fmt.Sprintf("%v", got) != fmt.Sprintf("%v", want) {
		return fmt.Errorf("got %v, present %v; want %v, present %v", got, cell.Present(), want, there)
	}
	return nil
}

// Chunks with a directory are looked up in every format.
func TestLookUpInEveryFormat(t *testing.T) {
	want := New("fixture")
	fillFixture(want, ChunkRows)
	for version := 2; version <= formatVersion; version++ {
		b, err := os.ReadFile(fmt.Sprintf("testdata/chunk.v%d", version))
		require.NoError(t, err)
		kept := shelf{chunks: [][]byte{b}}
		got := New("fixture")
		got.SetSource(NewCache(0), kept.read)
		require.NoError(t, got.LoadChunk(b))
		for _, c := range want.Columns() {
			for row := uint32(0); row < ChunkRows; row += 3 {
				require.Equal(t, c.Cell(row), got.Column(c.Name()).lookUp(row), "format %d column %s row %d", version, c.Name(), row)
			}
		}
	}
}

// A column whose cells are asked for again and again is decoded and kept; cells here and there are looked up.
func TestOftenAskedIsDecoded(t *testing.T) {
	tb := New("fixture")
	fillFixture(tb, 300*ChunkRows+1)
	cache := NewCache(1_000_000)
	var kept shelf
	tb.SetSource(cache, kept.read)
	kept.store(tb)
	at, row := tb.Column("at"), tb.Column("row")
	for k := range 300 {
		row.Ints(k)
		row.Uints(k) // pushes everything else out
	}
	used := cache.Used()
	for n := range uint32(10_000) {
		i := n * 7919 % (300 * ChunkRows)
		require.Equal(t, int64(1_700_000_000_000_000)+int64(i)*250_000, at.Int(i))
	}
	require.Equal(t, used, cache.Used(), "300 chunks, each 14 of 4,096 times")
	before := kept.reads.Load()
	for i := range uint32(ChunkRows) {
		require.Equal(t, int64(1_700_000_000_000_000)+int64(i)*250_000, at.Int(i))
	}
	require.LessOrEqual(t, kept.reads.Load()-before, int64(oftenAsked))
	require.Greater(t, cache.Used(), used-100_000)
}

// A cell names the damage, whatever form its column has and wherever it is.
func TestEveryPieceIsChecked(t *testing.T) {
	tb, fill := wideTable()
	for range ChunkRows + 1 {
		fill()
	}
	good := tb.EncodeChunk(nil, 0)
	want := make([]Cell, ChunkRows)
	places := 23
	if testing.Short() {
		places = 3
	}
	for _, c := range tb.Columns() {
		for j := range want {
			want[j] = c.Cell(uint32(j))
		}
		for at := len(good) - 1; at > 0; at -= len(good) / places {
			kept := shelf{chunks: [][]byte{slices.Clone(good)}}
			loaded := New("purchase")
			loaded.SetSource(NewCache(0), kept.read)
			require.NoError(t, loaded.LoadChunk(good))
			kept.chunks[0][at] ^= 1 << (at % 8)
			d := loaded.Column(c.Name())
			scan := func() (err error) { defer Recover(&err); d.page(0); return nil }()
			failed := 0
			for j := uint32(0); j < ChunkRows; j += 13 {
				err := func() (err error) {
					defer Recover(&err)
					require.Equal(t, want[j], d.lookUp(j))
					return nil
				}()
				if err != nil {
					failed++
					require.ErrorContains(t, err, "column: table purchase chunk 0 column "+c.Name()+" cannot be read: ")
				}
			}
			require.Equal(t, scan != nil, failed > 0, "byte %d column %s", at, c.Name())
		}
	}
}

// BenchmarkLookUp reads cells of random rows of a table that is much larger than its cache: one cell, then all of a row.
func BenchmarkLookUp(b *testing.B) {
	tb, fill := wideTable()
	const rows = 400 * ChunkRows
	var kept shelf
	tb.SetSource(NewCache(4<<20), func(k int, fn func([]byte) error) error { return fn(kept.chunks[k]) })
	for range rows + 1 {
		fill()
		kept.store(tb)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range tb.Columns() {
		b.Run(c.Name(), func(b *testing.B) {
			for b.Loop() {
				c.Present(r.Uint32N(rows))
			}
		})
	}
	b.Run("one by one", func(b *testing.B) {
		for b.Loop() {
			i := r.Uint32N(rows)
			for _, c := range tb.Columns() {
				c.Present(i)
			}
		}
	})
	var cells []Cell
	b.Run("at once", func(b *testing.B) {
		for b.Loop() {
			cells = tb.Cells(r.Uint32N(rows), tb.Columns(), cells[:0])
		}
	})
}
