package table

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func sample() *Table {
	return &Table{
		Zone: time.FixedZone("", 7*3600),
		Columns: []Column{{Name: "who", Kind: Text}, {Name: "n", Kind: Integer, Unit: "people"}, {Name: "x", Kind: Number},
			{Name: "rate", Kind: Ratio}, {Name: "at", Kind: Time}, {Name: "took", Kind: Duration}},
		Rows: [][]Cell{
			{TextCell(`=HYPERLINK("http://x","y")`), IntegerCell(-5), NumberCell(-0.1), RatioCell(0.25), TimeCell(0), DurationCell(1_500_000)},
			{TextCell("a,b\r\n\"c\" é"), {}, NumberCell(math.NaN()), RatioCell(math.Inf(1)), {}, DurationCell(-60_000_001)},
			{TextCell("-2"), IntegerCell(math.MaxInt64), NumberCell(1e300), {}, TimeCell(1), DurationCell(math.MinInt64)},
		},
	}
}

func TestCSV(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, sample().WriteCSV(&b))
	require.Equal(t, "who,n (people),x,rate,at,took (s)\r\n"+
		"\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\",-5,-0.1,0.25,1970-01-01T07:00:00+07:00,1.5\r\n"+
		"\"a,b\r\n\"\"c\"\" é\",,,,,-60.000001\r\n"+
		"'-2,9223372036854775807,1e+300,,1970-01-01T07:00:00.000001+07:00,-9223372036854.775808\r\n", b.String())
	rows, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 4)
	require.Equal(t, "a,b\n\"c\" é", rows[2][0]) // Go's reader turns CRLF within quotes into LF
}

func TestCSVGuardsAgainstFormulas(t *testing.T) {
	for _, s := range []string{"=1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x"} {
		require.Equal(t, "'"+s, guardFormula(s))
	}
	for _, s := range []string{"", "a=1", "1-2", "'=1", " =1", "é"} {
		require.Equal(t, s, guardFormula(s))
	}
}

func TestCSVOfOneEmptyCellIsALine(t *testing.T) {
	var b bytes.Buffer
	tab := Table{Columns: []Column{{Name: "a"}}, Rows: [][]Cell{{{}}, {TextCell("x")}}}
	require.NoError(t, tab.WriteCSV(&b))
	require.Equal(t, "a\r\n\"\"\r\nx\r\n", b.String())
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, sample().WriteJSON(&b))
	var doc struct {
		Columns []struct{ Name, Kind, Unit string }
		Rows    [][]any
	}
	d := json.NewDecoder(&b)
	d.UseNumber()
	require.NoError(t, d.Decode(&doc))
	require.Equal(t, "people", doc.Columns[1].Unit)
	require.Equal(t, []any{`=HYPERLINK("http://x","y")`, json.Number("-5"), json.Number("-0.1"), json.Number("0.25"), "1970-01-01T07:00:00+07:00", json.Number("1.5")}, doc.Rows[0])
	require.Equal(t, []any{"a,b\r\n\"c\" é", nil, nil, nil, nil, json.Number("-60.000001")}, doc.Rows[1])
	require.Equal(t, json.Number("9223372036854775807"), doc.Rows[2][1])

	b.Reset()
	require.NoError(t, (&Table{}).WriteJSON(&b))
	require.Equal(t, "{\"columns\":[],\"rows\":[]}\n", b.String())
}
