// Package layout holds the tests of the tree's shape: who may import whom, and what the root package leaves to others.
//
// Dependencies point one way: examples → cdp → internal engines → keyspace → store. ARCHITECTURE.md says why.
package layout

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	module = "github.com/embedcdp/cdp"
	top    = "../.."
)

// file is one Go file of the module.
type file struct {
	path string // from the module's root, with slashes
	tree *ast.File
}

func (f file) folder() string { return path.Dir(f.path) }
func (f file) test() bool     { return strings.HasSuffix(f.path, "_test.go") }

func (f file) imports() []string {
	var out []string
	for _, i := range f.tree.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		out = append(out, p)
	}
	return out
}

var positions = token.NewFileSet()

// files parses every Go file of the module, and nothing of modules inside it.
func files(t *testing.T) []file {
	t.Helper()
	var out []file
	err := filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, err := os.Stat(filepath.Join(p, "go.mod"))
			if p != top && (err == nil || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_")) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		tree, err := parser.ParseFile(positions, p, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, p)
		out = append(out, file{filepath.ToSlash(rel), tree})
		return err
	})
	require.NoError(t, err)
	folders := map[string]bool{}
	for _, f := range out {
		folders[f.folder()] = true
	}
	for _, want := range []string{".", "store", "store/boltstore", "channel", "internal/keyspace", "internal/engine"} {
		require.True(t, folders[want], "no Go file found in %s: is this the module's root?", want)
	}
	return out
}

// rank orders the parts of the module: a part imports its own rank and lower ones only.
func rank(folder string) int {
	switch part, _, _ := strings.Cut(folder, "/"); {
	case part == "store" || part == "channel":
		return 0
	case folder == "internal/keyspace":
		return 1
	case part == "internal":
		return 2
	case folder == ".":
		return 3
	case part == "examples":
		return 5
	}
	return 4 // helpers on top of the client: cdptest, connectors
}

// forbidden says which rule an import breaks, or "".
func forbidden(folder string, test bool, imported string) string {
	to, ours := strings.CutPrefix(imported, module)
	to = strings.TrimPrefix(to, "/")
	if to == "" {
		to = "."
	}
	part, _, _ := strings.Cut(folder, "/")
	if !ours {
		domain, _, _ := strings.Cut(imported, "/")
		foreign := strings.Contains(domain, ".")
		switch {
		case test || !foreign:
			return ""
		case strings.HasPrefix(imported, "github.com/stretchr/") || strings.HasPrefix(imported, "pgregory.net/rapid") || strings.HasPrefix(imported, "go.uber.org/goleak"):
			return "test libraries are for _test.go files"
		case folder == "store" || folder == "channel" || folder == "store/storetest" || folder == "store/faultstore" || part == "cdptest":
			return "users' stores, channels and tests import it: the standard library and this module only"
		case folder == "." && (strings.HasPrefix(imported, "go.etcd.io/bbolt") || strings.Contains(imported, "/cel-go") || strings.HasPrefix(imported, "cel.dev/")):
			return "the root package holds no keys and no expressions: use store/boltstore and internal/celenv"
		}
		return ""
	}
	if to == "." && (part == "internal" || part == "store" || part == "channel") {
		return "engines, stores and channels do not know the root package"
	}
	if test {
		return ""
	}
	switch {
	case strings.HasPrefix(to, "examples"):
		return "examples are for readers"
	case part == "internal" && strings.HasPrefix(to, "store/"):
		return "engines take any store.Store and know none by name"
	case part == "channel" && (to == "store" || strings.HasPrefix(to, "store/")):
		return "a channel stores nothing"
	case rank(to) > rank(folder):
		return "dependencies point one way: examples, cdp, internal engines, keyspace, store"
	}
	return ""
}

func TestImports(t *testing.T) {
	for _, f := range files(t) {
		for _, imported := range f.imports() {
			if rule := forbidden(f.folder(), f.test(), imported); rule != "" {
				t.Errorf("%s imports %s: %s", f.path, imported, rule)
			}
		}
	}
}

// The rules themselves, so that TestImports cannot pass because they say yes to everything.
func TestForbidden(t *testing.T) {
	for _, c := range []struct {
		from     string
		test     bool
		imported string
		ok       bool
	}{
		{"internal/engine", false, module, false},
		{"internal/engine", true, module, false},
		{"store/boltstore", false, module, false},
		{"channel/email", true, module, false},
		{"cdptest", false, module, true},
		{"examples/quickstart", false, module, true},
		{".", true, module + "/cdptest", true},
		{".", false, module + "/cdptest", false},
		{".", false, module + "/examples/quickstart", false},
		{".", false, module + "/store/boltstore", true},
		{"internal/engine", false, module + "/store", true},
		{"internal/engine", false, module + "/store/memstore", false},
		{"internal/engine", true, module + "/store/memstore", true},
		{"internal/keyspace", false, module + "/store", true},
		{"internal/keyspace", false, module + "/internal/value", false},
		{"store/memstore", false, module + "/store/internal/gate", true},
		{"store/memstore", false, module + "/internal/keyspace", false},
		{"channel/email", false, module + "/internal/template", false},
		{"channel/email", false, module + "/store", false},
		{"internal/dispatch", false, module + "/channel", true},
		{".", false, "go.etcd.io/bbolt", false},
		{".", false, "cel.dev/cel-go/cel", false},
		{".", false, "github.com/google/cel-go/cel", false},
		{"internal/celenv", false, "cel.dev/cel-go/cel", true},
		{"store/boltstore", false, "go.etcd.io/bbolt", true},
		{"store/storetest", false, "testing", true},
		{"store/storetest", false, "golang.org/x/exp/slices", false},
		{"store/storetest", true, "github.com/stretchr/testify/require", true},
		{"store/faultstore", false, "pgregory.net/rapid", false},
		{"cdptest", false, "github.com/stretchr/testify/require", false},
		{"internal/fold", false, "github.com/stretchr/testify/require", false},
		{"internal/fold", true, "github.com/stretchr/testify/require", true},
	} {
		rule := forbidden(c.from, c.test, c.imported)
		require.Equal(t, c.ok, rule == "", "%s imports %s (test: %v): %s", c.from, c.imported, c.test, rule)
	}
}

// The root starts no goroutine: who starts one, in internal/, also waits for it.
func TestRootStartsNoGoroutine(t *testing.T) {
	for _, f := range files(t) {
		if f.folder() != "." || f.test() {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s: a go statement in the root package; give it to an engine in internal/ that waits for it", positions.Position(g.Pos()))
			}
			return true
		})
	}
}

func TestRootFilesAreSmall(t *testing.T) {
	const limit = 800
	for _, f := range files(t) {
		if f.folder() != "." {
			continue
		}
		r, err := os.Open(filepath.Join(top, f.path))
		require.NoError(t, err)
		lines := 0
		for s := bufio.NewScanner(r); s.Scan(); {
			lines++
		}
		r.Close()
		require.LessOrEqual(t, lines, limit, "%s has %d lines; split it by noun", f.path, lines)
	}
}
