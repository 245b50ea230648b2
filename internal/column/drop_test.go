package column

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// dropRow gives the cells of a row by a rule, so that the test needs no copy of the table: a text that is new every 3,000
// rows, a number, and bytes.
func dropRow(i uint32) (text string, n int64, b string) {
	return fmt.Sprint("text ", i/3000), int64(i)*7 - 1000, fmt.Sprint("id", i)
}

func appendDropRow(tb *Table) {
	text, n, b := dropRow(tb.Append())
	i := uint32(tb.Len() - 1)
	tb.Column("text").SetString(i, []byte(text))
	tb.Column("n").SetInt(i, n)
	tb.Column("b").SetBytes(i, []byte(b))
}

// requireDropped looks at every 97th row: those before base are absent, the others are as they were.
func requireDropped(t *testing.T, tb *Table, base int) {
	for i := uint32(0); int(i) < tb.Len(); i += 97 {
		text, n, b := dropRow(i)
		if int(i) < base {
			text, n, b = "", AbsentInt, ""
		}
		require.Equal(t, text, tb.Column("text").Str(i), "row %d", i)
		require.Equal(t, n, tb.Column("n").Int(i), "row %d", i)
		require.Equal(t, b, string(tb.Column("b").Bytes(i)), "row %d", i)
	}
}

// Rows that were dropped are absent, the rest and their texts stay, also when the table is written and loaded; a frozen
// copy from before has all of them.
func TestDrop(t *testing.T) {
	for _, budget := range []int64{-1, 0, 100_000} {
		t.Run(fmt.Sprint("budget=", budget), func(t *testing.T) {
			cache := NewCache(budget)
			var kept shelf
			tb := New("events")
			tb.SetSource(cache, kept.read)
			tb.Add("text", Dict)
			tb.Add("n", Int64)
			tb.Add("b", Bytes)
			for range 4*ChunkRows + 100 {
				appendDropRow(tb)
			}
			kept.store(tb)
			before := tb.Freeze()
			requireDropped(t, tb, 0)
			tb.Drop(2)
			requireDropped(t, tb, 2*ChunkRows)
			requireDropped(t, tb.Freeze(), 2*ChunkRows)
			requireDropped(t, before, 0)
			tb.Drop(1) // less than before
			late := tb.Add("late", Uint32)
			for range ChunkRows {
				appendDropRow(tb)
				late.SetUint(uint32(tb.Len()-1), 5)
			}
			kept.store(tb)
			tb.Drop(3)
			requireDropped(t, tb, 3*ChunkRows)
			require.Equal(t, uint32(5), late.Uint(uint32(tb.Len()-1)))
			require.Zero(t, late.Uint(0))

			full := 0
			for k := range 3 {
				full += len(kept.chunks[k])
				kept.chunks[k] = tb.EncodeChunk(nil, k)
				require.Less(t, len(kept.chunks[k]), 200)
			}
			require.Greater(t, full, 50_000)
			again := New("events")
			again.SetSource(NewCache(budget), kept.read)
			for k := range tb.Chunks() {
				require.NoError(t, again.LoadChunk(tb.EncodeChunk(nil, k)))
			}
			requireDropped(t, again, 3*ChunkRows)
			again.Drop(3)
			requireDropped(t, again, 3*ChunkRows)
			for k := range tb.Chunks() {
				require.Equal(t, tb.EncodeChunk(nil, k), again.EncodeChunk(nil, k), "chunk %d", k)
			}
		})
	}
}

// What is dropped is no longer counted, and its memory belongs to frozen copies alone.
func TestDropIsNotCounted(t *testing.T) {
	cache := NewCache(-1)
	var kept shelf
	tb := New("events")
	tb.SetSource(cache, kept.read)
	tb.Add("n", Int64)
	for i := range 10*ChunkRows + 1 {
		tb.Append()
		tb.Column("n").SetInt(uint32(i), int64(i))
	}
	kept.store(tb)
	used := cache.Used()
	tb.Drop(9)
	require.InDelta(t, float64(used)/10, float64(cache.Used()), 1000)
	require.Len(t, cache.slots, 1)
}

