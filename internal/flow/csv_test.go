package flow

import (
	"context"
	"encoding/csv"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcdp/cdp/internal/schema"
)

// Expected lines and reasons are counted by hand in the text beside them.
func TestCSVBadInput(t *testing.T) {
	for _, c := range []struct {
		name, text string
		types      map[string]schema.Type
		items      []string
		dead       []string
	}{
		{name: "clean", text: "id,n\na,1\nb,2\n", items: []string{"2 a 1", "3 b 2"}},
		{name: "no break at the end", text: "id,n\na,1", items: []string{"2 a 1"}},
		{name: "byte order mark", text: "\xef\xbb\xbfid,n\na,1\n", items: []string{"2 a 1"}},
		{name: "CRLF and empty lines", text: "id,n\r\n\r\na,1\r\n\r\n\r\nb,2\r\n", items: []string{"3 a 1", "6 b 2"}},
		{name: "header only", text: "id,n\n"},
		{name: "space around header names", text: " id , n\na,1\n", items: []string{"2 a 1"}},
		{name: "quotes", text: "id,n\n\"a,b\",\"say \"\"hi\"\"\"\n\"\",\"x\"\n",
			items: []string{`2 a,b say "hi"`}, dead: []string{"3: has no id: it says which object the row updates"}},
		{name: "line number after quoted breaks", text: "id,n\na,\"1\n2\r\n3\"\nb,4\nc\n",
			items: []string{"2 a 1\n2\n3", "5 b 4"}, dead: []string{"6: has 1 field, the file has 2 columns"}},
		{name: "quoted breaks at the end", text: "id,n\na,\"1\n2\"", items: []string{"2 a 1\n2"}},
		{name: "ragged", text: "id,n\na\nb,2\nc,3,4\n", items: []string{"3 b 2"},
			dead: []string{"2: has 1 field, the file has 2 columns", "4: has 3 fields, the file has 2 columns"}},
		{name: "bare quote", text: "id,n\na,1\"2\nb,2\n", items: []string{"3 b 2"},
			dead: []string{"2: field 2: a quote stands in a field that does not begin with one"}},
		{name: "quote not doubled", text: "id,n\na,\"1\"2\nb,2\n", items: []string{"3 b 2"},
			dead: []string{"2: field 2: a quote inside quotes is not doubled"}},
		{name: "unterminated at the end", text: "id,n\na,1\nb,\"2\nc,3\nd,4\n", items: []string{"2 a 1", "4 c 3", "5 d 4"},
			dead: []string{"3: field 2: a quote is opened and never closed"}},
		{name: "unterminated before a good quoted row", text: "id,n\nb,\"2\nc,\"3\"\nd,4\n", items: []string{"3 c 3", "4 d 4"},
			dead: []string{"2: field 2: a quote inside quotes is not doubled"}},
		{name: "broken in its second line", text: "id,n\na,\"1\n2\"x\nb,2\n", items: []string{"4 b 2"},
			dead: []string{"2: field 2: a quote inside quotes is not doubled", "3: field 1: a quote stands in a field that does not begin with one"}},
		{name: "invalid UTF-8", text: "id,n\na,\xff\nb,2\n\"c\",\"\xc3\x28\"\n", items: []string{"3 b 2"},
			dead: []string{"2: is not valid UTF-8: save the file as UTF-8", "4: is not valid UTF-8: save the file as UTF-8"}},
		{name: "numbers", types: map[string]schema.Type{"n": schema.Number},
			text:  "id,n\na, 1.50 \nb,\nc,x\nd,\"1,5\"\ne,0x10\nf,NaN\ng,1e999\nh,12345678901234567\ni,9007199254740992\nj,1_000\nk,-0\n",
			items: []string{"2 a 1.5", "3 b absent", "10 i 9007199254740992", "12 k 0"},
			dead: []string{`4: column "n": "x" is not a number`,
				`5: column "n": "1,5" is not a number (write a decimal point and no thousands separator)`,
				`6: column "n": "0x10" is not a number`, `7: column "n": "NaN" is not a number`,
				`8: column "n": "1e999" is too large for a number`,
				`9: column "n": "12345678901234567" has more digits than a number holds exactly: declare the column as string`,
				`11: column "n": "1_000" is not a number`}},
		{name: "datetimes", types: map[string]schema.Type{"n": schema.Datetime},
			text:  "id,n\na,2017-01-28T19:06:53Z\nb,2017-01-28\nc,1996-07-04 00:00:00.000\nd,28.01.2017\n",
			items: []string{"2 a 2017-01-28T19:06:53Z", "3 b 2017-01-28T00:00:00Z", "4 c 1996-07-04T00:00:00Z"},
			dead:  []string{`5: column "n": "28.01.2017" is not a time (use RFC 3339, as in 2026-05-01T09:30:00Z, or a date, as in 2026-05-01)`}},
		{name: "booleans", types: map[string]schema.Type{"n": schema.Boolean}, text: "id,n\na,TRUE\nb,no\nc,maybe\n",
			items: []string{"2 a true", "3 b false"}, dead: []string{`4: column "n": "maybe" is not a boolean (use true or false)`}},
		{name: "string of 256", types: map[string]schema.Type{"n": schema.String},
			text:  "id,n\na," + strings.Repeat("é", 255) + "\nb," + strings.Repeat("é", 256) + "\n",
			items: []string{"2 a " + strings.Repeat("é", 255)}, dead: []string{`3: column "n": has 256 characters, a string holds 255`}},
		{name: "text of 30,001", text: "id,n\na," + strings.Repeat("x", 30001) + "\n",
			dead: []string{`2: column "n": has 30001 characters, a text holds 30000`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, result := run(t, people(c.types), c.text)
			if c.items == nil {
				c.items = []string{}
			}
			if c.dead == nil {
				c.dead = []string{}
			}
			require.Equal(t, c.items, pairs(s.items))
			require.Equal(t, c.dead, lines(s.dead))
			require.EqualValues(t, len(c.items), result.Progress.Accepted)
			require.EqualValues(t, len(c.dead), result.Progress.Rejected)
			require.True(t, result.Cursor.Done)
			require.EqualValues(t, len(c.text), result.Cursor.Offset)
			ended := strings.TrimSuffix(c.text, "\n") + "\n"
			require.EqualValues(t, strings.Count(ended, "\n")+1, result.Cursor.Line)

			// The same through a stream that gives a few bytes at a time.
			slow := &store{}
			_, err := compile(t, people(c.types), pipe(c.text)).Run(context.Background(), slow, RunOptions{})
			require.NoError(t, err)
			require.Equal(t, s.items, slow.items)
			require.Equal(t, s.dead, slow.dead)
			require.Equal(t, s.cursor, slow.cursor)
		})
	}
}

