package celenv

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/parser"

	"github.com/embedcdp/cdp/internal/schema"
)

// Expr is a compiled expression. It is immutable and safe for concurrent use.
type Expr struct {
	source  string
	cat     *schema.Catalogue
	scope   Scope
	surface ast.Expr // as the user wrote it
	info    *ast.SourceInfo
	types   func(id int64) *types.Type // of the rewritten tree; a node of the surface has its id there too
	typed   func() evaluable           // made when it is asked for: columns answer most conditions
	deps    Deps
}

// evaluable is the rewritten tree with types and overloads.
type evaluable struct {
	env     *cel.Env
	checked *ast.AST
}

// Deps is what an expression's answer depends on, each list in order.
type Deps struct {
	Events   []string // event types
	Attrs    []string // attributes of the profile
	Segments []string
	Objects  []string // object types reached through references
	Now      bool     // the answer can change as time passes (beside future-dated events, which enter when their time comes)
}

// Source returns the text as it was written.
func (e *Expr) Source() string { return e.source }

// Deps returns what the answer depends on. The caller does not write into it.
func (e *Expr) Deps() Deps { return e.deps }

// Catalogue returns the declarations the expression was checked against.
func (e *Expr) Catalogue() *schema.Catalogue { return e.cat }

// Scope returns the scope it was compiled in.
func (e *Expr) Scope() Scope { return e.scope }

// Surface returns the syntax tree as the user wrote it, macros not expanded. It is shared: callers do not change it.
func (e *Expr) Surface() ast.Expr { return e.surface }

// Type returns the type of a node of the surface, or nil for nodes that have none, such as a macro's variable.
func (e *Expr) Type(id int64) *types.Type { return e.types(id) }

// Text prints a part of the surface as CEL.
func (e *Expr) Text(part ast.Expr) string {
	s, err := parser.Unparse(part, e.info, parser.WrapOnColumn(MaxSource*2))
	if err != nil {
		return fmt.Sprintf("(%v)", err)
	}
	return s
}

// Part is a part of an expression, or a text that stands for one. It is printed when it is asked for, which takes longer than
// to plan it. Parts are equal when they are the same node.
type Part struct {
	of   *Expr
	node ast.Expr
	text string
}

// Written is a part of the surface.
func (e *Expr) Written(node ast.Expr) Part { return Part{of: e, node: node} }

// TextPart is a part of which only the text is known.
func TextPart(text string) Part { return Part{text: text} }

// String prints the part as CEL.
func (p Part) String() string {
	if p.of == nil {
		return p.text
	}
	return p.of.Text(p.node)
}

// Program plans the whole expression for evaluation. The variables it reads and the calls it makes are listed in this
// package; roweval provides them.
func (e *Expr) Program() (cel.Program, error) {
	t := e.typed()
	return t.env.PlanProgram(t.checked)
}

// Part plans the node of the surface with this id on its own. It must not stand inside a macro, whose variable it
// might read. The answer is false when the node has no value of its own.
func (e *Expr) Part(id int64) (cel.Program, bool) {
	t := e.typed()
	var found ast.Expr
	ast.PreOrderVisit(t.checked.Expr(), ast.NewExprVisitor(func(n ast.Expr) {
		if n.ID() == id && found == nil {
			found = n
		}
	}))
	if found == nil {
		return nil, false
	}
	part := ast.NewCheckedAST(ast.NewAST(found, t.checked.SourceInfo()), t.checked.TypeMap(), t.checked.ReferenceMap())
	p, err := t.env.PlanProgram(part)
	return p, err == nil
}
