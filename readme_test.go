package cdp_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadmeCode holds every Go block of the README to code that is compiled and run: examples/minimal or a recipe in
// example_readme_test.go.
func TestReadmeCode(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	var compiled string
	for _, name := range []string{"examples/minimal/main.go", "example_readme_test.go"} {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		compiled += flat(string(b))
	}
	blocks := strings.Split(string(readme), "```go\n")[1:]
	require.Len(t, blocks, 3)
	for _, b := range blocks {
		code, _, closed := strings.Cut(b, "```")
		require.True(t, closed)
		require.Contains(t, compiled, flat(code), "this block of the README is not code that runs")
		for _, call := range helper.FindAllStringSubmatch(code, -1) {
			require.Contains(t, string(readme), "\nfunc "+call[1]+"(", "the README does not show %s, which this block calls", call[1])
		}
	}
}

// helper is a call of a function that is neither a package's, a value's, nor one of the language or of the block itself.
var helper = regexp.MustCompile(`(?m)^\t*([a-z]\w*)\(`)

// flat leaves out how far lines are indented.
func flat(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}
