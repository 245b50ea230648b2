package value

import (
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf8"
)

// The binary form: one kind byte, then
//
//	Number    8 bytes, IEEE 754, little endian      Boolean   1 byte, 0 or 1
//	String    uvarint length, bytes                 List      uvarint count, values
//	Datetime  8 bytes, little endian microseconds   Object    uvarint count, (uvarint length, name, value) sorted by name

// ErrEncoding is returned for bytes that are no encoded value.
var ErrEncoding = errors.New("value: damaged encoding")

// Append appends v's binary form to b.
func Append(b []byte, v Value) []byte {
	b = append(b, byte(v.Kind))
	switch v.Kind {
	case Number:
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v.Num))
	case String:
		b = binary.AppendUvarint(b, uint64(len(v.Str)))
		b = append(b, v.Str...)
	case Datetime:
		b = binary.LittleEndian.AppendUint64(b, uint64(v.Time))
	case Boolean:
		b = append(b, byte(v.Num))
	case List:
		b = binary.AppendUvarint(b, uint64(len(v.List)))
		for i := range v.List {
			b = Append(b, v.List[i])
		}
	case Object:
		b = binary.AppendUvarint(b, uint64(len(v.Fields)))
		for i := range v.Fields {
			b = binary.AppendUvarint(b, uint64(len(v.Fields[i].Name)))
			b = append(b, v.Fields[i].Name...)
			b = Append(b, v.Fields[i].Value)
		}
	}
	return b
}

// Decode reads one value from the front of b and returns what follows it. Strings are copied.
func Decode(b []byte) (Value, []byte, error) { return decode(b, 0) }

func decode(b []byte, depth int) (Value, []byte, error) {
	if len(b) == 0 || depth > MaxDepth+1 {
		return Value{}, nil, ErrEncoding
	}
	kind := Kind(b[0])
	b = b[1:]
	switch kind {
	case Absent:
		return Value{}, b, nil
	case Number:
		if len(b) < 8 {
			return Value{}, nil, ErrEncoding
		}
		f := math.Float64frombits(binary.LittleEndian.Uint64(b))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return Value{}, nil, ErrEncoding
		}
		return Num(f), b[8:], nil
	case Datetime:
		if len(b) < 8 {
			return Value{}, nil, ErrEncoding
		}
		return Micros(int64(binary.LittleEndian.Uint64(b))), b[8:], nil
	case Boolean:
		if len(b) < 1 || b[0] > 1 {
			return Value{}, nil, ErrEncoding
		}
		return Bool(b[0] == 1), b[1:], nil
	case String:
		s, b, err := decodeString(b)
		return Str(s), b, err
	case List:
		n, b, err := decodeCount(b)
		if err != nil {
			return Value{}, nil, err
		}
		list := make([]Value, n)
		for i := range list {
			if list[i], b, err = decode(b, depth+1); err != nil {
				return Value{}, nil, err
			}
		}
		return ListOf(list), b, nil
	case Object:
		n, b, err := decodeCount(b)
		if err != nil {
			return Value{}, nil, err
		}
		fields := make([]Field, n)
		for i := range fields {
			if fields[i].Name, b, err = decodeString(b); err != nil {
				return Value{}, nil, err
			}
			if i > 0 && fields[i-1].Name >= fields[i].Name {
				return Value{}, nil, ErrEncoding
			}
			if fields[i].Value, b, err = decode(b, depth+1); err != nil {
				return Value{}, nil, err
			}
		}
		return Value{Kind: Object, Fields: fields}, b, nil
	}
	return Value{}, nil, ErrEncoding
}

func decodeString(b []byte) (string, []byte, error) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return "", nil, ErrEncoding
	}
	s := b[w : w+int(n)]
	if !utf8.Valid(s) {
		return "", nil, ErrEncoding
	}
	return string(s), b[w+int(n):], nil
}

// decodeCount reads an element count and refuses one that the bytes left cannot hold.
func decodeCount(b []byte) (int, []byte, error) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) || n > MaxList*4 {
		return 0, nil, ErrEncoding
	}
	return int(n), b[w:], nil
}

// Skip returns what follows the value at the front of b, without decoding it. It checks lengths, not contents.
func Skip(b []byte) ([]byte, error) { return skip(b, 0) }

func skip(b []byte, depth int) ([]byte, error) {
	if len(b) == 0 || depth > MaxDepth+1 {
		return nil, ErrEncoding
	}
	kind := Kind(b[0])
	b = b[1:]
	size := 0
	switch kind {
	case Absent:
	case Number, Datetime:
		size = 8
	case Boolean:
		size = 1
	case String:
		return skipSized(b)
	case List, Object:
		n, b, err := decodeCount(b)
		if err != nil {
			return nil, err
		}
		for range n {
			if kind == Object {
				if b, err = skipSized(b); err != nil {
					return nil, err
				}
			}
			if b, err = skip(b, depth+1); err != nil {
				return nil, err
			}
		}
		return b, nil
	default:
		return nil, ErrEncoding
	}
	if len(b) < size {
		return nil, ErrEncoding
	}
	return b[size:], nil
}

func skipSized(b []byte) ([]byte, error) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return nil, ErrEncoding
	}
	return b[w+int(n):], nil
}

// FieldOf decodes one field of an encoded Object and leaves the others alone; Absent when it is not there.
func FieldOf(b []byte, name string) (Value, error) {
	if len(b) == 0 || Kind(b[0]) != Object {
		return Value{}, ErrEncoding
	}
	n, b, err := decodeCount(b[1:])
	if err != nil {
		return Value{}, err
	}
	for range n {
		l, w := binary.Uvarint(b)
		if w <= 0 || l > uint64(len(b)-w) {
			return Value{}, ErrEncoding
		}
		match := string(b[w:w+int(l)]) == name
		b = b[w+int(l):]
		if match {
			v, _, err := Decode(b)
			return v, err
		}
		if b, err = Skip(b); err != nil {
			return Value{}, err
		}
	}
	return Value{}, nil
}
