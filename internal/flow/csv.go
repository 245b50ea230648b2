package flow

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/embedcdp/cdp/internal/value"
)

// csvReader reads RFC 4180 as encoding/csv does, and differs where a row is broken: encoding/csv keeps no byte offsets
// to resume from, has no cap on a record, and one quote that is never closed makes it swallow the rest of the file.
//
// A broken row is cut at the end of its first line. That line becomes a dead letter, and reading goes on at the next
// line. So a stray quote costs the line it stands in, not what follows; the lines that a broken row with quoted line
// breaks had further down are read as rows of their own and mostly become dead letters for their number of fields.
//
// Empty lines are skipped. Line breaks are LF or CRLF, and CRLF inside quotes becomes LF.
type csvReader struct {
	in      *input
	comma   byte
	columns []Column
	nulls   []string

	fields []string // of the current row
	text   []byte   // the fields of a quoted row, one after the other
	ends   []int    // where each ends in text
}

func newCSVReader(in *input, s Source) *csvReader {
	c := &csvReader{in: in, comma: ',', nulls: []string{""}}
	if s.Comma != "" {
		c.comma = s.Comma[0]
	}
	if s.Null != nil {
		c.nulls = *s.Null
	}
	return c
}

func (c *csvReader) input() *input { return c.in }

func (c *csvReader) next(row []value.Value) (record, error) {
	rec, err := c.read()
	if err != nil || rec.reason != "" {
		return rec, err
	}
	if len(c.fields) != len(c.columns) {
		rec.reason = fmt.Sprintf("has %s, the file has %s", plural(len(c.fields), "field"), plural(len(c.columns), "column"))
		return rec, nil
	}
	for i, cell := range c.fields {
		if slices.Contains(c.nulls, cell) {
			row[i] = value.Value{}
			continue
		}
		v, problem := parseCell(c.columns[i].Type, cell)
		if problem != "" {
			rec.reason = fmt.Sprintf("column %q: %s", c.columns[i].Name, problem)
			return rec, nil
		}
		row[i] = v
	}
	return rec, nil
}

// read reads the next row's text into c.fields.
func (c *csvReader) read() (record, error) {
	for {
		n, err := c.in.lineEnd()
		if err != nil {
			return record{}, err
		}
		switch {
		case n == 0:
			return record{}, io.EOF
		case n < 0:
			return skipLong(c.in)
		}
		line := trimBreak(c.in.view()[:n])
		if len(line) == 0 {
			c.in.consume(n, 1)
			continue
		}
		rec := record{line: c.in.line, raw: line}
		if bytes.IndexByte(line, '"') < 0 {
			c.in.consume(n, 1)
			c.split(string(line))
		} else {
			size, reason, err := c.quoted()
			if err != nil {
				return record{}, err
			}
			if reason != "" {
				rec.raw, rec.reason = trimBreak(c.in.view()[:n]), reason
				c.in.consume(n, 1)
				return rec, nil
			}
			whole := c.in.view()[:size]
			rec.raw = trimBreak(whole)
			breaks := bytes.Count(whole, []byte{'\n'})
			if whole[size-1] != '\n' { // the file ends here
				breaks++
			}
			c.in.consume(size, breaks)
			c.cut(string(c.text))
		}
		if !utf8.Valid(rec.raw) {
			rec.reason = "is not valid UTF-8: save the file as UTF-8"
		}
		return rec, nil
	}
}

// split takes a row without quotes apart.
func (c *csvReader) split(line string) {
	c.fields = c.fields[:0]
	for {
		i := strings.IndexByte(line, c.comma)
		if i < 0 {
			c.fields = append(c.fields, line)
			return
		}
		c.fields = append(c.fields, line[:i])
		line = line[i+1:]
	}
}

// cut makes the fields of a row whose unquoted text is s.
func (c *csvReader) cut(s string) {
	c.fields = c.fields[:0]
	start := 0
	for _, end := range c.ends {
		c.fields = append(c.fields, s[start:end])
		start = end
	}
}

// quoted parses the row at the start of the view into c.text and c.ends. It returns the row's size with its line break,
// or the reason why it is broken.
func (c *csvReader) quoted() (size int, reason string, err error) {
	c.text, c.ends = c.text[:0], c.ends[:0]
	for i := 0; ; {
		var last bool
		if b, ok, err := c.at(i); err != nil {
			return 0, "", err
		} else if ok && b == '"' {
			i, last, reason, err = c.quotedField(i + 1)
			if reason != "" || err != nil {
				return 0, reason, err
			}
		} else if i, last, reason, err = c.plainField(i); reason != "" || err != nil {
			return 0, reason, err
		}
		c.ends = append(c.ends, len(c.text))
		switch {
		case i > MaxRecord:
			return 0, tooLong, nil
		case last:
			return i, "", nil
		}
	}
}

