package cow

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type block struct {
	n    int
	list []int
}

// Random edits, drops and freezes: the list and every copy that was frozen hold what a map of plain values says.
func TestBlocksAgainstMaps(t *testing.T) {
	type pair struct {
		blocks Blocks[block]
		want   map[int]block
	}
	rapid.Check(t, func(t *rapid.T) {
		now, frozen := pair{want: map[int]block{}}, []pair{}
		for step := range rapid.IntRange(1, 60).Draw(t, "steps") {
			k := rapid.IntRange(0, 5).Draw(t, "block")
			switch rapid.IntRange(0, 4).Draw(t, "do") {
			case 0:
				f := pair{now.blocks.Freeze(), map[int]block{}}
				for k, b := range now.want {
					f.want[k] = b
				}
				frozen = append(frozen, f)
			case 1:
				if now.blocks.At(k) != nil {
					now.blocks.Drop(k)
					delete(now.want, k)
				}
			default:
				b, copied := now.blocks.Edit(k)
				require.Equal(t, now.want[k], *b)
				if copied {
					b.list = append([]int(nil), b.list...)
				}
				b.n++
				if len(b.list) > 0 {
					b.list[0] = step
				}
				b.list = append(b.list, step)
				now.want[k] = block{b.n, append([]int(nil), b.list...)}
			}
		}
		for _, p := range append(frozen, now) {
			for k := range 7 {
				want, there := p.want[k]
				b := p.blocks.At(k)
				require.Equal(t, there, b != nil)
				if there {
					require.Equal(t, want, *b)
				}
			}
			for k, b := range p.blocks.All() {
				require.Same(t, p.blocks.At(k), b)
			}
		}
	})
}

// Between two freezes a block is copied once.
func TestBlockIsCopiedOnce(t *testing.T) {
	var x Blocks[block]
	first, copied := x.Edit(1)
	require.False(t, copied)
	require.Nil(t, x.At(0))
	frozen := x.Freeze()
	second, copied := x.Edit(1)
	require.True(t, copied)
	require.NotSame(t, first, second)
	require.Same(t, first, frozen.At(1))
	third, copied := x.Edit(1)
	require.False(t, copied)
	require.Same(t, second, third)
	x.Freeze()
	x.Drop(1)
	_, copied = x.Edit(1)
	require.False(t, copied, "a new block in the place of one that was dropped")
}
