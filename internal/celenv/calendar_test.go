package celenv

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// DayStart is the first instant of a date, found here by walking minute by minute. The zones change their clocks at
// midnight, over midnight, by half an hour, or by a whole day.
func TestDayStartAgainstWalking(t *testing.T) {
	for _, c := range []struct{ zone, around string }{
		{"America/Sao_Paulo", "2018-11-04"}, {"America/Sao_Paulo", "2019-02-17"}, {"America/Havana", "2026-11-01"}, {"America/Havana", "2026-03-08"},
		{"Africa/Cairo", "2026-04-24"}, {"Africa/Cairo", "2026-10-30"}, {"Australia/Lord_Howe", "2026-04-05"}, {"Europe/Berlin", "2026-03-29"},
		{"Europe/Berlin", "2026-10-25"}, {"Pacific/Apia", "2011-12-30"}, {"America/St_Johns", "1988-04-03"}, {"America/St_Johns", "1988-10-30"},
		{"Asia/Kathmandu", "1986-01-01"}, {"UTC", "2024-02-29"},
	} {
		loc, err := time.LoadLocation(c.zone)
		require.NoError(t, err)
		mid, err := time.Parse(time.DateOnly, c.around)
		require.NoError(t, err)
		for shift := -2; shift <= 2; shift++ {
			date := mid.AddDate(0, 0, shift)
			walk := date.Add(-30 * time.Hour)
			for {
				y, m, d := walk.In(loc).Date()
				if !time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Before(date) {
					break
				}
				walk = walk.Add(time.Minute)
			}
			got := DayStart(date.Year(), date.Month(), date.Day(), loc)
			assert.Equal(t, walk, time.UnixMicro(got).UTC(), "%s %s", c.zone, date.Format(time.DateOnly))
		}
		// every instant lies between the start of its day and that of the next
		cal := Calendar{Location: loc}
		for at := mid.Add(-40 * time.Hour); at.Before(mid.Add(40 * time.Hour)); at = at.Add(10 * time.Minute) {
			now := at.UnixMicro()
			require.LessOrEqual(t, cal.Start(now, "day", 0), now, "%s %s", c.zone, at)
			require.Greater(t, cal.Start(now, "day", 1), now, "%s %s", c.zone, at)
			for _, unit := range []string{"year", "month", "day", "hour", "minute"} {
				require.Greater(t, NextPart(now, unit, loc), now)
			}
		}
	}
}

func TestParseSpan(t *testing.T) {
	for s, want := range map[string]int64{"1s": 1e6, "90m": 5400e6, "36h": 129600e6, "30d": 2592000e6, "2w": 1209600e6, "36600d": 36600 * 86400e6} {
		got, err := ParseSpan(s)
		assert.NoError(t, err)
		assert.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "d", "30", "-3d", "+3d", "3.5d", "3D", "3 d", "1d12h", "0s", "36601d", "99999999999999999999d", "3y"} {
		_, err := ParseSpan(s)
		assert.Error(t, err, s)
	}
}
