package record

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcdp/cdp/internal/value"
)

// entry is one record in plain form: what the tests put in and expect to get out.
type entry struct {
	Kind   Kind
	Flags  byte
	Name   string
	Source string
	Time   int64
	ID     string
	Idents []pair
	Attrs  []attr
	Body   string
}

type pair struct{ Kind, ID string }

type attr struct {
	Name  string
	Value value.Value
}

func (x entry) begin(e *Encoder) {
	e.Begin(Head{Kind: x.Kind, Flags: x.Flags, Name: x.Name, Source: x.Source, Time: x.Time, ID: x.ID})
	e.Idents(len(x.Idents))
	for _, id := range x.Idents {
		e.Ident(id.Kind, id.ID)
	}
	e.Attrs(len(x.Attrs))
	for _, a := range x.Attrs {
		e.Attr(a.Name, a.Value)
	}
}

func encode(e *Encoder, entries []entry) []byte {
	for _, x := range entries {
		x.begin(e)
		e.End([]byte(x.Body))
	}
	return e.Submission(nil)
}

func copyOf(b []byte) string { return string(b) }

// read turns a submission back into plain entries.
func read(r *Reader, submission []byte) ([]entry, error) {
	if err := r.Open(submission, copyOf); err != nil {
		return nil, err
	}
	var out []entry
	for {
		rec, err := r.Next()
		if err != nil || rec == nil {
			return out, err
		}
		x := entry{Kind: rec.Kind, Flags: rec.Flags, Name: r.Names[rec.Name], Source: r.Names[rec.Source], Time: rec.Time, ID: string(rec.ID), Body: string(rec.Body)}
		for _, id := range rec.Idents {
			x.Idents = append(x.Idents, pair{r.Names[id.Kind], string(id.ID)})
		}
		for _, a := range rec.Attrs {
			v, rest, err := value.Decode(a.Value)
			if err != nil || len(rest) > 0 {
				return out, fmt.Errorf("attribute: %w, %d bytes left", err, len(rest))
			}
			x.Attrs = append(x.Attrs, attr{r.Names[a.Name], v})
		}
		out = append(out, x)
	}
}

var sample = []entry{
	{Kind: KindEvent, Flags: FlagImport, Name: "purchase", Source: "web", Time: 1777593600000001, ID: "e1",
		Idents: []pair{{"user_id", "u1"}, {"email", "ann@example.com"}},
		Attrs:  []attr{{"amount", value.Num(42.5)}, {"category", value.Str("shoes")}, {"at", value.Micros(-1)}, {"gift", value.Bool(true)}}},
	{Kind: KindIdentify, Idents: []pair{{"user_id", "u1"}, {"anonymous_id", "a\x00\xff"}}, Attrs: []attr{{"city", value.Str("Hà Nội")}, {"age", value.Value{}}}},
	{Kind: KindObject, Name: "product", ID: "sku-1", Attrs: []attr{{"tags", value.ListOf([]value.Value{value.Str("a"), value.Num(0)})},
		{"size", value.ObjectOf([]value.Field{{Name: "w", Value: value.Num(1)}})}}},
	{Kind: KindDefine, Flags: FlagDelete, Name: "segment", ID: "vip", Body: `{"where":"true"}`},
	{Kind: KindTick, Time: math.MinInt64},
	{Kind: KindOutcome, Name: "sent", Source: "journey", Time: math.MaxInt64, ID: "key"},
}