func TestCSVLongRows(t *testing.T) {
	long := strings.Repeat("x", MaxRecord+1)
	text := "id,n\na,1\n" + long + "\nb,2\nc,\"" + long + "\nd,4\ne,\"" + strings.Repeat("line\n", MaxRecord/5+1) + "\nf,6\n"
	s, _ := run(t, people(nil), text)
	require.Equal(t, []string{"2 a 1", "4 b 2", "6 d 4"}, pairs(s.items[:3]))
	require.Equal(t, []string{"3: is longer than 1 MiB", "5: is longer than 1 MiB",
		"7: field 2: a quote is opened and never closed", "8: has 1 field, the file has 2 columns"}, lines(s.dead[:4]))
	require.Equal(t, 3+MaxRecord/5, len(s.dead)) // of the last broken row, each line after its first
	require.Equal(t, "f", s.items[3].ID)
	require.Len(t, s.dead[0].Row, MaxDeadText)
	require.Equal(t, `e,"line`, s.dead[2].Row)

	// A row whose quoted fields are closed, and too long together.
	half := "\"" + strings.Repeat("y", MaxRecord/2) + "\n\""
	s, _ = run(t, people(nil), "id,n\n"+half+","+half+"\nb,2\n")
	require.Equal(t, "2: is longer than 1 MiB", lines(s.dead)[0])
	require.Equal(t, []string{"5 b 2"}, pairs(s.items[len(s.items)-1:]))

	// The longest row that is allowed.
	fits := "id,n\na," + strings.Repeat("x", MaxRecord-2) + "\nb,2\n"
	s, _ = run(t, people(nil), fits)
	require.Equal(t, []string{"2: column \"n\": has 1048574 characters, a text holds 30000"}, lines(s.dead))
	require.Equal(t, []string{"3 b 2"}, pairs(s.items))
}

