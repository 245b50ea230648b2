package cdp_test

import (
	"context"
	"fmt"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/memstore"
)

func ExampleObjects() {
	ctx := context.Background()
	c, err := cdp.New(memstore.New(), cdp.Config{Now: fixed})
	check(err)
	defer c.Close()

	check(c.Objects().Define(ctx, cdp.ObjectType{Name: "product", Attributes: cdp.Schema{"brand": cdp.String, "price": cdp.Number}}))
	check(c.Events().Define(ctx, cdp.EventType{Name: "purchase", Attributes: cdp.Schema{"product": cdp.Ref("product")}}))
	_, err = c.Objects().Put(ctx,
		cdp.ObjectRecord{Type: "product", ID: "P1", Attributes: cdp.Attrs{"brand": "Lotus", "price": 40}},
		cdp.ObjectRecord{Type: "product", ID: "P2", Attributes: cdp.Attrs{"brand": "Bamboo", "price": 9}})
	check(err)

	// Conditions follow the reference.
	check(c.Segments().Save(ctx, cdp.Segment{Name: "lotus", Where: `events.purchase.exists(e, e.product.brand == "Lotus")`}))
	_, err = c.Track(ctx,
		cdp.Event{Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"product": "P1"}},
		cdp.Event{Name: "purchase", UserID: "bob", Attributes: cdp.Attrs{"product": "P2"}})
	check(err)
	for p, err := range c.Segments().Members(ctx, "lotus") {
		check(err)
		fmt.Println(p.UserID)
	}
	// Output: ann
}

func ExampleObjects_Put() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	check(c.Objects().Define(ctx, cdp.ObjectType{Name: "store", Attributes: cdp.Schema{"city": cdp.String, "open": cdp.Boolean}}))

	_, err := c.Objects().Put(ctx, cdp.ObjectRecord{Type: "store", ID: "S1", Attributes: cdp.Attrs{"city": "Hue", "open": true}},
		cdp.ObjectRecord{Type: "store", ID: "S2", Attributes: cdp.Attrs{"city": "Hanoi"}})
	check(err)
	_, err = c.Objects().Put(ctx, cdp.ObjectRecord{Type: "store", ID: "S1", Attributes: cdp.Attrs{"open": false}}) // the city stays
	check(err)
	_, err = c.Objects().Remove(ctx, "store", "S2")
	check(err)

	types, err := c.Objects().Types(ctx)
	check(err)
	ids, err := c.Objects().IDs(ctx, "store")
	check(err)
	s1, err := c.Objects().Get(ctx, "store", "S1")
	check(err)
	fmt.Println(types[0].Name, ids, s1.Attributes)
	// Output: store [S1] map[city:Hue open:false]
}