func TestRoundTrip(t *testing.T) {
	var e Encoder
	var r Reader
	got, err := read(&r, encode(&e, sample))
	require.NoError(t, err)
	require.Equal(t, sample, got)
	require.Equal(t, []string{"purchase", "web", "user_id", "email", "amount", "category", "at", "gift", "", "anonymous_id", "city", "age", "product",
		"tags", "size", "segment", "sent", "journey"}, r.Names, "every name once, in the order of use")

	e.Reset()
	got, err = read(&r, encode(&e, sample[3:4]))
	require.NoError(t, err)
	require.Equal(t, sample[3:4], got, "after Reset, with a Reader used before")
	require.Equal(t, []string{"segment", ""}, r.Names)

	e.Reset()
	got, err = read(&r, e.Submission(nil))
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestCountAndSize(t *testing.T) {
	var e Encoder
	require.Zero(t, e.Count())
	require.Zero(t, e.Size())
	submission := encode(&e, sample)
	require.Equal(t, len(sample), e.Count())
	require.Equal(t, len(submission)-2, e.Size(), "all but the two counts, of one byte each")
	var r Reader
	require.NoError(t, r.Open(submission, copyOf))
	for left := len(sample); left > 0; left-- {
		require.Equal(t, left, r.Count())
		_, err := r.Next()
		require.NoError(t, err)
	}
	require.Zero(t, r.Count())
	require.Equal(t, append([]byte("kept"), submission...), e.Submission([]byte("kept")), "Submission appends")
}

// A record that was abandoned leaves nothing but, perhaps, names.
func TestAbandon(t *testing.T) {
	var e Encoder
	for i, x := range sample {
		y := sample[(i+1)%len(sample)]
		y.Name = fmt.Sprint("only in the abandoned ", i)
		y.begin(&e)
		require.Positive(t, e.RecordSize())
		e.Abandon()
		require.Zero(t, e.RecordSize())
		x.begin(&e)
		e.End([]byte(x.Body))
	}
	require.Equal(t, len(sample), e.Count())
	got, err := read(new(Reader), e.Submission(nil))
	require.NoError(t, err)
	require.Equal(t, sample, got)
}

// Indexes of one, two and three bytes.
func TestManyNames(t *testing.T) {
	var want []entry
	for i := range 20000 {
		want = append(want, entry{Kind: KindEvent, Name: fmt.Sprint("n", i), Source: "s", Attrs: []attr{{fmt.Sprint("n", i/2), value.Num(float64(i))}}})
	}
	var e Encoder
	var r Reader
	got, err := read(&r, encode(&e, want))
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Len(t, r.Names, 20001)
}

func entries() *rapid.Generator[[]entry] {
	name := rapid.StringN(0, 5, 20)
	one := rapid.Custom(func(t *rapid.T) entry {
		x := entry{Kind: Kind(rapid.Uint8().Draw(t, "kind")), Flags: rapid.Byte().Draw(t, "flags"), Name: name.Draw(t, "name"), Source: name.Draw(t, "source"),
			Time: rapid.Int64().Draw(t, "time"), ID: string(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "id")), Body: string(rapid.SliceOf(rapid.Byte()).Draw(t, "body"))}
		for range rapid.IntRange(0, 3).Draw(t, "idents") {
			x.Idents = append(x.Idents, pair{name.Draw(t, "kind of identifier"), string(rapid.SliceOf(rapid.Byte()).Draw(t, "identifier"))})
		}
		for range rapid.IntRange(0, 3).Draw(t, "attributes") {
			v := rapid.SampledFrom([]value.Value{{}, value.Num(-0.5), value.Str("x"), value.Bool(true), value.Micros(7), value.ListOf([]value.Value{value.Str("é")})})
			x.Attrs = append(x.Attrs, attr{name.Draw(t, "attribute"), v.Draw(t, "value")})
		}
		return x
	})
	return rapid.SliceOfN(one, 0, 8)
}

func TestRoundTripOfAnything(t *testing.T) {
	var e Encoder
	var r Reader
	rapid.Check(t, func(t *rapid.T) {
		e.Reset()
		want := entries().Draw(t, "entries")
		got, err := read(&r, encode(&e, want))
		require.NoError(t, err)
		require.Equal(t, len(want), len(got))
		for i := range want {
			require.Equal(t, want[i], got[i])
		}
	})
}

// A submission cut anywhere is an error and no panic; bytes left over are an error too.
func TestTruncatedSubmission(t *testing.T) {
	var e Encoder
	whole := encode(&e, sample)
	for n := range whole {
		_, err := read(new(Reader), whole[:n:n])
		require.Error(t, err, "%d of %d bytes", n, len(whole))
	}
	_, err := read(new(Reader), append(whole, 0))
	require.ErrorIs(t, err, ErrFormat)
}

func TestReaderRefuses(t *testing.T) {
	for what, b := range map[string][]byte{
		"nothing":                       {},
		"more names than bytes":         {200, 1, 1, 'x', 0},
		"an enormous number of names":   {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"a name that is not UTF-8":      {1, 1, 0xff, 0},
		"more records than bytes":       {0, 2, 1, 0},
		"a record without a body":       {1, 0, 1, 1, 0},
		"a name's index out of range":   append([]byte{1, 0, 1, 1, 13, 0, 1, 0}, make([]byte, 10)...),
		"a source's index out of range": append([]byte{1, 0, 1, 1, 13, 0, 0, 1}, make([]byte, 10)...),
		"an identifier of no kind":      {1, 0, 1, 1, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9, 0, 0},
		"more identifiers than bytes":   {1, 0, 1, 1, 13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0},
		"an attribute of no name":       {1, 0, 1, 1, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9, 0},
		"an attribute of no kind":       {1, 0, 1, 1, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 9},
	} {
		_, err := read(new(Reader), b)
		require.ErrorIs(t, err, ErrFormat, what)
	}
	good := append([]byte{1, 0, 1, 1, 14, 0, 0, 0}, make([]byte, 11)...)
	got, err := read(new(Reader), good)
	require.NoError(t, err, "the plainest record, from which the damaged ones above were made")
	require.Equal(t, []entry{{Kind: KindEvent}}, got)
}

func TestIntern(t *testing.T) {
	var e Encoder
	submission := encode(&e, []entry{{Kind: KindEvent, Name: "a", Source: "b"}})
	var r Reader
	require.NoError(t, r.Open(submission, func(b []byte) string { return strings.ToUpper(string(b)) }))
	require.Equal(t, []string{"A", "B"}, r.Names)
}

// Whatever the bytes: no panic, and what reads without an error encodes to something that reads the same.
func FuzzReader(f *testing.F) {
	var e Encoder
	f.Add(encode(&e, sample))
	f.Add(append([]byte{1, 0, 1, 1, 14, 0, 0, 0}, make([]byte, 11)...))
	f.Add([]byte{0, 0})
	f.Add([]byte{0xff, 0xff, 3, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := read(new(Reader), b)
		if err != nil {
			return
		}
		again, err := read(new(Reader), encode(new(Encoder), got))
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprintf("%#v", again) != fmt.Sprintf("%#v", got) {
			t.Fatalf("got %#v, then %#v", got, again)
		}
	})
}
