package chart

import (
	"math"
	"time"
)

// scale maps [lo, hi] to [from, to] in the drawing.
type scale struct{ lo, hi, from, to float64 }

func (s scale) at(v float64) float64 {
	if s.hi == s.lo {
		return (s.from + s.to) / 2
	}
	// Halved so that the widest ranges do not overflow.
	return s.from + (v/2-s.lo/2)/(s.hi/2-s.lo/2)*(s.to-s.from)
}

// ticks returns about n round values that cover [lo, hi]; the first and last are the ends of the axis.
func ticks(lo, hi float64, n int, whole bool) []float64 {
	if lo == hi {
		switch {
		case lo > 0:
			lo = 0
		case hi < 0:
			hi = 0
		default:
			hi = 1
		}
	}
	n = max(n, 2)
	if hi/2-lo/2 < 1e-9*math.Max(math.Abs(lo), math.Abs(hi)) { // too near to be told apart by round numbers
		lo, hi = math.Min(lo, 0), math.Max(hi, 0)
	}
	raw := hi/float64(n) - lo/float64(n)
	if raw < 1e-300 {
		raw = 1e-300
	}
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	step := 10 * power
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*power >= raw*0.9999 {
			step = m * power
			break
		}
	}
	if whole {
		step = math.Max(1, math.Ceil(step))
	}
	var out []float64
	first, last := math.Floor(lo/step+1e-9), math.Ceil(hi/step-1e-9)
	for i := first; i <= last && len(out) <= 4*n; i++ {
		out = append(out, i*step)
	}
	if len(out) < 2 {
		out = []float64{first * step, (first + 1) * step}
	}
	return out
}

// axisTicks chooses the value axis. It begins at 0 unless the values are far from it and may float.
func axisTicks(lo, hi float64, n int, floats, whole bool) []float64 {
	if !floats || lo > 0 && lo < 0.6*hi {
		lo = math.Min(lo, 0)
	}
	if !floats || hi < 0 && hi > 0.6*lo {
		hi = math.Max(hi, 0)
	}
	return ticks(lo, hi, n, whole)
}

// allWhole reports whether every value is a whole number, so that an axis of counts has no halves.
func allWhole(series []Series, n int) bool {
	for _, s := range series {
		for i := range n {
			if v := s.at(i); finite(v) && v != math.Trunc(v) {
				return false
			}
		}
	}
	return true
}

// timeLabel is a label of the time axis and the larger unit it lies in, shown where that changes.
type timeLabel struct{ text, within string }

// timeLabels writes instants as the spacing needs it: hours within a date, days within a year, months within a year.
func timeLabels(times []int64, zone *time.Location) []timeLabel {
	if zone == nil {
		zone = time.UTC
	}
	step := int64(math.MaxInt64)
	for i := 1; i < len(times); i++ {
		if d := times[i] - times[i-1]; d > 0 && d < step {
			step = d
		}
	}
	const hour = int64(3600e6)
	text, within := "2 Jan", "2006"
	switch {
	case len(times) < 2:
		text, within = "2 Jan 2006", ""
		if t := time.UnixMicro(append(times, 0)[0]).In(zone); t.Hour()|t.Minute()|t.Second() != 0 {
			text, within = "15:04", "2 Jan 2006"
		}
	case step < hour:
		text, within = "15:04:05", "2 Jan 2006"
		if step >= 60e6 {
			text = "15:04"
		}
	case step < 20*hour:
		text, within = "15:04", "2 Jan 2006"
	case step >= 350*24*hour:
		text, within = "2006", ""
	case step >= 26*24*hour:
		text, within = "Jan", "2006"
	}
	out := make([]timeLabel, len(times))
	for i, us := range times {
		t := time.UnixMicro(us).In(zone)
		out[i].text = t.Format(text)
		if within != "" {
			out[i].within = t.Format(within)
		}
	}
	return out
}
