package cdp_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
	"github.com/embedcdp/cdp/store/memstore"
)

// benchShop describes a shop in memory whose 20,000 people did 400,000 things in 180 days from day 1: of ten events six are
// views, three carts, one is a purchase.
type benchShop struct {
	profile, event cdp.Schema
	segments       map[string]string // conditions by name, saved before anything happens
	person         func(n int) cdp.Identity
	attributes     func(n int) cdp.Attrs // of event n
}

const shopPeople, shopEvents = 20_000, 400_000

func shopUser(i int) string { return fmt.Sprint("u", i*7919%shopPeople) }

func (s benchShop) open(b *testing.B) *cdp.Client {
	ctx := context.Background()
	clock := cdptest.NewClock(day(1))
	c, err := cdp.New(memstore.New(), cdp.Config{Now: clock.Now})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, c.Close()) })
	require.NoError(b, c.Profiles().Define(ctx, s.profile, cdp.Strict))
	for _, name := range []string{"view", "cart", "buy"} {
		require.NoError(b, c.Events().Define(ctx, cdp.EventType{Name: name, Attributes: s.event}))
	}
	for name, where := range s.segments {
		require.NoError(b, c.Segments().Save(ctx, cdp.Segment{Name: name, Where: where}))
	}
	for i := 0; i < shopPeople; i += 1000 {
		batch := make([]cdp.Identity, 1000)
		for k := range batch {
			batch[k] = s.person(i + k)
		}
		_, err := c.Identify(ctx, batch...)
		require.NoError(b, err)
	}
	for i := 0; i < shopEvents; i += 1000 {
		clock.Advance(180 * 24 * time.Hour / (shopEvents / 1000))
		batch := make([]cdp.Event, 1000)
		for k := range batch {
			n := i + k
			name := []string{"view", "view", "view", "view", "view", "view", "cart", "cart", "cart", "buy"}[n%10]
			batch[k] = cdp.Event{Name: name, UserID: shopUser(int(uint64(n)*0x9e3779b97f4a7c15>>40) % shopPeople), Attributes: s.attributes(n)}
		}
		_, err := c.Import(ctx, batch...)
		require.NoError(b, err)
	}
	return c
}
