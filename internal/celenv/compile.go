package celenv

import (
	"slices"
	"sort"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"github.com/embedcdp/cdp/internal/schema"
)

// Compile checks an expression and makes it ready to evaluate. The error is an *Error with every problem found.
func Compile(cat *schema.Catalogue, sc Scope, src string) (*Expr, error) {
	if len(src) > MaxSource {
		return nil, at1("the expression has %d bytes, the limit is %d", len(src), MaxSource)
	}
	if strings.TrimSpace(src) == "" {
		return nil, at1("the expression is empty")
	}
	if sc.Event != "" && cat.Events[sc.Event] == nil {
		return nil, at1("unknown event type %q%s", sc.Event, schema.DidYouMean(sc.Event, sortedKeys(cat.Events)))
	}
	if sc.Arriving != "" && cat.Events[sc.Arriving] == nil {
		return nil, at1("unknown event type %q%s", sc.Arriving, schema.DidYouMean(sc.Arriving, sortedKeys(cat.Events)))
	}
	env, err := environment(cat, sc)
	if err != nil {
		return nil, at1("%v", err)
	}
	if e, ok := quick(cat, sc, env, src); ok {
		return e, nil
	}
	return thorough(cat, sc, env, src)
}

// thorough leaves parsing and types to cel-go.
func thorough(cat *schema.Catalogue, sc Scope, env *cel.Env, src string) (*Expr, error) {
	parsed, issues := env.Parse(src)
	if issues.Err() != nil {
		return nil, reports(src, issues.Errors())
	}
	tree := parsed.NativeRep()
	surface := ast.NewExprFactory().CopyExpr(tree.Expr())
	x := newResolver(cat, sc, src, tree)
	x.walk(tree.Expr())
	if len(x.errs) > 0 {
		return nil, join(x.errs)
	}
	checked, err := x.check(env, parsed)
	if err != nil {
		return nil, err
	}
	typed := checked.NativeRep()
	e := x.expr(src, surface)
	e.info, e.types = typed.SourceInfo(), func(id int64) *types.Type { return typed.TypeMap()[id] }
	e.typed = func() evaluable { return evaluable{env, typed} }
	return e, nil
}

// expr is what both ways have in common.
func (x *resolver) expr(src string, surface ast.Expr) *Expr {
	return &Expr{
		source: src, cat: x.cat, scope: x.scope, surface: surface,
		deps: Deps{
			Events: sortedKeys(x.events), Attrs: sortedKeys(x.attrs), Segments: sortedKeys(x.segments),
			Objects: sortedKeys(x.objects), Now: x.timed,
		},
	}
}

// check runs the type checker twice. The first time every integer literal and every count may be any number; from the
// types of what it meets follows which it is. The second time everything has its final type.
func (x *resolver) check(env *cel.Env, parsed *cel.Ast) (*cel.Ast, error) {
	for _, open := range []map[int64]ast.Expr{x.literals, x.counts} {
		for _, id := range sortedIDs(open) {
			x.wrap(open[id], overloads.TypeConvertDyn)
		}
	}
	first, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, reports(string(x.text), issues.Errors())
	}
	for _, open := range []map[int64]ast.Expr{x.literals, x.counts} {
		for _, e := range open {
			e.SetKindCase(e.AsCall().Args()[0])
		}
	}
	typeOf := &nodeTypes{}
	for id, t := range first.NativeRep().TypeMap() {
		typeOf.set(id, t)
	}
	root := parsed.NativeRep().Expr()
	(&numbers{resolver: x, types: typeOf}).run(root)
	(&operations{resolver: x, types: typeOf}).rewrite(root)
	if len(x.errs) > 0 {
		return nil, join(x.errs)
	}
	final, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, reports(string(x.text), issues.Errors())
	}
	if x.mixed(root, final.NativeRep().GetType); len(x.errs) > 0 {
		return nil, join(x.errs)
	}
	if err := checkResult(final.OutputType(), x.scope.Want); err != nil {
		return nil, err
	}
	return final, nil
}

// wrap makes e a call of a function with what e was.
func (x *resolver) wrap(e ast.Expr, function string) (inner ast.Expr) {
	inner = x.fac.NewUnspecifiedExpr(x.id(e))
	inner.SetKindCase(e)
	e.SetKindCase(x.fac.NewCall(e.ID(), function, inner))
	return inner
}

// mixed reports lists and maps whose elements have several types. cel-go's own option for this would also refuse, in the
// first check, literals that are about to become doubles.
func (x *resolver) mixed(root ast.Expr, typeOf func(id int64) *types.Type) {
	ast.PreOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.ListKind && e.Kind() != ast.MapKind || e.Kind() == ast.ListKind && e.AsList().Size() == 0 {
			return
		}
		for _, p := range typeOf(e.ID()).Parameters() {
			if p.Kind() == types.DynKind {
				x.fail(e, 0, "the elements here have several types: use one")
			}
		}
	}))
}

func checkResult(t *types.Type, want Want) error {
	switch {
	case want == Bool && t.Kind() != types.BoolKind:
		return at1("the expression must be true or false, but it is %s", article(typeName(t)))
	case t.Kind() == types.DurationKind:
		return at1("the expression is a duration, which cannot be shown: ask for a part of it, as in .getHours()")
	case t.Kind() == types.MapKind || t.Kind() == types.DynKind:
		return at1("the expression is %s, which cannot be shown: ask for a number, text, time, true or false, list or object", article(typeName(t)))
	}
	return nil
}

func article(s string) string {
	if strings.ContainsAny(s[:1], "aeiou") {
		return "an " + s
	}
	return "a " + s
}

func sortedIDs(m map[int64]ast.Expr) []int64 {
	ids := make([]int64, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	return ids
}

// reports turns cel-go's issues into an *Error in the words of the dialect.
func reports(src string, issues []*common.Error) error {
	lines := strings.Split(src, "\n")
	var errs []*Error
	for _, issue := range issues {
		e := &Error{Line: max(issue.Location.Line(), 1), Column: max(issue.Location.Column(), 0) + 1}
		var function string
		e.Msg, function = plainWords(issue.Message)
		if e.Line <= len(lines) { // cel-go points at the bracket of a call
			before, name := []rune(lines[e.Line-1]), []rune(function)
			if from := e.Column - 1 - len(name); from >= 0 && from+len(name) <= len(before) && slices.Equal(before[from:from+len(name)], name) {
				e.Column = from + 1
			}
		}
		errs = append(errs, e)
	}
	return join(errs)
}

// join puts the problems in the order of their positions.
func join(errs []*Error) error {
	sort.SliceStable(errs, func(i, j int) bool {
		a, b := errs[i], errs[j]
		return a.Line < b.Line || a.Line == b.Line && a.Column < b.Column
	})
	first := *errs[0]
	for _, e := range errs[1:min(len(errs), maxReports)] {
		if e.Msg != first.Msg || e.Line != first.Line || e.Column != first.Column {
			first.More = append(first.More, e)
		}
	}
	return &first
}