// quotedField reads a field after its opening quote; i is where the next field or row starts.
func (c *csvReader) quotedField(start int) (i int, last bool, reason string, err error) {
	i = start
	for {
		j, ok, err := c.find(i)
		if err != nil {
			return 0, false, "", err
		}
		if !ok {
			return 0, false, fmt.Sprintf("field %d: a quote is opened and never closed", len(c.ends)+1), nil
		}
		c.text = append(c.text, bytes.ReplaceAll(c.in.view()[i:j], []byte("\r\n"), []byte{'\n'})...)
		i = j + 1
		b, ok, err := c.at(i)
		switch {
		case err != nil:
			return 0, false, "", err
		case !ok:
			return i, true, "", nil
		case b == '"':
			c.text = append(c.text, '"')
			i++
			continue
		case b == c.comma:
			return i + 1, false, "", nil
		case b == '\n':
			return i + 1, true, "", nil
		case b == '\r':
			b, ok, err := c.at(i + 1)
			if err != nil || !ok {
				return i + 1, true, "", err
			}
			if b == '\n' {
				return i + 2, true, "", nil
			}
		}
		return 0, false, fmt.Sprintf("field %d: a quote inside quotes is not doubled", len(c.ends)+1), nil
	}
}

// plainField reads a field that does not begin with a quote.
func (c *csvReader) plainField(start int) (i int, last bool, reason string, err error) {
	for i = start; ; i++ {
		b, ok, err := c.at(i)
		switch {
		case err != nil:
			return 0, false, "", err
		case ok && b == '"':
			return 0, false, fmt.Sprintf("field %d: a quote stands in a field that does not begin with one", len(c.ends)+1), nil
		case ok && b == c.comma:
			c.text = append(c.text, c.in.view()[start:i]...)
			return i + 1, false, "", nil
		case !ok || b == '\n':
			field := c.in.view()[start:i]
			c.text = append(c.text, bytes.TrimSuffix(field, []byte{'\r'})...)
			if ok {
				i++
			}
			return i, true, "", nil
		}
	}
}

// at returns the byte at i of the view, reading on as needed; false at the end of the file.
func (c *csvReader) at(i int) (byte, bool, error) {
	for i >= c.in.end-c.in.pos {
		if more, err := c.in.more(); err != nil || !more {
			return 0, false, err
		}
	}
	return c.in.buf[c.in.pos+i], true, nil
}

// find returns the place of the next quote at or after i; false when the record would get too long or the file ends.
func (c *csvReader) find(i int) (int, bool, error) {
	for i <= MaxRecord {
		v := c.in.view()
		if i < len(v) {
			if j := bytes.IndexByte(v[i:], '"'); j >= 0 {
				return i + j, true, nil
			}
			i = len(v)
		}
		if more, err := c.in.more(); err != nil || !more {
			return 0, false, err
		}
	}
	return 0, false, nil
}

// header reads the first row as names of columns.
func (c *csvReader) header() ([]string, error) {
	rec, err := c.read()
	if err == io.EOF {
		return nil, fmt.Errorf("the file is empty: a header line with the names of the columns is missing")
	}
	if err != nil {
		return nil, err
	}
	if rec.reason != "" {
		return nil, fmt.Errorf("the header in line %d %s", rec.line, rec.reason)
	}
	names := make([]string, len(c.fields))
	for i, f := range c.fields {
		names[i] = strings.TrimSpace(f)
	}
	if bytes.IndexByte(rec.raw, '\r') >= 0 {
		return nil, fmt.Errorf("the lines of the file end in bare CR: save it with LF or CRLF")
	}
	if err := checkColumns(names); err != nil {
		return nil, fmt.Errorf("the header in line %d: %w", rec.line, err)
	}
	return names, nil
}

const tooLong = "is longer than 1 MiB"

// skipLong consumes a line that is too long to keep.
func skipLong(in *input) (record, error) {
	rec := record{line: in.line, raw: bytes.Clone(in.view()[:MaxDeadText]), reason: tooLong}
	return rec, in.skipLine()
}

// trimBreak takes the line break off, and a CR that ends the file, as encoding/csv does.
func trimBreak(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'})
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
