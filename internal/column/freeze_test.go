package column

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// copyOf returns a twin that later changes of the original leave alone.
func (tw *twin) copyOf() *twin {
	c := &twin{names: slices.Clone(tw.names), kinds: maps.Clone(tw.kinds), dicts: map[string][]string{}}
	for name, entries := range tw.dicts {
		c.dicts[name] = slices.Clone(entries)
	}
	for _, row := range tw.rows {
		c.rows = append(c.rows, maps.Clone(row))
	}
	return c
}

// What was frozen stays as it was, however the table goes on; so do its bytes.
func TestFrozenTableAgainstCopy(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tb := New("events")
		tw := &twin{dicts: map[string][]string{}, kinds: map[string]Kind{}}
		sources := map[string]*source{}
		seed := rapid.Uint64().Draw(rt, "seed")
		rnd := func(n int64) int64 {
			seed = seed*6364136223846793005 + 1442695040888963407
			return int64(seed>>1) % n
		}
		type moment struct {
			table *Table
			twin  *twin
			bytes [][]byte
		}
		var frozen []moment
		// Most of the first chunk is filled with few cells, so that a case is quick and still crosses chunks.
		for range rapid.SampledFrom([]int{0, 0, ChunkRows - 300}).Draw(rt, "rows before") {
			tb.Append()
			tw.rows = append(tw.rows, map[string]any{})
		}
		for range rapid.IntRange(2, 8).Draw(rt, "phases") {
			for range rapid.IntRange(0, 3).Draw(rt, "new columns") {
				name := fmt.Sprint("c", len(tw.names))
				kind := rapid.SampledFrom(allKinds).Draw(rt, "kind")
				tb.Add(name, kind)
				tw.names, tw.kinds[name] = append(tw.names, name), kind
				sources[name] = &source{style: rapid.IntRange(0, 41).Draw(rt, "style")}
			}
			for range rapid.SampledFrom([]int{0, 1, 63, 64, 300}).Draw(rt, "rows") {
				row := tb.Append()
				tw.rows = append(tw.rows, map[string]any{})
				for _, name := range tw.names {
					if rnd(3) > 0 {
						tw.set(tb.Column(name), row, sources[name].draw(tw.kinds[name], rnd))
					}
				}
			}
			f := tb.Freeze()
			require.Same(rt, f, f.Freeze())
			require.Same(rt, f, tb.Freeze(), "nothing changed")
			m := moment{f, tw.copyOf(), nil}
			for k := range tb.Chunks() {
				m.bytes = append(m.bytes, tb.EncodeChunk(nil, k))
			}
			frozen = append(frozen, m)
		}
		for _, m := range frozen {
			m.twin.checkTable(rt, m.table)
			for k, b := range m.bytes {
				require.Equal(rt, b, m.table.EncodeChunk(nil, k))
			}
			for _, c := range m.table.Columns() {
				require.False(rt, c.Present(uint32(m.table.Len())), "a row behind the frozen ones")
				if c.Kind() == Dict {
					for _, later := range tw.dicts[c.Name()][c.Dict().Len():] {
						_, ok := c.Dict().Lookup([]byte(later))
						require.False(rt, ok, "%q was not there", later)
					}
					require.Empty(rt, c.Dict().String(uint32(c.Dict().Len()+1)))
				}
			}
		}
	})
}

func TestFrozenVectorAgainstCopy(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kind := rapid.SampledFrom(allKinds).Draw(rt, "kind")
		v := NewVector(kind)
		tw := &twin{dicts: map[string][]string{}}
		src := source{style: rapid.IntRange(0, 41).Draw(rt, "style")}
		type moment struct {
			vector *Column
			twin   *twin
		}
		var frozen []moment
		for range rapid.IntRange(2, 6).Draw(rt, "phases") {
			n := max(len(tw.rows), rapid.SampledFrom([]int{0, 1, 64, 65, 400, ChunkRows + 1, 2*ChunkRows + 7}).Draw(rt, "rows"))
			v.Grow(n)
			for len(tw.rows) < n {
				tw.rows = append(tw.rows, map[string]any{})
			}
			for range min(n, 20) {
				row := uint32(rapid.IntRange(0, n-1).Draw(rt, "row"))
				if rapid.IntRange(0, 4).Draw(rt, "clear") == 0 {
					v.Clear(row)
					delete(tw.rows[row], v.Name())
					continue
				}
				tw.set(v, row, src.draw(kind, func(n int64) int64 { return rapid.Int64Range(0, n-1).Draw(rt, "r") }))
			}
			f := v.Freeze()
			require.Same(rt, f, v.Freeze(), "nothing changed")
			frozen = append(frozen, moment{f, tw.copyOf()})
		}
		for _, m := range append(frozen, moment{v, tw}) {
			require.Equal(rt, len(m.twin.rows), m.vector.Len())
			for row := range m.twin.rows {
				if err := m.twin.check(m.vector, uint32(row)); err != nil {
					require.NoError(rt, err)
				}
			}
			require.NoError(rt, checkChunks(m.vector, (m.vector.Len()+ChunkRows-1)/ChunkRows))
		}
	})
}

