package fold

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/journey"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/schema"
)

// This file is how definitions are saved: each is checked whole against the others before anything of it takes effect.

// Kinds of definitions.
const (
	DefEvent    = "event"
	DefObject   = "object"
	DefProfile  = "profile" // the attributes of customers and visitors; its name is ""
	DefSegment  = "segment"
	DefJourney  = "journey"
	DefTemplate = "template"
	DefDataflow = "dataflow"
	DefPortal   = "portal" // the portal's settings; its name is ""
)

// DefKey names a definition.
type DefKey struct{ Kind, Name string }

// Definition is the current version of a definition; older ones are in the table at the rows of History.
type Definition struct {
	DefKey
	Version int
	History []uint32

	body  []byte   // the newest row that has all of it
	after [][]byte // what was learned since, row by row
}

// Settings of a portal.
type Settings struct {
	Name        string `json:"name,omitempty"`
	TimeZone    string `json:"time_zone,omitempty"`    // IANA name; "" is UTC
	WeekStart   string `json:"week_start,omitempty"`   // "monday" (also "") or "sunday"
	LearnEvents bool   `json:"learn_events,omitempty"` // unknown event types are defined as they come
	Caps        []Cap  `json:"caps,omitempty"`
	// OptIn lists channels on which nobody is sent anything before consent was granted.
	OptIn []string `json:"opt_in,omitempty"`
	// UnsubscribeURL is a link with {token} in it, which the host answers by calling Unsubscribe with the token.
	UnsubscribeURL string `json:"unsubscribe_url,omitempty"`

	location *time.Location
	week     time.Weekday
}

// Cap is a frequency cap: at most Max messages in any window of this length, on one channel or on all.
type Cap struct {
	Channel string `json:"channel,omitempty"` // "" counts every channel together
	Max     int    `json:"max"`
	Per     string `json:"per"` // a duration: "24h", "7d"

	window int64
}

func (t Settings) withDefaults() Settings {
	t.location, t.week = time.UTC, time.Monday
	return t
}

// ParseSettings reads and checks a portal's settings.
func ParseSettings(body []byte) (Settings, error) {
	var t Settings
	if err := strict(body, &t); err != nil {
		return t, err
	}
	t = t.withDefaults()
	if t.TimeZone != "" {
		l, err := time.LoadLocation(t.TimeZone)
		if err != nil || t.TimeZone == "Local" {
			return t, fmt.Errorf("time zone %q is unknown; use an IANA name such as \"Asia/Ho_Chi_Minh\"", t.TimeZone)
		}
		t.location = l
	}
	switch t.WeekStart {
	case "", "monday":
	case "sunday":
		t.week = time.Sunday
	default:
		return t, fmt.Errorf("week start %q: use \"monday\" or \"sunday\"", t.WeekStart)
	}
	for i := range t.Caps {
		c := &t.Caps[i]
		var err error
		if c.window, err = journey.ParseDuration(c.Per); err != nil {
			return t, fmt.Errorf("cap %d: per: %w", i+1, err)
		}
		if c.Max < 0 || c.window <= 0 {
			return t, fmt.Errorf("cap %d: at most %d in %q holds nothing back; use a positive duration and no negative number", i+1, c.Max, c.Per)
		}
	}
	return t, nil
}

// Location is the portal's time zone, Week its first day of the week.
func (t Settings) Location() *time.Location { return t.location }
func (t Settings) Week() time.Weekday       { return t.week }

func strict(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("not a valid definition: %w", err)
	}
	return nil
}

// define folds a definition: check it against what is there, then let it take effect.
func (s *State) define(r *record.Record, names []string) Verdict {
	key := DefKey{names[r.Name], string(r.ID)}
	deleted := r.Flags&record.FlagDelete != 0
	take, err := s.prepare(key, r.Body, deleted)
	if err != nil {
		return Verdict{Code: Rejected, Reason: err.Error()}
	}
	s.keepDefinition(key, r.Body, names[r.Source], deleted)
	s.batch.beside = r.Flags&record.FlagBuild != 0
	take()
	s.batch.beside = false
	return Verdict{}
}

