package fold

import (
	"fmt"
	"slices"
	"strings"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/identity"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// This file is whose a record is, and what is known of people: identifiers, links and attributes.

// attribute is one profile attribute: its current value for each canonical row, and since when.
// The history of every change is in the table "sets".
type attribute struct {
	name string
	decl schema.Attr
	now  *column.Column // current values by row; absent also when it was removed
	at   *column.Column // time of the current value by row, or of its removal

	segments []*segment // that read this attribute
}

// maxKinds is how many kinds of identifiers there may be.
const maxKinds = 200

// checkIdentifiers says why a record's identifiers cannot be taken, or "". It changes nothing.
func (s *State) checkIdentifiers(r *record.Record, names []string) (problem string) {
	if len(r.Idents) == 0 {
		return "nobody is named: give a user id, an anonymous id or another identifier"
	}
	b := &s.batch
	b.newKinds = b.newKinds[:0]
	for _, id := range r.Idents {
		name := names[id.Kind]
		if len(id.ID) == 0 || len(id.ID) > identity.MaxID {
			return fmt.Sprintf("the identifier %q has %d bytes; it takes 1 to %d", name, len(id.ID), identity.MaxID)
		}
		if _, known := s.kindCode[name]; known || slices.Contains(b.newKinds, name) {
			continue
		}
		if err := schema.CheckName("a kind of identifier", name); err != nil {
			return err.Error()
		}
		if len(s.kinds)+len(b.newKinds) == maxKinds {
			return fmt.Sprintf("kind of identifier %q: there are %d kinds already", name, maxKinds)
		}
		b.newKinds = append(b.newKinds, name)
	}
	return ""
}

// resolve finds or makes the profile that a record with checked identifiers belongs to, and links what it shows to be one
// person. It returns the row the record is kept under, which linking never changes.
func (s *State) resolve(r *record.Record, names []string) (row uint32) {
	b := &s.batch
	b.idents, b.holders = b.idents[:0], b.holders[:0]
	for _, id := range r.Idents {
		kind := s.kind(names[id.Kind])
		b.idents = append(b.idents, identity.Identifier{Kind: kind, ID: id.ID})
		if row, ok := s.ids.Find(kind, id.ID); ok {
			b.holders = append(b.holders, [2]uint32{row, s.ids.Canonical(row)})
		}
	}
	s.ids.Resolve(b.idents, &b.resolution)
	res := &b.resolution
	for _, step := range res.Steps {
		switch step.Do {
		case identity.DoAttach:
			s.logIdentifier(step.Row, step.Identifier.Kind, step.Identifier.ID)
		case identity.DoLink:
			s.logLink(step.Row, step.Into, "came together: "+s.namesOf(b.idents), true)
		}
	}
	for _, c := range res.Conflicts {
		s.logLink(c.Row, c.Holder, fmt.Sprintf("refused: %s %q belongs to another customer", s.kinds[c.Identifier.Kind], c.Identifier.ID), false)
	}
	b.change = changeNone
	if res.Created {
		b.change = changeNew
	}
	for i, step := range res.Steps {
		made := func(before identity.Step) bool { return before.Do == identity.DoNewRow && before.Row == step.Row }
		if step.Do != identity.DoLink || slices.ContainsFunc(res.Steps[:i], made) {
			continue // what is new has nothing to give
		}
		b.change = changeMerged
		from := step.Row
		for _, h := range b.holders {
			if h[0] == step.Row {
				from = h[1]
			}
		}
		s.merge(from, s.ids.Canonical(step.Into))
	}
	return res.Row
}

// namesOf says which identifiers came together, as the reason of a link.
func (s *State) namesOf(ids []identity.Identifier) string {
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = fmt.Sprintf("%s %q", s.kinds[id.Kind], id.ID)
	}
	return strings.Join(parts, " and ")
}

func (s *State) logIdentifier(row uint32, kind uint8, id []byte) {
	t := s.identifiers
	i := t.Append()
	t.Column("q").SetInt(i, s.next())
	t.Column("row").SetUint(i, row)
	t.Column("kind").SetString(i, []byte(s.kinds[kind]))
	t.Column("id").SetBytes(i, id)
	t.Column("t").SetInt(i, s.Now)
	s.mix(uint64(row))
}

func (s *State) logLink(row, into uint32, reason string, ok bool) {
	t := s.links
	i := t.Append()
	t.Column("q").SetInt(i, s.next())
	t.Column("row").SetUint(i, row)
	t.Column("into").SetUint(i, into)
	t.Column("reason").SetString(i, []byte(reason))
	t.Column("t").SetInt(i, s.Now)
	t.Column("ok").SetBool(i, ok)
	s.mix(uint64(row)<<32 | uint64(into))
}

// merge gives a customer what its visitor had: attributes by the latest time, enrolments. The events need nothing: they
// stay under the visitor's row and are read through the customer's group. The visitor leaves every segment; the customer
// is asked about when all of the record is applied, so that a record is one change.
func (s *State) merge(visitor, customer uint32) {
	s.mergeAttributes(visitor, customer)
	s.ownersMoved(visitor)
	for _, seg := range s.byRank {
		s.touch(seg, CauseMerge)
	}
	s.settleRow(visitor, s.Now)
	s.journeys.move(visitor, customer)
	s.stimulate(stimulus{kind: onMerge, row: customer, at: s.Now, cause: CauseMerge})
}

// mergeAttributes lets the latest change of each attribute win, also one that removed it. At the same time the visitor's does:
// it came with what shows that they are one person.
func (s *State) mergeAttributes(visitor, customer uint32) {
	for _, name := range s.attrNames {
		a := s.attrs[name]
		if !a.has(visitor) || a.has(customer) && a.at.Int(customer) > a.at.Int(visitor) {
			continue
		}
		var bytes []byte
		if v := getCell2(a.now, visitor); !v.IsAbsent() {
			bytes = value.Append(nil, v)
		}
		a.put(customer, bytes, a.at.Int(visitor))
	}
}

