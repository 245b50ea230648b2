package cdp_test

import (
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
