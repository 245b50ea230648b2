// Package schema holds what has been declared: event types, profile attributes, business objects and their typed
// attributes. It answers two questions: does this value fit this attribute, and what might a misspelt name have meant.
//
// The structs here are the stored form of the public definitions; their JSON is the contract between the two.
package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"sort"
	"time"
	"unicode/utf8"

	"github.com/embedcdp/cdp/internal/value"
)

// Type is the declared type of an attribute.
type Type string

const (
	Number       Type = "number"
	String       Type = "string" // at most 255 characters
	Text         Type = "text"   // at most 30,000 characters
	Datetime     Type = "datetime"
	Boolean      Type = "boolean"
	NumberList   Type = "[]number"
	StringList   Type = "[]string"
	DatetimeList Type = "[]datetime"
	Object       Type = "object"   // Fields says which keys
	ObjectList   Type = "[]object" // line items; Fields says which keys
)

// Types lists every Type.
var Types = []Type{Number, String, Text, Datetime, Boolean, NumberList, StringList, DatetimeList, Object, ObjectList}

// Elem is the element type of a list type, and "" for any other.
func (t Type) Elem() Type {
	if len(t) > 2 && t[:2] == "[]" {
		return t[2:]
	}
	return ""
}

// MaxString is the longest String in characters.
const MaxString = 255

// Attr is one declared attribute.
type Attr struct {
	Type     Type            `json:"type"`
	Required bool            `json:"required,omitempty"`
	Ref      string          `json:"ref,omitempty"`     // a String that holds the id of an object of this type
	Fields   Attrs           `json:"fields,omitempty"`  // keys of an Object or of the elements of an ObjectList
	Default  json.RawMessage `json:"default,omitempty"` // used when an event or object comes without the attribute
	Display  string          `json:"display,omitempty"`
}

// Attrs maps names to declarations.
type Attrs map[string]Attr

