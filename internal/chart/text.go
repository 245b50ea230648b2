package chart

import (
	"math"
	"strconv"
	"strings"
	"unicode"
)

// textWidth estimates the width of s in a sans-serif face at the given size. Without a font it can only be near; it
// takes DejaVu Sans for measure, one of the widest a reader may have.
func textWidth(s string, size float64) float64 {
	em := 0.0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r >= 0x1100 && (r <= 0x11ff || r >= 0x2e80) || unicode.IsControl(r): // a control is written as U+FFFD
			em += 1.02
		case strings.ContainsRune("iljtfrI.,:;'|!()[] ", r):
			em += 0.38
		case strings.ContainsRune("mwMW@%—…", r):
			em += 0.96
		case unicode.IsUpper(r):
			em += 0.72
		default:
			em += 0.635
		}
	}
	return em * size
}

// truncate cuts s to the width and marks the cut.
func truncate(s string, size, width float64) string {
	if textWidth(s, size) <= width {
		return s
	}
	runes := []rune(s)
	lo, hi := 0, len(runes) // the longest prefix that fits with its mark
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if textWidth(string(runes[:mid])+"…", size) <= width {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return strings.TrimRight(string(runes[:lo]), " ") + "…"
}

// number writes v in full, with separators and at most the given decimals; very large and very small ones in powers of ten.
func (o Options) number(v float64, decimals int) string {
	if !finite(v) {
		return "–"
	}
	if a := math.Abs(v); a >= 1e15 || a > 0 && a < 1e-4 {
		mantissa, exp, _ := strings.Cut(strconv.FormatFloat(v, 'e', 2, 64), "e")
		n, _ := strconv.Atoi(exp)
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
		return minus(strings.Replace(mantissa, ".", o.Decimal, 1) + "e" + strconv.Itoa(n))
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	whole, frac, _ := strings.Cut(s, ".")
	frac = strings.TrimRight(frac, "0")
	sign := ""
	if whole[0] == '-' {
		sign, whole = "-", whole[1:]
	}
	var b strings.Builder
	for i, d := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteString(o.Thousands)
		}
		b.WriteRune(d)
	}
	if frac != "" {
		b.WriteString(o.Decimal + frac)
	} else if whole == "0" {
		sign = ""
	}
	return minus(sign + b.String())
}

func minus(s string) string {
	if strings.HasPrefix(s, "-") {
		return "−" + s[1:]
	}
	return s
}

// decimalsFor shows small numbers finer than large ones.
func decimalsFor(v float64) int {
	switch a := math.Abs(v); {
	case a >= 1000:
		return 0
	case a >= 1:
		return 2
	}
	return 4
}

// value writes v with its unit, as in tooltips.
func (o Options) value(v float64, unit string) string {
	if unit == "%" {
		return o.percent(v)
	}
	s := o.number(v, decimalsFor(v))
	if unit != "" && finite(v) {
		s += " " + unit
	}
	return s
}

// short writes a number for an axis: 1.5k, 20M, 3B.
func (o Options) short(v float64) string {
	a := math.Abs(v)
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "k"}} {
		if a >= u.size && a < 1e15 && (u.name != "k" || a >= 1e4) {
			return o.number(v/u.size, 2) + u.name
		}
	}
	return o.number(v, 6)
}

// percent writes a fraction as percent.
func (o Options) percent(f float64) string {
	if !finite(f) {
		return "–"
	}
	decimals := 1
	if a := math.Abs(f); a >= 0.9995 || a > 0 && a < 0.001 {
		decimals = 2
	}
	return o.number(f*100, decimals) + "%"
}
