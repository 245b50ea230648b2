package column

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// twin is a table as a slice of maps: a cell that is absent is not in the map.
type twin struct {
	rows  []map[string]any
	dicts map[string][]string
	names []string
	kinds map[string]Kind
}

func (tw *twin) set(c *Column, row uint32, v any) {
	switch v := v.(type) {
	case float64:
		c.SetFloat(row, v)
	case int64:
		c.SetInt(row, v)
	case uint32:
		c.SetUint(row, v)
	case bool:
		c.SetBool(row, v)
	case string:
		code := c.SetString(row, []byte(v))
		if !slices.Contains(tw.dicts[c.Name()], v) {
			tw.dicts[c.Name()] = append(tw.dicts[c.Name()], v)
		}
		if tw.dicts[c.Name()][code-1] != v {
			panic("code is not the order of first use")
		}
	case []byte:
		c.SetBytes(row, v)
	}
	tw.rows[row][c.Name()] = v
}

// check compares one cell by its getters.
func (tw *twin) check(c *Column, row uint32) error {
	want, there := tw.rows[row][c.Name()]
	var got any
	switch c.Kind() {
	case Float64:
		if v := c.Float(row); !math.IsNaN(v) {
			got = v
		}
	case Int64:
		if v := c.Int(row); v != math.MinInt64 {
			got = v
		}
	case Uint32:
		if v := c.Uint(row); v != 0 {
			got = v
		}
	case Bool:
		if v, ok := c.Bool(row); ok {
			got = v
		}
	case Dict:
		if code := c.Code(row); code != 0 {
			got = c.Str(row)
			if tw.dicts[c.Name()][code-1] != got {
				return fmt.Errorf("row %d: code %d is not %v", row, code, got)
			}
		}
	case Bytes:
		if v := c.Bytes(row); v != nil {
			got = v
		}
	}
	if there != (got != nil) || there != c.Present(row) {
		return fmt.Errorf("%s row %d: got %v, want %v", c.Name(), row, got, want)
	}
	if b, ok := got.([]byte); ok {
		if !bytes.Equal(b, want.([]byte)) {
			return fmt.Errorf("%s row %d: got %x, want %x", c.Name(), row, b, want)
		}
	} else if f, ok := got.(float64); ok {
		if math.Float64bits(f) != math.Float64bits(want.(float64)) {
			return fmt.Errorf("%s row %d: got %v, want %v", c.Name(), row, f, want)
		}
	} else if got != want {
		return fmt.Errorf("%s row %d: got %v, want %v", c.Name(), row, got, want)
	}
	return nil
}

func (tw *twin) checkTable(t require.TestingT, tb *Table) {
	require.Equal(t, len(tw.rows), tb.Len())
	require.Len(t, tb.Columns(), len(tw.names))
	for i, c := range tb.Columns() {
		require.Equal(t, tw.names[i], c.Name())
		require.Same(t, c, tb.Column(c.Name()))
		require.Equal(t, tw.kinds[c.Name()], c.Kind())
		for row := range tw.rows {
			if err := tw.check(c, uint32(row)); err != nil {
				require.NoError(t, err)
			}
		}
		require.NoError(t, checkChunks(c, tb.Chunks()))
		if c.Kind() == Dict {
			require.Equal(t, len(tw.dicts[c.Name()]), c.Dict().Len())
			for i, s := range tw.dicts[c.Name()] {
				code, ok := c.Dict().Lookup([]byte(s))
				require.True(t, ok)
				require.Equal(t, uint32(i+1), code)
				require.Equal(t, s, c.Dict().String(code))
			}
		}
	}
}

// checkChunks compares what a scan sees with the getters: a chunk is nil or has one cell for each row.
func checkChunks(c *Column, chunks int) error {
	for k := range chunks {
		lens := []int{len(c.Floats(k)), len(c.Ints(k)), len(c.Uints(k)), len(c.Bools(k)), c.Codes(k).Len()}
		n := slices.Max(lens)
		if rows := min(ChunkRows, c.Len()-k*ChunkRows); n != 0 && n != rows {
			return fmt.Errorf("chunk %d has %d cells, want none or %d", k, n, rows)
		}
		for j := range n {
			row := uint32(k*ChunkRows + j)
			same := true
			switch c.Kind() {
			case Float64:
				same = math.Float64bits(c.Floats(k)[j]) == math.Float64bits(c.Float(row))
			case Int64:
				same = c.Ints(k)[j] == c.Int(row)
			case Uint32:
				same = c.Uints(k)[j] == c.Uint(row)
			case Dict:
				same = c.Codes(k).At(j) == c.Code(row)
			case Bool:
				v, ok := c.Bool(row)
				same = c.Bools(k)[j] == map[[2]bool]uint8{{false, true}: 1, {true, true}: 2}[[2]bool{v, ok}]
			}
			if !same {
				return fmt.Errorf("column %s row %d: chunk and cell differ", c.Name(), row)
			}
		}
	}
	return nil
}

var allKinds = []Kind{Float64, Int64, Uint32, Bool, Dict, Bytes}

// source draws values of one column in one of a few styles, so that every form of encoding is met.
type source struct {
	style int
	next  int64
}

