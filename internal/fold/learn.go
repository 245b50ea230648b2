package fold

// This file holds what definitions learn from data: event types that nobody declared, attributes, keys of objects. What is
// learned is kept as a row that adds to the one before, so that learning n attributes keeps n of them, not n²/2.

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

func (s *State) learnType(name string) {
	d := &schema.EventType{Name: name, Policy: schema.Learn, Attributes: schema.Attrs{}}
	s.keepDefinition(DefKey{DefEvent, name}, marshal(d), learned, false)
	s.setEventType(d)
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

// unknownAttribute is what happens to an attribute nobody declared: a reason to reject, or a new column.
func (s *State) unknownAttribute(t *eventType, name string, encoded []byte) (*attrColumn, string) {
	if t.def.Policy != schema.Learn {
		return nil, fmt.Sprintf("unknown attribute %q of event %q%s", name, t.def.Name, schema.DidYouMean(name, t.def.Attributes.Names()))
	}
	if schema.Reserved[name] || schema.CheckName("an attribute", name) != nil {
		return nil, fmt.Sprintf("event %q: %q is no name for an attribute: use letters, digits and underscores, and not time, id or source", t.def.Name, name)
	}
	if len(t.def.Attributes) >= MaxAttributes || len(t.tab.Columns()) >= column.MaxColumns { // of which some may have been dropped
		return nil, fmt.Sprintf("event %q has %d attributes already and learns no more", t.def.Name, MaxAttributes)
	}
	v, _, err := value.Decode(encoded)
	if err != nil {
		return nil, err.Error()
	}
	decl, ok := schema.Infer(v)
	if !ok {
		return nil, ""
	}
	s.learnAttribute(t, name, decl)
	return t.cols[name], ""
}

// MaxAttributes bounds what an event type or the profile learns by itself.
const MaxAttributes = 500

func (s *State) learnAttribute(t *eventType, name string, decl schema.Attr) {
	s.keepLearned(DefKey{DefEvent, t.def.Name}, name, decl)
	s.addEventAttribute(t, name, decl)
}

// addEventAttribute adds an attribute, or keys to one. Whether it is required or has a default does not change by that. The
// definition that others hold stays as it is.
func (s *State) addEventAttribute(t *eventType, name string, decl schema.Attr) {
	d := *t.def
	d.Attributes = d.Attributes.With(name, decl)
	t.def = &d
	t.setAttribute(name, decl)
	s.rebuildCatalogue()
}

// learnKeys adds the undeclared keys of an object or of line items to their declaration, where the type learns.
func (s *State) learnKeys(t *eventType, c *attrColumn, encoded []byte) bool {
	if t.def.Policy != schema.Learn || c.decl.Type != schema.Object && c.decl.Type != schema.ObjectList {
		return false
	}
	v, _, err := value.Decode(encoded)
	if err != nil {
		return false
	}
	seen, ok := schema.Infer(v)
	if !ok || seen.Type != c.decl.Type {
		return false
	}
	decl := c.decl
	decl.Fields = maps.Clone(decl.Fields)
	if decl.Fields == nil {
		decl.Fields = schema.Attrs{}
	}
	grown := false
	for name, f := range seen.Fields {
		if _, known := decl.Fields[name]; !known && len(decl.Fields) < MaxAttributes {
			decl.Fields[name], grown = f, true
		}
	}
	if grown {
		s.learnAttribute(t, c.name, decl)
	}
	return grown
}

func (s *State) unknownProfileAttribute(name string) string {
	return fmt.Sprintf("unknown profile attribute %q%s", name, schema.DidYouMean(name, s.Catalogue.Profile.Names()))
}

func (s *State) learnProfileAttribute(name string, encoded []byte) (*attribute, string) {
	if s.profilePolicy != schema.Learn {
		return nil, s.unknownProfileAttribute(name)
	}
	if err := schema.CheckName("an attribute", name); err != nil {
		return nil, err.Error()
	}
	if len(s.attrs) >= MaxAttributes {
		return nil, fmt.Sprintf("profiles have %d attributes already and learn no more", MaxAttributes)
	}
	v, _, err := value.Decode(encoded)
	if err != nil {
		return nil, err.Error()
	}
	decl, ok := schema.Infer(v)
	if !ok {
		return nil, ""
	}
	s.keepLearned(DefKey{DefProfile, ""}, name, decl)
	a := s.addAttribute(name, decl)
	s.rebuildCatalogue()
	return a, ""
}
