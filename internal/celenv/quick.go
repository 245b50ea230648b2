package celenv

import (
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/parser"

	"github.com/embedcdp/cdp/internal/schema"
)

// quickDepth is how deep the quick parser goes. It counts otherwise than cel-go's usual parser, whose limit is maxDepth and
// counts, so the quick one stops well before.
const quickDepth = 20

// quickParser is cel-go's second parser, written by hand, which gives the same tree as the usual one in an eighth of the
// time and has other messages.
var quickParser = sync.OnceValues(func() (*parser.Parser, error) {
	return parser.NewParser(parser.EnablePrattParser(true), parser.Macros(cel.HasMacro), parser.EnableHiddenAccumulatorName(true),
		parser.MaxRecursionDepth(quickDepth), parser.ExpressionSizeCodePointLimit(MaxSource), parser.MaxExpressionNodeCount(maxNodes))
})

// functions are what base declares: every environment has the same.
var functions = sync.OnceValue(func() map[string]*decls.FunctionDecl {
	b, err := base()
	if err != nil {
		return nil
	}
	return b.Functions()
})

// quick compiles an expression that is right and of a usual form, as thorough would and five times as fast. Where anything
// is wrong or unusual ok is false: then thorough compiles it, and words what is wrong.
func quick(cat *schema.Catalogue, sc Scope, env *cel.Env, src string) (e *Expr, ok bool) {
	p, err := quickParser()
	if err != nil {
		return nil, false
	}
	tree, errs := p.Parse(common.NewTextSource(src))
	if len(errs.GetErrors()) > 0 {
		return nil, false
	}
	surface := ast.NewExprFactory().CopyExpr(tree.Expr())
	x := newResolver(cat, sc, src, tree)
	x.silent = true
	x.walk(tree.Expr())
	if len(x.errs) > 0 || x.next > maxNodes {
		return nil, false
	}
	variables := env.Variables()
	first := newTyping(env, x, variables)
	first.open = true
	if first.of(tree.Expr()) == nil {
		return nil, false
	}
	(&numbers{resolver: x, types: &first.types}).run(tree.Expr())
	(&operations{resolver: x, types: &first.types}).rewrite(tree.Expr())
	final := newTyping(env, x, variables)
	result := final.of(tree.Expr())
	if len(x.errs) > 0 || result == nil || checkResult(result, sc.Want) != nil {
		return nil, false
	}
	if x.mixed(tree.Expr(), final.types.of); len(x.errs) > 0 {
		return nil, false
	}
	e = x.expr(src, surface)
	e.info, e.types = x.info, final.types.of
	e.typed = sync.OnceValue(func() evaluable {
		full := newTyping(env, x, variables)
		full.refs = make(map[int64]*ast.ReferenceInfo, int(x.next))
		full.of(tree.Expr())
		return evaluable{env, ast.NewCheckedAST(tree, full.types.byID(), full.refs)}
	})
	return e, true
}

// nodeTypes are the types of nodes by id; ids are small and have few gaps.
type nodeTypes struct{ list []*types.Type }

func (n *nodeTypes) of(id int64) *types.Type {
	if int(id) < len(n.list) {
		return n.list[id]
	}
	return nil
}

func (n *nodeTypes) set(id int64, t *types.Type) {
	for int(id) >= len(n.list) {
		n.list = append(n.list, nil)
	}
	n.list[id] = t
}

func (n *nodeTypes) byID() map[int64]*types.Type {
	out := make(map[int64]*types.Type, len(n.list))
	for id, t := range n.list {
		if t != nil {
			out[int64(id)] = t
		}
	}
	return out
}

// typing finds the types and overloads of a resolved tree. Where it answers it answers as cel-go's checker does, which the
// tests hold it to; what it does not know is nil, and makes the whole expression one for the checker.
type typing struct {
	provider types.Provider
	resolver *resolver
	open     bool // integer literals and counts may be any number, as in the first check
	vars     []typedVar
	types    nodeTypes
	refs     map[int64]*ast.ReferenceInfo // nil: only an evaluation asks for overloads
}

