package cdp

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// TypedEvents is an event type made from a Go struct. It is safe for concurrent use.
type TypedEvents[T any] struct {
	c    *Client
	name string
	plan []structField
}

// structField is one field of the struct and the attribute it becomes.
type structField struct {
	index     []int
	attr      string
	decl      Attribute
	omitEmpty bool
	fields    []structField // of a struct, or of the elements of a slice of structs
	ignored   bool
}

// EventOf defines an event type from the exported fields of a struct and returns what tracks it. Tags say more:
//
//	type Purchase struct {
//		Product  string    `cdp:"product,ref=product"`     // the id of a product
//		Amount   float64   `cdp:"amount,required"`
//		Coupon   string    `cdp:"coupon,omitempty"`        // absent when empty
//		Note     string    `cdp:"note,text"`               // longer than 255 characters
//		Items    []Item    `cdp:"items"`                   // line items
//		internal int                                       // not exported: left out, as is `cdp:"-"`
//	}
//
// Without a tag an attribute is the field's name in snake case. Numbers of every kind become Number, time.Time becomes
// Datetime, a slice of structs becomes line items. A nil pointer, a nil slice, a zero time and an empty string that is
// required are absent.
func EventOf[T any](ctx context.Context, c *Client, name string) (*TypedEvents[T], error) {
	plan, schema, err := planOf(reflect.TypeFor[T](), 0)
	if err != nil {
		return nil, &DefinitionError{"event", name, err}
	}
	if err := c.Events().Define(ctx, EventType{Name: name, Attributes: schema}); err != nil {
		return nil, err
	}
	return &TypedEvents[T]{c, name, plan}, nil
}

// Make returns the event for v. From base it takes who, when, the id and the source.
func (t *TypedEvents[T]) Make(base Event, v T) Event {
	base.Name = t.name
	base.Attributes = attrsOf(t.plan, reflect.ValueOf(&v).Elem())
	return base
}

// Track tracks one event; see Make and [Client.Track].
func (t *TypedEvents[T]) Track(ctx context.Context, base Event, v T) (Result, error) {
	return t.c.Track(ctx, t.Make(base, v))
}

var timeType = reflect.TypeFor[time.Time]()

func planOf(typ reflect.Type, depth int) ([]structField, Schema, error) {
	if typ.Kind() != reflect.Struct || typ == timeType {
		return nil, nil, fmt.Errorf("a %s is no struct", typ)
	}
	if depth > 2 {
		return nil, nil, fmt.Errorf("%s: structs are nested deeper than 2", typ)
	}
	var plan []structField
	schema := Schema{}
	for _, f := range reflect.VisibleFields(typ) {
		if !f.IsExported() || f.Anonymous {
			continue
		}
		p, err := fieldPlan(f, depth)
		if err != nil {
			return nil, nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
		if p.ignored {
			continue
		}
		if _, twice := schema[p.attr]; twice {
			return nil, nil, fmt.Errorf("field %s: attribute %q is there twice", f.Name, p.attr)
		}
		schema[p.attr] = p.decl
		plan = append(plan, p)
	}
	return plan, schema, nil
}

func fieldPlan(f reflect.StructField, depth int) (structField, error) {
	p := structField{index: f.Index, attr: snake(f.Name)}
	name, options, _ := strings.Cut(f.Tag.Get("cdp"), ",")
	if name == "-" {
		p.ignored = true
		return p, nil
	}
	if name != "" {
		p.attr = name
	}
	var err error
	if p.decl, p.fields, err = attributeOf(f.Type, depth); err != nil {
		return p, err
	}
	for _, o := range strings.Split(options, ",") {
		switch ref, isRef := strings.CutPrefix(o, "ref="); {
		case o == "":
		case o == "required":
			p.decl = p.decl.Required()
		case o == "omitempty":
			p.omitEmpty = true
		case o == "text" && p.decl.Type == String.Type:
			p.decl.Type = Text.Type
		case isRef && ref == "":
			return p, fmt.Errorf("tag option %q names no object type: write ref=product for the ids of products", o)
		case isRef && p.decl.Type == String.Type:
			p.decl.Refers = ref
		default:
			return p, fmt.Errorf("tag option %q: use required, omitempty, and for strings text or ref=OBJECT", o)
		}
	}
	return p, nil
}

func attributeOf(t reflect.Type, depth int) (Attribute, []structField, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == timeType:
		return Datetime, nil, nil
	case t.Kind() == reflect.String:
		return String, nil, nil
	case t.Kind() == reflect.Bool:
		return Boolean, nil, nil
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64 && t.Kind() != reflect.Uintptr:
		return Number, nil, nil
	case t.Kind() == reflect.Struct:
		plan, keys, err := planOf(t, depth+1)
		return Object(keys), plan, err
	case t.Kind() == reflect.Slice:
		elem, plan, err := attributeOf(t.Elem(), depth)
		if err != nil {
			return elem, nil, err
		}
		switch elem.Type {
		case "number", "string", "datetime", "object":
			elem.Type = "[]" + elem.Type
			return elem, plan, nil
		}
	}
	return Attribute{}, nil, fmt.Errorf("a %s is no attribute: use numbers, strings, bools, time.Time, structs and slices of them", t)
}

func attrsOf(plan []structField, v reflect.Value) Attrs {
	out := make(Attrs, len(plan))
	for _, p := range plan {
		f, err := v.FieldByIndexErr(p.index)
		if err != nil || f.IsZero() && (p.omitEmpty || p.decl.Must && f.Kind() == reflect.String) {
			continue
		}
		if x := goValue(p.fields, f); x != nil {
			out[p.attr] = x
		}
	}
	return out
}

// goValue turns a field into what value.FromGo takes; nil when it is absent.
func goValue(fields []structField, f reflect.Value) any {
	if f.Kind() == reflect.Pointer {
		if f.IsNil() {
			return nil
		}
		f = f.Elem()
	}
	switch {
	case f.Type() == timeType:
		t := f.Interface().(time.Time)
		if t.IsZero() {
			return nil
		}
		return t
	case f.Kind() == reflect.Struct:
		return attrsOf(fields, f)
	case f.Kind() == reflect.Slice && f.IsNil():
		return nil
	case f.Kind() == reflect.Slice:
		list := make([]any, f.Len())
		for i := range list {
			list[i] = goValue(fields, f.Index(i))
		}
		return list
	case f.Kind() == reflect.String:
		return f.String()
	case f.Kind() == reflect.Bool:
		return f.Bool()
	case f.CanInt():
		return float64(f.Int())
	case f.CanUint():
		return float64(f.Uint())
	}
	return f.Float()
}

// snake turns a Go name into an attribute's: OrderID becomes order_id.
func snake(name string) string {
	var b strings.Builder
	upper := func(i int) bool { return i < len(name) && name[i] >= 'A' && name[i] <= 'Z' }
	for i := range len(name) {
		c := name[i]
		if upper(i) {
			if i > 0 && (!upper(i-1) || i+1 < len(name) && !upper(i+1)) {
				b.WriteByte('_')
			}
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}
