package fold

// This file holds what definitions learn from data: event types that nobody declared, attributes, keys of objects. While a
// record is checked, what it would teach is only listed (learning); it takes effect when the record is known to be accepted,
// so that a rejected one teaches nothing. What is learned is kept as a row that adds to the one before, so that learning n
// attributes keeps n of them, not n²/2.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// learned is the actor of definitions that the data made.
const learned = "learned"

// learning is one declaration that the record under way teaches if it is accepted: of an attribute that is new, or of one
// that gets more keys. The column or attribute is entered with it; until then only the record's values refer to it.
type learning struct {
	name   string
	decl   schema.Attr
	column *attrColumn // of an event
	attr   *attribute  // of a profile
}

// unlearned returns an event type that nobody declared, to check the first event of it against. It is no type of the state.
func unlearned(name string) *eventType {
	return &eventType{def: &schema.EventType{Name: name, Policy: schema.Learn, Attributes: schema.Attrs{}}}
}

// learnType lets an undeclared type be one of the state.
func (s *State) learnType(t *eventType) *eventType {
	s.keepDefinition(DefKey{DefEvent, t.def.Name}, marshal(t.def), learned, false)
	s.setEventType(t.def)
	return s.typeNamed[t.def.Name]
}

// learnEvent lets what an accepted event taught take effect.
func (s *State) learnEvent(t *eventType) {
	for _, l := range s.batch.learning {
		t.cols[l.name] = l.column
		s.keepLearned(DefKey{DefEvent, t.def.Name}, l.name, l.decl)
		s.addEventAttribute(t, l.name, l.decl)
	}
}

// learnProfile lets what an accepted Identify taught take effect.
func (s *State) learnProfile() {
	for _, l := range s.batch.learning {
		s.keepLearned(DefKey{DefProfile, ""}, l.name, l.decl)
		s.enterAttribute(l.attr)
	}
	if len(s.batch.learning) > 0 {
		s.rebuildCatalogue()
	}
}

// learnObject lets what an accepted version of an object taught take effect.
func (s *State) learnObject(o *objectType) {
	for _, l := range s.batch.learning {
		s.keepLearned(DefKey{DefObject, o.def.Name}, l.name, l.decl)
		s.addObjectAttribute(o, l.name, l.decl)
	}
}

// learnedAttrs is the body of a row that adds attributes to a definition, or replaces their declarations.
type learnedAttrs struct {
	Attributes schema.Attrs `json:"attributes"`
}

func (s *State) keepLearned(key DefKey, name string, decl schema.Attr) {
	s.keepRow(key, marshal(learnedAttrs{schema.Attrs{name: decl}}), learned, false, true)
}

// adds says whether a row of the table of definitions adds to the one before. Others hold all of a definition.
func (s *State) adds(i uint32) bool {
	yes, _ := s.definitions.Column("adds").Bool(i)
	return yes
}

// prepareLearned lets a row that adds take effect again.
func (s *State) prepareLearned(key DefKey, body []byte) (take func(), err error) {
	var d learnedAttrs
	if err := strict(body, &d); err != nil {
		return nil, err
	}
	t, o := s.typeNamed[key.Name], s.objects[key.Name]
	if key.Kind == DefEvent && t == nil || key.Kind == DefObject && o == nil {
		return nil, errors.New("attributes were learned before it was defined")
	}
	return func() {
		for _, name := range d.Attributes.Names() {
			switch decl := d.Attributes[name]; key.Kind {
			case DefEvent:
				s.addEventAttribute(t, name, decl)
			case DefObject:
				s.addObjectAttribute(o, name, decl)
			default:
				s.addAttribute(name, decl)
				s.rebuildCatalogue()
			}
		}
	}, nil
}

// withLearned returns the JSON of a definition with what was learned after it.
func withLearned(kind string, body []byte, after [][]byte) []byte {
	if len(after) == 0 {
		return bytes.Clone(body)
	}
	with := func(attrs schema.Attrs) schema.Attrs {
		all := schema.Attrs{}
		maps.Copy(all, attrs)
		for _, row := range after {
			var d learnedAttrs
			unmarshal(row, &d)
			maps.Copy(all, d.Attributes)
		}
		return all
	}
	switch kind {
	case DefEvent:
		var d schema.EventType
		unmarshal(body, &d)
		d.Attributes = with(d.Attributes)
		return marshal(d)
	case DefObject:
		var d schema.ObjectType
		unmarshal(body, &d)
		d.Attributes = with(d.Attributes)
		return marshal(d)
	}
	var d profileDef
	unmarshal(body, &d)
	d.Attributes = with(d.Attributes)
	return marshal(d)
}

