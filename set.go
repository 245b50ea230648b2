package cdp

import (
	"context"
	"iter"

	"github.com/RoaringBitmap/roaring/v2"
)

// Set is a group of people at one moment, as a roaring bitmap. Its operations return new sets and are safe for
// concurrent use. The zero Set is empty. Combine only sets of one client.
type Set struct {
	c    *Client
	rows *roaring.Bitmap
}

// Len returns the number of people.
func (a Set) Len() int {
	if a.rows == nil {
		return 0
	}
	return int(a.rows.GetCardinality())
}

// And returns the people in both, Or those in either, AndNot those in a and not in b.
func (a Set) And(b Set) Set    { return Set{a.client(b), roaring.And(a.bits(), b.bits())} }
func (a Set) Or(b Set) Set     { return Set{a.client(b), roaring.Or(a.bits(), b.bits())} }
func (a Set) AndNot(b Set) Set { return Set{a.client(b), roaring.AndNot(a.bits(), b.bits())} }

func (a Set) client(b Set) *Client {
	if a.c == nil {
		return b.c
	}
	return a.c
}

func (a Set) bits() *roaring.Bitmap {
	if a.rows == nil {
		return roaring.New()
	}
	return a.rows
}

// Members yields the people's profiles as they are now.
func (a Set) Members(ctx context.Context) iter.Seq2[Profile, error] {
	return func(yield func(Profile, error) bool) {
		if a.c == nil { // the zero Set, or made of such only
			return
		}
		if err := a.c.begin(ctx, "set.members"); err != nil {
			yield(Profile{}, err)
			return
		}
		a.c.profiles(ctx, a.bits(), yield)
	}
}
