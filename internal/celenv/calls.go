package celenv

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"github.com/embedcdp/cdp/internal/schema"
)

// function is one name users may call. The tables are closed: what is not in them is an error with a suggestion.
type function struct {
	min, max int // arguments, without the receiver
	usage    string
	resolve  func(*resolver, ast.Expr, ast.CallExpr) shape
}

var members, globals map[string]function

func init() { // the resolvers refer to the tables, so a plain initialiser would be a cycle
	members = map[string]function{
		"filter":        {2, 2, `events.purchase.filter(e, e.amount > 10)`, (*resolver).filter},
		"exists":        {2, 2, `events.purchase.exists(e, e.amount > 10)`, (*resolver).exists},
		"exists_one":    {2, 2, `events.purchase.exists_one(e, e.amount > 10)`, (*resolver).existsOne},
		"all":           {2, 2, `events.purchase.all(e, e.amount > 10)`, (*resolver).all},
		"map":           {2, 2, `events.purchase.map(e, e.amount)`, (*resolver).mapped},
		"sum":           {2, 2, `events.purchase.sum(e, e.amount)`, aggregate(FnSum)},
		"avg":           {2, 2, `events.purchase.avg(e, e.amount)`, aggregate(FnAvg)},
		"min":           {2, 2, `events.purchase.min(e, e.amount)`, aggregate(FnMin)},
		"max":           {2, 2, `events.purchase.max(e, e.amount)`, aggregate(FnMax)},
		"countDistinct": {2, 2, `events.purchase.countDistinct(e, e.category)`, aggregate(FnDistinct)},
		"mostFrequent":  {2, 2, `events.purchase.mostFrequent(e, e.category)`, aggregate(FnMostFrequent)},

		"within":   {1, 1, `events.purchase.within("30d")`, (*resolver).within},
		"during":   {1, 1, `events.purchase.during("this_month")`, (*resolver).during},
		"since":    {1, 1, `events.purchase.since(now.startOf("month"))`, bound(FnSince)},
		"until":    {1, 1, `events.purchase.until(now.startOf("month"))`, bound(FnUntil)},
		"perDay":   {1, 1, `events.purchase.perDay(7)`, per("day")},
		"perWeek":  {1, 1, `events.purchase.perWeek(4)`, per("week")},
		"perMonth": {1, 1, `events.purchase.perMonth(6)`, per("month")},
		"first":    {0, 0, `events.purchase.first()`, end(FnFirst)},
		"last":     {0, 0, `events.purchase.last()`, end(FnLast)},
		"size":     {0, 0, `events.purchase.size()`, plain},

		"contains":   {1, 1, `customer.name.contains("an")`, plain},
		"startsWith": {1, 1, `customer.name.startsWith("An")`, plain},
		"endsWith":   {1, 1, `customer.name.endsWith("a")`, plain},
		"matches":    {1, 1, `customer.email.matches("@example[.]com$")`, (*resolver).matches},
		"lowerAscii": {0, 0, `customer.name.lowerAscii()`, plain},
		"upperAscii": {0, 0, `customer.name.upperAscii()`, plain},
		"trim":       {0, 0, `customer.name.trim()`, plain},

		"startOf":     {1, 1, `now.startOf("month")`, (*resolver).startOf},
		"anniversary": {0, 0, `customer.birthday.anniversary()`, (*resolver).anniversary},
	}
	for _, name := range accessors {
		members[name] = function{0, 1, `now.` + name + `("Asia/Tokyo")`, (*resolver).accessor}
	}
	globals = map[string]function{
		"size":      {1, 1, `size(events.purchase)`, plain},
		"sequence":  {minSteps + 1, maxSteps + 1, `sequence(events.view, events.purchase, "7d")`, (*resolver).sequence},
		"inSegment": {1, 1, `inSegment("vip")`, (*resolver).inSegment},
		"ago":       {1, 1, `ago("3d")`, (*resolver).ago},
		"timestamp": {1, 1, `timestamp("2026-05-01T09:30:00Z")`, (*resolver).timestamp},
		"duration":  {1, 1, `duration("36h")`, (*resolver).duration},
		"int":       {1, 1, `int(customer.age)`, (*resolver).convert},
		"double":    {1, 1, `double(events.purchase.size())`, plain},
		"string":    {1, 1, `string(customer.age)`, (*resolver).convert},
		"has":       {1, 1, `has(customer.age)`, (*resolver).misusedHas},
		"object": {0, 2, `object("product", "p1")`, func(x *resolver, e ast.Expr, _ ast.CallExpr) shape {
			return x.fail(e, 0, "object() reads the current version of an object and is allowed only where evaluation is scheduled; "+
				"here follow a reference instead, as in e.product.brand")
		}},
	}
}