// marshal and unmarshal are for structs of this package, which always become JSON and come back.
func marshal(d any) []byte {
	body, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return body
}

func unmarshal(body []byte, into any) {
	if err := json.Unmarshal(body, into); err != nil {
		panic(err)
	}
}

// unknownAttribute is what happens to an attribute nobody declared: a reason to reject, or a column that is not entered yet.
// An event that brings it twice gets the same one.
func (s *State) unknownAttribute(t *eventType, name string, encoded []byte) (*attrColumn, string) {
	n := len(t.def.Attributes)
	for _, l := range s.batch.learning {
		if l.name == name {
			return l.column, ""
		}
		if t.cols[l.name] == nil {
			n++
		}
	}
	if t.def.Policy != schema.Learn {
		return nil, fmt.Sprintf("unknown attribute %q of event %q%s", name, t.def.Name, schema.DidYouMean(name, t.def.Attributes.Names()))
	}
	if schema.Reserved[name] || schema.CheckName("an attribute", name) != nil {
		return nil, fmt.Sprintf("event %q: %q is no name for an attribute: use letters, digits and underscores, and not time, id or source", t.def.Name, name)
	}
	if n >= MaxAttributes || t.tab != nil && len(t.tab.Columns())+len(s.batch.learning) >= column.MaxColumns { // of which some may have been left out again
		return nil, fmt.Sprintf("event %q would have more than %d attributes, and learns no more by itself; declare %q, or put those that belong together into an object attribute", t.def.Name, MaxAttributes, name)
	}
	v, _, err := value.Decode(encoded)
	if err != nil {
		return nil, err.Error()
	}
	decl, ok := schema.Infer(v)
	if !ok {
		return nil, ""
	}
	c := &attrColumn{name: name, decl: decl}
	s.batch.learning = append(s.batch.learning, learning{name: name, decl: decl, column: c})
	return c, ""
}

// MaxAttributes bounds what an event type or the profile learns by itself, and the keys that an object attribute gets later.
const MaxAttributes = 500

// addEventAttribute adds an attribute, or keys to one. Whether it is required or has a default does not change by that. The
// definition that others hold stays as it is.
func (s *State) addEventAttribute(t *eventType, name string, decl schema.Attr) {
	d := *t.def
	d.Attributes = d.Attributes.With(name, decl)
	t.def = &d
	t.setAttribute(name, decl)
	s.rebuildCatalogue()
}

// learnKeys lists a declaration with the undeclared keys of an object or of line items, where the type learns.
func (s *State) learnKeys(t *eventType, c *attrColumn, encoded []byte) (decl schema.Attr, grown bool) {
	decl = c.decl
	if t.def.Policy != schema.Learn || decl.Type != schema.Object && decl.Type != schema.ObjectList {
		return decl, false
	}
	v, _, err := value.Decode(encoded)
	if err != nil {
		return decl, false
	}
	seen, ok := schema.Infer(v)
	if !ok || seen.Type != decl.Type {
		return decl, false
	}
	decl.Fields = maps.Clone(decl.Fields)
	if decl.Fields == nil {
		decl.Fields = schema.Attrs{}
	}
	for _, name := range seen.Fields.Names() { // in order: near the limit it decides which key is refused
		if _, known := decl.Fields[name]; !known && len(decl.Fields) < MaxAttributes {
			decl.Fields[name], grown = seen.Fields[name], true
		}
	}
	if grown {
		s.batch.learning = append(s.batch.learning, learning{name: c.name, decl: decl, column: c})
	}
	return decl, grown
}

func (s *State) unknownProfileAttribute(name string) string {
	return fmt.Sprintf("unknown profile attribute %q%s", name, schema.DidYouMean(name, s.Catalogue.Profile.Names()))
}

// unknownProfileValue is what happens to a value of a profile attribute nobody declared: a reason to reject, or an attribute
// that is not entered yet.
func (s *State) unknownProfileValue(name string, encoded []byte) (*attribute, string) {
	if s.profilePolicy != schema.Learn {
		return nil, s.unknownProfileAttribute(name)
	}
	if err := schema.CheckName("an attribute", name); err != nil {
		return nil, err.Error()
	}
	if len(s.attrs)+len(s.batch.learning) >= MaxAttributes {
		return nil, fmt.Sprintf("profiles would have more than %d attributes, and learn no more by themselves; declare %q, or put those that belong together into an object attribute", MaxAttributes, name)
	}
	v, _, err := value.Decode(encoded)
	if err != nil {
		return nil, err.Error()
	}
	decl, ok := schema.Infer(v)
	if !ok {
		return nil, ""
	}
	a := newAttribute(name, decl)
	s.batch.learning = append(s.batch.learning, learning{name: name, decl: decl, attr: a})
	return a, ""
}