func TestFrozenCannotChange(t *testing.T) {
	tb := New("t")
	f, d := tb.Add("f", Float64), tb.Add("d", Dict)
	row := tb.Append()
	f.SetFloat(row, 1)
	z := tb.Freeze()
	require.PanicsWithValue(t, "column: table t is a frozen copy and cannot change", func() { z.Append() })
	require.Panics(t, func() { z.Add("g", Bool) })
	require.Same(t, z.Column("f"), z.Add("f", Float64))
	require.PanicsWithValue(t, "column: column f row 0: this is a frozen copy and cannot change", func() { z.Column("f").SetFloat(0, 2) })
	require.Panics(t, func() { z.Column("d").SetString(0, []byte("x")) })
	require.Panics(t, func() { z.Column("d").Clear(0) })
	require.Error(t, z.LoadChunk(tb.EncodeChunk(nil, 0)))
	require.Panics(t, func() { f.SetFloat(row, 3) }, "the frozen copy has this row")
	tb.Append()
	f.SetFloat(1, 4)
	d.SetString(1, []byte("later"))
	require.Equal(t, 1, z.Len())
	require.Zero(t, z.Column("d").Dict().Len())

	v := NewVector(Dict)
	v.Grow(1)
	w := v.Freeze()
	require.Panics(t, func() { w.Grow(2) })
	require.Panics(t, func() { w.SetString(0, []byte("x")) })
	require.Panics(t, func() { w.Clear(0) })
	v.SetString(0, []byte("x"))
	require.False(t, w.Present(0))
	require.True(t, v.Present(0))
}

// One writer, several readers of what was frozen last, and no lock: the race detector is the judge of the memory, and
// each row says what it must be.
func TestReadersBesideTheWriter(t *testing.T) {
	tb := New("t")
	at, text, word, flag := tb.Add("at", Int64), tb.Add("text", Bytes), tb.Add("word", Dict), tb.Add("flag", Bool)
	head := NewVector(Uint32)
	city := NewVector(Dict)
	const people = 9000
	head.Grow(people)
	city.Grow(people)
	type view struct {
		table      *Table
		head, city *Column
		rows       int
	}
	views := make(chan view)
	var readers sync.WaitGroup
	var read atomic.Int64
	for range 2 {
		readers.Go(func() {
			for v := range views {
				read.Add(1)
				if err := checkView(v.table, v.head, v.city, v.rows); err != nil {
					t.Error(err)
				}
			}
		})
	}
	write := func(n int) {
		i := tb.Append()
		at.SetInt(i, int64(n))
		text.SetBytes(i, fmt.Appendf(nil, "text %d", n))
		word.SetString(i, fmt.Appendf(nil, "word %d", n%700))
		flag.SetBool(i, n%3 == 0)
		head.SetUint(uint32(n%people), uint32(n+1))
		city.SetString(uint32(n%people), fmt.Appendf(nil, "city %d", n%300))
	}
	for n := range 2*ChunkRows + 2000 {
		write(n)
		if n%127 == 0 {
			v := view{tb.Freeze(), head.Freeze(), city.Freeze(), n + 1}
			select {
			case views <- v: // somebody reads it while the writer goes on
			default:
			}
		}
	}
	close(views)
	readers.Wait()
	require.Positive(t, read.Load())
	require.NoError(t, checkView(tb.Freeze(), head.Freeze(), city.Freeze(), 2*ChunkRows+2000))
}

func checkView(tb *Table, head, city *Column, rows int) error {
	if tb.Len() != rows {
		return fmt.Errorf("%d rows, want %d", tb.Len(), rows)
	}
	at, text, word, flag := tb.Column("at"), tb.Column("text"), tb.Column("word"), tb.Column("flag")
	for n := max(0, rows-300); n < rows; n++ {
		i := uint32(n)
		f, _ := flag.Bool(i)
		if at.Int(i) != int64(n) || !bytes.Equal(text.Bytes(i), fmt.Appendf(nil, "text %d", n)) || word.Str(i) != fmt.Sprint("word ", n%700) || f != (n%3 == 0) {
			return fmt.Errorf("row %d of %d: %d %q %q %v", n, rows, at.Int(i), text.Bytes(i), word.Str(i), f)
		}
		if head.Uint(uint32(n%9000)) != uint32(n+1) || city.Str(uint32(n%9000)) != fmt.Sprint("city ", n%300) {
			return fmt.Errorf("person %d after %d: %d %q", n%9000, rows, head.Uint(uint32(n%9000)), city.Str(uint32(n%9000)))
		}
	}
	code, ok := word.Dict().Lookup([]byte("word 5"))
	if ok != (rows > 5) || ok && code != 6 {
		return fmt.Errorf("code of word 5 is %d after %d rows", code, rows)
	}
	if k := tb.Chunks() - 1; len(at.Ints(k)) != rows-k*ChunkRows || at.Present(uint32(rows)) || !at.Sorted(k) {
		return fmt.Errorf("the open chunk of %d rows is wrong", rows)
	}
	return nil
}

