package roweval

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// absent says that a value is not there. It is written out only when somebody reads it: most are absorbed by || and &&.
type absent string

func (a absent) Error() string { return fmt.Sprintf("no such key: %s (%v)", string(a), ErrAbsent) }
func (a absent) Unwrap() error { return ErrAbsent }

func timestamp(micros int64) types.Timestamp {
	return types.Timestamp{Time: time.UnixMicro(micros).UTC()}
}

func listOf(vals []ref.Val) ref.Val {
	return types.NewRefValList(types.DefaultTypeAdapter, vals)
}

// source is where the attributes of a record come from.
type source interface{ Attr(name string) value.Value }

type (
	profile struct{ p Person }
	object  func(string) value.Value
	keys    value.Value // of an Object
)

func (p profile) Attr(name string) value.Value {
	if p.p == nil {
		return value.Value{}
	}
	return p.p.Attr(name)
}
func (o object) Attr(name string) value.Value { return o(name) }
func (k keys) Attr(name string) value.Value   { return value.Value(k).Field(name) }

// record is a profile, an event, a business object or an attribute that has keys.
type record struct {
	noValue
	st    *state
	attrs schema.Attrs
	from  source
	at    int64 // the instant at which references are followed
	ev    Event // set when the record is an event
	typ   *schema.EventType
	index int // place of the event among the person's events of its type
}

func (st *state) event(ev Event, typ *schema.EventType, index int) *record {
	return &record{st: st, attrs: typ.Attributes, from: ev, at: ev.Time(), ev: ev, typ: typ, index: index}
}

func (r *record) Value() any { return r }

// Field returns an attribute, or the object it refers to when the name ends in celenv.RefSuffix.
func (r *record) Field(name string) (any, error) {
	if v, ok := r.field(name); ok {
		return v, nil
	}
	return nil, absent(name)
}

// HasField answers has().
func (r *record) HasField(name string) bool {
	_, ok := r.field(name)
	return ok
}

func (r *record) field(name string) (ref.Val, bool) {
	r.st.charge(1)
	if r.ev != nil {
		switch name {
		case "time":
			return timestamp(r.ev.Time()), true
		case "id":
			return types.String(r.ev.ID()), true
		case "source":
			return types.String(r.ev.Source()), true
		}
	}
	if attr, follow := strings.CutSuffix(name, celenv.RefSuffix); follow {
		return r.follow(attr)
	}
	return r.st.toCEL(r.attrs[name], r.from.Attr(name), r.at)
}

// follow returns the object an attribute refers to. One that is not there is an object without attributes, so that
// has(e.product.brand) is false for it and a comparison with its brand is absent.
func (r *record) follow(attr string) (ref.Val, bool) {
	typ, id := r.attrs[attr].Ref, r.from.Attr(attr)
	decl := r.st.cat.Objects[typ]
	if decl == nil {
		return nil, false
	}
	found := object(func(string) value.Value { return value.Value{} })
	if r.st.in.Objects != nil && id.Kind == value.String {
		if get, ok := r.st.in.Objects.At(typ, id.Str, r.at); ok {
			found = get
		}
	}
	return &record{st: r.st, attrs: decl.Attributes, from: found, at: r.at}, true
}

// toCEL makes a CEL value. A value that does not have the declared type, as after an attribute was declared anew, counts
// as absent.
func (st *state) toCEL(at schema.Attr, v value.Value, when int64) (ref.Val, bool) {
	switch at.Type {
	case schema.Number:
		return types.Double(v.Num), v.Kind == value.Number
	case schema.String, schema.Text:
		return types.String(v.Str), v.Kind == value.String
	case schema.Datetime:
		return timestamp(v.Time), v.Kind == value.Datetime
	case schema.Boolean:
		return types.Bool(v.Num != 0), v.Kind == value.Boolean
	case schema.Object:
		return &record{st: st, attrs: at.Fields, from: keys(v), at: when}, v.Kind == value.Object
	}
	elem := schema.Attr{Type: at.Type.Elem(), Fields: at.Fields}
	if v.Kind != value.List || elem.Type == "" {
		return nil, false
	}
	vals := make([]ref.Val, len(v.List))
	for i := range v.List {
		var ok bool
		if vals[i], ok = st.toCEL(elem, v.List[i], when); !ok {
			return nil, false
		}
	}
	return listOf(vals), true
}

// fromCEL makes the value of a result.
func fromCEL(v ref.Val) (value.Value, error) {
	switch v := v.(type) {
	case types.Bool:
		return value.Bool(bool(v)), nil
	case types.Double:
		return value.Num(float64(v)), nil
	case types.Int:
		return value.Num(float64(v)), nil
	case types.String:
		return value.Str(string(v)), nil
	case types.Timestamp:
		return value.Micros(v.UnixMicro()), nil
	case *moving:
		return fromCEL(v.at)
	case types.Duration:
		return value.Str(v.Duration.String()), nil
	case *record:
		return v.plain(), nil
	case traits.Lister:
		n := int(v.Size().(types.Int))
		list := make([]value.Value, 0, n)
		for i := range n {
			e, err := fromCEL(v.Get(types.Int(i)))
			if err != nil {
				return value.Value{}, err
			}
			list = append(list, e)
		}
		return value.ListOf(list), nil
	}
	return value.Value{}, fmt.Errorf("a result of type %s cannot be shown", v.Type().TypeName())
}

// plain copies a record's declared attributes, and what every event has.
func (r *record) plain() value.Value {
	var fields []value.Field
	for _, name := range r.attrs.Names() {
		if v := r.from.Attr(name); !v.IsAbsent() {
			fields = append(fields, value.Field{Name: name, Value: v})
		}
	}
	if r.ev != nil {
		fields = append(fields, value.Field{Name: "id", Value: value.Str(r.ev.ID())},
			value.Field{Name: "source", Value: value.Str(r.ev.Source())},
			value.Field{Name: "time", Value: value.Micros(r.ev.Time())})
	}
	return value.ObjectOf(fields)
}

// eventRoot is the variable `events`.
type eventRoot struct{ st *state }

func (r eventRoot) Field(name string) (any, error) { return r.st.events(name), nil }
func (r eventRoot) HasField(string) bool           { return true }

// mark stands in a list for a value that is absent.
type mark struct{ noValue }

func (m mark) Value() any { return nil }

// noValue gives records and marks the methods of a CEL value that nothing uses: the checker refuses equality and
// conversion of them.
type noValue struct{}

var recordType = types.NewObjectType("@record")

func (noValue) Type() ref.Type                 { return recordType }
func (noValue) Equal(ref.Val) ref.Val          { return types.NewErr("records are not compared") }
func (noValue) ConvertToType(ref.Type) ref.Val { return types.NewErr("a record is not converted") }
func (noValue) ConvertToNative(reflect.Type) (any, error) {
	return nil, errors.New("a record is not converted")
}