// Names returns the names in order.
func (a Attrs) Names() []string {
	names := make([]string, 0, len(a))
	for n := range a {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// With returns a copy with one more attribute, or another declaration of it.
func (a Attrs) With(name string, decl Attr) Attrs {
	out := make(Attrs, len(a)+1)
	maps.Copy(out, a)
	out[name] = decl
	return out
}

// Policy says what happens to an attribute nobody declared.
type Policy string

const (
	Strict Policy = "strict" // the event is rejected, kept, and can be replayed
	Learn  Policy = "learn"  // the attribute is added with the type of its first value
)

// EventType is a declared event type.
type EventType struct {
	Name       string `json:"name"`
	Policy     Policy `json:"policy,omitempty"` // "" means Strict
	Attributes Attrs  `json:"attributes,omitempty"`
	Retention  string `json:"retention,omitempty"` // a duration; "" keeps events for ever
	System     bool   `json:"system,omitempty"`    // written by the platform itself
}

// ObjectType is a declared business object, such as product or store.
type ObjectType struct {
	Name       string `json:"name"`
	Policy     Policy `json:"policy,omitempty"`
	Attributes Attrs  `json:"attributes,omitempty"`
}

// Catalogue is all that expressions and incoming data may name, at one moment. Who holds it treats it as read-only.
type Catalogue struct {
	Events   map[string]*EventType
	Objects  map[string]*ObjectType
	Profile  Attrs // customer.* and visitor.*
	Segments map[string]bool
	Location *time.Location // the portal's time zone
	Week     time.Weekday   // the portal's first day of the week: Sunday or Monday
}

// Reserved are the names every event has by itself; no attribute may take them.
var Reserved = map[string]bool{"time": true, "id": true, "source": true}

// CheckName holds the name of an event type, attribute or object type to what CEL can select:
// letters, digits and underscores, not starting with a digit, at most 64 bytes, and none of its four literal words.
func CheckName(what, name string) error {
	ok := name != "" && len(name) <= 64
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || i > 0 && '0' <= c && c <= '9'
	}
	if !ok {
		return fmt.Errorf("%q is no name for %s: use letters, digits and underscores, not starting with a digit, at most 64", name, what)
	}
	switch name {
	case "in", "true", "false", "null":
		return fmt.Errorf("%q is a word of the expression language: choose another name for %s", name, what)
	}
	return nil
}

// Check validates declarations of attributes: names, types, references, nesting and defaults. Its errors begin with the
// place where these attributes are, when one is given.
func (a Attrs) Check(place string, depth int) error {
	if place != "" {
		place += ": "
	}
	for _, name := range a.Names() {
		at := a[name]
		if err := CheckName("an attribute", name); err != nil {
			return fmt.Errorf("%s%w", place, err)
		}
		if depth == 0 && Reserved[name] {
			return fmt.Errorf("%sattribute %q: every event has a %s of its own; choose another name", place, name, name)
		}
		if err := at.check(fmt.Sprintf("%sattribute %q", place, name), depth); err != nil {
			return err
		}
	}
	return nil
}

func (at Attr) check(where string, depth int) error {
	known := false
	for _, t := range Types {
		known = known || t == at.Type
	}
	if at.Type == "ref" {
		return fmt.Errorf(`%s: a reference names the object type that it refers to: write cdp.Ref("product"), or {"type": "string", "ref": "product"}`, where)
	}
	if !known {
		return fmt.Errorf("%s: unknown type %q%s", where, at.Type, DidYouMean(string(at.Type), typeNames()))
	}
	hasKeys := at.Type == Object || at.Type == ObjectList
	if !hasKeys && len(at.Fields) > 0 {
		return fmt.Errorf("%s: a %s has no keys", where, at.Type)
	}
	if at.Ref != "" && at.Type != String {
		return fmt.Errorf("%s: a reference is a string, not a %s", where, at.Type)
	}
	if hasKeys {
		if depth >= 2 {
			return fmt.Errorf("%s: objects are nested deeper than 2", where)
		}
		if err := at.Fields.Check(where, depth+1); err != nil {
			return err
		}
	}
	if at.Default != nil {
		v, err := at.DefaultValue()
		if err == nil && v.IsAbsent() {
			err = fmt.Errorf("null is no default")
		}
		if err != nil {
			return fmt.Errorf("%s: default: %w", where, err)
		}
	}
	return nil
}

func typeNames() []string {
	names := make([]string, len(Types))
	for i, t := range Types {
		names[i] = string(t)
	}
	return names
}

// DefaultValue returns the declared default, or the absent value.
func (at Attr) DefaultValue() (value.Value, error) {
	if at.Default == nil {
		return value.Value{}, nil
	}
	var x any
	if err := json.Unmarshal(at.Default, &x); err != nil {
		return value.Value{}, err
	}
	v, err := value.FromGo(x)
	if err != nil || v.IsAbsent() {
		return value.Value{}, err
	}
	return at.Coerce(v)
}

// Coerce fits v to the attribute. It changes only what loses nothing: an RFC 3339 string becomes a Datetime where one is
// declared, an object's missing keys take their defaults. Anything else that does not fit is an error which says so.
func (at Attr) Coerce(v value.Value) (value.Value, error) {
	switch at.Type {
	case Number:
		if v.Kind == value.Number {
			return v, nil
		}
	case Boolean:
		if v.Kind == value.Boolean {
			return v, nil
		}
	case String:
		if v.Kind == value.String {
			if len(v.Str) > MaxString && utf8.RuneCountInString(v.Str) > MaxString {
				return v, fmt.Errorf("has %d characters, a string holds %d (declare it as text to hold %d)",
					utf8.RuneCountInString(v.Str), MaxString, value.MaxText)
			}
			return v, nil
		}
	case Text:
		if v.Kind == value.String {
			return v, nil
		}
	case Datetime:
		if v.Kind == value.Datetime {
			return v, nil
		}
		if v.Kind == value.String {
			if t, ok := ParseTime(v.Str); ok {
				return value.Micros(t), nil
			}
			return v, fmt.Errorf("%.40q is not a time (use RFC 3339, as in 2026-05-01T09:30:00Z, or a date, as in 2026-05-01)", v.Str)
		}
	case NumberList, StringList, DatetimeList, ObjectList:
		if v.Kind == value.List {
			return at.coerceList(v)
		}
	case Object:
		if v.Kind == value.Object {
			return at.coerceObject(v)
		}
	}
	return v, fmt.Errorf("is a %s (%.40s), declared is %s", v.Kind, v.String(), at.Type)
}

func (at Attr) coerceList(v value.Value) (value.Value, error) {
	elem := Attr{Type: at.Type.Elem(), Fields: at.Fields}
	list := make([]value.Value, len(v.List))
	for i := range v.List {
		e, err := elem.Coerce(v.List[i])
		if err != nil {
			return v, fmt.Errorf("element %d %w", i, err)
		}
		list[i] = e
	}
	return value.ListOf(list), nil
}

func (at Attr) coerceObject(v value.Value) (value.Value, error) {
	fields := make([]value.Field, 0, len(v.Fields))
	for _, f := range v.Fields {
		decl, ok := at.Fields[f.Name]
		if !ok {
			return v, fmt.Errorf("has an undeclared key %q%s", f.Name, DidYouMean(f.Name, at.Fields.Names()))
		}
		fv, err := decl.Coerce(f.Value)
		if err != nil {
			return v, fmt.Errorf("key %q %w", f.Name, err)
		}
		fields = append(fields, value.Field{Name: f.Name, Value: fv})
	}
	for _, name := range at.Fields.Names() {
		decl := at.Fields[name]
		if !v.Field(name).IsAbsent() {
			continue
		}
		d, err := decl.DefaultValue()
		switch {
		case err != nil:
			return v, err
		case !d.IsAbsent():
			fields = append(fields, value.Field{Name: name, Value: d})
		case decl.Required:
			return v, fmt.Errorf("lacks the required key %q", name)
		}
	}
	return value.ObjectOf(fields), nil
}

// ParseTime reads RFC 3339 with or without fraction, "2006-01-02 15:04:05" and "2006-01-02", the last two in UTC.
func ParseTime(s string) (micros int64, ok bool) {
	if len(s) < len(time.DateOnly) || len(s) > 40 {
		return 0, false
	}
	for _, layout := range [...]string{time.RFC3339Nano, time.DateOnly, time.DateTime} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UnixMicro(), value.CheckTime(t) == nil
		}
	}
	return 0, false
}

