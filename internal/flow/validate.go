package flow

import (
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/embedcdp/cdp/internal/schema"
)

// Limits of a definition.
const (
	maxNodes   = 100
	maxColumns = 1000 // of one source
	maxName    = 255  // bytes of a column's name
)

// Validate says what is wrong with a definition as far as that can be known without its source and the catalogue.
// Compile checks the rest: columns, types and expressions.
func (d Def) Validate() error {
	if d.Name == "" || len(d.Name) > maxName || !utf8.ValidString(d.Name) {
		return fmt.Errorf("dataflow: %.40q is no name for a dataflow: use 1 to %d bytes of text", d.Name, maxName)
	}
	if err := d.validate(); err != nil {
		return fmt.Errorf("dataflow %q: %w", d.Name, err)
	}
	return nil
}

func (d Def) validate() error {
	if err := d.Source.validate(); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if len(d.Actions)+len(d.Destinations) > maxNodes {
		return fmt.Errorf("has %d actions and destinations, the limit is %d", len(d.Actions)+len(d.Destinations), maxNodes)
	}
	for i, a := range d.Actions {
		if err := a.validate(); err != nil {
			return fmt.Errorf("%s: %w", a.place(i), err)
		}
	}
	if len(d.Destinations) == 0 {
		return fmt.Errorf("has no destination: add events, profiles or objects")
	}
	keys := map[string]bool{}
	for i, dest := range d.Destinations {
		if err := dest.validate(); err != nil {
			return fmt.Errorf("%s: %w", dest.place(i), err)
		}
		if dest.Events != nil && dest.Events.EventID == "" {
			if keys[dest.key()] {
				return fmt.Errorf("%s: another destination writes events %q too: give both an id, so that their event ids differ", dest.place(i), dest.Events.Name)
			}
			keys[dest.key()] = true
		}
	}
	return d.validateIDs()
}

func (d Def) validateIDs() error {
	seen := map[string]bool{}
	for _, id := range d.nodeIDs() {
		if len(id) > maxName || !utf8.ValidString(id) {
			return fmt.Errorf("%.40q is no id for a node: use 1 to %d bytes of text", id, maxName)
		}
		if seen[id] {
			return fmt.Errorf("two nodes have the id %q", id)
		}
		seen[id] = true
	}
	return nil
}

// nodeIDs returns the ids of source, actions and destinations in order, the defaults filled in.
func (d Def) nodeIDs() []string {
	ids := []string{d.Source.ID}
	if ids[0] == "" {
		ids[0] = "source"
	}
	for i, a := range d.Actions {
		if a.ID == "" {
			a.ID = fmt.Sprintf("action-%d", i+1)
		}
		ids = append(ids, a.ID)
	}
	for i, dest := range d.Destinations {
		if dest.ID == "" {
			dest.ID = fmt.Sprintf("destination-%d", i+1)
		}
		ids = append(ids, dest.ID)
	}
	return ids
}

func (s Source) validate() error {
	if s.Type != "csv" && s.Type != "jsonl" {
		return fmt.Errorf("unknown type %q%s: use csv or jsonl", s.Type, schema.DidYouMean(s.Type, []string{"csv", "jsonl"}))
	}
	if s.Path == "" && s.Opener == "" {
		return fmt.Errorf("names no file: set path, or opener")
	}
	if s.Type == "jsonl" && (s.Comma != "" || len(s.Columns) > 0 || s.Null != nil) {
		return fmt.Errorf("comma, columns and null are for csv only: a JSONL line names its keys and has a null of its own")
	}
	if s.Comma != "" && (len(s.Comma) != 1 || s.Comma[0] == '"' || s.Comma[0] == '\r' || s.Comma[0] == '\n' || s.Comma[0] == 0 || s.Comma[0] >= utf8.RuneSelf) {
		return fmt.Errorf("comma: %q cannot separate fields: use one ASCII character, such as \";\", \"|\" or a tab", s.Comma)
	}
	if err := checkColumns(s.Columns); err != nil {
		return fmt.Errorf("columns: %w", err)
	}
	types := csvTypes
	if s.Type == "jsonl" {
		types = schema.Types
	}
	for _, col := range slices.Sorted(maps.Keys(s.Types)) {
		if err := checkType(s.Types[col], types); err != nil {
			return fmt.Errorf("types: column %q: %w", col, err)
		}
		if len(s.Columns) > 0 && !slices.Contains(s.Columns, col) {
			return fmt.Errorf("types: %w", unknownColumn(col, s.Columns))
		}
	}
	return nil
}

// csvTypes are the types that a piece of text and a computed value can have.
var csvTypes = []schema.Type{schema.Number, schema.String, schema.Text, schema.Datetime, schema.Boolean}

func checkType(t schema.Type, allowed []schema.Type) error {
	if slices.Contains(allowed, t) {
		return nil
	}
	names := make([]string, len(allowed))
	for i := range allowed {
		names[i] = string(allowed[i])
	}
	return fmt.Errorf("type %q is not possible here%s: use one of %q", t, schema.DidYouMean(string(t), names), names)
}