// identify folds what is newly known of a person: identifiers that belong together, and attributes.
func (s *State) identify(r *record.Record, names []string, cause Cause) Verdict {
	s.batch.learning = s.batch.learning[:0]
	set := make([]pendingSet, 0, len(r.Attrs))
	for _, at := range r.Attrs {
		name := names[at.Name]
		a := s.attributeNamed(name)
		if value.Kind(at.Value[0]) == value.Absent {
			if a == nil {
				return s.reject(r, names, s.unknownProfileAttribute(name))
			}
			set = append(set, pendingSet{a, nil})
			continue
		}
		if a == nil {
			var problem string
			if a, problem = s.unknownProfileValue(name, at.Value); problem != "" {
				return s.reject(r, names, problem)
			}
			if a == nil {
				continue
			}
		}
		s.batch.spill = s.batch.spill[:0]
		bytes, err := s.fit(a.decl, at.Value)
		if err != nil {
			return s.reject(r, names, fmt.Sprintf("profile attribute %q %v", name, err))
		}
		set = append(set, pendingSet{a, append([]byte(nil), bytes...)})
	}
	if problem := s.checkIdentifiers(r, names); problem != "" {
		return s.reject(r, names, problem)
	}
	s.learnProfile()
	row := s.resolve(r, names)
	at := r.Time
	if at == 0 {
		at = s.Now
	}
	s.setAttributes(row, set, at, cause)
	return Verdict{}
}

// attributeNamed returns a profile attribute, also one that the record under way has brought; nil when it is unknown.
func (s *State) attributeNamed(name string) *attribute {
	if a := s.attrs[name]; a != nil {
		return a
	}
	for _, l := range s.batch.learning {
		if l.name == name {
			return l.attr
		}
	}
	return nil
}

// pendingSet is one checked attribute of a profile; nil bytes remove it.
type pendingSet struct {
	attr  *attribute
	bytes []byte
}

func (s *State) setAttributes(row uint32, set []pendingSet, at int64, cause Cause) {
	who := s.ids.Canonical(row)
	for _, p := range set {
		if s.setAttribute(row, who, p.attr, p.bytes, at) {
			for _, seg := range p.attr.segments {
				s.touch(seg, cause)
			}
		}
	}
	s.touchChange(s.batch.change, cause)
	s.settleRow(who, s.Now)
	s.journeys.changed(s, who)
	s.settle()
}

// setAttribute lets the latest change by the caller's time win, whether it sets or removes. What says nothing new is dropped;
// what comes late is kept as history and changes nothing now. It reports whether the current value changed.
//
// A set of the current value is dropped, so it does not make it newer: people are synced each night, and a row for each of
// their attributes would be kept each time. A removal is kept unless it has the time of the last one: its time is all that tells
// that what comes later and is older has lost.
func (s *State) setAttribute(row, who uint32, a *attribute, bytes []byte, at int64) bool {
	old := getCell2(a.now, who)
	known := a.has(who)
	late := known && a.at.Int(who) > at
	same := sameBytes(old, bytes)
	if !late && same && (bytes != nil || known && a.at.Int(who) == at) {
		return false
	}
	t := s.sets
	i := t.Append()
	t.Column("q").SetInt(i, s.next())
	t.Column("row").SetUint(i, row)
	t.Column("attr").SetString(i, []byte(a.name))
	t.Column("t").SetInt(i, at)
	t.Column("a").SetInt(i, s.Now)
	s.earliest = min(s.earliest, at)
	if bytes != nil {
		t.Column("value").SetBytes(i, bytes)
	}
	if !late && !old.IsAbsent() {
		t.Column("old").SetBytes(i, value.Append(nil, old))
	}
	s.mix(uint64(row)<<32 | uint64(i))
	if late {
		return false
	}
	a.put(who, bytes, at)
	return !same
}

func sameBytes(old value.Value, b []byte) bool {
	if b == nil {
		return old.IsAbsent()
	}
	v, _, err := value.Decode(b)
	return err == nil && v.Equal(old)
}

// has says whether the attribute was ever set or removed for the row.
func (a *attribute) has(row uint32) bool {
	return int(row) < a.at.Len() && a.at.Int(row) != column.AbsentInt
}

// put stores the current value; nil removes it.
func (a *attribute) put(row uint32, bytes []byte, at int64) {
	a.now.Grow(int(row) + 1)
	a.at.Grow(int(row) + 1)
	a.at.SetInt(row, at)
	if bytes == nil {
		a.now.Clear(row)
		return
	}
	setCell(a.now, row, bytes)
}

// getCell2 is getCell for a column that may be shorter than the row.
func getCell2(c *column.Column, row uint32) value.Value {
	if int(row) >= c.Len() {
		return value.Value{}
	}
	return getCell(c, row)
}

// addAttribute declares a profile attribute, or changes its declaration.
func (s *State) addAttribute(name string, decl schema.Attr) {
	a := s.attrs[name]
	if a == nil {
		a = newAttribute(name, decl)
		s.enterAttribute(a)
	}
	a.decl = decl
}

func newAttribute(name string, decl schema.Attr) *attribute {
	return &attribute{name: name, decl: decl, now: column.NewVector(columnKind(decl.Type)), at: column.NewVector(column.Int64)}
}

func (s *State) enterAttribute(a *attribute) {
	s.attrs[a.name] = a
	s.attrNames = append(s.attrNames, a.name)
}
