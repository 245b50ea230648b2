package roweval

import (
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/exactsum"
)

// aggregate answers over the values that are there. Over none, sum and countDistinct are 0 and the rest is absent.
func (st *state) aggregate(function string, list ref.Val) ref.Val {
	vals := st.present(list)
	switch function {
	case celenv.FnSum:
		return sum(vals)
	case celenv.FnDistinct:
		seen := map[any]bool{}
		for _, v := range vals {
			seen[st.key(v)] = true
		}
		return types.Int(len(seen))
	}
	if len(vals) == 0 {
		return types.WrapErr(absent(function[1:] + " of nothing"))
	}
	switch function {
	case celenv.FnAvg:
		return sum(vals) / types.Double(len(vals))
	case celenv.FnMin:
		return st.extreme(vals, less)
	case celenv.FnMax:
		return st.extreme(vals, greater)
	}
	return st.mostFrequent(vals)
}

func sum(vals []ref.Val) types.Double {
	var s exactsum.Sum
	for _, v := range vals {
		switch v := v.(type) {
		case types.Double:
			s.Add(float64(v))
		case types.Int:
			s.Add(float64(v))
		}
	}
	return types.Double(s.Value())
}

func (st *state) extreme(vals []ref.Val, better relation) ref.Val {
	best := vals[0]
	for _, v := range vals[1:] {
		if st.better(v, better, best) {
			best = v
		}
	}
	return best
}

func (st *state) better(v ref.Val, r relation, than ref.Val) bool {
	if isTime(v) {
		return bool(st.holds(v, r, than))
	}
	sign, ok := v.(traits.Comparer).Compare(than).(types.Int)
	return ok && r.holds(int(sign))
}

// mostFrequent returns the value that occurs most often. Among equally frequent ones it is the one whose latest
// occurrence comes last: lists of events are in order, so that is the most recent.
func (st *state) mostFrequent(vals []ref.Val) ref.Val {
	type tally struct{ count, last int }
	tallies := map[any]tally{}
	for i, v := range vals {
		k := st.key(v)
		tallies[k] = tally{tallies[k].count + 1, i}
	}
	var best tally
	for _, t := range tallies { // no two have the same last, so the order of the map does not matter
		if t.count > best.count || t.count == best.count && t.last > best.last {
			best = t
		}
	}
	return vals[best.last]
}

// key makes values comparable by ==.
func (st *state) key(v ref.Val) any {
	if slope(v) != 0 {
		st.noteSoon()
	}
	switch v := still(v).(type) {
	case types.Timestamp:
		return split(v) // not nanoseconds, which overflow before 1678 and after 2262
	case types.Double:
		return float64(v)
	default:
		return v
	}
}