// accessors are CEL's parts of times and durations.
var accessors = []string{
	overloads.TimeGetFullYear, overloads.TimeGetMonth, overloads.TimeGetDate, overloads.TimeGetDayOfMonth,
	overloads.TimeGetDayOfWeek, overloads.TimeGetDayOfYear, overloads.TimeGetHours, overloads.TimeGetMinutes,
	overloads.TimeGetSeconds, overloads.TimeGetMilliseconds,
}

// plain leaves a call of the standard library as it is.
func plain(x *resolver, e ast.Expr, call ast.CallExpr) shape {
	if call.IsMemberFunction() {
		x.walk(call.Target())
	}
	for _, arg := range call.Args() {
		x.walk(arg)
	}
	return shape{}
}

func (x *resolver) misusedHas(e ast.Expr, _ ast.CallExpr) shape {
	return x.fail(e, 0, "has takes an attribute, as in has(customer.age)")
}

// quoted returns the string literal a call requires.
func (x *resolver) quoted(arg ast.Expr, what string) (string, bool) {
	if arg.Kind() == ast.LiteralKind {
		if s, ok := arg.AsLiteral().(types.String); ok {
			return string(s), true
		}
	}
	x.fail(arg, 0, "write %s as a text in quotes", what)
	return "", false
}

// eventList resolves the receiver of a function that only lists of events have.
func (x *resolver) eventList(e ast.Expr, call ast.CallExpr) (shape, bool) {
	before := len(x.errs)
	s := x.walk(call.Target())
	if !s.isEvents() {
		if len(x.errs) == before {
			x.fail(e, 0, "%s is for a list of events, as in %s", call.FunctionName(), members[call.FunctionName()].usage)
		}
		return s, false
	}
	return s, true
}

func (x *resolver) within(e ast.Expr, call ast.CallExpr) shape {
	s, ok := x.eventList(e, call)
	span, valid := x.span(call.Args()[0])
	if ok && valid {
		e.SetKindCase(x.hidden(e, FnWithin, call.Target(), x.int(e, span)))
	}
	x.timed = true
	return s
}

// span reads a duration literal and returns microseconds.
func (x *resolver) span(arg ast.Expr) (int64, bool) {
	s, ok := x.quoted(arg, `the duration, as in "30d",`)
	if !ok {
		return 0, false
	}
	micros, err := ParseSpan(s)
	if err != nil {
		x.fail(arg, 0, "%v", err)
		return 0, false
	}
	return micros, true
}

func (x *resolver) during(e ast.Expr, call ast.CallExpr) shape {
	s, ok := x.eventList(e, call)
	name, valid := x.quoted(call.Args()[0], `the range, as in "this_month",`)
	if valid && !slices.Contains(Ranges, name) {
		near := schema.DidYouMean(name, Ranges)
		if near == "" {
			near = ": known are " + strings.Join(Ranges, ", ")
		}
		x.fail(call.Args()[0], 0, "unknown range %q%s", name, near)
		return s
	}
	if ok && valid {
		e.SetKindCase(x.hidden(e, FnDuring, call.Target(), x.string(e, name)))
	}
	x.timed = x.timed || name != AllTime
	return s
}

func bound(function string) func(*resolver, ast.Expr, ast.CallExpr) shape {
	return func(x *resolver, e ast.Expr, call ast.CallExpr) shape {
		s, ok := x.eventList(e, call)
		x.walk(call.Args()[0])
		if ok {
			e.SetKindCase(x.hidden(e, function, call.Target(), call.Args()[0]))
		}
		return s
	}
}

