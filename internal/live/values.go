package live

import (
	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// kindOf is the kind of a declared type's values; Absent for lists and objects, which are left to CEL.
func kindOf(t schema.Type) value.Kind {
	switch t {
	case schema.Number:
		return value.Number
	case schema.String, schema.Text:
		return value.String
	case schema.Datetime:
		return value.Datetime
	case schema.Boolean:
		return value.Boolean
	}
	return value.Absent
}

// attribute is one of the profile.
type attribute struct {
	col *column.Column
	is  value.Kind
}

func (a attribute) get(who *Person) (scalar, int64) {
	if int(who.Row) >= a.col.Len() {
		return scalar{}, Never
	}
	return read(a.col, who.Row, a.is), Never
}

func (a attribute) kind() value.Kind { return a.is }
func (attribute) cost() int          { return costAttribute }

// read reads a cell; a value that does not have the declared kind counts as absent.
func read(c *column.Column, i uint32, is value.Kind) scalar {
	switch {
	case c.Kind() == column.Float64 && is == value.Number:
		if f := c.Float(i); f == f {
			return scalar{kind: is, num: f}
		}
	case c.Kind() == column.Int64 && is == value.Datetime:
		if t := c.Int(i); t != column.AbsentInt {
			return scalar{kind: is, time: t}
		}
	case c.Kind() == column.Bool && is == value.Boolean:
		if b, ok := c.Bool(i); b {
			return scalar{kind: is, num: 1}
		} else if ok {
			return scalar{kind: is}
		}
	case c.Kind() == column.Dict && is == value.String:
		if code := c.Code(i); code != 0 {
			return scalar{kind: is, text: c.Dict().String(code)}
		}
	case c.Kind() == column.Bytes:
		if b := c.Bytes(i); b != nil {
			if v, _, err := value.Decode(b); err == nil && v.Kind == is {
				return scalarOf(v)
			}
		}
	}
	return scalar{}
}

// field is an attribute of the event that a filter looks at.
type field struct {
	col *column.Column
	is  value.Kind
}

func (f field) get(who *Person) (scalar, int64) { return read(f.col, who.event, f.is), Never }
func (f field) kind() value.Kind                { return f.is }
func (field) cost() int                         { return costAttribute }

// eventTime, eventID and eventSource are what every event has.
type (
	eventTime   struct{ typ *Type }
	eventID     struct{ typ *Type }
	eventSource struct{ typ *Type }
)

func (f eventTime) get(who *Person) (scalar, int64) {
	return scalar{kind: value.Datetime, time: f.typ.Time.Int(who.event)}, Never
}
func (f eventID) get(who *Person) (scalar, int64) {
	return scalar{kind: value.String, text: string(f.typ.ID.Bytes(who.event))}, Never
}
func (f eventSource) get(who *Person) (scalar, int64) {
	return scalar{kind: value.String, text: f.typ.Source.Str(who.event)}, Never
}

func (eventTime) kind() value.Kind   { return value.Datetime }
func (eventID) kind() value.Kind     { return value.String }
func (eventSource) kind() value.Kind { return value.String }
func (eventTime) cost() int          { return costFree }
func (eventID) cost() int            { return costAttribute }
func (eventSource) cost() int        { return costAttribute }

// through is an attribute of the object that an event's attribute refers to, as it was at the event's time.
type through struct {
	typ          *Type
	id           *column.Column
	object, attr string
	src          Source
	is           value.Kind
}

func (f through) get(who *Person) (scalar, int64) {
	id := read(f.id, who.event, value.String)
	if id.kind == value.Absent {
		return scalar{}, Never
	}
	v := f.src.Object(f.object, id.text, f.typ.Time.Int(who.event), f.attr)
	if v.Kind != f.is {
		return scalar{}, Never
	}
	return scalarOf(v), Never
}

func (f through) kind() value.Kind { return f.is }
func (through) cost() int          { return costEvents }

// moving is now less a span.
type moving struct{ ago int64 }

func (m moving) get(who *Person) (scalar, int64) {
	return scalar{kind: value.Datetime, time: who.Now - m.ago, moving: true}, Never
}

// unitStart is the start of the calendar unit that holds now, less a span. The unit is looked up once while it lasts.
type unitStart struct {
	unit string
	ago  int64
	cal  celenv.Calendar
	unitSpan
}

// unitSpan is the calendar unit looked up last: [from, to). The zero one holds no instant.
type unitSpan struct{ from, to int64 }

func (m *unitStart) get(who *Person) (scalar, int64) {
	if who.Now < m.from || who.Now >= m.to {
		m.from, m.to = m.cal.Start(who.Now, m.unit, 0), m.cal.Start(who.Now, m.unit, 1)
	}
	return scalar{kind: value.Datetime, time: m.from - m.ago}, m.to
}

func (moving) kind() value.Kind     { return value.Datetime }
func (*unitStart) kind() value.Kind { return value.Datetime }
func (moving) cost() int            { return costFree }
func (*unitStart) cost() int        { return costFree }
