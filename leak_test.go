package cdp_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the package when a goroutine is left after all tests: every client was closed, so none may be ours.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