// Check says whether a definition would be accepted now, without changing anything.
func (s *State) Check(key DefKey, body []byte, deleted bool) error {
	if _, err := s.prepare(key, body, deleted); err != nil || deleted {
		return err
	}
	// The fold itself goes on taking this: older logs may hold it.
	if key.Kind == DefSegment {
		return s.checkOf(key.Name, body)
	}
	return nil
}

// prepare checks a definition and returns what makes it take effect.
func (s *State) prepare(key DefKey, body []byte, deleted bool) (take func(), err error) {
	if deleted {
		return s.prepareRemoval(key)
	}
	switch key.Kind {
	case DefEvent:
		return s.prepareEvent(key.Name, body)
	case DefObject:
		return s.prepareObject(key.Name, body)
	case DefProfile:
		return s.prepareProfile(body)
	case DefSegment:
		return s.prepareSegment(key.Name, body)
	case DefJourney:
		return s.prepareJourney(key.Name, body)
	case DefTemplate:
		return s.prepareTemplate(key.Name, body)
	case DefDataflow:
		return func() {}, nil // checked by the dataflow engine before it is logged; it changes nothing here
	case DefPortal:
		return s.preparePortal(body)
	}
	return nil, fmt.Errorf("unknown kind of definition %q", key.Kind)
}

func (s *State) keepDefinition(key DefKey, body []byte, actor string, deleted bool) {
	s.keepRow(key, body, actor, deleted, false)
}

func (s *State) keepRow(key DefKey, body []byte, actor string, deleted, adds bool) {
	t := s.definitions
	i := t.Append()
	t.Column("q").SetInt(i, s.next())
	t.Column("t").SetInt(i, s.Now)
	t.Column("kind").SetString(i, []byte(key.Kind))
	t.Column("name").SetBytes(i, []byte(key.Name))
	t.Column("body").SetBytes(i, body)
	t.Column("actor").SetString(i, []byte(actor))
	t.Column("deleted").SetBool(i, deleted)
	if adds {
		t.Column("adds").SetBool(i, true)
	}
	s.indexDefinition(i)
	s.mix(uint64(i))
}

// indexDefinition brings the map of current definitions up to row i of the table.
func (s *State) indexDefinition(i uint32) {
	t := s.definitions
	key := DefKey{t.Column("kind").Str(i), string(t.Column("name").Bytes(i))}
	if del, _ := t.Column("deleted").Bool(i); del {
		delete(s.defs, key)
		return
	}
	d := s.defs[key]
	if d == nil {
		d = &Definition{DefKey: key}
		s.defs[key] = d
	}
	d.Version++
	body := bytes.Clone(t.Column("body").Bytes(i))
	if s.adds(i) {
		d.after = append(d.after, body)
	} else {
		d.body, d.after = body, nil
	}
	d.History = append(d.History, i)
}

// Definition returns the current version, or nil.
func (s *State) Definition(kind, name string) *Definition { return s.defs[DefKey{kind, name}] }

