package column

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// shelf is a store of chunks in memory. It hands out a copy and spoils it afterwards, as a transaction's memory would be.
type shelf struct {
	mu     sync.Mutex
	chunks [][]byte
	reads  atomic.Int64
}

func (s *shelf) read(k int, fn func([]byte) error) error {
	s.mu.Lock()
	if k >= len(s.chunks) {
		s.mu.Unlock()
		return fmt.Errorf("%w: chunk %d is not there", ErrDamaged, k)
	}
	b := slices.Clone(s.chunks[k])
	s.mu.Unlock()
	s.reads.Add(1)
	defer clear(b)
	return fn(b)
}

// store writes the full chunks that are not there yet and lets the table drop them.
func (s *shelf) store(tb *Table) {
	s.mu.Lock()
	for k := len(s.chunks); tb.Full(k); k++ {
		s.chunks = append(s.chunks, tb.EncodeChunk(nil, k))
	}
	n := len(s.chunks)
	s.mu.Unlock()
	tb.SetStored(n)
}

// A table that drops chunks all the time answers as a slice of maps does; so do its frozen copies and what is loaded.
func TestDroppedChunksAgainstSliceOfMaps(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		budget := rapid.SampledFrom([]int64{0, 10_000, 100_000, 1 << 40}).Draw(rt, "budget")
		cache := NewCache(budget)
		var kept shelf
		tb := New("events")
		tb.SetSource(cache, kept.read)
		tw := &twin{dicts: map[string][]string{}, kinds: map[string]Kind{}}
		sources := map[string]*source{}
		seed := rapid.Uint64().Draw(rt, "seed")
		rnd := func(n int64) int64 {
			seed = seed*6364136223846793005 + 1442695040888963407
			return int64(seed>>1) % n
		}
		var frozen []*Table
		checkSome := func(tb *Table) {
			for range 25 {
				if tb.Len() == 0 || len(tb.Columns()) == 0 {
					return
				}
				c := tb.Columns()[rnd(int64(len(tb.Columns())))]
				if err := tw.check(c, uint32(rnd(int64(tb.Len())))); err != nil {
					require.NoError(rt, err)
				}
				require.LessOrEqual(rt, cache.Used(), max(budget, 0))
			}
		}
		for range rapid.IntRange(1, 5).Draw(rt, "phases") {
			for range rapid.IntRange(0, 3).Draw(rt, "new columns") {
				name := fmt.Sprint("c", len(tw.names))
				kind := rapid.SampledFrom(allKinds).Draw(rt, "kind")
				tb.Add(name, kind)
				tw.names, tw.kinds[name] = append(tw.names, name), kind
				sources[name] = &source{style: rapid.IntRange(0, 41).Draw(rt, "style")}
			}
			rows := rapid.SampledFrom([]int{1, 700, ChunkRows - len(tw.rows)%ChunkRows, ChunkRows + 1}).Draw(rt, "rows")
			fill := rapid.SampledFrom([]int64{0, 20, 1000}).Draw(rt, "present of 1000")
			for range rows {
				row := tb.Append()
				tw.rows = append(tw.rows, map[string]any{})
				for _, name := range tw.names {
					if rnd(1000) < fill {
						tw.set(tb.Column(name), row, sources[name].draw(tw.kinds[name], rnd))
					}
				}
			}
			if rapid.Bool().Draw(rt, "store") {
				kept.store(tb)
			}
			frozen = append(frozen, tb.Freeze())
			if rapid.Bool().Draw(rt, "reload") {
				kept.store(tb)
				loaded := New("events")
				loaded.SetSource(cache, kept.read)
				for k := range tb.Chunks() {
					b := tb.EncodeChunk(nil, k)
					require.NoError(rt, loaded.LoadChunk(b))
					if tb.Full(k) {
						require.Equal(rt, kept.chunks[k], b, "a chunk that was dropped encodes to the same bytes")
					}
				}
				tb = loaded
				for _, name := range tw.names {
					tb.Add(name, tw.kinds[name])
				}
			}
			checkSome(tb)
			checkSome(frozen[rnd(int64(len(frozen)))])
		}
		if budget > 1<<30 { // with less, every cell would read its chunk again
			tw.checkTable(rt, tb)
		}
	})
}

