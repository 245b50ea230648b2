package layout

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// gates are the methods of Client that every verb passes: there calls are refused that may not be made now.
var gates = []string{"begin", "read"}

// TestVerbsPassTheGate holds every exported method of the root package that takes a context to calling Client.begin or
// Client.read, itself or through others of the package.
func TestVerbsPassTheGate(t *testing.T) {
	var trees []*ast.File
	for _, f := range files(t) {
		if f.folder() == "." && !f.test() {
			trees = append(trees, f.tree)
		}
	}
	verbs, open := ungated(positions, trees)
	require.Greater(t, len(verbs), 50, "the root package has more verbs than that: %v", verbs)
	for _, v := range open {
		t.Errorf("%s reaches neither Client.begin nor Client.read", v)
	}
}

// ungated returns the exported methods with a context of one package, and those among them that reach no gate.
//
// The package is type-checked alone, with empty packages for its imports: what that leaves unknown belongs to others, and
// calls within the package, which are all that counts here, are resolved.
func ungated(set *token.FileSet, trees []*ast.File) (verbs, open []string) {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: emptyImporter{}, Error: func(error) {}}
	pkg, _ := config.Check("cdp", set, trees, info)

	calls := map[*types.Func][]*types.Func{}
	var functions []*types.Func
	takesContext := map[*types.Func]bool{}
	for _, tree := range trees {
		for _, d := range tree.Decls {
			decl, ok := d.(*ast.FuncDecl)
			if !ok || decl.Body == nil {
				continue
			}
			f := info.Defs[decl.Name].(*types.Func)
			functions = append(functions, f)
			takesContext[f] = hasContext(decl.Type)
			ast.Inspect(decl.Body, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					if callee, ok := info.Uses[id].(*types.Func); ok && callee.Pkg() == pkg {
						calls[f] = append(calls[f], callee.Origin())
					}
				}
				return true
			})
		}
	}
	for _, f := range functions {
		receiver := receiverName(f)
		if !f.Exported() || receiver == "" || !ast.IsExported(receiver) || !takesContext[f] {
			continue
		}
		name := receiver + "." + f.Name()
		verbs = append(verbs, name)
		if !reaches(f, calls, map[*types.Func]bool{}) {
			open = append(open, name)
		}
	}
	slices.Sort(verbs)
	slices.Sort(open)
	return verbs, open
}

func reaches(f *types.Func, calls map[*types.Func][]*types.Func, seen map[*types.Func]bool) bool {
	if receiverName(f) == "Client" && slices.Contains(gates, f.Name()) {
		return true
	}
	if seen[f] {
		return false
	}
	seen[f] = true
	return slices.ContainsFunc(calls[f], func(callee *types.Func) bool { return reaches(callee, calls, seen) })
}

func receiverName(f *types.Func) string {
	r := f.Signature().Recv()
	if r == nil {
		return ""
	}
	t := r.Type()
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if n, ok := t.(*types.Named); ok {
		return n.Obj().Name()
	}
	return ""
}

func hasContext(f *ast.FuncType) bool {
	return slices.ContainsFunc(f.Params.List, func(p *ast.Field) bool {
		s, ok := p.Type.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		x, ok := s.X.(*ast.Ident)
		return ok && x.Name == "context" && s.Sel.Name == "Context"
	})
}

// emptyImporter stands in for every import: a package of that name with nothing in it.
type emptyImporter struct{}

func (emptyImporter) Import(importPath string) (*types.Package, error) {
	p := types.NewPackage(importPath, path.Base(importPath))
	p.MarkComplete()
	return p, nil
}

// The walk finds what it is meant to find.
func TestUngated(t *testing.T) {
	const source = `package cdp

import ("context"; "iter"; "example.com/engine")

type Client struct{ e *engine.Engine }
type Things struct{ c *Client }
type Typed[T any] struct{ c *Client }
type hidden struct{ c *Client }

func (c *Client) begin(ctx context.Context) error { return ctx.Err() }
func (c *Client) read(ctx context.Context) error { return c.begin(ctx) }
func (c *Client) Track(ctx context.Context) error { return c.begin(ctx) }
func (c *Client) save(ctx context.Context) error { if err := c.begin(ctx); err != nil { return err }; return c.e.Submit(ctx) }
func (c *Client) raw(ctx context.Context) error { return c.e.Submit(ctx) }
func get[T any](ctx context.Context, c *Client) (v T, err error) { return v, c.read(ctx) }

func (t Things) Save(ctx context.Context) error { return t.c.save(ctx) }
func (t Things) Get(ctx context.Context) (int, error) { return get[int](ctx, t.c) }
func (t Things) All(ctx context.Context) iter.Seq[int] { return func(func(int) bool) { t.c.read(ctx) } }
func (t *Typed[T]) Track(ctx context.Context) error { return t.c.Track(ctx) }
func (t *Typed[T]) Again(ctx context.Context) error { return t.Track(ctx) }
func (t Things) Name() string { return "" }
func (h hidden) Write(ctx context.Context) error { return h.c.raw(ctx) }
func begin() {}

func (t Things) Open(ctx context.Context) error { return t.c.raw(ctx) }
func (t Things) Namesake(ctx context.Context) error { begin(); return t.c.e.begin(ctx) }
func (t Things) Loop(ctx context.Context) error { return t.Loop(ctx) }
func (t *Typed[T]) Nothing(ctx context.Context) {}
`
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, "source.go", source, parser.SkipObjectResolution)
	require.NoError(t, err)
	verbs, open := ungated(set, []*ast.File{tree})
	require.Equal(t, []string{"Client.Track", "Things.All", "Things.Get", "Things.Loop", "Things.Namesake", "Things.Open", "Things.Save",
		"Typed.Again", "Typed.Nothing", "Typed.Track"}, verbs)
	require.Equal(t, []string{"Things.Loop", "Things.Namesake", "Things.Open", "Typed.Nothing"}, open)
}
