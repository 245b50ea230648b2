package keyspace

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func portal(t require.TestingT, name string) Portal {
	p, err := For(name)
	require.NoError(t, err)
	return p
}

// The bytes are the store's format: no line of this table may change.
func TestKeys(t *testing.T) {
	p := portal(t, "ab")
	for want, key := range map[string][]byte{
		"66":                                   Format(),
		"70026162" + "6c" + "0000000000000102": p.Log(258),
		"70026162" + "68":                      p.Head(),
		"70026162" + "63" + "0000000000000001": p.Checkpoint(1),
		"70026162" + "62" + "0174" + "00000003" + "0000000000000004": p.Block("t", 3, 4),
	} {
		require.Equal(t, want, hex.EncodeToString(key))
	}
}

func TestFor(t *testing.T) {
	for _, name := range []string{"", strings.Repeat("x", MaxName+1)} {
		_, err := For(name)
		require.ErrorContains(t, err, "use 1 to 200 bytes")
	}
	portal(t, strings.Repeat("x", MaxName))
}

// Making a key leaves the portal as it was: keys do not share memory.
func TestKeysDoNotShareMemory(t *testing.T) {
	p := portal(t, "ab")
	first := p.Log(1)
	kept := bytes.Clone(first)
	p.Log(2)
	p.Block("table", 1, 2)
	clear(p.Head())
	_, next, err := PortalOf(first)
	require.NoError(t, err)
	clear(next)
	require.Equal(t, kept, first)
	require.Equal(t, kept, p.Log(1))
}

// numbers draws integers of every size, the edges often.
var numbers = rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 300), rapid.SampledFrom([]uint64{0, 255, 256, math.MaxUint32, math.MaxUint64}))

// Byte order of keys is the order of what they stand for: a table's chunks by number, then by sequence.
func TestOrder(t *testing.T) {
	type block struct {
		table    string
		chunk    uint32
		sequence uint64
	}
	tables := rapid.SampledFrom([]string{"", "a", "b", "ab", "a\x00", "a\xff", "person"})
	rapid.Check(t, func(t *rapid.T) {
		p := portal(t, rapid.SampledFrom([]string{"a", "\x00", "\xff\xff"}).Draw(t, "portal"))
		a, b := numbers.Draw(t, "a"), numbers.Draw(t, "b")
		if bytes.Compare(p.Log(a), p.Log(b)) != cmp.Compare(a, b) || bytes.Compare(p.Checkpoint(a), p.Checkpoint(b)) != cmp.Compare(a, b) {
			t.Fatalf("keys of %d and %d are out of order", a, b)
		}
		draw := func(label string) block {
			return block{tables.Draw(t, label), uint32(numbers.Draw(t, label)), numbers.Draw(t, label)}
		}
		x, y := draw("x"), draw("y")
		want := cmp.Or(cmp.Compare(len(x.table), len(y.table)), cmp.Compare(x.table, y.table), cmp.Compare(x.chunk, y.chunk), cmp.Compare(x.sequence, y.sequence))
		if bytes.Compare(p.Block(x.table, x.chunk, x.sequence), p.Block(y.table, y.chunk, y.sequence)) != want {
			t.Fatalf("blocks %v and %v are out of order", x, y)
		}
	})
}

func TestParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := portal(t, string(rapid.SliceOfN(rapid.Byte(), 1, MaxName).Draw(t, "portal")))
		n := numbers.Draw(t, "n")
		position, err := p.ParseLog(p.Log(n))
		if err != nil || position != n {
			t.Fatalf("log %d parses as %d (%v)", n, position, err)
		}
		sequence, err := p.ParseCheckpoint(p.Checkpoint(n))
		if err != nil || sequence != n {
			t.Fatalf("checkpoint %d parses as %d (%v)", n, sequence, err)
		}
		table, chunk := string(rapid.SliceOfN(rapid.Byte(), 0, MaxName).Draw(t, "table")), rapid.Uint32().Draw(t, "chunk")
		gotTable, gotChunk, gotSequence, err := p.ParseBlock(p.Block(table, chunk, n))
		if err != nil || gotTable != table || gotChunk != chunk || gotSequence != n {
			t.Fatalf("block %q %d %d parses as %q %d %d (%v)", table, chunk, n, gotTable, gotChunk, gotSequence, err)
		}
	})
}

// rivals are names made to be mistaken for one another: prefixes, the bytes 0x00 and 0xff, names that look like keys.
var rivals = []string{"a", "ab", "a\x00", "a\xff", "\x00", "\x00\x00", "\xff", "\xff\xff", "b", "l", "p\x01a", "al\x00\x00\x00\x00\x00\x00\x00\x01", "ah",
	strings.Repeat("\xff", MaxName), strings.Repeat("\x00", MaxName), strings.Repeat("a", MaxName), strings.Repeat("a", MaxName-1)}

func keysOf(p Portal) [][]byte {
	return [][]byte{p.Head(), p.Log(0), p.Log(math.MaxUint64), p.Checkpoint(0), p.Checkpoint(math.MaxUint64),
		p.Block("", 0, 0), p.Block("t", 0, 0), p.Block(strings.Repeat("\xff", MaxName), math.MaxUint32, math.MaxUint64)}
}

