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
	index   map[string]int // columns by name
	fields  []jsonField    // of the current row
	cells   [][]byte       // of the current row, by column; nil where the row lacks it
}

// jsonField is one key of an object with the text of its value.
type jsonField struct {
	key   []byte
	value []byte
}

func newJSONLReader(in *input, columns []Column) *jsonlReader {
	j := &jsonlReader{in: in, columns: columns, index: map[string]int{}, cells: make([][]byte, len(columns))}
	for i, c := range columns {
		j.index[c.Name] = i
	}
	return j
}

func (j *jsonlReader) input() *input { return j.in }

func (j *jsonlReader) next(row []value.Value) (record, error) {
	rec, err := j.read()
	if err != nil || rec.reason != "" {
		return rec, err
	}
	clear(j.cells)
	for _, f := range j.fields {
		if i, ok := j.index[string(f.key)]; ok {
			j.cells[i] = f.value
		}
	}
	for i, col := range j.columns {
		v, problem := jsonCell(col.Type, j.cells[i])
		if problem != "" {
			rec.reason = fmt.Sprintf("column %q: %s", col.Name, problem)
			return rec, nil
		}
		row[i] = v
	}
	return rec, nil
}

// read reads the next line into j.fields.
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
		var problem string
		if j.fields, problem = jsonFields(j.fields[:0], rec.raw); problem != "" {
			rec.reason = "is no JSON object: " + problem
		}
		return rec, nil
	}
}

// jsonFields takes an object apart without decoding the values, most of which may not be needed.
func jsonFields(fields []jsonField, line []byte) ([]jsonField, string) {
	if !json.Valid(line) {
		var x json.RawMessage
		return fields, fmt.Sprint(json.Unmarshal(line, &x))
	}
	line = bytes.TrimSpace(line)
	if line[0] != '{' {
		return fields, "found " + jsonKind(line[0])
	}
	for i := skipSpace(line, 1); line[i] != '}'; i = skipSpace(line, i) {
		if line[i] == ',' {
			i = skipSpace(line, i+1)
		}
		end := jsonEnd(line, i)
		key := line[i+1 : end-1]
		if bytes.IndexByte(key, '\\') >= 0 {
			s, problem := jsonString(line[i:end])
			if problem != "" {
				return fields, problem
			}
			key = []byte(s)
		}
		i = skipSpace(line, end) // the colon
		i = skipSpace(line, i+1) // the value
		end = jsonEnd(line, i)
		fields = append(fields, jsonField{key, line[i:end]})
		i = end
	}
	return fields, ""
}

func skipSpace(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n' {
		i++
	}
	return i
}

// jsonEnd returns where the value that begins at i ends, in a text that is valid JSON.
func jsonEnd(b []byte, i int) int {
	for depth := 0; ; i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		case ',', ':', ' ', '\t', '\r', '\n':
			continue
		default:
			for i++; i < len(b) && !endsScalar(b[i]); i++ {
			}
			i--
		}
		if depth == 0 {
			return i + 1
		}
	}
}

func endsScalar(c byte) bool {
	switch c {
	case ',', '}', ']', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}

// jsonCell reads a JSON value as a type. A number where text is declared keeps its digits as they stand, so that long
// ids survive; anything else must be of the declared type.
func jsonCell(t schema.Type, raw []byte) (v value.Value, problem string) {
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

func jsonString(raw []byte) (s string, problem string) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), ""
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", err.Error()
	}
	return s, ""
}

// jsonNested reads arrays and objects. What keys an object may have is the platform's business, not the flow's.
func jsonNested(t schema.Type, raw []byte) (v value.Value, problem string) {
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

func jsonAny(raw []byte) (v value.Value, problem string) {
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
	case 'n':
		return "null"
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
		for _, f := range j.fields {
			if _, ok := declared[string(f.key)]; !ok {
				sampleType(types, string(f.key), f.value)
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

func sampleType(types map[string]schema.Type, key string, raw []byte) {
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
