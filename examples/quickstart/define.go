package main

import (
	"context"

	"github.com/embedcdp/cdp"
)

// Visit is what both viewing a product and putting it into the cart say.
type Visit struct {
	Product  string `cdp:"product,ref=product"` // the id of a product, so that e.product.brand works
	Category string
}

// Purchase is one bought product.
type Purchase struct {
	Product  string `cdp:"product,ref=product"`
	Category string
	Quantity int
	Amount   float64 `cdp:"amount,required"`
	Coupon   string  `cdp:"coupon,omitempty"` // absent when there is none
}

// vocabulary is what the shop's program keeps of its definitions: typed verbs for its events.
type vocabulary struct {
	views, carts *cdp.TypedEvents[Visit]
	purchases    *cdp.TypedEvents[Purchase]
}

// define says what there is: event types, objects, attributes of people, settings. All of it may be defined again at
// every start of a program: definitions that say the same change nothing.
func define(ctx context.Context, c *cdp.Client) (v vocabulary, err error) {
	if err := c.Portal().Save(ctx, cdp.Settings{
		Name:     "Saigon Style",
		TimeZone: "Asia/Ho_Chi_Minh", // days, weeks and months begin there
		Caps: []cdp.Cap{
			{Max: 4, Per: "7d"}, // at most four messages a week, whatever sends them
			{Channel: "sms", Max: 1, Per: "7d"},
		},
		UnsubscribeURL: "https://shop.example/unsubscribe/{token}",
	}); err != nil {
		return v, err
	}
	if err := c.Objects().Define(ctx, cdp.ObjectType{Name: "product", Attributes: cdp.Schema{
		"name": cdp.String, "category": cdp.String, "brand": cdp.String, "price": cdp.Number, "tier": cdp.String,
	}}); err != nil {
		return v, err
	}
	if err := c.Profiles().Define(ctx, cdp.Schema{
		"first_name": cdp.String, "full_name": cdp.String, "email": cdp.String, "phone": cdp.String,
		"city": cdp.String, "age": cdp.Number,
	}, cdp.Strict); err != nil {
		return v, err
	}
	// Two event types have the same attributes; a struct may serve both.
	if v.views, err = cdp.EventOf[Visit](ctx, c, view); err != nil {
		return v, err
	}
	if v.carts, err = cdp.EventOf[Visit](ctx, c, cart); err != nil {
		return v, err
	}
	v.purchases, err = cdp.EventOf[Purchase](ctx, c, purchase)
	return v, err
}