func per(unit string) func(*resolver, ast.Expr, ast.CallExpr) shape {
	return func(x *resolver, e ast.Expr, call ast.CallExpr) shape {
		_, ok := x.eventList(e, call)
		arg := call.Args()[0]
		var n types.Int
		if arg.Kind() == ast.LiteralKind {
			n, _ = arg.AsLiteral().(types.Int)
		}
		if n < 1 || n > maxUnits {
			return x.fail(arg, 0, "%s takes a whole number from 1 to %d, as in %s", call.FunctionName(), maxUnits, members[call.FunctionName()].usage)
		}
		if ok {
			e.SetKindCase(x.hidden(e, FnPer, call.Target(), x.string(e, unit), x.int(e, int64(n))))
		}
		x.timed = true
		return shape{kind: list, elem: &shape{count: true}}
	}
}

func end(function string) func(*resolver, ast.Expr, ast.CallExpr) shape {
	return func(x *resolver, e ast.Expr, call ast.CallExpr) shape {
		before := len(x.errs)
		s := x.walk(call.Target())
		if s.kind != list {
			if len(x.errs) == before {
				x.fail(e, 0, "%s is for a list, as in %s", call.FunctionName(), members[call.FunctionName()].usage)
			}
			return shape{}
		}
		e.SetKindCase(x.hidden(e, function, call.Target()))
		return x.counted(e, *s.elem)
	}
}

func (x *resolver) matches(e ast.Expr, call ast.CallExpr) shape {
	x.walk(call.Target())
	if p, ok := x.quoted(call.Args()[0], "the pattern"); ok {
		if _, err := regexp.Compile(p); err != nil {
			x.fail(call.Args()[0], 0, "%q is no pattern: %v", p, err)
		}
		if size, err := types.RegexProgramSize(p); x.silent && (err != nil || size > maxRegex) {
			x.fail(call.Args()[0], 0, "%q is too large", p) // the checker says so at length
		}
	}
	return shape{}
}

func (x *resolver) sequence(e ast.Expr, call ast.CallExpr) shape {
	args := call.Args()
	last := len(args) - 1
	ok := true
	for _, arg := range args[:last] {
		before := len(x.errs)
		if s := x.walk(arg); !s.isEvents() {
			ok = false
			if len(x.errs) == before {
				x.fail(arg, 0, "a step of a sequence is a list of events, as in %s", globals["sequence"].usage)
			}
		}
	}
	span, valid := x.span(args[last])
	if ok && valid {
		e.SetKindCase(x.hidden(e, FnSequence, append([]ast.Expr{x.int(e, span)}, args[:last]...)...))
	}
	return shape{}
}

func (x *resolver) inSegment(e ast.Expr, call ast.CallExpr) shape {
	arg := call.Args()[0]
	if !x.scope.Person {
		return x.fail(e, 0, "inSegment is not known here: this expression is not about a person")
	}
	name, ok := x.quoted(arg, `the segment's name, as in inSegment("vip"),`)
	if ok && !x.cat.Segments[name] {
		return x.fail(arg, 0, "unknown segment %q%s", name, schema.DidYouMean(name, sortedKeys(x.cat.Segments)))
	}
	if ok {
		x.segments[name] = true
		e.SetKindCase(x.hidden(e, FnInSegment, x.string(e, name)))
	}
	return shape{}
}

// ago("3d") is now - duration("259200s").
func (x *resolver) ago(e ast.Expr, call ast.CallExpr) shape {
	span, ok := x.span(call.Args()[0])
	x.moving, x.timed = true, true
	if ok {
		d := x.hiddenOp(e, overloads.TypeConvertDuration, x.string(e, seconds(span)))
		e.SetKindCase(x.hiddenOp(e, operators.Subtract, x.ident0(e, NowVar), d))
	}
	return shape{}
}

func seconds(micros int64) string { return fmt.Sprintf("%ds", micros/1e6) }

