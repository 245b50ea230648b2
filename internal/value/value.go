// Package value is the one form of an attribute's value between the caller, the log, the columns and CEL.
package value

import (
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"time"
	"unicode/utf8"
)

// Kind says what a Value holds. The numbers are part of the log's format: never reuse one.
type Kind uint8

const (
	Absent   Kind = 0 // the zero Value: not there, which is not zero, not "" and not false
	Number   Kind = 1 // a finite double
	String   Kind = 2 // UTF-8
	Datetime Kind = 3 // microseconds since 1970, UTC
	Boolean  Kind = 4
	List     Kind = 5
	Object   Kind = 6 // fields sorted by name
)

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

var kindNames = [...]string{"absent", "number", "string", "datetime", "boolean", "array", "object"}

// Value is immutable by agreement: nobody writes into List or Fields after it was made.
type Value struct {
	Kind   Kind
	Num    float64 // Number; Boolean as 0 or 1
	Time   int64   // Datetime
	Str    string  // String
	List   []Value
	Fields []Field
}

// Field is one key of an Object.
type Field struct {
	Name  string
	Value Value
}

// Limits of one value. They are checked before anything is logged.
const (
	MaxText  = 30000 // characters of a string (Text); String attributes are held to 255 by the schema
	MaxList  = 10000 // elements of an array, keys of an object
	MaxDepth = 4     // arrays and objects inside each other
)

func Num(f float64) Value    { return Value{Kind: Number, Num: f} }
func Str(s string) Value     { return Value{Kind: String, Str: s} }
func Micros(t int64) Value   { return Value{Kind: Datetime, Time: t} }
func At(t time.Time) Value   { return Value{Kind: Datetime, Time: t.UnixMicro()} }
func ListOf(v []Value) Value { return Value{Kind: List, List: v} }

// Bool makes a Boolean.
func Bool(b bool) Value {
	if b {
		return Value{Kind: Boolean, Num: 1}
	}
	return Value{Kind: Boolean}
}

// ObjectOf makes an Object; fields may come in any order, a name once.
func ObjectOf(fields []Field) Value {
	sort.Slice(fields, func(i, j int) bool { return fields[i].Name < fields[j].Name })
	return Value{Kind: Object, Fields: fields}
}

func (v Value) IsAbsent() bool { return v.Kind == Absent }
func (v Value) True() bool     { return v.Kind == Boolean && v.Num != 0 }

// Field returns the field of an Object, or the absent Value.
func (v Value) Field(name string) Value {
	i := sort.Search(len(v.Fields), func(i int) bool { return v.Fields[i].Name >= name })
	if i < len(v.Fields) && v.Fields[i].Name == name {
		return v.Fields[i].Value
	}
	return Value{}
}

// Equal compares kind and content.
func (v Value) Equal(w Value) bool {
	if v.Kind != w.Kind || v.Num != w.Num || v.Time != w.Time || v.Str != w.Str ||
		len(v.List) != len(w.List) || len(v.Fields) != len(w.Fields) {
		return false
	}
	for i := range v.List {
		if !v.List[i].Equal(w.List[i]) {
			return false
		}
	}
	for i := range v.Fields {
		if v.Fields[i].Name != w.Fields[i].Name || !v.Fields[i].Value.Equal(w.Fields[i].Value) {
			return false
		}
	}
	return true
}

// Go returns the value as callers know it: float64, string, time.Time (UTC), bool, []any, map[string]any, or nil.
func (v Value) Go() any {
	switch v.Kind {
	case Number:
		return v.Num
	case String:
		return v.Str
	case Datetime:
		return time.UnixMicro(v.Time).UTC()
	case Boolean:
		return v.Num != 0
	case List:
		out := make([]any, len(v.List))
		for i := range v.List {
			out[i] = v.List[i].Go()
		}
		return out
	case Object:
		out := make(map[string]any, len(v.Fields))
		for _, f := range v.Fields {
			out[f.Name] = f.Value.Go()
		}
		return out
	}
	return nil
}

// String prints the value as a reader of a report or an explanation wants to see it.
func (v Value) String() string {
	switch v.Kind {
	case Absent:
		return "absent"
	case String:
		return v.Str
	case Datetime:
		return time.UnixMicro(v.Time).UTC().Format(time.RFC3339Nano)
	}
	b, err := json.Marshal(v.Go())
	if err != nil {
		return fmt.Sprint(v.Go())
	}
	return string(b)
}

