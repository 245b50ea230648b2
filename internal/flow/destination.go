package flow

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// Item is what a destination makes of one row.
type Item struct {
	Kind Kind
	Node string // id of the destination
	Line int64  // of the row in the source

	// ID is the event's or the object's id. For an update of a profile it is derived from flow, source, line and row
	// like the id of an event that brings none, and can name the record.
	ID          string
	Name        string // event type or object type
	UserID      string
	AnonymousID string
	Time        int64       // of an event, microseconds since 1970 UTC
	Attributes  value.Value // an Object; absent values are left out
}

// Kind says what an Item is.
type Kind uint8

const (
	Event   Kind = 1
	Profile Kind = 2
	Object  Kind = 3 // a business object
)

// destination is a compiled Destination: which slots of a row go where. A slot of -1 is not mapped.
type destination struct {
	node        int
	id          string
	kind        Kind
	name        string
	itemID      int
	time        int
	userID      int
	anonymousID int
	attributes  []slotColumn // named by attribute, in order
	hash        []byte       // what derived ids have in common
}

func compileDestination(def Def, d Destination, columns []slotColumn, cat *schema.Catalogue) (destination, error) {
	out := destination{itemID: -1, time: -1, userID: -1, anonymousID: -1}
	var attributes map[string]string
	var declared *declaration
	var err error
	m := mapper{columns: columns}
	switch {
	case d.Events != nil:
		out.kind, out.name, attributes = Event, d.Events.Name, d.Events.Attributes
		m.id("id", d.Events.EventID, &out.itemID)
		m.id("user_id", d.Events.UserID, &out.userID)
		m.id("anonymous_id", d.Events.AnonymousID, &out.anonymousID)
		m.time("time", d.Events.Time, &out.time)
		out.hash = idPrefix(def, "event", d.key())
		declared, err = declaredEvent(cat, out.name)
	case d.Profiles != nil:
		out.kind, attributes = Profile, d.Profiles.Attributes
		m.id("user_id", d.Profiles.UserID, &out.userID)
		out.hash = idPrefix(def, "profile", d.ID)
		declared = declaredProfile(cat)
	default:
		out.kind, out.name, attributes = Object, d.Objects.Type, d.Objects.Attributes
		m.id("id", d.Objects.ObjectID, &out.itemID)
		declared, err = declaredObject(cat, out.name)
	}
	if err == nil {
		err = m.err
	}
	if err != nil {
		return out, err
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		c, err := needColumn(columns, attributes[name])
		if err == nil {
			err = declared.check(name, c.Type)
		}
		if err != nil {
			return out, fmt.Errorf("attribute %q: %w", name, err)
		}
		out.attributes = append(out.attributes, slotColumn{Column{name, c.Type}, c.slot})
	}
	return out, declared.checkRequired(attributes)
}

func (d *destination) columns() []slotColumn { return d.attributes }

// mapper looks the columns of an item's own fields up and keeps the first error.
type mapper struct {
	columns []slotColumn
	err     error
}

func (m *mapper) id(field, column string, slot *int) {
	m.field(field, column, slot, "an id is a string or a number", schema.String, schema.Text, schema.Number)
}

func (m *mapper) time(field, column string, slot *int) {
	m.field(field, column, slot, "declare it as datetime in the source's types", schema.Datetime)
}

func (m *mapper) field(field, column string, slot *int, advice string, types ...schema.Type) {
	if column == "" || m.err != nil {
		return
	}
	c, err := needColumn(m.columns, column)
	if err == nil && !slices.Contains(types, c.Type) {
		err = fmt.Errorf("the column %q is %s: %s", column, c.Type, advice)
	}
	if err != nil {
		m.err = fmt.Errorf("%s: %w", field, err)
		return
	}
	*slot = c.slot
}

