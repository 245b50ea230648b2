package cdp

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
)

// ObjectType declares a kind of business object, such as product, store or order. Events and profiles refer to objects
// with attributes declared by [Ref], and conditions follow the reference: e.product.brand.
type ObjectType struct {
	Name       string `json:"name"`
	Policy     Policy `json:"policy,omitempty"` // default: Strict
	Attributes Schema `json:"attributes,omitempty"`
}

// ObjectRecord is one business object. Every Put is a new version that holds from its Time on; a reference binds to the version
// at the event's time, or to the first later one.
type ObjectRecord struct {
	Type       string
	ID         string
	Time       time.Time // from when it holds. Default: now
	Attributes Attrs     // attributes not named keep their value; nil removes one
}

// Objects are the verbs of business objects. Get them from [Client.Objects].
type Objects struct{ c *Client }

// Objects returns the verbs of business objects.
func (c *Client) Objects() Objects { return Objects{c} }

// Define declares an object type, or changes it: attributes may be added; their types stay.
func (o Objects) Define(ctx context.Context, t ObjectType) error {
	return o.c.save(ctx, "objects.define", fold.DefObject, t.Name, t)
}

// Types returns all object types by name.
func (o Objects) Types(ctx context.Context) ([]ObjectType, error) {
	return list[ObjectType](ctx, o.c, "objects.types", fold.DefObject)
}

// Put adds or updates objects. Its errors are Track's; a rejected object is not kept.
func (o Objects) Put(ctx context.Context, objects ...ObjectRecord) (Result, error) {
	if err := o.c.begin(ctx, "objects.put"); err != nil {
		return Result{}, err
	}
	return o.c.submit(ctx, len(objects), func(e *record.Encoder, i int) (string, error) {
		return objects[i].ID, encodeObject(e, &objects[i], 0)
	})
}

// Remove deletes objects by id; references to them find nothing from now on.
func (o Objects) Remove(ctx context.Context, objectType string, ids ...string) (Result, error) {
	if err := o.c.begin(ctx, "objects.remove"); err != nil {
		return Result{}, err
	}
	return o.c.submit(ctx, len(ids), func(e *record.Encoder, i int) (string, error) {
		return ids[i], encodeObject(e, &ObjectRecord{Type: objectType, ID: ids[i]}, record.FlagDelete)
	})
}

// Get returns the newest version of an object.
func (o Objects) Get(ctx context.Context, objectType, id string) (out ObjectRecord, err error) {
	found := false
	err = o.c.read(ctx, "objects.get", func(s *fold.State) {
		v, from, ok := s.Object(objectType, id)
		if found = ok; ok {
			attrs, _ := v.Go().(map[string]any)
			out = ObjectRecord{objectType, id, utc(from), attrs}
		}
	})
	if err == nil && !found {
		err = notFound(objectType, id)
	}
	return out, err
}

// IDs returns the ids of all objects of a type, in order.
func (o Objects) IDs(ctx context.Context, objectType string) (ids []string, err error) {
	err = o.c.read(ctx, "objects.ids", func(s *fold.State) { ids = s.ObjectIDs(objectType) })
	return ids, err
}

func encodeObject(e *record.Encoder, o *ObjectRecord, flags byte) error {
	if o.ID == "" || len(o.ID) > MaxID || !utf8.ValidString(o.ID) {
		return &InvalidError{What: "ObjectRecord.ID", Reason: fmt.Sprintf("%.40q is not 1 to %d bytes of UTF-8", o.ID, MaxID)}
	}
	if o.Type == "" || len(o.Type) > MaxID || !utf8.ValidString(o.Type) {
		return &InvalidError{What: "ObjectRecord.Type", Reason: fmt.Sprintf("%.40q is not 1 to %d bytes of UTF-8", o.Type, MaxID)}
	}
	at, err := micros("ObjectRecord.Time", o.Time)
	if err != nil {
		return err
	}
	e.Begin(record.Head{Kind: record.KindObject, Flags: flags, Name: o.Type, Time: at, ID: o.ID})
	e.Idents(0)
	return encodeAttrs(e, "ObjectRecord", o.Attributes, "")
}