type typedVar struct {
	name string
	t    *types.Type
}

func newTyping(env *cel.Env, x *resolver, variables []*decls.VariableDecl) *typing {
	ty := &typing{provider: env.CELTypeProvider(), resolver: x, types: nodeTypes{make([]*types.Type, x.next+1)}, vars: make([]typedVar, 0, len(variables)+4)}
	for _, v := range variables {
		ty.vars = append(ty.vars, typedVar{v.Name(), v.Type()})
	}
	return ty
}

func (ty *typing) of(e ast.Expr) *types.Type {
	if t := ty.types.of(e.ID()); t != nil {
		return t
	}
	t := ty.look(e)
	if t == nil {
		return nil
	}
	if ty.open && (ty.resolver.literals[e.ID()] != nil || ty.resolver.counts[e.ID()] != nil) {
		t = types.DynType
	}
	ty.types.set(e.ID(), t)
	return t
}

func (ty *typing) look(e ast.Expr) *types.Type {
	switch e.Kind() {
	case ast.LiteralKind:
		if t, ok := e.AsLiteral().Type().(*types.Type); ok {
			return t
		}
	case ast.IdentKind:
		return ty.ident(e)
	case ast.SelectKind:
		return ty.selected(e)
	case ast.CallKind:
		return ty.call(e)
	case ast.ListKind:
		return ty.list(e)
	case ast.ComprehensionKind:
		return ty.comprehension(e)
	}
	return nil
}

func (ty *typing) ident(e ast.Expr) *types.Type {
	for i := len(ty.vars) - 1; i >= 0; i-- { // the innermost of a name
		if v := ty.vars[i]; v.name == e.AsIdent() {
			if ty.refs != nil {
				ty.refs[e.ID()] = ast.NewIdentReference(v.name, nil)
			}
			return v.t
		}
	}
	return nil
}

func (ty *typing) selected(e ast.Expr) *types.Type {
	sel := e.AsSelect()
	operand := ty.of(sel.Operand())
	if operand == nil || operand.Kind() != types.StructKind {
		return nil
	}
	field, ok := ty.provider.FindStructFieldType(operand.TypeName(), sel.FieldName())
	switch {
	case !ok:
		return nil
	case sel.IsTestOnly():
		return types.BoolType
	}
	return field.Type
}

// list: elements of several types make a list of anything, which mixed refuses later.
func (ty *typing) list(e ast.Expr) *types.Type {
	var elem *types.Type
	for i, el := range e.AsList().Elements() {
		t := ty.of(el)
		switch {
		case t == nil:
			return nil
		case i == 0:
			elem = t
		default:
			if elem = general(elem, t); elem == nil {
				return nil
			}
		}
	}
	if elem == nil { // whatever it is compared with says what an empty list holds
		return nil
	}
	return types.NewListType(elem)
}

// comprehension: a macro's list starts empty, so what is put into it says what it holds.
func (ty *typing) comprehension(e ast.Expr) *types.Type {
	c := e.AsComprehension()
	over := ty.of(c.IterRange())
	if over == nil || over.Kind() != types.ListKind {
		return nil
	}
	elem := typedVar{c.IterVar(), over.Parameters()[0]}
	var accu *types.Type
	if init := c.AccuInit(); init.Kind() == ast.ListKind && init.AsList().Size() == 0 {
		put := appended(e)
		if put == nil {
			return nil
		}
		ty.vars = append(ty.vars, elem)
		t := ty.of(put)
		ty.vars = ty.vars[:len(ty.vars)-1]
		if t == nil {
			return nil
		}
		accu = types.NewListType(t)
		ty.types.set(init.ID(), accu)
	} else if accu = ty.of(init); accu == nil {
		return nil
	}
	ty.vars = append(ty.vars, typedVar{c.AccuVar(), accu}, elem)
	cond, step := ty.of(c.LoopCondition()), ty.of(c.LoopStep())
	ty.vars = ty.vars[:len(ty.vars)-1]
	var result *types.Type
	if cond != nil && step != nil && cond.Kind() == types.BoolKind && step.IsExactType(accu) {
		result = ty.of(c.Result())
	}
	ty.vars = ty.vars[:len(ty.vars)-1]
	return result
}