// timestamp checks a literal. A date alone is CEL's error and here the start of that day in the portal's time zone.
func (x *resolver) timestamp(e ast.Expr, call ast.CallExpr) shape {
	arg := call.Args()[0]
	x.walk(arg)
	s, ok := literalText(arg)
	if !ok {
		return shape{}
	}
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		at := time.UnixMicro(DayStart(day.Year(), day.Month(), day.Day(), location(x.cat))).UTC()
		e.SetKindCase(x.hiddenOp(e, overloads.TypeConvertTimestamp, x.string(arg, at.Format(time.RFC3339))))
		return shape{}
	}
	if v := types.String(s).ConvertToType(types.TimestampType); types.IsError(v) {
		return x.fail(arg, 0, `%q is no time: write it as "2026-05-01T09:30:00Z", or a day as "2026-05-01"`, s)
	}
	return shape{}
}

// duration checks a literal. Days and weeks are accepted beside CEL's own units.
func (x *resolver) duration(e ast.Expr, call ast.CallExpr) shape {
	arg := call.Args()[0]
	x.walk(arg)
	s, ok := literalText(arg)
	if !ok {
		return shape{}
	}
	micros, err := ParseSpan(s)
	if err == nil {
		e.SetKindCase(x.hiddenOp(e, overloads.TypeConvertDuration, x.string(arg, seconds(micros))))
		return shape{}
	}
	if v := types.String(s).ConvertToType(types.DurationType); types.IsError(v) {
		if errors.Is(err, errTooLong) {
			return x.fail(arg, 0, "%v", err)
		}
		return x.fail(arg, 0, `%q is no duration: write it as "36h", "1h30m" or "7d"`, s)
	}
	return shape{}
}

func literalText(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

// convert refuses to turn the present moment into text or a number where the answer would change all the time. Its hour or
// day changes now and then, which the evaluator knows.
func (x *resolver) convert(e ast.Expr, call ast.CallExpr) shape {
	plain(x, e, call)
	if x.scope.Want == Bool && mentionsNow(call.Args()[0], accessors) {
		x.fail(e, 0, "%s of now changes all the time: compare times as they are, as in customer.last_seen > ago(\"3d\")", call.FunctionName())
	}
	return shape{}
}

func (x *resolver) accessor(e ast.Expr, call ast.CallExpr) shape {
	plain(x, e, call)
	name := call.FunctionName()
	if (name == overloads.TimeGetSeconds || name == overloads.TimeGetMilliseconds) && mentionsNow(call.Target(), nil) {
		x.fail(e, 0, "%s of now changes all the time: compare times or durations as they are, as in now - customer.last_seen > duration(\"90s\")", name)
	}
	if len(call.Args()) == 1 {
		if zone, ok := literalText(call.Args()[0]); ok {
			if v := types.String(zone); !validZone(string(v)) {
				x.fail(call.Args()[0], 0, `unknown time zone %q: write it as "Asia/Tokyo" or "+07:00"`, zone)
			}
		}
	}
	return shape{}
}

// mentionsNow says whether now occurs in e, other than inside a member call with one of these names.
func mentionsNow(e ast.Expr, except []string) bool {
	found, hidden := false, map[int64]bool{}
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.CallKind && e.AsCall().IsMemberFunction() && slices.Contains(except, e.AsCall().FunctionName()) {
			ast.PreOrderVisit(e, ast.NewExprVisitor(func(inner ast.Expr) { hidden[inner.ID()] = true }))
		}
		found = found || e.Kind() == ast.IdentKind && e.AsIdent() == NowVar && !hidden[e.ID()]
	}))
	return found
}

func (x *resolver) startOf(e ast.Expr, call ast.CallExpr) shape {
	x.walk(call.Target())
	unit, ok := x.quoted(call.Args()[0], `the unit, as in "month",`)
	if ok && !slices.Contains(Units, unit) {
		return x.fail(call.Args()[0], 0, "unknown unit %q%s: known are %s", unit, schema.DidYouMean(unit, Units), strings.Join(Units, ", "))
	}
	if ok {
		e.SetKindCase(x.hidden(e, FnStartOf, call.Target(), x.string(e, unit)))
	}
	return shape{}
}

func (x *resolver) anniversary(e ast.Expr, call ast.CallExpr) shape {
	x.walk(call.Target())
	if mentionsNow(call.Target(), nil) {
		return x.fail(e, 0, "anniversary is of a date, as in customer.birthday.anniversary(), not of now")
	}
	x.timed = true
	e.SetKindCase(x.hidden(e, FnAnniversary, call.Target()))
	return shape{}
}
