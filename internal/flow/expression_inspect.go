package flow

import (
	"errors"
	"fmt"
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"github.com/embedcdp/cdp/internal/schema"
)

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
	tree, err := parseSafely(src)
	if err != nil {
		return nil, placed(err)
	}
	u := &use{known: known, strict: true}
	ast.Walk(&tree.Node, u)
	if u.err != nil {
		var at *file.Error
		if errors.As(u.err, &at) {
			return nil, placed(at.Bind(tree.Source))
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