func (s *source) draw(kind Kind, rnd func(n int64) int64) any {
	s.next += rnd(1000)
	switch kind {
	case Float64:
		return [...]float64{float64(rnd(1000)), float64(rnd(100000)) / 100, math.Sqrt(float64(rnd(1000) + 2)),
			math.Copysign(0, -1), math.Inf(1), 1e300, 7}[s.style%7]
	case Int64:
		up, down := rnd(1<<62), rnd(1<<62)
		return [...]int64{s.next + 1.7e15, up - down, rnd(10) - 5, math.MaxInt64 - rnd(2)*(1<<62)*1, 42, math.MinInt64 + 1 + rnd(3)}[s.style%6]
	case Uint32:
		return [...]uint32{uint32(1 + rnd(3)), uint32(1 + rnd(1<<20)), math.MaxUint32 - uint32(rnd(2)), uint32(s.next%(1<<31) + 1)}[s.style%4]
	case Bool:
		return rnd(2) == 0
	case Dict:
		return fmt.Sprint("word", rnd([...]int64{1, 5, 300, 2000}[s.style%4]))
	}
	return bytes.Repeat([]byte{byte(rnd(256))}, int(rnd([...]int64{1, 2, 20, 500}[s.style%4])))
}

// Tables are filled with random rows and columns are added on the way. Now and then the table is encoded and goes on as
// the one loaded from the bytes; full chunks must have the same bytes for ever.
func TestTableAgainstSliceOfMaps(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tb := New("events")
		tw := &twin{dicts: map[string][]string{}, kinds: map[string]Kind{}}
		sources := map[string]*source{}
		full := map[int][]byte{}
		seed := rapid.Uint64().Draw(rt, "seed")
		rnd := func(n int64) int64 {
			seed = seed*6364136223846793005 + 1442695040888963407
			return int64(seed>>1) % n
		}
		for range rapid.IntRange(1, 6).Draw(rt, "phases") {
			for range rapid.IntRange(0, 4).Draw(rt, "new columns") {
				name := fmt.Sprint("c", len(tw.names))
				kind := rapid.SampledFrom(allKinds).Draw(rt, "kind")
				tb.Add(name, kind)
				tw.names, tw.kinds[name] = append(tw.names, name), kind
				sources[name] = &source{style: rapid.IntRange(0, 41).Draw(rt, "style")}
			}
			rows := rapid.SampledFrom([]int{0, 1, 63, 64, 65, 700, ChunkRows - len(tw.rows)%ChunkRows, ChunkRows + 1}).Draw(rt, "rows")
			fill := map[string]int64{}
			for _, name := range tw.names {
				fill[name] = rapid.SampledFrom([]int64{0, 1, 50, 500, 1000}).Draw(rt, "present of 1000")
			}
			for range rows {
				row := tb.Append()
				tw.rows = append(tw.rows, map[string]any{})
				require.Equal(rt, len(tw.rows)-1, int(row))
				for _, name := range tw.names {
					if rnd(1000) < fill[name] {
						tw.set(tb.Column(name), row, sources[name].draw(tw.kinds[name], rnd))
					}
				}
			}
			for k := range tb.Chunks() {
				b := tb.EncodeChunk([]byte("before"), k)
				require.Equal(rt, "before", string(b[:6]))
				if old := full[k]; old != nil {
					require.Equal(rt, old, b[6:], "bytes of a full chunk changed")
				}
				if tb.Full(k) {
					full[k] = b[6:]
				}
			}
			if rapid.Bool().Draw(rt, "reload") {
				tb = reload(rt, tb)
				for _, name := range tw.names { // a column added at the end of a full chunk is in no chunk yet
					tb.Add(name, tw.kinds[name])
				}
			}
		}
		tw.checkTable(rt, tb)
	})
}

func reload(t require.TestingT, tb *Table) *Table {
	loaded := New(tb.Name())
	for k := range tb.Chunks() {
		b := tb.EncodeChunk(nil, k)
		require.NoError(t, loaded.LoadChunk(b))
		require.Equal(t, b, loaded.EncodeChunk(nil, k), "loaded chunk does not encode to the same bytes")
		clear(b) // the table keeps nothing of it
	}
	return loaded
}

func TestVectorAgainstSlice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kind := rapid.SampledFrom(allKinds).Draw(rt, "kind")
		v := NewVector(kind)
		tw := &twin{dicts: map[string][]string{}}
		src := source{style: rapid.IntRange(0, 41).Draw(rt, "style")}
		for range rapid.IntRange(1, 5).Draw(rt, "phases") {
			n := rapid.IntRange(0, 20000).Draw(rt, "rows")
			v.Grow(n)
			for len(tw.rows) < n {
				tw.rows = append(tw.rows, map[string]any{})
			}
			if len(tw.rows) == 0 {
				continue
			}
			for range 100 {
				row := uint32(rapid.IntRange(0, len(tw.rows)-1).Draw(rt, "row"))
				if rapid.IntRange(0, 4).Draw(rt, "clear") == 0 {
					v.Clear(row)
					delete(tw.rows[row], v.Name())
					continue
				}
				tw.set(v, row, src.draw(kind, func(n int64) int64 { return rapid.Int64Range(0, n-1).Draw(rt, "r") }))
			}
		}
		require.Equal(rt, len(tw.rows), v.Len())
		for row := range tw.rows {
			if err := tw.check(v, uint32(row)); err != nil {
				require.NoError(rt, err)
			}
		}
		require.NoError(rt, checkChunks(v, (v.Len()+ChunkRows-1)/ChunkRows))
	})
}
