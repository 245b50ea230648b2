package memstore_test

import (
	"testing"

	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/memstore"
	"github.com/embedcdp/cdp/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memstore.New() }, storetest.Options{})
}

func BenchmarkStore(b *testing.B) {
	storetest.Benchmark(b, func(*testing.B) store.Store { return memstore.New() })
}