// idPrefix is the part of a derived id that all rows of a destination share. Lengths keep its parts apart.
func idPrefix(def Def, parts ...string) []byte {
	var b []byte
	for _, p := range append([]string{def.Name, def.Source.Opener, def.Source.Path}, parts...) {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return b
}

// deriveID names what a row becomes: the same row in the same line of the same source always gets the same id, and a
// file that replaces another under the same path gets its own.
func (d *destination) deriveID(rec record, scratch []byte) (string, []byte) {
	scratch = append(scratch[:0], d.hash...)
	scratch = binary.AppendUvarint(scratch, uint64(rec.line))
	scratch = append(scratch, rec.raw...)
	sum := sha256.Sum256(scratch)
	return hex.EncodeToString(sum[:16]), scratch
}

// item maps a row. A problem is the reason for a dead letter.
func (d *destination) item(row []value.Value, rec record, scratch *[]byte) (it Item, problem string) {
	it = Item{Kind: d.kind, Node: d.id, Line: rec.line, Name: d.name}
	for _, f := range [...]struct {
		name string
		slot int
		into *string
	}{{"id", d.itemID, &it.ID}, {"user_id", d.userID, &it.UserID}, {"anonymous_id", d.anonymousID, &it.AnonymousID}} {
		if f.slot < 0 {
			continue
		}
		id := idText(row[f.slot])
		limit := maxID
		if f.into == &it.UserID || f.into == &it.AnonymousID {
			limit = maxIdentifier
		}
		if len(id) > limit {
			return it, fmt.Sprintf("its %s has %d bytes, the limit is %d", f.name, len(id), limit)
		}
		*f.into = id
	}
	switch d.kind {
	case Event:
		if it.UserID == "" && it.AnonymousID == "" {
			return it, d.lacks()
		}
		if row[d.time].IsAbsent() {
			return it, "has no time: an event needs one"
		}
		it.Time = row[d.time].Time
	case Profile:
		if it.UserID == "" {
			return it, d.lacks()
		}
	case Object:
		if it.ID == "" {
			return it, "has no id: it says which object the row updates"
		}
	}
	if d.itemID >= 0 && it.ID == "" {
		return it, "has no id in the column that is mapped as id"
	}
	if d.itemID < 0 {
		it.ID, *scratch = d.deriveID(rec, *scratch)
	}
	it.Attributes = d.object(row)
	return it, ""
}

func (d *destination) lacks() string {
	switch {
	case d.anonymousID < 0:
		return "has no user_id: it says whose it is"
	case d.userID < 0:
		return "has no anonymous_id: it says whose it is"
	}
	return "has neither user_id nor anonymous_id: one says whose it is"
}

func (d *destination) object(row []value.Value) value.Value {
	fields := make([]value.Field, 0, len(d.attributes))
	for _, a := range d.attributes {
		if v := row[a.slot]; v.Kind != value.Absent {
			fields = append(fields, value.Field{Name: a.Name, Value: v})
		}
	}
	return value.Value{Kind: value.Object, Fields: fields} // sorted: attributes are
}

// The longest ids in bytes: of an event or object, and of a person. They are those of events that come without a dataflow.
const (
	maxID         = 255
	maxIdentifier = 4096
)

func idText(v value.Value) string {
	switch v.Kind {
	case value.String:
		return v.Str
	case value.Number:
		return formatNumber(v.Num)
	}
	return ""
}

// formatNumber writes a number without an exponent.
func formatNumber(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// declaration is what the catalogue says about what a destination writes; nil when nothing is to be checked.
type declaration struct {
	owner      string
	attributes schema.Attrs
	learns     bool
	partial    bool // an update may leave required attributes out
}

func declaredEvent(cat *schema.Catalogue, name string) (*declaration, error) {
	if cat == nil {
		return nil, nil
	}
	t, ok := cat.Events[name]
	if !ok {
		return nil, fmt.Errorf("unknown event type %q%s", name, schema.DidYouMean(name, slices.Collect(maps.Keys(cat.Events))))
	}
	return &declaration{fmt.Sprintf("the event type %q", name), t.Attributes, t.Policy == schema.Learn, false}, nil
}

func declaredObject(cat *schema.Catalogue, name string) (*declaration, error) {
	if cat == nil {
		return nil, nil
	}
	t, ok := cat.Objects[name]
	if !ok {
		return nil, fmt.Errorf("unknown object type %q%s", name, schema.DidYouMean(name, slices.Collect(maps.Keys(cat.Objects))))
	}
	return &declaration{fmt.Sprintf("the object type %q", name), t.Attributes, t.Policy == schema.Learn, true}, nil
}

func declaredProfile(cat *schema.Catalogue) *declaration {
	if cat == nil {
		return nil
	}
	return &declaration{"the profile", cat.Profile, false, true}
}

func (d *declaration) check(name string, have schema.Type) error {
	if d == nil {
		return nil
	}
	want, ok := d.attributes[name]
	switch {
	case !ok && d.learns:
		return nil
	case !ok:
		return fmt.Errorf("%s does not have it%s", d.owner, schema.DidYouMean(name, d.attributes.Names()))
	case want.Type == have, want.Type == schema.String && have == schema.Text, want.Type == schema.Text && have == schema.String:
		return nil
	case want.Type == schema.Datetime && (have == schema.String || have == schema.Text):
		return nil
	}
	return fmt.Errorf("its column is %s, %s declares it as %s", have, d.owner, want.Type)
}

func (d *declaration) checkRequired(mapped map[string]string) error {
	if d == nil || d.partial {
		return nil
	}
	for _, name := range d.attributes.Names() {
		if a := d.attributes[name]; a.Required && a.Default == nil && mapped[name] == "" {
			return fmt.Errorf("attribute %q is required by %s and not mapped", name, d.owner)
		}
	}
	return nil
}
