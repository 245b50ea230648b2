package flow

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// The expressions of the add action are expr-lang, cut down to what ends soon and in little memory:
//
//	operators  + - * / % ** == != < <= > >= && || ! ?: ?? in contains startsWith endsWith, a.b and a[i] on JSON values
//	functions  abs ceil floor round min max int float string len trim trimPrefix trimSuffix upper lower indexOf
//	           lastIndexOf hasPrefix hasSuffix split
//	           date(text) or date(text, layout), format(time, layout), year month day hour weekday of a time (UTC, Sunday is 0)
//	           duration("36h"), to add to a time or take from it
//
// Left out on purpose: loops (map, filter, reduce and their like), ranges and variables, because a short expression
// could then take all memory (`let a = s + s; let b = a + a; ...` doubles with each step); repeat, replace, join,
// toJSON and matches for the same reason; now and time zones, because a run that is resumed must give the same rows;
// methods of times. Without loops and variables every part of an expression is computed once, so time and memory are
// bounded by its length and the row's.
//
// A column that is absent is nil: `discount ?? 0` gives a default, `discount == nil` asks; nil equals nothing else, is in
// nothing, and contains, starts with and ends with nothing. Everything else fails on nil, and an expression that fails on a
// row where a column it reads is absent gives an absent value, as NULL does in SQL. Any other failure makes the row a
// dead letter. A column whose name is no identifier must be renamed before an expression can read it.
const (
	maxExpression      = 4096 // bytes
	maxExpressionNodes = 200
	expressionMemory   = 100_000 // what the virtual machine may hold in arrays and maps, in elements
)

// expression is a compiled expression with the state to run it; it is used by one goroutine at a time.
type expression struct {
	program *vm.Program
	machine vm.VM
	attr    schema.Attr
	reads   []int          // slots of the columns it reads
	names   []string       // their names
	env     map[string]any // their values in the current row
	strict  bool           // nothing in it copes with nil: one absent column spares running it
}

func compileExpression(src string, result schema.Type, columns []slotColumn) (*expression, error) {
	if len(src) > maxExpression {
		return nil, fmt.Errorf("has %d bytes, the limit is %d", len(src), maxExpression)
	}
	env, known := map[string]any{}, []string{}
	for _, c := range columns {
		if schema.CheckName("a column", c.Name) == nil {
			env[c.Name] = goZero(c.Type)
			known = append(known, c.Name)
		}
	}
	use, err := inspect(src, known)
	if err != nil {
		return nil, err
	}
	options := []expr.Option{expr.Env(env), expr.DisableAllBuiltins(), expr.MaxNodes(maxExpressionNodes)}
	for _, name := range builtins {
		options = append(options, expr.EnableBuiltin(name))
	}
	for _, f := range functions {
		options = append(options, expr.Function(f.name, f.call, f.sign...))
	}
	program, err := compileSafely(src, options)
	if err != nil {
		return nil, placed(err)
	}
	if err := checkResult(program.Node().Type(), result); err != nil {
		return nil, err
	}
	e := &expression{program: program, attr: schema.Attr{Type: result}, env: make(map[string]any), strict: use.strict}
	e.machine.MemoryBudget = expressionMemory
	for _, c := range columns {
		if slices.Contains(use.columns, c.Name) {
			e.reads, e.names = append(e.reads, c.slot), append(e.names, c.Name)
		}
	}
	return e, nil
}

// compileSafely turns a panic of the compiler into an error: the text comes from users.
func compileSafely(src string, options []expr.Option) (program *vm.Program, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be compiled: %v", r)
		}
	}()
	return expr.Compile(src, options...)
}

// eval computes the value for a row. The error is a reason for a dead letter.
func (e *expression) eval(row []value.Value) (value.Value, error) {
	absent := false
	for i, slot := range e.reads {
		v := &row[slot]
		absent = absent || v.Kind == value.Absent
		switch v.Kind {
		case value.Number:
			e.env[e.names[i]] = v.Num
		case value.String:
			e.env[e.names[i]] = v.Str
		default:
			e.env[e.names[i]] = v.Go()
		}
	}
	if absent && e.strict {
		return value.Value{}, nil
	}
	out, err := e.machine.Run(e.program, e.env)
	if err == nil {
		var v value.Value
		if v, err = value.FromGo(out); err == nil && v.Kind != value.Absent {
			v, err = e.attr.Coerce(v)
		}
		if err == nil {
			return v, nil
		}
		err = fmt.Errorf("the result %w", err)
	}
	if absent {
		return value.Value{}, nil
	}
	return value.Value{}, placed(err)
}

// placed writes an error of expr-lang as "line:column: message".
func placed(err error) error {
	var at *file.Error
	if errors.As(err, &at) && at.Line > 0 {
		return fmt.Errorf("%d:%d: %s", at.Line, at.Column+1, at.Message)
	}
	return err
}

// goZero is a value of the Go type that a column has in an expression.
func goZero(t schema.Type) any {
	switch t {
	case schema.Number:
		return 0.0
	case schema.Boolean:
		return false
	case schema.Datetime:
		return time.Time{}
	case schema.Object:
		return map[string]any{}
	case schema.String, schema.Text:
		return ""
	}
	return []any{}
}

// checkResult compares the type of an expression with the declared one, where the compiler knows it.
func checkResult(got reflect.Type, want schema.Type) error {
	if got == nil || got.Kind() == reflect.Interface {
		return nil
	}
	ok := false
	switch want {
	case schema.Number:
		ok = got.Kind() == reflect.Int || got.Kind() == reflect.Float64
	case schema.String, schema.Text:
		ok = got.Kind() == reflect.String
	case schema.Boolean:
		ok = got.Kind() == reflect.Bool
	case schema.Datetime:
		ok = got == reflect.TypeFor[time.Time]()
	}
	if !ok {
		return fmt.Errorf("the expression gives a %s, declared is %s%s", goName(got), want, conversion(got, want))
	}
	return nil
}

func goName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "datetime"
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t.Kind() == reflect.Int || t.Kind() == reflect.Float64:
		return "number"
	case t.Kind() == reflect.Bool:
		return "boolean"
	case t.Kind() == reflect.Slice:
		return "array"
	case t.Kind() == reflect.Map:
		return "object"
	}
	return t.String()
}

func conversion(got reflect.Type, want schema.Type) string {
	switch {
	case want == schema.String || want == schema.Text:
		return ": use string(...)"
	case want == schema.Number && got.Kind() == reflect.String:
		return ": use float(...)"
	case want == schema.Datetime && got.Kind() == reflect.String:
		return ": use date(...)"
	}
	return ""
}
