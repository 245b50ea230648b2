package cdp_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/memstore"
)

// BenchmarkLearn brings 2,000 attributes, one call at a time: to four types of events, which learn 500 each at most, and to
// one type of objects. Then the portal is opened anew.
func BenchmarkLearn(b *testing.B) {
	ctx := b.Context()
	for name, bring := range map[string]func(c *cdp.Client, i int) error{
		"events": func(c *cdp.Client, i int) error {
			_, err := c.Track(ctx, cdp.Event{Name: fmt.Sprint("t", i%4), UserID: "u", Attributes: cdp.Attrs{fmt.Sprintf("attribute_%d", i): i}})
			return err
		},
		"objects": func(c *cdp.Client, i int) error {
			_, err := c.Objects().Put(ctx, cdp.ObjectRecord{Type: "product", ID: fmt.Sprint(i), Attributes: cdp.Attrs{fmt.Sprintf("attribute_%d", i): i}})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				st := memstore.New()
				c, err := cdp.New(st, cdp.Config{})
				require.NoError(b, err)
				require.NoError(b, c.Objects().Define(ctx, cdp.ObjectType{Name: "product", Policy: cdp.Learn}))
				for t := range 4 {
					require.NoError(b, c.Events().Define(ctx, cdp.EventType{Name: fmt.Sprint("t", t), Policy: cdp.Learn}))
				}
				for i := range 2000 {
					require.NoError(b, bring(c, i))
				}
				require.NoError(b, c.Close())
				c, err = cdp.New(st, cdp.Config{})
				require.NoError(b, err)
				require.NoError(b, c.Close())
			}
		})
	}
}
