package roweval

import (
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/embedcdp/cdp/internal/celenv"
)

// Call answers the hidden functions. The checker has made sure of the arguments' types.
func (st *state) Call(function string, args []ref.Val) ref.Val {
	switch function {
	case celenv.FnStep:
		st.charge(1)
		return types.True
	case celenv.FnAbsorb:
		if b, ok := args[0].(types.Bool); ok {
			return b
		}
		return types.False
	case celenv.FnOrAbsent:
		if types.IsError(args[0]) {
			return mark{}
		}
		return args[0]
	case celenv.FnCompact:
		return listOf(st.present(args[0]))
	case celenv.FnWithin:
		return st.within(args[0], int64(args[1].(types.Int)))
	case celenv.FnDuring:
		return st.during(args[0], string(args[1].(types.String)))
	case celenv.FnSince:
		return st.bounded(args[0], greaterEquals, args[1])
	case celenv.FnUntil:
		return st.bounded(args[0], less, args[1])
	case celenv.FnPer:
		return st.per(args[0], string(args[1].(types.String)), int(args[2].(types.Int)))
	case celenv.FnFirst, celenv.FnLast:
		return st.end(args[0], function)
	case celenv.FnSequence:
		return st.sequence(int64(args[0].(types.Int)), args[1:])
	case celenv.FnInSegment:
		return types.Bool(st.in.Person != nil && st.in.Person.InSegment(string(args[0].(types.String))))
	case celenv.FnSum, celenv.FnAvg, celenv.FnMin, celenv.FnMax, celenv.FnDistinct, celenv.FnMostFrequent:
		return st.aggregate(function, args[0])
	case celenv.FnStartOf:
		return st.startOf(args[0], string(args[1].(types.String)))
	case celenv.FnAnniversary:
		return st.anniversary(args[0])
	case celenv.FnConcat:
		return st.concat(args[0], args[1])
	case celenv.FnIn:
		return st.contains(args[0], args[1])
	case celenv.FnCompare:
		return st.holds(args[1], relations[string(args[0].(types.String))], args[2])
	case celenv.FnAdd:
		return st.add(args[0], args[1])
	case celenv.FnSubtract:
		return st.subtract(args[0], args[1])
	case celenv.FnPart:
		return st.part(args)
	}
	return types.NewErr("no function %s", function)
}

// elements returns a list's values and counts them.
func (st *state) elements(v ref.Val) []ref.Val {
	l := v.(traits.Lister)
	n := int(l.Size().(types.Int))
	st.charge(n)
	vals := make([]ref.Val, n)
	for i := range vals {
		vals[i] = l.Get(types.Int(i))
	}
	return vals
}

// present is elements without the marks of absent values.
func (st *state) present(v ref.Val) []ref.Val {
	all := st.elements(v)
	kept := all[:0]
	for _, e := range all {
		if _, gone := e.(mark); !gone {
			kept = append(kept, e)
		}
	}
	return kept
}

// maxString holds what can be built by joining.
const maxString = 1 << 20

func (st *state) concat(a, b ref.Val) ref.Val {
	if s, ok := a.(types.String); ok {
		t := b.(types.String)
		if len(s)+len(t) > maxString {
			return types.NewErr("the joined text is longer than %d bytes", maxString)
		}
		st.charge((len(s) + len(t)) / 64)
		return s + t
	}
	return listOf(append(st.elements(a), st.elements(b)...))
}

func (st *state) contains(x, list ref.Val) ref.Val {
	found := types.False
	for _, e := range st.elements(list) {
		eq := types.Bool(false)
		if isTime(x) {
			eq = st.holds(x, equal, e) // notes when x will meet each
		} else {
			eq = types.Equal(x, e) == types.True
		}
		if eq {
			found = types.True
		}
	}
	return found
}
