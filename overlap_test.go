package cdp_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
)

// Random people with random tags: the regions are those of a plain loop that asks of each person which tags they have.
func TestOverlapIsExact(t *testing.T) {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(3, 5))
	c := cdptest.New(t, cdptest.Options{})
	attrs := cdp.Schema{}
	const groups, people = 10, 400
	var names []string
	for k := range groups {
		names = append(names, fmt.Sprint("g", k))
		attrs[names[k]] = cdp.Boolean
	}
	c.DefineProfile(attrs)
	for _, n := range names {
		c.SaveSegment(n, "customer."+n)
	}
	var all []cdp.Identity
	for i := range people {
		id := cdp.Identity{UserID: fmt.Sprint("u", i), Attributes: cdp.Attrs{}}
		for k, n := range names {
			id.Attributes[n] = r.IntN(2+k) == 0
		}
		all = append(all, id)
	}
	c.Knows(all...)
	for _, some := range [][]string{names, names[:2], {names[7], names[3], names[5]}} {
		want, sizes, union := map[string]int{}, map[string]int{}, 0
		for _, id := range all {
			var in []string
			for _, n := range some {
				if id.Attributes[n].(bool) {
					in = append(in, n)
					sizes[n]++
				}
			}
			if len(in) > 0 {
				union++
				want[strings.Join(in, " ")]++
			}
		}
		got, err := c.Segments().Overlap(ctx, some...)
		require.NoError(t, err)
		regions := map[string]int{}
		for i, region := range got.Regions {
			regions[strings.Join(region.In, " ")] = region.People
			require.Equal(t, region.People, region.Set.Len())
			if i > 0 {
				require.LessOrEqual(t, region.People, got.Regions[i-1].People)
			}
		}
		assert.Equal(t, want, regions)
		assert.Equal(t, union, got.Union.Len())
		for i, s := range got.Sizes {
			assert.Equal(t, cdp.GroupSize{Name: some[i], People: sizes[some[i]]}, s)
		}
		assert.Equal(t, want[some[1]], got.Exactly(some[1]).Len())
		reversed := slices.Clone(some[:2])
		slices.Reverse(reversed)
		assert.Equal(t, want[strings.Join(some[:2], " ")], got.Exactly(reversed...).Len())
		var csv, svg bytes.Buffer
		require.NoError(t, got.WriteCSV(&csv))
		assert.Equal(t, len(want)+1, strings.Count(csv.String(), "\r\n"))
		require.NoError(t, got.WriteSVG(&svg))
		assert.Contains(t, svg.String(), some[0])
	}
}

func TestOverlapRefuses(t *testing.T) {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	buyers(ctx, c)
	var invalid *cdp.InvalidError
	for _, names := range [][]string{nil, {"hats"}, {"hats", "hats"}} {
		_, err := c.Segments().Overlap(ctx, names...)
		require.ErrorAs(t, err, &invalid, "%v", names)
	}
	_, err := cdp.Overlap(make([]cdp.NamedSet, 11)...)
	require.ErrorContains(t, err, "2 to 10 groups, not 11")
	_, err = c.Segments().Overlap(ctx, "hats", "nothing")
	require.ErrorIs(t, err, cdp.ErrNotFound)
	empty, err := cdp.Overlap(cdp.NamedSet{Name: "a"}, cdp.NamedSet{Name: "b"})
	require.NoError(t, err)
	assert.Empty(t, empty.Regions)
	assert.Equal(t, "a  b    people\na 0, b 0; any 0\n", empty.String())
	require.NoError(t, empty.WriteCSV(&bytes.Buffer{}))
	require.NoError(t, empty.WriteSVG(&bytes.Buffer{}))
}