// Definitions returns all of a kind by name.
func (s *State) Definitions(kind string) []*Definition {
	var out []*Definition
	for k, d := range s.defs {
		if k.Kind == kind {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b *Definition) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return out
}

// VersionBody returns the JSON of version n (from 1) of a definition and when it was saved.
func (s *State) VersionBody(d *Definition, n int) (body []byte, at int64, ok bool) {
	if n < 1 || n > len(d.History) {
		return nil, 0, false
	}
	t, i := s.definitions, d.History[n-1]
	var after [][]byte
	for ; s.adds(d.History[n-1]); n-- {
		after = append(after, t.Column("body").Bytes(d.History[n-1]))
	}
	slices.Reverse(after)
	return withLearned(d.Kind, t.Column("body").Bytes(d.History[n-1]), after), t.Column("t").Int(i), true
}

// Body returns the JSON of the current version.
func (d *Definition) Body() []byte { return withLearned(d.Kind, d.body, d.after) }

func (s *State) prepareRemoval(key DefKey) (func(), error) {
	if s.defs[key] == nil {
		return nil, fmt.Errorf("there is no such %s", key.Kind)
	}
	if users := s.usedBy(key); len(users) > 0 {
		return nil, fmt.Errorf("it is used by %s; change that first", strings.Join(users, ", "))
	}
	switch key.Kind {
	case DefSegment:
		return func() { s.removeSegment(key.Name) }, nil
	case DefJourney:
		return func() { s.journeys.remove(s, key.Name) }, nil
	case DefTemplate:
		return func() { delete(s.journeys.templates, key.Name) }, nil
	case DefDataflow:
		return func() {}, nil
	}
	return nil, fmt.Errorf("a definition of %s cannot be removed: its data would lose its meaning", key.Kind)
}

// usedBy lists what depends on a segment or template, in words.
func (s *State) usedBy(key DefKey) (users []string) {
	if key.Kind == DefSegment {
		for _, seg := range s.byRank {
			if user := fmt.Sprintf("segment %q", seg.name); slices.Contains(seg.deps.Segments, key.Name) && !slices.Contains(users, user) {
				users = append(users, user)
			}
		}
	}
	for _, j := range s.journeys.sorted() {
		if j.uses(key) {
			users = append(users, fmt.Sprintf("journey %q", j.name))
		}
	}
	return append(users, s.journeys.stillUsing(key)...)
}

// checkOf refuses to make a segment be about others than it was while something asks for it: a segment of customers that
// asks for one of visitors is empty.
func (s *State) checkOf(name string, body []byte) error {
	var d SegmentDef
	seg := s.segNamed[name]
	if err := strict(body, &d); err != nil || seg == nil {
		return err
	}
	was := seg.def.about()
	if seg.next != nil {
		was = seg.next.version.def.about()
	}
	if was == d.about() {
		return nil
	}
	if users := s.usedBy(DefKey{DefSegment, name}); len(users) > 0 {
		return fmt.Errorf("it is of %s and cannot become of %s while it is used by %s; change that first, or save it under another name", was, d.about(), strings.Join(users, ", "))
	}
	return nil
}

// about is whom the segment is about, said in full.
func (d *SegmentDef) about() string { return cmp.Or(d.Of, "customers") }

func (s *State) prepareEvent(name string, body []byte) (func(), error) {
	var d schema.EventType
	if err := strict(body, &d); err != nil {
		return nil, err
	}
	if err := schema.CheckName("an event type", name); err != nil {
		return nil, err
	}
	if d.Name != name || d.System {
		return nil, fmt.Errorf("the definition is named %q, not %q, or claims to be the system's", d.Name, name)
	}
	if err := checkPolicy(d.Policy); err != nil {
		return nil, err
	}
	if err := d.Attributes.Check("", 0); err != nil {
		return nil, err
	}
	if n := len(d.Attributes); n > maxDeclared {
		return nil, fmt.Errorf("has %d attributes, the limit is %d; put those that belong together into an object attribute", n, maxDeclared)
	}
	if err := checkRetention(d.Retention); err != nil {
		return nil, err
	}
	if err := s.checkRefs(d.Attributes); err != nil {
		return nil, err
	}
	if t := s.typeNamed[name]; t == nil && slices.Contains(flipTypes, name) {
		return s.prepareFlips(&d)
	} else if t != nil {
		if t.def.System {
			return s.prepareSystemEvent(t, &d)
		}
		if err := s.mayDrop(t, d.Attributes); err != nil {
			return nil, err
		}
		kept := schema.Attrs{}
		for _, a := range t.def.Attributes.Names() {
			if _, stays := d.Attributes[a]; stays {
				kept[a] = t.def.Attributes[a]
			}
		}
		if err := sameTypes(kept, d.Attributes); err != nil {
			return nil, err
		}
	}
	return func() { s.setEventType(&d) }, nil
}

// mayDrop refuses to leave an attribute out once there was an event of the type, or while a definition names the type. The column
// of one that is left out stays in the table, empty, so it can only come back as the same kind.
func (s *State) mayDrop(t *eventType, attrs schema.Attrs) error {
	if s.loading { // it was allowed then
		return nil
	}
	for _, name := range t.def.Attributes.Names() {
		if _, kept := attrs[name]; kept {
			continue
		}
		if t.tab.Len() > 0 {
			return fmt.Errorf("attribute %q is missing; it cannot be dropped: there are or were events of the type", name)
		}
		if user := s.naming(t.def.Name); user != "" {
			return fmt.Errorf("attribute %q is missing; it cannot be dropped while %s names the event", name, user)
		}
	}
	columns := len(t.tab.Columns())
	for _, name := range attrs.Names() {
		c := t.tab.Column(name)
		if c == nil {
			columns++
		}
		if columns > column.MaxColumns {
			return fmt.Errorf("attribute %q is one too many: the limit is %d, with those that were dropped; put those that belong together into an object attribute", name, maxDeclared)
		}
		if c != nil && t.cols[name] == nil && c.Kind() != columnKind(attrs[name].Type) {
			return fmt.Errorf("attribute %q was dropped and cannot come back as %s, another type than it had; choose another name", name, attrs[name].Type)
		}
	}
	return nil
}

// naming is a definition of which some version has the name of an event type in it, in words; "" is none. It takes too many
// rather than too few: what reads attributes of a type names it.
func (s *State) naming(event string) string {
	for _, kind := range []string{DefSegment, DefJourney, DefTemplate, DefDataflow} {
		for _, d := range s.Definitions(kind) {
			for n := range d.Version {
				if body, _, ok := s.VersionBody(d, n+1); ok && bytes.Contains(body, []byte(event)) {
					return fmt.Sprintf("%s %q", kind, d.Name)
				}
			}
		}
	}
	return ""
}

func writtenByPlatform(name string) error {
	return fmt.Errorf("event %q is written by the platform itself; choose another name", name)
}

// maxDeclared is how many attributes an event type may have: each is a column beside those that every event has.
var maxDeclared = column.MaxColumns - len(eventColumns)

func checkPolicy(p schema.Policy) error {
	switch p {
	case "", schema.Strict, schema.Learn:
		return nil
	}
	return fmt.Errorf("unknown policy %q%s", p, schema.DidYouMean(string(p), []string{"strict", "learn"}))
}

// sameTypes refuses to change a type under data that is there, or to drop an attribute.
func sameTypes(old, new schema.Attrs) error {
	for _, name := range old.Names() {
		n, kept := new[name]
		if !kept {
			return fmt.Errorf("attribute %q is missing; it cannot be dropped while events have it", name)
		}
		if n.Type != old[name].Type {
			return fmt.Errorf("attribute %q is %s and cannot become %s", name, old[name].Type, n.Type)
		}
	}
	return nil
}

func (s *State) checkRefs(attrs schema.Attrs) error {
	for _, name := range attrs.Names() {
		if r := attrs[name].Ref; r != "" && s.objects[r] == nil {
			return fmt.Errorf("attribute %q refers to the unknown object type %q%s; define that first", name, r, schema.DidYouMean(r, slices.Collect(maps.Keys(s.objects))))
		}
		if err := s.checkRefs(attrs[name].Fields); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) setEventType(d *schema.EventType) {
	t := s.typeNamed[d.Name]
	if t == nil {
		t = s.newEventType(d)
	}
	t.setDef(d)
	clear(s.batch.columns)
	s.rebuildCatalogue()
	s.setRetention(t)
}

func (s *State) prepareObject(name string, body []byte) (func(), error) {
	var d schema.ObjectType
	if err := strict(body, &d); err != nil {
		return nil, err
	}
	if err := schema.CheckName("an object type", name); err != nil {
		return nil, err
	}
	if d.Name != name {
		return nil, fmt.Errorf("the definition is named %q, not %q", d.Name, name)
	}
	if err := checkPolicy(d.Policy); err != nil {
		return nil, err
	}
	if err := d.Attributes.Check("", 1); err != nil {
		return nil, err
	}
	for _, a := range d.Attributes.Names() {
		if a == "id" {
			return nil, errors.New("attribute \"id\": every object has an id of its own; choose another name")
		}
		if r := d.Attributes[a].Ref; r != name && r != "" && s.objects[r] == nil {
			return nil, fmt.Errorf("attribute %q refers to the unknown object type %q", a, r)
		}
	}
	if o := s.objects[name]; o != nil {
		if err := sameTypes(o.def.Attributes, d.Attributes); err != nil {
			return nil, err
		}
	}
	return func() {
		o := s.objects[name]
		if o == nil {
			o = &objectType{versions: newObjectVersions(), missed: map[string]struct{}{}}
			s.objects[name] = o
		}
		o.def = &d
		s.rebuildCatalogue()
	}, nil
}

// profileDef is the stored form of the profile's schema.
type profileDef struct {
	Policy     schema.Policy `json:"policy,omitempty"`
	Attributes schema.Attrs  `json:"attributes,omitempty"`
}

func (s *State) prepareProfile(body []byte) (func(), error) {
	var d profileDef
	if err := strict(body, &d); err != nil {
		return nil, err
	}
	if err := checkPolicy(d.Policy); err != nil {
		return nil, err
	}
	if err := d.Attributes.Check("", 1); err != nil {
		return nil, err
	}
	if err := s.checkRefs(d.Attributes); err != nil {
		return nil, err
	}
	if err := sameTypes(s.Catalogue.Profile, d.Attributes); err != nil {
		return nil, err
	}
	return func() {
		s.profilePolicy = d.Policy
		for _, name := range d.Attributes.Names() {
			s.addAttribute(name, d.Attributes[name])
		}
		s.rebuildCatalogue()
	}, nil
}

func (s *State) preparePortal(body []byte) (func(), error) {
	t, err := ParseSettings(body)
	if err != nil {
		return nil, err
	}
	if queued := s.typeNamed[MessageQueued]; queued.keep > 0 {
		if err := t.checkCaps(queued.def.Retention, queued.keep); err != nil {
			return nil, err
		}
	}
	return func() {
		moved := t.location.String() != s.Settings.location.String() || t.week != s.Settings.week
		s.Settings = t
		s.rebuildCatalogue()
		if moved {
			s.recompile()
		}
	}, nil
}

// rebuildCatalogue makes a new catalogue of what is declared; expressions compiled against an older one stay valid,
// because declarations only grow.
func (s *State) rebuildCatalogue() {
	c := &schema.Catalogue{
		Events:   make(map[string]*schema.EventType, len(s.types)),
		Objects:  make(map[string]*schema.ObjectType, len(s.objects)),
		Profile:  make(schema.Attrs, len(s.attrs)),
		Segments: make(map[string]bool, len(s.segNamed)),
		Location: s.Settings.location,
		Week:     s.Settings.week,
	}
	for _, t := range s.types {
		c.Events[t.def.Name] = t.def
	}
	for name, o := range s.objects {
		c.Objects[name] = o.def
	}
	for name, a := range s.attrs {
		c.Profile[name] = a.decl
	}
	for name := range s.segNamed {
		c.Segments[name] = true
	}
	s.Catalogue = c
}

func (s *State) publicTypes() []string {
	var names []string
	for _, t := range s.types {
		if !t.def.System {
			names = append(names, t.def.Name)
		}
	}
	return names
}
