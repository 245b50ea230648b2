package celenv

import (
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/embedcdp/cdp/internal/schema"
)

// Names of the struct types. A nested object's type is its owner's name, a slash and the attribute. None is a variable's
// name and a dot and more, or the checker would take event.refund for a type where there is an event type `refund`.
const (
	profileType = "@profile"
	eventsType  = "@events"
	eventType   = "@type.event." // + event type
	objectType  = "@type.object."
	varsType    = "@vars"
)

// provider answers the type checker's questions about the declared schema. It keeps no tables of its own: a name is
// looked up in the catalogue when it is asked for, so a large catalogue costs nothing until used.
type provider struct {
	cat  *schema.Catalogue
	vars schema.Attrs
	types.Provider
}

func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := p.attrs(name); ok || name == eventsType {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return nil, false
}

func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	attrs, ok := p.attrs(name)
	return attrs.Names(), ok
}

func (p *provider) FindStructFieldType(owner, field string) (*types.FieldType, bool) {
	t := p.fieldType(owner, field)
	if t == nil {
		return nil, false
	}
	return &types.FieldType{
		Type:    t,
		IsSet:   func(target any) bool { f, ok := target.(Fields); return ok && f.HasField(field) },
		GetFrom: func(target any) (any, error) { return target.(Fields).Field(field) },
	}, true
}

func (p *provider) fieldType(owner, field string) *types.Type {
	if owner == eventsType {
		if p.cat.Events[field] == nil {
			return nil
		}
		return cel.ListType(cel.ObjectType(eventType + field))
	}
	if strings.HasPrefix(owner, eventType) && !strings.Contains(owner, "/") {
		switch field {
		case "time":
			return cel.TimestampType
		case "id", "source":
			return cel.StringType
		}
	}
	attrs, _ := p.attrs(owner)
	name, follow := strings.CutSuffix(field, RefSuffix)
	at, ok := attrs[name]
	switch {
	case !ok:
		return nil
	case follow && at.Ref == "":
		return nil
	case follow:
		return cel.ObjectType(objectType + at.Ref)
	}
	return celType(at, owner+"/"+name)
}

// attrs finds the declarations behind a struct type's name.
func (p *provider) attrs(name string) (schema.Attrs, bool) {
	root, path, nested := strings.Cut(name, "/")
	var attrs schema.Attrs
	switch {
	case root == profileType:
		attrs = p.cat.Profile
	case root == varsType:
		attrs = p.vars
	case strings.HasPrefix(root, eventType):
		et := p.cat.Events[root[len(eventType):]]
		if et == nil {
			return nil, false
		}
		attrs = et.Attributes
	case strings.HasPrefix(root, objectType):
		ot := p.cat.Objects[root[len(objectType):]]
		if ot == nil {
			return nil, false
		}
		attrs = ot.Attributes
	default:
		return nil, false
	}
	for nested {
		var key string
		key, path, nested = strings.Cut(path, "/")
		at, ok := attrs[key]
		if !ok {
			return nil, false
		}
		attrs = at.Fields
	}
	return attrs, true
}

// celType is the CEL type of an attribute; path names the struct type of an object.
func celType(at schema.Attr, path string) *types.Type {
	switch at.Type {
	case schema.Number:
		return cel.DoubleType
	case schema.String, schema.Text:
		return cel.StringType
	case schema.Datetime:
		return cel.TimestampType
	case schema.Boolean:
		return cel.BoolType
	case schema.Object:
		return cel.ObjectType(path)
	}
	if elem := at.Type.Elem(); elem != "" {
		return cel.ListType(celType(schema.Attr{Type: elem}, path))
	}
	return types.ErrorType
}

// IsEventList tells whether a type is a list of events.
func IsEventList(t *types.Type) bool {
	return t != nil && t.Kind() == types.ListKind && len(t.Parameters()) == 1 &&
		strings.HasPrefix(t.Parameters()[0].TypeName(), eventType) && !strings.Contains(t.Parameters()[0].TypeName(), "/")
}

// EventType is the name of the event type whose events a type is of.
func EventType(t *types.Type) (name string, ok bool) {
	if t == nil || t.Kind() != types.StructKind || strings.Contains(t.TypeName(), "/") {
		return "", false
	}
	return strings.CutPrefix(t.TypeName(), eventType)
}
