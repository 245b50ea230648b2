package boltstore

import (
	"path/filepath"
	"testing"

	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/faultstore"
	"github.com/embedcdp/cdp/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t,
		func(t *testing.T) store.Store { return open(t, filepath.Join(t.TempDir(), "s")) },
		storetest.Options{Reopen: func(t *testing.T, s store.Store) store.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, s.(*Store).Path())
		}})
}

// Slices die with the transaction here in earnest; poisoned ones show that the suite itself keeps none.
func TestConformancePoisoned(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	storetest.Run(t, func(t *testing.T) store.Store {
		f := faultstore.Wrap(open(t, filepath.Join(t.TempDir(), "s")))
		f.Poison(true)
		return f
	}, storetest.Options{})
}

func BenchmarkStore(b *testing.B) {
	storetest.Benchmark(b, func(b *testing.B) store.Store { return open(b, filepath.Join(b.TempDir(), "s")) })
}

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
