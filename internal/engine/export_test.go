package engine

import "testing"

// InSlices has checkpoints of any size encoded aside and written in slices of a few bytes, for one test.
func InSlices(t testing.TB, bytes int) {
	a, p := aside, partBytes
	aside, partBytes = 0, bytes
	t.Cleanup(func() { aside, partBytes = a, p })
}

// InParts has chunks longer than so many bytes kept in parts, for one test.
func InParts(t testing.TB, bytes int) {
	m := maxPart
	maxPart = bytes
	t.Cleanup(func() { maxPart = m })
}

// Unreadable is how View and Compute word an error.
func (e *Engine) Unreadable(err error) error { return e.unreadable(err) }
