package cdp_test

import (
	"os"
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
	}
}

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
