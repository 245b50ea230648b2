package flow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// jsonlReader reads one JSON object a line. Empty lines are skipped. A key that is no column is ignored; a column that
// is no key, and null, is absent. Of a key that stands twice in a line the last one counts.
type jsonlReader struct {
	in      *input
	columns []Column
	object  map[string]json.RawMessage // of the current row
}

func newJSONLReader(in *input) *jsonlReader {
	return &jsonlReader{in: in, object: map[string]json.RawMessage{}}
}

func (j *jsonlReader) input() *input { return j.in }

func (j *jsonlReader) next(row []value.Value) (record, error) {
	rec, err := j.read()
	if err != nil || rec.reason != "" {
		return rec, err
	}
	for i, col := range j.columns {
		v, problem := jsonCell(col.Type, j.object[col.Name])
		if problem != "" {
			rec.reason = fmt.Sprintf("column %q: %s", col.Name, problem)
			return rec, nil
		}
		row[i] = v
	}
	return rec, nil
}

// read reads the next line into j.object.
func (j *jsonlReader) read() (record, error) {
	for {
		n, err := j.in.lineEnd()
		if err != nil {
			return record{}, err
		}
		switch {
		case n == 0:
			return record{}, io.EOF
		case n < 0:
			return skipLong(j.in)
		}
		rec := record{line: j.in.line, raw: trimBreak(j.in.view()[:n])}
		j.in.consume(n, 1)
		if len(bytes.TrimSpace(rec.raw)) == 0 {
			continue
		}
		if !utf8.Valid(rec.raw) {
			rec.reason = "is not valid UTF-8: save the file as UTF-8"
			return rec, nil
		}
		clear(j.object)
		if err := json.Unmarshal(rec.raw, &j.object); err != nil {
			rec.reason = fmt.Sprintf("is no JSON object: %v", err)
		} else if j.object == nil { // the line says null
			j.object = map[string]json.RawMessage{}
			rec.reason = "is no JSON object: it is null"
		}
		return rec, nil
	}
}

// jsonCell reads a JSON value as a type. A number where text is declared keeps its digits as they stand, so that long
// ids survive; anything else must be of the declared type.
func jsonCell(t schema.Type, raw json.RawMessage) (v value.Value, problem string) {
	if len(raw) == 0 || raw[0] == 'n' {
		return v, ""
	}
	kind := jsonKind(raw[0])
	switch t {
	case schema.Number:
		if kind == "number" {
			return parseNumber(string(raw))
		}
	case schema.Boolean:
		if kind == "boolean" {
			return value.Bool(raw[0] == 't'), ""
		}
	case schema.String, schema.Text:
		if kind == "number" {
			return parseText(t, string(raw))
		}
		if kind == "string" {
			s, problem := jsonString(raw)
			if problem != "" {
				return v, problem
			}
			return parseText(t, s)
		}
	case schema.Datetime:
		if kind == "string" {
			s, problem := jsonString(raw)
			if problem != "" {
				return v, problem
			}
			return parseCell(t, s)
		}
	default:
		return jsonNested(t, raw)
	}
	return v, fmt.Sprintf("is a %s (%.40s), declared is %s", kind, raw, t)
}

func jsonString(raw json.RawMessage) (s string, problem string) {
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", err.Error()
	}
	return s, ""
}

// jsonNested reads arrays and objects. What keys an object may have is the platform's business, not the flow's.
func jsonNested(t schema.Type, raw json.RawMessage) (v value.Value, problem string) {
	v, problem = jsonAny(raw)
	if problem != "" {
		return v, problem
	}
	want := value.List
	if t == schema.Object {
		want = value.Object
	}
	if v.Kind != want {
		return v, fmt.Sprintf("is a %s (%.40s), declared is %s", v.Kind, raw, t)
	}
	if t == schema.ObjectList {
		for i := range v.List {
			if v.List[i].Kind != value.Object {
				return v, fmt.Sprintf("element %d is a %s, declared is %s", i, v.List[i].Kind, t)
			}
		}
	} else if t != schema.Object {
		fitted, err := schema.Attr{Type: t}.Coerce(v)
		if err != nil {
			return v, err.Error()
		}
		v = fitted
	}
	return v, ""
}

func jsonAny(raw json.RawMessage) (v value.Value, problem string) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var x any
	if err := dec.Decode(&x); err != nil {
		return v, err.Error()
	}
	v, err := value.FromGo(x)
	if err != nil {
		return value.Value{}, err.Error()
	}
	return v, ""
}

func jsonKind(first byte) string {
	switch first {
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case '{':
		return "object"
	case '[':
		return "array"
	}
	return "number"
}

// sampleLines is how many lines of a JSONL file are looked at for columns that nobody declared.
const sampleLines = 100

// columnsOf finds the columns: the declared ones and those that the first lines have, by name. A column that holds both
// numbers and text is text; else its first value decides.
func (j *jsonlReader) columnsOf(declared map[string]schema.Type) ([]Column, error) {
	types := maps.Clone(declared)
	if types == nil {
		types = map[string]schema.Type{}
	}
	for range sampleLines {
		rec, err := j.read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if rec.reason != "" {
			continue
		}
		for key, raw := range j.object {
			if _, ok := declared[key]; !ok {
				sampleType(types, key, raw)
			}
		}
	}
	names := slices.Sorted(maps.Keys(types))
	if len(names) == 0 {
		return nil, fmt.Errorf("the first %d lines have no keys: declare the columns in types", sampleLines)
	}
	if err := checkColumns(names); err != nil {
		return nil, err
	}
	columns := make([]Column, len(names))
	for i, n := range names {
		columns[i] = Column{Name: n, Type: types[n]}
	}
	return columns, nil
}

func sampleType(types map[string]schema.Type, key string, raw json.RawMessage) {
	v, problem := jsonAny(raw)
	if problem != "" {
		return
	}
	attr, ok := schema.Infer(v)
	if !ok {
		return
	}
	t := attr.Type
	if t == schema.String {
		t = schema.Text
	}
	switch was, seen := types[key]; {
	case !seen:
		types[key] = t
	case was == schema.Number && t == schema.Text, was == schema.Text && t == schema.Number:
		types[key] = schema.Text
	}
}
