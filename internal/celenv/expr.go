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
	env     *cel.Env
	surface ast.Expr // as the user wrote it
	checked *ast.AST // rewritten and typed; a node of the surface has its id here too
	deps    Deps
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
func (e *Expr) Type(id int64) *types.Type { return e.checked.TypeMap()[id] }

// Text prints a part of the surface as CEL.
func (e *Expr) Text(part ast.Expr) string {
	s, err := parser.Unparse(part, e.checked.SourceInfo(), parser.WrapOnColumn(MaxSource*2))
	if err != nil {
		return fmt.Sprintf("(%v)", err)
	}
	return s
}

// Program plans the whole expression for evaluation. The variables it reads and the calls it makes are listed in this
// package; roweval provides them.
func (e *Expr) Program() (cel.Program, error) { return e.env.PlanProgram(e.checked) }

// Part plans the node of the surface with this id on its own. It must not stand inside a macro, whose variable it
// might read. The answer is false when the node has no value of its own.
func (e *Expr) Part(id int64) (cel.Program, bool) {
	var found ast.Expr
	ast.PreOrderVisit(e.checked.Expr(), ast.NewExprVisitor(func(n ast.Expr) {
		if n.ID() == id && found == nil {
			found = n
		}
	}))
	if found == nil {
		return nil, false
	}
	part := ast.NewCheckedAST(ast.NewAST(found, e.checked.SourceInfo()), e.checked.TypeMap(), e.checked.ReferenceMap())
	p, err := e.env.PlanProgram(part)
	return p, err == nil
}