// FromGo turns what a caller gave into a Value. nil is Absent. The error says what is wrong, not where: callers know.
func FromGo(x any) (Value, error) { return fromGo(x, 0) }

func fromGo(x any, depth int) (Value, error) {
	if depth > MaxDepth {
		return Value{}, fmt.Errorf("arrays and objects are nested deeper than %d", MaxDepth)
	}
	switch x := x.(type) {
	case nil:
		return Value{}, nil
	case Value:
		return x, nil
	case string:
		return checkString(x)
	case float64:
		return checkNumber(x)
	case bool:
		return Bool(x), nil
	case int:
		return Num(float64(x)), nil
	case time.Time:
		return checkTime(x)
	case float32:
		return checkNumber(float64(x))
	case int8:
		return Num(float64(x)), nil
	case int16:
		return Num(float64(x)), nil
	case int32:
		return Num(float64(x)), nil
	case int64:
		return Num(float64(x)), nil
	case uint:
		return Num(float64(x)), nil
	case uint8:
		return Num(float64(x)), nil
	case uint16:
		return Num(float64(x)), nil
	case uint32:
		return Num(float64(x)), nil
	case uint64:
		return Num(float64(x)), nil
	case json.Number:
		f, err := x.Float64()
		if err != nil {
			return Value{}, fmt.Errorf("%q is not a number", string(x))
		}
		return checkNumber(f)
	case []any:
		return listFromGo(x, depth)
	case []string:
		return listFromGo(x, depth)
	case []float64:
		return listFromGo(x, depth)
	case []int:
		return listFromGo(x, depth)
	case []time.Time:
		return listFromGo(x, depth)
	case []map[string]any:
		return listFromGo(x, depth)
	case map[string]any:
		return objectFromGo(x, depth)
	case map[string]string:
		return objectFromGo(x, depth)
	case map[string]float64:
		return objectFromGo(x, depth)
	}
	return Value{}, fmt.Errorf("a %T is not a number, string, time, boolean, array or object", x)
}

func listFromGo[T any](x []T, depth int) (Value, error) {
	if len(x) > MaxList {
		return Value{}, fmt.Errorf("the array has %d elements, the limit is %d", len(x), MaxList)
	}
	list := make([]Value, 0, len(x))
	for i := range x {
		v, err := fromGo(x[i], depth+1)
		if err != nil {
			return Value{}, fmt.Errorf("element %d: %w", i, err)
		}
		if v.Kind != Absent {
			list = append(list, v)
		}
	}
	return ListOf(list), nil
}

func objectFromGo[T any](x map[string]T, depth int) (Value, error) {
	if len(x) > MaxList {
		return Value{}, fmt.Errorf("the object has %d keys, the limit is %d", len(x), MaxList)
	}
	fields := make([]Field, 0, len(x))
	for name, e := range x {
		if !utf8.ValidString(name) || name == "" || len(name) > 255 {
			return Value{}, fmt.Errorf("%q is no name for a key: 1 to 255 bytes of UTF-8", name)
		}
		v, err := fromGo(e, depth+1)
		if err != nil {
			return Value{}, fmt.Errorf("key %q: %w", name, err)
		}
		if v.Kind != Absent {
			fields = append(fields, Field{name, v})
		}
	}
	return ObjectOf(fields), nil
}

func checkNumber(f float64) (Value, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Value{}, fmt.Errorf("%v is not a finite number", f)
	}
	if f == 0 {
		f = 0 // -0 and 0 are one value
	}
	return Num(f), nil
}

func checkString(s string) (Value, error) {
	if len(s) > MaxText && utf8.RuneCountInString(s) > MaxText {
		return Value{}, fmt.Errorf("the text has %d characters, the limit is %d", utf8.RuneCountInString(s), MaxText)
	}
	if !utf8.ValidString(s) {
		return Value{}, fmt.Errorf("%.40q is not valid UTF-8", s)
	}
	return Str(s), nil
}

func checkTime(t time.Time) (Value, error) {
	if err := CheckTime(t); err != nil {
		return Value{}, err
	}
	return At(t), nil
}

// CheckTime holds a time to the years 1 to 9999, the range CEL's timestamp and RFC 3339 have.
func CheckTime(t time.Time) error {
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return fmt.Errorf("the year %d is outside 1 to 9999", y)
	}
	return nil
}
