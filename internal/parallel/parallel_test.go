package parallel

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDo(t *testing.T) {
	for n := range 5 {
		var seen [5]atomic.Int32
		Do(n, func(i int) { seen[i].Add(1) })
		for i := range seen {
			want := int32(0)
			if i < n {
				want = 1
			}
			require.Equal(t, want, seen[i].Load())
		}
	}
}

func TestPanicComesOut(t *testing.T) {
	broken := errors.New("broken")
	for bad := range 3 {
		var done atomic.Int32
		require.PanicsWithValue(t, broken, func() {
			Do(3, func(i int) {
				if i == bad {
					panic(broken)
				}
				done.Add(1)
			})
		})
		require.EqualValues(t, 2, done.Load(), "the other parts end first")
	}
}
