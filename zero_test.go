package cdp_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
)

// No store is an error that says what to give.
func TestNoStore(t *testing.T) {
	_, err := cdp.New(nil, cdp.Config{})
	require.ErrorContains(t, err, "the store is nil")
	_, err = cdp.Portals(t.Context(), nil)
	require.ErrorContains(t, err, "the store is nil")
}

// A report that no verb made is an error, not a panic.
func TestEmptyReport(t *testing.T) {
	var r cdp.Report
	for _, write := range []func(io.Writer) error{r.WriteCSV, r.WriteJSON, r.WriteSVG} {
		require.ErrorContains(t, write(io.Discard), "the report is empty")
	}
}
