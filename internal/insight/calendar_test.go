package insight

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func load(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	require.NoError(t, err)
	return zone
}

func bounds(t *testing.T, c Calendar, from, to string) []string {
	t.Helper()
	f, err := time.Parse(time.RFC3339, from)
	require.NoError(t, err)
	e, err := time.Parse(time.RFC3339, to)
	require.NoError(t, err)
	b, err := c.buckets(Range{f.UnixMicro(), e.UnixMicro()})
	require.NoError(t, err)
	var out []string
	for _, us := range b.bounds {
		out = append(out, time.UnixMicro(us).In(c.zone()).Format(time.RFC3339))
	}
	return out
}

func TestCalendarFacts(t *testing.T) {
	for _, c := range []struct {
		why      string
		cal      Calendar
		from, to string
		want     []string
	}{
		{"spring: a day of 23 hours", Calendar{By: Day, Zone: load(t, "Europe/Berlin")}, "2025-03-30T05:00:00Z", "2025-03-31T05:00:00Z",
			[]string{"2025-03-30T00:00:00+01:00", "2025-03-31T00:00:00+02:00", "2025-04-01T00:00:00+02:00"}},
		{"the hour that happens twice is two buckets", Calendar{By: Hour, Zone: load(t, "Europe/Berlin")}, "2025-10-26T00:30:00Z", "2025-10-26T02:30:00Z",
			[]string{"2025-10-26T02:00:00+02:00", "2025-10-26T02:00:00+01:00", "2025-10-26T03:00:00+01:00", "2025-10-26T04:00:00+01:00"}},
		{"midnight does not exist", Calendar{By: Day, Zone: load(t, "America/Sao_Paulo")}, "2018-11-03T12:00:00Z", "2018-11-05T12:00:00Z",
			[]string{"2018-11-03T00:00:00-03:00", "2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00", "2018-11-06T00:00:00-02:00"}},
		{"midnight happens twice", Calendar{By: Day, Zone: load(t, "America/Havana")}, "2024-11-02T12:00:00Z", "2024-11-04T12:00:00Z",
			[]string{"2024-11-02T00:00:00-04:00", "2024-11-03T00:00:00-04:00", "2024-11-04T00:00:00-05:00", "2024-11-05T00:00:00-05:00"}},
		{"a day left out", Calendar{By: Day, Zone: load(t, "Pacific/Apia")}, "2011-12-29T12:00:00-10:00", "2011-12-31T12:00:00+14:00",
			[]string{"2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00", "2012-01-01T00:00:00+14:00"}},
		{"clocks that move by half an hour", Calendar{By: Hour, Zone: load(t, "Australia/Lord_Howe")}, "2025-04-05T14:10:00Z", "2025-04-05T16:00:00Z",
			[]string{"2025-04-06T01:00:00+11:00", "2025-04-06T01:30:00+10:30", "2025-04-06T02:00:00+10:30", "2025-04-06T03:00:00+10:30"}},
		{"a zone of 45 minutes", Calendar{By: Hour, Zone: load(t, "Asia/Kathmandu")}, "2025-01-01T00:00:00Z", "2025-01-01T01:00:00Z",
			[]string{"2025-01-01T05:00:00+05:45", "2025-01-01T06:00:00+05:45", "2025-01-01T07:00:00+05:45"}},
		{"weeks from Sunday", Calendar{By: Week}, "2025-01-01T00:00:00Z", "2025-01-06T00:00:00Z",
			[]string{"2024-12-29T00:00:00Z", "2025-01-05T00:00:00Z", "2025-01-12T00:00:00Z"}},
		{"weeks from Monday", Calendar{By: Week, WeekStart: time.Monday}, "2025-01-01T00:00:00Z", "2025-01-06T00:00:00Z",
			[]string{"2024-12-30T00:00:00Z", "2025-01-06T00:00:00Z"}},
		{"months over a leap day", Calendar{By: Month, Zone: load(t, "Asia/Ho_Chi_Minh")}, "2024-01-31T18:00:00Z", "2024-03-01T00:00:00Z",
			[]string{"2024-02-01T00:00:00+07:00", "2024-03-01T00:00:00+07:00", "2024-04-01T00:00:00+07:00"}},
		{"before 1970", Calendar{By: Day}, "1969-12-31T23:59:59Z", "1970-01-01T00:00:01Z",
			[]string{"1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"}},
	} {
		require.Equal(t, c.want, bounds(t, c.cal, c.from, c.to), c.why)
	}
}

// TestCalendarAgainstTheClock walks zones minute by minute: a new day's bucket begins where the local date changes.
func TestCalendarAgainstTheClock(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Australia/Lord_Howe", "Asia/Beirut", "Africa/Cairo"} {
		zone := load(t, name)
		from := time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC)
		to := from.AddDate(2, 0, 0)
		days, err := Calendar{By: Day, Zone: zone}.buckets(Range{from.UnixMicro(), to.UnixMicro()})
		require.NoError(t, err)
		hours, err := Calendar{By: Hour, Zone: zone}.buckets(Range{from.UnixMicro(), to.UnixMicro()})
		require.NoError(t, err)
		date := ""
		bucket := -1
		for m := from; m.Before(to); m = m.Add(15 * time.Minute) {
			local := m.In(zone)
			day := days.find(m.UnixMicro())
			if d := local.Format(time.DateOnly); d != date {
				// A repeated midnight shows the old date again; the day's bucket has begun and stays.
				if d > date {
					require.Equal(t, bucket+1, day, "%s %s", name, local)
					date, bucket = d, day
				}
			}
			require.Equal(t, bucket, day, "%s %s", name, local)
			start := time.UnixMicro(hours.bounds[hours.find(m.UnixMicro())]).In(zone)
			require.Less(t, m.Sub(start), time.Hour)
			if start.Minute() == 0 {
				require.Equal(t, local.Hour(), start.Hour(), "%s %s", name, local)
			}
		}
	}
}