// What is known about a chunk is known without reading it.
func TestStatisticsOfDroppedChunks(t *testing.T) {
	whole := New("fixture")
	fillFixture(whole, 2*ChunkRows+100)
	var kept shelf
	kept.store(whole)
	cache := NewCache(0)
	tb := New("fixture")
	tb.SetSource(cache, kept.read)
	for k := range whole.Chunks() {
		require.NoError(t, tb.LoadChunk(whole.EncodeChunk(nil, k)))
	}
	for _, c := range whole.Columns() {
		for k := range whole.Chunks() {
			lo, hi, ok := c.IntRange(k)
			glo, ghi, gok := tb.Column(c.Name()).IntRange(k)
			require.Equal(t, []any{lo, hi, ok, c.Sorted(k)}, []any{glo, ghi, gok, tb.Column(c.Name()).Sorted(k)}, "%s %d", c.Name(), k)
			flo, fhi, fok := c.FloatRange(k)
			gflo, gfhi, gfok := tb.Column(c.Name()).FloatRange(k)
			require.Equal(t, []any{flo, fhi, fok}, []any{gflo, gfhi, gfok}, "%s %d", c.Name(), k)
		}
	}
	require.Zero(t, kept.reads.Load(), "loading and statistics read no cells")
	require.Equal(t, "word 1", tb.Column("word").Str(5000))
	require.Equal(t, int64(1), kept.reads.Load())
}

// A page that is read again and again stays while others come and go; one read is one page.
func TestCacheKeepsWhatIsUsed(t *testing.T) {
	tb := New("fixture")
	fillFixture(tb, 20*ChunkRows+1)
	cache := NewCache(500_000) // seven pages of Int64
	var kept shelf
	tb.SetSource(cache, kept.read)
	kept.store(tb)
	at := tb.Column("at")
	for k := range 20 {
		require.Equal(t, at.Int(uint32(k*ChunkRows)), at.Ints(k)[0])
		at.Ints(0)
	}
	before := kept.reads.Load()
	at.Ints(0)
	at.Int(17)
	require.Equal(t, before, kept.reads.Load())
	require.LessOrEqual(t, cache.Used(), int64(500_000))
	require.Greater(t, cache.Used(), int64(400_000))
	for k := range 20 {
		at.Ints(k)
	}
	require.Greater(t, kept.reads.Load(), before)
}

// Questions that pass over more than the cache holds, one after the other, find a good part of it there: a page is not
// dropped just because all others were read since.
func TestCacheSmallerThanTheLoop(t *testing.T) {
	const chunks = 100
	tb := New("fixture")
	tb.Add("at", Int64)
	for i := range int64(chunks*ChunkRows + 1) {
		tb.Column("at").SetInt(tb.Append(), i)
	}
	for _, c := range []struct{ holds, least int }{{95, 80}, {80, 45}, {50, 8}} {
		var kept shelf
		cache := NewCache(int64(c.holds) * (8*ChunkRows + 256))
		fresh := New("fixture")
		fresh.SetSource(cache, kept.read)
		for k := range chunks {
			kept.chunks = append(kept.chunks, tb.EncodeChunk(nil, k))
		}
		for k := range chunks {
			require.NoError(t, fresh.LoadChunk(kept.chunks[k]))
		}
		at, before := fresh.Column("at"), int64(0)
		for pass := range 30 {
			if pass == 10 {
				before = kept.reads.Load()
			}
			for k := range chunks {
				require.Equal(t, int64(k*ChunkRows+77), at.Ints(k)[77])
			}
		}
		found := 100 - int(kept.reads.Load()-before)/20
		require.GreaterOrEqual(t, found, c.least, "of 100 chunks %d fit", c.holds)
	}
}

