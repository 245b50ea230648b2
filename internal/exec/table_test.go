package exec

import (
	"math/rand/v2"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/plan"
)

// The table in ARCHITECTURE.md says which path answers what. Its expressions take it, and give the oracle's answer.
func TestTableOfPaths(t *testing.T) {
	doc, err := os.ReadFile("../../ARCHITECTURE.md")
	require.NoError(t, err)
	rows := regexp.MustCompile("(?m)^\\| `(.+)` \\| (constant|bitmap|kernel|scan|oracle) \\|$").FindAllStringSubmatch(string(doc), -1)
	require.Greater(t, len(rows), 25)
	w := newWorld(rand.New(rand.NewPCG(9, 9)), 100, 400)
	paths := map[plan.Kind]string{plan.All: "constant", plan.Segment: "bitmap", plan.Kernel: "kernel", plan.Scan: "scan", plan.Anyone: "oracle", plan.HasEvent: "oracle"}
	for _, row := range rows {
		src, path := row[1], row[2]
		expr := compile(t, w, src)
		p := plan.Build(plan.Simplify(plan.Logical(expr)), plan.Stats{})
		assert.Equal(t, path, paths[p.Root.Kind], "%s\n%s", src, p)
		assert.Equal(t, path == "oracle", len(p.Fallback) > 0, src)
		w.asked, w.is = 0, w.oracle(t, expr)
		Run(p, w)
		assert.Equal(t, path == "oracle", w.asked > 0, src)
		check(t, w, src)
	}
}