func TestCSVBadFiles(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "source: the file is empty: a header line with the names of the columns is missing"},
		{"only a mark", "\xef\xbb\xbf", "source: the file is empty: a header line with the names of the columns is missing"},
		{"only breaks", "\n\r\n", "source: the file is empty: a header line with the names of the columns is missing"},
		{"duplicate header", "id,n,id\n", `source: the header in line 1: the columns 1 and 3 are both named "id"`},
		{"nameless column", "id,,n\n", "source: the header in line 1: column 2 has no name"},
		{"broken header", "id,\"n\na,1\n", "source: the header in line 1 field 2: a quote is opened and never closed"},
		{"UTF-16", "\xff\xfei\x00d\x00", "source: the file is UTF-16: save it as UTF-8"},
		{"gzip", "\x1f\x8b\x08", "source: the file is compressed with gzip: unpack it first"},
		{"XLSX", "PK\x03\x04", "source: the file is a ZIP archive or an XLSX workbook: save it as text"},
		{"bare CR", "id,n\ra,1\r", "source: the lines of the file end in bare CR: save it with LF or CRLF"},
		{"too many columns", strings.Repeat("x,", 1000) + "x\n", "source: the header in line 1: there are 1001 columns, the limit is 1000"},
		{"missing column", "id,nn\n", `destination 1 (objects "person"): attribute "n": unknown column "n"`},
		{"misspelt column", "customer,n\n", `destination 1 (objects "person"): id: unknown column "id"; the columns here are ["customer" "n"]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Compile(context.Background(), people(nil), hooksFor(memory(c.text)))
			require.ErrorContains(t, err, `dataflow "people": `+c.want)
		})
	}
}

func TestCSVOptions(t *testing.T) {
	nulls := []string{"NULL", "NA"}
	def := people(nil)
	def.Source.Comma, def.Source.Columns, def.Source.Null = ";", []string{"id", "n"}, &nulls
	s, _ := run(t, def, "a;1\nb;NULL\nc;\nd;\"NA\"\ne;na\n")
	require.Equal(t, []string{"1 a 1", "2 b absent", "3 c ", "4 d absent", "5 e na"}, pairs(s.items))
}

// readAll reads every field with the reader under test; broken tells whether any row was.
func readAll(text string, open Opener) (rows [][]string, broken bool, err error) {
	in, err := openInput(context.Background(), func(ctx context.Context) (io.ReadCloser, error) { return open(ctx, "") }, nil)
	if err != nil {
		return nil, false, err
	}
	r := newCSVReader(in, Source{})
	for {
		rec, err := r.read()
		if err == io.EOF {
			return rows, broken, nil
		}
		if err != nil {
			return nil, false, err
		}
		if rec.reason != "" {
			broken = true
			continue
		}
		rows = append(rows, append([]string(nil), r.fields...))
	}
}

func readTwin(text string) ([][]string, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	return r.ReadAll()
}

// Whatever encoding/csv reads, this reader reads too, field by field; what it refuses, this one refuses as well.
func checkTwin(t require.TestingT, text string) {
	want, twinErr := readTwin(text)
	for _, open := range []Opener{memory(text), pipe(text)} {
		got, broken, err := readAll(text, open)
		require.NoError(t, err)
		require.Equal(t, twinErr != nil, broken, "%q: %v", text, twinErr)
		if twinErr == nil {
			require.Equal(t, want, got, "%q", text)
		}
	}
}

func TestCSVTwinRandom(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", "bc", ",", ",", "\n", "\r\n", "\"", "\"\"", " ", "\r", "é", "\n\n"})
	rapid.Check(t, func(t *rapid.T) {
		checkTwin(t, strings.Join(rapid.SliceOfN(piece, 0, 30).Draw(t, "pieces"), ""))
	})
}

func TestCSVTwinRealFiles(t *testing.T) {
	for _, name := range []string{"completejourney/transactions_sample.csv", "completejourney/products.csv", "northwind/suppliers.csv",
		"northwind/employees.csv", "online-retail/2010-12-01.csv", "febrl/dataset1.csv"} {
		data := realFile(t, name)
		want, err := readTwin(string(data))
		require.NoError(t, err, name)
		got, broken, err := readAll("", memory(string(data)))
		require.NoError(t, err)
		require.False(t, broken)
		require.Equal(t, want, got, name)
	}
}

func realFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("../../../shared/data/" + name)
	if os.IsNotExist(err) {
		t.Skipf("the real data is not here: %s", name)
	}
	require.NoError(t, err)
	return data
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{"id,n\na,1\n", "id,n\n\"a\nb\",1\r\n", "id,n\na,\"1\nb,\"\"2\n", "\"", "a\r", "\"a\"\r", "\"a\r\n\"\n", "id,n\n\xff,\x00\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.HasPrefix(text, "\xef\xbb\xbf") || strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") ||
			strings.HasPrefix(text, "\x1f\x8b") || strings.HasPrefix(text, "PK\x03\x04") {
			return
		}
		if strings.ToValidUTF8(text, "") == text {
			checkTwin(t, text)
		}
		_, _, err := readAll(text, memory(text))
		require.NoError(t, err)
	})
}