// Every byte of a stored chunk is covered: a flipped bit makes the columns that need it fail, with an error that says
// where, and leaves the others as they are.
func TestDamagedCellsGiveAnError(t *testing.T) {
	tb := New("fixture")
	fillFixture(tb, ChunkRows+1)
	good := tb.EncodeChunk(nil, 0)
	rest := tb.EncodeChunk(nil, 1)
	failures, singles := 0, 0
	n, size := binary.Uvarint(good[1:])
	directory := 1 + size + int(n) + 4
	for i := 0; i < len(good); i += 97 {
		kept := shelf{chunks: [][]byte{slices.Clone(good)}}
		loaded := New("fixture")
		loaded.SetSource(NewCache(0), kept.read)
		require.NoError(t, loaded.LoadChunk(good))
		require.NoError(t, loaded.LoadChunk(rest))
		kept.chunks[0][i] ^= 4
		bad := 0
		for _, c := range loaded.Columns() {
			scan := func() (err error) {
				defer Recover(&err)
				c.page(0)
				return nil
			}()
			single := func() (err error) {
				defer Recover(&err)
				for j := range uint32(40) {
					row := (j*211 + 7) % ChunkRows
					require.Equal(t, tb.Column(c.Name()).Cell(row), c.lookUp(row), "byte %d: %s row %d", i, c.Name(), row)
				}
				return nil
			}()
			if single != nil {
				require.Error(t, scan)
				singles++
			}
			for _, err := range []error{scan, single} {
				if err == nil {
					continue
				}
				if err == scan {
					bad++
				}
				var load *LoadError
				require.ErrorAs(t, err, &load)
				require.ErrorIs(t, err, ErrDamaged)
				require.Equal(t, []any{"fixture", 0, c.Name()}, []any{load.Table, load.Chunk, load.Column})
				require.ErrorContains(t, err, "column: table fixture chunk 0 column "+c.Name()+" cannot be read: ")
				require.ErrorContains(t, err, "restore a backup")
			}
		}
		require.LessOrEqual(t, bad, len(loaded.Columns()))
		if i >= directory { // behind the directory only one column is hit, or the words of a dictionary, which are in memory
			require.LessOrEqual(t, bad, 1)
		} else {
			require.Equal(t, len(loaded.Columns()), bad, "byte %d is of the directory", i)
		}
		failures += bad
	}
	require.Greater(t, failures, len(good)/97/2)
	require.Greater(t, singles, failures/4, "cells that were looked up one by one in the damaged chunks")
}

func TestUnreadableChunk(t *testing.T) {
	tb := New("fixture")
	fillFixture(tb, ChunkRows+1)
	broken := errors.New("the disk is gone")
	failing := false
	var kept shelf
	tb.SetSource(NewCache(0), func(k int, fn func([]byte) error) error {
		if failing {
			return broken
		}
		return kept.read(k, fn)
	})
	kept.store(tb)
	require.Equal(t, "note 7", string(tb.Column("note").Bytes(7)))
	failing = true
	err := func() (err error) {
		defer Recover(&err)
		tb.Column("note").Bytes(7)
		return nil
	}()
	require.EqualError(t, err, "column: table fixture chunk 0 column note cannot be read: the disk is gone")
	require.ErrorIs(t, err, broken)
	require.PanicsWithValue(t, "another", func() {
		defer Recover(&err)
		panic("another")
	})
	failing = false
	require.Equal(t, "note 7", string(tb.Column("note").Bytes(7)), "an error is not remembered")

	other := New("fixture")
	fillFixture(other, ChunkRows)
	kept.chunks[0] = other.EncodeChunk(nil, 0)
	tb.Add("late", Int64)
	require.False(t, tb.Column("late").Present(7), "a column made after the chunk")
}

