package exec

import (
	"slices"
	"strings"

	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// This file compares single values, where a table over codes is made and where two values of one row meet.

func numbersOf(lits []value.Value) []float64 {
	out := make([]float64, len(lits))
	for i := range lits {
		out[i] = lits[i].Num
	}
	return out
}

func timesOf(lits []value.Value) []int64 {
	out := make([]int64, len(lits))
	for i := range lits {
		out[i] = lits[i].Time
	}
	return out
}

func textsOf(lits []value.Value) []string {
	out := make([]string, len(lits))
	for i := range lits {
		out[i] = lits[i].Str
	}
	return out
}

// compares compares one value that is there.
func compares[T float64 | int64 | uint8 | string](op plan.Op, v T, lits []T) bool {
	switch op {
	case plan.Has:
		return true
	case plan.In:
		return slices.Contains(lits, v)
	case plan.NotIn:
		return !slices.Contains(lits, v)
	}
	switch lit := lits[0]; op {
	case plan.Equal:
		return v == lit
	case plan.NotEqual:
		return v != lit
	case plan.Less:
		return v < lit
	case plan.LessEqual:
		return v <= lit
	case plan.Greater:
		return v > lit
	case plan.GreaterEqual:
		return v >= lit
	}
	return false
}

func compareTexts(op plan.Op, s string, lits []string) bool {
	switch op {
	case plan.StartsWith, plan.NoStartsWith:
		return strings.HasPrefix(s, lits[0]) == (op == plan.StartsWith)
	case plan.EndsWith, plan.NoEndsWith:
		return strings.HasSuffix(s, lits[0]) == (op == plan.EndsWith)
	case plan.Contains, plan.NoContains:
		return strings.Contains(s, lits[0]) == (op == plan.Contains)
	}
	return compares(op, s, lits)
}