func TestCodesTakeTheNarrowestWidth(t *testing.T) {
	for _, c := range []struct{ words, width int }{{1, 1}, {255, 1}, {256, 2}, {65535, 2}, {65536, 4}} {
		tb := New("t")
		d, v := tb.Add("d", Dict), NewVector(Dict)
		v.Grow(ChunkRows)
		for n := range max(c.words, ChunkRows) + 1 {
			word := fmt.Appendf(nil, "%d", n%c.words)
			if n == c.words && c.words > ChunkRows {
				word = fmt.Appendf(nil, "%d", c.words-1)
			}
			d.SetString(tb.Append(), word)
			v.SetString(uint32(n%ChunkRows), word)
		}
		last := tb.Chunks() - 2 // the last sealed one
		require.NoError(t, checkChunks(d, tb.Chunks()))
		require.NoError(t, checkChunks(v, 1))
		if c.words <= ChunkRows {
			require.Equal(t, c.width, widthOf(d.Codes(last)), "%d words", c.words)
		}
		require.Equal(t, c.width, widthOf(v.Codes(0)), "%d words in a vector", c.words)
		require.Equal(t, widthOf(d.Codes(0)), widthOf(reload(t, tb).Column("d").Codes(0)), "loaded")
	}
	require.Zero(t, NewVector(Dict).Codes(0).Len())
}

func widthOf(c Codes) int {
	switch {
	case c.B != nil && c.H == nil && c.W == nil:
		return 1
	case c.H != nil && c.B == nil && c.W == nil:
		return 2
	case c.W != nil && c.B == nil && c.H == nil:
		return 4
	}
	return 0
}

// What a sealed chunk says about itself, against a loop over its rows; the same after it was loaded.
func TestStatistics(t *testing.T) {
	tb := New("t")
	up, gaps, down, price, none := tb.Add("up", Int64), tb.Add("gaps", Int64), tb.Add("down", Int64), tb.Add("price", Float64), tb.Add("none", Int64)
	for n := range 3*ChunkRows + 5 {
		i := tb.Append()
		up.SetInt(i, int64(n/2)-10)
		if n%5 != 0 {
			gaps.SetInt(i, int64(n))
			price.SetFloat(i, float64((n*7919)%1000)-500)
		}
		if n >= ChunkRows {
			down.SetInt(i, int64(-n))
		}
	}
	for _, tb := range []*Table{tb, tb.Freeze(), reload(t, tb)} {
		for _, c := range tb.Columns() {
			for k := range 4 {
				known := k < 3 || tb.frozen && c.Kind() == Int64 // of integers also the open chunk, where it no longer changes
				cells := min(ChunkRows, tb.Len()-k*ChunkRows)
				lo, hi, ok := c.IntRange(k)
				flo, fhi, fok := c.FloatRange(k)
				var ints []int64
				var floats []float64
				for i := uint32(k * ChunkRows); i < uint32(min((k+1)*ChunkRows, tb.Len())); i++ {
					if c.Kind() == Int64 && c.Present(i) {
						ints = append(ints, c.Int(i))
					}
					if c.Kind() == Float64 && c.Present(i) {
						floats = append(floats, c.Float(i))
					}
				}
				require.Equal(t, known && len(ints) == cells && slices.IsSorted(ints), c.Sorted(k), "%s %d", c.Name(), k)
				require.Equal(t, known && len(ints) > 0, ok, "%s %d", c.Name(), k)
				require.Equal(t, known && len(floats) > 0, fok, "%s %d", c.Name(), k)
				if ok {
					require.Equal(t, []int64{slices.Min(ints), slices.Max(ints)}, []int64{lo, hi}, "%s %d", c.Name(), k)
				}
				if fok {
					require.Equal(t, []float64{slices.Min(floats), slices.Max(floats)}, []float64{flo, fhi}, "%s %d", c.Name(), k)
				}
			}
		}
		require.True(t, tb.Column("up").Sorted(1))
		require.False(t, tb.Column("up").Sorted(-1))
		_, _, ok := tb.Column("none").IntRange(0)
		require.False(t, ok)
	}
	require.False(t, none.Sorted(0))
}

func BenchmarkFreeze(b *testing.B) {
	tb, fill := wideTable()
	for range 10 * ChunkRows {
		fill()
	}
	for b.Loop() {
		fill()
		tb.Freeze()
	}
}