func (ty *typing) call(e ast.Expr) *types.Type {
	c := e.AsCall()
	var buffer [8]*types.Type
	args := buffer[:0]
	if c.IsMemberFunction() {
		args = append(args, ty.of(c.Target()))
	}
	for _, arg := range c.Args() {
		args = append(args, ty.of(arg))
	}
	for _, t := range args {
		if t == nil {
			return nil
		}
	}
	fn := functions()[c.FunctionName()]
	if fn == nil {
		return nil
	}
	var result *types.Type
	var overloads []string
	for _, o := range fn.OverloadDecls() {
		if o.IsMemberFunction() != c.IsMemberFunction() {
			continue
		}
		t := overloadResult(o.ArgTypes(), o.ResultType(), args)
		if t == nil {
			continue
		}
		if ty.refs != nil {
			overloads = append(overloads, o.ID())
		}
		switch {
		case result == nil:
			result = t
		case result.Kind() != types.DynKind && !result.IsExactType(t):
			result = types.DynType
		}
	}
	if len(overloads) > 0 {
		ty.refs[e.ID()] = ast.NewFunctionReference(overloads...)
	}
	return result
}

// overloadResult is an overload's result for some arguments, or nil when they do not fit.
func overloadResult(params []*types.Type, result *types.Type, args []*types.Type) *types.Type {
	if len(params) != len(args) {
		return nil
	}
	var b bindings
	for i, p := range params {
		if !b.fits(p, args[i]) {
			return nil
		}
	}
	return b.bound(result)
}

// bindings are what the type parameters of one overload stand for.
type bindings []typedVar

func (b *bindings) fits(param, arg *types.Type) bool {
	switch {
	case param.Kind() == types.TypeParamKind:
		for i := range *b {
			if v := &(*b)[i]; v.name == param.TypeName() {
				t := general(v.t, arg)
				if t == nil || t.Kind() == types.DynKind && v.t.Kind() != types.DynKind && arg.Kind() != types.DynKind {
					return false // two different types
				}
				v.t = t
				return true
			}
		}
		*b = append(*b, typedVar{param.TypeName(), arg})
		return true
	case param.Kind() == types.DynKind || arg.Kind() == types.DynKind:
		return true
	case param.Kind() != arg.Kind():
		return false
	}
	switch param.Kind() {
	case types.ListKind, types.MapKind:
		for i, p := range param.Parameters() {
			if !b.fits(p, arg.Parameters()[i]) {
				return false
			}
		}
		return true
	}
	return param.IsExactType(arg)
}

func (b bindings) bound(t *types.Type) *types.Type {
	switch t.Kind() {
	case types.TypeParamKind:
		for _, v := range b {
			if v.name == t.TypeName() {
				return v.t
			}
		}
		return nil
	case types.ListKind:
		if elem := b.bound(t.Parameters()[0]); elem != nil {
			return types.NewListType(elem)
		}
		return nil
	case types.MapKind:
		return nil
	}
	return t
}

// general is the type that holds what two types hold; nil where that is not plain.
func general(a, b *types.Type) *types.Type {
	switch {
	case a.IsExactType(b):
		return a
	case a.Kind() == types.DynKind || b.Kind() == types.DynKind:
		return types.DynType
	case a.Kind() == types.ListKind && b.Kind() == types.ListKind:
		elem := general(a.Parameters()[0], b.Parameters()[0])
		if elem == nil || elem.Kind() == types.DynKind && a.Parameters()[0].Kind() != types.DynKind && b.Parameters()[0].Kind() != types.DynKind {
			return nil
		}
		return types.NewListType(elem)
	case a.Kind() == types.ListKind || b.Kind() == types.ListKind || a.Kind() == types.MapKind || b.Kind() == types.MapKind:
		return nil
	}
	return types.DynType
}
