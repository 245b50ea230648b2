package fold

import (
	"fmt"
	"sort"

	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// objectType is one kind of business object with every version of every object.
type objectType struct {
	def      *schema.ObjectType
	versions objectVersions
	missed   map[string]struct{} // ids that something looked for before they were there
	segments []*segment          // that follow references to this type
}

// object folds a new version of a business object: the attributes given change, the others stay.
func (s *State) object(r *record.Record, names []string) Verdict {
	o := s.objects[names[r.Name]]
	if o == nil {
		known := make([]string, 0, len(s.objects))
		for name := range s.objects {
			known = append(known, name)
		}
		return Verdict{Code: Rejected, Reason: fmt.Sprintf("unknown object type %q%s; define it first", names[r.Name], schema.DidYouMean(names[r.Name], known))}
	}
	at := r.Time
	if at == 0 {
		at = s.Now
	}
	var enc []byte
	if r.Flags&record.FlagDelete == 0 {
		v, problem := s.objectValue(o, r, names, o.versions.get(string(r.ID)).before(at))
		if problem != "" {
			return Verdict{Code: Rejected, Reason: problem}
		}
		s.learnObject(o)
		enc = value.Append(nil, v)
	}
	i := s.objectLog.Append()
	t := s.objectLog
	t.Column("q").SetInt(i, s.next())
	t.Column("type").SetString(i, []byte(o.def.Name))
	t.Column("id").SetBytes(i, r.ID)
	t.Column("t").SetInt(i, at)
	t.Column("a").SetInt(i, s.Now)
	s.earliest = min(s.earliest, at)
	if enc == nil {
		t.Column("deleted").SetBool(i, true)
	} else {
		t.Column("value").SetBytes(i, enc)
	}
	s.mix(uint64(i))
	past := o.put(string(r.ID), at, enc, i)
	for _, seg := range o.segments {
		if past || seg.follows || s.sinceReferred(seg, at) {
			s.deferAll([]*segment{seg})
		}
	}
	if at > s.Now {
		s.insertLater(at, dueItem(dueObject, i, 0))
	}
	return Verdict{}
}

// objectHolds lets a version that was dated in the future take effect on references of profiles, which bind at now.
func (s *State) objectHolds(i uint32) {
	var segs []*segment
	for _, seg := range s.objects[s.objectLog.Column("type").Str(i)].segments {
		if seg.follows {
			segs = append(segs, seg)
		}
	}
	s.recompute(CauseTime, segs...)
}

// sinceReferred says whether an event that the segment reads may be bound to a version that holds from this time on.
func (s *State) sinceReferred(seg *segment, from int64) bool {
	for _, name := range seg.deps.Events {
		if t := s.typeNamed[name]; t != nil && t.latest >= from {
			return true
		}
	}
	return false
}

// objectValue is all of an object once the record's attributes have changed. What its type would learn is listed.
func (s *State) objectValue(o *objectType, r *record.Record, names []string, old []byte) (value.Value, string) {
	s.batch.learning = s.batch.learning[:0]
	attrs := o.def.Attributes
	fields := map[string]value.Value{}
	if old != nil {
		if v, _, err := value.Decode(old); err == nil {
			for _, f := range v.Fields {
				fields[f.Name] = f.Value
			}
		}
	}
	for _, a := range r.Attrs {
		name := names[a.Name]
		v, _, err := value.Decode(a.Value)
		if err != nil {
			return v, err.Error()
		}
		decl, known := attrs[name]
		if !known {
			if o.def.Policy != schema.Learn {
				return v, fmt.Sprintf("unknown attribute %q of object %q%s", name, o.def.Name, schema.DidYouMean(name, o.def.Attributes.Names()))
			}
			var ok bool
			if decl, ok = schema.Infer(v); !ok || schema.CheckName("an attribute", name) != nil {
				continue
			}
			if len(s.batch.learning) == 0 {
				attrs = attrs.With(name, decl) // a copy: the definition stays as it is
			}
			attrs[name] = decl
			s.batch.learning = append(s.batch.learning, learning{name: name, decl: decl})
		}
		if v.IsAbsent() {
			delete(fields, name)
			continue
		}
		if v, err = decl.Coerce(v); err != nil {
			return v, fmt.Sprintf("attribute %q of object %s %q %v", name, o.def.Name, r.ID, err)
		}
		fields[name] = v
	}
	list := make([]value.Field, 0, len(fields))
	for _, name := range attrs.Names() {
		v, there := fields[name]
		if !there {
			d, err := attrs[name].DefaultValue()
			if err == nil && !d.IsAbsent() {
				v, there = d, true
			} else if attrs[name].Required {
				return v, fmt.Sprintf("object %s %q lacks the required attribute %q", o.def.Name, r.ID, name)
			}
		}
		if there {
			list = append(list, value.Field{Name: name, Value: v})
		}
	}
	return value.ObjectOf(list), ""
}

func (s *State) addObjectAttribute(o *objectType, name string, decl schema.Attr) {
	d := *o.def
	d.Attributes = d.Attributes.With(name, decl)
	o.def = &d
	s.rebuildCatalogue()
}

// put enters a version. It reports whether answers about the past may change by it: when it is not the newest, or the
// first of an object that something looked for.
func (o *objectType) put(id string, from int64, enc []byte, row uint32) (changesPast bool) {
	versions := o.versions.get(id)
	i := versions.after(from)
	_, missed := o.missed[id]
	delete(o.missed, id)
	o.versions.set(id, versions.with(i, objectVersion{from, enc, row}))
	return missed || i < len(versions)
}

// At implements roweval.Objects.
func (s *State) At(typ, id string, t int64) (get func(name string) value.Value, ok bool) {
	o := s.objects[typ]
	if o == nil {
		return nil, false
	}
	versions := o.versions.get(id)
	if len(versions) == 0 {
		if s.batch.noting {
			o.missed[id] = struct{}{}
		}
		return nil, false
	}
	enc := s.past.versions(versions).at(t)
	if enc == nil {
		return nil, false
	}
	return func(name string) value.Value {
		v, _ := value.FieldOf(enc, name)
		return v
	}, true
}

// Object returns the newest version of an object and the time from which it holds.
func (s *State) Object(typ, id string) (v value.Value, from int64, ok bool) {
	o := s.objects[typ]
	if o == nil {
		return value.Value{}, 0, false
	}
	enc, from := o.versions.get(id).newest()
	if enc == nil {
		return value.Value{}, 0, false
	}
	v, _, err := value.Decode(enc)
	return v, from, err == nil
}

// ObjectIDs returns the ids of all objects of a type, in order.
func (s *State) ObjectIDs(typ string) []string {
	o := s.objects[typ]
	if o == nil {
		return nil
	}
	var ids []string
	for id, versions := range o.versions.all() {
		if enc, _ := versions.newest(); enc != nil {
			ids = append(ids, id)
		}
	}
	sort.Strings(ids)
	return ids
}