// A chunk in which every cell was set and cleared again.
func TestClearedChunkIsReadAgain(t *testing.T) {
	tb := New("t")
	var kept shelf
	tb.SetSource(NewCache(0), kept.read)
	for _, kind := range allKinds {
		tb.Add(kind.String(), kind)
	}
	src := source{}
	tw := &twin{dicts: map[string][]string{}}
	for range ChunkRows + 1 {
		row := tb.Append()
		tw.rows = append(tw.rows, map[string]any{})
		for _, c := range tb.Columns() {
			tw.set(c, row, src.draw(c.Kind(), func(n int64) int64 { return n - 1 }))
			c.Clear(row)
		}
	}
	kept.store(tb)
	for _, c := range tb.Columns() {
		require.False(t, c.Present(5), c.Name())
		require.False(t, c.Present(5), c.Name())
	}
}

// Chunks of the first format have no directory: they stay in memory and need no source.
func TestFormat1IsNotDropped(t *testing.T) {
	b, err := os.ReadFile("testdata/chunk.v1")
	require.NoError(t, err)
	want, got := New("fixture"), New("fixture")
	fillFixture(want, ChunkRows)
	var kept shelf
	got.SetSource(NewCache(0), kept.read)
	require.NoError(t, got.LoadChunk(b))
	kept.chunks = append(kept.chunks, b)
	got.Append()
	got.SetStored(1)
	for n := range uint32(ChunkRows) {
		require.Equal(t, want.Column("at").Int(n), got.Column("at").Int(n))
		require.Equal(t, want.Column("word").Str(n), got.Column("word").Str(n))
	}
	require.Zero(t, kept.reads.Load())
}

// Readers of frozen copies and of nothing but a lock's worth of chunks, while the writer goes on and pages come and go.
func TestReadersBesideEviction(t *testing.T) {
	tb := New("t")
	at, text, word, flag := tb.Add("at", Int64), tb.Add("text", Bytes), tb.Add("word", Dict), tb.Add("flag", Bool)
	var kept shelf
	cache := NewCache(200_000)
	tb.SetSource(cache, kept.read)
	views := make(chan *Table)
	var readers sync.WaitGroup
	var read atomic.Int64
	for reader := range 3 {
		readers.Go(func() {
			x := uint64(reader)
			for v := range views {
				read.Add(1)
				at, text, word, flag := v.Column("at"), v.Column("text"), v.Column("word"), v.Column("flag")
				for range 50 {
					x = x*6364136223846793005 + 1442695040888963407
					n := int(x>>33) % v.Len()
					i := uint32(n)
					f, _ := flag.Bool(i)
					if at.Int(i) != int64(n) || string(text.Bytes(i)) != fmt.Sprint("text ", n) || word.Str(i) != fmt.Sprint("word ", n%700) || f != (n%3 == 0) {
						t.Errorf("row %d of %d: %d %q %q %v", n, v.Len(), at.Int(i), text.Bytes(i), word.Str(i), f)
					}
					if k := n / ChunkRows; len(at.Ints(k)) > n%ChunkRows && at.Ints(k)[n%ChunkRows] != int64(n) {
						t.Errorf("chunk %d is another", k)
					}
				}
			}
		})
	}
	for n := range 6*ChunkRows + 77 {
		i := tb.Append()
		at.SetInt(i, int64(n))
		text.SetBytes(i, fmt.Appendf(nil, "text %d", n))
		word.SetString(i, fmt.Appendf(nil, "word %d", n%700))
		flag.SetBool(i, n%3 == 0)
		if n%1000 == 999 {
			kept.store(tb)
		}
		if n%100 == 0 {
			select {
			case views <- tb.Freeze():
			default:
			}
		}
	}
	close(views)
	readers.Wait()
	require.Positive(t, read.Load())
	require.Positive(t, kept.reads.Load())
	require.LessOrEqual(t, cache.Used(), int64(200_000))
}

func BenchmarkReadColumnAgain(b *testing.B) {
	tb, fill := wideTable()
	for range ChunkRows + 1 {
		fill()
	}
	var kept shelf
	tb.SetSource(NewCache(0), func(k int, fn func([]byte) error) error { return fn(kept.chunks[k]) })
	kept.store(tb)
	for _, name := range []string{"at", "id", "amount", "color"} {
		b.Run(name, func(b *testing.B) {
			c := tb.Column(name)
			for b.Loop() {
				c.Present(77)
			}
		})
	}
}
