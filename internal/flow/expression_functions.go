package flow

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// builtins are the functions of expr-lang that are allowed as they are; functions are those defined here.
var builtins = []string{"abs", "ceil", "duration", "float", "floor", "hasPrefix", "hasSuffix", "indexOf", "lastIndexOf",
	"len", "lower", "max", "min", "round", "split", "trim", "trimPrefix", "trimSuffix", "upper"}

var functions = []struct {
	name string
	call func(args ...any) (any, error)
	sign []any
}{
	{"date", callDate, []any{new(func(string) time.Time), new(func(string, string) time.Time)}},
	{"format", func(a ...any) (any, error) {
		return onTime(a[0], func(t time.Time) any { return t.Format(a[1].(string)) })
	}, []any{new(func(time.Time, string) string)}},
	{"year", timePart(time.Time.Year), []any{new(func(time.Time) int)}},
	{"month", timePart(func(t time.Time) int { return int(t.Month()) }), []any{new(func(time.Time) int)}},
	{"day", timePart(time.Time.Day), []any{new(func(time.Time) int)}},
	{"hour", timePart(time.Time.Hour), []any{new(func(time.Time) int)}},
	{"weekday", timePart(func(t time.Time) int { return int(t.Weekday()) }), []any{new(func(time.Time) int)}},
	{"string", callString, []any{new(func(any) string)}},
	{"int", callInt, []any{new(func(any) int)}},
}

func timePart(part func(time.Time) int) func(args ...any) (any, error) {
	return func(args ...any) (any, error) {
		return onTime(args[0], func(t time.Time) any { return part(t) })
	}
}

func onTime(x any, f func(time.Time) any) (any, error) {
	t, ok := x.(time.Time)
	if !ok {
		return nil, fmt.Errorf("a %T is no time", x)
	}
	return f(t), nil
}

func callDate(args ...any) (any, error) {
	s, ok := args[0].(string)
	if !ok {
		return nil, fmt.Errorf("a %T is no text", args[0])
	}
	if len(args) == 2 {
		layout, _ := args[1].(string)
		t, err := time.Parse(layout, s)
		return t.UTC(), err
	}
	micros, ok := schema.ParseTime(strings.TrimSpace(s))
	if !ok {
		return nil, fmt.Errorf("%.40q is not a time; a layout helps, as in date(s, \"02.01.2006\")", s)
	}
	return time.UnixMicro(micros).UTC(), nil
}

// callString writes numbers without an exponent, and refuses nil, which the builtin writes as "<nil>".
func callString(args ...any) (any, error) {
	if n, ok := args[0].(int); ok {
		return fmt.Sprint(n), nil
	}
	v, err := value.FromGo(args[0])
	if err != nil {
		return nil, err
	}
	switch v.Kind {
	case value.Absent:
		return nil, errors.New("nil has no text")
	case value.Number:
		return formatNumber(v.Num), nil
	}
	return v.String(), nil
}

// callInt cuts the fraction off, and refuses what the builtin would turn into another number.
func callInt(args ...any) (any, error) {
	var f float64
	switch x := args[0].(type) {
	case int:
		return x, nil
	case float64:
		f = x
	case string:
		v, problem := parseNumber(strings.TrimSpace(x))
		if problem != "" {
			return nil, errors.New(problem)
		}
		f = v.Num
	default:
		return nil, fmt.Errorf("a %T is no number", x)
	}
	if !(f >= -1<<53 && f <= 1<<53) {
		return nil, fmt.Errorf("%v is too large for int", f)
	}
	return int(f), nil
}
