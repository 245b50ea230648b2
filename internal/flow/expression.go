package flow

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
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

// expression is a compiled expression with the state to run it; it is used by one goroutine at a time.
type expression struct {
	program *vm.Program
	machine vm.VM
	attr    schema.Attr
	reads   []int          // slots of the columns it reads
	names   []string       // their names
	env     map[string]any // their values in the current row
	strict  bool           // nothing in it copes with nil, so one absent column makes the result absent
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

// use is what an expression's text tells before it is compiled.
type use struct {
	known   []string
	columns []string
	strict  bool
	err     error
	unknown *ast.IdentifierNode // that err is about
}

// inspect refuses what the list above leaves out, and finds the columns that are read.
func inspect(src string, known []string) (*use, error) {
	config, err := parseSafely(src)
	if err != nil {
		return nil, placed(err)
	}
	u := &use{known: known, strict: true}
	ast.Walk(&config.Node, u)
	if u.err != nil {
		var at *file.Error
		if errors.As(u.err, &at) {
			return nil, placed(at.Bind(config.Source))
		}
	}
	return u, u.err
}

func parseSafely(src string) (tree *parser.Tree, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be read: %v", r)
		}
	}()
	return parser.Parse(src)
}

// Visit looks at one node of the syntax tree.
func (u *use) Visit(node *ast.Node) {
	n := *node
	refuse := func(format string, args ...any) {
		if u.err == nil {
			u.err = &file.Error{Location: n.Location(), Message: fmt.Sprintf(format, args...)}
		}
	}
	switch n := n.(type) {
	case *ast.IdentifierNode:
		u.identifier(n, refuse)
	case *ast.BuiltinNode:
		u.function(n.Name, refuse)
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok {
			if u.unknown == callee { // children are visited first
				u.err = nil
			}
			u.function(callee.Value, refuse)
		} else {
			refuse("methods are not available; see the functions year, month, day, hour, weekday and format")
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "..", "matches":
			refuse("the operator %s is not available", n.Operator)
		case "??", "==", "!=", "&&", "||", "and", "or", "in", "not in", "contains", "startsWith", "endsWith":
			u.strict = false
		}
	case *ast.ConditionalNode, *ast.NilNode, *ast.ChainNode, *ast.MapNode, *ast.ArrayNode:
		u.strict = false
	case *ast.VariableDeclaratorNode, *ast.SequenceNode:
		refuse("variables are not available: use an add action for each step")
	case *ast.PredicateNode, *ast.PointerNode:
		refuse("loops over arrays are not available")
	}
}

func (u *use) identifier(n *ast.IdentifierNode, refuse func(string, ...any)) {
	name := n.Value
	switch {
	case slices.Contains(u.known, name):
		if !slices.Contains(u.columns, name) {
			u.columns = append(u.columns, name)
		}
	case isFunction(name):
	case u.err == nil:
		u.unknown = n
		refuse("%v", unknownColumn(name, u.known))
	}
}

func (u *use) function(name string, refuse func(string, ...any)) {
	if !slices.Contains(builtins, name) && !isFunction(name) {
		refuse("the function %s is not available%s", name, schema.DidYouMean(name, functionNames()))
	}
}

func isFunction(name string) bool {
	for _, f := range functions {
		if f.name == name {
			return true
		}
	}
	return false
}

func functionNames() []string {
	names := slices.Clone(builtins)
	for _, f := range functions {
		names = append(names, f.name)
	}
	return names
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
