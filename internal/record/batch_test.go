package record

import (
	"bytes"
	"encoding/hex"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden batch anew: only together with a new Version")

func sampleBatch() Batch {
	return Batch{Position: 7, Now: 1777593600000000, Digest: 0x0123456789abcdef,
		Submissions: [][]byte{encode(new(Encoder), sample[:2]), {}, encode(new(Encoder), sample[2:])}}
}

// testdata/batch.v1 was written by the first version of the format and must be readable for ever. A batch that is encoded
// today is the same byte for byte: stores keep digests of batches, and a lost race appends the same bytes again.
func TestGolden(t *testing.T) {
	path := filepath.Join("testdata", "batch.v1")
	encoded := AppendBatch(nil, sampleBatch())
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, encoded, 0o644))
	}
	golden, err := os.ReadFile(path)
	require.NoError(t, err)

	b, err := DecodeBatch(golden)
	require.NoError(t, err)
	require.Equal(t, uint64(7), b.Position)
	require.Equal(t, int64(1777593600000000), b.Now)
	require.Equal(t, uint64(0x0123456789abcdef), b.Digest)
	require.Len(t, b.Submissions, 3)
	require.Empty(t, b.Submissions[1])
	first, err := read(new(Reader), b.Submissions[0])
	require.NoError(t, err)
	last, err := read(new(Reader), b.Submissions[2])
	require.NoError(t, err)
	require.Equal(t, sample, append(first, last...))

	require.True(t, bytes.Equal(golden, encoded), "the format has changed: raise Version, keep reading version 1, and add a golden file of the new one")
}

func TestBatchRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Batch{Position: rapid.Uint64().Draw(t, "position"), Now: rapid.Int64().Draw(t, "now"), Digest: rapid.Uint64().Draw(t, "digest"),
			Submissions: rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "submissions")}
		b := AppendBatch([]byte("before"), want)
		got, err := DecodeBatch(b[len("before"):])
		if err != nil || got.Position != want.Position || got.Now != want.Now || got.Digest != want.Digest || !slices.EqualFunc(got.Submissions, want.Submissions, bytes.Equal) {
			t.Fatalf("%v came back as %v (%v)", want, got, err)
		}
	})
}

// The bytes of an empty batch, written by hand from the description at the top of the package; the checksum by another program.
func TestBatchBytes(t *testing.T) {
	want := "01" + "0200000000000000" + "ffffffffffffffff" + "0300000000000000" + "00" + "87c048de"
	require.Equal(t, want, hex.EncodeToString(AppendBatch(nil, Batch{Position: 2, Now: -1, Digest: 3})))
}

// CRC32C finds every error of one bit. This shows that it covers every byte.
func TestEveryBitFlip(t *testing.T) {
	b := AppendBatch(nil, sampleBatch())
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			_, err := DecodeBatch(b)
			require.ErrorIs(t, err, ErrFormat, "byte %d, bit %d", i, bit)
			b[i] ^= 1 << bit
		}
	}
	_, err := DecodeBatch(b)
	require.NoError(t, err)
}

// A batch cut at any length is refused, even when the checksum is right for what is left.
func TestTruncatedBatch(t *testing.T) {
	whole := AppendBatch(nil, sampleBatch())
	for n := range whole {
		_, err := DecodeBatch(whole[:n:n])
		require.ErrorIs(t, err, ErrFormat, "%d bytes", n)
		if n < len(whole)-4 {
			_, err = DecodeBatch(Seal(slices.Clone(whole[:n]), 0))
			require.ErrorIs(t, err, ErrFormat, "%d bytes, sealed", n)
		}
	}
	longer := Seal(append(slices.Clone(whole[:len(whole)-4]), 0), 0)
	_, err := DecodeBatch(longer)
	require.ErrorIs(t, err, ErrFormat, "a byte too many")
}

func TestNewerVersion(t *testing.T) {
	b := AppendBatch(nil, sampleBatch())
	b = b[:len(b)-4]
	b[0] = 2
	_, err := DecodeBatch(Seal(b, 0))
	require.ErrorIs(t, err, ErrFormat)
	require.ErrorContains(t, err, "version 2; this program reads version 1: use a newer one")
}

// The check value of CRC-32C in the catalogue of parametrised CRC algorithms (CRC-32/ISCSI) is e3069283 for "123456789".
func TestSeal(t *testing.T) {
	require.Equal(t, "kept123456789\x83\x92\x06\xe3", string(Seal([]byte("kept123456789"), 4)))
	body, err := Unseal([]byte("123456789\x83\x92\x06\xe3"))
	require.NoError(t, err)
	require.Equal(t, "123456789", string(body))
	_, err = Unseal([]byte{0, 0, 0})
	require.ErrorIs(t, err, ErrFormat)
	body, err = Unseal(Seal(nil, 0))
	require.NoError(t, err)
	require.Empty(t, body)
}

// Bytes are sealed first, so that the fuzzer gets past the checksum.
func FuzzDecodeBatch(f *testing.F) {
	whole := AppendBatch(nil, sampleBatch())
	f.Add(whole[:len(whole)-4])
	empty := AppendBatch(nil, Batch{Now: math.MinInt64})
	f.Add(empty[:len(empty)-4])
	f.Add([]byte{})
	f.Add(append(make([]byte, 25), 0xff, 0xff, 0xff, 0xff, 0x0f))
	f.Fuzz(func(t *testing.T, b []byte) {
		DecodeBatch(b)
		got, err := DecodeBatch(Seal(slices.Clone(b), 0))
		if err != nil {
			return
		}
		again, err := DecodeBatch(AppendBatch(nil, got))
		if err != nil || again.Position != got.Position || again.Now != got.Now || again.Digest != got.Digest ||
			!slices.EqualFunc(again.Submissions, got.Submissions, bytes.Equal) {
			t.Fatalf("%v came back as %v (%v)", got, again, err)
		}
		for _, s := range got.Submissions {
			read(new(Reader), s)
		}
	})
}
