package fold

import (
	"maps"
	"slices"
	"sync"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/column"
)

// Freeze returns a read-only copy of the state as of now, with what a question of these dependencies reads and nothing else:
// who is who, the attributes, event types, segments and objects named, the settings and the catalogue. It may be read while
// the state goes on, so a long question need not hold the fold up. It costs little: tables and profiles are shared
// and copied by the fold where it changes them.
//
// lists says that single people will be looked at too, each with their events: it shares the lists by which these are
// found, which the fold then copies as it adds to them. Without it they are made anew, in order of arrival, when they are asked
// for after all.
func (s *State) Freeze(d celenv.Deps, lists bool) *State {
	s.freezing.Lock()
	defer s.freezing.Unlock()
	f := &State{past: s.past, freezing: s.freezing, Position: s.Position, Now: s.Now, Digest: s.Digest, Sequence: s.Sequence, Settings: s.Settings, Catalogue: s.Catalogue,
		ids: s.ids.Freeze(), kinds: slices.Clip(s.kinds), kindCode: maps.Clone(s.kindCode),
		attrs: map[string]*attribute{}, typeNamed: map[string]*eventType{}, segNamed: map[string]*segment{}, objects: map[string]*objectType{}}
	for _, name := range d.Attrs {
		if a := s.attrs[name]; a != nil {
			f.attrs[name] = &attribute{name: name, decl: a.decl, now: a.now.Freeze()}
		}
	}
	for _, name := range d.Events {
		if t := s.typeNamed[name]; t != nil {
			f.typeNamed[name] = t.freeze(lists)
		}
	}
	for _, name := range d.Segments {
		if seg := s.segNamed[name]; seg != nil {
			f.segNamed[name] = &segment{id: seg.id, name: name, visitors: seg.visitors, members: seg.members.Clone()}
		}
	}
	for _, name := range d.Objects {
		if o := s.objects[name]; o != nil {
			f.objects[name] = &objectType{def: o.def, versions: o.versions.freeze()}
		}
	}
	return f
}

func (t *eventType) freeze(lists bool) *eventType {
	f := &eventType{id: t.id, def: t.def, cols: make(map[string]*attrColumn, len(t.cols)), earliest: t.earliest, latest: t.latest, keep: t.keep, gone: t.gone, owners: t.owners.freeze()}
	f.setTable(t.tab.Freeze())
	for name, c := range t.cols {
		f.cols[name] = &attrColumn{name: name, decl: c.decl, def: c.def, col: f.tab.Column(name)}
	}
	if lists {
		f.heads, f.prev, f.unordered = t.heads.Freeze(), t.prev.Freeze(), t.unordered.Clone()
	} else {
		f.heads, f.prev = column.NewVector(column.Uint32), column.NewVector(column.Uint32)
		f.unlisted = sync.OnceFunc(func() {
			f.prev.Grow(f.tab.Len())
			for i := f.gone.Rows; int(i) < f.tab.Len(); i++ {
				row := f.row.Uint(i)
				f.heads.Grow(int(row) + 1)
				f.prev.SetUint(i, f.heads.Uint(row))
				f.heads.SetUint(row, i+1)
			}
		})
	}
	return f
}

// setTable gives the type its table and the columns that every table of events has.
func (t *eventType) setTable(tab *column.Table) {
	t.tab = tab
	t.time, t.seq, t.arrived = tab.Column("$t"), tab.Column("$q"), tab.Column("$a")
	t.row, t.source, t.eid = tab.Column("$row"), tab.Column("$source"), tab.Column("$id")
}
