package insight

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/insight/table"
)

func csvOf(t *testing.T, tab *table.Table) string {
	t.Helper()
	for _, row := range tab.Rows {
		require.Len(t, row, len(tab.Columns))
	}
	var b bytes.Buffer
	require.NoError(t, tab.WriteCSV(&b))
	return b.String()
}

func TestTables(t *testing.T) {
	hour := int64(3600e6)
	views := stepOf(event{person: 1, pos: 1}, event{person: 2, pos: 2, group: 1}, event{person: 3, pos: 3, group: 1})
	buys := stepOf(event{person: 2, time: hour, pos: 4})
	names := func(c uint32) string { return []string{"web", "app"}[c] }
	steps := []Step{{"view", views}, {"buy", buys}}

	funnel, err := Funnel{Steps: steps, Times: true}.Run()
	require.NoError(t, err)
	require.Equal(t, "step,people (people),of previous,of first,median from previous (s),median from first (s)\r\n"+
		"view,3,1,1,,\r\nbuy,1,0.3333333333333333,0.3333333333333333,3600,3600\r\n", csvOf(t, funnel.Table()))

	funnel, err = Funnel{Steps: steps, GroupName: names}.Run()
	require.NoError(t, err)
	require.Equal(t, "group,step,people (people),of previous,of first,median from previous (s),median from first (s)\r\n"+
		",view,3,1,1,,\r\n,buy,1,0.3333333333333333,0.3333333333333333,,\r\n"+
		"app,view,2,1,1,,\r\napp,buy,1,0.5,0.5,,\r\nweb,view,1,1,1,,\r\nweb,buy,0,0,0,,\r\n", csvOf(t, funnel.Table()))

	zone := time.FixedZone("", 7*3600)
	trend, err := Trend{Range: Range{0, 2 * hour}, Calendar: Calendar{By: Hour, Zone: zone}, Top: 1,
		Series: []Series{{Name: "views", Events: views, Measures: []Measure{Count, Average}, GroupName: names, Unit: "s"}}}.Run()
	require.NoError(t, err)
	require.Equal(t, "hour,series,group,measure,value,unit\r\n"+
		"1970-01-01T07:00:00+07:00,views,app,count,2,events\r\n1970-01-01T08:00:00+07:00,views,app,count,0,events\r\n"+
		"1970-01-01T07:00:00+07:00,views,app,avg,,s\r\n1970-01-01T08:00:00+07:00,views,app,avg,,s\r\n"+
		"1970-01-01T07:00:00+07:00,views,other,count,1,events\r\n1970-01-01T08:00:00+07:00,views,other,count,0,events\r\n"+
		"1970-01-01T07:00:00+07:00,views,other,avg,,s\r\n1970-01-01T08:00:00+07:00,views,other,avg,,s\r\n", csvOf(t, trend.Table()))

	ret, err := Retention{Start: views, Return: buys, Range: Range{0, 2 * hour}, Calendar: Calendar{By: Hour}}.Run()
	require.NoError(t, err)
	require.Equal(t, "cohort,size (people),hour 0 (people),hour 0 rate,hour 1 (people),hour 1 rate\r\n"+
		"1970-01-01T00:00:00Z,3,0,0,1,0.3333333333333333\r\n1970-01-01T01:00:00Z,0,0,,,\r\n", csvOf(t, ret.Table()))
}

// TestEmptyStreams holds that nothing gives zeros and gaps, not errors.
func TestEmptyStreams(t *testing.T) {
	none := Stream{RunOf(true), RunOf(false, Chunk{})}
	for _, s := range []Stream{nil, none} {
		f, err := Funnel{Steps: []Step{{"a", s}, {"b", s}}, Times: true, Lists: true}.Run()
		require.NoError(t, err)
		require.Zero(t, f.Steps[0].People)
		_, ok := f.OfPrevious(1).Value()
		require.False(t, ok)
		require.True(t, f.Steps[0].Reached.IsEmpty())
		tr, err := Trend{Range: Range{0, 1}, Calendar: Calendar{By: Day}, Series: []Series{{Events: s, Measures: []Measure{People, Median}}}}.Run()
		require.NoError(t, err)
		require.Equal(t, []Point{{0, true}}, tr.Lines[0].Points)
		require.Equal(t, []Point{{}}, tr.Lines[1].Points)
		r, err := Retention{Start: s, Return: s, Range: Range{0, 1}, Calendar: Calendar{By: Day}}.Run()
		require.NoError(t, err)
		require.Zero(t, r.Cohorts[0].Size)
	}
}