// checkColumns holds a list of column names to: each there, none twice.
func checkColumns(names []string) error {
	if len(names) > maxColumns {
		return fmt.Errorf("there are %d columns, the limit is %d", len(names), maxColumns)
	}
	first := make(map[string]int, len(names))
	for i, n := range names {
		if n == "" {
			return fmt.Errorf("column %d has no name", i+1)
		}
		if len(n) > maxName || !utf8.ValidString(n) {
			return fmt.Errorf("column %d: %.40q is no name for a column: use 1 to %d bytes of UTF-8", i+1, n, maxName)
		}
		if j, twice := first[n]; twice {
			return fmt.Errorf("the columns %d and %d are both named %q", j+1, i+1, n)
		}
		first[n] = i
	}
	return nil
}

func (a Action) place(i int) string {
	return fmt.Sprintf("action %d (%s)", i+1, a.kind())
}

func (a Action) validate() error {
	if n := count(a.Filter != nil, a.Add != nil, a.Select != nil, a.Rename != nil); n != 1 {
		return fmt.Errorf("has %d of filter, add, select and rename: give exactly one", n)
	}
	switch {
	case a.Filter != nil && a.Filter.Where == "":
		return fmt.Errorf("where is empty")
	case a.Filter != nil && len(a.Filter.Where) > maxExpression:
		return fmt.Errorf("where has %d bytes, the limit is %d", len(a.Filter.Where), maxExpression)
	case a.Add != nil:
		if err := schema.CheckName("a column", a.Add.Column); err != nil {
			return err
		}
		if a.Add.Value == "" {
			return fmt.Errorf("value is empty")
		}
		return checkType(a.Add.Type, csvTypes)
	case a.Select != nil:
		if len(a.Select.Columns) == 0 {
			return fmt.Errorf("keeps no column: name at least one")
		}
		return checkColumns(a.Select.Columns)
	case a.Rename != nil:
		if len(a.Rename.Columns) == 0 {
			return fmt.Errorf("names no column: give old and new names")
		}
	}
	return nil
}

func (d Destination) place(i int) string {
	switch {
	case d.Events != nil:
		return fmt.Sprintf("destination %d (events %q)", i+1, d.Events.Name)
	case d.Objects != nil:
		return fmt.Sprintf("destination %d (objects %q)", i+1, d.Objects.Type)
	}
	return fmt.Sprintf("destination %d (%s)", i+1, d.kind())
}

// key tells the event destinations of one flow apart in derived event ids. It does not depend on their order.
func (d Destination) key() string {
	if d.ID != "" {
		return "id " + d.ID
	}
	return "name " + d.Events.Name
}

func (d Destination) validate() error {
	if n := count(d.Events != nil, d.Profiles != nil, d.Objects != nil); n != 1 {
		return fmt.Errorf("has %d of events, profiles and objects: give exactly one", n)
	}
	switch {
	case d.Events != nil:
		e := d.Events
		if err := schema.CheckName("an event type", e.Name); err != nil {
			return err
		}
		if e.Time == "" {
			return fmt.Errorf("time names no column: an event needs a time of its own")
		}
		if e.UserID == "" && e.AnonymousID == "" {
			return fmt.Errorf("names no column for user_id or anonymous_id: an event belongs to someone")
		}
		return checkAttributes(e.Attributes)
	case d.Profiles != nil:
		p := d.Profiles
		if p.UserID == "" {
			return fmt.Errorf("user_id names no column: it says whose profile a row updates")
		}
		if p.Mode != "" && p.Mode != "add-update" {
			return fmt.Errorf("unknown mode %q: use add-update", p.Mode)
		}
		return checkAttributes(p.Attributes)
	default:
		o := d.Objects
		if err := schema.CheckName("an object type", o.Type); err != nil {
			return err
		}
		if o.ObjectID == "" {
			return fmt.Errorf("id names no column: it says which object a row updates")
		}
		return checkAttributes(o.Attributes)
	}
}

func checkAttributes(attributes map[string]string) error {
	if len(attributes) > maxColumns {
		return fmt.Errorf("has %d attributes, the limit is %d", len(attributes), maxColumns)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if err := schema.CheckName("an attribute", name); err != nil {
			return err
		}
		if attributes[name] == "" {
			return fmt.Errorf("attribute %q names no column", name)
		}
	}
	return nil
}

func count(set ...bool) (n int) {
	for _, s := range set {
		if s {
			n++
		}
	}
	return n
}

func unknownColumn(name string, known []string) error {
	if near := schema.DidYouMean(name, known); near != "" {
		return fmt.Errorf("unknown column %q%s", name, near)
	}
	const most = 20
	if len(known) > most {
		return fmt.Errorf("unknown column %q; the first of %d columns here are %q", name, len(known), known[:most])
	}
	return fmt.Errorf("unknown column %q; the columns here are %q", name, known)
}