// A frozen copy whose chunk is gone from memory and from the store gets an error that says so.
func TestDropUnderAFrozenCopy(t *testing.T) {
	var kept shelf
	tb := New("events")
	tb.SetSource(NewCache(0), kept.read)
	tb.Add("n", Int64)
	for i := range 2*ChunkRows + 1 {
		tb.Append()
		tb.Column("n").SetInt(uint32(i), int64(i))
	}
	kept.store(tb)
	f := tb.Freeze()
	tb.Drop(1)
	require.Equal(t, int64(5), f.Column("n").Int(5))
	require.Equal(t, int64(AbsentInt), tb.Column("n").Int(5))

	f2 := New("events")
	f2.SetSource(NewCache(0), func(int, func([]byte) error) error { return ErrDropped })
	require.NoError(t, f2.LoadChunk(kept.chunks[0]))
	read := func() (err error) { defer Recover(&err); f2.Column("n").Int(0); return nil }
	require.ErrorIs(t, read(), ErrDropped)
	require.EqualError(t, read(), "column: table events chunk 0 column n cannot be read: its rows were dropped by the retention of events while a question was at work; ask again")
}

// A vector's first chunks are let go and can be written again; a frozen copy keeps them.
func TestDropVector(t *testing.T) {
	v := NewVector(Uint32)
	v.Grow(3 * ChunkRows)
	for i := range uint32(3 * ChunkRows) {
		v.SetUint(i, i+1)
	}
	f := v.Freeze()
	v.DropVector(2)
	require.Zero(t, v.Uint(0))
	require.Zero(t, v.Uint(2*ChunkRows-1))
	require.Equal(t, uint32(2*ChunkRows+1), v.Uint(2*ChunkRows))
	require.Equal(t, uint32(1), f.Uint(0))
	v.SetUint(3, 9)
	require.Equal(t, uint32(9), v.Uint(3))
	require.Equal(t, uint32(4), f.Uint(3))
	require.Zero(t, New("x").Add("y", Uint32).Uint(3))
	g := v.Freeze()
	require.Equal(t, uint32(9), g.Uint(3))
	require.Zero(t, g.Uint(4))
}

// A table that was loaded before a chunk was written anew without its cells gets an error when it reads them, whichever way,
// and never takes them for absent. Who loads the chunk as it is now is told.
func TestDropByAnotherWriter(t *testing.T) {
	var kept shelf
	tb := New("events")
	tb.SetSource(NewCache(0), kept.read)
	tb.Add("text", Dict)
	tb.Add("n", Int64)
	tb.Add("b", Bytes)
	for range 3*ChunkRows + 1 {
		appendDropRow(tb)
	}
	kept.store(tb)
	behind := New("events")
	behind.SetSource(NewCache(0), kept.read)
	for k := range 3 {
		require.NoError(t, behind.LoadChunk(kept.chunks[k]))
	}
	requireDropped(t, behind, 0)
	tb.Drop(2)
	for k := range 2 {
		kept.chunks[k] = tb.EncodeChunk(nil, k)
	}
	n, b, columns := behind.Column("n"), behind.Column("b"), behind.Columns()
	for name, read := range map[string]func(){
		"cell":   func() { n.Int(ChunkRows + 5) },
		"string": func() { behind.Column("text").Str(7) },
		"bytes":  func() { b.Bytes(7) },
		"cells":  func() { behind.Cells(7, columns, nil) },
		"chunk":  func() { n.Ints(1) },
		"cursor": func() { c := b.Cursor(); c.Bytes(9) },
	} {
		err := func() (err error) { defer Recover(&err); read(); return nil }()
		require.ErrorIs(t, err, ErrDropped, name)
		require.NotErrorIs(t, err, ErrDamaged, name)
	}
	require.Equal(t, int64(2*ChunkRows*7-1000), n.Int(2*ChunkRows))
	again := New("events")
	for k := range 3 {
		require.NoError(t, again.LoadChunk(kept.chunks[k]))
		require.Equal(t, k < 2, again.DroppedChunk(k))
		require.False(t, behind.DroppedChunk(k))
	}
	require.False(t, again.DroppedChunk(3))

	few := New("events")
	few.Add("n", Int64)
	few.Append()
	part := few.EncodeChunk(nil, 0) // all of it is the directory
	part[0] = formatDropped
	require.ErrorContains(t, New("events").LoadChunk(sealed(part[:len(part)-4])), "1 rows and says that they were dropped: only full chunks are")
}