// Infer returns the declaration that a first value suggests, for policies that learn. An empty array says nothing.
func Infer(v value.Value) (Attr, bool) {
	switch v.Kind {
	case value.Number:
		return Attr{Type: Number}, true
	case value.Boolean:
		return Attr{Type: Boolean}, true
	case value.Datetime:
		return Attr{Type: Datetime}, true
	case value.String:
		if utf8.RuneCountInString(v.Str) > MaxString {
			return Attr{Type: Text}, true
		}
		return Attr{Type: String}, true
	case value.Object:
		return Attr{Type: Object, Fields: inferFields(v, Attrs{})}, true
	case value.List:
		return inferList(v)
	}
	return Attr{}, false
}

func inferList(v value.Value) (Attr, bool) {
	if len(v.List) == 0 {
		return Attr{}, false
	}
	switch v.List[0].Kind {
	case value.Number:
		return Attr{Type: NumberList}, true
	case value.String:
		return Attr{Type: StringList}, true
	case value.Datetime:
		return Attr{Type: DatetimeList}, true
	case value.Object:
		fields := Attrs{}
		for _, e := range v.List {
			inferFields(e, fields)
		}
		return Attr{Type: ObjectList, Fields: fields}, true
	}
	return Attr{}, false
}

func inferFields(v value.Value, into Attrs) Attrs {
	for _, f := range v.Fields {
		if _, known := into[f.Name]; known || CheckName("a key", f.Name) != nil {
			continue
		}
		if a, ok := Infer(f.Value); ok {
			into[f.Name] = a
		}
	}
	return into
}