func within(key, from, to []byte) bool {
	return bytes.Compare(from, key) <= 0 && bytes.Compare(key, to) < 0
}

// A portal's ranges hold all of its keys of that family and nothing of anybody else's.
func TestRanges(t *testing.T) {
	for _, mine := range rivals {
		p := portal(t, mine)
		for _, k := range keysOf(p) {
			all, end := Portals()
			require.True(t, within(k, all, end))
			require.False(t, within(Format(), all, end))
		}
		cFrom, cTo := p.Checkpoints()
		bFrom, bTo := p.Blocks()
		for i, k := range keysOf(p) {
			require.Equal(t, i == 3 || i == 4, within(k, cFrom, cTo), "%q: %x", mine, k)
			require.Equal(t, i >= 5, within(k, bFrom, bTo), "%q: %x", mine, k)
		}
		for _, other := range rivals {
			if other == mine {
				continue
			}
			for _, k := range keysOf(portal(t, other)) {
				require.False(t, within(k, cFrom, cTo) || within(k, bFrom, bTo), "a range of %q holds a key of %q: %x", mine, other, k)
			}
		}
	}
}

func TestParseRefusesForeignKeys(t *testing.T) {
	for _, mine := range rivals {
		p := portal(t, mine)
		foreign := [][]byte{nil, {}, {'p'}, Format(), p.prefix}
		for _, other := range rivals {
			if other != mine {
				foreign = append(foreign, keysOf(portal(t, other))...)
			}
		}
		for i, k := range keysOf(p) {
			foreign = append(foreign, append(bytes.Clone(k), 0), k[:len(k)-1])
			_, logErr := p.ParseLog(k)
			_, checkpointErr := p.ParseCheckpoint(k)
			_, _, _, blockErr := p.ParseBlock(k)
			require.Equal(t, i == 1 || i == 2, logErr == nil, "%x", k)
			require.Equal(t, i == 3 || i == 4, checkpointErr == nil, "%x", k)
			require.Equal(t, i >= 5, blockErr == nil, "%x", k)
		}
		for _, k := range foreign {
			_, err := p.ParseLog(k)
			require.ErrorIs(t, err, ErrKey, "portal %q, key %x", mine, k)
			_, err = p.ParseCheckpoint(k)
			require.ErrorIs(t, err, ErrKey, "portal %q, key %x", mine, k)
			_, _, _, err = p.ParseBlock(k)
			require.ErrorIs(t, err, ErrKey, "portal %q, key %x", mine, k)
		}
	}
}

// PortalOf finds the name, and its next key passes over the rest of this portal and over nothing of another.
func TestPortalOf(t *testing.T) {
	for _, mine := range rivals {
		p := portal(t, mine)
		for _, k := range keysOf(p) {
			name, next, err := PortalOf(k)
			require.NoError(t, err)
			require.Equal(t, mine, name)
			for _, own := range keysOf(p) {
				require.Negative(t, bytes.Compare(own, next), "%q: %x", mine, own)
			}
			for _, other := range rivals {
				for _, foreign := range keysOf(portal(t, other)) {
					if other != mine {
						require.Equal(t, bytes.Compare(foreign, k), bytes.Compare(foreign, next), "%q passes over a key of %q: %x", mine, other, foreign)
					}
				}
			}
		}
	}
	for _, k := range [][]byte{nil, {'p'}, {'f'}, {'p', 0}, {'p', 0, 'l'}, {'p', 1}, {'p', 1, 'a'}, {'p', 2, 'a', 'l'}, {'q', 1, 'a', 'l'},
		append([]byte{'p', MaxName + 1}, strings.Repeat("x", 255)...)} {
		_, _, err := PortalOf(k)
		require.ErrorIs(t, err, ErrKey, "%x", k)
	}
}

// Whatever the bytes: no panic, and what parses is exactly the key that is made of what was read.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"a", "a\xff", "\x00"} {
		for _, k := range keysOf(portal(f, name)) {
			f.Add(name, k)
		}
	}
	f.Add("main", []byte("p\x04mainb\xff"))
	f.Fuzz(func(t *testing.T, name string, key []byte) {
		found, next, err := PortalOf(key)
		if err == nil && bytes.Compare(next, key) <= 0 && bytes.Compare(key[len(found)+2:], []byte{0xff, 0xff}) < 0 {
			t.Fatalf("%x: the next key %x is not behind it", key, next)
		}
		p, err := For(name)
		if err != nil {
			return
		}
		if n, err := p.ParseLog(key); err == nil && !bytes.Equal(p.Log(n), key) {
			t.Fatalf("%x parses as log %d", key, n)
		}
		if n, err := p.ParseCheckpoint(key); err == nil && !bytes.Equal(p.Checkpoint(n), key) {
			t.Fatalf("%x parses as checkpoint %d", key, n)
		}
		if table, chunk, sequence, err := p.ParseBlock(key); err == nil && !bytes.Equal(p.Block(table, chunk, sequence), key) {
			t.Fatalf("%x parses as block %q %d %d", key, table, chunk, sequence)
		}
	})
}
