// Package storetest is the conformance suite for implementations of store.Store, and their benchmarks. A store of your
// own is right when this passes:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store { return mystore.Open(t.TempDir()) }, storetest.Options{})
//	}
//
// Each file holds one behaviour. A failure names the rule of the contract that was broken before it says what was seen.
// The package imports nothing but the standard library and its sibling store packages.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/embedcdp/cdp/store"
)

// Options say what a store can do beyond the contract.
type Options struct {
	// Reopen closes s and opens what it kept. Nil for a store that keeps nothing; the tests of reopening are then
	// skipped by name.
	Reopen func(t *testing.T, s store.Store) store.Store
}

// Run checks the store that open makes. open returns a new, empty store each time; Run closes it.
func Run(t *testing.T, open func(t *testing.T) store.Store, opts Options) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *env)
	}{
		{"Order", testOrder},
		{"Keys", testKeys},
		{"Limits", testLimits},
		{"LargeValues", testLargeValues},
		{"ReadYourWrites", testReadYourWrites},
		{"Abort", testAbort},
		{"Isolation", testIsolation},
		{"Conflict", testConflict},
		{"CompareAndAppend", testCompareAndAppend},
		{"Slices", testSlices},
		{"IterateWhileWriting", testIterateWhileWriting},
		{"Context", testContext},
		{"Close", testClose},
		{"Reopen", testReopen},
		{"Faults", testFaults},
		{"Model", testModel},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, &env{open: open, opts: opts}) })
	}
}

// env opens stores for one test.
type env struct {
	open func(*testing.T) store.Store
	opts Options
}

// store opens a store that is closed when t ends.
func (e *env) store(t *testing.T) store.Store {
	t.Helper()
	s := e.open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close at the end of the test: %v", err)
		}
	})
	return s
}

// broken reports that a store broke a rule of the contract.
func broken(t *testing.T, rule, format string, args ...any) {
	t.Helper()
	t.Errorf("broken rule: %s\n\t%s", rule, fmt.Sprintf(format, args...))
}

// update runs fn in an Update that has to succeed. fn reports by returning an error, so that it may run off this goroutine.
func update(t *testing.T, s store.Store, fn func(store.Writer) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

// view runs fn in a View that has to succeed.
func view(t *testing.T, s store.Store, fn func(store.Reader) error) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatalf("View: %v", err)
	}
}

// put stores pairs, given as key, value, key, value …, in one Update.
func put(t *testing.T, s store.Store, pairs ...string) {
	t.Helper()
	update(t, s, func(w store.Writer) error {
		for i := 0; i < len(pairs); i += 2 {
			if err := w.Put([]byte(pairs[i]), []byte(pairs[i+1])); err != nil {
				return fmt.Errorf("Put(%q): %w", pairs[i], err)
			}
		}
		return nil
	})
}

// holds checks that the store holds exactly these pairs, given as key, value, key, value … in order.
func holds(t *testing.T, s store.Store, rule string, pairs ...string) {
	t.Helper()
	var got []string
	view(t, s, func(r store.Reader) (err error) {
		got, err = all(r, nil, nil)
		return err
	})
	if !equal(got, pairs) {
		broken(t, rule, "the store holds %s, it should hold %s", show(got), show(pairs))
	}
}

// all copies what a Scan yields into key, value, key, value ….
func all(r store.Reader, from, to []byte) ([]string, error) {
	got := []string{}
	for p, err := range r.Scan(from, to) {
		if err != nil {
			return got, fmt.Errorf("Scan(%q, %q): %w", from, to, err)
		}
		got = append(got, string(p.Key), string(p.Value))
	}
	return got, nil
}

// get is Get with ErrNotFound told apart from other errors.
func get(r store.Reader, key string) (value string, found bool, err error) {
	v, err := r.Get([]byte(key))
	if errors.Is(err, store.ErrNotFound) {
		return "", false, nil
	}
	return string(bytes.Clone(v)), err == nil, err
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// show prints pairs briefly.
func show(pairs []string) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d pairs", len(pairs)/2)
	for i := 0; i+1 < len(pairs) && i < 24; i += 2 {
		fmt.Fprintf(&b, " %q=%q", short(pairs[i]), short(pairs[i+1]))
	}
	return b.String()
}

func short(s string) string {
	if len(s) > 24 {
		return fmt.Sprintf("%s… (%d bytes)", s[:24], len(s))
	}
	return s
}
