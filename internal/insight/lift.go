package insight

import "math"

// Lift compares the conversion of the people who were messaged with that of the control group.
type Lift struct {
	Treated, Control Ratio // conversions by people

	Difference  float64 // treated rate less control rate
	Low, High   float64 // 95 % confidence interval of the difference
	Relative    float64 // difference by control rate; see HasRelative
	HasRelative bool    // false where the control group has no conversion
	Significant bool    // the interval does not hold 0
}

// z95 is the 97.5th percentile of the standard normal distribution.
const z95 = 1.959963984540054

// CompareToControl returns the lift with its 95 % confidence interval by Newcombe's hybrid score method without
// continuity correction (Newcombe 1998, Statistics in Medicine 17:873-890, method 10), built from two Wilson score
// intervals. False where a group has nobody or more conversions than people.
func CompareToControl(treated, control Ratio) (Lift, bool) {
	p1, ok1 := treated.Value()
	p2, ok2 := control.Value()
	if !ok1 || !ok2 || p1 < 0 || p1 > 1 || p2 < 0 || p2 > 1 {
		return Lift{}, false
	}
	l1, u1 := wilson(treated)
	l2, u2 := wilson(control)
	d := p1 - p2
	lift := Lift{
		Treated: treated, Control: control, Difference: d,
		Low:  d - math.Hypot(p1-l1, u2-p2),
		High: d + math.Hypot(u1-p1, p2-l2),
	}
	if p2 > 0 {
		lift.Relative, lift.HasRelative = d/p2, true
	}
	lift.Significant = lift.Low > 0 || lift.High < 0
	return lift, true
}

// wilson is the score interval of a proportion (Wilson 1927).
func wilson(r Ratio) (low, high float64) {
	n, p := float64(r.Den), float64(r.Num)/float64(r.Den)
	z2 := z95 * z95
	mid := p + z2/(2*n)
	half := z95 * math.Sqrt(p*(1-p)/n+z2/(4*n*n))
	return (mid - half) / (1 + z2/n), (mid + half) / (1 + z2/n)
}
