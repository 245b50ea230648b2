package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/engine"
	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/memstore"
)

// An engine whose chunks are kept in parts comes to the same state as one whose chunks are whole, also when it is opened again
// with little memory and while events are dropped; and of no chunk that was deleted or written anew a part is left.
func TestChunksInParts(t *testing.T) {
	whole, parted := newWorld(t, 3), newWorld(t, 3)
	st := memstore.New()
	even := small(t, memstore.New(), whole, -1)
	defineShortLived(t, even)
	engine.InSlices(t, 1000)
	engine.InParts(t, 1000)
	e := small(t, st, parted, 500_000)
	defineShortLived(t, e)
	most := 0
	for n := range 16 {
		if n%5 == 4 {
			require.NoError(t, e.Close())
			e = small(t, st, parted, 500_000)
		}
		track(t, even, whole, n*4000, (n+1)*4000)
		track(t, e, parted, n*4000, (n+1)*4000)
		whole.now, parted.now = whole.now.Add(20*time.Hour), parted.now.Add(20*time.Hour)
		if n%4 == 3 {
			same(t, even, e, "step %d", n)
		}
		most = max(most, partsOfChunks(t, st))
	}
	require.Greater(t, most, 100)
	require.Less(t, purchases(t, e), 16*4000-8192, "some were dropped")
	require.NoError(t, e.Close())
	partsOfChunks(t, st)
}

// partsOfChunks counts the parts in a store and fails the test when one belongs to no chunk that is there.
func partsOfChunks(t *testing.T, st store.Store) (n int) {
	t.Helper()
	eachBlock(t, st, func(r store.Reader, table string, k uint32, sequence uint64) {
		part, of, found := strings.Cut(table, "/")
		if !found || !strings.HasPrefix(part, "$part") {
			return
		}
		n++
		head, err := r.Get(keysOf(t).Block(of, k, sequence))
		require.NoError(t, err, "%s of chunk %d of %s in checkpoint %d is left over", part, k, of, sequence)
		require.Equal(t, byte(0x80), head[0], "%s of chunk %d of %s", part, k, of)
	})
	return n
}
