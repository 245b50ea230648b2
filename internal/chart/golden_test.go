package chart

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden pictures instead of comparing with them; then look at them")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test -update and look at the picture")
	require.True(t, bytes.Equal(want, got), "%s differs from the golden picture; run go test -update and look at what changed", name)
}

func TestGoldenPictures(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) { golden(t, s.name+".svg", s.chart.SVG(Options{})) })
	}
}

func TestGoldenPage(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, samplePage().WriteHTML(&b))
	golden(t, "page.html", b.Bytes())
}

// wellFormed reads the document to its end and returns its elements.
func wellFormed(t *testing.T, doc []byte) []xml.StartElement {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(doc))
	var out []xml.StartElement
	for {
		token, err := d.Token()
		if err == io.EOF {
			return out
		}
		require.NoError(t, err, "%s", doc)
		if e, ok := token.(xml.StartElement); ok {
			out = append(out, e.Copy())
		}
	}
}
